//! What a function has of the place where it runs: variables, log lines, the lake's address.
//!
//! Each function's settings are its own; how a variable is read and what is said of a wrong one is the same in all.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod logging;
mod variables;

use std::error::Error;

use aws_config::SdkConfig;
use pinlake_lake::{Lake, S3Options};

pub use logging::{LogFormat, Logging};
pub use variables::{SettingsError, Variables};

/// The lake at an address, reached as the SDK's configuration says: its region, endpoint and credentials. Makes no
/// request.
///
/// # Errors
/// [`pinlake_lake::Error::Location`] if the address cannot be used.
pub fn open_lake(uri: &str, aws: &SdkConfig) -> Result<Lake, Box<pinlake_lake::Error>> {
    let s3 = S3Options {
        region: aws.region().map(ToString::to_string),
        endpoint: aws.endpoint_url().map(str::to_owned),
        credentials: aws.credentials_provider(),
    };
    Lake::open(uri, &s3).map_err(Box::new)
}

/// The error and its causes: `could not x: because of y: because of z`. What an error quotes of its cause is not said
/// again.
pub fn explain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    text
}

/// [`explain`], in one line: for logs and answers.
pub fn chain(error: &dyn Error) -> String {
    explain(error).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{said}")]
    struct Told {
        said: &'static str,
        source: Option<Box<Told>>,
    }

    fn told(said: &'static str, source: Option<Told>) -> Told {
        Told {
            said,
            source: source.map(Box::new),
        }
    }

    #[test]
    fn an_error_is_told_in_one_line_and_once() {
        let error = told(
            "could not x",
            Some(told("reading: no\n  way", Some(told("no\n  way", None)))),
        );
        assert_eq!(explain(&error), "could not x: reading: no\n  way");
        assert_eq!(chain(&error), "could not x: reading: no way");
        assert_eq!(chain(&told("alone", None)), "alone");
    }
}
