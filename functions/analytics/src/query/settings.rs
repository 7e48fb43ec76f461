//! Settings: what a question may take.

use std::path::PathBuf;

use pinlake_host::{SettingsError, Variables};

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

/// Below this a sort cannot even merge what it has spilled.
const LEAST_MEMORY_BYTES: usize = 32 << 20;

impl QuerySettings {
    /// Reads the settings. What is not set has its default.
    ///
    /// # Errors
    /// Names the first variable that cannot be used.
    pub fn from_variables(variables: &Variables<impl Fn(&str) -> Option<String>>) -> Result<Self, SettingsError> {
        let defaults = Self::default();
        let reason = "is no number of bytes";
        Ok(Self {
            memory_bytes: variables.number(
                "QUERY_MEMORY_BYTES",
                LEAST_MEMORY_BYTES..=usize::MAX,
                defaults.memory_bytes,
                "is no number of bytes from 33554432 on",
            )?,
            spill_folder: variables.text("QUERY_SPILL_FOLDER").map(PathBuf::from),
            spill_bytes: variables.number("QUERY_SPILL_BYTES", 0..=u64::MAX, defaults.spill_bytes, reason)?,
            answer_bytes: variables.number("QUERY_ANSWER_BYTES", 0..=usize::MAX, defaults.answer_bytes, reason)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variable: &str, value: &str) -> Result<QuerySettings, SettingsError> {
        QuerySettings::from_variables(&Variables::new(|name: &str| {
            (name == variable).then(|| value.to_owned())
        }))
    }

    #[test]
    fn nothing_set_means_the_defaults() {
        assert_eq!(settings("NOTHING", ""), Ok(QuerySettings::default()));
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
