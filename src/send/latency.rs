//! How long requests took, told by percentiles.

use std::{fmt, time::Duration};

use anyhow::{Context, Result};
use hdrhistogram::Histogram;

/// Latencies in memory that does not grow with their number; each is kept to three digits, in microseconds.
#[derive(Debug)]
pub(super) struct Latencies(Histogram<u64>);

/// An hour; anything longer counts as one.
const LONGEST: Duration = Duration::from_secs(3600);

impl Latencies {
    /// None yet.
    pub(super) fn new() -> Result<Self> {
        let histogram = Histogram::new_with_max(micros(LONGEST), 3).context("could not set up the latencies")?;
        Ok(Self(histogram))
    }

    /// Counts one request.
    pub(super) fn record(&mut self, latency: Duration) {
        self.0.saturating_record(micros(latency));
    }

    /// How many requests were counted.
    pub(super) fn count(&self) -> u64 {
        self.0.len()
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// `p50 12.0 ms, p90 …, p99 …, max …`: so many percent of the requests took no longer.
impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, quantile) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)] {
            write!(f, "{name} {}, ", Milliseconds(self.0.value_at_quantile(quantile)))?;
        }
        write!(f, "max {}", Milliseconds(self.0.max()))
    }
}

/// Microseconds, shown to people with three digits or all whole ones.
struct Milliseconds(u64);

impl fmt::Display for Milliseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = self.0 as f64 / 1000.0;
        let decimals = match milliseconds {
            ..10.0 => 2,
            ..100.0 => 1,
            _ => 0,
        };
        write!(f, "{milliseconds:.decimals$} ms")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(microseconds: impl IntoIterator<Item = u64>) -> String {
        let mut latencies = Latencies::new().unwrap();
        for latency in microseconds {
            latencies.record(Duration::from_micros(latency));
        }
        latencies.to_string()
    }

    #[test]
    fn so_many_percent_took_no_longer() {
        // 1 ms to 100 ms in any order: 50 of the 100 took at most 50 ms, and so on.
        let latencies = (1..=100).map(|number| number * 37 % 101 * 1000);
        assert_eq!(shown(latencies), "p50 50.0 ms, p90 90.0 ms, p99 99.0 ms, max 100 ms");
    }

    #[test]
    fn one_slow_request_shows_in_the_maximum_only() {
        let latencies = std::iter::repeat_n(250, 999).chain([3_000_000]);
        assert_eq!(shown(latencies), "p50 0.25 ms, p90 0.25 ms, p99 0.25 ms, max 3000 ms");
    }

    #[test]
    fn a_single_one_is_all_of_them() {
        assert_eq!(shown([12_340]), "p50 12.3 ms, p90 12.3 ms, p99 12.3 ms, max 12.3 ms");
    }
}
