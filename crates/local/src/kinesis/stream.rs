//! A stream and its shards, as they stand in memory.

use std::{
    ops::RangeInclusive,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::watch;

use super::{sequence::SequenceNumber, shards::Shards};

/// A stream, with the state of its shards in memory.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) name: String,
    pub(super) id: u64,
    pub(super) made_ms: i64,
    pub(super) retention_hours: u32,
    pub(super) is_on_demand: bool,
    /// Changes when shards are split or merged; the shards themselves stay.
    shards: watch::Sender<Arc<Shards>>,
}

/// A shard's state in memory; what counts is on disk.
#[derive(Debug)]
pub(crate) struct Shard {
    /// The stream's id.
    pub(super) stream: u64,
    /// Its number in the stream, in the order in which shards were opened.
    pub(crate) number: u32,
    pub(super) birth: Birth,
    /// Changes once that is on disk, so who is told of a record can read it.
    state: watch::Sender<State>,
    /// The index of the oldest record that has not been trimmed away.
    pub(super) head: AtomicU64,
}

/// What a shard began with and keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Birth {
    /// Milliseconds since 1970.
    pub(super) made_ms: i64,
    /// Whose hash keys it took over: none, the one shard that was split, or the two that were merged.
    pub(super) parents: Vec<u32>,
    pub(super) hash_keys: RangeInclusive<u128>,
}

/// What changes of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    /// The index that the next record will have, or would have.
    pub(crate) tail: u64,
    /// Milliseconds since 1970.
    pub(super) last_arrival_ms: i64,
    /// When it was split or merged, in milliseconds since 1970: it takes no records since then.
    pub(super) closed_ms: Option<i64>,
}

impl Stream {
    pub(super) fn new(
        name: &str,
        id: u64,
        made_ms: i64,
        retention_hours: u32,
        is_on_demand: bool,
        shards: Vec<Shard>,
    ) -> Self {
        let shards = Shards::new(shards.into_iter().map(Arc::new).collect());
        Self {
            name: name.to_owned(),
            id,
            made_ms,
            retention_hours,
            is_on_demand,
            shards: watch::Sender::new(Arc::new(shards)),
        }
    }

    /// The shards as they are now.
    pub(crate) fn shards(&self) -> Arc<Shards> {
        Arc::clone(&self.shards.borrow())
    }

    /// Tells of new shards.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<Shards>> {
        self.shards.subscribe()
    }

    /// Shards have been split or merged, on disk.
    pub(super) fn replace_shards(&self, shards: Shards) {
        self.shards.send_replace(Arc::new(shards));
    }
}

impl Shard {
    pub(super) fn new(stream: u64, number: u32, birth: Birth, state: State, head: u64) -> Self {
        Self {
            stream,
            number,
            birth,
            state: watch::Sender::new(state),
            head: AtomicU64::new(head),
        }
    }

    /// A shard without records.
    pub(super) fn empty(stream: u64, number: u32, birth: Birth, now_ms: i64) -> Self {
        let state = State {
            tail: 0,
            last_arrival_ms: now_ms,
            closed_ms: None,
        };
        Self::new(stream, number, birth, state, 0)
    }

    /// The numbers of the shards whose hash keys it took over, which are lower than its own.
    pub(crate) fn parents(&self) -> &[u32] {
        &self.birth.parents
    }

    pub(crate) fn state(&self) -> State {
        *self.state.borrow()
    }

    /// The index that the next record will have.
    pub(crate) fn tail(&self) -> u64 {
        self.state().tail
    }

    /// Tells of new records, and of the end.
    pub(crate) fn subscribe(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Records up to `tail` are on disk.
    pub(super) fn advance(&self, tail: u64, last_arrival_ms: i64) {
        self.state.send_modify(|state| {
            state.tail = tail;
            state.last_arrival_ms = last_arrival_ms;
        });
    }

    /// The shard takes no more records, which is on disk.
    pub(super) fn close(&self, at_ms: i64) {
        self.state.send_modify(|state| state.closed_ms = Some(at_ms));
    }

    /// The index of the oldest record.
    pub(crate) fn head(&self) -> u64 {
        self.head.load(Ordering::Acquire)
    }

    pub(crate) fn sequence_number(&self, index: u64, arrived_ms: i64) -> SequenceNumber {
        let seconds = |ms: i64| u64::try_from(ms / 1000).unwrap_or_default();
        SequenceNumber::new(seconds(self.birth.made_ms), self.number, index, seconds(arrived_ms))
    }

    /// The sequence number that the shard began with: lower than that of any record in it, as on AWS.
    pub(super) fn first_sequence_number(&self) -> SequenceNumber {
        self.sequence_number(0, 0)
    }

    /// The sequence number that a closed shard ended with: higher than that of any record in it, as on AWS.
    pub(super) fn last_sequence_number(&self) -> Option<SequenceNumber> {
        let closed_ms = self.state().closed_ms?;
        Some(self.sequence_number(u64::MAX >> 1, closed_ms))
    }
}

impl State {
    /// Whether nothing will ever come at or after an index.
    pub(crate) fn ends_at(&self, index: u64) -> bool {
        self.closed_ms.is_some() && index >= self.tail
    }
}
