//! Prefixes of object keys, with expressions: `raw/date=!{timestamp:yyyy-MM-dd}/!{firehose:random-string}`.
//!
//! The rules are AWS's:
//! - `!{timestamp:…}` takes a Java DateTimeFormatter pattern (`time`), in UTC. All of a prefix are of one moment.
//! - `!{firehose:random-string}` is 11 letters and digits, new each time.
//! - `!{firehose:error-output-type}` stands in the error prefix only, and must if that has any expression.
//! - A prefix without a time gets `yyyy/MM/dd/HH/` appended. No error prefix, which only a prefix without expressions may
//!   have beside it, is `<prefix><error output type>/yyyy/MM/dd/HH/`.
//! - `!{` begins an expression wherever it stands, and no prefix has more than 512 characters once evaluated.

use chrono::{DateTime, Utc};
use rand::{Rng, RngExt, distr::Alphanumeric};

use super::time::{PatternError, TimePattern};

const MOST_CHARS: usize = 512;
const RANDOM_CHARS: usize = 11;
/// The longest that AWS has.
const LONGEST_ERROR_TYPE: &str = "AmazonOpenSearchService-failed";
const BY_HOUR: &str = "!{timestamp:yyyy/MM/dd/HH/}";

/// The prefixes of a delivery stream.
#[derive(Debug)]
pub(super) struct Prefixes {
    pub(super) objects: Prefix,
    pub(super) errors: Prefix,
}

/// A prefix, ready to be evaluated.
#[derive(Debug)]
pub(super) struct Prefix(Vec<Part>);

#[derive(Debug)]
enum Part {
    Text(String),
    Time(TimePattern),
    Random,
    ErrorType,
}

/// Why a prefix cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PrefixError {
    /// An expression that does not end.
    #[error("prefix `{prefix}` has a `!{{` without its `}}`")]
    Unclosed {
        /// As given.
        prefix: String,
    },
    /// An expression that is none.
    #[error("prefix `{prefix}` has the expression `{expression}`, which is not known")]
    Unknown {
        /// As given.
        prefix: String,
        /// What stands between the braces.
        expression: String,
    },
    /// A time in a form that is not known.
    #[error("prefix `{prefix}` has a timestamp that cannot be used")]
    Time {
        /// As given.
        prefix: String,
        /// Why.
        source: PatternError,
    },
    /// The error output type has no meaning for objects.
    #[error("prefix `{prefix}` must not have !{{firehose:error-output-type}}: that is for the error prefix")]
    ErrorType {
        /// As given.
        prefix: String,
    },
    /// Errors of different types would get mixed up.
    #[error("error prefix `{prefix}` has expressions and must have !{{firehose:error-output-type}} among them")]
    NoErrorType {
        /// As given.
        prefix: String,
    },
    /// A prefix with expressions says nothing of where errors go.
    #[error("prefix `{prefix}` has expressions, so there must be an error prefix")]
    NoErrorPrefix {
        /// As given.
        prefix: String,
    },
    /// Too long once evaluated.
    #[error("prefix `{prefix}` has more than 512 characters once evaluated")]
    Long {
        /// As given.
        prefix: String,
    },
}

impl Prefixes {
    pub(super) fn parse(prefix: &str, error_prefix: Option<&str>) -> Result<Self, PrefixError> {
        let mut objects = Prefix::parse(prefix)?;
        if objects.has(|part| matches!(part, Part::ErrorType)) {
            return Err(PrefixError::ErrorType { prefix: prefix.into() });
        }
        let errors = match error_prefix {
            Some(text) => {
                let errors = Prefix::parse(text)?;
                let is_plain = !errors.has(Part::is_expression);
                if !is_plain && !errors.has(|part| matches!(part, Part::ErrorType)) {
                    return Err(PrefixError::NoErrorType { prefix: text.into() });
                }
                errors
            }
            None if objects.has(Part::is_expression) => {
                return Err(PrefixError::NoErrorPrefix { prefix: prefix.into() });
            }
            None => Prefix::parse(&format!("{prefix}!{{firehose:error-output-type}}/{BY_HOUR}"))?,
        };
        if !objects.has(|part| matches!(part, Part::Time(_))) {
            objects.0.extend(Prefix::parse(BY_HOUR)?.0);
        }
        for (evaluated, given) in [(&objects, prefix), (&errors, error_prefix.unwrap_or(prefix))] {
            // All that is put in has the same length each time.
            let sample = evaluated.evaluate(DateTime::UNIX_EPOCH, LONGEST_ERROR_TYPE, &mut rand::rng());
            if sample.chars().count() > MOST_CHARS {
                return Err(PrefixError::Long { prefix: given.into() });
            }
        }
        Ok(Self { objects, errors })
    }
}

impl Prefix {
    fn parse(prefix: &str) -> Result<Self, PrefixError> {
        let (mut parts, mut rest) = (Vec::new(), prefix);
        while let Some((text, tail)) = rest.split_once("!{") {
            let Some((expression, tail)) = tail.split_once('}') else {
                return Err(PrefixError::Unclosed { prefix: prefix.into() });
            };
            if !text.is_empty() {
                parts.push(Part::Text(text.into()));
            }
            parts.push(Part::parse(expression, prefix)?);
            rest = tail;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.into()));
        }
        Ok(Self(parts))
    }

    fn has(&self, is: impl Fn(&Part) -> bool) -> bool {
        self.0.iter().any(is)
    }

    /// The prefix of an object whose oldest record came at this moment.
    pub(super) fn evaluate(&self, at: DateTime<Utc>, error_type: &str, random: &mut impl Rng) -> String {
        let mut evaluated = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => evaluated.push_str(text),
                Part::Time(pattern) => pattern.write(at, &mut evaluated),
                Part::Random => evaluated.extend(
                    random
                        .sample_iter(Alphanumeric)
                        .take(RANDOM_CHARS)
                        .map(|byte| char::from(byte).to_ascii_lowercase()),
                ),
                Part::ErrorType => evaluated.push_str(error_type),
            }
        }
        evaluated
    }
}

impl Part {
    fn parse(expression: &str, prefix: &str) -> Result<Self, PrefixError> {
        match expression.split_once(':') {
            Some(("timestamp", pattern)) => match TimePattern::parse(pattern) {
                Ok(pattern) => Ok(Self::Time(pattern)),
                Err(source) => Err(PrefixError::Time {
                    prefix: prefix.into(),
                    source,
                }),
            },
            Some(("firehose", "random-string")) => Ok(Self::Random),
            Some(("firehose", "error-output-type")) => Ok(Self::ErrorType),
            _ => Err(PrefixError::Unknown {
                prefix: prefix.into(),
                expression: expression.into(),
            }),
        }
    }

    fn is_expression(&self) -> bool {
        !matches!(self, Self::Text(_))
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    fn evaluated(prefix: &str, error_prefix: Option<&str>) -> Result<(String, String), PrefixError> {
        let prefixes = Prefixes::parse(prefix, error_prefix)?;
        let at = "2018-08-27T10:30:05Z".parse().unwrap();
        let mut random = StdRng::seed_from_u64(1);
        let objects = prefixes.objects.evaluate(at, "?", &mut random);
        Ok((objects, prefixes.errors.evaluate(at, "processing-failed", &mut random)))
    }

    /// The examples of AWS's guide, at 10:30 on 27 August 2018.
    #[test]
    fn prefixes_come_to_what_the_guide_says() {
        let cases = [
            (
                "",
                Some("failures/!{firehose:error-output-type}/"),
                "2018/08/27/10/",
                "failures/processing-failed/",
            ),
            ("in/", None, "in/2018/08/27/10/", "in/processing-failed/2018/08/27/10/"),
            ("", None, "2018/08/27/10/", "processing-failed/2018/08/27/10/"),
            (
                "in/year=!{timestamp:yyyy}/month=!{timestamp:MM}/day=!{timestamp:dd}/hour=!{timestamp:HH}/",
                Some("bad/year=!{timestamp:yyyy}/!{firehose:error-output-type}"),
                "in/year=2018/month=08/day=27/hour=10/",
                "bad/year=2018/processing-failed",
            ),
            // An error prefix without expressions gets nothing appended.
            ("in/", Some("bad/"), "in/2018/08/27/10/", "bad/"),
            (
                "raw/pin/date=!{timestamp:yyyy-MM-dd}/",
                Some("raw-errors/pin/!{firehose:error-output-type}/date=!{timestamp:yyyy-MM-dd}/"),
                "raw/pin/date=2018-08-27/",
                "raw-errors/pin/processing-failed/date=2018-08-27/",
            ),
        ];
        for (prefix, error_prefix, objects, errors) in cases {
            let expected = Ok((objects.to_owned(), errors.to_owned()));
            assert_eq!(evaluated(prefix, error_prefix), expected, "{prefix} {error_prefix:?}");
        }
    }

    #[test]
    fn a_random_string_is_new_each_time() {
        let errors = Some("!{firehose:error-output-type}/");
        let (twice, _) = evaluated("!{firehose:random-string}/!{firehose:random-string}", errors).unwrap();
        // The rest is the time that is appended.
        let (strings, time) = twice.split_at(23);
        assert_eq!(time, "2018/08/27/10/");
        let (one, other) = strings.split_once('/').unwrap();
        assert!(one.len() == 11 && other.len() == 11 && one != other, "{twice}");
        assert!(
            strings
                .bytes()
                .all(|byte| byte == b'/' || byte.is_ascii_digit() || byte.is_ascii_lowercase())
        );
    }

    #[test]
    fn what_aws_refuses_is_refused() {
        let long = "x".repeat(500);
        let errors = Some("!{firehose:error-output-type}/");
        let cases = [
            ("a/!{timestamp:yyyy", errors, "without its `}`"),
            ("a/!{yyyy}/", errors, "`yyyy`, which is not known"),
            ("!{firehose:lottery}/", errors, "`firehose:lottery`"),
            ("!{partitionKeyFromQuery:id}/", errors, "`partitionKeyFromQuery:id`"),
            ("!{timestamp:YYYY}/", errors, "timestamp"),
            ("!{firehose:error-output-type}/", errors, "that is for the error prefix"),
            ("!{timestamp:yyyy}/", None, "there must be an error prefix"),
            (
                "a/",
                Some("bad/!{timestamp:yyyy}/"),
                "must have !{firehose:error-output-type}",
            ),
            (&long, errors, "more than 512"),
            ("a/", Some(&long), ""),
        ];
        for (prefix, error_prefix, part) in cases {
            match evaluated(prefix, error_prefix) {
                Err(error) => assert!(
                    !part.is_empty() && error.to_string().contains(part),
                    "{prefix}: {error}"
                ),
                Ok(_) => assert!(part.is_empty(), "{prefix} is taken"),
            }
        }
    }
}
