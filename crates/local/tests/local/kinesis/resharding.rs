//! Shards split and merged.

use std::{collections::HashMap, sync::atomic::AtomicBool};

use aws_sdk_kinesis::types::{Shard, ShardFilter, ShardFilterType};
use pinlake_local::kinesis::{Kinesis, ReshardError};
use redb::{Database, TableDefinition};

use super::*;
use crate::support::eventually;

const FIRST: &str = "shardId-000000000000";
/// The first hash key of the upper half.
const MIDDLE: u128 = 1 << 127;

fn id(shard: u32) -> String {
    format!("shardId-{shard:012}")
}

async fn shards(client: &Client) -> Vec<Shard> {
    client
        .list_shards()
        .stream_name(STREAM)
        .send()
        .await
        .unwrap()
        .shards
        .unwrap()
}

async fn put_at(client: &Client, hash_key: u128, data: &str) -> (String, SequenceNumber) {
    let put = client
        .put_record()
        .stream_name(STREAM)
        .partition_key("k")
        .data(Blob::new(data));
    let put = put.explicit_hash_key(hash_key.to_string()).send().await.unwrap();
    (put.shard_id, put.sequence_number.parse().unwrap())
}

async fn split(client: &Client, shard: &str, at: u128) {
    let split = client.split_shard().stream_name(STREAM).shard_to_split(shard);
    split.new_starting_hash_key(at.to_string()).send().await.unwrap();
}

async fn merge(client: &Client, first: &str, second: &str) {
    let merge = client.merge_shards().stream_name(STREAM).shard_to_merge(first);
    merge.adjacent_shard_to_merge(second).send().await.unwrap();
}

/// All records of a shard, page by page, and the children that its end names; none if it is open.
async fn read_to_the_end(client: &Client, shard: &str) -> (Vec<Record>, Option<Vec<String>>) {
    let get = client.get_shard_iterator().stream_name(STREAM).shard_id(shard);
    let get = get.shard_iterator_type(ShardIteratorType::TrimHorizon);
    let mut iterator = get.send().await.unwrap().shard_iterator.unwrap();
    let mut records = Vec::new();
    loop {
        let page = client
            .get_records()
            .shard_iterator(&iterator)
            .limit(7)
            .send()
            .await
            .unwrap();
        let is_empty = page.records.is_empty();
        records.extend(page.records);
        match page.next_shard_iterator {
            None => {
                let children = page.child_shards.unwrap_or_default();
                let children = children.into_iter().map(|child| {
                    assert!(child.parent_shards.contains(&shard.to_owned()));
                    child.shard_id
                });
                return (records, Some(children.collect()));
            }
            Some(_) if is_empty => return (records, None),
            Some(next) => iterator = next,
        }
    }
}

fn data(records: &[Record]) -> Vec<&str> {
    records
        .iter()
        .map(|record| str::from_utf8(record.data().as_ref()).unwrap())
        .collect()
}

#[tokio::test]
async fn a_split_and_a_merge_are_told_and_followed() {
    let folder = tempfile::tempdir().unwrap();
    let first = streams(&folder, 1).await;
    let (shard, before) = put_at(&first.client, 0, "before").await;
    assert_eq!(shard, FIRST);
    let latest = iterator(&first.client, 0, ShardIteratorType::Latest).await;
    split(&first.client, FIRST, MIDDLE).await;
    let (low, low_number) = put_at(&first.client, MIDDLE - 1, "low").await;
    let (high, _) = put_at(&first.client, MIDDLE, "high").await;
    assert_eq!((low.as_str(), high.as_str()), (id(1).as_str(), id(2).as_str()));
    assert!(low_number > before, "a hash key's numbers grow across the split");
    merge(&first.client, &low, &high).await;
    let (merged, merged_number) = put_at(&first.client, 0, "merged").await;
    assert_eq!(merged, id(3));
    assert!(merged_number > low_number, "and across the merge");
    // An iterator from before the split comes to the end too.
    let end = first.client.get_records().shard_iterator(latest).send().await.unwrap();
    assert_eq!((end.records().len(), end.next_shard_iterator()), (0, None));
    assert_eq!(end.child_shards().len(), 2);
    first.close().await;

    // All of it is on disk.
    let Streams { client, .. } = &streams(&folder, 1).await;
    let summary = client
        .describe_stream_summary()
        .stream_name(STREAM)
        .send()
        .await
        .unwrap();
    assert_eq!(summary.stream_description_summary().unwrap().open_shard_count(), 1);
    let described = client.describe_stream().stream_name(STREAM).send().await.unwrap();
    let listed = shards(client).await;
    assert_eq!(described.stream_description().unwrap().shards(), listed);
    let lineage: Vec<_> = listed
        .iter()
        .map(|shard| {
            let numbers = shard.sequence_number_range().unwrap();
            let starting: SequenceNumber = numbers.starting_sequence_number().parse().unwrap();
            let ending = numbers
                .ending_sequence_number()
                .map(|ending| ending.parse::<SequenceNumber>().unwrap());
            assert!(ending.is_none_or(|ending| ending > starting));
            let keys = shard.hash_key_range().unwrap();
            (
                shard.parent_shard_id(),
                shard.adjacent_parent_shard_id(),
                keys.starting_hash_key().parse().unwrap(),
                keys.ending_hash_key().parse().unwrap(),
                ending.is_some(),
            )
        })
        .collect();
    let (low, high) = (id(1), id(2));
    assert_eq!(
        lineage,
        [
            (None, None, 0, u128::MAX, true),
            (Some(FIRST), None, 0, MIDDLE - 1, true),
            (Some(FIRST), None, MIDDLE, u128::MAX, true),
            (Some(low.as_str()), Some(high.as_str()), 0, u128::MAX, false),
        ]
    );
    let ending: SequenceNumber = listed[0]
        .sequence_number_range()
        .unwrap()
        .ending_sequence_number()
        .unwrap()
        .parse()
        .unwrap();
    assert!(before < ending && ending < low_number);
    for (shard, expected, children) in [
        (0, "before", Some(vec![id(1), id(2)])),
        (1, "low", Some(vec![id(3)])),
        (2, "high", Some(vec![id(3)])),
        (3, "merged", None),
    ] {
        let (records, found) = read_to_the_end(client, &id(shard)).await;
        assert_eq!((data(&records), found), (vec![expected], children), "shard {shard}");
    }
    // After the last record, and at the number that the shard ended with.
    for number in [before, ending] {
        let get = client.get_shard_iterator().stream_name(STREAM).shard_id(FIRST);
        let get = get.shard_iterator_type(ShardIteratorType::AfterSequenceNumber);
        let iterator = get.starting_sequence_number(number.to_string()).send().await.unwrap();
        let get = client.get_records().shard_iterator(iterator.shard_iterator().unwrap());
        let end = get.send().await.unwrap();
        assert_eq!((end.records().len(), end.next_shard_iterator()), (0, None));
    }
}

#[tokio::test]
async fn lists_of_shards_are_filtered() {
    let folder = tempfile::tempdir().unwrap();
    let now_s = Arc::new(AtomicI64::new(1_800_000_000));
    let clock_s = Arc::clone(&now_s);
    let options = Options {
        clock: Arc::new(move || chrono::DateTime::from_timestamp_secs(clock_s.load(Ordering::SeqCst)).unwrap()),
        ..Options::default()
    };
    let Streams { kinesis, client, .. } = &Streams::open(folder.path(), options).await;
    kinesis.ensure_stream(STREAM, 2).unwrap();
    // Open from 0 s on: 0, 1. From 100 s on: 1, 2, 3. From 200 s on: 1, 4.
    now_s.fetch_add(100, Ordering::SeqCst);
    assert_eq!(kinesis.split_shard(STREAM, 0).unwrap(), [2, 3]);
    now_s.fetch_add(100, Ordering::SeqCst);
    assert_eq!(kinesis.merge_shards(STREAM, 2, 3).unwrap(), [4]);
    assert_eq!(kinesis.open_shards(STREAM).unwrap(), [4, 1]);

    let list = |filter: ShardFilter| async move {
        let mut found = Vec::new();
        let list = client.list_shards().max_results(1);
        let mut page = list
            .clone()
            .stream_name(STREAM)
            .shard_filter(filter)
            .send()
            .await
            .unwrap();
        loop {
            found.extend(
                page.shards()
                    .iter()
                    .map(|shard| shard.shard_id()[8..].parse::<u32>().unwrap()),
            );
            let Some(token) = page.next_token() else { return found };
            page = list.clone().next_token(token).send().await.unwrap();
        }
    };
    let filter = |kind: ShardFilterType| ShardFilter::builder().r#type(kind);
    let at = |seconds: i64| DateTime::from_secs(1_800_000_000 + seconds);
    let (all, open) = (vec![0, 1, 2, 3, 4], vec![1, 4]);
    for (what, filter, expected) in [
        ("all", filter(ShardFilterType::FromTrimHorizon), all.clone()),
        ("open", filter(ShardFilterType::AtLatest), open.clone()),
        (
            "after one",
            filter(ShardFilterType::AfterShardId).shard_id(id(1)),
            vec![2, 3, 4],
        ),
        ("first", filter(ShardFilterType::AtTrimHorizon), vec![0, 1]),
        (
            "at 50 s",
            filter(ShardFilterType::AtTimestamp).timestamp(at(50)),
            vec![0, 1],
        ),
        (
            "at 150 s",
            filter(ShardFilterType::AtTimestamp).timestamp(at(150)),
            vec![1, 2, 3],
        ),
        (
            "at 250 s",
            filter(ShardFilterType::AtTimestamp).timestamp(at(250)),
            open.clone(),
        ),
        (
            "from 150 s",
            filter(ShardFilterType::FromTimestamp).timestamp(at(150)),
            vec![1, 2, 3, 4],
        ),
        (
            "from 50 s",
            filter(ShardFilterType::FromTimestamp).timestamp(at(50)),
            all,
        ),
    ] {
        assert_eq!(list(filter.build().unwrap()).await, expected, "{what}");
    }
    let wrong = filter(ShardFilterType::AtTimestamp).build().unwrap();
    let wrong = client
        .list_shards()
        .stream_name(STREAM)
        .shard_filter(wrong)
        .send()
        .await;
    assert_eq!(
        code(&wrong.unwrap_err().into_service_error()),
        "InvalidArgumentException"
    );

    // What is closed for longer than records are kept has none any more.
    now_s.fetch_add(24 * 3600 - 50, Ordering::SeqCst);
    assert_eq!(shards(client).await.len(), 4);
    now_s.fetch_add(100, Ordering::SeqCst);
    assert_eq!(shards(client).await.len(), 2);
}

#[tokio::test]
async fn what_cannot_be_resharded_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let Streams { client, kinesis, .. } = &streams(&folder, 4).await;
    split(client, FIRST, 1000).await;
    let on_demand = aws_sdk_kinesis::types::StreamModeDetails::builder()
        .stream_mode(aws_sdk_kinesis::types::StreamMode::OnDemand)
        .build()
        .unwrap();
    let create = client
        .create_stream()
        .stream_name("on-demand")
        .stream_mode_details(on_demand);
    create.send().await.unwrap();
    let quarter = u128::MAX / 4 + 1;
    let (second, third) = (id(1), id(2));
    let splits = [
        (STREAM, second.as_str(), quarter.to_string(), "InvalidArgumentException"),
        (STREAM, &second, (quarter + 1).to_string(), "InvalidArgumentException"),
        (
            STREAM,
            &second,
            (2 * quarter - 1).to_string(),
            "InvalidArgumentException",
        ),
        (STREAM, &second, "0".into(), "InvalidArgumentException"),
        // More than 2^128.
        (STREAM, &second, "9".repeat(39), "InvalidArgumentException"),
        (STREAM, &second, "007".into(), "ValidationException"),
        (STREAM, &second, "x".into(), "ValidationException"),
        // Closed.
        (STREAM, FIRST, "5000".into(), "InvalidArgumentException"),
        (
            STREAM,
            "shardId-000000000099",
            "5000".into(),
            "ResourceNotFoundException",
        ),
        (STREAM, "shard", "5000".into(), "ValidationException"),
        ("no-stream", FIRST, "5000".into(), "ResourceNotFoundException"),
        ("on-demand", FIRST, "5000".into(), "ValidationException"),
    ];
    for (stream, shard, at, expected) in splits {
        let split = client.split_shard().stream_name(stream).shard_to_split(shard);
        let error = split
            .new_starting_hash_key(&at)
            .send()
            .await
            .unwrap_err()
            .into_service_error();
        assert_eq!(code(&error), expected, "{stream} {shard} {at}");
    }
    let merges = [
        (STREAM, third.as_str(), second.as_str(), "InvalidArgumentException"),
        (STREAM, &second, &second, "InvalidArgumentException"),
        (STREAM, FIRST, &second, "InvalidArgumentException"),
        (STREAM, &second, "shardId-000000000003", "InvalidArgumentException"),
        (STREAM, &second, "shardId-000000000099", "ResourceNotFoundException"),
        ("no-stream", &second, &third, "ResourceNotFoundException"),
    ];
    for (stream, first, adjacent, expected) in merges {
        let merge = client.merge_shards().stream_name(stream).shard_to_merge(first);
        let error = merge
            .adjacent_shard_to_merge(adjacent)
            .send()
            .await
            .unwrap_err()
            .into_service_error();
        assert_eq!(code(&error), expected, "{stream} {first} {adjacent}");
    }
    assert_eq!(shards(client).await.len(), 6, "what was refused has changed nothing");
    assert_eq!(kinesis.open_shards(STREAM).unwrap(), [4, 5, 1, 2, 3]);

    let narrow = kinesis.split_shard(STREAM, 4).unwrap();
    assert_eq!(narrow, [6, 7]);
    let error = kinesis.split_shard(STREAM, 4).unwrap_err();
    let closed = matches!(
        error,
        pinlake_local::kinesis::Error::Reshard {
            source: ReshardError::Closed { shard: 4 },
            ..
        }
    );
    assert!(closed, "{error:?}");
}

#[tokio::test]
async fn the_number_of_shards_is_updated() {
    let folder = tempfile::tempdir().unwrap();
    let Streams { client, kinesis, .. } = &streams(&folder, 2).await;
    let update = |target: i32| {
        let update = client
            .update_shard_count()
            .stream_name(STREAM)
            .target_shard_count(target);
        update
            .scaling_type(aws_sdk_kinesis::types::ScalingType::UniformScaling)
            .send()
    };
    // From, to, and how many shards there are then, closed ones included: two more for each split, one for each merge.
    for (from, to, all) in [
        (2, 4, 2 + 2 * 2),
        // Each of the four is cut where one of five begins, and the pieces between are joined: 8 + 3.
        (4, 5, 6 + 8 + 3),
        (5, 5, 17),
        // Of the four inner starts none is that of one of three: two cuts, five pieces and two, four joins.
        (5, 3, 17 + 4 + 4),
    ] {
        let updated = update(to).await.unwrap();
        assert_eq!(
            (updated.current_shard_count(), updated.target_shard_count()),
            (Some(from), Some(to))
        );
        let open = kinesis.open_shards(STREAM).unwrap();
        assert_eq!(
            (open.len(), shards(client).await.len()),
            (to as usize, all),
            "{from} to {to}"
        );
        let listed = shards(client).await;
        let starts = open.iter().map(|shard| {
            let keys = listed[*shard as usize].hash_key_range().unwrap();
            keys.starting_hash_key().parse::<u128>().unwrap()
        });
        let even = (0..to as u128).map(|part| part * (u128::MAX / to as u128 + u128::from(to == 4)));
        assert!(starts.eq(even), "{from} to {to}");
    }
    for target in [7, 1] {
        let error = update(target).await.unwrap_err().into_service_error();
        assert!(error.is_limit_exceeded_exception(), "{target}: {error:?}");
    }
    assert_eq!(
        code(&update(0).await.unwrap_err().into_service_error()),
        "ValidationException"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn resharding_under_puts_loses_nothing() {
    const WRITERS: usize = 6;
    const ROUNDS: usize = 4;
    const PUTS: usize = 60;
    let folder = tempfile::tempdir().unwrap();
    // By partition key, the numbers that were answered, in the order of the puts.
    let mut answered = HashMap::<String, Vec<SequenceNumber>>::new();
    for round in 0..ROUNDS {
        let streams = streams(&folder, 2).await;
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..WRITERS {
            let client = streams.client.clone();
            writers.spawn(async move {
                let (key, mut numbers) = (format!("writer {writer}"), Vec::new());
                for put in 0..PUTS {
                    let data = format!("{}", round * PUTS + put);
                    let records = vec![entry(&key, data.clone().into_bytes()), entry(&data, b"other".to_vec())];
                    let put = client
                        .put_records()
                        .stream_name(STREAM)
                        .set_records(Some(records))
                        .send()
                        .await
                        .unwrap();
                    let number: SequenceNumber = put.records()[0].sequence_number().unwrap().parse().unwrap();
                    assert!(number.to_string().len() == 56 && put.failed_record_count() == Some(0));
                    numbers.push(number);
                }
                (key, numbers)
            });
        }
        let (kinesis, mut steps) = (streams.kinesis.clone(), 0);
        let is_written = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&is_written);
        let resharder = tokio::task::spawn_blocking(move || {
            loop {
                let open = kinesis.open_shards(STREAM).unwrap();
                // Up to eight shards and down again.
                let done = match (steps / 6) % 2 {
                    0 => kinesis.split_shard(STREAM, open[steps * 7 % open.len()]),
                    _ => kinesis.merge_shards(STREAM, open[0], open[1]),
                };
                done.unwrap();
                steps += 1;
                std::thread::sleep(Duration::from_millis(3));
                if is_over.load(Ordering::SeqCst) {
                    return steps;
                }
            }
        });
        for (key, numbers) in writers.join_all().await {
            answered.entry(key).or_default().extend(numbers);
        }
        is_written.store(true, Ordering::SeqCst);
        assert!(resharder.await.unwrap() > 3, "there was time for some of each");
        streams.close().await;
    }

    let Streams { client, .. } = &streams(&folder, 2).await;
    let mut found = HashMap::<String, Vec<SequenceNumber>>::new();
    let mut others = 0;
    // Parents have lower numbers than their children.
    for shard in shards(client).await {
        let (records, children) = read_to_the_end(client, shard.shard_id()).await;
        let is_closed = shard
            .sequence_number_range()
            .unwrap()
            .ending_sequence_number()
            .is_some();
        assert_eq!(children.is_some(), is_closed);
        for record in records {
            if record.data().as_ref() == b"other" {
                others += 1;
                continue;
            }
            let numbers = found.entry(record.partition_key.unwrap()).or_default();
            assert_eq!(
                record.data.as_ref(),
                numbers.len().to_string().as_bytes(),
                "in the order of the puts"
            );
            numbers.push(record.sequence_number.parse().unwrap());
        }
    }
    assert_eq!(found, answered, "each once, under the number that was answered");
    assert!(
        found
            .values()
            .all(|numbers| numbers.len() == ROUNDS * PUTS && numbers.is_sorted())
    );
    assert_eq!(others, WRITERS * ROUNDS * PUTS);
}

#[tokio::test]
async fn a_file_from_before_resharding_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let before = streams(&folder, 2).await;
    put_at(&before.client, 0, "old").await;
    before.close().await;
    {
        // As it was: without what splits and merges leave.
        let (path, mut database) = (folder.path().join("streams.redb"), None);
        // A task of the endpoint that is just ending may hold it for another moment.
        eventually("the file is closed", || {
            database = Database::open(&path).ok();
            database.is_some()
        })
        .await;
        let database = database.unwrap();
        let transaction = database.begin_write().unwrap();
        type Child = (i64, u32, Option<u32>, u128, u128);
        assert!(
            transaction
                .delete_table(TableDefinition::<(u64, u32), Child>::new("children"))
                .unwrap()
        );
        assert!(
            transaction
                .delete_table(TableDefinition::<(u64, u32), i64>::new("closed"))
                .unwrap()
        );
        transaction.commit().unwrap();
    }
    let Streams { client, kinesis, .. } = &streams(&folder, 2).await;
    let (records, children) = read_to_the_end(client, FIRST).await;
    assert_eq!((data(&records), children), (vec!["old"], None));
    assert_eq!(kinesis.split_shard(STREAM, 0).unwrap(), [2, 3]);
    assert_eq!(put_at(client, 0, "new").await.0, id(2));
}

#[tokio::test]
async fn a_deleted_stream_takes_its_splits_along() {
    let folder = tempfile::tempdir().unwrap();
    let first = streams(&folder, 1).await;
    first.kinesis.split_shard(STREAM, 0).unwrap();
    first.client.delete_stream().stream_name(STREAM).send().await.unwrap();
    first.kinesis.ensure_stream(STREAM, 1).unwrap();
    assert_eq!(first.kinesis.open_shards(STREAM).unwrap(), [0]);
    first.close().await;
    let again = Kinesis::open(folder.path().join("streams.redb"), Options::default()).unwrap();
    assert_eq!(again.open_shards(STREAM).unwrap(), [0]);
}
