//! The event source mapping: batches, failures, destinations, restarts.

mod batches;
mod by_api;
mod failures;
mod resharding;
mod restarts;
mod schedules;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use aws_lambda_events::kinesis::KinesisEvent;
use bytes::Bytes;
use pinlake_local::{
    Function, InvokeError,
    kinesis::{Options, SequenceNumber},
    mapping::{Backoff, Destination, Mapping, Settings, Start},
};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::{Streams, entries, eventually};

const STREAM: &str = "pinlake-pin";

/// A batch as a function saw it: its shard, and the data of its records.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    shard: String,
    data: Vec<String>,
    numbers: Vec<String>,
}

type Answer = Box<dyn Fn(&Seen, usize) -> Result<Value, InvokeError> + Send + Sync>;

/// A function that writes down what it gets and answers as the test says; the number is that of the invocation.
struct Recorder {
    seen: Mutex<Vec<Seen>>,
    answer: Answer,
    takes: Duration,
}

impl Recorder {
    fn new(answer: impl Fn(&Seen, usize) -> Result<Value, InvokeError> + Send + Sync + 'static) -> Arc<Self> {
        Self::slow(Duration::ZERO, answer)
    }

    fn slow(
        takes: Duration,
        answer: impl Fn(&Seen, usize) -> Result<Value, InvokeError> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            seen: Mutex::default(),
            answer: Box::new(answer),
            takes,
        })
    }

    fn ok() -> Arc<Self> {
        Self::new(|_, _| Ok(json!({ "batchItemFailures": [] })))
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    fn sizes(&self) -> Vec<usize> {
        self.seen().iter().map(|seen| seen.data.len()).collect()
    }
}

#[async_trait::async_trait]
impl Function for Recorder {
    async fn invoke(&self, event: Bytes) -> Result<Bytes, InvokeError> {
        assert!(event.len() <= 6 * 1024 * 1024);
        let event: KinesisEvent = serde_json::from_slice(&event).unwrap();
        let shard = event.records[0]
            .event_id
            .as_deref()
            .unwrap()
            .split_once(':')
            .unwrap()
            .0
            .to_owned();
        let records = event.records.into_iter().map(|record| record.kinesis);
        let (data, numbers) = records
            .map(|record| (String::from_utf8(record.data.0).unwrap(), record.sequence_number))
            .unzip();
        let seen = Seen { shard, data, numbers };
        let number = {
            let mut all = self.seen.lock().unwrap();
            all.push(seen.clone());
            all.len() - 1
        };
        tokio::time::sleep(self.takes).await;
        (self.answer)(&seen, number).map(|answer| answer.to_string().into())
    }
}

/// A destination in memory, whose first few puts may fail.
#[derive(Default)]
struct Shelf {
    records: Mutex<BTreeMap<String, Value>>,
    failures: Mutex<u32>,
}

#[async_trait::async_trait]
impl Destination for Shelf {
    async fn put(&self, key: &str, record: Bytes) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        {
            let mut failures = self.failures.lock().unwrap();
            if *failures > 0 {
                *failures -= 1;
                return Err("the shelf is full".into());
            }
        }
        self.records
            .lock()
            .unwrap()
            .insert(key.to_owned(), serde_json::from_slice(&record).unwrap());
        Ok(())
    }
}

impl Shelf {
    fn records(&self) -> Vec<(String, Value)> {
        self.records.lock().unwrap().clone().into_iter().collect()
    }

    /// The data of all records in all payloads.
    fn data(&self) -> Vec<String> {
        let events = self
            .records()
            .into_iter()
            .map(|(_, record)| -> KinesisEvent { serde_json::from_str(record["payload"].as_str().unwrap()).unwrap() });
        let records = events.flat_map(|event| event.records);
        records
            .map(|record| String::from_utf8(record.kinesis.data.0).unwrap())
            .collect()
    }
}

fn settings() -> Settings {
    let backoff = Backoff {
        first: Duration::from_millis(1),
        most: Duration::from_millis(5),
    };
    Settings {
        backoff,
        ..Settings::new("b2e0c8a4-0000-4000-8000-000000000001", STREAM, "stream")
    }
}

async fn streams(folder: &Path, shards: u32) -> Streams {
    let streams = Streams::open(folder, Options::default()).await;
    streams.kinesis.ensure_stream(STREAM, shards).unwrap();
    streams
}

async fn put(streams: &Streams, data: impl IntoIterator<Item = String>) {
    let data: Vec<_> = data.into_iter().collect();
    for chunk in data.chunks(500) {
        let put = streams
            .client
            .put_records()
            .stream_name(STREAM)
            .set_records(Some(entries(chunk.to_vec())));
        assert_eq!(put.send().await.unwrap().failed_record_count(), Some(0));
    }
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("record {n}")).collect()
}

async fn start(streams: &Streams, settings: Settings, function: &Arc<Recorder>, shelf: &Arc<Shelf>) -> Mapping {
    let (function, shelf) = (
        Arc::clone(function) as Arc<dyn Function>,
        Arc::clone(shelf) as Arc<dyn Destination>,
    );
    Mapping::start(
        &streams.kinesis,
        settings,
        function,
        Some(shelf),
        streams.cancel.child_token(),
    )
    .await
    .unwrap()
}

/// Runs a mapping over what is in the stream until it is done with it.
async fn run(streams: &Streams, settings: Settings, function: &Arc<Recorder>) -> Arc<Shelf> {
    let shelf = Arc::new(Shelf::default());
    let mapping = start(streams, settings, function, &shelf).await;
    tokio::time::timeout(Duration::from_secs(30), mapping.drained())
        .await
        .unwrap();
    assert_eq!(mapping.behind(), 0);
    shelf
}

/// The data of batches, one after the other.
fn data_of(batches: &[Seen]) -> Vec<String> {
    batches.iter().flat_map(|batch| batch.data.clone()).collect()
}
