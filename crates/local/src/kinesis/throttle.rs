//! What a provisioned shard takes: 1 MB/s and 1,000 records/s, as a token bucket that holds one second's worth.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::time::Instant;

/// How much a shard takes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Throughput {
    /// All that comes.
    #[default]
    Unlimited,
    /// 1 MB/s and 1,000 records/s a shard, as AWS has it; what is beyond is refused record by record.
    Provisioned,
    /// By chance, record by record: equal seeds give equal refusals to equal sequences of records.
    Chance {
        /// What is drawn from.
        seed: u64,
        /// How many of the records are refused, from 0 to 1.
        refused: f64,
    },
}

/// 1 MB/s is 1 MiB/s in practice.
const BYTES_PER_SECOND: f64 = 1024.0 * 1024.0;
const RECORDS_PER_SECOND: f64 = 1000.0;

/// The buckets of all shards.
#[derive(Debug)]
pub(super) struct Throttle {
    throughput: Throughput,
    buckets: Mutex<HashMap<(u64, u32), Bucket>>,
    chance: Mutex<StdRng>,
}

#[derive(Debug)]
struct Bucket {
    bytes: f64,
    records: f64,
    filled: Instant,
}

impl Throttle {
    pub(super) fn new(throughput: Throughput) -> Self {
        let seed = match throughput {
            Throughput::Chance { seed, .. } => seed,
            Throughput::Unlimited | Throughput::Provisioned => 0,
        };
        Self {
            throughput,
            buckets: Mutex::default(),
            chance: Mutex::new(StdRng::seed_from_u64(seed)),
        }
    }

    /// Whether a shard takes a record of so many bytes now.
    pub(super) fn admits(&self, stream: u64, shard: u32, bytes: usize) -> bool {
        match self.throughput {
            Throughput::Unlimited => true,
            Throughput::Provisioned => self.has_room(stream, shard, bytes),
            Throughput::Chance { refused, .. } => {
                let mut chance = self.chance.lock().unwrap_or_else(PoisonError::into_inner);
                chance.random_range(0.0..1.0) >= refused
            }
        }
    }

    /// Takes a record's worth out of a shard's bucket; false if there is not enough in it.
    fn has_room(&self, stream: u64, shard: u32, bytes: usize) -> bool {
        let now = Instant::now();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets
            .entry((stream, shard))
            .or_insert_with(|| Bucket::full(now))
            .take(bytes as f64, now)
    }
}

impl Bucket {
    fn full(now: Instant) -> Self {
        Self {
            bytes: BYTES_PER_SECOND,
            records: RECORDS_PER_SECOND,
            filled: now,
        }
    }

    fn take(&mut self, bytes: f64, now: Instant) -> bool {
        let elapsed = now.duration_since(self.filled).as_secs_f64();
        self.filled = now;
        self.bytes = (self.bytes + elapsed * BYTES_PER_SECOND).min(BYTES_PER_SECOND);
        self.records = (self.records + elapsed * RECORDS_PER_SECOND).min(RECORDS_PER_SECOND);
        let is_enough = self.records >= 1.0 && self.bytes >= bytes;
        if is_enough {
            self.records -= 1.0;
            self.bytes -= bytes;
        }
        is_enough
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_bucket_empties_and_fills() {
        let start = Instant::now();
        let mut bucket = Bucket::full(start);
        assert_eq!((0..1500).filter(|_| bucket.take(1.0, start)).count(), 1000);
        let later = start + Duration::from_millis(500);
        assert_eq!((0..1500).filter(|_| bucket.take(1.0, later)).count(), 500);
        let much_later = start + Duration::from_secs(60);
        assert!(bucket.take(1024.0 * 1024.0, much_later));
        assert!(!bucket.take(1.0, much_later));
    }
}
