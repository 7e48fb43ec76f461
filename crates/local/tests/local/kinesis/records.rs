//! Records: in, out, in order, across restarts.

use super::*;

/// A sequence number of another stream.
const ELSEWHERE: &str = "49590338271490256608559692538361571095921575989136588898";

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

    for get in [
        get(ShardIteratorType::AtSequenceNumber).starting_sequence_number(ELSEWHERE),
        get(ShardIteratorType::AtSequenceNumber),
        get(ShardIteratorType::AtTimestamp),
        get(ShardIteratorType::AtTimestamp).timestamp(DateTime::from_secs(1 << 34)),
    ] {
        let error = get.send().await.unwrap_err().into_service_error();
        assert_eq!(code(&error), "InvalidArgumentException");
    }
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
