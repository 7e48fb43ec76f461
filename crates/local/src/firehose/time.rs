//! Times in prefixes: the part of Java's DateTimeFormatter patterns that people use there, in UTC.
//!
//! | letters | meaning |
//! |---|---|
//! | `yyyy`, `uuuu`, `yy`, `uu` | year, of four or two digits |
//! | `MM`, `M`; `dd`, `d`; `DDD` | month; day of the month; day of the year |
//! | `HH`, `H`; `mm`, `m`; `ss`, `s` | hour from 0 to 23; minute; second |
//! | `'text'`, `''` | the text as it is; a quote |
//!
//! What is no letter stands for itself. All other letters are refused when the stream is made: better then than in the
//! names of a day's objects. Among them is `YYYY`, the year of the week, which is another one around New Year.

use std::fmt::Write;

use chrono::{DateTime, Datelike, Timelike, Utc};

/// A pattern, ready to write times.
#[derive(Debug)]
pub(super) struct TimePattern(Vec<Item>);

#[derive(Debug)]
enum Item {
    Text(String),
    Number(Field, usize),
}

#[derive(Debug, Clone, Copy)]
enum Field {
    Year,
    YearOfCentury,
    Month,
    Day,
    DayOfYear,
    Hour,
    Minute,
    Second,
}

/// Why a pattern cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PatternError {
    /// Letters that mean nothing here.
    #[error("`{letters}` in the time `{pattern}` is not supported: use yyyy, MM, dd, DDD, HH, mm, ss and 'text'")]
    Letters {
        /// As given.
        pattern: String,
        /// The letters.
        letters: String,
    },
    /// A character that Java keeps for itself.
    #[error("`{character}` in the time `{pattern}` must be quoted")]
    Reserved {
        /// As given.
        pattern: String,
        /// The character.
        character: char,
    },
    /// A quote that does not end.
    #[error("the time `{pattern}` has a quote without its end")]
    Unclosed {
        /// As given.
        pattern: String,
    },
}

impl TimePattern {
    pub(super) fn parse(pattern: &str) -> Result<Self, PatternError> {
        let (mut items, mut rest) = (Vec::new(), pattern);
        while let Some(first) = rest.chars().next() {
            let (item, length) = match first {
                '\'' => quoted(pattern, rest)?,
                letter if letter.is_ascii_alphabetic() => {
                    let width = rest.chars().take_while(|next| *next == letter).count();
                    let field = field(letter, width).ok_or_else(|| PatternError::Letters {
                        pattern: pattern.into(),
                        letters: rest[..width].into(),
                    })?;
                    (Item::Number(field, width), width)
                }
                character @ ('[' | ']' | '{' | '}' | '#') => {
                    return Err(PatternError::Reserved {
                        pattern: pattern.into(),
                        character,
                    });
                }
                other => (Item::Text(other.into()), other.len_utf8()),
            };
            items.push(item);
            rest = &rest[length..];
        }
        Ok(Self(items))
    }

    /// Appends a moment.
    pub(super) fn write(&self, at: DateTime<Utc>, to: &mut String) {
        for item in &self.0 {
            match item {
                Item::Text(text) => to.push_str(text),
                Item::Number(field, width) => {
                    // Writing to a String cannot fail.
                    let _ = write!(to, "{:0width$}", field.of(at));
                }
            }
        }
    }
}

/// Text in quotes, and how long it is with them.
fn quoted(pattern: &str, rest: &str) -> Result<(Item, usize), PatternError> {
    if rest.starts_with("''") {
        return Ok((Item::Text('\''.into()), 2));
    }
    let mut text = String::new();
    let mut characters = rest.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        if character != '\'' {
            text.push(character);
        } else if characters.next_if(|(_, next)| *next == '\'').is_some() {
            text.push('\'');
        } else {
            return Ok((Item::Text(text), at + 1));
        }
    }
    Err(PatternError::Unclosed {
        pattern: pattern.into(),
    })
}

fn field(letter: char, width: usize) -> Option<Field> {
    Some(match (letter, width) {
        ('y' | 'u', 4) => Field::Year,
        ('y' | 'u', 2) => Field::YearOfCentury,
        ('M', 1 | 2) => Field::Month,
        ('d', 1 | 2) => Field::Day,
        ('D', 3) => Field::DayOfYear,
        ('H', 1 | 2) => Field::Hour,
        ('m', 1 | 2) => Field::Minute,
        ('s', 1 | 2) => Field::Second,
        _ => return None,
    })
}

impl Field {
    fn of(self, at: DateTime<Utc>) -> u32 {
        let year = at.year().unsigned_abs();
        match self {
            Self::Year => year,
            Self::YearOfCentury => year % 100,
            Self::Month => at.month(),
            Self::Day => at.day(),
            Self::DayOfYear => at.ordinal(),
            Self::Hour => at.hour(),
            Self::Minute => at.minute(),
            Self::Second => at.second(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(pattern: &str) -> Result<String, String> {
        let mut text = String::new();
        TimePattern::parse(pattern)
            .map_err(|error| error.to_string())?
            .write("2026-03-09T07:05:04Z".parse().unwrap(), &mut text);
        Ok(text)
    }

    #[test]
    fn patterns_write_what_java_would() {
        let cases = [
            ("yyyy-MM-dd", "2026-03-09"),
            ("yyyy/MM/dd/HH/", "2026/03/09/07/"),
            ("uuuu.yy.M.d", "2026.26.3.9"),
            ("DDD", "068"),
            ("HH:mm:ss H m s", "07:05:04 7 5 4"),
            ("yyyy'year'MM", "2026year03"),
            ("'o''clock' ''HH''", "o'clock '07'"),
            ("'yyyy'", "yyyy"),
            ("", ""),
        ];
        for (pattern, expected) in cases {
            assert_eq!(written(pattern), Ok(expected.to_owned()), "{pattern}");
        }
    }

    #[test]
    fn what_would_be_written_otherwise_is_refused() {
        let cases = [
            ("YYYY-MM-dd", "`YYYY`"),
            ("MMM", "`MMM`"),
            ("hh", "`hh`"),
            ("yyyy-MM-ddTHH", "`T`"),
            ("y", "`y`"),
            ("E", "`E`"),
            ("[HH]", "`[`"),
            ("yyyy'year", "quote"),
        ];
        for (pattern, part) in cases {
            let message = written(pattern).unwrap_err();
            assert!(message.contains(part), "{pattern}: {message}");
        }
    }
}
