//! The event source mapping: batches, failures, destinations, restarts.

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

use super::support::{Streams, entries, eventually};

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

#[tokio::test]
async fn batches_are_cut_by_count() {
    let folder = tempfile::tempdir().unwrap();
    let streams = streams(folder.path(), 1).await;
    put(&streams, numbered(250)).await;
    let function = Recorder::ok();
    run(&streams, settings(), &function).await;
    assert_eq!(function.sizes(), [100, 100, 50]);
    assert_eq!(function.seen().concat_data(), numbered(250));
}

trait ConcatData {
    fn concat_data(&self) -> Vec<String>;
}

impl ConcatData for Vec<Seen> {
    fn concat_data(&self) -> Vec<String> {
        self.iter().flat_map(|seen| seen.data.clone()).collect()
    }
}

#[tokio::test]
async fn batches_are_cut_by_size() {
    let folder = tempfile::tempdir().unwrap();
    let streams = streams(folder.path(), 1).await;
    // A record of 900 kB is 1.2 MB in an event: five fit into 6 MB.
    for n in 0..12 {
        put(&streams, [format!("{n}{}", "x".repeat(200))]).await;
        let data = aws_sdk_kinesis::primitives::Blob::new("y".repeat(900_000));
        let put = streams
            .client
            .put_record()
            .stream_name(STREAM)
            .partition_key("k")
            .data(data);
        put.send().await.unwrap();
    }
    let function = Recorder::ok();
    run(&streams, settings(), &function).await;
    let large: Vec<_> = function
        .seen()
        .iter()
        .map(|s| s.data.iter().filter(|d| d.starts_with('y')).count())
        .collect();
    assert_eq!(large, [5, 5, 2]);
}

#[tokio::test]
async fn a_batch_waits_for_its_window() {
    let folder = tempfile::tempdir().unwrap();
    let streams = streams(folder.path(), 1).await;
    let window = Duration::from_millis(600);
    let settings = Settings {
        batch_window: window,
        batch_size: 20,
        ..settings()
    };
    let (function, shelf) = (Recorder::ok(), Arc::default());
    let mapping = start(&streams, settings, &function, &shelf).await;
    let begun = Instant::now();
    for n in 0..5 {
        put(&streams, [format!("{n}")]).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    mapping.drained().await;
    assert!(begun.elapsed() >= window, "it waited for {:?}", begun.elapsed());
    assert_eq!(function.sizes(), [5]);
    // A full batch does not wait.
    let begun = Instant::now();
    put(&streams, numbered(20)).await;
    mapping.drained().await;
    assert!(begun.elapsed() < window);
    assert_eq!(function.sizes(), [5, 20]);
}

#[tokio::test]
async fn what_is_reported_comes_again_with_all_that_follows() {
    let folder = tempfile::tempdir().unwrap();
    let streams = streams(folder.path(), 1).await;
    put(&streams, numbered(10)).await;
    let function = Recorder::new(|seen, invocation| {
        let failed = if invocation == 0 {
            vec![&seen.numbers[7], &seen.numbers[4]]
        } else {
            vec![]
        };
        let items: Vec<_> = failed
            .iter()
            .map(|number| json!({ "itemIdentifier": number }))
            .collect();
        Ok(json!({ "batchItemFailures": items }))
    });
    run(&streams, settings(), &function).await;
    assert_eq!(function.sizes(), [10, 6]);
    assert_eq!(function.seen()[1].data, numbered(10)[4..]);
}

#[tokio::test]
async fn answers_are_not_read_unless_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let streams = streams(folder.path(), 1).await;
    put(&streams, numbered(3)).await;
    let function = Recorder::new(|seen, _| Ok(json!({ "batchItemFailures": [{ "itemIdentifier": seen.numbers[0] }] })));
    run(
        &streams,
        Settings {
            reports_item_failures: false,
            ..settings()
        },
        &function,
    )
    .await;
    assert_eq!(function.sizes(), [3]);
}

#[tokio::test]
async fn bisecting_isolates_the_poison_record() {
    let folder = tempfile::tempdir().unwrap();
    let streams = streams(folder.path(), 1).await;
    put(&streams, numbered(64)).await;
    let function = Recorder::new(|seen, _| match seen.data.iter().any(|data| data == "record 37") {
        true => Err(InvokeError::new("Poison", "cannot digest this")),
        false => Ok(Value::Null),
    });
    let settings = Settings {
        bisects: true,
        most_retries: Some(2),
        ..settings()
    };
    let shelf = run(&streams, settings, &function).await;
    assert_eq!(shelf.data(), ["record 37"]);

    let (key, record) = shelf.records().remove(0);
    let pattern = "aws/lambda/b2e0c8a4-0000-4000-8000-000000000001/shardId-000000000000/";
    let rest = key.strip_prefix(pattern).unwrap();
    // YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-<UUID>
    assert_eq!((rest.len(), rest.matches('/').count()), (11 + 20 + 36, 3), "{key}");
    assert_eq!(record["requestContext"]["condition"], "RetryAttemptsExhausted");
    // Seven halvings from 64 to 1, and two retries of the one that is left.
    assert_eq!(record["requestContext"]["approximateInvokeCount"], 9);
    assert_eq!(
        record["requestContext"]["functionArn"],
        "arn:aws:lambda:us-east-1:000000000000:function:stream"
    );
    assert_eq!(
        record["responseContext"],
        json!({
            "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled",
        })
    );
    assert_eq!(record["version"], "1.0");
    let info = &record["KinesisBatchInfo"];
    assert_eq!(
        (&info["batchSize"], &info["shardId"]),
        (&json!(1), &json!("shardId-000000000000"))
    );
    assert_eq!(info["startSequenceNumber"], info["endSequenceNumber"]);
    assert_eq!(
        info["streamArn"],
        "arn:aws:kinesis:us-east-1:000000000000:stream/pinlake-pin"
    );
    // All others were delivered in a batch that succeeded.
    let good: BTreeSet<_> = function
        .seen()
        .into_iter()
        .filter(|seen| !seen.data.contains(&"record 37".into()))
        .flat_map(|seen| seen.data)
        .collect();
    assert_eq!(good.len(), 63);
}

#[tokio::test]
async fn retries_end_and_the_stream_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let streams = streams(folder.path(), 1).await;
    put(&streams, numbered(20)).await;
    let function = Recorder::new(|seen, _| match seen.data.contains(&"record 3".into()) {
        true => Err(InvokeError::new("Poison", "no")),
        false => Ok(Value::Null),
    });
    let shelf = Arc::new(Shelf {
        failures: Mutex::new(2),
        ..Shelf::default()
    });
    let settings = Settings {
        batch_size: 10,
        most_retries: Some(3),
        ..settings()
    };
    let mapping = start(&streams, settings, &function, &shelf).await;
    mapping.drained().await;
    assert_eq!(
        function.sizes(),
        [10, 10, 10, 10, 10],
        "one try, three retries, and the next batch"
    );
    assert_eq!(
        shelf.data(),
        numbered(10),
        "also though the destination failed at first"
    );
    let status = mapping.status();
    assert_eq!((status[0].behind, &status[0].last_error), (0, &None));
    let last = function.seen().pop().unwrap().numbers.pop().unwrap();
    assert_eq!(status[0].position, last.parse::<SequenceNumber>().ok());
    assert!(status[0].iterator_age_ms.is_some());
}

#[tokio::test]
async fn old_records_are_given_up_on() {
    let folder = tempfile::tempdir().unwrap();
    let streams = streams(folder.path(), 1).await;
    put(&streams, ["old".into()]).await;
    let function = Recorder::new(|seen, _| match seen.data[0] == "old" {
        true => Err(InvokeError::new("Poison", "no")),
        false => Ok(Value::Null),
    });
    let settings = Settings {
        most_age: Some(Duration::from_millis(400)),
        ..settings()
    };
    let shelf = Arc::new(Shelf::default());
    let mapping = start(&streams, settings, &function, &shelf).await;
    mapping.drained().await;
    put(&streams, ["new".into()]).await;
    mapping.drained().await;
    assert_eq!(shelf.data(), ["old"]);
    let record = shelf.records().remove(0).1;
    assert_eq!(record["requestContext"]["condition"], "RecordAgeExceeded");
    assert!(record["requestContext"]["approximateInvokeCount"].as_u64().unwrap() > 1);
    assert_eq!(function.seen().pop().unwrap().data, ["new"]);
}

#[tokio::test]
async fn a_function_that_hangs_or_panics_has_failed() {
    let folder = tempfile::tempdir().unwrap();
    let streams = streams(folder.path(), 1).await;
    put(&streams, numbered(1)).await;
    let function = Recorder::slow(Duration::from_secs(60), |_, _| Ok(Value::Null));
    let settings_a = Settings {
        timeout: Duration::from_millis(50),
        most_retries: Some(1),
        ..settings()
    };
    let shelf = run(&streams, settings_a, &function).await;
    assert_eq!((function.sizes(), shelf.data()), (vec![1, 1], numbered(1)));

    let function = Recorder::new(|_, invocation| {
        if invocation == 0 {
            panic!("on purpose")
        } else {
            Ok(Value::Null)
        }
    });
    run(
        &streams,
        Settings {
            id: "another".into(),
            ..settings()
        },
        &function,
    )
    .await;
    assert_eq!(function.sizes(), [1, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn shards_go_on_independently() {
    let folder = tempfile::tempdir().unwrap();
    let streams = streams(folder.path(), 4).await;
    put(&streams, numbered(400)).await;
    // One shard fails for ever; the others must not wait for it.
    let function = Recorder::new(|seen, _| match seen.shard == "shardId-000000000002" {
        true => Err(InvokeError::new("Down", "no")),
        false => Ok(Value::Null),
    });
    let mapping = start(&streams, settings(), &function, &Arc::default()).await;
    eventually("three shards are done", || {
        mapping.status().iter().filter(|shard| shard.behind == 0).count() == 3
    })
    .await;
    let status = mapping.status();
    assert_eq!(status[2].shard_id, "shardId-000000000002");
    assert_eq!(status[2].behind, mapping.behind());
    assert_eq!(
        status[2].last_error.as_deref(),
        Some("the function failed with Down: no")
    );
    // One at a time in each shard: a batch is repeated before the next one comes.
    let of_shard: Vec<_> = function
        .seen()
        .into_iter()
        .filter(|seen| seen.shard == "shardId-000000000002")
        .collect();
    assert!(of_shard.windows(2).all(|pair| pair[0] == pair[1]));
}

#[tokio::test]
async fn a_mapping_can_start_at_the_newest_record() {
    let folder = tempfile::tempdir().unwrap();
    let streams = streams(folder.path(), 1).await;
    put(&streams, numbered(5)).await;
    let settings = Settings {
        start: Start::Latest,
        ..settings()
    };
    let function = Recorder::ok();
    let mapping = start(&streams, settings, &function, &Arc::default()).await;
    assert_eq!(mapping.behind(), 0);
    put(&streams, ["later".into()]).await;
    mapping.drained().await;
    assert_eq!(function.seen().concat_data(), ["later"]);
}

#[tokio::test]
async fn stopping_finishes_the_invocation() {
    let folder = tempfile::tempdir().unwrap();
    let streams = streams(folder.path(), 1).await;
    put(&streams, numbered(30)).await;
    let function = Recorder::slow(Duration::from_millis(200), |_, _| Ok(Value::Null));
    let settings = Settings {
        batch_size: 10,
        ..settings()
    };
    let cancel = CancellationToken::new();
    let mapping = Mapping::start(
        &streams.kinesis,
        settings.clone(),
        Arc::clone(&function) as _,
        None,
        cancel.clone(),
    )
    .await
    .unwrap();
    eventually("the function runs", || !function.seen().is_empty()).await;
    cancel.cancel();
    mapping.drained().await;
    mapping.stopped().await;
    assert_eq!(function.sizes(), [10]);

    let function = Recorder::ok();
    run(&streams, settings, &function).await;
    assert_eq!(
        function.seen().concat_data(),
        numbered(30)[10..],
        "the invocation that was under way counts"
    );
}

#[tokio::test]
async fn a_restart_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        batch_size: 7,
        ..settings()
    };
    let mut delivered = Vec::new();
    for run in 0..4 {
        let streams = streams(folder.path(), 1).await;
        if run == 0 {
            put(&streams, numbered(60)).await;
        }
        // From the third batch on, nothing succeeds any more until the next start.
        let function = Recorder::new(|_, invocation| match invocation {
            0..2 => Ok(Value::Null),
            _ => Err(InvokeError::new("Down", "no")),
        });
        let mapping = start(&streams, settings.clone(), &function, &Arc::default()).await;
        eventually("the third batch was tried", || function.seen().len() > 2).await;
        delivered.extend(function.seen()[..2].to_vec().concat_data());
        streams.cancel.cancel();
        mapping.stopped().await;
        streams.close().await;
    }
    assert_eq!(delivered, numbered(56));
    let streams = streams(folder.path(), 1).await;
    let function = Recorder::ok();
    run(&streams, settings, &function).await;
    assert_eq!(function.seen().concat_data(), numbered(60)[56..]);
}

/// What a function does in one invocation, as an arbitrary schedule has it.
#[derive(Clone, Debug)]
enum Fate {
    Done,
    Fails,
    Reports(usize),
    Nonsense,
}

fn fates() -> impl Strategy<Value = Vec<Fate>> {
    let fate = prop_oneof![
        2 => Just(Fate::Done),
        2 => Just(Fate::Fails),
        2 => (0_usize..20).prop_map(Fate::Reports),
        1 => Just(Fate::Nonsense),
    ];
    proptest::collection::vec(fate, 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever the function does, every record is done or at the destination, and each shard's order is kept.
    #[test]
    fn nothing_is_lost(
        fates in fates(),
        records in 1_usize..60,
        batch_size in 1_usize..25,
        bisects: bool,
        most_retries in 0_u32..3,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let streams = streams(folder.path(), 2).await;
            put(&streams, numbered(records)).await;
            let done = Arc::new(Mutex::new(Vec::<(String, String)>::new()));
            let noted = Arc::clone(&done);
            let function = Recorder::new(move |seen, invocation| {
                let fate = fates[invocation % fates.len()].clone();
                let count = match fate {
                    Fate::Done => seen.data.len(),
                    Fate::Reports(at) if at < seen.data.len() => at,
                    Fate::Reports(_) => seen.data.len(),
                    Fate::Fails | Fate::Nonsense => 0,
                };
                noted.lock().unwrap().extend(seen.data[..count].iter().map(|data| (seen.shard.clone(), data.clone())));
                match fate {
                    Fate::Fails => Err(InvokeError::new("E", "m")),
                    Fate::Nonsense => Ok(json!({ "batchItemFailures": "?" })),
                    Fate::Reports(at) if at < seen.data.len() => {
                        Ok(json!({ "batchItemFailures": [{ "itemIdentifier": seen.numbers[at] }] }))
                    }
                    Fate::Done | Fate::Reports(_) => Ok(Value::Null),
                }
            });
            let settings = Settings { batch_size, bisects, most_retries: Some(most_retries), ..settings() };
            let shelf = run(&streams, settings, &function).await;

            let done = done.lock().unwrap().clone();
            let mut everything: Vec<_> = done.iter().map(|(_, data)| data.clone()).chain(shelf.data()).collect();
            everything.sort();
            let mut expected = numbered(records);
            expected.sort();
            assert_eq!(everything, expected, "each record once: done, or at the destination");

            let position: HashMap<_, _> = numbered(records).into_iter().zip(0..).collect();
            let mut last = HashMap::<String, usize>::new();
            for (shard, data) in done {
                let (now, before) = (position[&data], last.insert(shard, position[&data]));
                assert!(before.is_none_or(|before| before < now), "the order of a shard is kept");
            }
        });
    }
}
