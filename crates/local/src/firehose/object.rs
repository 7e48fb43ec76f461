//! From records to objects: names and contents.

use std::io::{self, Write};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use flate2::{Compression as Level, write::GzEncoder};
use md5::{Digest, Md5};
use rand::{SeedableRng, rngs::StdRng};
use serde::Serialize;
use uuid::{Builder, Uuid};

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
    let (uuid, mut random) = identity(configuration, records);
    let prefix = configuration.prefixes.objects.evaluate(at, "", &mut random);
    let data = records.iter().map(|record| &record.data[..]);
    Ok(Object {
        key: prefix + &suffix(configuration, at, uuid),
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
    let (uuid, mut random) = identity(configuration, records);
    let prefix = configuration
        .prefixes
        .errors
        .evaluate(at, PROCESSING_FAILED, &mut random);
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
        key: prefix + &suffix(configuration, at, uuid),
        body: pack(configuration.settings.compression, lines.iter().map(Vec::as_slice))?,
    })
}

/// What a buffer's object is named with, from its first record: a buffer that is delivered again, because its delivery could
/// not be noted, begins with the same one and holds all that it held, so its object takes the place of the first. The real
/// service delivers such a buffer twice.
fn identity(configuration: &Configuration, records: &[Record]) -> (Uuid, StdRng) {
    let mut digest = Md5::new_with_prefix(configuration.settings.name.as_bytes());
    if let Some(first) = records.first() {
        digest.update(first.index.to_be_bytes());
        digest.update(first.arrived_ms.to_be_bytes());
        digest.update(&first.data);
    }
    let bytes: [u8; 16] = digest.finalize().into();
    let seed = bytes.first_chunk().map_or(0, |start| u64::from_be_bytes(*start));
    (
        Builder::from_random_bytes(bytes).into_uuid(),
        StdRng::seed_from_u64(seed),
    )
}

/// `<stream>-<version>-yyyy-MM-dd-HH-mm-ss-<uuid>` and the extension.
fn suffix(configuration: &Configuration, at: DateTime<Utc>, uuid: Uuid) -> String {
    let Configuration { version, settings, .. } = configuration;
    format!(
        "{}-{version}-{}-{uuid}{}",
        settings.name,
        at.format("%Y-%m-%d-%H-%M-%S"),
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
