//! The settings of `stream`: data, parsed once from environment variables through a lookup function.
//!
//! | variable | default | meaning |
//! |---|---|---|
//! | `LAKE_URI` | none: required | `s3://bucket[/prefix]`, where the tables are |
//! | `DATASETS_URI` | compiled in | folder or `s3://bucket/prefix/` with definitions |
//! | `MAX_RECORD_BYTES` | 1,048,576 | a larger record is quarantined |
//! | `LAKE_COMMIT_TRIES` | 40 | tries to win a table's next version |
//! | `LAKE_STALE_SECONDS` | 600 | age at which a warm table handle looks at the log first |
//! | `LOG_FORMAT` | `json` | `json` or `text` |
//! | `RUST_LOG` | `info`, less what the Delta kernel logs of missing tables | what is logged, as `tracing` filters are written |

use pinlake_dataset::Limits;

/// What `stream` can be told from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `LAKE_URI`: where the tables are, `s3://bucket[/prefix]`. Required.
    pub lake_uri: String,
    /// `DATASETS_URI`: a folder or an `s3://bucket/prefix/` that holds the definitions. Default: those compiled in.
    pub datasets_uri: Option<String>,
    /// `MAX_RECORD_BYTES`: a larger record is quarantined, in bytes. Default 1,048,576, as in Kinesis; at most
    /// 10,485,760, to which a stream can be raised.
    pub record_bytes: usize,
    /// `LAKE_COMMIT_TRIES` and `LAKE_STALE_SECONDS`: how tables are committed to.
    pub lake: pinlake_lake::Settings,
    /// `LOG_FORMAT`: `json` for machines, `text` for people. Default `json`.
    pub log_format: LogFormat,
    /// `RUST_LOG`: what is logged, e.g. `info,pinlake_lake=debug`. Default `info`, less what the Delta kernel logs of
    /// missing tables.
    pub log_filter: String,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable} {reason}")]
pub struct SettingsError {
    /// The variable's name.
    pub variable: &'static str,
    /// What is wrong with its value.
    pub reason: &'static str,
}

/// Looking whether a table is there yet is no error, though the Delta kernel logs it as one.
const QUIET: &str = "info,buoyant_kernel::snapshot=off";

const RECORD_BYTES: std::ops::RangeInclusive<usize> = 1..=10_485_760;

impl Settings {
    /// Reads the settings through `lookup`, e.g. `|name| std::env::var(name).ok()`. An empty value counts as none.
    ///
    /// # Errors
    /// Names the first variable that is missing or cannot be used.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let lookup = |variable: &str| {
            lookup(variable)
                .map(|value| value.trim().to_owned())
                .filter(|value| !value.is_empty())
        };
        let refuse = |variable, reason| SettingsError { variable, reason };
        let record_bytes = match lookup("MAX_RECORD_BYTES") {
            None => Limits::default().record_bytes,
            Some(value) => value
                .parse()
                .ok()
                .filter(|bytes| RECORD_BYTES.contains(bytes))
                .ok_or(refuse("MAX_RECORD_BYTES", "is no number of bytes from 1 to 10485760"))?,
        };
        let log_format = match lookup("LOG_FORMAT").as_deref() {
            None | Some("json") => LogFormat::Json,
            Some("text") => LogFormat::Text,
            Some(_) => return Err(refuse("LOG_FORMAT", "is neither `json` nor `text`")),
        };
        let lake = pinlake_lake::Settings::from_lookup(lookup).map_err(|error| refuse(error.variable, error.reason))?;
        Ok(Self {
            lake_uri: lookup("LAKE_URI").ok_or(refuse("LAKE_URI", "is not set"))?,
            datasets_uri: lookup("DATASETS_URI"),
            record_bytes,
            lake,
            log_format,
            log_filter: lookup("RUST_LOG").unwrap_or_else(|| QUIET.to_owned()),
        })
    }

    /// What a record may cost.
    pub fn limits(&self) -> Limits {
        Limits {
            record_bytes: self.record_bytes,
            ..Limits::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        Settings::from_lookup(|name| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_lake_is_all_that_is_required() {
        let settings = settings(&[("LAKE_URI", "s3://lake")]).unwrap();
        assert_eq!(settings.lake_uri, "s3://lake");
        assert_eq!(settings.limits(), Limits::default());
        assert_eq!(
            (settings.log_format, settings.log_filter.as_str()),
            (LogFormat::Json, QUIET)
        );
    }

    #[test]
    fn values_are_read() {
        let settings = settings(&[
            ("LAKE_URI", "s3://lake/a"),
            ("DATASETS_URI", "s3://definitions/"),
            ("MAX_RECORD_BYTES", " 2048 "),
            ("LAKE_COMMIT_TRIES", "3"),
            ("LOG_FORMAT", "text"),
            ("RUST_LOG", "debug"),
        ])
        .unwrap();
        assert_eq!(settings.datasets_uri.as_deref(), Some("s3://definitions/"));
        assert_eq!(settings.limits().record_bytes, 2048);
        assert_eq!(settings.lake.commit_tries.get(), 3);
        assert_eq!(
            (settings.log_format, settings.log_filter.as_str()),
            (LogFormat::Text, "debug")
        );
    }

    #[test]
    fn a_bad_value_names_its_variable() {
        for (variable, value) in [
            ("LAKE_URI", " "),
            ("MAX_RECORD_BYTES", "0"),
            ("MAX_RECORD_BYTES", "10485761"),
            ("MAX_RECORD_BYTES", "many"),
            ("LAKE_COMMIT_TRIES", "0"),
            ("LAKE_STALE_SECONDS", "soon"),
            ("LOG_FORMAT", "xml"),
        ] {
            let mut variables = vec![(variable, value)];
            if variable != "LAKE_URI" {
                variables.push(("LAKE_URI", "s3://lake"));
            }
            assert_eq!(settings(&variables).unwrap_err().variable, variable, "{value}");
        }
    }
}
