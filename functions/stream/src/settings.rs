//! The settings of `stream`: data, parsed once from environment variables through a lookup function.
//!
//! | variable | default | meaning |
//! |---|---|---|
//! | `LAKE_URI` | none: required | `s3://bucket[/prefix]`, where the tables are |
//! | `DATASETS_URI` | compiled in | folder or `s3://bucket/prefix/` with definitions |
//! | `MAX_RECORD_BYTES` | 1,048,576 | a larger record is quarantined |
//! | `LAKE_COMMIT_TRIES` | 40 | tries to win a table's next version |
//! | `LAKE_STALE_SECONDS` | 600 | age at which a warm table handle looks at the log first |
//! | `LOG_FORMAT`, `RUST_LOG` | see [`Logging`] | what is logged, and how |
//! | `METRICS_NAMESPACE` | `Pinlake` | where metrics go |

use pinlake_dataset::Limits;
use pinlake_host::{Logging, SettingsError, Variables};

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
    /// `LOG_FORMAT`, `RUST_LOG`: what is logged, and how.
    pub logging: Logging,
    /// `METRICS_NAMESPACE`: the namespace of the metrics. Default `Pinlake`.
    pub metrics_namespace: String,
}

impl Settings {
    /// Reads the settings through `lookup`, e.g. `|name| std::env::var(name).ok()`. An empty value counts as none.
    ///
    /// # Errors
    /// Names the first variable that is missing or cannot be used.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let variables = Variables::new(lookup);
        Ok(Self {
            lake_uri: variables.required("LAKE_URI")?,
            datasets_uri: variables.text("DATASETS_URI"),
            record_bytes: variables.number(
                "MAX_RECORD_BYTES",
                1..=10_485_760,
                Limits::default().record_bytes,
                "is no number of bytes from 1 to 10485760",
            )?,
            lake: pinlake_aws::lake_settings(&variables)?,
            logging: Logging::from_variables(&variables)?,
            metrics_namespace: variables.metrics_namespace(),
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
    use pinlake_host::LogFormat;

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
            (settings.logging.format, settings.logging.filter.as_str()),
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
