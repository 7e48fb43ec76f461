//! Rows of the quarantine on their way to the table: each in one of the two in the end, once, whatever gets in between.

mod beside;
mod days;
mod moving;

use std::{collections::BTreeSet, num::NonZeroU32, sync::Arc};

use arrow::array::{AsArray as _, RecordBatch, StringArray};
use chrono::NaiveDate;
use pinlake_lake::{
    Batch, Cleared, Error, Inputs, Kind, Landing, Moved, ORIGIN, Replaced, Replacement, Replay, RunId, Settings,
    Upkeep, Way, read_table, with_bookkeeping,
};

use crate::support::{TestLake, name, noon, number, pins, rejected, rows, rows_batch, source};

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
