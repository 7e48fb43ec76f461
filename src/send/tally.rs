//! What became of the rows, as it is told at the end.

use std::time::Duration;

use anyhow::Result;

use super::latency::Latencies;
use crate::client::{Outcome, Sent};

/// The counts of one target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) accepted: u64,
    pub(super) rejected: u64,
    pub(super) failed: u64,
}

impl Counts {
    fn add(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Accepted => self.accepted += 1,
            Outcome::Rejected(_) => self.rejected += 1,
            Outcome::Failed(_) => self.failed += 1,
        }
    }

    fn told(&self) -> String {
        let Self {
            accepted,
            rejected,
            failed,
        } = self;
        format!("{accepted} accepted, {rejected} rejected, {failed} failed")
    }
}

/// The counts of all targets, and how long their requests took.
#[derive(Debug)]
pub(super) struct Tally {
    targets: Vec<(String, Counts)>,
    latencies: Latencies,
    repeats: usize,
    shown: u64,
}

impl Tally {
    /// Nothing yet, for targets of these names.
    pub(super) fn new(names: impl IntoIterator<Item = String>) -> Result<Self> {
        Ok(Self {
            targets: names.into_iter().map(|name| (name, Counts::default())).collect(),
            latencies: Latencies::new()?,
            repeats: 0,
            shown: 0,
        })
    }

    /// Whether one more row is to be shown to people, of so many at most.
    pub(super) fn is_worth_showing(&mut self, most: u64) -> bool {
        self.shown += 1;
        self.shown <= most
    }

    /// Counts what became of a target's rows.
    pub(super) fn add(&mut self, target: usize, sent: &Sent) {
        let (_, counts) = &mut self.targets[target];
        sent.outcomes.iter().for_each(|outcome| counts.add(outcome));
        sent.latencies
            .iter()
            .for_each(|&latency| self.latencies.record(latency));
        self.repeats += sent.repeats;
    }

    /// Counts a row that could not even be sent.
    pub(super) fn add_failed(&mut self, target: usize) {
        self.targets[target].1.failed += 1;
    }

    /// Rows that were not accepted.
    pub(super) fn not_accepted(&self) -> u64 {
        self.targets
            .iter()
            .map(|(_, counts)| counts.rejected + counts.failed)
            .sum()
    }

    /// The summary, line by line: each target if there are several, the requests, all rows.
    pub(super) fn lines(&self, passed: Duration) -> Vec<String> {
        let mut lines = Vec::new();
        let mut all = Counts::default();
        for (name, counts) in &self.targets {
            if self.targets.len() > 1 {
                lines.push(format!("{name}: {}", counts.told()));
            }
            all.accepted += counts.accepted;
            all.rejected += counts.rejected;
            all.failed += counts.failed;
        }
        let rows = all.accepted + all.rejected + all.failed;
        if self.latencies.count() > 0 {
            let seconds = passed.as_secs_f64();
            let requests = self.latencies.count();
            lines.push(format!(
                "{requests} {} ({} repeated) in {seconds:.1} s, {:.0} rows/s accepted; latency {}",
                if requests == 1 { "request" } else { "requests" },
                self.repeats,
                all.accepted as f64 / seconds.max(f64::MIN_POSITIVE),
                self.latencies,
            ));
        }
        lines.push(format!("{rows} sent: {}", all.told()));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(outcomes: Vec<Outcome>, latencies: &[u64], repeats: usize) -> Sent {
        Sent {
            outcomes,
            latencies: latencies.iter().copied().map(Duration::from_millis).collect(),
            repeats,
            fault: None,
        }
    }

    #[test]
    fn targets_are_told_apart_and_together() {
        let mut tally = Tally::new(["pin".to_owned(), "geo".to_owned()]).unwrap();
        tally.add(
            0,
            &sent(vec![Outcome::Accepted, Outcome::Rejected("why".into())], &[10], 0),
        );
        tally.add(
            1,
            &sent(vec![Outcome::Accepted, Outcome::Failed("busy".into())], &[20, 20], 1),
        );
        tally.add_failed(1);
        assert_eq!(tally.not_accepted(), 3);
        assert_eq!(
            tally.lines(Duration::from_millis(2500)),
            [
                "pin: 1 accepted, 1 rejected, 0 failed",
                "geo: 1 accepted, 0 rejected, 2 failed",
                "3 requests (1 repeated) in 2.5 s, 1 rows/s accepted; latency p50 20.0 ms, p90 20.0 ms, p99 20.0 ms, max 20.0 ms",
                "5 sent: 2 accepted, 1 rejected, 2 failed",
            ]
        );
    }

    #[test]
    fn one_target_is_told_once() {
        let tally = Tally::new(["pin".to_owned()]).unwrap();
        assert_eq!(
            tally.lines(Duration::ZERO),
            ["0 sent: 0 accepted, 0 rejected, 0 failed"]
        );
    }
}
