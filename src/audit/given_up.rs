//! Records that a mapping gave up on: Lambda's invocation records below `aws/lambda/` in the lake's bucket.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use futures::TryStreamExt as _;
use object_store::{ObjectStoreExt as _, path::Path};
use pinlake_lake::{Lake, Source};
use serde::Deserialize;

/// Where Lambda files them, from the bucket's root.
const FOLDER: &str = "aws/lambda";

/// For each stream, the records that were given up, by their origins.
pub type Kept = BTreeMap<String, BTreeMap<String, KeptRecord>>;

/// A record that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRecord {
    /// The key of the object that holds it.
    pub object: String,
    /// When it arrived.
    pub arrived: DateTime<Utc>,
}

/// Finds all that was given up. Of the objects one is in memory at a time; of the records their origins are kept.
///
/// # Errors
/// An object cannot be read.
pub async fn find(lake: &Lake) -> Result<Kept> {
    let mut found = Kept::new();
    let folder = folder(lake);
    let mut objects = lake.store().list(Some(&folder));
    while let Some(object) = objects.try_next().await.context("could not list what was given up")? {
        let key = object.location;
        let body = lake.store().get(&key).await;
        let body = match body {
            Ok(body) => body.bytes().await,
            Err(error) => Err(error),
        };
        let body = body.with_context(|| format!("could not read {key}"))?;
        // What schedules gave up on lies there as well.
        for (stream, origin, arrived) in records(&body) {
            let origins = found.entry(stream).or_default();
            let object = || lake.relative(&key);
            origins.entry(origin).or_insert_with(|| KeptRecord {
                object: object(),
                arrived,
            });
        }
    }
    Ok(found)
}

/// The bucket's root, whatever prefix the lake has in it; a lake in a folder is a bucket.
pub(crate) fn folder(lake: &Lake) -> Path {
    match lake.url().scheme() {
        "s3" => Path::from(FOLDER),
        _ => lake.key(FOLDER),
    }
}

/// What Lambda files of a batch that was given up.
#[derive(Deserialize)]
pub(crate) struct InvocationRecord {
    /// The event, as text.
    pub(crate) payload: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(rename = "Records")]
    records: Vec<EventRecord>,
}

#[derive(Deserialize)]
struct EventRecord {
    #[serde(rename = "eventID")]
    event_id: String,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: String,
    kinesis: KinesisRecord,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KinesisRecord {
    /// Seconds since 1970, whole or not.
    approximate_arrival_timestamp: f64,
}

/// Stream, origin and arrival of each record in an invocation record; none if it is of something else than a stream.
fn records(body: &[u8]) -> Vec<(String, String, DateTime<Utc>)> {
    let event = serde_json::from_slice::<InvocationRecord>(body)
        .and_then(|record| serde_json::from_str::<Event>(&record.payload));
    let origin = |record: EventRecord| {
        let resource = record.event_source_arn.rsplit_once(":stream/")?.1;
        let stream = resource.split('/').next()?;
        let (shard, number) = record.event_id.rsplit_once(':')?;
        let source = Source::kinesis(stream, shard);
        let arrived = (record.kinesis.approximate_arrival_timestamp * 1e3) as i64;
        let arrived = DateTime::from_timestamp_millis(arrived)?;
        Some((stream.to_owned(), format!("{source}/{number}"), arrived))
    };
    event.map_or_else(
        |_| Vec::new(),
        |event| event.records.into_iter().filter_map(origin).collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_records_of_a_batch_are_named() {
        let event = r#"{"Records":[{"eventID":"shardId-000000000001:495","eventSourceARN":"arn:aws:kinesis:us-east-1:0:stream/pinlake-pin","kinesis":{"sequenceNumber":"495","data":"e30=","approximateArrivalTimestamp":1.5}}]}"#;
        let body = serde_json::json!({"requestContext": {}, "payload": event}).to_string();
        let named = (
            "pinlake-pin".to_owned(),
            "kinesis/pinlake-pin/shardId-000000000001/495".to_owned(),
            DateTime::from_timestamp_millis(1500).unwrap(),
        );
        assert_eq!(records(body.as_bytes()), [named]);
        // A schedule's dead letter, and what is none at all.
        for other in [r#"{"requestPayload":{"time":"x"}}"#, r#"{"payload":"{}"}"#, "no json"] {
            assert_eq!(records(other.as_bytes()), []);
        }
    }
}
