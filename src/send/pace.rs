//! How fast rows leave: so many a second, evenly.

use std::time::Duration;

/// A pace. Time is an argument, counted from any one moment on.
#[derive(Debug)]
pub(super) struct Pace {
    /// Rows per second; `None`: as fast as they are taken.
    rate: Option<f64>,
    /// When the next row is due.
    due: Duration,
}

/// Rows go out together in rounds, so many a second, that a high rate need not mean a request per row.
const ROUNDS_PER_SECOND: f64 = 10.0;
/// What a slow answer held up is made up for to this extent; after a longer stop nobody wants the flood.
const MOST_BEHIND: Duration = Duration::from_secs(1);

impl Pace {
    /// A pace of so many rows per second, more than 0.
    pub(super) fn new(rate: Option<f64>) -> Self {
        Self {
            rate,
            due: Duration::ZERO,
        }
    }

    /// How many rows to send together at most.
    pub(super) fn rows_per_round(&self) -> usize {
        // A float beyond usize becomes its largest.
        self.rate
            .map_or(usize::MAX, |rate| (rate / ROUNDS_PER_SECOND).ceil().max(1.0) as usize)
    }

    /// How long to wait at `now` before so many rows may go.
    pub(super) fn wait(&mut self, now: Duration, rows: usize) -> Duration {
        let Some(rate) = self.rate else {
            return Duration::ZERO;
        };
        let starts = self.due.max(now.saturating_sub(MOST_BEHIND));
        let lasts = Duration::try_from_secs_f64(rows as f64 / rate).unwrap_or(Duration::MAX);
        self.due = starts.saturating_add(lasts);
        starts.saturating_sub(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// When each round of so many rows starts, if sending one takes so long.
    fn starts(rate: f64, rows: usize, sending: impl Fn(usize) -> Duration, rounds: usize) -> Vec<Duration> {
        let mut pace = Pace::new(Some(rate));
        let mut now = Duration::ZERO;
        let mut starts = Vec::new();
        for round in 0..rounds {
            now += pace.wait(now, rows);
            starts.push(now);
            now += sending(round);
        }
        starts
    }

    #[test]
    fn rounds_start_evenly_whatever_sending_costs() {
        let even = [ms(0), ms(100), ms(200), ms(300)];
        assert_eq!(starts(100.0, 10, |_| ms(0), 4), even);
        assert_eq!(starts(100.0, 10, |round| ms(90 * (round as u64 % 2)), 4), even);
    }

    #[test]
    fn a_short_delay_is_made_up_for_and_a_long_one_is_not() {
        let slow_once = |delay| move |round| if round == 0 { delay } else { ms(0) };
        assert_eq!(
            starts(10.0, 1, slow_once(ms(250)), 5),
            [ms(0), ms(250), ms(250), ms(300), ms(400)]
        );
        // One second's rows at once, the first due at 9 s, then evenly on.
        let late = starts(10.0, 1, slow_once(ms(10_000)), 14);
        assert_eq!(late.iter().filter(|&&start| start == ms(10_000)).count(), 11);
        assert_eq!(late[11..], [ms(10_000), ms(10_100), ms(10_200)]);
    }

    #[test]
    fn a_round_is_a_tenth_of_a_second_s_rows() {
        let rows = |rate| Pace::new(rate).rows_per_round();
        assert_eq!(rows(None), usize::MAX);
        assert_eq!(
            [rows(Some(0.5)), rows(Some(1.0)), rows(Some(10.0)), rows(Some(101.0))],
            [1, 1, 1, 11]
        );
    }

    #[test]
    fn no_rate_means_no_wait() {
        let mut pace = Pace::new(None);
        assert_eq!(pace.wait(ms(5), 1_000_000), Duration::ZERO);
        assert_eq!(pace.wait(ms(5), 1_000_000), Duration::ZERO);
    }
}
