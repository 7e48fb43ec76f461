//! Winning the next version of a table, with a change that depends on the version before it.
//!
//! ```text
//! what is known ─► the change's next commit ─► put version n+1 if absent ─┬─ done
//!       ▲                                                                 │ taken, or no answer
//!       └── read n+1, …: is one of them ours? ◄───────────────────────────┘
//! ```
//!
//! Every writer of a table goes through here: appends, replaced days, compactions, replays. A commit has a mark, by which its
//! writer knows it again when the answer to its put was lost. As long as a put with an unknown outcome may still be carried
//! out, its files are *in doubt* and are not deleted.
//!
//! # Invariants
//! - Of one change one commit comes into being (`a_lost_answer_is_no_second_commit`, `a_lost_answer_is_no_second_day`,
//!   `a_lost_answer_moves_nothing_twice`, `nothing_is_lost_and_nothing_is_doubled` in `tests/faults`).
//! - A file that a version may name is not deleted.

use std::num::NonZeroU32;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    backoff,
    error::Error,
    head::Head,
    log::{Log, Put},
    place::Place,
};

/// A version of a table, and how to learn of the ones after it.
pub(crate) trait Base: Send {
    /// What a change has to know of the version.
    type Known: Sync;

    fn table(&self) -> &str;

    fn log(&self) -> &Log;

    fn version(&self) -> u64;

    fn known(&self) -> &Self::Known;

    /// Takes over the commits after the version, one by one; `seen` is told each one's version and mark beforehand.
    fn catch_up(
        &mut self,
        seen: impl FnMut(u64, Option<&str>) + Send,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// The next version exists and cannot be read: the log was cleaned up behind our back. Reads the newest.
    fn reopen(&mut self) -> impl Future<Output = Result<(), Error>> + Send;
}

/// A change to a table.
pub(crate) trait Change<K>: Send {
    /// What the version after the known one is to say, in a commit marked `id`; `None` if nothing is to be changed. What an
    /// earlier try has uploaded may be deleted if `may_delete`.
    fn next(
        &mut self,
        known: &K,
        id: &str,
        may_delete: bool,
    ) -> impl Future<Output = Result<Option<Bytes>, Error>> + Send;

    /// Deletes what was uploaded: no version holds it.
    fn discard(&mut self) -> impl Future<Output = ()> + Send;
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Won {
    /// The version that did it and its mark; `None` if there was nothing to change.
    pub(crate) commit: Option<(u64, String)>,
    /// How often another writer, or a fault of the store, got in between.
    pub(crate) conflicts: u32,
}

/// Tries the change on version after version. The base knows what others have committed then, and not the version won.
pub(crate) async fn win<B: Base>(
    base: &mut B,
    change: &mut impl Change<B::Known>,
    tries: NonZeroU32,
) -> Result<Won, Error> {
    let mut in_doubt = false;
    let won = try_often(base, change, &mut in_doubt, tries).await;
    let nothing = won.as_ref().is_ok_and(|won| won.commit.is_none());
    if (won.is_err() || nothing) && !in_doubt {
        change.discard().await;
    }
    won
}

async fn try_often<B: Base>(
    base: &mut B,
    change: &mut impl Change<B::Known>,
    in_doubt: &mut bool,
    tries: NonZeroU32,
) -> Result<Won, Error> {
    let (mut failure, mut unexplained, mut ids) = (None, 0, Vec::new());
    let mut won = Won::default();
    for tried in 0..tries.get() {
        if tried > 0 {
            backoff::wait(tried - 1).await;
        }
        let id = Uuid::new_v4().to_string();
        let Some(body) = change.next(base.known(), &id, !*in_doubt).await? else {
            return Ok(won);
        };
        let version = base.version() + 1;
        // Whether the answer comes or not: from here on the version may be ours.
        ids.push(id.clone());
        match base.log().put(version, body).await {
            Put::Done => {
                won.commit = Some((version, id));
                return Ok(won);
            }
            // It may be ours all the same.
            Put::Taken => {
                failure = None;
                unexplained += 1;
            }
            Put::Unknown(error) => failure = Some(error),
        }
        *in_doubt = true;
        won.conflicts += 1;
        let seen = |seen, by: Option<&str>| {
            if let Some(id) = ids.iter().find(|id| by == Some(id.as_str())) {
                won.commit = Some((seen, id.clone()));
            } else if seen == version {
                // Somebody else has the version that was tried: ours cannot come into being any more.
                *in_doubt = false;
                unexplained = 0;
            }
        };
        base.catch_up(seen).await?;
        if won.commit.is_some() {
            return Ok(won);
        }
        // Once may be two puts that met at the store. Twice means that nobody can tell any more whose the version was.
        if unexplained > 1 {
            base.reopen().await?;
        }
    }
    Err(failure.unwrap_or_else(|| Error::Contention {
        table: base.table().to_owned(),
        tries: tries.get(),
    }))
}

/// A table as its writers know it.
pub(crate) struct Following<'a> {
    pub(crate) place: &'a Place,
    pub(crate) head: Head,
    pub(crate) now: DateTime<Utc>,
}

impl Base for Following<'_> {
    type Known = Head;

    fn table(&self) -> &str {
        self.place.name()
    }

    fn log(&self) -> &Log {
        &self.place.log
    }

    fn version(&self) -> u64 {
        self.head.version
    }

    fn known(&self) -> &Head {
        &self.head
    }

    async fn catch_up(&mut self, seen: impl FnMut(u64, Option<&str>) + Send) -> Result<(), Error> {
        self.place.catch_up(&mut self.head, self.now, seen).await
    }

    async fn reopen(&mut self) -> Result<(), Error> {
        self.head = self.place.open(self.now).await?;
        Ok(())
    }
}
