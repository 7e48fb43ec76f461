//! From records to objects: names and contents.

use std::io::{self, Write};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use flate2::{Compression as Level, write::GzEncoder};
use serde::Serialize;

use super::{settings::Compression, store::Record, stream::Configuration};

/// What a record's processing is answered with when it fails, as the error prefix names it.
const PROCESSING_FAILED: &str = "processing-failed";

/// An object, ready to be put.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) key: String,
    pub(super) body: Bytes,
}

/// The object of records, one after the other; the first is the oldest.
pub(super) fn of_records(configuration: &Configuration, at: DateTime<Utc>, records: &[Record]) -> io::Result<Object> {
    let prefix = configuration.prefixes.objects.evaluate(at, "", &mut rand::rng());
    let data = records.iter().map(|record| &record.data[..]);
    Ok(Object {
        key: prefix + &suffix(configuration, at),
        body: pack(configuration.settings.compression, data)?,
    })
}

/// The object of records whose processing failed: a line of JSON each, as Firehose writes it when the transforming
/// function fails.
pub(super) fn of_failures(
    configuration: &Configuration,
    at: DateTime<Utc>,
    now: DateTime<Utc>,
    function_arn: &str,
    records: &[Record],
) -> io::Result<Object> {
    let prefix = configuration
        .prefixes
        .errors
        .evaluate(at, PROCESSING_FAILED, &mut rand::rng());
    let line = |record: &Record| {
        let failure = ProcessingFailure {
            attempts_made: 4,
            arrival_timestamp: record.arrived_ms,
            error_code: "Lambda.FunctionError",
            error_message: "The Lambda function was successfully invoked but it returned an error result.",
            attempt_ending_timestamp: now.timestamp_millis(),
            raw_data: base64_simd::STANDARD.encode_to_string(&record.data),
            lambda_arn: function_arn,
        };
        let mut line = serde_json::to_vec(&failure)?;
        line.push(b'\n');
        Ok::<_, io::Error>(line)
    };
    let lines = records.iter().map(line).collect::<io::Result<Vec<_>>>()?;
    Ok(Object {
        key: prefix + &suffix(configuration, at),
        body: pack(configuration.settings.compression, lines.iter().map(Vec::as_slice))?,
    })
}

/// `<stream>-<version>-yyyy-MM-dd-HH-mm-ss-<uuid>` and the extension.
fn suffix(configuration: &Configuration, at: DateTime<Utc>) -> String {
    let Configuration { version, settings, .. } = configuration;
    format!(
        "{}-{version}-{}-{}{}",
        settings.name,
        at.format("%Y-%m-%d-%H-%M-%S"),
        uuid::Uuid::new_v4(),
        settings.compression.extension()
    )
}

/// Puts nothing between the pieces, as Firehose does: ending its records is the sender's business.
fn pack<'a>(compression: Compression, pieces: impl Iterator<Item = &'a [u8]>) -> io::Result<Bytes> {
    match compression {
        Compression::None => Ok(pieces.collect::<Vec<_>>().concat().into()),
        Compression::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), Level::default());
            for piece in pieces {
                encoder.write_all(piece)?;
            }
            Ok(encoder.finish()?.into())
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProcessingFailure<'a> {
    attempts_made: u32,
    arrival_timestamp: i64,
    error_code: &'static str,
    error_message: &'static str,
    attempt_ending_timestamp: i64,
    raw_data: String,
    lambda_arn: &'a str,
}
