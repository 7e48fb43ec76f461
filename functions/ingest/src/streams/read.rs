//! Reading the bodies of `/streams`: one record, a list of records, or a record per line.

use bytes::Bytes;
use pinlake_dataset::{DatasetName, Rejection};

use crate::{
    app::{App, Target},
    body::Payload,
    intake::{Incoming, Placement, is_partition_key},
    json::{Field, Fields},
    refusal::Refusal,
};

const STREAM_NAME: [&str; 3] = ["StreamName", "streamName", "stream-name"];
const RECORDS: [&str; 2] = ["records", "Records"];
const DATA: [&str; 2] = ["data", "Data"];
const PARTITION_KEY: [&str; 3] = ["partition-key", "PartitionKey", "partitionKey"];
const EXPLICIT_HASH_KEY: [&str; 3] = ["explicit-hash-key", "ExplicitHashKey", "explicitHashKey"];

/// How the records of a body are written.
enum Format {
    Json,
    Lines,
}

/// Reads the body of `/record`.
pub(super) fn record(app: &App, target: &Target, payload: &Payload) -> Result<Incoming, Refusal> {
    match format(&payload.media_type) {
        Some(Format::Json) => {}
        _ => return Err(Refusal::MediaType("the content type must be application/json".into())),
    }
    let fields = Fields::of_body(&payload.bytes)?;
    check_stream_name(app, target, &fields)?;
    read_record(&payload.bytes, &fields)
}

/// Reads the body of `/records`; for lines, answers the number of each record's line too.
pub(super) fn records(
    app: &App,
    target: &Target,
    payload: &Payload,
) -> Result<(Vec<Incoming>, Option<Vec<usize>>), Refusal> {
    let bounds = &app.settings.bounds;
    match format(&payload.media_type) {
        Some(Format::Json) => {
            let fields = Fields::of_body(&payload.bytes)?;
            check_stream_name(app, target, &fields)?;
            let records = fields.require(&RECORDS)?.list()?;
            check_count(records.len(), bounds.records)?;
            let read = |record| Fields::of(record).and_then(|fields| read_record(&payload.bytes, &fields));
            Ok((records.iter().map(read).collect::<Result<_, _>>()?, None))
        }
        Some(Format::Lines) => {
            let (lines, incoming): (Vec<_>, Vec<_>) = lines(&payload.bytes).unzip();
            check_count(incoming.len(), bounds.batch_records)?;
            if incoming.is_empty() {
                return Err(Refusal::malformed("the body has no lines"));
            }
            Ok((incoming, Some(lines)))
        }
        None => Err(Refusal::MediaType(
            "the content type must be application/json or application/x-ndjson".into(),
        )),
    }
}

/// By the request's media type; no media type means JSON.
fn format(media_type: &str) -> Option<Format> {
    match media_type {
        "" | "application/json" | "application/x-amz-json-1.1" => Some(Format::Json),
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/x-jsonlines" => {
            Some(Format::Lines)
        }
        _ => None,
    }
}

fn check_count(count: usize, limit: usize) -> Result<(), Refusal> {
    if count > limit {
        Err(Refusal::TooManyRecords { count, limit })
    } else {
        Ok(())
    }
}

/// The path decides where records go. A body that names another dataset's stream is a caller's mistake: storing its
/// records in either would be wrong.
fn check_stream_name(app: &App, target: &Target, fields: &Fields<'_>) -> Result<(), Refusal> {
    let Some(field) = fields.get(&STREAM_NAME)? else {
        return Ok(());
    };
    let name = field.text()?;
    let agrees = DatasetName::from_route(&name).is_ok_and(|dataset| dataset == *target.definition.name())
        && app.catalog.route(&name).is_some();
    if agrees {
        Ok(())
    } else {
        Err(field.must(&format!(
            "name a stream of the dataset `{}`, as the path does",
            target.definition.name()
        )))
    }
}

fn read_record(body: &Bytes, fields: &Fields<'_>) -> Result<Incoming, Refusal> {
    let data = fields.require(&DATA)?;
    let placement = Placement {
        partition_key: fields
            .get(&PARTITION_KEY)?
            .map(|field| partition_key(&field))
            .transpose()?,
        explicit_hash_key: fields
            .get(&EXPLICIT_HASH_KEY)?
            .map(|field| explicit_hash_key(&field))
            .transpose()?,
    };
    Ok(Incoming {
        data: read_data(body, &data),
        placement,
    })
}

/// An object goes on exactly as it was sent, text is base64 as in Kinesis itself. What is neither is left to the
/// judge, who knows what a record must be.
fn read_data(body: &Bytes, data: &Field<'_>) -> Result<Bytes, Rejection> {
    if data.is_text() {
        data.base64().ok_or_else(|| Rejection {
            field: None,
            reason: "is text that is no base64".into(),
        })
    } else {
        Ok(body.slice_ref(data.raw().as_bytes()))
    }
}

fn partition_key(field: &Field<'_>) -> Result<String, Refusal> {
    let key = field.text()?;
    if is_partition_key(&key) {
        Ok(key)
    } else {
        Err(field.must("have 1 to 256 characters"))
    }
}

fn explicit_hash_key(field: &Field<'_>) -> Result<String, Refusal> {
    let key = field.text()?;
    let is_canonical = key.bytes().all(|byte| byte.is_ascii_digit()) && (key == "0" || !key.starts_with('0'));
    if is_canonical && key.parse::<u128>().is_ok() {
        Ok(key)
    } else {
        Err(field.must("be a whole number below 2^128"))
    }
}

/// The lines that are not blank, each with its number, from 1.
fn lines(body: &Bytes) -> impl Iterator<Item = (usize, Incoming)> {
    body.split(|byte| *byte == b'\n')
        // Nothing else goes: a line that turns out to be no JSON is kept as it was sent, blanks included.
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .zip(1_usize..)
        .filter(|(line, _)| !line.trim_ascii().is_empty())
        .map(|(line, number)| {
            (
                number,
                Incoming {
                    data: Ok(body.slice_ref(line)),
                    placement: Placement::default(),
                },
            )
        })
}
