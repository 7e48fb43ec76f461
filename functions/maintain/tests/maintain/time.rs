//! A run ends in time, and may be ended at any time.

use std::{pin::pin, sync::Arc, time::Duration};

use chrono::{TimeDelta, Utc};
use futures::poll;
use pinlake_lake::Kind;
use pinlake_maintain::Error;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use crate::support::{AN_HOUR, Hanging, TestLake, expected, handler, shard, small_files, store};

#[tokio::test]
async fn without_time_nothing_is_begun() {
    let lake = TestLake::in_memory();
    small_files(&lake, "pin", 12).await;
    let before = lake.keys().await;
    let now = Utc::now();
    for deadline in [now, now - AN_HOUR] {
        let error = handler(&lake.lake, &[]).run(now, deadline).await.unwrap_err();
        let Error::Tables { failures, .. } = error else {
            panic!("{error}");
        };
        // Nothing is known of any table, not even whether there is one.
        assert_eq!(failures.len(), 4);
        assert_eq!(failures[0].reason, "there was no time to look at it");
    }
    assert_eq!(lake.keys().await, before);
}

#[tokio::test]
async fn a_store_that_hangs_does_not_outlast_the_deadline() {
    let hanging = Hanging::at("tables/pin/ingest_date");
    let lake = TestLake::on(Arc::clone(&hanging) as _);
    small_files(&lake, "pin", 12).await;
    small_files(&lake, "geo", 3).await;
    hanging.hang(true);
    let now = Utc::now();
    let summary = handler(&lake.lake, &[])
        .run(now, now + TimeDelta::seconds(10))
        .await
        .unwrap();
    let pin = summary.tables.iter().find(|table| table.table == "tables/pin").unwrap();
    assert_eq!((pin.compactions, pin.left, pin.after), (0, 1, pin.before));
    // The steps after compaction have time of their own.
    assert_eq!((pin.checkpoint, pin.skipped.len()), (Some(12), 0));

    hanging.hang(false);
    let summary = handler(&lake.lake, &[]).run(now, now + AN_HOUR).await.unwrap();
    assert!(
        summary
            .tables
            .iter()
            .all(|table| table.after.files == 1 && table.left == 0)
    );
    for (kind, bad) in [(Kind::Table, false), (Kind::Quarantine, true)] {
        assert_eq!(lake.origins(kind, "pin").await, expected(1, 60, bad));
    }
}

#[tokio::test]
async fn a_checkpoint_that_hangs_is_left_to_the_next_run() {
    let hanging = Hanging::at("tables/pin/_delta_log");
    let lake = TestLake::on(Arc::clone(&hanging) as _);
    small_files(&lake, "pin", 2).await;
    hanging.hang(true);
    let now = Utc::now();
    // The commit of the compaction is put, and never answered.
    let summary = handler(&lake.lake, &[])
        .run(now, now + TimeDelta::seconds(3))
        .await
        .unwrap();
    let pin = summary.tables.iter().find(|table| table.table == "tables/pin").unwrap();
    assert_eq!((pin.compactions, pin.left, pin.checkpoint), (0, 1, None));
    assert_eq!(lake.describe(Kind::Table, "pin").await.files, 2);
}

/// From a seed, runs are ended wherever they are, and new ones begun, while a writer goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_again_and_again_the_tables_are_whole() {
    const BATCHES: u64 = 30;
    for seed in 0..3 {
        let mut random = StdRng::seed_from_u64(seed);
        let lake = TestLake::in_folder();
        let mut landing = lake.landing("pin");
        let handler = handler(&lake.lake, &[("CHECKPOINT_COMMITS", "2")]);
        for batch in 0..BATCHES {
            let (first, last) = (batch * 5 + 1, batch * 5 + 5);
            store(&mut landing, &shard(0), first..=last, Utc::now()).await.unwrap();
            // Late enough for the dead files of the killed runs, too.
            let now = Utc::now() + TimeDelta::days(8);
            let mut run = pin!(handler.run(now, now + AN_HOUR));
            for _ in 0..random.random_range(1..60) {
                if poll!(run.as_mut()).is_ready() {
                    break;
                }
                tokio::time::sleep(Duration::from_micros(random.random_range(0..500))).await;
            }
        }
        handler.run(Utc::now(), Utc::now() + AN_HOUR).await.unwrap();
        for (kind, bad) in [(Kind::Table, false), (Kind::Quarantine, true)] {
            assert_eq!(
                lake.origins(kind, "pin").await,
                expected(1, BATCHES * 5, bad),
                "seed {seed}"
            );
            assert_eq!(lake.describe(kind, "pin").await.watermarks.len(), 1);
        }
        let again = store(&mut landing, &shard(0), 1..=BATCHES * 5, Utc::now())
            .await
            .unwrap();
        assert_eq!((again.table.written, again.quarantine.written), (0, 0));
    }
}
