//! The port behind the routes: records in, one answer per record out.
//!
//! ```text
//! /streams ─► Kinesis  ┐
//!                      ├ admit ─► chunk ─► PutRecords, PutRecordBatch ─► failed records again, until the deadline
//! /topics  ─► Firehose ┘
//! ```
//!
//! # Invariants
//! - Every record gets exactly one answer, in the order given (`retry::tests::every_record_gets_one_answer`).
//! - Delivery is at least once: a request whose answer was lost is sent again. The table drops no such double, the
//!   view *latest per key* does.

mod chunk;
pub mod firehose;
pub mod kinesis;
mod retry;
mod sdk;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use pinlake_dataset::{DatasetName, Rejection};
use tokio::time::Instant;

pub use firehose::Firehose;
pub use kinesis::Kinesis;

/// What takes a dataset's records: a Kinesis stream or a Firehose delivery stream.
#[async_trait]
pub trait Publisher: Send + Sync {
    /// What the service answers for a record that it has stored.
    type Receipt: Clone + Send + Sync;

    /// Makes a record what the service takes, or says why that cannot be done.
    ///
    /// # Errors
    /// Why the service could not take the record, now or later.
    fn admit(&self, record: Record) -> Result<Record, Unfit> {
        Ok(record)
    }

    /// Hands the records over and answers, in their order, what became of each. Comes back by `deadline`, late by a
    /// few milliseconds at most.
    async fn publish(
        &self,
        dataset: &DatasetName,
        records: Vec<Record>,
        deadline: Instant,
    ) -> Vec<Result<Self::Receipt, Failure>>;
}

/// One record, judged and ready to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The payload, exactly as it was sent, but for line breaks between the tokens of JSON that goes to Firehose.
    pub data: Bytes,
    /// 1 to 256 characters; records of one key stay in one shard. Firehose has no use for it.
    pub partition_key: String,
    /// A decimal number below 2^128 that names the shard in the key's place.
    pub explicit_hash_key: Option<String>,
}

/// Why a record cannot go to a service, whatever its dataset's definition says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfit {
    /// It is larger than the service takes, in bytes, the end of its line included.
    TooLarge {
        /// What it has.
        bytes: usize,
        /// What the service takes.
        limit: usize,
    },
    /// Where it goes it would not be one record any more.
    Invalid(Rejection),
}

/// Why a record was not stored, in the words that a caller acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The stream takes no more at the moment: come again, slower.
    #[error("the stream takes no more records at the moment")]
    Throttled,
    /// The service failed or could not be reached: come again.
    #[error("the stream is not available at the moment")]
    Unavailable,
    /// The deadline passed before there was an answer.
    #[error("the stream did not answer in time")]
    TooLate,
    /// The service does not take it, now or later: the stream is missing or not ours to write, for one.
    #[error("the stream refuses the request")]
    Refused,
}

impl Failure {
    /// Whether sending the same again can succeed.
    pub(crate) fn is_transient(self) -> bool {
        !matches!(self, Self::Refused)
    }
}

/// How long to wait before failed records are sent again: exponential, with full jitter, so that callers which failed
/// together do not come back together.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// The longest wait after the first try.
    pub first: Duration,
    /// The longest wait after any try.
    pub most: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(50),
            most: Duration::from_secs(2),
        }
    }
}
