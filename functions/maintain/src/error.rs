//! What fails a run.

use lambda_runtime::Diagnostic;
use pinlake_host::chain;

use crate::summary::Summary;

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The event cannot be read. Nothing was done.
    #[error("could not read the event")]
    Event(#[source] serde_json::Error),
    /// The event asks for a dataset that there is not. Nothing was done.
    #[error("`{name}` is no dataset")]
    NoDataset {
        /// The name asked for.
        name: String,
    },
    /// The lake's settings are wrong.
    #[error("could not set up the tables")]
    Lake(#[from] Box<pinlake_lake::Error>),
    /// Some tables could not be kept up. The others were.
    #[error("upkeep failed: {}", listed(failures))]
    Tables {
        /// What failed, table by table.
        failures: Vec<Failure>,
        /// What was done all the same.
        summary: Box<Summary>,
    },
    /// The answer cannot be written as JSON.
    #[error("could not encode the answer")]
    Answer(#[source] serde_json::Error),
}

/// A table whose upkeep failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The table's folder.
    pub table: String,
    /// Why, causes included.
    pub reason: String,
}

fn listed(failures: &[Failure]) -> String {
    let each = failures
        .iter()
        .map(|failure| format!("{}: {}", failure.table, failure.reason));
    each.collect::<Vec<_>>().join("; ")
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        let error_type = match &error {
            Error::Event(_) => "Event",
            Error::NoDataset { .. } => "NoDataset",
            Error::Lake(_) => "Lake",
            Error::Tables { .. } => "Tables",
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
        let diagnostic = Diagnostic::from(crate::Request::parse(b"x").unwrap_err());
        assert_eq!(diagnostic.error_type, "Event");
        let message = diagnostic.error_message;
        assert!(message.starts_with("could not read the event: expected"), "{message}");
    }

    #[test]
    fn every_table_that_failed_is_named() {
        let failure = |table: &str| Failure {
            table: table.to_owned(),
            reason: "it is broken".to_owned(),
        };
        let failures = vec![failure("tables/pin"), failure("quarantine/geo")];
        let summary = Box::default();
        assert_eq!(
            Error::Tables { failures, summary }.to_string(),
            "upkeep failed: tables/pin: it is broken; quarantine/geo: it is broken"
        );
    }
}
