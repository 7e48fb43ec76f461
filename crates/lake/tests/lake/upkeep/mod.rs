//! Upkeep of one table.

mod compaction;
mod deletion;
mod races;

use std::num::NonZeroU32;

use arrow::array::RecordBatch;
use bytes::Bytes;
use chrono::{DateTime, NaiveDate, Utc};
use futures::TryStreamExt as _;
use object_store::{ObjectStoreExt as _, path::Path};
use pinlake_lake::{
    Compaction, Inputs, Kind, ORIGIN, Replacement, Settings, State, Table, Upkeep, read_table, with_bookkeeping,
};
use serde_json::Value;

use crate::support::{TestLake, append, handle, name, noon, pins, rows_batch, texts};

const TARGET: u64 = 1 << 20;
const TRIES: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);

fn upkeep(lake: &TestLake) -> Upkeep {
    Upkeep::new(&lake.lake, Kind::Table, &name()).unwrap()
}

async fn look(upkeep: &Upkeep) -> State {
    upkeep.look().await.unwrap().unwrap()
}

/// Compacts what there is to compact, and says what became of each bin.
async fn compact(lake: &TestLake, now: DateTime<Utc>) -> Vec<Compaction> {
    let upkeep = upkeep(lake);
    let mut state = look(&upkeep).await;
    let mut done = Vec::new();
    for bin in state.bins(TARGET) {
        done.push(upkeep.compact(&mut state, &bin, TRIES, now).await.unwrap());
    }
    done
}

/// A table of `count` files with a row each: numbers from 1 on.
async fn small_files(lake: &TestLake, count: u64) -> Table {
    let mut table = handle(lake);
    for number in 1..=count {
        append(&mut table, [number]).await.unwrap();
    }
    table
}

/// The lines of a commit.
async fn commit(lake: &TestLake, version: u64) -> Vec<Value> {
    let body = lake.lake.store().get(&log_file(lake, version)).await.unwrap();
    let text = String::from_utf8(body.bytes().await.unwrap().to_vec()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn log_file(lake: &TestLake, version: u64) -> Path {
    lake.lake
        .folder(Kind::Table, &name())
        .join("_delta_log")
        .join(format!("{version:020}.json"))
}

/// What `add` says in a commit that has one.
fn added(lines: &[Value]) -> Value {
    lines.iter().find_map(|line| line.get("add").cloned()).unwrap()
}

fn body(lines: &[Value]) -> Bytes {
    let lines: Vec<_> = lines.iter().map(Value::to_string).collect();
    Bytes::from(lines.join("\n"))
}

/// The keys below the table's folder.
async fn keys(lake: &TestLake) -> Vec<String> {
    let folder = lake.lake.folder(Kind::Table, &name());
    let objects: Vec<_> = lake.lake.store().list(Some(&folder)).try_collect().await.unwrap();
    objects.iter().map(|object| object.location.to_string()).collect()
}

/// Rows for noon's day of the batch path, a file for each.
fn replacement(lake: &TestLake) -> Replacement {
    let day = NaiveDate::from_ymd_opt(2023, 11, 14).unwrap();
    Replacement::new(&lake.lake, Kind::Table, &pins(), day, 1, Settings::default(), noon()).unwrap()
}

fn raw_row(number: u64) -> RecordBatch {
    let origins = arrow::array::StringArray::from(vec![format!("raw/pin/object.gz#{number}")]);
    with_bookkeeping(&rows_batch([number]), vec![noon().timestamp_micros()], origins).unwrap()
}

/// Replaces noon's day of the batch path by these rows, a file each.
async fn replace(lake: &TestLake, numbers: std::ops::Range<u64>) {
    let mut replacement = replacement(lake);
    for number in numbers {
        replacement.write(&raw_row(number)).await.unwrap();
    }
    let inputs = Inputs { objects: 1, digest: 1 };
    replacement.commit(Some(inputs)).await.unwrap();
}

/// The rows of the batch path.
async fn raw_lines(lake: &TestLake) -> Vec<String> {
    let batches = read_table(&lake.lake, Kind::Table, &name()).await.unwrap();
    let mut lines: Vec<_> = texts(&batches, ORIGIN).into_iter().flatten().collect();
    lines.retain(|origin| origin.starts_with("raw/"));
    lines.sort();
    lines
        .iter()
        .map(|origin| origin.rsplit('#').next().unwrap().to_owned())
        .collect()
}
