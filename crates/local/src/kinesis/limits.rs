//! What Kinesis refuses before it looks at a stream: names, sizes and counts.

use std::str::FromStr;

use super::{
    error::ApiError,
    hash,
    wire::{Entry, StreamRef},
};
use crate::protocol;

/// The most records of a PutRecords request.
pub(super) const MOST_RECORDS: usize = 500;
/// The most bytes of a PutRecords request, partition keys included.
const MOST_REQUEST_BYTES: usize = 10 * 1024 * 1024;
/// The most bytes of a record, its partition key included.
const MOST_RECORD_BYTES: usize = 1024 * 1024;
const MOST_KEY_CHARS: usize = 256;

/// A record within the limits.
pub(super) struct Checked {
    pub(super) partition_key: String,
    pub(super) hash_key: u128,
    pub(super) data: bytes::Bytes,
}

impl Checked {
    /// The bytes that count against a limit.
    pub(super) fn size(&self) -> usize {
        self.partition_key.len() + self.data.len()
    }
}

/// Checks a record; `field` is where it stands in the request, for messages: empty or `records.1.member.`.
pub(super) fn check_record(entry: Entry, field: &str) -> Result<Checked, ApiError> {
    let data = entry.data.ok_or_else(|| ApiError::missing(&format!("{field}data")))?.0;
    let key_field = format!("{field}partitionKey");
    let partition_key = entry.partition_key.ok_or_else(|| ApiError::missing(&key_field))?;
    match partition_key.chars().count() {
        0 => {
            return Err(ApiError::constraint(
                "",
                &key_field,
                "have length greater than or equal to 1",
            ));
        }
        chars if chars > MOST_KEY_CHARS => {
            return Err(ApiError::constraint(
                &partition_key,
                &key_field,
                "have length less than or equal to 256",
            ));
        }
        _ => {}
    }
    if data.len() + partition_key.len() > MOST_RECORD_BYTES {
        return Err(ApiError::constraint_unshown(
            &format!("{field}data"),
            "have length less than or equal to 1048576, its partition key included",
        ));
    }
    let hash_key = match entry.explicit_hash_key {
        None => hash::hash_key(&partition_key),
        Some(text) => explicit_hash_key(&text, field)?,
    };
    Ok(Checked {
        partition_key,
        hash_key,
        data,
    })
}

fn explicit_hash_key(text: &str, field: &str) -> Result<u128, ApiError> {
    hash_key(text, &format!("{field}explicitHashKey"))?.ok_or_else(|| {
        ApiError::invalid_argument(format!(
            "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was {text}"
        ))
    })
}

/// Reads a hash key; none if it is greater than all that there are.
pub(super) fn hash_key(text: &str, field: &str) -> Result<Option<u128>, ApiError> {
    let is_number =
        text == "0" || (!text.is_empty() && !text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()));
    if !is_number {
        return Err(ApiError::constraint(
            text,
            field,
            "satisfy regular expression pattern: 0|([1-9]\\d{0,38})",
        ));
    }
    Ok(u128::from_str(text).ok())
}

/// Checks the number of records and their bytes together.
pub(super) fn check_request(records: &[Checked]) -> Result<(), ApiError> {
    if records.iter().map(Checked::size).sum::<usize>() > MOST_REQUEST_BYTES {
        return Err(ApiError::invalid_argument("Records size exceeds 10 MB limit"));
    }
    Ok(())
}

/// The name of a stream that a request names by name or ARN.
pub(super) fn stream_name(stream: StreamRef) -> Result<String, ApiError> {
    match (stream.name, stream.arn) {
        (Some(name), _) => check_stream_name(name),
        (None, Some(arn)) => match arn.split_once(":stream/") {
            Some((start, name)) if start.starts_with("arn:") => check_stream_name(name.to_owned()),
            _ => Err(ApiError::constraint(
                arn,
                "streamARN",
                "satisfy regular expression pattern: arn:aws.*:kinesis:.*:\\d{12}:.*stream/\\S+",
            )),
        },
        (None, None) => Err(ApiError::missing("streamName")),
    }
}

pub(super) fn check_stream_name(name: String) -> Result<String, ApiError> {
    protocol::name(name, "streamName", 128)
}
