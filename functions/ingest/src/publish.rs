//! The port behind the routes: records in, one answer per record out.
//!
//! ```text
//! routes ─► Publisher::publish ─► Kinesis: chunk ─► PutRecords ─► failed records again, until the deadline
//! ```
//!
//! # Invariants
//! - Every record gets exactly one answer, in the order given (`retry::tests::every_record_gets_one_answer`).
//! - Delivery is at least once: a request whose answer was lost is sent again. The table drops no such double, the
//!   view *latest per key* does.

mod chunk;
mod kinesis;
mod retry;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use pinlake_dataset::DatasetName;
use tokio::time::Instant;

pub use kinesis::{Description, HashKeyRange, Kinesis, SequenceNumberRange, Shard};

/// What takes a dataset's records: a Kinesis stream, for one.
#[async_trait]
pub trait Publisher: Send + Sync {
    /// Hands the records over and answers, in their order, what became of each. Comes back by `deadline`, late by a
    /// few milliseconds at most.
    async fn publish(
        &self,
        dataset: &DatasetName,
        records: Vec<Record>,
        deadline: Instant,
    ) -> Vec<Result<Receipt, Failure>>;
}

/// One record, judged and ready to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The payload, exactly as it was sent.
    pub data: Bytes,
    /// 1 to 256 characters; records of one key stay in one shard.
    pub partition_key: String,
    /// A decimal number below 2^128 that names the shard in the key's place.
    pub explicit_hash_key: Option<String>,
}

impl Record {
    /// What the record counts against the limits of Kinesis, in bytes: payload and partition key.
    pub(crate) fn size_bytes(&self) -> usize {
        self.data.len() + self.partition_key.len()
    }
}

/// Where a record went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Decimal digits, growing within a shard; about 56 in practice, so no integer type holds it.
    pub sequence_number: String,
    /// As in `shardId-000000000003`.
    pub shard_id: String,
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
