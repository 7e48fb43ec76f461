//! The handler as Lambda drives it: events in as JSON, rows read back from the tables.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../../../crates/lake/tests/lake/support/store.rs"]
#[allow(dead_code)]
mod store;

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use object_store::{ObjectStore, local::LocalFileSystem, memory::InMemory};
use pinlake_dataset::{Catalog, DatasetName};
use pinlake_host::{
    Lines, LogFormat, Logging,
    metrics::{Metrics, Teller},
};
use pinlake_lake::{Kind, Lake, ORIGIN, PAYLOAD, REASON, describe, read_table};
use pinlake_stream::{Error, Handler, Settings};
use serde_json::{Value, json, value::RawValue};
use store::{Fault, Watched};
use tracing::Instrument as _;

const NUMBER: u128 = 49_590_338_271_490_256_608_559_692;

struct Place {
    lake: Lake,
    store: Arc<Watched>,
    _folder: Option<tempfile::TempDir>,
}

impl Place {
    fn in_memory() -> Self {
        Self::new(Arc::new(InMemory::new()), "memory:///lake", None)
    }

    fn in_folder() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = url::Url::from_directory_path(folder.path()).unwrap();
        Self::new(Arc::new(LocalFileSystem::new()), url.as_str(), Some(folder))
    }

    fn new(inner: Arc<dyn ObjectStore>, url: &str, folder: Option<tempfile::TempDir>) -> Self {
        let store = Watched::new(inner);
        Self {
            lake: Lake::with_store(Arc::clone(&store) as _, url).unwrap(),
            store,
            _folder: folder,
        }
    }

    /// A handler as a fresh function has it.
    fn handler(&self) -> Handler {
        let settings = Settings::from_lookup(|name| match name {
            "LAKE_URI" => Some(self.lake.url().to_string()),
            _ => None,
        });
        Handler::new(Catalog::built_in(), &self.lake, &settings.unwrap()).unwrap()
    }

    async fn rows(&self, kind: Kind, dataset: &str) -> Vec<RecordBatch> {
        read_table(&self.lake, kind, &DatasetName::parse(dataset).unwrap())
            .await
            .unwrap()
    }

    /// The last four digits of each row's origin, sorted.
    async fn numbers(&self, kind: Kind, dataset: &str) -> Vec<u128> {
        let mut numbers: Vec<u128> = texts(&self.rows(kind, dataset).await, ORIGIN)
            .iter()
            .map(|origin| origin.rsplit('/').next().unwrap().parse::<u128>().unwrap() % 10_000)
            .collect();
        numbers.sort_unstable();
        numbers
    }
}

/// Metrics that are told to lines.
fn metrics_to(lines: &Lines) -> Metrics {
    let output = lines.clone();
    Metrics::to(Teller::Stream, "Pinlake", move || output.clone())
}

fn texts(batches: &[RecordBatch], column: &str) -> Vec<String> {
    let texts = |batch: &RecordBatch| -> Vec<String> {
        let column = batch.column_by_name(column).unwrap().as_string::<i32>();
        column.iter().map(|text| text.unwrap_or("null").to_owned()).collect()
    };
    batches.iter().flat_map(texts).collect()
}

fn base64(text: &str) -> String {
    base64_simd::STANDARD.encode_to_string(text)
}

/// A user row, or something that is none: every third record.
fn user(number: u128) -> String {
    match number % 3 {
        0 => format!("{{\"ind\": \"no number {number}\"}}"),
        _ => json!({"ind": number, "first_name": "Zoë", "last_name": "Sørensen", "age": 20 + number % 40,
                    "date_joined": "2016-02-24 12:13:37"})
        .to_string(),
    }
}

fn is_bad(number: u128) -> bool {
    number.is_multiple_of(3)
}

fn record(stream: &str, number: u128, data: &str) -> Value {
    json!({
        "kinesis": {
            "kinesisSchemaVersion": "1.0", "partitionKey": "p", "sequenceNumber": (NUMBER * 10_000 + number).to_string(),
            "data": data, "approximateArrivalTimestamp": 1_545_084_650.987,
        },
        "eventSource": "aws:kinesis", "eventVersion": "1.0", "eventName": "aws:kinesis:record",
        "eventID": format!("shardId-000000000000:{}", NUMBER * 10_000 + number),
        "eventSourceARN": format!("arn:aws:kinesis:eu-west-1:000000000000:stream/{stream}"), "awsRegion": "eu-west-1",
    })
}

fn event(numbers: impl IntoIterator<Item = u128>) -> Value {
    let records = numbers
        .into_iter()
        .map(|number| record("pinlake-user", number, &base64(&user(number))));
    json!({"Records": records.collect::<Vec<_>>()})
}

/// What Lambda does: event in, answer out, the failed numbers' last four digits.
async fn invoke(handler: &Handler, event: Value) -> Result<Vec<u128>, Error> {
    let event: Box<RawValue> = serde_json::from_str(&event.to_string()).unwrap();
    let answer = handler.handle(event).await?;
    let failures = answer.batch_item_failures.into_iter();
    Ok(failures
        .map(|failure| failure.item_identifier.unwrap().parse::<u128>().unwrap() % 10_000)
        .collect())
}

fn split(numbers: impl Iterator<Item = u128>) -> (Vec<u128>, Vec<u128>) {
    numbers.partition(|number| !is_bad(*number))
}

#[tokio::test]
async fn counts_add_up() {
    let place = Place::in_folder();
    assert_eq!(invoke(&place.handler(), event(1..=10)).await.unwrap(), [0_u128; 0]);
    let (good, bad) = split(1..=10);
    assert_eq!(place.numbers(Kind::Table, "user").await, good);
    assert_eq!(place.numbers(Kind::Quarantine, "user").await, bad);

    let rows = place.rows(Kind::Table, "user").await;
    assert_eq!(texts(&rows, "user_name")[0], "Zoë Sørensen");
    assert_eq!(texts(&rows, "ingest_path")[0], "stream");
    assert_eq!(
        texts(&rows, ORIGIN)[0],
        format!("kinesis/pinlake-user/shardId-000000000000/{}", NUMBER * 10_000 + 1)
    );
    let quarantine = place.rows(Kind::Quarantine, "user").await;
    let payloads = quarantine[0].column_by_name(PAYLOAD).unwrap().as_binary::<i32>();
    assert_eq!(payloads.value(0), user(3).as_bytes());
}

#[tokio::test]
async fn a_batch_delivered_twice_and_cut_anew_is_stored_once() {
    for place in [Place::in_memory(), Place::in_folder()] {
        let warm = place.handler();
        for numbers in [1..=9, 1..=9, 1..=4, 5..=9, 7..=14, 2..=20] {
            assert_eq!(invoke(&warm, event(numbers.clone())).await.unwrap(), [0_u128; 0]);
            assert_eq!(invoke(&place.handler(), event(numbers)).await.unwrap(), [0_u128; 0]);
        }
        let (good, bad) = split(1..=20);
        assert_eq!(place.numbers(Kind::Table, "user").await, good);
        assert_eq!(place.numbers(Kind::Quarantine, "user").await, bad);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_handlers_store_each_record_once() {
    let place = Place::in_memory();
    let handlers: Vec<Handler> = (0..3).map(|_| place.handler()).collect();
    for numbers in [1..=8, 6..=15, 10..=30] {
        let deliveries = handlers.iter().map(|handler| invoke(handler, event(numbers.clone())));
        for failures in futures::future::join_all(deliveries).await {
            assert_eq!(failures.unwrap(), [0_u128; 0]);
        }
    }
    let (good, bad) = split(1..=30);
    assert_eq!(place.numbers(Kind::Table, "user").await, good);
    assert_eq!(place.numbers(Kind::Quarantine, "user").await, bad);
}

#[tokio::test]
async fn a_fault_names_the_first_record_that_is_not_stored() {
    let place = Place::in_memory();
    let handler = place.handler();
    // The rejects 3 and 6 are stored, the rows from 4 on are not: nothing before 4 has to come again.
    place.store.fail("tables/user/ingest_date", Fault::Refuse);
    assert_eq!(invoke(&handler, event(3..=8)).await.unwrap(), [4]);
    place.store.fail("quarantine/user/ingest_date", Fault::Refuse);
    assert_eq!(invoke(&handler, event(7..=12)).await.unwrap(), [7]);
    // Lambda delivers from the named record on; all is well then.
    assert_eq!(invoke(&handler, event(4..=12)).await.unwrap(), [0_u128; 0]);
    let (good, bad) = split(3..=12);
    assert_eq!(place.numbers(Kind::Table, "user").await, good);
    assert_eq!(place.numbers(Kind::Quarantine, "user").await, bad);
}

#[tokio::test]
async fn broken_base64_is_quarantined_as_it_came() {
    let place = Place::in_memory();
    let records = vec![
        record("user", 1, "%%%"),
        record("user", 2, &base64(&user(2))),
        record("user", 3, &base64("[]")),
    ];
    assert_eq!(
        invoke(&place.handler(), json!({ "Records": records })).await.unwrap(),
        [0_u128; 0]
    );
    assert_eq!(place.numbers(Kind::Table, "user").await, [2]);
    let quarantine = place.rows(Kind::Quarantine, "user").await;
    assert_eq!(texts(&quarantine, REASON)[0], "is no base64");
    assert_eq!(
        quarantine[0]
            .column_by_name(PAYLOAD)
            .unwrap()
            .as_binary::<i32>()
            .value(0),
        b"%%%"
    );
}

#[tokio::test]
async fn a_stream_without_a_dataset_stores_nothing() {
    let place = Place::in_memory();
    let records = vec![
        record("pinlake-user", 1, &base64(&user(1))),
        record("pinlake-whale", 2, &base64(&user(2))),
    ];
    let error = invoke(&place.handler(), json!({ "Records": records }))
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "`pinlake-whale` leads to no dataset");
    assert!(place.rows(Kind::Table, "user").await.is_empty());
}

#[tokio::test]
async fn an_unreadable_event_is_an_error() {
    let place = Place::in_memory();
    for event in ["{}", "[]", "null", "{\"Records\":[{}]}", "{\"Records\":5}"] {
        assert!(
            matches!(place.handler().invoke(event.as_bytes()).await, Err(Error::Envelope(_))),
            "{event}"
        );
    }
    assert_eq!(
        place.handler().invoke(b"{\"Records\":[]}").await.unwrap(),
        b"{\"batchItemFailures\":[]}"
    );
}

fn kafka(partition: i64, offsets: std::ops::RangeInclusive<u64>) -> Vec<Value> {
    offsets
        .map(|offset| {
            json!({
                "topic": "0afff2eeb7e3.user", "partition": partition, "offset": offset,
                "timestamp": 1_545_084_650_987_i64, "timestampType": "CREATE_TIME", "key": null,
                "value": base64(&user(offset.into())), "headers": [],
            })
        })
        .collect()
}

#[tokio::test]
async fn kafka_comes_through_the_same_door() {
    let place = Place::in_memory();
    let event = json!({
        "eventSource": "aws:kafka", "eventSourceArn": "arn:aws:kafka:eu-west-1:000000000000:cluster/c/1",
        "bootstrapServers": "b-1:9092",
        "records": {"0afff2eeb7e3.user-0": kafka(0, 0..=4), "0afff2eeb7e3.user-1": kafka(1, 0..=2)},
    });
    let handler = place.handler();
    // A fault fails the event as a whole; what was stored is recognised when it comes again.
    place.store.fail("tables/user/ingest_date", Fault::Refuse);
    assert!(matches!(
        invoke(&handler, event.clone()).await,
        Err(Error::NotLanded(_))
    ));
    for _ in 0..2 {
        assert_eq!(invoke(&handler, event.clone()).await.unwrap(), [0_u128; 0]);
    }
    assert_eq!(place.numbers(Kind::Table, "user").await, [1, 1, 2, 2, 4]);
    assert_eq!(place.numbers(Kind::Quarantine, "user").await, [0, 0, 3]);
    assert!(texts(&place.rows(Kind::Table, "user").await, ORIGIN).contains(&"kafka/0afff2eeb7e3.user/1/2".to_owned()));
}

#[tokio::test]
async fn the_sample_events_are_stored() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events");
    for (file, records) in [("stream-kinesis.json", "/Records"), ("stream-kafka.json", "/records")] {
        let event = std::fs::read(folder.join(file)).unwrap();
        let parsed: Value = serde_json::from_slice(&event).unwrap();
        let delivered: usize = match parsed.pointer(records).unwrap() {
            Value::Array(records) => records.len(),
            Value::Object(partitions) => partitions
                .values()
                .map(|records| records.as_array().unwrap().len())
                .sum(),
            other => panic!("{file}: {other}"),
        };
        let place = Place::in_memory();
        let answer = place.handler().invoke(&event).await.unwrap();
        assert_eq!(answer, b"{\"batchItemFailures\":[]}", "{file}");
        let mut stored = 0;
        for definition in Catalog::built_in().iter() {
            for kind in [Kind::Table, Kind::Quarantine] {
                let description = describe(&place.lake, kind, definition.name()).await.unwrap();
                stored += description.map_or(0, |description| usize::try_from(description.rows).unwrap());
            }
        }
        assert_eq!(stored, delivered, "{file}");
    }
}

#[tokio::test]
async fn metrics_tell_what_becomes_of_a_batch() {
    let (place, told) = (Place::in_memory(), Lines::default());
    let handler = place.handler().with_metrics(metrics_to(&told));
    invoke(&handler, event(1..=9)).await.unwrap();
    // 5 to 9 again, and three new ones: 12 is bad.
    invoke(&handler, event(5..=12)).await.unwrap();
    let lines = told.json().unwrap();
    let counts = |line: &Value| {
        [
            "RecordsDelivered",
            "RowsWritten",
            "RecordsSkipped",
            "RowsQuarantined",
            "ReconciliationGap",
            "BatchesFailed",
            "CommitConflicts",
        ]
        .map(|name| line[name].as_u64().unwrap())
    };
    assert_eq!(
        lines.iter().map(counts).collect::<Vec<_>>(),
        [[9, 6, 0, 3, 0, 0, 0], [8, 2, 5, 1, 0, 0, 0]]
    );
    let bytes: usize = (1..=9).map(|number| user(number).len()).sum();
    assert_eq!(lines[0]["BatchBytes"], bytes);
    assert_eq!(lines[0]["Dataset"], "user");
    assert_eq!(lines[0]["shard"], "shardId-000000000000");
}

#[tokio::test]
async fn a_batch_that_comes_again_is_told_with_its_age() {
    let (place, told) = (Place::in_memory(), Lines::default());
    let handler = place.handler().with_metrics(metrics_to(&told));
    place.store.fail("tables/user/ingest_date", Fault::Refuse);
    assert_eq!(invoke(&handler, event(1..=2)).await.unwrap(), [1]);
    let lines = told.json().unwrap();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["BatchesFailed"], 1);
    // The records are of December 2018.
    let year_ms = 365 * 24 * 3600 * 1000;
    assert!(lines[0]["IteratorAge"].as_u64().unwrap() > 5 * year_ms, "{lines:?}");
    assert_eq!(lines[0].get("RowsWritten"), None, "nothing is known of its rows");
}

/// As on Lambda, with all that our own crates log.
#[tokio::test]
async fn lines_tell_their_invocation_and_no_payload() {
    const MARK: &str = "payload-7f3a";
    let (place, told, logged) = (Place::in_memory(), Lines::default(), Lines::default());
    let handler = place.handler().with_metrics(metrics_to(&told));
    let output = logged.clone();
    let logging = Logging {
        format: LogFormat::Json,
        filter: "info,pinlake_dataset=trace,pinlake_lake=trace,pinlake_stream=trace".to_owned(),
    };
    let _logging = tracing::dispatcher::set_default(&logging.to(move || output.clone()));
    let mut context = lambda_runtime::Context::default();
    context.request_id = "5f2c".to_owned();
    let span = lambda_runtime::layers::trace::request_span(&context);
    let payloads = [
        user(1).replace("Zoë", MARK),
        json!({"ind": MARK, "first_name": MARK, MARK: MARK}).to_string(),
        format!("{{\"ind\": 3, \"first_name\": \"{MARK}"),
        MARK.to_owned(),
    ];
    let mut records: Vec<_> = payloads
        .iter()
        .zip(1..)
        .map(|(payload, number)| record("user", number, &base64(payload)))
        .collect();
    records.push(record("user", 5, &format!("%{MARK}%")));
    let stored = invoke(&handler, json!({ "Records": records }))
        .instrument(span.clone())
        .await;
    assert_eq!(stored.unwrap(), [0_u128; 0]);
    place.store.fail("tables/user/ingest_date", Fault::Refuse);
    let again = json!({"Records": [record("user", 6, &base64(&payloads[0]))]});
    assert_eq!(invoke(&handler, again).instrument(span).await.unwrap(), [6]);

    let lines = [told.json().unwrap(), logged.json().unwrap()].concat();
    for message in ["batch stored", "batch not stored"] {
        assert!(lines.iter().any(|line| line["message"] == message), "{lines:#?}");
    }
    for line in &lines {
        assert_eq!(line["request_id"], "5f2c", "{line}");
        assert!(!line.to_string().contains(MARK), "{line}");
    }
}
