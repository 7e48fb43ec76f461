//! The commit of a compaction: a new file for a bin's files.
//!
//! It is won as an append is, by creating the next version. A version that others took is read: if it removed one of the
//! bin's files or changed the schema, the compaction is off; an append does neither, and the next version is tried.

use std::num::NonZeroU32;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use deltalake_core::kernel::{Action, Add, Remove};
use serde_json::json;
use uuid::Uuid;

use crate::{
    backoff, commit,
    error::Error,
    log::{Log, Put},
    upkeep::{plan::Bin, rewrite::Rewritten, state::State},
};

/// What became of it.
#[derive(Debug)]
pub(crate) enum Swap {
    Done {
        version: u64,
        conflicts: u32,
    },
    /// The new file is in no version and never will be.
    Refused,
}

/// # Errors
/// Whether the new file is in the table is not known then.
pub(crate) async fn swap(
    log: &Log,
    table: &str,
    state: &mut State,
    bin: &Bin,
    file: &Rewritten,
    tries: NonZeroU32,
    now: DateTime<Utc>,
) -> Result<Swap, Error> {
    let id = Uuid::new_v4().to_string();
    let body = body(bin, file, &id, now).map_err(|source| Error::Commit {
        table: table.to_owned(),
        version: state.version() + 1,
        source,
    })?;
    let mut failure = None;
    for tried in 0..tries.get() {
        if tried > 0 {
            backoff::wait(tried - 1).await;
        }
        let version = state.version() + 1;
        let put = log.put(version, body.clone()).await;
        if matches!(put, Put::Done) {
            state.swapped(bin);
            return Ok(Swap::Done {
                version,
                conflicts: tried,
            });
        }
        // The answer may have been lost, and the version be ours.
        let mut ours = None;
        let seen = |seen: u64, by: Option<&str>| {
            if by == Some(id.as_str()) {
                ours = Some(seen);
            }
        };
        state.catch_up(log, seen).await?;
        if let Some(version) = ours {
            return Ok(Swap::Done {
                version,
                conflicts: tried,
            });
        }
        // Only a version of somebody else can have forbidden it, and so the one that was tried is not ours.
        if !state.allows(bin) {
            return Ok(Swap::Refused);
        }
        failure = match put {
            Put::Unknown(error) => Some(error),
            Put::Done | Put::Taken => None,
        };
    }
    Err(failure.unwrap_or_else(|| Error::Contention {
        table: table.to_owned(),
        tries: tries.get(),
    }))
}

fn body(bin: &Bin, file: &Rewritten, id: &str, now: DateTime<Utc>) -> Result<Bytes, serde_json::Error> {
    let mut head = commit::info("OPTIMIZE", json!({"predicate": "[]"}), id, now);
    head["commitInfo"]["operationMetrics"] = json!({
        "numRemovedFiles": bin.files().to_string(),
        "numRemovedBytes": bin.size_bytes().to_string(),
        "numAddedFiles": "1",
        "numAddedBytes": file.size_bytes.to_string(),
    });
    let removed = bin.files.iter().map(|old| {
        serde_json::to_value(Action::Remove(Remove {
            deletion_timestamp: Some(now.timestamp_millis()),
            ..old.remove.clone()
        }))
    });
    let added = serde_json::to_value(Action::Add(Add {
        path: file.path.to_string(),
        partition_values: bin.partition.clone().into_iter().collect(),
        size: i64::try_from(file.size_bytes).unwrap_or(i64::MAX),
        modification_time: now.timestamp_millis(),
        // The rows are the ones that were there: readers of changes see none.
        data_change: false,
        stats: Some(file.statistics.clone()),
        ..Add::default()
    }))?;
    let removed = removed.collect::<Result<Vec<_>, _>>()?;
    commit::lines([head].into_iter().chain(removed).chain([added]))
}
