//! How often and how long a request is sent again.

use std::time::Duration;

use rand::RngExt;

/// The bounds for sending again: whichever is reached first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Tries in all, the first among them. 1: nothing is sent again.
    pub tries: u32,
    /// No try begins later than this after the first one.
    pub patience: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            tries: 8,
            patience: Duration::from_secs(120),
        }
    }
}

const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);

impl Retry {
    /// How long to wait after a try (the first is 0) before the next; `None` when it was the last. `asked` is what the
    /// service asked for, `passed` the time since the first try began.
    pub(super) fn pause(&self, attempt: u32, asked: Option<Duration>, passed: Duration) -> Option<Duration> {
        if attempt.saturating_add(1) >= self.tries {
            return None;
        }
        let pause = backoff(attempt, asked);
        (passed.saturating_add(pause) <= self.patience).then_some(pause)
    }
}

/// Full jitter (any pause up to the bound), but never sooner than the service asked for.
fn backoff(attempt: u32, asked: Option<Duration>) -> Duration {
    let bound = FIRST_BACKOFF
        .saturating_mul(2_u32.saturating_pow(attempt))
        .min(LONGEST_BACKOFF);
    let jitter = bound.mul_f64(rand::rng().random_range(0.0..1.0));
    asked.unwrap_or_default().saturating_add(jitter)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_pause_is_never_shorter_than_asked_for() {
        for attempt in 0..40 {
            let pause = backoff(attempt, Some(5 * SECOND));
            assert!(pause >= 5 * SECOND && pause <= 5 * SECOND + LONGEST_BACKOFF);
        }
    }

    #[test]
    fn the_tries_are_counted() {
        let pause = |tries, attempt| {
            let retry = Retry {
                tries,
                ..Retry::default()
            };
            retry.pause(attempt, None, SECOND)
        };
        assert_eq!(pause(1, 0), None);
        assert!(pause(3, 1).is_some());
        assert_eq!(pause(3, 2), None);
    }

    #[test]
    fn no_try_begins_after_the_patience_is_over() {
        let retry = Retry {
            tries: 100,
            patience: 60 * SECOND,
        };
        assert!(retry.pause(0, Some(9 * SECOND), 50 * SECOND).is_some());
        assert_eq!(retry.pause(0, Some(11 * SECOND), 50 * SECOND), None);
        assert_eq!(retry.pause(0, Some(Duration::MAX), SECOND), None);
    }
}
