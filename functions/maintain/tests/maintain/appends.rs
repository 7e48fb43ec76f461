//! Upkeep beside writers that do not know of it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::Utc;
use pinlake_lake::Kind;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use crate::support::{AN_HOUR, TestLake, expected, handler, shard, store};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_memory_appends_and_upkeep_at_once_lose_nothing() {
    appends_and_upkeep_at_once_lose_nothing(TestLake::in_memory(), 4, 80).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_folder_appends_and_upkeep_at_once_lose_nothing() {
    appends_and_upkeep_at_once_lose_nothing(TestLake::in_folder(), 4, 40).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_s3_appends_and_upkeep_at_once_lose_nothing() {
    appends_and_upkeep_at_once_lose_nothing(TestLake::on_s3().await, 3, 20).await;
}

/// Each writer has a shard and commits so many batches to both tables, some of them twice, while the upkeep runs again
/// and again.
async fn appends_and_upkeep_at_once_lose_nothing(lake: TestLake, writers: usize, batches: u64) {
    let lake = Arc::new(lake);
    let writing = Arc::new(AtomicBool::new(true));
    let keeper = {
        let (lake, writing) = (Arc::clone(&lake), Arc::clone(&writing));
        tokio::spawn(async move {
            let handler = handler(&lake.lake, &[("CHECKPOINT_COMMITS", "3")]);
            let (mut runs, mut compactions) = (0, 0);
            while writing.load(Ordering::SeqCst) {
                let summary = handler.run(Utc::now(), Utc::now() + AN_HOUR).await.unwrap();
                runs += 1;
                compactions += summary.tables.iter().map(|table| table.compactions).sum::<usize>();
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            (runs, compactions)
        })
    };
    let writers: Vec<_> = (0..writers)
        .map(|writer| {
            let lake = Arc::clone(&lake);
            tokio::spawn(async move {
                let mut random = StdRng::seed_from_u64(writer as u64);
                let mut landing = lake.landing("pin");
                for batch in 0..batches {
                    let (first, last) = (batch * 5 + 1, batch * 5 + 5);
                    // An error here is an append that failed because of the upkeep: there is no other cause.
                    store(&mut landing, &shard(writer), first..=last, Utc::now())
                        .await
                        .unwrap();
                    match random.random_range(0..8) {
                        // Delivered again, with some that were stored before, by a function that knows of nothing.
                        0 => {
                            let mut cold = lake.landing("pin");
                            let first = first.saturating_sub(7).max(1);
                            let again = store(&mut cold, &shard(writer), first..=last, Utc::now())
                                .await
                                .unwrap();
                            assert_eq!((again.table.written, again.quarantine.written), (0, 0));
                        }
                        1 => landing = lake.landing("pin"),
                        _ => (),
                    }
                }
            })
        })
        .collect();
    let (shards, records) = (writers.len(), batches * 5);
    for writer in writers {
        writer.await.unwrap();
    }
    writing.store(false, Ordering::SeqCst);
    let (runs, compactions) = keeper.await.unwrap();
    assert!(runs > 1 && compactions > 1, "{runs} runs, {compactions} compactions");

    let watermarks = lake.describe(Kind::Table, "pin").await.watermarks;
    assert_eq!(watermarks.len(), shards);
    let summary = handler(&lake.lake, &[])
        .run(Utc::now(), Utc::now() + AN_HOUR)
        .await
        .unwrap();
    for (kind, bad) in [(Kind::Table, false), (Kind::Quarantine, true)] {
        assert_eq!(lake.origins(kind, "pin").await, expected(shards, records, bad));
        let after = lake.describe(kind, "pin").await;
        // Midnight may have come in between.
        assert!(after.files <= 2, "{} files", after.files);
        assert_eq!(after.rows, expected(shards, records, bad).len() as u64);
    }
    assert_eq!(lake.describe(Kind::Table, "pin").await.watermarks, watermarks);
    assert!(summary.tables.iter().all(|table| table.before.rows == table.after.rows));

    let before = lake.keys().await;
    for writer in 0..shards {
        let mut cold = lake.landing("pin");
        let again = store(&mut cold, &shard(writer), 1..=records, Utc::now()).await.unwrap();
        assert_eq!((again.table.written, again.quarantine.written), (0, 0));
    }
    assert_eq!(lake.keys().await, before, "a redelivery changes nothing");
}
