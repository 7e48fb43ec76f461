//! Settings: what a question may take.

use std::{path::PathBuf, str::FromStr};

/// What a [`Session`](super::Session) may take of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuerySettings {
    /// `QUERY_MEMORY_BYTES`: what the engine may hold in memory, in bytes; beyond that it spills. Default 268,435,456.
    pub memory_bytes: usize,
    /// `QUERY_SPILL_FOLDER`: where it spills to. Default: the system's temporary folder.
    pub spill_folder: Option<PathBuf>,
    /// `QUERY_SPILL_BYTES`: what it may spill, in bytes. Default 8,589,934,592.
    pub spill_bytes: u64,
    /// `QUERY_ANSWER_BYTES`: the largest answer, in bytes of memory. Default 134,217,728.
    pub answer_bytes: usize,
}

impl Default for QuerySettings {
    fn default() -> Self {
        Self {
            memory_bytes: 256 << 20,
            spill_folder: None,
            spill_bytes: 8 << 30,
            answer_bytes: 128 << 20,
        }
    }
}

/// A variable whose value cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable} {reason}")]
pub struct QuerySettingsError {
    /// The variable's name.
    pub variable: &'static str,
    /// What is wrong with its value.
    pub reason: &'static str,
}

/// Below this a sort cannot even merge what it has spilled.
const LEAST_MEMORY_BYTES: usize = 32 << 20;

impl QuerySettings {
    /// Reads the settings through `lookup`, e.g. `|name| std::env::var(name).ok()`. What is not set, or empty, has its
    /// default.
    ///
    /// # Errors
    /// Names the first variable that cannot be used.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, QuerySettingsError> {
        let lookup = |variable: &str| {
            lookup(variable)
                .map(|value| value.trim().to_owned())
                .filter(|value| !value.is_empty())
        };
        let defaults = Self::default();
        let memory_bytes = bytes(lookup, "QUERY_MEMORY_BYTES")?.unwrap_or(defaults.memory_bytes);
        if memory_bytes < LEAST_MEMORY_BYTES {
            return Err(QuerySettingsError {
                variable: "QUERY_MEMORY_BYTES",
                reason: "is less than 33554432",
            });
        }
        Ok(Self {
            memory_bytes,
            spill_folder: lookup("QUERY_SPILL_FOLDER").map(PathBuf::from),
            spill_bytes: bytes(lookup, "QUERY_SPILL_BYTES")?.unwrap_or(defaults.spill_bytes),
            answer_bytes: bytes(lookup, "QUERY_ANSWER_BYTES")?.unwrap_or(defaults.answer_bytes),
        })
    }
}

fn bytes<T: FromStr>(
    lookup: impl Fn(&str) -> Option<String>,
    variable: &'static str,
) -> Result<Option<T>, QuerySettingsError> {
    lookup(variable)
        .map(|value| {
            value.parse().map_err(|_| QuerySettingsError {
                variable,
                reason: "is no number of bytes",
            })
        })
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variable: &str, value: &str) -> Result<QuerySettings, QuerySettingsError> {
        QuerySettings::from_lookup(|name| (name == variable).then(|| value.to_owned()))
    }

    #[test]
    fn nothing_set_means_the_defaults() {
        assert_eq!(QuerySettings::from_lookup(|_| None), Ok(QuerySettings::default()));
        assert_eq!(settings("QUERY_SPILL_FOLDER", " "), Ok(QuerySettings::default()));
    }

    #[test]
    fn values_are_read() {
        assert_eq!(
            settings("QUERY_MEMORY_BYTES", " 67108864 ").unwrap().memory_bytes,
            64 << 20
        );
        assert_eq!(
            settings("QUERY_SPILL_FOLDER", "/tmp/x").unwrap().spill_folder,
            Some(PathBuf::from("/tmp/x"))
        );
        assert_eq!(settings("QUERY_SPILL_BYTES", "0").unwrap().spill_bytes, 0);
        assert_eq!(settings("QUERY_ANSWER_BYTES", "1024").unwrap().answer_bytes, 1024);
    }

    #[test]
    fn a_bad_value_names_its_variable() {
        for (variable, value) in [
            ("QUERY_MEMORY_BYTES", "33554431"),
            ("QUERY_MEMORY_BYTES", "much"),
            ("QUERY_SPILL_BYTES", "-1"),
            ("QUERY_ANSWER_BYTES", "1.5"),
        ] {
            assert_eq!(settings(variable, value).unwrap_err().variable, variable, "{value}");
        }
    }
}
