//! Log lines: one JSON object each on Lambda, plain text for people.
//!
//! | variable | default | meaning |
//! |---|---|---|
//! | `LOG_FORMAT` | `json` | `json` for machines, `text` for people |
//! | `RUST_LOG` | `info`, less what the Delta libraries log of their own | what is logged: a level, and levels of modules |
//!
//! On Lambda every line of an invocation holds `span.requestId`, which is Lambda's own, and `span.xrayTraceId`.

use tracing_subscriber::{
    Layer as _, filter::LevelFilter, filter::Targets, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

use crate::variables::{SettingsError, Variables};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logging {
    /// `LOG_FORMAT`: `json` for machines, `text` for people. Default `json`.
    pub format: LogFormat,
    /// `RUST_LOG`: what is logged, e.g. `info,pinlake_lake=debug`. Default `info`, less what the Delta libraries log of
    /// their own.
    pub filter: String,
}

/// Looking whether a table is there yet is no error, though the Delta kernel logs it as one.
const QUIET: &str = "info,buoyant_kernel=warn,buoyant_kernel::snapshot=off,deltalake_core=warn";

impl Default for Logging {
    fn default() -> Self {
        Self {
            format: LogFormat::Json,
            filter: QUIET.to_owned(),
        }
    }
}

impl Logging {
    /// Reads the settings.
    ///
    /// # Errors
    /// `LOG_FORMAT` is neither of its words.
    pub fn from_variables(variables: &Variables<impl Fn(&str) -> Option<String>>) -> Result<Self, SettingsError> {
        let formats = [("json", LogFormat::Json), ("text", LogFormat::Text)];
        Ok(Self {
            format: variables.word("LOG_FORMAT", formats, "is neither `json` nor `text`")?,
            filter: variables.text("RUST_LOG").unwrap_or_else(|| QUIET.to_owned()),
        })
    }

    /// Starts logging to standard output, once per process. A filter that cannot be read counts as `info`.
    pub fn start(&self) {
        let filter: Targets = self
            .filter
            .parse()
            .unwrap_or_else(|_| Targets::new().with_default(LevelFilter::INFO));
        // Whatever else is left out: the span that holds the request's id.
        let filter = filter.with_target("lambda_runtime", LevelFilter::INFO);
        // Lambda puts the time to each line, and it shows no colours.
        let lines = match self.format {
            LogFormat::Json => fmt::layer()
                .json()
                .flatten_event(true)
                .with_current_span(true)
                .with_span_list(false)
                .without_time()
                .boxed(),
            LogFormat::Text => fmt::layer().with_ansi(false).boxed(),
        };
        tracing_subscriber::registry().with(lines.with_filter(filter)).init();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logging(variable: &str, value: &str) -> Result<Logging, SettingsError> {
        Logging::from_variables(&Variables::new(|name: &str| {
            (name == variable).then(|| value.to_owned())
        }))
    }

    #[test]
    fn lines_are_json_unless_somebody_reads_them() {
        assert_eq!(
            logging("LOG_FORMAT", "").unwrap(),
            Logging {
                format: LogFormat::Json,
                filter: QUIET.to_owned()
            }
        );
        assert_eq!(logging("LOG_FORMAT", "text").unwrap().format, LogFormat::Text);
        assert_eq!(logging("RUST_LOG", "debug").unwrap().filter, "debug");
        assert_eq!(logging("LOG_FORMAT", "xml").unwrap_err().variable, "LOG_FORMAT");
    }
}
