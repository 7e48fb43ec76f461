//! Rows of the quarantine on their way to the table: each in one of the two in the end, once, whatever gets in between.

use std::{collections::BTreeSet, num::NonZeroU32, sync::Arc};

use arrow::array::{AsArray, RecordBatch, StringArray};
use chrono::{NaiveDate, TimeDelta, Utc};
use pinlake_lake::{
    Batch, Cleared, Error, INGEST_PATH, Inputs, Kind, Landing, Moved, ORIGIN, Replaced, Replacement, Replay, RunId,
    Settings, Upkeep, Way, describe, read_table, with_bookkeeping,
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};

use crate::support::{
    TestLake, conformance, name, noon, number, pins, rejected, rows, rows_batch, source, store::Fault,
};

/// Rows that can be moved.
type Ready = fn() -> Cleared;
/// Whether a number is rejected.
type Mind = fn(u64) -> bool;

const TARGET: u64 = 1 << 20;

fn day() -> NaiveDate {
    noon().date_naive()
}

fn landing(lake: &TestLake) -> Landing {
    Landing::new(&lake.lake, &pins(), Settings::default()).unwrap()
}

/// Delivers a batch, of which the numbers are rejected that `bad` names.
async fn deliver(landing: &mut Landing, numbers: std::ops::RangeInclusive<u64>, bad: impl Fn(u64) -> bool) {
    let batch = batch(numbers, bad);
    landing.store(&source(), batch, noon()).await.unwrap();
}

fn batch(numbers: std::ops::RangeInclusive<u64>, bad: impl Fn(u64) -> bool) -> Batch {
    Batch {
        rows: rows(numbers.clone().filter(|number| !bad(*number))),
        rejected: rejected(numbers.clone().filter(|number| bad(*number))),
        highest: number(*numbers.end()),
    }
}

fn even(number: u64) -> bool {
    number.is_multiple_of(2)
}

/// Quarantined records of the stream that pass now.
fn cleared(numbers: impl IntoIterator<Item = u64>) -> Cleared {
    let numbers: Vec<_> = numbers.into_iter().collect();
    let origins = numbers.iter().map(|value| source().origin(&number(*value)));
    Cleared {
        rows: placed(&rows_batch(numbers.iter().copied()), origins),
        day: day(),
        way: Way::Stream,
    }
}

/// The same of raw lines.
fn cleared_raw(numbers: impl IntoIterator<Item = u64>) -> Cleared {
    let numbers: Vec<_> = numbers.into_iter().collect();
    Cleared {
        rows: placed(
            &rows_batch(numbers.iter().copied()),
            numbers.iter().map(|number| line(*number)),
        ),
        day: day(),
        way: Way::Batch,
    }
}

fn line(number: u64) -> String {
    format!("raw/pin/date=2023-11-14/object.gz#{number}")
}

fn placed(rows: &RecordBatch, origins: impl Iterator<Item = String>) -> RecordBatch {
    let arrivals = vec![noon().timestamp_micros(); rows.num_rows()];
    with_bookkeeping(rows, arrivals, StringArray::from_iter_values(origins)).unwrap()
}

fn replay(lake: &TestLake) -> Replay {
    Replay::new(&lake.lake, &pins(), Settings::default()).unwrap()
}

async fn run(lake: &TestLake, cleared: &Cleared) -> Moved {
    replay(lake).run(cleared, noon()).await.unwrap()
}

/// The numbers in both tables.
async fn stored(lake: &TestLake) -> (Vec<u64>, Vec<u64>) {
    (
        lake_numbers(lake, Kind::Table).await,
        lake_numbers(lake, Kind::Quarantine).await,
    )
}

async fn lake_numbers(lake: &TestLake, kind: Kind) -> Vec<u64> {
    let mut numbers = Vec::new();
    for batch in read_table(&lake.lake, kind, &name()).await.unwrap() {
        for origin in batch.column_by_name(ORIGIN).unwrap().as_string::<i32>() {
            let place = origin.unwrap().rsplit(['/', '#']).next().unwrap();
            numbers.push(place.parse().unwrap());
        }
    }
    numbers.sort_unstable();
    numbers
}

fn numbers(numbers: impl IntoIterator<Item = u64>) -> Vec<u64> {
    numbers.into_iter().collect()
}

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

async fn compact(lake: &TestLake, kind: Kind) {
    let upkeep = Upkeep::new(&lake.lake, kind, &name()).unwrap();
    let Some(mut state) = upkeep.look().await.unwrap() else {
        return;
    };
    for bin in state.bins(TARGET) {
        upkeep
            .compact(&mut state, &bin, NonZeroU32::MIN.saturating_add(30), noon())
            .await
            .unwrap();
    }
}

/// Nothing is lost, and no table has a number twice.
fn assert_whole((table, quarantine): &(Vec<u64>, Vec<u64>), all: &[u64], what: &str) {
    let once = |numbers: &[u64]| numbers.iter().copied().collect::<BTreeSet<_>>();
    assert_eq!(
        once(table).len(),
        table.len(),
        "doubled in the table, {what}: {table:?}"
    );
    assert_eq!(
        once(quarantine).len(),
        quarantine.len(),
        "doubled in the quarantine, {what}"
    );
    let both: Vec<_> = once(table).union(&once(quarantine)).copied().collect();
    assert_eq!(both, all, "lost, {what}");
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

/// Replaces the day in the quarantine only, as a run does that is broken off.
async fn half_a_day(lake: &TestLake, run: RunId, bad: &[u64]) -> Replaced {
    let mut quarantine = begin(lake, Kind::Quarantine, run);
    let records = placed(&rejected_batch(bad), bad.iter().map(|number| line(*number)));
    quarantine.write(&records).await.unwrap();
    quarantine.commit(None).await.unwrap()
}

async fn other_half(lake: &TestLake, run: RunId, half: &Replaced, good: &[u64]) -> Result<Replaced, Error> {
    let table = begin(lake, Kind::Table, run);
    let mut table = table.following(half, &lake.lake, &pins()).unwrap();
    let records = placed(
        &rows_batch(good.iter().copied()),
        good.iter().map(|number| line(*number)),
    );
    table.write(&records).await.unwrap();
    table.commit(Some(Inputs { objects: 1, digest: 1 })).await
}

/// A run of the day, as analytics makes it; again if another was faster.
async fn day_of(lake: &TestLake, run: RunId, good: &[u64], bad: &[u64]) {
    let half = half_a_day(lake, run, bad).await;
    let mut done = other_half(lake, run, &half, good).await;
    while let Err(Error::Overtaken { .. }) = done {
        let run = RunId::new();
        let half = half_a_day(lake, run, bad).await;
        done = other_half(lake, run, &half, good).await;
    }
    done.unwrap();
}

fn begin(lake: &TestLake, kind: Kind, run: RunId) -> Replacement {
    let replacement = Replacement::new(&lake.lake, kind, &pins(), day(), TARGET, Settings::default(), noon());
    replacement.unwrap().in_run(run)
}

fn rejected_batch(numbers: &[u64]) -> RecordBatch {
    use arrow::array::{ArrayRef, BinaryArray};
    let columns: Vec<ArrayRef> = vec![
        Arc::new(BinaryArray::from_iter_values(
            numbers.iter().map(|number| format!("bad {number}")),
        )),
        Arc::new(StringArray::from_iter_values(numbers.iter().map(|_| "is no int32"))),
        Arc::new(StringArray::from_iter(numbers.iter().map(|_| None::<&str>))),
    ];
    RecordBatch::try_new(pinlake_lake::quarantine_rows_schema(), columns).unwrap()
}

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

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn replays_beside_everything_else_lose_and_double_nothing() {
    let first: u64 = std::env::var("SEED").map_or(1, |seed| seed.parse().unwrap());
    let rounds: u64 = std::env::var("ROUNDS").map_or(6, |rounds| rounds.parse().unwrap());
    for seed in first..first + rounds {
        println!("seed {seed}; again: SEED={seed} ROUNDS=1 cargo test --workspace --test lake replays_beside");
        beside_everything_else(seed).await;
    }
}

/// A stream whose batches come twice, a day of raw objects that is cleaned again, compactions, and replays of whatever is in
/// quarantine: numbers up to 60 of the stream, from 1001 to 1020 of raw lines.
async fn beside_everything_else(seed: u64) {
    let lake = Arc::new(TestLake::in_memory());
    lake.store.hesitate();
    let mut random = StdRng::seed_from_u64(seed);
    let good: Vec<u64> = (1001..=1020).filter(|number| !even(*number)).collect();
    let bad: Vec<u64> = (1001..=1020).filter(|number| even(*number)).collect();
    day_of(&lake, RunId::new(), &good, &bad).await;
    let mut tasks = Vec::new();
    let mut starts: Vec<u64> = (0..12).map(|batch| batch * 5 + 1).collect();
    if random.random_bool(0.5) {
        // Batches of one source come in order; those of late repeats do not.
        let repeats: Vec<_> = starts.clone();
        starts.extend(repeats);
    }
    let streaming = Arc::clone(&lake);
    tasks.push(tokio::spawn(async move {
        let mut landing = landing(&streaming);
        for start in starts {
            deliver(&mut landing, start..=start + 4, even).await;
        }
    }));
    for _ in 0..2 {
        let (cleaning, good, bad) = (Arc::clone(&lake), good.clone(), bad.clone());
        let again = random.random_range(1..4);
        tasks.push(tokio::spawn(async move {
            for _ in 0..again {
                day_of(&cleaning, RunId::new(), &good, &bad).await;
            }
        }));
    }
    let keeping = Arc::clone(&lake);
    tasks.push(tokio::spawn(async move {
        for _ in 0..4 {
            compact(&keeping, Kind::Table).await;
            compact(&keeping, Kind::Quarantine).await;
        }
    }));
    for _ in 0..3 {
        let replaying = Arc::clone(&lake);
        let seed = random.random();
        tasks.push(tokio::spawn(async move {
            let mut random = StdRng::seed_from_u64(seed);
            for _ in 0..4 {
                replay_some(&replaying, &mut random).await;
            }
        }));
    }
    tasks.shuffle(&mut random);
    for task in tasks {
        task.await.unwrap();
    }
    // What is left goes through now that it is quiet.
    run(&lake, &cleared((1..=60).filter(|number| even(*number)))).await;
    run(&lake, &cleared_raw((1001..=1020).filter(|number| even(*number)))).await;
    let all = numbers((1..=60).chain(1001..=1020));
    assert_eq!(stored(&lake).await, (all.clone(), vec![]), "seed {seed}");
    // Every file that a version names is kept.
    for kind in [Kind::Table, Kind::Quarantine] {
        let upkeep = Upkeep::new(&lake.lake, kind, &name()).unwrap();
        let far = Utc::now() + TimeDelta::days(30);
        upkeep.vacuum(TimeDelta::days(7), far, false).await.unwrap();
    }
    assert_eq!(stored(&lake).await, (all, vec![]), "seed {seed}");
}

/// Some of what is in quarantine, or was a moment ago.
async fn replay_some(lake: &TestLake, random: &mut StdRng) {
    let mut found = lake_numbers(lake, Kind::Quarantine).await;
    found.shuffle(random);
    found.truncate(random.random_range(1..40));
    let (of_stream, of_raw): (Vec<_>, Vec<_>) = found.into_iter().partition(|number| *number < 1000);
    run(lake, &cleared(of_stream)).await;
    run(lake, &cleared_raw(of_raw)).await;
}
