//! The handler as Lambda drives it: events in as JSON, rows read back from the tables.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use arrow::array::AsArray;
use pinlake_dataset::Catalog;
use pinlake_host::Lines;
use pinlake_lake::{Kind, ORIGIN, PAYLOAD, REASON, describe};
use pinlake_stream::{Error, Handler};
use serde_json::{Value, json};
use support::{NUMBER, TestLake, base64, event, invoke, is_bad, metrics_to, record, store::Fault, texts, user};

fn split(numbers: impl Iterator<Item = u128>) -> (Vec<u128>, Vec<u128>) {
    numbers.partition(|number| !is_bad(*number))
}

#[tokio::test]
async fn counts_add_up() {
    let place = TestLake::in_folder();
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
    for place in [TestLake::in_memory(), TestLake::in_folder()] {
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
    let place = TestLake::in_memory();
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
    let place = TestLake::in_memory();
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
    let place = TestLake::in_memory();
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
    let place = TestLake::in_memory();
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
    let place = TestLake::in_memory();
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
    let place = TestLake::in_memory();
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
        let place = TestLake::in_memory();
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
    let (place, told) = (TestLake::in_memory(), Lines::default());
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
    let (place, told) = (TestLake::in_memory(), Lines::default());
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
