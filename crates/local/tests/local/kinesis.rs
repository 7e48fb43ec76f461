//! The Kinesis endpoint, through the SDK.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use aws_sdk_kinesis::{
    Client,
    error::ProvideErrorMetadata,
    primitives::{Blob, DateTime},
    types::{PutRecordsRequestEntry, Record, ShardIteratorType},
};
use pinlake_local::kinesis::{Options, SequenceNumber, Throughput};

use super::support::{Streams, entries};

const STREAM: &str = "pinlake-pin";

async fn streams(folder: &tempfile::TempDir, shards: u32) -> Streams {
    let streams = Streams::open(folder.path(), Options::default()).await;
    streams.kinesis.ensure_stream(STREAM, shards).unwrap();
    streams
}

async fn iterator(client: &Client, shard: u32, kind: ShardIteratorType) -> String {
    let iterator = client
        .get_shard_iterator()
        .stream_name(STREAM)
        .shard_id(format!("shardId-{shard:012}"));
    iterator
        .shard_iterator_type(kind)
        .send()
        .await
        .unwrap()
        .shard_iterator
        .unwrap()
}

async fn read(client: &Client, iterator: String) -> Vec<Record> {
    client
        .get_records()
        .shard_iterator(iterator)
        .send()
        .await
        .unwrap()
        .records
}

async fn read_all(client: &Client, shard: u32) -> Vec<Record> {
    read(client, iterator(client, shard, ShardIteratorType::TrimHorizon).await).await
}

fn code<E: ProvideErrorMetadata>(error: &E) -> &str {
    error.code().unwrap_or("none")
}

fn entry(key: &str, data: Vec<u8>) -> PutRecordsRequestEntry {
    PutRecordsRequestEntry::builder()
        .partition_key(key)
        .data(Blob::new(data))
        .build()
        .unwrap()
}

#[tokio::test]
async fn records_come_back_in_order_from_the_right_shard() {
    let folder = tempfile::tempdir().unwrap();
    let Streams { client, .. } = &streams(&folder, 4).await;
    let put = client.put_records().stream_name(STREAM);
    let put = put
        .set_records(Some(entries((0..400).map(|n| format!("record {n}")))))
        .send()
        .await
        .unwrap();
    assert_eq!(put.failed_record_count(), Some(0));

    let mut by_shard = BTreeMap::<String, Vec<(String, String)>>::new();
    for (number, result) in put.records().iter().enumerate() {
        let put = (result.sequence_number().unwrap().to_owned(), format!("record {number}"));
        by_shard
            .entry(result.shard_id().unwrap().to_owned())
            .or_default()
            .push(put);
    }
    assert_eq!(by_shard.len(), 4, "an MD5 spreads 400 keys over 4 shards");
    assert!(by_shard.values().all(|records| (60..140).contains(&records.len())));
    for (shard, expected) in (0..).zip(by_shard.values()) {
        let records = read_all(client, shard).await;
        let found: Vec<_> = records
            .iter()
            .map(|record| {
                assert_eq!(record.sequence_number().len(), 56);
                assert!(record.approximate_arrival_timestamp().is_some());
                (
                    record.sequence_number().to_owned(),
                    String::from_utf8(record.data().as_ref().to_vec()).unwrap(),
                )
            })
            .collect();
        assert_eq!(&found, expected);
        assert!(found.is_sorted(), "sequence numbers grow within a shard");
    }

    let put = client
        .put_record()
        .stream_name(STREAM)
        .partition_key("k")
        .data(Blob::new("x"));
    let put = put.explicit_hash_key(u128::MAX.to_string()).send().await.unwrap();
    assert_eq!(put.shard_id(), "shardId-000000000003");
}

#[tokio::test]
async fn iterators_start_where_they_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let Streams { client, .. } = &streams(&folder, 1).await;
    let mut numbers = Vec::new();
    for n in 0..5 {
        let put = client
            .put_record()
            .stream_name(STREAM)
            .partition_key("k")
            .data(Blob::new(format!("{n}")));
        numbers.push(put.send().await.unwrap().sequence_number);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let arrival = read_all(client, 0).await[3]
        .approximate_arrival_timestamp()
        .copied()
        .unwrap();
    let get = |kind| {
        let get = client
            .get_shard_iterator()
            .stream_name(STREAM)
            .shard_id("shardId-000000000000");
        get.shard_iterator_type(kind)
    };
    let from = |get: aws_sdk_kinesis::operation::get_shard_iterator::builders::GetShardIteratorFluentBuilder| async {
        let records = read(client, get.send().await.unwrap().shard_iterator.unwrap()).await;
        records
            .iter()
            .map(|record| String::from_utf8(record.data().as_ref().to_vec()).unwrap())
            .collect::<String>()
    };
    assert_eq!(from(get(ShardIteratorType::TrimHorizon)).await, "01234");
    assert_eq!(from(get(ShardIteratorType::Latest)).await, "");
    assert_eq!(
        from(get(ShardIteratorType::AtSequenceNumber).starting_sequence_number(&numbers[2])).await,
        "234"
    );
    assert_eq!(
        from(get(ShardIteratorType::AfterSequenceNumber).starting_sequence_number(&numbers[2])).await,
        "34"
    );
    assert_eq!(from(get(ShardIteratorType::AtTimestamp).timestamp(arrival)).await, "34");
    assert_eq!(
        from(get(ShardIteratorType::AtTimestamp).timestamp(DateTime::from_secs(0))).await,
        "01234"
    );

    // A reader goes on from page to page, and waits at the end.
    let mut iterator = iterator(client, 0, ShardIteratorType::TrimHorizon).await;
    let mut pages = Vec::new();
    for _ in 0..4 {
        let page = client
            .get_records()
            .shard_iterator(&iterator)
            .limit(2)
            .send()
            .await
            .unwrap();
        pages.push((page.records().len(), page.millis_behind_latest().unwrap() > 0));
        iterator = page.next_shard_iterator.unwrap();
    }
    assert_eq!(pages, [(2, true), (2, true), (1, false), (0, false)]);

    let other = SequenceNumberOfElsewhere::TEXT;
    for get in [
        get(ShardIteratorType::AtSequenceNumber).starting_sequence_number(other),
        get(ShardIteratorType::AtSequenceNumber),
        get(ShardIteratorType::AtTimestamp),
        get(ShardIteratorType::AtTimestamp).timestamp(DateTime::from_secs(1 << 34)),
    ] {
        let error = get.send().await.unwrap_err().into_service_error();
        assert_eq!(code(&error), "InvalidArgumentException");
    }
}

struct SequenceNumberOfElsewhere;

impl SequenceNumberOfElsewhere {
    const TEXT: &str = "49590338271490256608559692538361571095921575989136588898";
}

#[tokio::test]
async fn limits_are_those_of_kinesis() {
    let folder = tempfile::tempdir().unwrap();
    let Streams { client, .. } = &streams(&folder, 1).await;
    const MIB: usize = 1024 * 1024;
    let many = |count: usize, bytes: usize| (0..count).map(|_| entry("k", vec![b'x'; bytes])).collect::<Vec<_>>();
    let keyed = |key: String| vec![entry(&key, vec![b'x'])];
    let hashed = |hash: &str| {
        let entry = PutRecordsRequestEntry::builder()
            .partition_key("k")
            .data(Blob::new("x"))
            .explicit_hash_key(hash);
        vec![entry.build().unwrap()]
    };
    let cases: Vec<(&str, Vec<PutRecordsRequestEntry>, Option<&str>)> = vec![
        ("no record", vec![], Some("ValidationException")),
        ("one record", many(1, 1), None),
        ("500 records", many(500, 10), None),
        ("501 records", many(501, 10), Some("ValidationException")),
        ("a record of 1 MiB", many(1, MIB - 1), None),
        ("a record of more", many(1, MIB), Some("ValidationException")),
        ("a request of 10 MiB", many(10, MIB - 1), None),
        ("a request of more", many(11, MIB - 1), Some("InvalidArgumentException")),
        ("no key", keyed(String::new()), Some("ValidationException")),
        ("a key of 256 characters", keyed("ü".repeat(256)), None),
        ("a key of 257", keyed("ü".repeat(257)), Some("ValidationException")),
        ("the first hash key", hashed("0"), None),
        ("the last hash key", hashed(&u128::MAX.to_string()), None),
        (
            "one beyond",
            hashed("340282366920938463463374607431768211456"),
            Some("InvalidArgumentException"),
        ),
        ("no number", hashed("007"), Some("ValidationException")),
    ];
    for (what, records, expected) in cases {
        let put = client
            .put_records()
            .stream_name(STREAM)
            .set_records(Some(records))
            .send()
            .await;
        match (put, expected) {
            (Ok(put), None) => assert_eq!(put.failed_record_count(), Some(0), "{what}"),
            (Err(error), Some(expected)) => assert_eq!(code(&error.into_service_error()), expected, "{what}"),
            (put, _) => panic!("{what}: {put:?}"),
        }
    }
    let get = client
        .get_records()
        .shard_iterator(iterator(client, 0, ShardIteratorType::TrimHorizon).await);
    let error = get.limit(10_001).send().await.unwrap_err().into_service_error();
    assert_eq!(code(&error), "ValidationException");
    // An answer has at most 10 MiB: the rest comes with the next.
    assert!(read_all(client, 0).await.len() < 600);
}

#[tokio::test]
async fn streams_are_made_described_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let Streams { client, .. } = &streams(&folder, 1).await;
    client
        .create_stream()
        .stream_name("b")
        .shard_count(3)
        .send()
        .await
        .unwrap();
    client
        .create_stream()
        .stream_name("a")
        .shard_count(1)
        .send()
        .await
        .unwrap();
    let twice = client
        .create_stream()
        .stream_name("a")
        .shard_count(1)
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert!(twice.is_resource_in_use_exception());
    let bad = client
        .create_stream()
        .stream_name("no name")
        .shard_count(1)
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert_eq!(code(&bad), "ValidationException");

    let listed = client.list_streams().limit(2).send().await.unwrap();
    assert_eq!(
        (listed.stream_names(), listed.has_more_streams()),
        (&["a".to_owned(), "b".to_owned()][..], true)
    );
    let rest = client
        .list_streams()
        .next_token(listed.next_token().unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(
        (rest.stream_names(), rest.has_more_streams()),
        (&[STREAM.to_owned()][..], false)
    );

    let summary = client.describe_stream_summary().stream_name("b").send().await.unwrap();
    let summary = summary.stream_description_summary().unwrap();
    assert_eq!((summary.open_shard_count(), summary.retention_period_hours()), (3, 24));
    assert_eq!(summary.stream_arn(), "arn:aws:kinesis:us-east-1:000000000000:stream/b");
    let described = client
        .describe_stream()
        .stream_arn(summary.stream_arn())
        .limit(2)
        .send()
        .await
        .unwrap();
    let described = described.stream_description().unwrap();
    assert_eq!((described.shards().len(), described.has_more_shards()), (2, true));

    let page = client
        .list_shards()
        .stream_name("b")
        .max_results(2)
        .send()
        .await
        .unwrap();
    let rest = client
        .list_shards()
        .next_token(page.next_token().unwrap())
        .send()
        .await
        .unwrap();
    let shards: Vec<_> = page.shards().iter().chain(rest.shards()).collect();
    let ids: Vec<_> = shards.iter().map(|shard| shard.shard_id()).collect();
    assert_eq!(
        ids,
        ["shardId-000000000000", "shardId-000000000001", "shardId-000000000002"]
    );
    let ranges: Vec<_> = shards.iter().map(|shard| shard.hash_key_range().unwrap()).collect();
    assert_eq!(
        (ranges[0].starting_hash_key(), ranges[2].ending_hash_key()),
        ("0", u128::MAX.to_string().as_str())
    );

    client.delete_stream().stream_name("b").send().await.unwrap();
    let gone = client
        .describe_stream()
        .stream_name("b")
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert!(gone.is_resource_not_found_exception());
    assert_eq!(gone.message(), Some("Stream b under account 000000000000 not found."));
    let put = client
        .put_record()
        .stream_name("b")
        .partition_key("k")
        .data(Blob::new("x"))
        .send()
        .await;
    assert!(put.unwrap_err().into_service_error().is_resource_not_found_exception());
    let unknown = client
        .list_stream_consumers()
        .stream_arn("arn:x")
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert_eq!(code(&unknown), "UnknownOperationException");
}

#[tokio::test]
async fn a_stream_made_anew_is_empty() {
    let folder = tempfile::tempdir().unwrap();
    let Streams { client, kinesis, .. } = &streams(&folder, 1).await;
    let put = || {
        client
            .put_record()
            .stream_name(STREAM)
            .partition_key("k")
            .data(Blob::new("x"))
            .send()
    };
    put().await.unwrap();
    let old = iterator(client, 0, ShardIteratorType::TrimHorizon).await;
    client.delete_stream().stream_name(STREAM).send().await.unwrap();
    kinesis.ensure_stream(STREAM, 1).unwrap();
    assert!(read_all(client, 0).await.is_empty());
    let error = client
        .get_records()
        .shard_iterator(old)
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert!(error.is_resource_not_found_exception());
}

#[tokio::test]
async fn what_was_answered_survives() {
    let folder = tempfile::tempdir().unwrap();
    let mut numbers: Vec<SequenceNumber> = Vec::new();
    for start in 0..3 {
        let streams = streams(&folder, 1).await;
        let put = streams.client.put_records().stream_name(STREAM);
        let put = put
            .set_records(Some(entries((0..20).map(|n| format!("{start} {n}")))))
            .send()
            .await
            .unwrap();
        numbers.extend(
            put.records()
                .iter()
                .map(|record| record.sequence_number().unwrap().parse::<SequenceNumber>().unwrap()),
        );
        streams.close().await;
    }
    assert!(numbers.is_sorted(), "sequence numbers grow across restarts");
    let streams = streams(&folder, 1).await;
    let records = read_all(&streams.client, 0).await;
    let found: Vec<SequenceNumber> = records
        .iter()
        .map(|record| record.sequence_number().parse().unwrap())
        .collect();
    assert_eq!(found, numbers);
}

#[tokio::test]
async fn a_clock_that_steps_back() {
    let folder = tempfile::tempdir().unwrap();
    let now_s = Arc::new(AtomicI64::new(1_800_000_000));
    let clock_s = Arc::clone(&now_s);
    let clock = move || chrono::DateTime::from_timestamp_secs(clock_s.load(Ordering::SeqCst)).unwrap();
    let options = Options {
        clock: Arc::new(clock),
        ..Options::default()
    };
    let Streams { kinesis, client, .. } = &Streams::open(folder.path(), options).await;
    kinesis.ensure_stream(STREAM, 1).unwrap();
    let mut numbers = Vec::new();
    for step in [0, -3600, 1, 100_000] {
        now_s.fetch_add(step, Ordering::SeqCst);
        let put = client
            .put_record()
            .stream_name(STREAM)
            .partition_key("k")
            .data(Blob::new("x"))
            .send()
            .await
            .unwrap();
        numbers.push(put.sequence_number);
    }
    assert!(numbers.is_sorted());
    let records = read_all(client, 0).await;
    let arrivals: Vec<_> = records
        .iter()
        .map(|record| record.approximate_arrival_timestamp().unwrap().secs())
        .collect();
    assert_eq!(arrivals, [1_800_000_000, 1_800_000_000, 1_800_000_000, 1_800_096_401]);

    // The first three are older than a day now.
    kinesis.trim().await;
    let kept = read_all(client, 0).await;
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].sequence_number(), numbers[3]);
}

#[tokio::test]
async fn a_provisioned_shard_refuses_record_by_record() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        throughput: Throughput::Provisioned,
        ..Options::default()
    };
    let Streams { kinesis, client, .. } = &Streams::open(folder.path(), options).await;
    kinesis.ensure_stream(STREAM, 1).unwrap();
    let put = |bytes: usize| {
        let records = (0..500).map(|_| entry("k", vec![b'x'; bytes])).collect();
        client
            .put_records()
            .stream_name(STREAM)
            .set_records(Some(records))
            .send()
    };
    // 1.5 MB at once: about 1 MB of it fits.
    let put = put(3_000).await.unwrap();
    let failed = put.failed_record_count().unwrap();
    assert!((50..300).contains(&failed), "{failed}");
    let (stored, refused): (Vec<_>, Vec<_>) = put
        .records()
        .iter()
        .partition(|record| record.sequence_number().is_some());
    assert_eq!(refused.len(), failed as usize);
    for record in refused {
        assert_eq!(record.error_code(), Some("ProvisionedThroughputExceededException"));
        let message = record.error_message().unwrap();
        assert!(
            message.starts_with("Rate exceeded for shard shardId-000000000000 in stream pinlake-pin"),
            "{message}"
        );
    }
    assert_eq!(read_all(client, 0).await.len(), stored.len());
    let large = || {
        client
            .put_record()
            .stream_name(STREAM)
            .partition_key("k")
            .data(Blob::new(vec![b'x'; 1_000_000]))
            .send()
    };
    // Four seconds' worth at once.
    let (a, b, c, d) = tokio::join!(large(), large(), large(), large());
    let refused = [a, b, c, d]
        .into_iter()
        .filter_map(Result::err)
        .map(|error| error.into_service_error());
    let refused: Vec<_> = refused.collect();
    assert!(!refused.is_empty());
    assert!(
        refused
            .iter()
            .all(|error| error.is_provisioned_throughput_exceeded_exception())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn puts_at_the_same_time_are_all_stored() {
    let folder = tempfile::tempdir().unwrap();
    let Streams { client, .. } = &streams(&folder, 2).await;
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..32 {
        let put = client.put_records().stream_name(STREAM);
        let records = entries((0..50).map(|n| format!("{writer} {n}")));
        tasks.spawn(put.set_records(Some(records)).send());
    }
    for put in tasks.join_all().await {
        assert_eq!(put.unwrap().failed_record_count(), Some(0));
    }
    let (first, second) = (read_all(client, 0).await, read_all(client, 1).await);
    assert_eq!(first.len() + second.len(), 1600);
    for records in [first, second] {
        assert!(records.is_sorted_by(|a, b| a.sequence_number() < b.sequence_number()));
    }
}
