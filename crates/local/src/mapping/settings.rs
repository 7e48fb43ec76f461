//! What an event source mapping is set to: the names and defaults are those of AWS.

use std::time::Duration;

use rand::RngExt;

/// An event source mapping's settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The mapping's id: its place in the stream is kept under it, and invocation records are filed under it.
    pub id: String,
    /// The stream to read.
    pub stream: String,
    /// The function's name, for invocation records.
    pub function: String,
    /// `StartingPosition`, where nothing has been read yet.
    pub start: Start,
    /// `BatchSize`: the most records of a batch, 1 to 10,000. AWS's default: 100.
    pub batch_size: usize,
    /// `MaximumBatchingWindowInSeconds`: how long a batch that is not full waits for more. AWS's default: 0.
    pub batch_window: Duration,
    /// `ReportBatchItemFailures`: whether the function's answer is read.
    pub reports_item_failures: bool,
    /// `BisectBatchOnFunctionError`: whether a failed batch is cut in two, which uses up no retry.
    pub bisects: bool,
    /// `MaximumRetryAttempts`; none (AWS's −1 and default) for retries without end.
    pub most_retries: Option<u32>,
    /// `MaximumRecordAgeInSeconds`; none (AWS's −1 and default) for any age.
    pub most_age: Option<Duration>,
    /// The function's timeout.
    pub timeout: Duration,
    /// How long to wait before a retry.
    pub backoff: Backoff,
}

impl Settings {
    /// AWS's defaults, with item failures reported, for a mapping of a stream to a function.
    pub fn new(id: impl Into<String>, stream: impl Into<String>, function: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            stream: stream.into(),
            function: function.into(),
            start: Start::TrimHorizon,
            batch_size: 100,
            batch_window: Duration::ZERO,
            reports_item_failures: true,
            bisects: false,
            most_retries: None,
            most_age: None,
            timeout: Duration::from_secs(60),
            backoff: Backoff::default(),
        }
    }
}

/// Where a mapping begins that has read nothing yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// At the oldest record that is kept.
    #[default]
    TrimHorizon,
    /// After the newest record.
    Latest,
}

/// Waits that double, with jitter, up to a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The longest first wait.
    pub first: Duration,
    /// The longest wait of all.
    pub most: Duration,
}

impl Default for Backoff {
    /// From 100 ms to 10 s.
    fn default() -> Self {
        Self {
            first: Duration::from_millis(100),
            most: Duration::from_secs(10),
        }
    }
}

impl Backoff {
    /// How long to wait before a retry, the first of which is number 0: between half of the longest wait and all of it.
    pub(crate) fn wait(self, retry: u32) -> Duration {
        let longest = self.first.saturating_mul(1 << retry.min(20)).min(self.most);
        longest.mul_f64(rand::rng().random_range(0.5..=1.0))
    }
}
