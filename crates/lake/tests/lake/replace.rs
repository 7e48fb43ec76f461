//! A day of the batch path: its rows replace those that it had, and nothing else.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch, StringArray};
use chrono::NaiveDate;
use pinlake_lake::{
    BatchDay, Error, INGEST_DATE, INGEST_PATH, Inputs, Kind, ORIGIN, Replaced, Replacement, Settings, describe,
    read_table, with_bookkeeping,
};

use crate::support::{TestLake, append, conformance, handle, name, noon, pins, rows_batch, store::Fault};

const TARGET: u64 = 1 << 20;

fn day(day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2023, 11, day).unwrap()
}

fn inputs(digest: i64) -> Inputs {
    Inputs { objects: 1, digest }
}

/// Rows of a raw object, with a line for each number.
fn raw(numbers: std::ops::Range<u64>) -> RecordBatch {
    let records = rows_batch(numbers.clone());
    let at = vec![noon().timestamp_micros(); records.num_rows()];
    let origins = StringArray::from_iter_values(numbers.map(|number| format!("raw/pin/object.gz#{number:09}")));
    with_bookkeeping(&records, at, origins).unwrap()
}

fn begin(lake: &TestLake, date: NaiveDate, target: u64) -> Replacement {
    Replacement::new(
        &lake.lake,
        Kind::Table,
        &pins(),
        date,
        target,
        Settings::default(),
        noon(),
    )
    .unwrap()
}

async fn replace(lake: &TestLake, date: NaiveDate, numbers: std::ops::Range<u64>) -> Result<Replaced, Error> {
    let mut replacement = begin(lake, date, TARGET);
    replacement.write(&raw(numbers)).await?;
    replacement.commit(Some(inputs(1))).await
}

/// `ingest_date`, `ingest_path` and the last word of `_origin` of every row, sorted.
async fn stored(lake: &TestLake) -> Vec<(String, String, u64)> {
    let mut stored = Vec::new();
    for batch in read_table(&lake.lake, Kind::Table, &name()).await.unwrap() {
        let dates = arrow::compute::cast(
            batch.column_by_name(INGEST_DATE).unwrap(),
            &arrow::datatypes::DataType::Utf8,
        )
        .unwrap();
        let paths = batch.column_by_name(INGEST_PATH).unwrap().as_string::<i32>();
        let origins = batch.column_by_name(ORIGIN).unwrap().as_string::<i32>();
        for row in 0..batch.num_rows() {
            let origin = origins.value(row).rsplit(['/', '#']).next().unwrap();
            stored.push((
                dates.as_string::<i32>().value(row).to_owned(),
                paths.value(row).to_owned(),
                origin.parse().unwrap(),
            ));
        }
    }
    stored.sort();
    stored
}

fn batch_rows(date: &str, numbers: std::ops::Range<u64>) -> Vec<(String, String, u64)> {
    numbers
        .map(|number| (date.to_owned(), "batch".to_owned(), number))
        .collect()
}

conformance!(
    a_day_replaced_again_is_the_same,
    only_the_day_is_replaced,
    racing_replacements_leave_one,
);

async fn a_day_replaced_again_is_the_same(lake: TestLake) {
    let first = replace(&lake, day(14), 0..10).await.unwrap();
    assert_eq!((first.rows, first.files, first.removed_files), (10, 1, 0));
    for _ in 0..2 {
        let again = replace(&lake, day(14), 0..10).await.unwrap();
        assert_eq!((again.rows, again.files, again.removed_files), (10, 1, 1));
        assert_eq!(stored(&lake).await, batch_rows("2023-11-14", 0..10));
    }
    let fewer = replace(&lake, day(14), 3..5).await.unwrap();
    assert_eq!(fewer.removed_files, 1);
    assert_eq!(stored(&lake).await, batch_rows("2023-11-14", 3..5));
}

async fn only_the_day_is_replaced(lake: TestLake) {
    // Arrived at noon of the 14th, by the other way.
    append(&mut handle(&lake), 100..103).await.unwrap();
    replace(&lake, day(14), 0..2).await.unwrap();
    replace(&lake, day(15), 5..7).await.unwrap();
    replace(&lake, day(14), 1..4).await.unwrap();
    let mut expected = batch_rows("2023-11-14", 1..4);
    expected.extend((100..103).map(|number| ("2023-11-14".to_owned(), "stream".to_owned(), number)));
    expected.extend(batch_rows("2023-11-15", 5..7));
    assert_eq!(stored(&lake).await, expected);
    // A redelivery is recognised: the watermark went through the replacements.
    assert_eq!(append(&mut handle(&lake), 100..103).await.unwrap().skipped, 3);
}

async fn racing_replacements_leave_one(lake: TestLake) {
    replace(&lake, day(14), 0..3).await.unwrap();
    let lake = Arc::new(lake);
    let racers = (0..4_u64).map(|racer| {
        let lake = Arc::clone(&lake);
        tokio::spawn(async move { replace(&lake, day(14), racer * 10..racer * 10 + 5).await.unwrap() })
    });
    let appender = {
        let lake = Arc::clone(&lake);
        tokio::spawn(async move {
            let mut table = handle(&lake);
            for number in 1000..1008 {
                append(&mut table, [number]).await.unwrap();
            }
        })
    };
    for racer in racers.collect::<Vec<_>>() {
        racer.await.unwrap();
    }
    appender.await.unwrap();
    let stored = stored(&lake).await;
    let batch: Vec<_> = stored.iter().filter(|row| row.1 == "batch").collect();
    assert_eq!(batch.len(), 5, "one racer's rows: {batch:?}");
    assert!(batch.iter().all(|row| row.2 / 10 == batch[0].2 / 10), "{batch:?}");
    assert_eq!(stored.iter().filter(|row| row.1 == "stream").count(), 8);
}

#[tokio::test]
async fn a_lost_answer_is_no_second_day() {
    let lake = TestLake::in_memory();
    replace(&lake, day(14), 0..3).await.unwrap();
    lake.store
        .fail("_delta_log/00000000000000000002.json", Fault::LoseAnswer);
    let replaced = replace(&lake, day(14), 0..4).await.unwrap();
    assert_eq!((replaced.version, replaced.conflicts), (Some(2), 1));
    assert_eq!(stored(&lake).await, batch_rows("2023-11-14", 0..4));
}

#[tokio::test]
async fn a_refused_put_is_tried_again() {
    let lake = TestLake::in_memory();
    lake.store.fail("_delta_log/00000000000000000001.json", Fault::Refuse);
    let replaced = replace(&lake, day(14), 0..4).await.unwrap();
    assert_eq!((replaced.version, replaced.conflicts), (Some(1), 1));
    assert_eq!(stored(&lake).await, batch_rows("2023-11-14", 0..4));
}

#[tokio::test]
async fn a_day_is_cut_into_files_of_the_target_size() {
    let lake = TestLake::in_memory();
    let mut replacement = begin(&lake, day(14), 1);
    for start in [0, 10, 20] {
        replacement.write(&raw(start..start + 10)).await.unwrap();
    }
    let replaced = replacement.commit(Some(inputs(1))).await.unwrap();
    assert_eq!((replaced.rows, replaced.files), (30, 3));
    assert_eq!(lake.parquet_files(Kind::Table).await, 3);
    assert_eq!(stored(&lake).await, batch_rows("2023-11-14", 0..30));
    let table = describe(&lake.lake, Kind::Table, &name()).await.unwrap().unwrap();
    assert_eq!((table.rows, table.files), (30, 3), "statistics count the rows");
}

#[tokio::test]
async fn what_is_given_up_leaves_nothing_behind() {
    let lake = TestLake::in_memory();
    replace(&lake, day(14), 0..3).await.unwrap();
    let mut replacement = begin(&lake, day(14), 1);
    replacement.write(&raw(10..20)).await.unwrap();
    replacement.abandon().await;
    assert_eq!(lake.parquet_files(Kind::Table).await, 1);
    assert_eq!(stored(&lake).await, batch_rows("2023-11-14", 0..3));
}

#[tokio::test]
async fn an_empty_day_takes_the_rows_away() {
    let lake = TestLake::in_memory();
    replace(&lake, day(14), 0..3).await.unwrap();
    let replacement = begin(&lake, day(14), TARGET);
    let replaced = replacement.commit(Some(inputs(2))).await.unwrap();
    assert_eq!((replaced.rows, replaced.removed_files), (0, 1));
    assert!(stored(&lake).await.is_empty());
}

#[tokio::test]
async fn the_inputs_are_remembered_for_each_day() {
    let lake = TestLake::in_memory();
    let remembered = |date| {
        let lake = lake.lake.clone();
        async move { BatchDay::read(&lake, &pins(), date).await.unwrap().inputs }
    };
    assert_eq!(remembered(day(14)).await, None);
    for digest in [7, 3] {
        let mut replacement = begin(&lake, day(14), TARGET);
        replacement.write(&raw(0..2)).await.unwrap();
        replacement.commit(Some(inputs(digest))).await.unwrap();
        assert_eq!(remembered(day(14)).await, Some(inputs(digest)));
    }
    assert_eq!(remembered(day(15)).await, None);
    // They are no watermarks.
    let table = describe(&lake.lake, Kind::Table, &name()).await.unwrap().unwrap();
    assert!(table.watermarks.is_empty());
}

#[tokio::test]
async fn a_day_without_anything_makes_no_table() {
    let lake = TestLake::in_memory();
    let replaced = begin(&lake, day(14), TARGET).commit(None).await.unwrap();
    assert_eq!(replaced, Replaced::default());
    assert_eq!(describe(&lake.lake, Kind::Table, &name()).await.unwrap(), None);
    replace(&lake, day(14), 0..3).await.unwrap();
    assert_eq!(begin(&lake, day(15), TARGET).commit(None).await.unwrap().version, None);
    assert_eq!(
        begin(&lake, day(14), TARGET).commit(None).await.unwrap().removed_files,
        1
    );
}
