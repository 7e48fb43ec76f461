//! What has to be so when all is calm again.
//!
//! *Delivered* is what the stream and the raw objects hold, read by their own protocols. An acknowledged record must have
//! been delivered; what was not acknowledged may have been, and more than once: the answer to a producer can get lost as
//! well. Whatever was delivered has to be stored under its origin once, in the right one of the two tables.

use std::{collections::BTreeMap, io::Read as _};

use arrow::array::{Array as _, AsArray, RecordBatch};
use aws_sdk_kinesis::types::ShardIteratorType;
use chrono::Utc;
use flate2::read::MultiGzDecoder;
use futures::TryStreamExt as _;
use object_store::ObjectStoreExt as _;
use pinlake::audit::{Order, audit, find_given_up};
use pinlake_lake::{Kind, Lake, ORIGIN, PAYLOAD, read_table};

use crate::{
    producer::{Acknowledged, Place, is_good},
    sandbox::Told,
    world::{STREAM_NAME, catalog, user},
};

/// Whoever looks at the outcome.
pub(crate) struct Witness {
    pub(crate) lake: Lake,
    pub(crate) kinesis: aws_sdk_kinesis::Client,
    pub(crate) metrics: Told,
}

/// Compares; answers how many records were delivered, or what is wrong.
pub(crate) async fn reach(witness: &Witness, acknowledged: &[Acknowledged]) -> Result<usize, String> {
    let (streamed, filed) = (streamed(&witness.kinesis).await, filed(&witness.lake).await);
    let mut wrong = Vec::new();
    for record in acknowledged {
        let is_there = match &record.place {
            Place::Stream { shard, number } => {
                streamed.get(&format!("kinesis/{STREAM_NAME}/{shard}/{number}")) == Some(&record.payload)
            }
            Place::Raw => filed.values().any(|line| *line == record.payload),
        };
        if !is_there {
            wrong.push(format!("acknowledged, not delivered: {record:?}"));
        }
    }

    let mut stored: BTreeMap<String, Stored> = BTreeMap::new();
    for batch in read_table(&witness.lake, Kind::Table, &user()).await.unwrap() {
        for (origin, name) in texts(&batch, ORIGIN).zip(texts(&batch, "user_name")) {
            stored.entry(origin).or_default().rows.push(name);
        }
    }
    for batch in read_table(&witness.lake, Kind::Quarantine, &user()).await.unwrap() {
        let payloads = batch.column_by_name(PAYLOAD).unwrap().as_binary::<i32>().clone();
        for (row, origin) in texts(&batch, ORIGIN).enumerate() {
            let payload = String::from_utf8(payloads.value(row).to_vec()).unwrap();
            stored.entry(origin).or_default().rejected.push(payload);
        }
    }
    let delivered: BTreeMap<_, _> = streamed.into_iter().chain(filed).collect();
    for (origin, payload) in &delivered {
        let found = stored.remove(origin).unwrap_or_default();
        let expected = if is_good(payload) {
            Stored {
                rows: vec![name_in(payload)],
                rejected: Vec::new(),
            }
        } else {
            Stored {
                rows: Vec::new(),
                rejected: vec![payload.clone()],
            }
        };
        if found != expected {
            wrong.push(format!("{origin}: {found:?}, and not {expected:?}"));
        }
    }
    wrong.extend(
        stored
            .into_iter()
            .map(|(origin, found)| format!("never delivered: {origin}: {found:?}")),
    );

    wrong.extend(audited(witness, delivered.len()).await);
    for line in witness.metrics.json() {
        if line.get("ReconciliationGap").is_some_and(|gap| gap != 0) {
            wrong.push(format!("the sum rule: {line}"));
        }
    }
    for key in keys(&witness.lake, "aws/lambda").await {
        wrong.push(format!("given up: {key}"));
    }
    if wrong.is_empty() {
        Ok(delivered.len())
    } else {
        Err(wrong.join("\n"))
    }
}

/// What `pinlake audit` has to say, which is to be nothing.
async fn audited(witness: &Witness, delivered: usize) -> Option<String> {
    let catalog = catalog();
    let now = Utc::now();
    let order = Order {
        lake: &witness.lake,
        definition: catalog.get(&user()).unwrap(),
        stream: Some((&witness.kinesis, STREAM_NAME.to_owned())),
        given_up: &find_given_up(&witness.lake).await.unwrap(),
        raw: true,
        days: None,
        started: now,
        settled_before: now,
        raw_settled_before: now,
    };
    let findings = audit(&order).await.unwrap();
    let is_right = findings.is_clean() && findings.delivered == delivered as u64;
    (!is_right).then(|| format!("the audit of {delivered}: {findings:?}"))
}

/// What is stored under an origin.
#[derive(Debug, Default, PartialEq, Eq)]
struct Stored {
    /// The names in the table's rows.
    rows: Vec<String>,
    /// The payloads in the quarantine's.
    rejected: Vec<String>,
}

/// The name that cleaning makes of a good payload.
fn name_in(payload: &str) -> String {
    let user: serde_json::Value = serde_json::from_str(payload).unwrap();
    format!(
        "{} {}",
        user["first_name"].as_str().unwrap(),
        user["last_name"].as_str().unwrap()
    )
}

/// All records of the stream, by the origins that they have to have.
async fn streamed(kinesis: &aws_sdk_kinesis::Client) -> BTreeMap<String, String> {
    let mut records = BTreeMap::new();
    let shards = kinesis.list_shards().stream_name(STREAM_NAME).send().await.unwrap();
    for shard in shards.shards() {
        let iterator = kinesis
            .get_shard_iterator()
            .stream_name(STREAM_NAME)
            .shard_id(shard.shard_id())
            .shard_iterator_type(ShardIteratorType::TrimHorizon);
        let mut iterator = iterator.send().await.unwrap().shard_iterator;
        while let Some(token) = iterator {
            let read = kinesis.get_records().shard_iterator(token).send().await.unwrap();
            for record in read.records() {
                let origin = format!(
                    "kinesis/{STREAM_NAME}/{}/{}",
                    shard.shard_id(),
                    record.sequence_number()
                );
                records.insert(origin, String::from_utf8(record.data().as_ref().to_vec()).unwrap());
            }
            let is_at_the_end = read.records().is_empty() && read.millis_behind_latest() == Some(0);
            iterator = read.next_shard_iterator.filter(|_| !is_at_the_end);
        }
    }
    records
}

/// All lines of raw objects, by the origins that they have to have.
async fn filed(lake: &Lake) -> BTreeMap<String, String> {
    let mut lines = BTreeMap::new();
    for key in keys(lake, "raw").await {
        let object = lake.store().get(&lake.key(&key)).await.unwrap().bytes().await.unwrap();
        let mut text = String::new();
        MultiGzDecoder::new(object.as_ref()).read_to_string(&mut text).unwrap();
        for (number, line) in (1..).zip(text.lines()) {
            lines.insert(format!("{key}#{number:09}"), line.to_owned());
        }
    }
    lines
}

async fn keys(lake: &Lake, folder: &str) -> Vec<String> {
    let objects: Vec<_> = lake.store().list(Some(&lake.key(folder))).try_collect().await.unwrap();
    objects.iter().map(|object| lake.relative(&object.location)).collect()
}

fn texts(batch: &RecordBatch, column: &str) -> impl Iterator<Item = String> {
    let column = batch.column_by_name(column).unwrap().as_string::<i32>().clone();
    (0..column.len()).map(move |row| column.value(row).to_owned())
}
