//! Envelopes: what an event source wraps around records.
//!
//! ```text
//! Kinesis  {"Records":[{"eventSource":"aws:kinesis","eventID":"<shard>:<number>","eventSourceARN":…,"kinesis":{…}}]}
//! Kafka    {"eventSource":"aws:kafka","records":{"<topic>-<partition>":[{"topic":…,"partition":…,"offset":…}]}}
//! ```
//!
//! Decoding borrows from the event's bytes and reads only the fields that are used: a record's payload is copied once, out
//! of its base64, and that costs a third of decoding into `aws_lambda_events`' owned types.
//!
//! # Invariants
//! - What is read is what `aws_lambda_events` reads (`kinesis_envelopes_are_read_as_aws_reads_them`,
//!   `kafka_envelopes_are_read_as_aws_reads_them`).
//! - A record whose base64 is broken stays in its batch (`broken_base64_keeps_its_text`); only an envelope without its
//!   sequence number, source or arrival is an error, because such a record could not be placed.

use std::{borrow::Cow, collections::BTreeMap};

use pinlake_lake::{SequenceNumber, SequenceNumberError, Source};
use serde::Deserialize;

/// The records of one source, in the order in which they came.
#[derive(Debug)]
pub(crate) struct Portion<'a> {
    pub(crate) source: Source,
    /// Stream or topic name, which leads to the dataset.
    pub(crate) route: String,
    pub(crate) records: Vec<Record<'a>>,
}

/// A record, still in base64.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    pub(crate) number: SequenceNumber,
    /// Microseconds since 1970, UTC.
    pub(crate) arrived_at: i64,
    /// `None`: a Kafka record without a value.
    data: Option<Cow<'a, str>>,
}

/// Where the records come from, which decides how failures are answered.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    Kinesis(Vec<Portion<'a>>),
    Kafka(Vec<Portion<'a>>),
}

/// Why an event cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// It is no JSON, or lacks a field.
    #[error("the event is not what an event source mapping sends")]
    Json(#[from] serde_json::Error),
    /// It has neither `Records` nor `records`, or they are of another service.
    #[error("the event is of `{event_source}`, not of a Kinesis or Kafka event source")]
    Foreign {
        /// What it says of itself.
        event_source: String,
    },
    /// `eventID` does not name a shard.
    #[error("the event id of record {index} names no shard")]
    Shard {
        /// Position in the event, from 0.
        index: usize,
    },
    /// `eventSourceARN` does not name a stream.
    #[error("the event source of record {index} names no stream")]
    Stream {
        /// Position in the event, from 0.
        index: usize,
    },
    /// A sequence number that is none.
    #[error("the sequence number of record {index} cannot be read")]
    SequenceNumber {
        /// Position in the event, from 0.
        index: usize,
        /// What is wrong with it.
        source: SequenceNumberError,
    },
}

impl Record<'_> {
    /// The payload's size once it is decoded; near it if it is no base64.
    pub(crate) fn size_bytes(&self) -> usize {
        let size = |text: &str| {
            let padding = text.bytes().rev().take(2).take_while(|byte| *byte == b'=').count();
            (text.len() / 4 * 3).saturating_sub(padding)
        };
        self.data.as_deref().map_or(0, size)
    }

    /// Decodes the payload into `buffer`, which is cleared first.
    ///
    /// # Errors
    /// The text as it came, if it is no base64.
    pub(crate) fn payload(&self, buffer: &mut Vec<u8>) -> Result<(), &[u8]> {
        buffer.clear();
        let Some(text) = &self.data else { return Ok(()) };
        base64_simd::STANDARD
            .decode_append(text.as_bytes(), buffer)
            .map_err(|_| {
                buffer.clear();
                text.as_bytes()
            })
    }
}

/// Decodes an event.
pub(crate) fn decode(event: &[u8]) -> Result<Event<'_>, EnvelopeError> {
    let envelope: Envelope<'_> = serde_json::from_slice(event)?;
    let foreign = |event_source: Option<Cow<'_, str>>| EnvelopeError::Foreign {
        event_source: event_source.map_or_else(|| "nobody".to_owned(), Cow::into_owned),
    };
    match (envelope.kinesis, envelope.kafka) {
        (Some(records), None) => kinesis(records).map(Event::Kinesis),
        (None, Some(records)) => match envelope.event_source.as_deref() {
            Some("aws:kafka" | "SelfManagedKafka" | "aws:SelfManagedKafka") => kafka(records).map(Event::Kafka),
            _ => Err(foreign(envelope.event_source)),
        },
        _ => Err(foreign(envelope.event_source)),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    #[serde(rename = "Records", borrow)]
    kinesis: Option<Vec<KinesisRecord<'a>>>,
    #[serde(rename = "records", borrow)]
    kafka: Option<BTreeMap<Cow<'a, str>, Vec<KafkaRecord<'a>>>>,
    #[serde(borrow)]
    event_source: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KinesisRecord<'a> {
    #[serde(rename = "eventID", borrow)]
    event_id: Cow<'a, str>,
    #[serde(rename = "eventSourceARN", borrow)]
    event_source_arn: Cow<'a, str>,
    #[serde(borrow)]
    event_source: Option<Cow<'a, str>>,
    #[serde(borrow)]
    kinesis: KinesisData<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KinesisData<'a> {
    #[serde(borrow)]
    sequence_number: Cow<'a, str>,
    #[serde(borrow)]
    data: Cow<'a, str>,
    /// Seconds since 1970, whole or not.
    approximate_arrival_timestamp: f64,
}

#[derive(Deserialize)]
struct KafkaRecord<'a> {
    #[serde(borrow)]
    topic: Cow<'a, str>,
    partition: i64,
    offset: u64,
    /// Milliseconds since 1970.
    timestamp: i64,
    #[serde(borrow)]
    value: Option<Cow<'a, str>>,
}

fn kinesis(records: Vec<KinesisRecord<'_>>) -> Result<Vec<Portion<'_>>, EnvelopeError> {
    let mut portions: Vec<Portion<'_>> = Vec::with_capacity(1);
    for (index, record) in records.into_iter().enumerate() {
        if let Some(other) = record.event_source.filter(|name| name != "aws:kinesis") {
            return Err(EnvelopeError::Foreign {
                event_source: other.into_owned(),
            });
        }
        let stream = stream_name(&record.event_source_arn).ok_or(EnvelopeError::Stream { index })?;
        let (shard, _) = record.event_id.rsplit_once(':').ok_or(EnvelopeError::Shard { index })?;
        let number = record.kinesis.sequence_number.parse();
        let decoded = Record {
            number: number.map_err(|source| EnvelopeError::SequenceNumber { index, source })?,
            arrived_at: micros(record.kinesis.approximate_arrival_timestamp),
            data: Some(record.kinesis.data),
        };
        push(&mut portions, Source::kinesis(stream, shard), stream, decoded);
    }
    Ok(portions)
}

fn kafka<'a>(partitions: BTreeMap<Cow<'a, str>, Vec<KafkaRecord<'a>>>) -> Result<Vec<Portion<'a>>, EnvelopeError> {
    let mut portions = Vec::with_capacity(partitions.len());
    for record in partitions.into_values().flatten() {
        let decoded = Record {
            number: record.offset.into(),
            arrived_at: within(record.timestamp.saturating_mul(1000)),
            data: record.value,
        };
        push(
            &mut portions,
            Source::kafka(&record.topic, record.partition),
            &record.topic,
            decoded,
        );
    }
    Ok(portions)
}

/// Puts a record to the others of its source. An event rarely has more than one source, and then in runs.
fn push<'a>(portions: &mut Vec<Portion<'a>>, source: Source, route: &str, record: Record<'a>) {
    match portions.iter_mut().rev().find(|portion| portion.source == source) {
        Some(portion) => portion.records.push(record),
        None => portions.push(Portion {
            source,
            route: route.to_owned(),
            records: vec![record],
        }),
    }
}

/// `arn:aws:kinesis:<region>:<account>:stream/<name>[/consumer/…]`.
fn stream_name(arn: &str) -> Option<&str> {
    let (_, resource) = arn.split_once(":stream/")?;
    resource.split('/').next().filter(|name| !name.is_empty())
}

/// A double holds the microseconds of this century exactly; casts saturate.
fn micros(seconds: f64) -> i64 {
    within((seconds * 1e6).round() as i64)
}

/// The nearest time in the years 1 to 9999, which every reader of the tables can show. Kafka's timestamps are whatever a
/// producer says, microseconds for milliseconds for one; taken at its word, the day of such a record would make the table
/// unreadable.
fn within(micros: i64) -> i64 {
    const FIRST: i64 = -62_135_596_800_000_000;
    const LAST: i64 = 253_402_300_799_999_999;
    micros.clamp(FIRST, LAST)
}

#[cfg(test)]
mod tests {
    use aws_lambda_events::{kafka::KafkaEvent, kinesis::KinesisEvent};
    use serde_json::json;

    use super::*;

    const ARN: &str = "arn:aws:kinesis:eu-west-1:000000000000:stream/pinlake-pin";
    const FIRST: &str = "49590338271490256608559692538361571095921575989136588898";

    fn kinesis_event(data: &[&str], timestamp: &str) -> String {
        let records = data.iter().enumerate().map(|(index, data)| {
            let number = format!("{}{index:04}", &FIRST[..52]);
            json!({
                "kinesis": {
                    "kinesisSchemaVersion": "1.0", "partitionKey": "p-1", "sequenceNumber": number, "data": data,
                    "approximateArrivalTimestamp": serde_json::from_str::<serde_json::Value>(timestamp).unwrap(),
                },
                "eventSource": "aws:kinesis", "eventVersion": "1.0", "eventName": "aws:kinesis:record",
                "eventID": format!("shardId-000000000006:{number}"), "eventSourceARN": ARN,
                "invokeIdentityArn": "arn:aws:iam::000000000000:role/lambda-role", "awsRegion": "eu-west-1",
            })
        });
        json!({"Records": records.collect::<Vec<_>>()}).to_string()
    }

    #[test]
    fn an_arrival_is_a_time_that_can_be_shown() {
        let day = |micros| {
            chrono::DateTime::from_timestamp_micros(micros)
                .unwrap()
                .date_naive()
                .to_string()
        };
        // Now, in microseconds and in seconds where milliseconds are asked for; unknown; nonsense.
        for (millis, expected) in [
            (1_545_084_650_987_000, "9999-12-31"),
            (1_545_084_650, "1970-01-18"),
            (-1, "1969-12-31"),
            (i64::MAX, "9999-12-31"),
            (i64::MIN, "0001-01-01"),
        ] {
            assert_eq!(day(within(i64::saturating_mul(millis, 1000))), expected, "{millis}");
        }
        for (seconds, expected) in [(1e300, "9999-12-31"), (-1e300, "0001-01-01"), (f64::NAN, "1970-01-01")] {
            assert_eq!(day(micros(seconds)), expected, "{seconds}");
        }
    }

    fn payload(record: &Record<'_>) -> Vec<u8> {
        let mut buffer = b"left over".to_vec();
        record.payload(&mut buffer).unwrap();
        buffer
    }

    #[test]
    fn kinesis_envelopes_are_read_as_aws_reads_them() {
        for timestamp in ["1545084650.987", "1545084650", "1545084650.0", "1.545084650987E9"] {
            let event = kinesis_event(&["SGVsbG8=", "eyJhIjoxfQ==", ""], timestamp);
            let theirs: KinesisEvent = serde_json::from_str(&event).unwrap();
            let Event::Kinesis(portions) = decode(event.as_bytes()).unwrap() else {
                panic!("no kinesis event")
            };
            let [portion] = &portions[..] else {
                panic!("more than one source")
            };
            assert_eq!(
                (portion.route.as_str(), portion.records.len()),
                ("pinlake-pin", theirs.records.len())
            );
            assert_eq!(portion.source, Source::kinesis("pinlake-pin", "shardId-000000000006"));
            for (ours, theirs) in portion.records.iter().zip(&theirs.records) {
                assert_eq!(ours.number.to_string(), theirs.kinesis.sequence_number);
                assert_eq!(payload(ours), theirs.kinesis.data.0);
                assert_eq!(
                    ours.arrived_at / 1000,
                    theirs.kinesis.approximate_arrival_timestamp.timestamp_millis()
                );
            }
        }
    }

    #[test]
    fn kafka_envelopes_are_read_as_aws_reads_them() {
        let record = |topic: &str, partition: i64, offset: i64, value: Option<&str>| {
            json!({
                "topic": topic, "partition": partition, "offset": offset, "timestamp": 1_545_084_650_987_i64,
                "timestampType": "CREATE_TIME", "key": null, "value": value, "headers": [],
            })
        };
        let event = json!({
            "eventSource": "aws:kafka", "eventSourceArn": "arn:aws:kafka:eu-west-1:000000000000:cluster/c/1",
            "bootstrapServers": "b-1:9092",
            "records": {
                "user.pin-0": [record("user.pin", 0, 15, Some("SGVsbG8=")), record("user.pin", 0, 16, None)],
                "user.geo-3": [record("user.geo", 3, i64::MAX, Some("eyJhIjoxfQ=="))],
            },
        })
        .to_string();
        let theirs: KafkaEvent = serde_json::from_str(&event).unwrap();
        let Event::Kafka(portions) = decode(event.as_bytes()).unwrap() else {
            panic!("no kafka event")
        };
        assert_eq!(portions.len(), 2);
        for portion in &portions {
            let theirs = theirs
                .records
                .values()
                .find(|records| records[0].topic.as_ref() == Some(&portion.route))
                .unwrap();
            assert_eq!(portion.source, Source::kafka(&portion.route, theirs[0].partition));
            for (ours, theirs) in portion.records.iter().zip(theirs) {
                assert_eq!(ours.number.to_string(), theirs.offset.to_string());
                // Theirs goes through a double and may come out a millisecond early.
                let theirs_at = theirs.timestamp.timestamp_millis();
                assert!((theirs_at..=theirs_at + 1).contains(&(ours.arrived_at / 1000)));
                assert_eq!(ours.data.as_deref(), theirs.value.as_deref());
            }
        }
        assert_eq!(payload(&portions[1].records[1]), b"", "a record without a value");
    }

    #[test]
    fn broken_base64_keeps_its_text() {
        let event = kinesis_event(&["SGVsbG8", "not base64!", "SGVsbG8="], "1");
        let Event::Kinesis(portions) = decode(event.as_bytes()).unwrap() else {
            panic!("no kinesis event")
        };
        let records = &portions[0].records;
        let mut buffer = Vec::new();
        assert_eq!(records[0].payload(&mut buffer), Err(&b"SGVsbG8"[..]));
        assert_eq!(records[1].payload(&mut buffer), Err(&b"not base64!"[..]));
        assert_eq!(
            (records[2].payload(&mut buffer), buffer.as_slice()),
            (Ok(()), &b"Hello"[..])
        );
    }

    #[test]
    fn a_size_is_that_of_the_payload() {
        let event = kinesis_event(&["", "SGVsbA==", "SGVsbG8=", "SGVsbG8h"], "1");
        let Event::Kinesis(portions) = decode(event.as_bytes()).unwrap() else {
            panic!("no kinesis event")
        };
        let sizes: Vec<_> = portions[0].records.iter().map(Record::size_bytes).collect();
        assert_eq!(sizes, [0, 4, 5, 6]);
    }

    #[test]
    fn escaped_slashes_are_slashes() {
        let event = kinesis_event(&["Pz8/"], "1").replace('/', "\\/");
        let Event::Kinesis(portions) = decode(event.as_bytes()).unwrap() else {
            panic!("no kinesis event")
        };
        assert_eq!(
            (portions[0].route.as_str(), payload(&portions[0].records[0])),
            ("pinlake-pin", b"???".to_vec())
        );
    }

    #[test]
    fn shards_are_told_apart() {
        let event = kinesis_event(&["", "", ""], "1").replacen("shardId-000000000006", "shardId-000000000007", 1);
        let Event::Kinesis(portions) = decode(event.as_bytes()).unwrap() else {
            panic!("no kinesis event")
        };
        let sizes: Vec<_> = portions.iter().map(|portion| portion.records.len()).collect();
        assert_eq!(sizes, [1, 2]);
    }

    #[test]
    fn consumers_read_the_same_stream() {
        assert_eq!(stream_name(&format!("{ARN}/consumer/fast:1234")), Some("pinlake-pin"));
        assert_eq!(stream_name("arn:aws:sqs:eu-west-1:000000000000:queue"), None);
        assert_eq!(stream_name("arn:aws:kinesis:eu-west-1:000000000000:stream/"), None);
    }

    #[test]
    fn what_cannot_be_placed_is_an_error() {
        let good = kinesis_event(&["SGVsbG8="], "1");
        for (event, message) in [
            ("{}".to_owned(), "of `nobody`"),
            ("[]".to_owned(), "not what an event source mapping sends"),
            ("{\"Records\":".to_owned(), "not what an event source mapping sends"),
            (
                "{\"eventSource\":\"aws:rabbitmq\",\"records\":{}}".to_owned(),
                "of `aws:rabbitmq`",
            ),
            (good.replace("\"aws:kinesis\"", "\"aws:dynamodb\""), "of `aws:dynamodb`"),
            (good.replace("shardId-000000000006:", ""), "record 0 names no shard"),
            (good.replace(":stream/", ":queue/"), "record 0 names no stream"),
            (
                good.replace("\"sequenceNumber\":\"4", "\"sequenceNumber\":\"x"),
                "sequence number of record 0",
            ),
        ] {
            let error = decode(event.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(message), "{event}: {error}");
        }
    }
}
