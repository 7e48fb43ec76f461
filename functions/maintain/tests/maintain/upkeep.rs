//! A whole run.

use chrono::{DateTime, TimeDelta, Utc};
use pinlake_lake::Kind;
use pinlake_maintain::{Error, Holds, Request};

use crate::support::{AN_HOUR, TestLake, expected, handler, shard, small_files, store};

/// Days from now.
fn days(days: i64) -> DateTime<Utc> {
    Utc::now() + TimeDelta::days(days)
}

#[tokio::test]
async fn everything_at_once_keeps_rows_and_watermarks() {
    let lake = TestLake::in_memory();
    small_files(&lake, "pin", 12).await;
    small_files(&lake, "geo", 2).await;
    let before = [
        lake.describe(Kind::Table, "pin").await,
        lake.describe(Kind::Quarantine, "pin").await,
    ];
    let handler = handler(&lake.lake, &[]);

    // The first run compacts, the second one, long after, finds dead files and an old log.
    let first = handler.run(Utc::now(), Utc::now() + AN_HOUR).await.unwrap();
    let tables: Vec<_> = first.tables.iter().map(|table| table.table.as_str()).collect();
    assert_eq!(tables, ["quarantine/geo", "quarantine/pin", "tables/geo", "tables/pin"]);
    let pin = &first.tables[3];
    assert_eq!((pin.before.files, pin.before.rows), (12, 48));
    assert_eq!((pin.after.files, pin.after.rows), (1, 48));
    assert!(pin.after.size_bytes < pin.before.size_bytes);
    assert_eq!((pin.compactions, pin.compacted_files), (1, 12));
    assert_eq!(pin.compacted_bytes, pin.before.size_bytes);
    assert_eq!(pin.checkpoint, Some(13), "versions 0 to 12, and the compaction");
    assert_eq!((pin.vacuumed_files, pin.log_files_deleted), (0, 0));
    let geo = &first.tables[2];
    assert_eq!(
        (geo.after.files, geo.checkpoint),
        (1, None),
        "three commits are not worth a checkpoint"
    );

    let second = handler.run(days(40), days(41)).await.unwrap();
    let pin = &second.tables[3];
    assert_eq!((pin.compactions, pin.checkpoint), (0, None));
    assert_eq!((pin.before, pin.before), (first.tables[3].after, pin.after));
    assert_eq!(
        (pin.vacuumed_files, pin.log_files_deleted),
        (12, 13),
        "versions 0 to 12"
    );
    let keys = lake.keys().await;
    let of_pin = |part: &str| {
        keys.iter()
            .filter(|key| key.starts_with("tables/pin/") && key.contains(part))
            .count()
    };
    assert_eq!(of_pin("ingest_path=stream/"), 1);
    assert_eq!(
        of_pin("_delta_log/"),
        3,
        "version 13, its checkpoint, and where that is"
    );

    let third = handler.run(days(40), days(41)).await.unwrap();
    assert!(
        third
            .tables
            .iter()
            .all(|table| table.vacuumed_files + table.log_files_deleted == 0)
    );
    assert_eq!(lake.keys().await, keys, "nothing is left to do");

    let after = [
        lake.describe(Kind::Table, "pin").await,
        lake.describe(Kind::Quarantine, "pin").await,
    ];
    for (before, after) in before.iter().zip(&after) {
        assert_eq!((after.rows, &after.watermarks), (before.rows, &before.watermarks));
        assert_eq!((after.files, after.version), (1, 13));
    }
    for (kind, bad) in [(Kind::Table, false), (Kind::Quarantine, true)] {
        assert_eq!(lake.origins(kind, "pin").await, expected(1, 60, bad));
    }
    let mut cold = lake.landing("pin");
    let landed = store(&mut cold, &shard(0), 1..=65, days(41)).await.unwrap();
    assert_eq!((landed.table.written, landed.table.version), (4, Some(14)));
    assert_eq!((landed.quarantine.written, landed.quarantine.skipped), (1, 12));
}

#[tokio::test]
async fn a_lake_without_tables_is_fine() {
    let lake = TestLake::in_memory();
    let summary = handler(&lake.lake, &[])
        .run(Utc::now(), Utc::now() + AN_HOUR)
        .await
        .unwrap();
    assert!(summary.tables.is_empty());
    assert!(lake.keys().await.is_empty());
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let lake = TestLake::in_memory();
    small_files(&lake, "pin", 12).await;
    let before = lake.keys().await;
    let request = Request::parse(br#"{"dry_run": true}"#).unwrap();
    let handler = handler(&lake.lake, &[]);
    let summary = handler.run_as(&request, days(0), days(1)).await.unwrap();
    assert_eq!(lake.keys().await, before);
    let pin = &summary.tables[1];
    assert_eq!((pin.left, pin.compactions, pin.vacuumed_files), (1, 0, 0));

    handler.run(Utc::now(), days(1)).await.unwrap();
    let compacted = lake.keys().await;
    let summary = handler.run_as(&request, days(8), days(9)).await.unwrap();
    assert_eq!(summary.tables[1].vacuumed_files, 12, "would be");
    assert_eq!(lake.keys().await, compacted);
}

#[tokio::test]
async fn a_request_can_name_datasets() {
    let lake = TestLake::in_memory();
    small_files(&lake, "pin", 2).await;
    small_files(&lake, "geo", 2).await;
    let handler = handler(&lake.lake, &[]);
    let only = |event: &[u8]| Request::parse(event).unwrap();
    let summary = handler
        .run_as(&only(br#"{"datasets":["geo"]}"#), days(0), days(1))
        .await
        .unwrap();
    assert_eq!(summary.tables.len(), 2);
    assert_eq!(lake.describe(Kind::Table, "geo").await.files, 1);
    assert_eq!(lake.describe(Kind::Table, "pin").await.files, 2);
    let error = handler
        .run_as(&only(br#"{"datasets":["geo","pine"]}"#), days(0), days(1))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::NoDataset { name } if name == "pine"));
}

#[tokio::test]
async fn the_answer_is_json() {
    let lake = TestLake::in_memory();
    small_files(&lake, "pin", 2).await;
    let event = include_bytes!("../../../../events/maintain-hourly.json");
    let answer = handler(&lake.lake, &[]).invoke(event, days(1)).await.unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
    let table = &answer["tables"][1];
    assert_eq!(
        (&table["table"], &table["compactions"]),
        (&"tables/pin".into(), &1.into())
    );
    assert_eq!(
        (&table["before"]["files"], &table["after"]["files"]),
        (&2.into(), &1.into())
    );
    assert_eq!(
        (&answer["dry_run"], &table["failure"]),
        (&false.into(), &serde_json::Value::Null)
    );
}

#[tokio::test]
async fn files_that_are_large_enough_cost_nothing() {
    let lake = TestLake::in_memory();
    small_files(&lake, "pin", 3).await;
    let before = lake.keys().await;
    // Every file is above three quarters of a byte.
    let small = handler(&lake.lake, &[("TARGET_FILE_BYTES", "1")]);
    let summary = small.run(Utc::now(), Utc::now() + AN_HOUR).await.unwrap();
    let pin = &summary.tables[1];
    assert_eq!((pin.compactions, pin.before), (0, pin.after));
    assert_ne!(pin.before, Holds::default());
    assert_eq!(lake.keys().await, before);
}
