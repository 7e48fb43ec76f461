//! Environment variables, by way of a lookup, so that tests never touch the environment.

use std::{ops::RangeInclusive, str::FromStr};

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable} {reason}")]
pub struct SettingsError {
    /// The variable's name.
    pub variable: &'static str,
    /// What is wrong with its value.
    pub reason: &'static str,
}

/// The variables that a function is started with. An empty value counts as none.
#[derive(Debug, Clone, Copy)]
pub struct Variables<F>(F);

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    /// Variables that are looked up so, e.g. by `|name| std::env::var(name).ok()`.
    pub fn new(lookup: F) -> Self {
        Self(lookup)
    }

    /// A variable's text, without blanks around it.
    pub fn text(&self, variable: &str) -> Option<String> {
        let text = (self.0)(variable)?.trim().to_owned();
        (!text.is_empty()).then_some(text)
    }

    /// The text of a variable that must be set.
    ///
    /// # Errors
    /// It is not.
    pub fn required(&self, variable: &'static str) -> Result<String, SettingsError> {
        self.text(variable).ok_or(SettingsError {
            variable,
            reason: "is not set",
        })
    }

    /// A number within a range, or the default; `reason` says of any other value what it is not.
    ///
    /// # Errors
    /// It is something else.
    pub fn number<T: FromStr + PartialOrd>(
        &self,
        variable: &'static str,
        range: RangeInclusive<T>,
        default: T,
        reason: &'static str,
    ) -> Result<T, SettingsError> {
        let Some(text) = self.text(variable) else {
            return Ok(default);
        };
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.ok_or(SettingsError { variable, reason })
    }

    /// `METRICS_NAMESPACE`: the namespace of the function's metrics, `Pinlake` by default.
    pub fn metrics_namespace(&self) -> String {
        self.text("METRICS_NAMESPACE").unwrap_or_else(|| "Pinlake".to_owned())
    }

    /// One of some words, each standing for a value, or the first of them if the variable is not set; `reason` says of any
    /// other word what it is not.
    ///
    /// # Errors
    /// It is another word.
    pub fn word<T: Copy, const N: usize>(
        &self,
        variable: &'static str,
        words: [(&str, T); N],
        reason: &'static str,
    ) -> Result<T, SettingsError> {
        let text = self.text(variable);
        let found = words
            .iter()
            .find(|(word, _)| text.as_deref().is_none_or(|text| text == *word));
        found.map(|(_, value)| *value).ok_or(SettingsError { variable, reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(value: &'static str) -> Variables<impl Fn(&str) -> Option<String>> {
        Variables::new(move |name| (name == "X").then(|| value.to_owned()))
    }

    #[test]
    fn an_empty_value_is_none() {
        for value in ["", "  "] {
            assert_eq!(variables(value).text("X"), None);
            assert_eq!(variables(value).required("X").unwrap_err().to_string(), "X is not set");
            assert_eq!(variables(value).number("X", 1..=9, 7, "is no digit"), Ok(7));
        }
        assert_eq!(variables(" a ").text("X").as_deref(), Some("a"));
        assert_eq!(variables("a").text("Y"), None);
    }

    #[test]
    fn numbers_are_within_their_range() {
        assert_eq!(variables(" 9 ").number("X", 1..=9, 7, "is no digit"), Ok(9));
        for value in ["0", "10", "-1", "nine", "1.5"] {
            let error = variables(value).number("X", 1..=9, 7, "is no digit").unwrap_err();
            assert_eq!(error.to_string(), "X is no digit", "{value}");
        }
    }

    #[test]
    fn words_stand_for_values() {
        let words = [("off", false), ("on", true)];
        assert_eq!(variables("on").word("X", words, "is neither"), Ok(true));
        assert_eq!(
            variables("").word("X", words, "is neither"),
            Ok(false),
            "the first is the default"
        );
        assert!(variables("On").word("X", words, "is neither").is_err());
    }
}
