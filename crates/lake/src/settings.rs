//! Settings: how stubborn and how watchful a table handle is.

use std::{num::NonZeroU32, str::FromStr, time::Duration};

/// How a [`Table`](crate::Table) commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// `LAKE_COMMIT_TRIES`: how often a commit is tried when other writers take the version. Default 40.
    ///
    /// Each try costs two or three requests and every loss means that somebody else has progressed, so the number is
    /// generous: it bounds a livelock, not the ordinary race.
    pub commit_tries: NonZeroU32,
    /// `LAKE_STALE_SECONDS`: after how long without a look at the log a handle looks before it commits. Default 600 s.
    ///
    /// Must stay far below the table's log retention (30 days by default): were commits cleaned away behind a handle's
    /// back, an old version would become writable again.
    pub stale_after: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            commit_tries: NonZeroU32::MIN.saturating_add(39),
            stale_after: Duration::from_secs(600),
        }
    }
}

/// A variable whose value cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable} {reason}")]
pub struct SettingsError {
    /// The variable's name.
    pub variable: &'static str,
    /// What is wrong with its value.
    pub reason: &'static str,
}

impl Settings {
    /// Reads the settings through `lookup`, e.g. `|name| std::env::var(name).ok()`. What is not set has its default.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let defaults = Self::default();
        Ok(Self {
            commit_tries: parse(&lookup, "LAKE_COMMIT_TRIES", "is no number of tries above zero")?
                .unwrap_or(defaults.commit_tries),
            stale_after: parse(&lookup, "LAKE_STALE_SECONDS", "is no number of seconds")?
                .map_or(defaults.stale_after, Duration::from_secs),
        })
    }
}

fn parse<T: FromStr>(
    lookup: impl Fn(&str) -> Option<String>,
    variable: &'static str,
    reason: &'static str,
) -> Result<Option<T>, SettingsError> {
    lookup(variable)
        .map(|value| value.trim().parse().map_err(|_| SettingsError { variable, reason }))
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variable: &str, value: &str) -> Result<Settings, SettingsError> {
        Settings::from_lookup(|name| (name == variable).then(|| value.to_owned()))
    }

    #[test]
    fn nothing_set_means_the_defaults() {
        assert_eq!(Settings::from_lookup(|_| None), Ok(Settings::default()));
    }

    #[test]
    fn values_are_read() {
        assert_eq!(settings("LAKE_COMMIT_TRIES", " 7 ").unwrap().commit_tries.get(), 7);
        assert_eq!(
            settings("LAKE_STALE_SECONDS", "5").unwrap().stale_after,
            Duration::from_secs(5)
        );
    }

    #[test]
    fn a_bad_value_names_its_variable() {
        for (variable, value) in [
            ("LAKE_COMMIT_TRIES", "0"),
            ("LAKE_COMMIT_TRIES", "x"),
            ("LAKE_STALE_SECONDS", "-1"),
        ] {
            assert_eq!(settings(variable, value).unwrap_err().variable, variable);
        }
    }
}
