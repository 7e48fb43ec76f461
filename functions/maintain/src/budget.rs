//! How much time there is, and how much a compaction will take of it.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};

/// What a compaction is taken to do at least until one was measured, in bytes a second.
const FIRST_GUESS: f64 = 4_000_000.0;
/// What any compaction costs: the requests.
const FIXED: Duration = Duration::from_millis(500);
/// Compactions differ, so one is begun only if it could take so many times what is expected.
const CAUTION: f64 = 1.5;
/// The part of the time that compaction leaves to the cheaper steps after it.
const RESERVE: f64 = 0.2;

/// The time of a run.
#[derive(Debug)]
pub(crate) struct Budget {
    now: DateTime<Utc>,
    started: Instant,
    total: Duration,
}

impl Budget {
    /// From `now` to `deadline`; nothing if that is over.
    pub(crate) fn new(now: DateTime<Utc>, deadline: DateTime<Utc>) -> Self {
        Self {
            now,
            started: Instant::now(),
            total: (deadline - now).to_std().unwrap_or_default(),
        }
    }

    /// What time it is.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.now + TimeDelta::from_std(self.spent()).unwrap_or_default()
    }

    pub(crate) fn spent(&self) -> Duration {
        self.started.elapsed()
    }

    /// What is left.
    pub(crate) fn left(&self) -> Duration {
        self.total.saturating_sub(self.spent())
    }

    /// What is left to compaction.
    pub(crate) fn left_to_compaction(&self) -> Duration {
        self.left().saturating_sub(self.total.mul_f64(RESERVE))
    }
}

/// How fast compactions have been so far.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    bytes: u64,
    took: Duration,
}

impl Pace {
    pub(crate) fn measured(&mut self, bytes: u64, took: Duration) {
        self.bytes += bytes;
        self.took += took;
    }

    /// Whether a compaction of so many bytes should be begun with so much time left.
    pub(crate) fn fits(&self, bytes: u64, left: Duration) -> bool {
        left >= (FIXED + self.expected(bytes)).mul_f64(CAUTION)
    }

    fn expected(&self, bytes: u64) -> Duration {
        let measured = if self.bytes == 0 {
            1.0 / FIRST_GUESS
        } else {
            self.took.as_secs_f64() / self.bytes as f64
        };
        Duration::from_secs_f64(bytes as f64 * measured)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn an_unmeasured_compaction_is_guessed_at() {
        let pace = Pace::default();
        // 8 MB at 4 MB/s, half a second of requests, and half as much again.
        assert!(pace.fits(8_000_000, SECOND * 4));
        assert!(!pace.fits(8_000_000, SECOND * 3));
        assert!(!pace.fits(1, Duration::ZERO));
    }

    #[test]
    fn what_was_measured_counts() {
        let mut pace = Pace::default();
        pace.measured(1_000_000, SECOND);
        pace.measured(3_000_000, SECOND);
        // 2 MB/s over both.
        assert!(pace.fits(4_000_000, SECOND * 4));
        assert!(!pace.fits(8_000_000, SECOND * 6));
    }

    #[test]
    fn compaction_leaves_a_fifth() {
        let (now, seconds) = (DateTime::UNIX_EPOCH, TimeDelta::seconds);
        let budget = Budget::new(now, now + seconds(100));
        assert!(budget.left_to_compaction() <= SECOND * 80 && budget.left() > SECOND * 80);
        let over = Budget::new(now, now - seconds(1));
        assert_eq!(
            (over.left(), over.left_to_compaction()),
            (Duration::ZERO, Duration::ZERO)
        );
    }
}
