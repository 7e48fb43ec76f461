//! What a provisioned shard takes: 1 MB/s and 1,000 records/s, as a token bucket that holds one second's worth.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::time::Instant;

use crate::bucket::Bucket;

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
    /// Bytes and records.
    buckets: Mutex<HashMap<(u64, u32), (Bucket, Bucket)>>,
    chance: Mutex<StdRng>,
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

    /// Takes a record's worth out of a shard's buckets; false if there is not enough in them.
    fn has_room(&self, stream: u64, shard: u32, bytes: usize) -> bool {
        self.has_room_at(stream, shard, bytes as f64, Instant::now())
    }

    fn has_room_at(&self, stream: u64, shard: u32, size: f64, now: Instant) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let (bytes, records) = buckets.entry((stream, shard)).or_insert_with(|| {
            (
                Bucket::full(BYTES_PER_SECOND, now),
                Bucket::full(RECORDS_PER_SECOND, now),
            )
        });
        // Both are asked, for asking fills.
        let is_enough = bytes.has(size, now) & records.has(1.0, now);
        if is_enough {
            bytes.take(size);
            records.take(1.0);
        }
        is_enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_takes_a_thousand_records_or_a_mebibyte_a_second() {
        let throttle = Throttle::new(Throughput::Provisioned);
        let now = Instant::now();
        let admitted = |shard, size| (0..1500).filter(|_| throttle.has_room_at(0, shard, size, now)).count();
        assert_eq!(admitted(0, 1.0), 1000);
        assert_eq!(admitted(1, 10_240.0), 102);
    }
}
