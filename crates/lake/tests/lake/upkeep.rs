//! Upkeep of one table: the same rows in fewer files, whatever else is committed meanwhile.

use std::{num::NonZeroU32, pin::pin, task::Poll};

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use bytes::Bytes;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use futures::{TryStreamExt as _, poll};
use object_store::{ObjectStoreExt as _, path::Path};
use pinlake_lake::{
    Compaction, Error, Inputs, Kind, ORIGIN, Replacement, Rows, Settings, Settled, Source, State, Table, Totals,
    Upkeep, describe, read_table, with_bookkeeping,
};
use serde_json::{Value, json};

use crate::support::{
    TestLake, append, conformance, definition, handle, ints, name, noon, number, pins, rows, rows_batch, source,
    store::Fault, texts,
};

/// Larger than all that the tests write.
const TARGET: u64 = 1 << 20;
const TRIES: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);

fn upkeep(lake: &TestLake) -> Upkeep {
    Upkeep::new(&lake.lake, Kind::Table, &name()).unwrap()
}

async fn look(upkeep: &Upkeep) -> State {
    upkeep.look().await.unwrap().unwrap()
}

/// Compacts what there is to compact, and says what became of each bin.
async fn compact(lake: &TestLake, now: DateTime<Utc>) -> Vec<Compaction> {
    let upkeep = upkeep(lake);
    let mut state = look(&upkeep).await;
    let mut done = Vec::new();
    for bin in state.bins(TARGET) {
        done.push(upkeep.compact(&mut state, &bin, TRIES, now).await.unwrap());
    }
    done
}

/// A table of `count` files with a row each: numbers from 1 on.
async fn small_files(lake: &TestLake, count: u64) -> Table {
    let mut table = handle(lake);
    for number in 1..=count {
        append(&mut table, [number]).await.unwrap();
    }
    table
}

/// The lines of a commit.
async fn commit(lake: &TestLake, version: u64) -> Vec<Value> {
    let body = lake.lake.store().get(&log_file(lake, version)).await.unwrap();
    let text = String::from_utf8(body.bytes().await.unwrap().to_vec()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn log_file(lake: &TestLake, version: u64) -> Path {
    lake.lake
        .folder(Kind::Table, &name())
        .join("_delta_log")
        .join(format!("{version:020}.json"))
}

/// What `add` says in a commit that has one.
fn added(lines: &[Value]) -> Value {
    lines.iter().find_map(|line| line.get("add").cloned()).unwrap()
}

fn body(lines: &[Value]) -> Bytes {
    let lines: Vec<_> = lines.iter().map(Value::to_string).collect();
    Bytes::from(lines.join("\n"))
}

/// The keys below the table's folder.
async fn keys(lake: &TestLake) -> Vec<String> {
    let folder = lake.lake.folder(Kind::Table, &name());
    let objects: Vec<_> = lake.lake.store().list(Some(&folder)).try_collect().await.unwrap();
    objects.iter().map(|object| object.location.to_string()).collect()
}

conformance!(
    many_files_become_one_with_the_same_rows,
    the_order_of_rows_is_kept,
    days_and_ways_stay_apart,
    older_files_get_the_new_column,
    a_replaced_partition_refuses_its_compaction,
    a_replacement_finds_the_compacted_file,
    a_removal_between_plan_and_commit_wins,
    an_append_between_plan_and_commit_only_delays,
    a_lost_answer_is_no_second_compaction,
    dropped_anywhere_the_table_is_whole,
    vacuum_keeps_what_is_young,
    a_removal_counts_from_its_commit,
    a_cleaned_log_opens,
    a_log_without_a_checkpoint_is_not_cleaned,
);

async fn many_files_become_one_with_the_same_rows(lake: TestLake) {
    let mut warm = small_files(&lake, 6).await;
    let other = Source::kinesis("pinlake-pin", "shardId-000000000001");
    warm.append(&other, rows([7]), number(7), Settled::ByWatermark, noon())
        .await
        .unwrap();
    let before = describe(&lake.lake, Kind::Table, &name()).await.unwrap().unwrap();
    assert_eq!((before.files, before.rows), (7, 7));

    let done = compact(&lake, noon()).await;
    assert!(
        matches!(
            done[..],
            [Compaction::Done {
                version: 8,
                conflicts: 0,
                ..
            }]
        ),
        "{done:?}"
    );
    let after = describe(&lake.lake, Kind::Table, &name()).await.unwrap().unwrap();
    assert_eq!((after.files, after.rows, after.version), (1, 7, 8));
    assert_eq!(after.watermarks, before.watermarks);
    assert_eq!(lake.numbers(Kind::Table).await, (1..=7).collect::<Vec<_>>());

    // Nothing is left to do, and both a warm and a cold handle go on as before.
    assert_eq!(compact(&lake, noon()).await, []);
    for table in [&mut warm, &mut handle(&lake)] {
        assert_eq!(append(table, 1..=6).await.unwrap().written, 0);
    }
    assert_eq!(append(&mut warm, [8]).await.unwrap().version, Some(9));
    assert_eq!(lake.numbers(Kind::Table).await, (1..=8).collect::<Vec<_>>());
}

/// Rows that arrived so many milliseconds after noon.
fn rows_at(numbers: &[u64], milliseconds: i64) -> Rows {
    let at = noon().timestamp_micros() + milliseconds * 1000;
    let numbers = numbers.to_vec();
    let arrivals = vec![at; numbers.len()];
    let sequence = numbers.iter().copied().map(number).collect();
    Rows::new(rows_batch(numbers), sequence, arrivals).unwrap()
}

async fn the_order_of_rows_is_kept(lake: TestLake) {
    let mut table = handle(&lake);
    // Committed in another order than they came, as by two shards.
    for (shard, numbers, at) in [
        ("a", [5, 6], 20),
        ("b", [1, 2], 0),
        ("a", [9, 8], 40),
        ("b", [3, 4], 10),
    ] {
        let source = Source::kinesis("s", shard);
        let highest = number(numbers[0].max(numbers[1]));
        table
            .append(&source, rows_at(&numbers, at), highest, Settled::ByWatermark, noon())
            .await
            .unwrap();
    }
    compact(&lake, noon()).await;
    let batches = read_table(&lake.lake, Kind::Table, &name()).await.unwrap();
    assert_eq!(ints(&batches, "ind"), [1, 2, 3, 4, 5, 6, 9, 8].map(Some));
    assert_eq!(
        texts(&batches, "title")[..3],
        [Some("title 1".into()), Some("title 2".into()), None]
    );
}

async fn days_and_ways_stay_apart(lake: TestLake) {
    const DAY: i64 = 86_400_000;
    let mut table = handle(&lake);
    for (sequence, at) in [(1, 0), (2, 1), (3, DAY), (4, DAY + 1), (5, 2 * DAY)] {
        table
            .append(
                &source(),
                rows_at(&[sequence], at),
                number(sequence),
                Settled::ByWatermark,
                noon(),
            )
            .await
            .unwrap();
    }
    replace(&lake, 10..13).await;
    let upkeep = upkeep(&lake);
    let bins = look(&upkeep).await.bins(TARGET);
    let found: Vec<_> = bins.iter().map(|bin| (bin.partition(), bin.files())).collect();
    assert_eq!(
        found,
        [
            ("ingest_date=2023-11-14/ingest_path=batch".to_owned(), 3),
            ("ingest_date=2023-11-14/ingest_path=stream".to_owned(), 2),
            ("ingest_date=2023-11-15/ingest_path=stream".to_owned(), 2),
        ]
    );
    assert_eq!(compact(&lake, noon()).await.len(), 3);
    let totals = look(&upkeep).await.totals();
    assert_eq!((totals.files, totals.rows), (4, 8));
    let paths = texts(
        &read_table(&lake.lake, Kind::Table, &name()).await.unwrap(),
        "ingest_path",
    );
    assert_eq!(paths.iter().flatten().filter(|path| *path == "batch").count(), 3);
}

async fn older_files_get_the_new_column(lake: TestLake) {
    small_files(&lake, 2).await;
    let wider = definition(&[("ind", "int32"), ("title", "string"), ("likes", "int64")]);
    let mut wide = Table::clean(&lake.lake, &wider, Settings::default()).unwrap();
    let liked = |likes: i64, sequence: u64| {
        let mut columns: Vec<(String, ArrayRef)> = Vec::new();
        let narrow = rows_batch([sequence]);
        for (field, column) in narrow.schema().fields().iter().zip(narrow.columns()) {
            columns.push((field.name().clone(), column.clone()));
        }
        columns.push(("likes".to_owned(), std::sync::Arc::new(Int64Array::from(vec![likes]))));
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        Rows::new(
            batch,
            vec![number(sequence)],
            vec![noon().timestamp_micros() + likes * 1000],
        )
        .unwrap()
    };
    for (likes, sequence) in [(30, 3), (40, 4)] {
        let rows = liked(likes, sequence);
        wide.append(&source(), rows, number(sequence), Settled::ByWatermark, noon())
            .await
            .unwrap();
    }
    compact(&lake, noon()).await;
    let batches = read_table(&lake.lake, Kind::Table, &name()).await.unwrap();
    let likes: Vec<_> = batches
        .iter()
        .flat_map(|batch| {
            use arrow::array::AsArray;
            let column = batch.column_by_name("likes").unwrap();
            column
                .as_primitive::<arrow::datatypes::Int64Type>()
                .iter()
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(likes, [None, None, Some(30), Some(40)]);
    assert_eq!(look(&upkeep(&lake)).await.totals().files, 1);
}

/// Rows for noon's day of the batch path, a file for each.
fn replacement(lake: &TestLake) -> Replacement {
    let day = NaiveDate::from_ymd_opt(2023, 11, 14).unwrap();
    Replacement::new(&lake.lake, Kind::Table, &pins(), day, 1, Settings::default(), noon()).unwrap()
}

fn raw_row(number: u64) -> RecordBatch {
    let origins = arrow::array::StringArray::from(vec![format!("raw/pin/object.gz#{number}")]);
    with_bookkeeping(&rows_batch([number]), vec![noon().timestamp_micros()], origins).unwrap()
}

/// Replaces noon's day of the batch path by these rows, a file each.
async fn replace(lake: &TestLake, numbers: std::ops::Range<u64>) {
    let mut replacement = replacement(lake);
    for number in numbers {
        replacement.write(&raw_row(number)).await.unwrap();
    }
    let inputs = Inputs { objects: 1, digest: 1 };
    replacement.commit(Some(inputs)).await.unwrap();
}

/// The rows of the batch path.
async fn raw_lines(lake: &TestLake) -> Vec<String> {
    let batches = read_table(&lake.lake, Kind::Table, &name()).await.unwrap();
    let mut lines: Vec<_> = texts(&batches, ORIGIN).into_iter().flatten().collect();
    lines.retain(|origin| origin.starts_with("raw/"));
    lines.sort();
    lines
        .iter()
        .map(|origin| origin.rsplit('#').next().unwrap().to_owned())
        .collect()
}

async fn a_replaced_partition_refuses_its_compaction(lake: TestLake) {
    replace(&lake, 10..13).await;
    let upkeep = upkeep(&lake);
    let mut state = look(&upkeep).await;
    let bins = state.bins(TARGET);
    replace(&lake, 20..22).await;
    let compaction = upkeep.compact(&mut state, &bins[0], TRIES, noon()).await.unwrap();
    assert_eq!(compaction, Compaction::Refused);
    assert_eq!(raw_lines(&lake).await, ["20", "21"]);
    // The three of before, which a reader may still want, and the two of now.
    assert_eq!(lake.parquet_files(Kind::Table).await, 5);
}

async fn a_replacement_finds_the_compacted_file(lake: TestLake) {
    replace(&lake, 10..13).await;
    let mut begun = replacement(&lake);
    begun.write(&raw_row(20)).await.unwrap();
    assert_eq!(compact(&lake, noon()).await.len(), 1);
    // It began with the three files that are gone, and is to remove the one that there is.
    let inputs = Inputs { objects: 1, digest: 2 };
    let replaced = begun.commit(Some(inputs)).await.unwrap();
    assert_eq!((replaced.removed_files, replaced.conflicts), (1, 1));
    assert_eq!(raw_lines(&lake).await, ["20"]);
}

/// The files are rewritten and the commit is on its way when a commit that removes one of them takes its version.
async fn a_removal_between_plan_and_commit_wins(lake: TestLake) {
    small_files(&lake, 3).await;
    let first = added(&commit(&lake, 1).await);
    let mut second = added(&commit(&lake, 2).await);
    // It says that the row of the first file is now to be found in a copy of the second.
    let copy = "ingest_date=2023-11-14/ingest_path=stream/copy.parquet";
    let folder = lake.lake.folder(Kind::Table, &name());
    let key = |path: &str| folder.parts().chain(Path::from(path).parts()).collect::<Path>();
    let original = key(second["path"].as_str().unwrap());
    lake.lake.store().copy(&original, &key(copy)).await.unwrap();
    second["path"] = copy.into();
    let remove = json!({"remove": {"path": first["path"], "deletionTimestamp": 1, "dataChange": true}});
    let overtaking = body(&[
        json!({"commitInfo": {"operation": "WRITE"}}),
        remove,
        json!({"add": second}),
    ]);
    lake.store
        .fail("_delta_log/00000000000000000004.json", Fault::Overtake(overtaking));

    assert_eq!(compact(&lake, noon()).await, [Compaction::Refused]);
    assert_eq!(lake.numbers(Kind::Table).await, [2, 2, 3]);
    let parquet = keys(&lake)
        .await
        .into_iter()
        .filter(|key| key.ends_with(".parquet"))
        .count();
    assert_eq!(
        parquet, 4,
        "the three files and the copy; the compaction's own is deleted"
    );
    // The next run sees the table as it is.
    assert!(matches!(compact(&lake, noon()).await[..], [Compaction::Done { .. }]));
    assert_eq!(lake.numbers(Kind::Table).await, [2, 2, 3]);
}

async fn an_append_between_plan_and_commit_only_delays(lake: TestLake) {
    small_files(&lake, 3).await;
    // An append that is written by hand: the commit of another table with the same file names.
    let elsewhere = TestLake::in_memory();
    append(&mut handle(&elsewhere), [9]).await.unwrap();
    let lines = commit(&elsewhere, 1).await;
    let path = added(&lines)["path"].as_str().unwrap().to_owned();
    let file = |of: &TestLake| {
        let folder = of.lake.folder(Kind::Table, &name());
        folder
            .parts()
            .chain(Path::from(path.as_str()).parts())
            .collect::<Path>()
    };
    let bytes = elsewhere
        .lake
        .store()
        .get(&file(&elsewhere))
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    lake.lake.store().put(&file(&lake), bytes.into()).await.unwrap();
    lake.store
        .fail("_delta_log/00000000000000000004.json", Fault::Overtake(body(&lines)));

    let done = compact(&lake, noon()).await;
    assert!(
        matches!(
            done[..],
            [Compaction::Done {
                version: 5,
                conflicts: 1,
                ..
            }]
        ),
        "{done:?}"
    );
    assert_eq!(lake.numbers(Kind::Table).await, [1, 2, 3, 9]);
    assert_eq!(look(&upkeep(&lake)).await.totals().files, 2);
}

async fn a_lost_answer_is_no_second_compaction(lake: TestLake) {
    small_files(&lake, 3).await;
    lake.store
        .fail("_delta_log/00000000000000000004.json", Fault::LoseAnswer);
    let done = compact(&lake, noon()).await;
    assert!(matches!(done[..], [Compaction::Done { version: 4, .. }]), "{done:?}");
    assert_eq!(lake.numbers(Kind::Table).await, [1, 2, 3]);
    assert_eq!(look(&upkeep(&lake)).await.totals().files, 1);
}

#[tokio::test]
async fn a_refused_put_is_tried_again() {
    let lake = TestLake::in_memory();
    small_files(&lake, 3).await;
    lake.store.fail("_delta_log/00000000000000000004.json", Fault::Refuse);
    let done = compact(&lake, noon()).await;
    assert!(matches!(done[..], [Compaction::Done { version: 4, .. }]), "{done:?}");
    // A file that cannot be written is an error, and nothing is committed.
    append(&mut handle(&lake), [4]).await.unwrap();
    lake.store.fail("tables/pin/ingest_date", Fault::Refuse);
    let upkeep = upkeep(&lake);
    let mut state = look(&upkeep).await;
    let bin = state.bins(TARGET).remove(0);
    let error = upkeep.compact(&mut state, &bin, TRIES, noon()).await.unwrap_err();
    assert!(matches!(error, Error::Parquet { .. }), "{error:?}");
    assert_eq!(look(&upkeep).await.version(), 5);
    assert_eq!(lake.numbers(Kind::Table).await, [1, 2, 3, 4]);
}

#[tokio::test]
async fn a_table_that_is_redefined_meanwhile_is_left_for_the_next_run() {
    let lake = TestLake::in_memory();
    small_files(&lake, 2).await;
    let upkeep = upkeep(&lake);
    let mut state = look(&upkeep).await;
    let bins = state.bins(TARGET);
    let wider = definition(&[("ind", "int32"), ("title", "string"), ("likes", "int64")]);
    let mut wide = Table::clean(&lake.lake, &wider, Settings::default()).unwrap();
    append(&mut wide, [3]).await.unwrap();
    let compaction = upkeep.compact(&mut state, &bins[0], TRIES, noon()).await.unwrap();
    assert_eq!(compaction, Compaction::Refused);
    assert!(matches!(compact(&lake, noon()).await[..], [Compaction::Done { .. }]));
}

#[tokio::test]
async fn files_that_do_not_hold_what_the_log_says_are_left_alone() {
    let lake = TestLake::in_memory();
    small_files(&lake, 2).await;
    let mut lines = commit(&lake, 2).await;
    let add = lines.iter_mut().find(|line| line.get("add").is_some()).unwrap();
    add["add"]["stats"] = json!(r#"{"numRecords":2}"#);
    let lying = log_file(&lake, 2);
    lake.lake.store().put(&lying, body(&lines).into()).await.unwrap();

    let upkeep = upkeep(&lake);
    let mut state = look(&upkeep).await;
    let bin = state.bins(TARGET).remove(0);
    let error = upkeep.compact(&mut state, &bin, TRIES, noon()).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Rows {
                before: 3,
                after: 2,
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(look(&upkeep).await.version(), 2);
    assert_eq!(lake.parquet_files(Kind::Table).await, 2);
}

/// Forty columns, so that `_origin` comes after the 32 that other writers keep bounds of.
#[tokio::test]
async fn bounds_of_every_column_are_kept() {
    let lake = TestLake::in_memory();
    let names: Vec<_> = (0..40).map(|column| format!("c{column:02}")).collect();
    let columns: Vec<_> = names.iter().map(|name| (name.as_str(), "int64")).collect();
    let mut table = Table::clean(&lake.lake, &definition(&columns), Settings::default()).unwrap();
    // Each from a shard of its own, lest the watermark take the lower one for a repeat.
    let shard = |value: i64| Source::kinesis("pinlake-pin", &format!("shardId-{value:012}"));
    let sequence = |value: i64| format!("{}{value}", "4".repeat(55)).parse().unwrap();
    for value in [5_i64, 2, 8] {
        let columns = names.iter().enumerate().map(|(column, name)| {
            let value = (column != 1).then_some(value);
            (
                name.as_str(),
                std::sync::Arc::new(Int64Array::from(vec![value])) as ArrayRef,
            )
        });
        let batch = RecordBatch::try_from_iter_with_nullable(columns.map(|(name, values)| (name, values, true)));
        let rows = Rows::new(batch.unwrap(), vec![sequence(value)], vec![noon().timestamp_micros()]).unwrap();
        table
            .append(&shard(value), rows, sequence(value), Settled::ByWatermark, noon())
            .await
            .unwrap();
    }
    compact(&lake, noon()).await;
    let lines = commit(&lake, 4).await;
    let add = added(&lines);
    let statistics: Value = serde_json::from_str(add["stats"].as_str().unwrap()).unwrap();
    assert_eq!(statistics["numRecords"], 3);
    for column in ["c00", "c39"] {
        assert_eq!(
            (&statistics["minValues"][column], &statistics["maxValues"][column]),
            (&json!(2), &json!(8))
        );
    }
    assert_eq!(
        (&statistics["nullCount"]["c01"], &statistics["nullCount"]["c02"]),
        (&json!(3), &json!(0))
    );
    // Whole, as the bounds of no other text are: rows are looked up by where they came from.
    for (bound, value) in [("minValues", 2), ("maxValues", 8)] {
        assert_eq!(statistics[bound][ORIGIN], shard(value).origin(&sequence(value)));
    }
    assert_eq!(
        (&add["dataChange"], &add["partitionValues"]["ingest_path"]),
        (&json!(false), &json!("stream"))
    );
    let removed: Vec<_> = lines.iter().filter_map(|line| line.get("remove")).collect();
    assert_eq!(removed.len(), 3);
    assert!(
        removed
            .iter()
            .all(|remove| remove["dataChange"] == false && remove["deletionTimestamp"].is_i64())
    );
}

/// Of every place at which a compaction waits for something, one run ends there.
async fn dropped_anywhere_the_table_is_whole(lake: TestLake) {
    lake.store.hesitate();
    let mut table = small_files(&lake, 3).await;
    let (mut polls, mut last) = (1, 3);
    loop {
        let upkeep = upkeep(&lake);
        let mut state = look(&upkeep).await;
        if state.bins(TARGET).is_empty() {
            // The one before was dropped when its commit was done and not yet answered.
            last += 1;
            append(&mut table, [last]).await.unwrap();
            state = look(&upkeep).await;
        }
        let bin = state.bins(TARGET).remove(0);
        let ended = {
            let mut compaction = pin!(upkeep.compact(&mut state, &bin, TRIES, noon()));
            let mut ended = false;
            for _ in 0..polls {
                if let Poll::Ready(compaction) = poll!(compaction.as_mut()) {
                    // Refused if the commit of the one before, which was dropped, came through after all.
                    ended = matches!(compaction.unwrap(), Compaction::Done { .. });
                    break;
                }
                // In a folder the work is done by other threads.
                tokio::time::sleep(std::time::Duration::from_micros(200)).await;
            }
            ended
        };
        let whole: Vec<_> = (1..=last).collect();
        assert_eq!(lake.numbers(Kind::Table).await, whole, "after {polls} polls");
        assert_eq!(append(&mut table, whole).await.unwrap().written, 0);
        if ended {
            break;
        }
        polls += 1;
    }
    assert!(polls > 5, "it never waited");
    assert!(matches!(
        compact(&lake, noon()).await[..],
        [] | [Compaction::Done { .. }]
    ));
    // Files without a commit are left, and vacuum takes them together with those that are removed.
    let far = Utc::now() + TimeDelta::days(30);
    upkeep(&lake).vacuum(TimeDelta::days(7), far, false).await.unwrap();
    assert_eq!(
        lake.parquet_files(Kind::Table).await,
        look(&upkeep(&lake)).await.totals().files
    );
    assert_eq!(lake.numbers(Kind::Table).await, (1..=last).collect::<Vec<_>>());
}

const WEEK: TimeDelta = TimeDelta::days(7);

async fn vacuum_keeps_what_is_young(lake: TestLake) {
    let now = Utc::now();
    small_files(&lake, 3).await;
    // A writer has uploaded this, and its commit is still to come.
    let folder = lake.lake.folder(Kind::Table, &name());
    let uncommitted = folder
        .clone()
        .join("ingest_date=2023-11-14")
        .join("ingest_path=stream")
        .join("part-uncommitted.zstd.parquet");
    lake.lake
        .store()
        .put(&uncommitted, Bytes::from_static(b"rows").into())
        .await
        .unwrap();
    let mut reader = Vec::new();
    for version in 1..=3 {
        let path = Path::from(added(&commit(&lake, version).await)["path"].as_str().unwrap());
        reader.push(folder.parts().chain(path.parts()).collect::<Path>());
    }
    compact(&lake, now).await;

    let upkeep = upkeep(&lake);
    for young in [now, now + TimeDelta::days(6)] {
        assert_eq!(upkeep.vacuum(WEEK, young, false).await.unwrap(), 0);
    }
    for file in &reader {
        lake.lake
            .store()
            .head(file)
            .await
            .expect("a reader that opened the table before reads on");
    }
    lake.lake
        .store()
        .head(&uncommitted)
        .await
        .expect("the commit finds its file");

    let old = now + TimeDelta::days(8);
    assert_eq!(upkeep.vacuum(WEEK, old, true).await.unwrap(), 4);
    assert_eq!(lake.parquet_files(Kind::Table).await, 5, "a dry run deletes nothing");
    assert_eq!(upkeep.vacuum(WEEK, old, false).await.unwrap(), 4);
    assert_eq!(lake.parquet_files(Kind::Table).await, 1);
    assert_eq!(lake.numbers(Kind::Table).await, [1, 2, 3]);
    assert_eq!(upkeep.vacuum(WEEK, old, false).await.unwrap(), 0);
    let version = look(&upkeep).await.version();
    assert_eq!(version, 4, "vacuum commits nothing");
}

/// A file that is old, and was removed only yesterday.
async fn a_removal_counts_from_its_commit(lake: TestLake) {
    let now = Utc::now();
    small_files(&lake, 3).await;
    compact(&lake, now + TimeDelta::days(20)).await;
    let upkeep = upkeep(&lake);
    for checkpointed in [false, true] {
        if checkpointed {
            upkeep.checkpoint().await.unwrap();
        }
        let deleted = upkeep.vacuum(WEEK, now + TimeDelta::days(21), false).await.unwrap();
        assert_eq!(deleted, 0, "checkpointed: {checkpointed}");
    }
    let deleted = upkeep.vacuum(WEEK, now + TimeDelta::days(28), false).await.unwrap();
    assert_eq!(deleted, 3);
}

async fn a_cleaned_log_opens(lake: TestLake) {
    let now = Utc::now();
    let month = TimeDelta::days(30);
    let mut idle = small_files(&lake, 4).await;
    let mut busy = handle(&lake);
    append(&mut busy, 5..=9).await.unwrap();
    let upkeep = upkeep(&lake);
    assert_eq!(upkeep.checkpoint().await.unwrap(), 5);
    append(&mut busy, [10]).await.unwrap();
    let state = look(&upkeep).await;
    assert_eq!((state.version(), state.commits_since_checkpoint()), (6, 1));

    assert_eq!(
        upkeep
            .clean_log(&state, month, now + TimeDelta::days(29))
            .await
            .unwrap(),
        0
    );
    // Versions 0 to 4: the fifth is the checkpoint's own, the sixth comes after it.
    let later = now + TimeDelta::days(31);
    assert_eq!(upkeep.clean_log(&state, month, later).await.unwrap(), 5);
    for version in 0..=6 {
        let kept = lake.lake.store().head(&log_file(&lake, version)).await.is_ok();
        assert_eq!(kept, version >= 5, "{version}");
    }
    let description = describe(&lake.lake, Kind::Table, &name()).await.unwrap().unwrap();
    assert_eq!((description.version, description.rows), (6, 10));
    assert_eq!(description.watermarks, [(source(), number(10))]);
    assert_eq!(append(&mut handle(&lake), 1..=10).await.unwrap().written, 0);

    // To a handle that slept through it, version 5 looks free no more than it is.
    let appended = idle
        .append(&source(), rows(1..=12), number(12), Settled::ByWatermark, later)
        .await
        .unwrap();
    assert_eq!((appended.written, appended.version), (2, Some(7)));
    assert_eq!(lake.numbers(Kind::Table).await, (1..=12).collect::<Vec<_>>());
}

async fn a_log_without_a_checkpoint_is_not_cleaned(lake: TestLake) {
    small_files(&lake, 4).await;
    let upkeep = upkeep(&lake);
    let state = look(&upkeep).await;
    assert_eq!(state.commits_since_checkpoint(), 5, "versions 0 to 4");
    let far = Utc::now() + TimeDelta::days(365);
    assert_eq!(upkeep.clean_log(&state, TimeDelta::days(30), far).await.unwrap(), 0);
    assert_eq!(lake.numbers(Kind::Table).await, [1, 2, 3, 4]);
}

#[tokio::test]
async fn a_table_that_does_not_exist_is_none() {
    let lake = TestLake::in_memory();
    assert!(upkeep(&lake).look().await.unwrap().is_none());
    small_files(&lake, 1).await;
    let state = look(&upkeep(&lake)).await;
    let Totals {
        files,
        rows,
        size_bytes,
    } = state.totals();
    assert_eq!((files, rows), (1, 1));
    assert!(size_bytes > 0);
}
