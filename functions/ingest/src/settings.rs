//! The settings of `ingest`: data, parsed once from environment variables through a lookup function.
//!
//! | variable | default | meaning |
//! |---|---|---|
//! | `STREAM_PREFIX` | `pinlake` | Kinesis and delivery streams are `<prefix>-<dataset>` |
//! | `DATASETS_URI` | compiled in | folder or `s3://bucket/prefix/` with definitions |
//! | `INGEST_VALIDATION` | `on` | `off` lets every record through to be judged downstream |
//! | `MAX_BODY_BYTES` | 6,291,456 | request body as it comes |
//! | `MAX_DECOMPRESSED_BYTES` | 33,554,432 | request body after gzip |
//! | `MAX_RECORDS` | 500 | records of a JSON `/records` request |
//! | `MAX_BATCH_RECORDS` | 10,000 | records of an NDJSON or `/topics` request |
//! | `MAX_RECORD_BYTES` | 1,048,576 | one record, partition key included |
//! | `REQUEST_TIMEOUT_MS` | 28,000 | time for a request, in milliseconds |

use std::{ops::RangeInclusive, str::FromStr, time::Duration};

use pinlake_dataset::Limits;

/// What `ingest` can be told from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `STREAM_PREFIX`: Kinesis streams and Firehose delivery streams are named `<prefix>-<dataset>`; letters, digits,
    /// `_`, `.`, `-`, at most 64 characters. Default `pinlake`. Names of delivery streams have 64 characters at most.
    pub stream_prefix: String,
    /// `DATASETS_URI`: a folder or an `s3://bucket/prefix/` that holds the definitions. Default: those compiled in.
    pub datasets_uri: Option<String>,
    /// `INGEST_VALIDATION`: `on` judges each record by its dataset's definition, `off` lets every record through to be
    /// judged downstream. Default `on`.
    pub validation: bool,
    /// What a request may cost.
    pub bounds: Bounds,
}

/// What a request may cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// `MAX_BODY_BYTES`: the largest body as it comes, in bytes. Default 6,291,456: what Lambda takes in one call.
    pub body_bytes: usize,
    /// `MAX_DECOMPRESSED_BYTES`: the largest body after gzip, in bytes. Default 33,554,432.
    pub decompressed_bytes: usize,
    /// `MAX_RECORDS`: the most records of a JSON `/records` request. Default 500, as in Kinesis PutRecords.
    pub records: usize,
    /// `MAX_BATCH_RECORDS`: the most records of an NDJSON or `/topics` request. Default 10,000: one batch of the event
    /// source mapping downstream.
    pub batch_records: usize,
    /// `MAX_RECORD_BYTES`: the largest record, its partition key included, in bytes. Default 1,048,576, as in Kinesis;
    /// at most 10,485,760, to which a stream can be raised. Of a record for Firehose 1,024,000 at most, the end of its
    /// line included, whatever is set here.
    pub record_bytes: usize,
    /// `REQUEST_TIMEOUT_MS`: how long a request may take, in milliseconds. Default 28,000: API Gateway gives up after
    /// 29 seconds. A nearer deadline of the invocation goes first.
    pub request_timeout: Duration,
}

/// A setting that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{variable} {reason}")]
pub struct SettingsError {
    variable: &'static str,
    reason: String,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            body_bytes: 6_291_456,
            decompressed_bytes: 33_554_432,
            records: 500,
            batch_records: 10_000,
            record_bytes: 1_048_576,
            request_timeout: Duration::from_millis(28_000),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            stream_prefix: "pinlake".into(),
            datasets_uri: None,
            validation: true,
            bounds: Bounds::default(),
        }
    }
}

impl Settings {
    /// Reads the settings; `lookup` answers a variable's value, or `None` if it is not set.
    ///
    /// # Errors
    /// The first variable whose value cannot be used, with the reason.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let default = Self::default();
        let bounds = default.bounds;
        Ok(Self {
            stream_prefix: stream_prefix(lookup("STREAM_PREFIX"), default.stream_prefix)?,
            datasets_uri: lookup("DATASETS_URI").filter(|uri| !uri.is_empty()),
            validation: on_or_off(&lookup, "INGEST_VALIDATION", default.validation)?,
            bounds: Bounds {
                body_bytes: number(&lookup, "MAX_BODY_BYTES", bounds.body_bytes, 1..=1 << 30)?,
                decompressed_bytes: number(
                    &lookup,
                    "MAX_DECOMPRESSED_BYTES",
                    bounds.decompressed_bytes,
                    1..=1 << 30,
                )?,
                records: number(&lookup, "MAX_RECORDS", bounds.records, 1..=100_000)?,
                batch_records: number(&lookup, "MAX_BATCH_RECORDS", bounds.batch_records, 1..=100_000)?,
                record_bytes: number(&lookup, "MAX_RECORD_BYTES", bounds.record_bytes, 1..=10 << 20)?,
                request_timeout: Duration::from_millis(number(&lookup, "REQUEST_TIMEOUT_MS", 28_000, 1_000..=900_000)?),
            },
        })
    }
}

impl Bounds {
    /// The same bounds in the words of the dataset crate.
    pub(crate) fn record_limits(&self) -> Limits {
        Limits {
            record_bytes: self.record_bytes,
            ..Limits::default()
        }
    }
}

fn stream_prefix(value: Option<String>, default: String) -> Result<String, SettingsError> {
    let Some(prefix) = value else { return Ok(default) };
    // Kinesis: stream names are 1 to 128 of these characters, and a dataset's name takes up to 63 and the hyphen one.
    let fits = (1..=64).contains(&prefix.len())
        && prefix
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'));
    if fits {
        Ok(prefix)
    } else {
        Err(SettingsError {
            variable: "STREAM_PREFIX",
            reason: format!("must be 1 to 64 letters, digits, `_`, `.` or `-`, but is `{prefix}`"),
        })
    }
}

fn on_or_off(
    lookup: &impl Fn(&str) -> Option<String>,
    variable: &'static str,
    default: bool,
) -> Result<bool, SettingsError> {
    match lookup(variable).as_deref() {
        None => Ok(default),
        Some("on") => Ok(true),
        Some("off") => Ok(false),
        Some(other) => Err(SettingsError {
            variable,
            reason: format!("must be `on` or `off`, but is `{other}`"),
        }),
    }
}

fn number<N: FromStr + PartialOrd + std::fmt::Display>(
    lookup: &impl Fn(&str) -> Option<String>,
    variable: &'static str,
    default: N,
    range: RangeInclusive<N>,
) -> Result<N, SettingsError> {
    let Some(text) = lookup(variable) else {
        return Ok(default);
    };
    text.parse()
        .ok()
        .filter(|number| range.contains(number))
        .ok_or_else(|| SettingsError {
            variable,
            reason: format!(
                "must be a whole number from {} to {}, but is `{text}`",
                range.start(),
                range.end()
            ),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variable: &str, value: &str) -> Result<Settings, String> {
        Settings::from_lookup(|name| (name == variable).then(|| value.to_owned())).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_set_gives_the_defaults() {
        assert_eq!(Settings::from_lookup(|_| None), Ok(Settings::default()));
    }

    #[test]
    fn each_variable_is_read() {
        assert_eq!(with("STREAM_PREFIX", "shop-1").unwrap().stream_prefix, "shop-1");
        assert_eq!(
            with("DATASETS_URI", "s3://b/d/").unwrap().datasets_uri.as_deref(),
            Some("s3://b/d/")
        );
        assert!(!with("INGEST_VALIDATION", "off").unwrap().validation);
        assert_eq!(with("MAX_BODY_BYTES", "7").unwrap().bounds.body_bytes, 7);
        assert_eq!(
            with("MAX_DECOMPRESSED_BYTES", "7").unwrap().bounds.decompressed_bytes,
            7
        );
        assert_eq!(with("MAX_RECORDS", "7").unwrap().bounds.records, 7);
        assert_eq!(with("MAX_BATCH_RECORDS", "7").unwrap().bounds.batch_records, 7);
        assert_eq!(with("MAX_RECORD_BYTES", "7").unwrap().bounds.record_bytes, 7);
        assert_eq!(
            with("REQUEST_TIMEOUT_MS", "1500").unwrap().bounds.request_timeout,
            Duration::from_millis(1500)
        );
    }

    #[test]
    fn a_bad_value_names_its_variable_and_the_reason() {
        let cases = [
            (
                "STREAM_PREFIX",
                "a b",
                "STREAM_PREFIX must be 1 to 64 letters, digits, `_`, `.` or `-`, but is `a b`",
            ),
            (
                "INGEST_VALIDATION",
                "yes",
                "INGEST_VALIDATION must be `on` or `off`, but is `yes`",
            ),
            (
                "MAX_RECORDS",
                "0",
                "MAX_RECORDS must be a whole number from 1 to 100000, but is `0`",
            ),
            (
                "MAX_RECORDS",
                "5k",
                "MAX_RECORDS must be a whole number from 1 to 100000, but is `5k`",
            ),
            (
                "REQUEST_TIMEOUT_MS",
                "-1",
                "REQUEST_TIMEOUT_MS must be a whole number from 1000 to 900000, but is `-1`",
            ),
        ];
        for (variable, value, message) in cases {
            assert_eq!(with(variable, value), Err(message.to_owned()));
        }
    }
}
