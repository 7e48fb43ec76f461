//! What a delivery stream takes by Direct PUT: 1 MiB/s, 1,000 requests/s and 100,000 records/s, as token buckets
//! that hold one second's worth. It is the quota of most regions; us-east-1 has five times as many bytes.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use tokio::time::Instant;

use crate::bucket::Bucket;

/// How much a delivery stream takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Throughput {
    /// All that comes.
    #[default]
    Unlimited,
    /// AWS's quota: what is beyond is refused with `ServiceUnavailableException`, a whole request or record by record.
    Quota,
}

const BYTES_PER_SECOND: f64 = 1024.0 * 1024.0;
const REQUESTS_PER_SECOND: f64 = 1_000.0;
const RECORDS_PER_SECOND: f64 = 100_000.0;

/// The buckets of all streams.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    throughput: Throughput,
    buckets: Mutex<HashMap<u64, Buckets>>,
}

#[derive(Debug)]
struct Buckets {
    bytes: Bucket,
    requests: Bucket,
    records: Bucket,
}

impl Throttle {
    pub(super) fn new(throughput: Throughput) -> Self {
        Self {
            throughput,
            buckets: Mutex::default(),
        }
    }

    /// Whether a stream takes another request now.
    pub(super) fn admits_request(&self, stream: u64) -> bool {
        self.admits(stream, Instant::now(), |buckets, now| {
            let is_enough = buckets.requests.has(1.0, now);
            if is_enough {
                buckets.requests.take(1.0);
            }
            is_enough
        })
    }

    /// Whether a stream takes another record of this size now.
    pub(super) fn admits_record(&self, stream: u64, bytes: usize) -> bool {
        self.admits(stream, Instant::now(), |buckets, now| {
            buckets.take_record(bytes as f64, now)
        })
    }

    fn admits(&self, stream: u64, now: Instant, take: impl FnOnce(&mut Buckets, Instant) -> bool) -> bool {
        if self.throughput == Throughput::Unlimited {
            return true;
        }
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        take(buckets.entry(stream).or_insert_with(|| Buckets::full(now)), now)
    }
}

impl Buckets {
    fn full(now: Instant) -> Self {
        Self {
            bytes: Bucket::full(BYTES_PER_SECOND, now),
            requests: Bucket::full(REQUESTS_PER_SECOND, now),
            records: Bucket::full(RECORDS_PER_SECOND, now),
        }
    }

    fn take_record(&mut self, size: f64, now: Instant) -> bool {
        // Both are asked, for asking fills.
        let is_enough = self.bytes.has(size, now) & self.records.has(1.0, now);
        if is_enough {
            self.bytes.take(size);
            self.records.take(1.0);
        }
        is_enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_takes_its_quota_in_a_second() {
        let now = Instant::now();
        let mut buckets = Buckets::full(now);
        let admitted = (0..20).filter(|_| buckets.take_record(200_000.0, now)).count();
        assert_eq!(admitted, 5);

        let throttle = Throttle::new(Throughput::Quota);
        let refused = (0..1_000_000).any(|_| !throttle.admits_request(0));
        assert!(refused, "a million requests at once pass");
        assert!(Throttle::default().admits_request(0));
    }
}
