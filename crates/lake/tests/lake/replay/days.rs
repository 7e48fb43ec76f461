//! Replays of raw lines, and the days that are cleaned anew meanwhile.

use std::num::NonZeroU32;

use pinlake_lake::{BatchDay, Error, Kind, Replay, RunId, Settings};

use super::{cleared_raw, day, day_of, half_a_day, other_half, run, stored};
use crate::support::{TestLake, noon, pins, store::Fault};

#[tokio::test]
async fn a_day_of_raw_objects_is_exact_whichever_comes_first() {
    let lake = TestLake::in_memory();
    day_of(&lake, RunId::new(), &[1, 3], &[2, 4]).await;
    assert_eq!(run(&lake, &cleared_raw([2, 4])).await.taken, 2);
    assert_eq!(stored(&lake).await, (vec![1, 2, 3, 4], vec![]));
    // The day is cleaned again, by the new definition or still by the old one, and replayed again.
    for bad in [&[][..], &[4], &[2, 4]] {
        let good: Vec<_> = (1..=4).filter(|number| !bad.contains(number)).collect();
        day_of(&lake, RunId::new(), &good, bad).await;
        assert_eq!(stored(&lake).await, (good, bad.to_vec()));
        let moved = run(&lake, &cleared_raw([2, 4])).await;
        assert_eq!((moved.put, moved.taken, moved.gone), (bad.len(), bad.len(), 0));
        assert_eq!(stored(&lake).await, (vec![1, 2, 3, 4], vec![]));
    }
    // A raw object is gone, and the day was forced.
    day_of(&lake, RunId::new(), &[1], &[]).await;
    assert_eq!(run(&lake, &cleared_raw([2, 4])).await.gone, 2);
    assert_eq!(stored(&lake).await, (vec![1], vec![]));
}

#[tokio::test]
async fn a_day_replaced_between_the_commits_has_the_last_word() {
    // The rows that the new run rejects, and what must be there when it has ended: nothing that it rejects is lost, though
    // the replay had put it into the table and found it there.
    for (good, bad) in [(&[1, 3][..], &[2, 4][..]), (&[1, 2, 3], &[4]), (&[1, 2, 3, 4], &[])] {
        let lake = TestLake::in_memory();
        day_of(&lake, RunId::new(), &[1, 3], &[2, 4]).await;
        // Broken off before its second commit.
        let hasty = Settings {
            commit_tries: NonZeroU32::MIN,
            ..Settings::default()
        };
        lake.store
            .fail("quarantine/pin/_delta_log/00000000000000000002.json", Fault::Refuse);
        let broken = Replay::new(&lake.lake, &pins(), hasty).unwrap();
        broken.run(&cleared_raw([2, 4]), noon()).await.unwrap_err();
        assert_eq!(stored(&lake).await, (vec![1, 2, 3, 4], vec![2, 4]));

        let second = RunId::new();
        let half = half_a_day(&lake, second, bad).await;
        let moved = run(&lake, &cleared_raw([2, 4])).await;
        assert_eq!(moved.taken, 0, "the day is being replaced");
        other_half(&lake, second, &half, good).await.unwrap();
        assert_eq!(stored(&lake).await, (good.to_vec(), bad.to_vec()));
        run(&lake, &cleared_raw([2, 4])).await;
        assert_eq!(stored(&lake).await, (vec![1, 2, 3, 4], vec![]));
    }
}

#[tokio::test]
async fn rows_of_half_a_day_are_held_back() {
    let lake = TestLake::in_memory();
    day_of(&lake, RunId::new(), &[1, 2, 3], &[4]).await;
    let second = RunId::new();
    let half = half_a_day(&lake, second, &[2, 4]).await;
    let moved = run(&lake, &cleared_raw([2, 4])).await;
    assert_eq!((moved.put, moved.there, moved.held, moved.taken), (0, 1, 1, 0));
    assert_eq!(stored(&lake).await, (vec![1, 2, 3], vec![2, 4]));
    other_half(&lake, second, &half, &[1, 3]).await.unwrap();
    assert_eq!(run(&lake, &cleared_raw([2, 4])).await.taken, 2);
    assert_eq!(stored(&lake).await, (vec![1, 2, 3, 4], vec![]));
}

#[tokio::test]
async fn a_run_that_was_overtaken_gives_way() {
    for (good, bad) in [(&[1, 2, 3, 4][..], &[][..]), (&[1, 2, 3], &[4])] {
        let lake = TestLake::in_memory();
        let (slow, fast) = (RunId::new(), RunId::new());
        day_of(&lake, RunId::new(), &[1, 3], &[2, 4]).await;
        let half = half_a_day(&lake, slow, &[2, 4]).await;
        day_of(&lake, fast, good, bad).await;
        // Otherwise what `slow` has rejected would be in neither table.
        let refused = other_half(&lake, slow, &half, &[1, 3]).await.unwrap_err();
        assert!(matches!(refused, Error::Overtaken { .. }), "{refused}");
        assert_eq!(stored(&lake).await, (good.to_vec(), bad.to_vec()));
        assert_eq!(lake.parquet_files(Kind::Table).await, 2, "it leaves nothing behind");
    }
}

#[tokio::test]
async fn a_run_without_rejects_gives_way_too() {
    let lake = TestLake::in_memory();
    let (slow, fast) = (RunId::new(), RunId::new());
    // The slow run takes all four, and finds nothing to do in the quarantine.
    let half = half_a_day(&lake, slow, &[]).await;
    assert_eq!(half.version, None);
    day_of(&lake, fast, &[1, 3], &[2, 4]).await;
    // Otherwise what `fast` has rejected would be in both tables.
    let refused = other_half(&lake, slow, &half, &[1, 2, 3, 4]).await.unwrap_err();
    assert!(matches!(refused, Error::Overtaken { .. }), "{refused}");
    assert_eq!(stored(&lake).await, (vec![1, 3], vec![2, 4]));
}

#[tokio::test]
async fn a_day_of_two_runs_is_known() {
    let lake = TestLake::in_memory();
    let is_half = async || {
        BatchDay::read(&lake.lake, &pins(), day())
            .await
            .unwrap()
            .is_half_replaced()
    };
    assert!(!is_half().await, "nobody has been here");
    day_of(&lake, RunId::new(), &[1, 2], &[]).await;
    assert!(!is_half().await, "nothing was ever rejected");
    for bad in [&[2][..], &[], &[]] {
        // Also without a row to remove or to add: it has been of another run.
        let run = RunId::new();
        let half = half_a_day(&lake, run, bad).await;
        assert!(is_half().await, "{bad:?}");
        other_half(&lake, run, &half, &[1]).await.unwrap();
        assert!(!is_half().await, "{bad:?}");
    }
}
