//! The settings of `maintain`: data, parsed once from environment variables through a lookup function.
//!
//! | variable | default | meaning |
//! |---|---|---|
//! | `LAKE_URI` | none: required | `s3://bucket[/prefix]`, where the tables are |
//! | `DATASETS_URI` | compiled in | folder or `s3://bucket/prefix/` with definitions |
//! | `TARGET_FILE_BYTES` | 134,217,728 | small files are packed into files of this size at most |
//! | `CHECKPOINT_COMMITS` | 10 | commits since the last checkpoint that are worth another |
//! | `VACUUM_RETENTION_HOURS` | 168 | dead files younger than this are kept |
//! | `LOG_RETENTION_HOURS` | 720 | commits younger than this are kept |
//! | `ALLOW_SHORT_RETENTION` | `false` | `true`: retentions below 24 hours are taken |
//! | `LAKE_COMMIT_TRIES` | 40 | tries to win a table's next version |
//! | `LAKE_STALE_SECONDS` | 600 | what `stream` has; the log is kept for longer |
//! | `LOG_FORMAT`, `RUST_LOG` | see [`Logging`] | what is logged, and how |
//! | `METRICS_NAMESPACE` | `Pinlake` | where metrics go |

use chrono::TimeDelta;
use pinlake_host::{Logging, SettingsError, Variables};

/// What `maintain` can be told from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `LAKE_URI`: where the tables are, `s3://bucket[/prefix]`. Required.
    pub lake_uri: String,
    /// `DATASETS_URI`: a folder or an `s3://bucket/prefix/` that holds the definitions. Default: those compiled in.
    pub datasets_uri: Option<String>,
    /// `TARGET_FILE_BYTES`: small files are packed into files of this size at most, in bytes. Default 134,217,728
    /// (128 MiB), at most 1 GiB.
    pub target_bytes: u64,
    /// `CHECKPOINT_COMMITS`: how many commits since the last checkpoint are worth another. Default 10.
    ///
    /// A reader, and a function that starts, reads those commits one by one.
    pub checkpoint_commits: u64,
    /// `VACUUM_RETENTION_HOURS`: a file that the newest version does not name is kept for so long, after a commit
    /// removed it or, if none did, after it was written. Default 168 hours.
    ///
    /// It must outlast the longest query, which reads the version that it began with, and the longest time from a file's
    /// upload to its commit. More than 168 is refused: a checkpoint lists removed files for a week, and after that
    /// nobody knows when a file was removed.
    pub vacuum_retention: TimeDelta,
    /// `LOG_RETENTION_HOURS`: commits are kept for so long. Default 720 hours, as Delta has it.
    ///
    /// It must stay far above `LAKE_STALE_SECONDS`: a warm handle takes a version that is not there for free, and must
    /// look at the log before one that was used can have been cleaned away.
    pub log_retention: TimeDelta,
    /// `LAKE_COMMIT_TRIES`, and `LAKE_STALE_SECONDS` as the functions that write the tables have it.
    pub lake: pinlake_lake::Settings,
    /// `LOG_FORMAT`, `RUST_LOG`: what is logged, and how.
    pub logging: Logging,
    /// `METRICS_NAMESPACE`: the namespace of the metrics. Default `Pinlake`.
    pub metrics_namespace: String,
}

/// Below this a retention has to be allowed: no invocation lives as long, no sane query runs as long.
const SHORTEST: TimeDelta = TimeDelta::hours(24);
/// The log outlasts a handle's last look by this factor.
const STALE_TIMES: i32 = 10;

impl Settings {
    /// Reads the settings through `lookup`, e.g. `|name| std::env::var(name).ok()`. An empty value counts as none.
    ///
    /// # Errors
    /// Names the first variable that is missing or cannot be used.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let variables = Variables::new(lookup);
        let settings = Self {
            lake_uri: variables.required("LAKE_URI")?,
            datasets_uri: variables.text("DATASETS_URI"),
            target_bytes: variables.number(
                "TARGET_FILE_BYTES",
                1..=1 << 30,
                128 << 20,
                "is no number of bytes from 1 to 1073741824",
            )?,
            checkpoint_commits: variables.number(
                "CHECKPOINT_COMMITS",
                1..=100_000,
                10,
                "is no number from 1 to 100000",
            )?,
            vacuum_retention: TimeDelta::hours(variables.number(
                "VACUUM_RETENTION_HOURS",
                0..=168,
                168,
                "is no number of hours from 0 to 168",
            )?),
            log_retention: TimeDelta::hours(variables.number(
                "LOG_RETENTION_HOURS",
                0..=87_600,
                720,
                "is no number of hours from 0 to 87600",
            )?),
            lake: pinlake_aws::lake_settings(&variables)?,
            logging: Logging::from_variables(&variables)?,
            metrics_namespace: variables.metrics_namespace(),
        };
        let may_be_short = [("false", false), ("true", true)];
        if variables.word("ALLOW_SHORT_RETENTION", may_be_short, "is neither `true` nor `false`")? {
            return Ok(settings);
        }
        settings.with_safe_retentions()
    }

    fn with_safe_retentions(self) -> Result<Self, SettingsError> {
        let refuse = |variable, reason| Err(SettingsError { variable, reason });
        let stale = TimeDelta::from_std(self.lake.stale_after).unwrap_or(TimeDelta::MAX);
        if self.vacuum_retention < SHORTEST {
            return refuse(
                "VACUUM_RETENTION_HOURS",
                "is below 24 hours, which ALLOW_SHORT_RETENTION does not allow",
            );
        }
        if self.log_retention < SHORTEST {
            return refuse(
                "LOG_RETENTION_HOURS",
                "is below 24 hours, which ALLOW_SHORT_RETENTION does not allow",
            );
        }
        if self.log_retention < stale.checked_mul(STALE_TIMES).unwrap_or(TimeDelta::MAX) {
            return refuse("LOG_RETENTION_HOURS", "is below ten times LAKE_STALE_SECONDS");
        }
        Ok(self)
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
        assert_eq!((settings.target_bytes, settings.checkpoint_commits), (134_217_728, 10));
        assert_eq!(settings.vacuum_retention, TimeDelta::days(7));
        assert_eq!(settings.log_retention, TimeDelta::days(30));
    }

    #[test]
    fn values_are_read() {
        let settings = settings(&[
            ("LAKE_URI", "s3://lake/a"),
            ("DATASETS_URI", "s3://definitions/"),
            ("TARGET_FILE_BYTES", " 1000 "),
            ("CHECKPOINT_COMMITS", "3"),
            ("VACUUM_RETENTION_HOURS", "24"),
            ("LOG_RETENTION_HOURS", "48"),
            ("LAKE_COMMIT_TRIES", "7"),
            ("LOG_FORMAT", "text"),
            ("RUST_LOG", "debug"),
        ])
        .unwrap();
        assert_eq!(settings.datasets_uri.as_deref(), Some("s3://definitions/"));
        assert_eq!((settings.target_bytes, settings.checkpoint_commits), (1000, 3));
        assert_eq!(settings.vacuum_retention, TimeDelta::hours(24));
        assert_eq!(settings.log_retention, TimeDelta::hours(48));
        assert_eq!(settings.lake.commit_tries.get(), 7);
        assert_eq!(
            (settings.logging.format, settings.logging.filter.as_str()),
            (LogFormat::Text, "debug")
        );
    }

    #[test]
    fn a_bad_value_names_its_variable() {
        for (variable, value) in [
            ("LAKE_URI", " "),
            ("TARGET_FILE_BYTES", "0"),
            ("TARGET_FILE_BYTES", "128MiB"),
            ("CHECKPOINT_COMMITS", "0"),
            ("VACUUM_RETENTION_HOURS", "-1"),
            ("VACUUM_RETENTION_HOURS", "169"),
            ("LOG_RETENTION_HOURS", "a week"),
            ("ALLOW_SHORT_RETENTION", "yes"),
            ("LAKE_COMMIT_TRIES", "0"),
            ("LOG_FORMAT", "xml"),
        ] {
            let mut variables = vec![(variable, value)];
            if variable != "LAKE_URI" {
                variables.push(("LAKE_URI", "s3://lake"));
            }
            assert_eq!(settings(&variables).unwrap_err().variable, variable, "{value}");
        }
    }

    #[test]
    fn a_retention_that_endangers_somebody_must_be_allowed() {
        for (variable, value) in [
            ("VACUUM_RETENTION_HOURS", "23"),
            ("LOG_RETENTION_HOURS", "23"),
            // The log would be kept for 30 days, the handles be trusted for four.
            ("LAKE_STALE_SECONDS", "345600"),
        ] {
            let variables = [("LAKE_URI", "s3://lake"), (variable, value)];
            let refused = settings(&variables).unwrap_err().variable;
            assert!([variable, "LOG_RETENTION_HOURS"].contains(&refused), "{refused}");
            let allowed = [&variables[..], &[("ALLOW_SHORT_RETENTION", "true")]].concat();
            assert!(settings(&allowed).is_ok(), "{variable}");
        }
    }
}
