//! A token bucket: what a limit "so much a second" lets through.

use tokio::time::Instant;

/// A bucket that holds one second's worth and is full at first.
#[derive(Debug)]
pub(crate) struct Bucket {
    per_second: f64,
    left: f64,
    filled: Instant,
}

impl Bucket {
    pub(crate) fn full(per_second: f64, now: Instant) -> Self {
        Self {
            per_second,
            left: per_second,
            filled: now,
        }
    }

    /// Whether so much is in it now.
    pub(crate) fn has(&mut self, amount: f64, now: Instant) -> bool {
        let elapsed = now.duration_since(self.filled).as_secs_f64();
        self.filled = now;
        self.left = (self.left + elapsed * self.per_second).min(self.per_second);
        self.left >= amount
    }

    /// Takes out what is known to be in it.
    pub(crate) fn take(&mut self, amount: f64) {
        self.left -= amount;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_bucket_empties_and_fills() {
        let start = Instant::now();
        let mut bucket = Bucket::full(1000.0, start);
        let mut taken = |amount: f64, now| {
            let has = bucket.has(amount, now);
            if has {
                bucket.take(amount);
            }
            has
        };
        assert_eq!((0..1500).filter(|_| taken(1.0, start)).count(), 1000);
        let later = start + Duration::from_millis(500);
        assert_eq!((0..1500).filter(|_| taken(1.0, later)).count(), 500);
        let much_later = start + Duration::from_secs(60);
        assert!(
            !taken(1001.0, much_later),
            "a bucket holds no more than a second's worth"
        );
        assert!(taken(1000.0, much_later));
        assert!(!taken(1.0, much_later));
    }
}
