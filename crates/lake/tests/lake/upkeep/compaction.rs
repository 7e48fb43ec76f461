//! The same rows in fewer files.

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use object_store::ObjectStoreExt as _;
use pinlake_lake::{
    Compaction, Error, Kind, ORIGIN, Rows, Settings, Settled, Source, Table, Totals, describe, read_table,
};
use serde_json::{Value, json};

use super::{TARGET, TRIES, added, body, commit, compact, log_file, look, replace, small_files, upkeep};
use crate::support::{
    TestLake, append, conformance, definition, handle, ints, name, noon, number, rows, rows_batch, source, texts,
};

conformance!(
    many_files_become_one_with_the_same_rows,
    the_order_of_rows_is_kept,
    days_and_ways_stay_apart,
    older_files_get_the_new_column,
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
