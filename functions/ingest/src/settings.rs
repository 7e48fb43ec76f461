//! The settings of `ingest`: data, parsed once from environment variables through a lookup function.
//!
//! | variable | default | meaning |
//! |---|---|---|
//! | `STREAM_PREFIX` | `pinlake` | Kinesis and delivery streams are `<prefix>-<dataset>` |
//! | `DATASETS_URI` | compiled in | folder with definitions |
//! | `INGEST_VALIDATION` | `on` | `off` lets every record through to be judged downstream |
//! | `MAX_BODY_BYTES` | 6,291,456 | request body as it comes |
//! | `MAX_DECOMPRESSED_BYTES` | 33,554,432 | request body after gzip |
//! | `MAX_RECORDS` | 500 | records of a JSON `/records` request |
//! | `MAX_BATCH_RECORDS` | 10,000 | records of an NDJSON or `/topics` request |
//! | `MAX_RECORD_BYTES` | 1,048,576 | one record, partition key included |
//! | `REQUEST_TIMEOUT_MS` | 28,000 | time for a request, in milliseconds |
//! | `LOG_FORMAT`, `RUST_LOG` | see [`Logging`] | what is logged, and how |
//! | `METRICS_NAMESPACE` | `Pinlake` | where metrics go |

use std::time::Duration;

use pinlake_dataset::Limits;
use pinlake_host::{Logging, SettingsError, Variables};

/// What `ingest` can be told from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `STREAM_PREFIX`: Kinesis streams and Firehose delivery streams are named `<prefix>-<dataset>`; letters, digits,
    /// `_`, `.`, `-`, at most 64 characters. Default `pinlake`. Names of delivery streams have 64 characters at most.
    pub stream_prefix: String,
    /// `DATASETS_URI`: a folder that holds the definitions, such as a layer's. Default: those compiled in.
    pub datasets_uri: Option<String>,
    /// `INGEST_VALIDATION`: `on` judges each record by its dataset's definition, `off` lets every record through to be
    /// judged downstream. Default `on`.
    pub validation: bool,
    /// What a request may cost.
    pub bounds: Bounds,
    /// `LOG_FORMAT`, `RUST_LOG`: what is logged, and how.
    pub logging: Logging,
    /// `METRICS_NAMESPACE`: the namespace of the metrics. Default `Pinlake`.
    pub metrics_namespace: String,
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
            logging: Logging::default(),
            metrics_namespace: "Pinlake".into(),
        }
    }
}

impl Settings {
    /// Reads the settings through `lookup`, e.g. `|name| std::env::var(name).ok()`. An empty value counts as none.
    ///
    /// # Errors
    /// Names the first variable whose value cannot be used, with the reason.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let variables = Variables::new(lookup);
        let bounds = Bounds::default();
        let bytes = "is no number of bytes from 1 to 1073741824";
        let records = "is no number of records from 1 to 100000";
        let milliseconds = variables.number(
            "REQUEST_TIMEOUT_MS",
            1_000..=900_000,
            28_000,
            "is no number of milliseconds from 1000 to 900000",
        )?;
        Ok(Self {
            stream_prefix: stream_prefix(&variables)?,
            datasets_uri: datasets_uri(&variables)?,
            validation: variables.word(
                "INGEST_VALIDATION",
                [("on", true), ("off", false)],
                "is neither `on` nor `off`",
            )?,
            bounds: Bounds {
                body_bytes: variables.number("MAX_BODY_BYTES", 1..=1 << 30, bounds.body_bytes, bytes)?,
                decompressed_bytes: variables.number(
                    "MAX_DECOMPRESSED_BYTES",
                    1..=1 << 30,
                    bounds.decompressed_bytes,
                    bytes,
                )?,
                records: variables.number("MAX_RECORDS", 1..=100_000, bounds.records, records)?,
                batch_records: variables.number("MAX_BATCH_RECORDS", 1..=100_000, bounds.batch_records, records)?,
                record_bytes: variables.number(
                    "MAX_RECORD_BYTES",
                    1..=10 << 20,
                    bounds.record_bytes,
                    "is no number of bytes from 1 to 10485760",
                )?,
                request_timeout: Duration::from_millis(milliseconds),
            },
            logging: Logging::from_variables(&variables)?,
            metrics_namespace: variables.metrics_namespace(),
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

fn stream_prefix(variables: &Variables<impl Fn(&str) -> Option<String>>) -> Result<String, SettingsError> {
    let Some(prefix) = variables.text("STREAM_PREFIX") else {
        return Ok(Settings::default().stream_prefix);
    };
    // Kinesis: stream names are 1 to 128 of these characters, and a dataset's name takes up to 63 and the hyphen one.
    let fits = prefix.len() <= 64
        && prefix
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'));
    if fits {
        Ok(prefix)
    } else {
        Err(SettingsError {
            variable: "STREAM_PREFIX",
            reason: "is not made of 1 to 64 letters, digits, `_`, `.` or `-`",
        })
    }
}

fn datasets_uri(variables: &Variables<impl Fn(&str) -> Option<String>>) -> Result<Option<String>, SettingsError> {
    match variables.text("DATASETS_URI") {
        Some(uri) if uri.contains("://") => Err(SettingsError {
            variable: "DATASETS_URI",
            reason: "is no folder; ingest takes no definitions from S3, a layer brings them",
        }),
        folder => Ok(folder),
    }
}

#[cfg(test)]
mod tests {
    use pinlake_host::LogFormat;

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
            with("DATASETS_URI", "/opt").unwrap().datasets_uri.as_deref(),
            Some("/opt")
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
        assert_eq!(with("LOG_FORMAT", "text").unwrap().logging.format, LogFormat::Text);
        assert_eq!(
            with("METRICS_NAMESPACE", "Pinlake/shop").unwrap().metrics_namespace,
            "Pinlake/shop"
        );
    }

    #[test]
    fn a_bad_value_names_its_variable_and_the_reason() {
        let cases = [
            (
                "STREAM_PREFIX",
                "a b",
                "STREAM_PREFIX is not made of 1 to 64 letters, digits, `_`, `.` or `-`",
            ),
            (
                "DATASETS_URI",
                "s3://b/d/",
                "DATASETS_URI is no folder; ingest takes no definitions from S3, a layer brings them",
            ),
            (
                "INGEST_VALIDATION",
                "yes",
                "INGEST_VALIDATION is neither `on` nor `off`",
            ),
            (
                "MAX_RECORDS",
                "0",
                "MAX_RECORDS is no number of records from 1 to 100000",
            ),
            (
                "MAX_RECORDS",
                "5k",
                "MAX_RECORDS is no number of records from 1 to 100000",
            ),
            (
                "REQUEST_TIMEOUT_MS",
                "-1",
                "REQUEST_TIMEOUT_MS is no number of milliseconds from 1000 to 900000",
            ),
            ("LOG_FORMAT", "xml", "LOG_FORMAT is neither `json` nor `text`"),
        ];
        for (variable, value, message) in cases {
            assert_eq!(with(variable, value), Err(message.to_owned()));
        }
    }
}
