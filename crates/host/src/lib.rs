//! What a function has of the place where it runs: variables go in, log lines and metrics come out.
//!
//! Each function's settings are its own; how a variable is read and what is said of a wrong one is the same in all. Knows
//! neither AWS's SDK nor the lake, so that `ingest`, which has to stay small, can use it too.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod invocation;
mod lines;
mod logging;
pub mod metrics;
mod variables;

use std::error::Error;

pub use lines::Lines;
pub use logging::{LogFormat, Logging};
pub use metrics::Metrics;
pub use variables::{SettingsError, Variables};

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
