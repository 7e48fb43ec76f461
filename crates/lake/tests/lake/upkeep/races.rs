//! Compaction while others commit, and when the store or the process fails it.

use std::{pin::pin, task::Poll};

use chrono::{TimeDelta, Utc};
use futures::poll;
use object_store::{ObjectStoreExt as _, path::Path};
use pinlake_lake::{Compaction, Error, Inputs, Kind, Settings, Table};
use serde_json::json;

use super::{
    TARGET, TRIES, added, body, commit, compact, keys, look, raw_lines, raw_row, replace, replacement, small_files,
    upkeep,
};
use crate::support::{TestLake, append, conformance, definition, handle, name, noon, store::Fault};

conformance!(
    a_replaced_partition_refuses_its_compaction,
    a_replacement_finds_the_compacted_file,
    a_removal_between_plan_and_commit_wins,
    an_append_between_plan_and_commit_only_delays,
    a_lost_answer_is_no_second_compaction,
    dropped_anywhere_the_table_is_whole,
);

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
