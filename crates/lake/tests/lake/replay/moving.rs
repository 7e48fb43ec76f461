//! What passes now moves once, whenever a run ends and whatever comes again.

use std::num::NonZeroU32;

use arrow::array::AsArray as _;
use pinlake_lake::{Cleared, INGEST_PATH, Kind, Landing, Moved, RunId, Settings, Way, describe, read_table};

use super::{
    Mind, Ready, assert_whole, batch, cleared, cleared_raw, compact, day, day_of, deliver, even, landing, numbers,
    placed, rejected_batch, replay, run, stored,
};
use crate::support::{TestLake, conformance, name, noon, number, pins, rows_batch, source, store::Fault};

conformance!(a_row_that_passes_moves_once, a_replay_finds_what_was_compacted);

async fn a_row_that_passes_moves_once(lake: TestLake) {
    deliver(&mut landing(&lake), 1..=6, even).await;
    let before = describe(&lake.lake, Kind::Table, &name()).await.unwrap().unwrap();
    let moved = run(&lake, &cleared([2, 4])).await;
    let expected = Moved {
        put: 2,
        taken: 2,
        ..Moved::default()
    };
    assert_eq!(moved, expected);
    assert_eq!(stored(&lake).await, (vec![1, 2, 3, 4, 5], vec![6]));
    // The last row takes its file with it.
    assert_eq!(run(&lake, &cleared([6])).await.taken, 1);
    let quarantine = describe(&lake.lake, Kind::Quarantine, &name()).await.unwrap().unwrap();
    assert_eq!((quarantine.files, quarantine.rows), (0, 0));

    // Again, there is nothing to do, and nothing is committed.
    for _ in 0..2 {
        let moved = run(&lake, &cleared([2, 4, 6])).await;
        assert_eq!((moved.put, moved.there, moved.taken), (0, 3, 0));
    }
    let after = describe(&lake.lake, Kind::Table, &name()).await.unwrap().unwrap();
    assert_eq!(after.version, before.version + 2);
    assert_eq!(
        after.watermarks, before.watermarks,
        "a replay is not the shard's writer"
    );
    for batch in read_table(&lake.lake, Kind::Table, &name()).await.unwrap() {
        let ways = batch.column_by_name(INGEST_PATH).unwrap().as_string::<i32>();
        assert!(ways.iter().all(|way| way == Some("stream")));
    }
}

async fn a_replay_finds_what_was_compacted(lake: TestLake) {
    let mut landing = landing(&lake);
    for start in [1, 5, 9] {
        deliver(&mut landing, start..=start + 3, even).await;
    }
    run(&lake, &cleared([6])).await;
    for kind in [Kind::Table, Kind::Quarantine] {
        compact(&lake, kind).await;
    }
    let moved = run(&lake, &cleared([2, 6, 10])).await;
    assert_eq!((moved.put, moved.there, moved.taken), (2, 1, 2));
    assert_eq!(stored(&lake).await, (vec![1, 2, 3, 5, 6, 7, 9, 10, 11], vec![4, 8, 12]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_anywhere_a_replay_is_repeated() {
    let cases: [(&str, Ready); 2] = [("stream", || cleared([2, 4, 8])), ("batch", || cleared_raw([2, 4, 8]))];
    for (way, cleared) in cases {
        for last_is_done in [false, true] {
            let mut requests = 0;
            loop {
                let lake = TestLake::in_memory();
                match way {
                    "stream" => {
                        let mut landing = landing(&lake);
                        deliver(&mut landing, 1..=5, even).await;
                        deliver(&mut landing, 6..=8, even).await;
                    }
                    _ => day_of(&lake, RunId::new(), &[1, 3, 5, 7], &[2, 4, 6, 8]).await,
                }
                let what = format!("{way}, killed after {requests} requests, the last one done: {last_is_done}");
                lake.store.die_after(requests, last_is_done);
                let outcome = replay(&lake).run(&cleared(), noon()).await;
                lake.store.live();
                assert_whole(&stored(&lake).await, &numbers(1..=8), &what);
                for _ in 0..2 {
                    run(&lake, &cleared()).await;
                    assert_eq!(stored(&lake).await, (vec![1, 2, 3, 4, 5, 7, 8], vec![6]), "{what}");
                }
                if outcome.is_ok() {
                    break;
                }
                requests += 1;
            }
            assert!(requests > 10, "it made {requests} requests only");
        }
    }
}

#[tokio::test]
async fn a_lost_answer_moves_nothing_twice() {
    for fault in [Fault::LoseAnswer, Fault::Refuse] {
        let lake = TestLake::in_memory();
        deliver(&mut landing(&lake), 1..=6, even).await;
        for log in ["tables/pin/_delta_log/", "quarantine/pin/_delta_log/"] {
            lake.store.fail(log, fault.clone());
        }
        let moved = run(&lake, &cleared([2, 4])).await;
        assert_eq!((moved.put, moved.taken, moved.conflicts), (2, 2, 2), "{fault:?}");
        assert_eq!(stored(&lake).await, (vec![1, 2, 3, 4, 5], vec![6]), "{fault:?}");
    }
}

/// A batch that was broken off between its two commits comes again, after its quarantined rows were replayed.
#[tokio::test]
async fn a_redelivery_after_a_replay_changes_nothing() {
    let minds: [(&str, Mind); 3] = [("as before", even), ("all pass", |_| false), ("none passes", |_| true)];
    let cuts: [&[std::ops::RangeInclusive<u64>]; 3] = [&[1..=6], &[1..=3, 4..=6], &[1..=4, 3..=8]];
    for (mind, bad) in minds {
        for cut in cuts {
            for warm in [false, true] {
                let lake = TestLake::in_memory();
                let hasty = Settings {
                    commit_tries: NonZeroU32::MIN,
                    ..Settings::default()
                };
                let mut broken = Landing::new(&lake.lake, &pins(), hasty).unwrap();
                let mut other = landing(&lake);
                if warm {
                    // Of another shard, so that it knows both tables and nothing of this one's batch.
                    let shard = pinlake_lake::Source::kinesis("pinlake-pin", "shardId-000000000001");
                    other.store(&shard, batch(100..=101, even), noon()).await.unwrap();
                    run_shard(&lake).await;
                }
                let version = if warm { 3 } else { 1 };
                let log = format!("tables/pin/_delta_log/{version:020}.json");
                lake.store.fail(&log, Fault::Refuse);
                broken.store(&source(), batch(1..=6, even), noon()).await.unwrap_err();
                lake.store.heal();
                let moved = run(&lake, &cleared([2, 4, 6])).await;
                assert_eq!((moved.put, moved.taken), (3, 3), "{mind}, {cut:?}");

                for numbers in cut {
                    deliver(&mut other, numbers.clone(), bad).await;
                    deliver(&mut landing(&lake), numbers.clone(), bad).await;
                }
                let what = format!("{mind}, {cut:?}, warm: {warm}");
                let (mut table, mut quarantine) = stored(&lake).await;
                table.retain(|number| *number < 100);
                quarantine.retain(|number| *number < 100);
                let last = *cut.last().unwrap().end();
                let is_there = |number: u64| (number <= 6 && even(number)) || !bad(number);
                assert_eq!(table, numbers((1..=last).filter(|number| is_there(*number))), "{what}");
                assert_eq!(
                    quarantine,
                    numbers((1..=last).filter(|number| !is_there(*number))),
                    "{what}"
                );
            }
        }
    }
}

/// Moves the row of the other shard, so that its number of versions is known.
async fn run_shard(lake: &TestLake) {
    let shard = pinlake_lake::Source::kinesis("pinlake-pin", "shardId-000000000001");
    let rows = placed(&rows_batch([100]), std::iter::once(shard.origin(&number(100))));
    let (day, way) = (day(), Way::Stream);
    assert_eq!(run(lake, &Cleared { rows, day, way }).await.put, 1);
}

/// What is kept of how far a replay went is no watermark.
#[tokio::test]
async fn a_shard_of_which_nothing_passed_can_be_replayed() {
    let lake = TestLake::in_memory();
    deliver(&mut landing(&lake), 1..=4, |_| true).await;
    assert_eq!(run(&lake, &cleared([1, 3])).await.taken, 2);
    let table = describe(&lake.lake, Kind::Table, &name()).await.unwrap().unwrap();
    assert_eq!((table.rows, table.watermarks), (2, vec![]));
    let mut landing = landing(&lake);
    deliver(&mut landing, 1..=6, |number| number == 2).await;
    // The table does not know that the first batch was stored, so by the new mind 4 is in both: the worst that a changed
    // definition can do. A replay settles that.
    assert_eq!(stored(&lake).await, (vec![1, 3, 4, 5, 6], vec![2, 4]));
    let moved = run(&lake, &cleared([4])).await;
    assert_eq!((moved.put, moved.there, moved.taken), (0, 1, 1));
    assert_eq!(stored(&lake).await, (vec![1, 3, 4, 5, 6], vec![2]));
}

#[tokio::test]
async fn what_was_given_up_is_stored_once() {
    let lake = TestLake::in_memory();
    deliver(&mut landing(&lake), 1..=4, even).await;
    let bad = |values: &[u64]| Cleared {
        rows: placed(
            &rejected_batch(values),
            values.iter().map(|value| source().origin(&number(*value))),
        ),
        day: day(),
        way: Way::Stream,
    };
    // 3 and 4 are stored already, one in each table.
    for expected in [(2, 1), (0, 0)] {
        let to_quarantine = replay(&lake)
            .restore(Kind::Quarantine, &bad(&[3, 7]), noon())
            .await
            .unwrap();
        let to_table = replay(&lake)
            .restore(Kind::Table, &cleared([4, 5, 6]), noon())
            .await
            .unwrap();
        assert_eq!((to_table.put, to_quarantine.put), expected);
        assert_eq!(stored(&lake).await, (vec![1, 3, 5, 6], vec![2, 4, 7]));
    }
    // A function that was late with them finds them there.
    deliver(&mut landing(&lake), 5..=8, |number| number == 7).await;
    assert_eq!(stored(&lake).await, (vec![1, 3, 5, 6, 8], vec![2, 4, 7]));
}
