//! The commit of a compaction: a new file for a bin's files.
//!
//! It is won as an append is, by creating the next version. A version that others took is read: if it removed one of the
//! bin's files or changed the schema, the compaction is off; an append does neither, and the next version is tried.

use std::num::NonZeroU32;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use deltalake_core::kernel::{Action, Add, Remove};
use serde_json::json;

use crate::{
    commit,
    error::Error,
    log::Log,
    upkeep::{plan::Bin, rewrite::Rewritten, state::State},
    win::{Base, Change, win},
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
    let won = win(
        &mut Kept { log, table, state },
        &mut Swapping { table, bin, file, now },
        tries,
    )
    .await?;
    let Some((version, _)) = won.commit else {
        return Ok(Swap::Refused);
    };
    // Unless it was read there.
    if state.version() < version {
        state.swapped(bin);
    }
    Ok(Swap::Done {
        version,
        conflicts: won.conflicts,
    })
}

/// A table as its upkeep knows it.
struct Kept<'a> {
    log: &'a Log,
    table: &'a str,
    state: &'a mut State,
}

impl Base for Kept<'_> {
    type Known = State;

    fn table(&self) -> &str {
        self.table
    }

    fn log(&self) -> &Log {
        self.log
    }

    fn version(&self) -> u64 {
        self.state.version()
    }

    fn known(&self) -> &State {
        self.state
    }

    async fn catch_up(&mut self, seen: impl FnMut(u64, Option<&str>) + Send) -> Result<(), Error> {
        self.state.catch_up(self.log, seen).await
    }

    /// The bins are those of an older version: the next upkeep finds others.
    async fn reopen(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

struct Swapping<'a> {
    table: &'a str,
    bin: &'a Bin,
    file: &'a Rewritten,
    now: DateTime<Utc>,
}

impl Change<State> for Swapping<'_> {
    async fn next(&mut self, state: &State, id: &str, _: bool) -> Result<Option<Bytes>, Error> {
        // Only a version of somebody else can have forbidden it, and so the one that was tried is not ours.
        if !state.allows(self.bin) {
            return Ok(None);
        }
        let body = body(self.bin, self.file, id, self.now);
        body.map(Some).map_err(|source| Error::Commit {
            table: self.table.to_owned(),
            version: state.version() + 1,
            source,
        })
    }

    /// Whoever has written the file deletes it.
    async fn discard(&mut self) {}
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
