//! What is deleted: files that no reader wants, and the log before a checkpoint.

use bytes::Bytes;
use chrono::{TimeDelta, Utc};
use object_store::{ObjectStoreExt as _, path::Path};
use pinlake_lake::{Kind, Settled, describe};

use super::{added, commit, compact, log_file, look, small_files, upkeep};
use crate::support::{TestLake, append, conformance, handle, name, number, rows, source};

conformance!(
    vacuum_keeps_what_is_young,
    a_removal_counts_from_its_commit,
    a_cleaned_log_opens,
    a_log_without_a_checkpoint_is_not_cleaned,
);

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
