//! Winning the next version of a table with a change that depends on the version before it.

use std::num::NonZeroU32;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{backoff, error::Error, head::Head, log::Put, place::Place};

/// A change to a table.
pub(super) trait Change {
    /// What the version after `head` is to say, in a commit marked `id`; `None` if nothing is to be changed. What an
    /// earlier try has uploaded may be deleted if `may_delete`.
    fn next(
        &mut self,
        head: &Head,
        id: &str,
        may_delete: bool,
    ) -> impl Future<Output = Result<Option<Bytes>, Error>> + Send;

    /// Deletes what was uploaded: no version holds it.
    fn discard(&mut self) -> impl Future<Output = ()> + Send;
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Won {
    /// The mark of the commit that did it; `None` if there was nothing to change.
    pub(super) id: Option<String>,
    /// How often another writer, or a fault of the store, got in between.
    pub(super) conflicts: u32,
}

/// Tries the change on version after version.
pub(super) async fn win(
    place: &Place,
    mut head: Head,
    change: &mut impl Change,
    tries: NonZeroU32,
    now: DateTime<Utc>,
) -> Result<Won, Error> {
    let mut in_doubt = false;
    let won = try_often(place, &mut head, change, &mut in_doubt, tries, now).await;
    let nothing = won.as_ref().is_ok_and(|won| won.id.is_none());
    if (won.is_err() || nothing) && !in_doubt {
        change.discard().await;
    }
    won
}

async fn try_often(
    place: &Place,
    head: &mut Head,
    change: &mut impl Change,
    in_doubt: &mut bool,
    tries: NonZeroU32,
    now: DateTime<Utc>,
) -> Result<Won, Error> {
    let (mut failure, mut unexplained, mut ids) = (None, 0, Vec::new());
    let mut won = Won::default();
    for tried in 0..tries.get() {
        if tried > 0 {
            backoff::wait(tried - 1).await;
        }
        let id = Uuid::new_v4().to_string();
        let Some(body) = change.next(head, &id, !*in_doubt).await? else {
            return Ok(won);
        };
        let version = head.version + 1;
        // Whether the answer comes or not: from here on the version may be ours.
        ids.push(id.clone());
        match place.log.put(version, body).await {
            Put::Done => {
                won.id = Some(id);
                return Ok(won);
            }
            Put::Taken => {
                failure = None;
                unexplained += 1;
            }
            Put::Unknown(error) => failure = Some(error),
        }
        *in_doubt = true;
        won.conflicts += 1;
        let before = head.version;
        let seen = |_, by: Option<&str>| {
            if let Some(id) = ids.iter().find(|id| by == Some(id.as_str())) {
                won.id = Some(id.clone());
            }
        };
        place.catch_up(head, now, seen).await?;
        if won.id.is_some() {
            return Ok(won);
        }
        if head.version > before {
            // Somebody else has the version that was tried: ours cannot come into being any more.
            *in_doubt = false;
            unexplained = 0;
        }
        // The version exists and cannot be read: the log was cleaned up behind our back.
        if unexplained > 1 {
            *head = place.open(now).await?;
        }
    }
    Err(failure.unwrap_or_else(|| Error::Contention {
        table: place.name().to_owned(),
        tries: tries.get(),
    }))
}
