//! What fails a whole event.

use lambda_runtime::Diagnostic;
use pinlake_host::chain;
use pinlake_lake::NotLanded;

use crate::envelope::EnvelopeError;

/// Why an event was not handled, so that all of it has to come again. Never because of a record.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The event cannot be read.
    #[error("could not read the event")]
    Envelope(#[from] EnvelopeError),
    /// There is no dataset for a stream or topic: a fault of the configuration. Nothing of the event was stored.
    #[error("`{route}` leads to no dataset")]
    NoDataset {
        /// The stream or topic.
        route: String,
    },
    /// Records of a Kafka partition were not stored. What was stored is recognised when the event comes again.
    #[error("could not store the event")]
    NotLanded(#[from] Box<NotLanded>),
    /// The lake's settings are wrong.
    #[error("could not set up the tables")]
    Lake(#[from] Box<pinlake_lake::Error>),
    /// The answer cannot be written as JSON.
    #[error("could not encode the answer")]
    Answer(#[source] serde_json::Error),
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        let error_type = match &error {
            Error::Envelope(_) => "Envelope",
            Error::NoDataset { .. } => "NoDataset",
            Error::NotLanded(_) => "NotLanded",
            Error::Lake(_) => "Lake",
            Error::Answer(_) => "Answer",
        };
        Self {
            error_type: error_type.to_owned(),
            error_message: chain(&error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lambda_is_told_the_whole_chain() {
        let json = serde_json::from_str::<u8>("x").unwrap_err();
        let diagnostic = Diagnostic::from(Error::Envelope(json.into()));
        assert_eq!(diagnostic.error_type, "Envelope");
        assert!(
            diagnostic
                .error_message
                .starts_with("could not read the event: the event is not what an event source mapping sends: expected"),
            "{}",
            diagnostic.error_message
        );
    }
}
