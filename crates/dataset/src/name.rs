//! Names of datasets, and how topic and stream names lead to them.

use std::fmt;

/// A dataset's name: a lowercase letter, then up to 62 lowercase letters, digits or `_`.
///
/// It becomes a folder of the lake and a part of AWS resource names, so nothing else is let in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DatasetName(String);

/// Why a text is no dataset name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{name}` is no dataset name: {reason}")]
pub struct NameError {
    name: String,
    reason: &'static str,
}

const MAX_LENGTH: usize = 63;

impl DatasetName {
    /// Parses a bare name such as `pin`.
    pub fn parse(name: &str) -> Result<Self, NameError> {
        let fault = if name.is_empty() {
            Some("it is empty")
        } else if name.len() > MAX_LENGTH {
            Some("it is longer than 63 characters")
        } else if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
            Some("it must start with a lowercase letter")
        } else if !name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        {
            Some("only lowercase letters, digits and `_` are allowed")
        } else {
            None
        };
        match fault {
            None => Ok(Self(name.to_owned())),
            // A hostile name is cut, so that an error stays readable.
            Some(reason) => Err(NameError {
                name: name.chars().take(MAX_LENGTH + 1).collect(),
                reason,
            }),
        }
    }

    /// The dataset that a topic or stream name means: its last word, after `.` or `-`.
    ///
    /// `0afff2eeb7e3.pin`, `streaming-0afff2eeb7e3-pin` and `pin` all mean `pin`.
    pub fn from_route(route: &str) -> Result<Self, NameError> {
        Self::parse(route.rsplit(['.', '-']).next().unwrap_or(route))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DatasetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_of_a_route_is_the_dataset() {
        for route in [
            "pin",
            "0afff2eeb7e3.pin",
            "streaming-0afff2eeb7e3-pin",
            "a.b-c.pin",
            ".pin",
            "-pin",
        ] {
            assert_eq!(DatasetName::from_route(route).unwrap().as_str(), "pin", "{route}");
        }
    }

    #[test]
    fn other_texts_are_refused_with_the_reason() {
        for (name, reason) in [
            ("", "empty"),
            ("pin.", "empty"),
            ("Pin", "start with a lowercase letter"),
            ("1pin", "start with a lowercase letter"),
            ("pi/n", "only lowercase letters"),
            ("pin\u{0}", "only lowercase letters"),
            ("..", "empty"),
            (&"p".repeat(64), "longer than 63"),
        ] {
            let error = DatasetName::from_route(name).unwrap_err().to_string();
            assert!(error.contains(reason), "{name}: {error}");
        }
    }
}
