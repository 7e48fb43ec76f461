//! The event that a function gets: Kinesis records in Lambda's envelope.
//!
//! Serialized from borrowed data rather than from `aws_lambda_events`' types, which write the arrival as text where
//! Lambda writes a number; a test reads the event back through those types (`functions_can_read_it`).

use bytes::Bytes;
use serde::{Serialize, Serializer};

use crate::kinesis::Record;

/// The most bytes of an event: Lambda's limit for a synchronous invocation, 6 MB.
pub(super) const MOST_EVENT_BYTES: usize = 6 * 1024 * 1024;

/// What is the same for all events of a shard.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) region: String,
    pub(super) shard_id: String,
    pub(super) stream_arn: String,
    pub(super) role_arn: String,
}

impl Source {
    /// The event for some records.
    pub(super) fn event(&self, records: &[Record]) -> Result<Bytes, serde_json::Error> {
        let bytes: usize = records.iter().map(|record| self.record_bytes(record)).sum();
        let mut event = Vec::with_capacity(ENVELOPE_BYTES + bytes);
        let records = records.iter().map(|record| self.envelope(record)).collect();
        serde_json::to_writer(&mut event, &Event { records })?;
        Ok(event.into())
    }

    /// How many bytes a record adds to an event; at most a few too many (`sizes_are_not_underestimated`).
    pub(super) fn record_bytes(&self, record: &Record) -> usize {
        // JSON writes some characters as six; few keys hold one, so the exact count is taken only for those.
        let key = &record.partition_key;
        let is_plain = key.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\');
        let key_bytes = if is_plain { key.len() } else { key.len() * 6 };
        RECORD_BYTES
            + self.region.len()
            + self.shard_id.len()
            + self.stream_arn.len()
            + self.role_arn.len()
            + key_bytes
            + base64_simd::STANDARD.encoded_length(record.data.len())
    }

    fn envelope<'a>(&'a self, record: &'a Record) -> EventRecord<'a> {
        let sequence_number = record.sequence_number.to_string();
        EventRecord {
            event_id: format!("{}:{sequence_number}", self.shard_id),
            kinesis: KinesisRecord {
                kinesis_schema_version: "1.0",
                partition_key: &record.partition_key,
                sequence_number,
                data: &record.data,
                approximate_arrival_timestamp: record.arrived_ms as f64 / 1000.0,
            },
            event_source: "aws:kinesis",
            event_version: "1.0",
            event_name: "aws:kinesis:record",
            invoke_identity_arn: &self.role_arn,
            aws_region: &self.region,
            event_source_arn: &self.stream_arn,
        }
    }
}

/// `{"Records":[]}`.
pub(super) const ENVELOPE_BYTES: usize = 14;
/// Names, punctuation, two sequence numbers of 56 digits and an arrival of at most 14.
const RECORD_BYTES: usize = 402;

#[derive(Serialize)]
struct Event<'a> {
    #[serde(rename = "Records")]
    records: Vec<EventRecord<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventRecord<'a> {
    kinesis: KinesisRecord<'a>,
    event_source: &'static str,
    event_version: &'static str,
    #[serde(rename = "eventID")]
    event_id: String,
    event_name: &'static str,
    invoke_identity_arn: &'a str,
    aws_region: &'a str,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KinesisRecord<'a> {
    kinesis_schema_version: &'static str,
    partition_key: &'a str,
    sequence_number: String,
    #[serde(serialize_with = "as_base64")]
    data: &'a [u8],
    approximate_arrival_timestamp: f64,
}

fn as_base64<S: Serializer>(data: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&base64_simd::STANDARD.encode_to_string(data))
}

#[cfg(test)]
mod tests {
    use aws_lambda_events::kinesis::KinesisEvent;
    use proptest::prelude::*;

    use super::*;

    fn source() -> Source {
        Source {
            region: "us-east-1".into(),
            shard_id: "shardId-000000000006".into(),
            stream_arn: "arn:aws:kinesis:us-east-1:000000000000:stream/pinlake-pin".into(),
            role_arn: "arn:aws:iam::000000000000:role/stream".into(),
        }
    }

    fn record(key: &str, data: &[u8], arrived_ms: i64) -> Record {
        Record {
            index: 1,
            sequence_number: "49590338271490256608559692538361571095921575989136588898"
                .parse()
                .unwrap(),
            arrived_ms,
            partition_key: key.to_owned(),
            data: Bytes::copy_from_slice(data),
        }
    }

    #[test]
    fn functions_can_read_it() {
        let event = source()
            .event(&[record("1", b"Hello, this is a test.", 1_545_084_650_987)])
            .unwrap();
        let text = String::from_utf8(event.to_vec()).unwrap();
        assert!(
            text.contains("\"approximateArrivalTimestamp\":1545084650.987"),
            "{text}"
        );
        let event: KinesisEvent = serde_json::from_slice(&event).unwrap();
        let read = &event.records[0];
        assert_eq!(read.kinesis.data.0, b"Hello, this is a test.");
        assert_eq!(
            read.kinesis.approximate_arrival_timestamp.timestamp_millis(),
            1_545_084_650_987
        );
        assert_eq!(read.kinesis.kinesis_schema_version.as_deref(), Some("1.0"));
        let id = "shardId-000000000006:49590338271490256608559692538361571095921575989136588898";
        assert_eq!(read.event_id.as_deref(), Some(id));
        assert_eq!(read.event_name.as_deref(), Some("aws:kinesis:record"));
        assert_eq!(read.aws_region.as_deref(), Some("us-east-1"));
    }

    proptest! {
        #[test]
        fn sizes_are_not_underestimated(
            key in "[a-z0-9\"\\\\\u{1}é]{1,40}",
            data in proptest::collection::vec(any::<u8>(), 0..200),
            ms in 1_000_000_000_000_i64..9_999_999_999_999,
        ) {
            let (source, record) = (source(), record(&key, &data, ms));
            let actual = source.event(&[record.clone(), record.clone()]).unwrap().len();
            let estimated = ENVELOPE_BYTES + 2 * source.record_bytes(&record);
            prop_assert!(actual <= estimated, "{actual} > {estimated}");
            if key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                prop_assert!(actual + 16 >= estimated, "{actual} << {estimated}");
            }
        }
    }
}
