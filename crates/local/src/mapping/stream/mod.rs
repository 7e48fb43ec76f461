//! A stream as a mapping reads it: which shards there are, their records, and how far the mapping is.
//!
//! | file | where the records are | where the checkpoint is |
//! |---|---|---|
//! | `in_store` | the streams of this process, read where they are | beside the records |
//! | `by_api` | any Kinesis, read as every consumer reads it | a file of its own |
//!
//! A mapping counts the records of a shard, so that "how far behind" is a subtraction. In the store that is a record's
//! index; by the API it is counted from the start of the mapping, and a checkpoint names a sequence number.

mod by_api;
mod checkpoints;
mod in_store;

use std::sync::Arc;

use chrono::{DateTime, Utc};

pub use self::by_api::Remote;
pub(super) use self::{by_api::ByApi, in_store::InStore};
use crate::kinesis::Record;

/// Why a stream could not be used. It is tried again for as long as it takes.
pub(super) type StreamError = Box<dyn std::error::Error + Send + Sync>;

/// A stream, and how far one mapping is in it.
#[async_trait::async_trait]
pub(super) trait Stream: Send + Sync + 'static {
    /// The stream's ARN.
    fn arn(&self) -> &str;

    /// The region that the stream is in.
    fn region(&self) -> &str {
        self.arn().split(':').nth(3).unwrap_or_default()
    }

    /// The account that the stream is in, and so are functions and roles.
    fn account(&self) -> &str {
        self.arn().split(':').nth(4).unwrap_or_default()
    }

    /// What time it is where the records arrive.
    fn now(&self) -> DateTime<Utc>;

    /// The shards that are known, parents before their children. The list only grows.
    fn shards(&self) -> Vec<Arc<dyn Shard>>;

    /// Waits until more than so many shards are known.
    async fn grows(&self, known: usize);

    /// Where the mapping goes on in each shard that is known: the index of the first record that is not settled. A
    /// first start is remembered, so that one at `Latest` does not move.
    async fn starts(&self) -> Result<Vec<u64>, StreamError>;

    /// Waits until all that had come when it was called is known.
    async fn is_known(&self) {}
}

/// A shard of a stream.
#[async_trait::async_trait]
pub(super) trait Shard: Send + Sync + 'static {
    fn id(&self) -> &str;

    /// The ids of the shards whose hash keys it took over.
    fn parents(&self) -> &[String];

    /// The index of the oldest record that is still there. A shard that was opened after the start begins here.
    fn head(&self) -> u64;

    /// The index after the last record that is known.
    fn tail(&self) -> u64;

    /// Whether the shard is closed and has no record at an index or after.
    fn ends_at(&self, index: u64) -> bool;

    /// Waits until there is a record at an index or after, or will never be one. May be dropped at any time.
    async fn reaches(&self, index: u64);

    /// Records from an index on: at most so many, and no more than fit into an event unless the first alone does not.
    /// None at all when those that were there have been trimmed away.
    async fn read(&self, from: u64, most: usize) -> Result<Vec<Record>, StreamError>;

    /// Remembers that everything before an index is settled; `last` is the record before it, if that is still there.
    async fn save(&self, next: u64, last: Option<&Record>) -> Result<(), StreamError>;
}
