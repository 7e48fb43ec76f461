//! A stream and its shards, as they stand in memory.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use super::{hash::HashKeys, sequence::SequenceNumber};

/// A stream, with the state of its shards in memory.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) name: String,
    pub(super) id: u64,
    pub(super) made_ms: i64,
    pub(super) retention_hours: u32,
    pub(crate) shards: Vec<Shard>,
    pub(super) is_on_demand: bool,
}

/// A shard's state in memory; what counts is on disk.
#[derive(Debug)]
pub(crate) struct Shard {
    /// The index that the next record will have. Changes once the record is on disk, so who is told can read it.
    tail: watch::Sender<u64>,
    /// The index of the oldest record that has not been trimmed away.
    pub(super) head: AtomicU64,
}

impl Stream {
    pub(super) fn hash_keys(&self) -> HashKeys {
        HashKeys::new(self.shards.len() as u32)
    }

    pub(crate) fn sequence_number(&self, shard: u32, index: u64, arrived_ms: i64) -> SequenceNumber {
        let seconds = |ms: i64| u64::try_from(ms / 1000).unwrap_or_default();
        SequenceNumber::new(seconds(self.made_ms), shard, index, seconds(arrived_ms))
    }

    /// The sequence number that a shard began with.
    pub(super) fn first_sequence_number(&self, shard: u32) -> SequenceNumber {
        self.sequence_number(shard, 0, self.made_ms)
    }
}

impl Shard {
    pub(super) fn new(tail: u64, head: u64) -> Self {
        let (tail, _) = watch::channel(tail);
        Self {
            tail,
            head: AtomicU64::new(head),
        }
    }

    /// The index that the next record will have.
    pub(crate) fn tail(&self) -> u64 {
        *self.tail.borrow()
    }

    /// Tells of new records.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.tail.subscribe()
    }

    /// Records up to `tail` are on disk.
    pub(super) fn advance(&self, tail: u64) {
        self.tail.send_replace(tail);
    }

    /// The index of the oldest record.
    pub(crate) fn head(&self) -> u64 {
        self.head.load(Ordering::Acquire)
    }
}
