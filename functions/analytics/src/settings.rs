//! The settings of `analytics`: data, parsed once from environment variables through a lookup function.
//!
//! | variable | default | meaning |
//! |---|---|---|
//! | `LAKE_URI` | none: required | `s3://bucket[/prefix]`: raw objects, tables and results |
//! | `DATASETS_URI` | compiled in | folder or `s3://bucket/prefix/` with definitions |
//! | `REPORTS_URI` | compiled in | folder or `s3://bucket/prefix/` with reports |
//! | `MAX_RECORD_BYTES` | 1,048,576 | a larger record is quarantined |
//! | `BATCH_FILE_BYTES` | 134,217,728 | size at which a Parquet file is closed |
//! | `LOOKBACK_DAYS` | 1 | earlier days that a scheduled run looks at for late objects |
//! | `QUERY_MEMORY_BYTES`, `QUERY_SPILL_FOLDER`, `QUERY_SPILL_BYTES`, `QUERY_ANSWER_BYTES` | see [`QuerySettings`] | what a question may take |
//! | `LAKE_COMMIT_TRIES` | 40 | tries to win a table's next version |
//! | `LAKE_STALE_SECONDS` | 600 | age at which a warm table handle looks at the log first |
//! | `LOG_FORMAT`, `RUST_LOG` | see [`Logging`] | what is logged, and how |
//! | `METRICS_NAMESPACE` | `Pinlake` | where metrics go |

use pinlake_dataset::Limits;
use pinlake_host::{Logging, SettingsError, Variables};

use crate::{batch::BatchSettings, query::QuerySettings};

/// What `analytics` can be told from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `LAKE_URI`: `s3://bucket[/prefix]`, where raw objects, tables and results are. Required.
    pub lake_uri: String,
    /// `DATASETS_URI`: a folder or an `s3://bucket/prefix/` that holds the definitions. Default: those compiled in.
    pub datasets_uri: Option<String>,
    /// `REPORTS_URI`: a folder or an `s3://bucket/prefix/` that holds the reports. Default: those compiled in.
    pub reports_uri: Option<String>,
    /// `MAX_RECORD_BYTES`, `BATCH_FILE_BYTES`, `LAKE_COMMIT_TRIES`, `LAKE_STALE_SECONDS`: how days are cleaned.
    pub batch: BatchSettings,
    /// `LOOKBACK_DAYS`: how many days before its own a scheduled run looks at for late objects, 0 to 31. Default 1.
    pub lookback_days: u32,
    /// `QUERY_…`: what a question may take.
    pub query: QuerySettings,
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
        let record_bytes = variables.number(
            "MAX_RECORD_BYTES",
            1..=10_485_760,
            Limits::default().record_bytes,
            "is no number of bytes from 1 to 10485760",
        )?;
        let batch = BatchSettings {
            limits: Limits {
                record_bytes,
                ..Limits::default()
            },
            file_bytes: variables.number(
                "BATCH_FILE_BYTES",
                1_048_576..=1_073_741_824,
                128 << 20,
                "is no number of bytes from 1048576 to 1073741824",
            )?,
            lake: pinlake_aws::lake_settings(&variables)?,
        };
        Ok(Self {
            lake_uri: variables.required("LAKE_URI")?,
            datasets_uri: variables.text("DATASETS_URI"),
            reports_uri: variables.text("REPORTS_URI"),
            batch,
            lookback_days: variables.number("LOOKBACK_DAYS", 0..=31, 1, "is no number of days from 0 to 31")?,
            query: QuerySettings::from_variables(&variables)?,
            logging: Logging::from_variables(&variables)?,
            metrics_namespace: variables.metrics_namespace(),
        })
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
        assert_eq!((settings.reports_uri, settings.lookback_days), (None, 1));
        assert_eq!(settings.batch.file_bytes, 134_217_728);
        assert_eq!(settings.query, QuerySettings::default());
    }

    #[test]
    fn values_are_read() {
        let settings = settings(&[
            ("LAKE_URI", "s3://lake/a"),
            ("REPORTS_URI", "s3://reports/"),
            ("MAX_RECORD_BYTES", "2048"),
            ("BATCH_FILE_BYTES", " 1048576 "),
            ("LOOKBACK_DAYS", "0"),
            ("QUERY_MEMORY_BYTES", "67108864"),
            ("LAKE_COMMIT_TRIES", "3"),
            ("LOG_FORMAT", "text"),
        ])
        .unwrap();
        assert_eq!(settings.reports_uri.as_deref(), Some("s3://reports/"));
        assert_eq!(settings.batch.limits.record_bytes, 2048);
        assert_eq!((settings.batch.file_bytes, settings.lookback_days), (1 << 20, 0));
        assert_eq!(settings.query.memory_bytes, 64 << 20);
        assert_eq!(settings.batch.lake.commit_tries.get(), 3);
        assert_eq!(settings.logging.format, LogFormat::Text);
    }

    #[test]
    fn a_bad_value_names_its_variable() {
        for (variable, value) in [
            ("LAKE_URI", " "),
            ("MAX_RECORD_BYTES", "0"),
            ("BATCH_FILE_BYTES", "1000"),
            ("LOOKBACK_DAYS", "32"),
            ("LOOKBACK_DAYS", "-1"),
            ("QUERY_MEMORY_BYTES", "1"),
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
