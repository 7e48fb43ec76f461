//! What a Kinesis request can be answered with instead of a result, in AWS's own words where they are known, beside what
//! every service answers.

pub(super) use crate::protocol::ApiError;

use super::{shard_id, shards::ReshardError, store::StoreError};

impl ApiError {
    pub(super) fn expired_iterator(message: impl Into<String>) -> Self {
        Self::client("ExpiredIteratorException", message)
    }

    pub(super) fn throttled(shard: &str, stream: &str, account: &str) -> Self {
        let message = format!("Rate exceeded for shard {shard} in stream {stream} under account {account}.");
        Self::client("ProvisionedThroughputExceededException", message)
    }

    pub(super) fn no_stream(stream: &str, account: &str) -> Self {
        Self::client(
            "ResourceNotFoundException",
            format!("Stream {stream} under account {account} not found."),
        )
    }

    pub(super) fn no_shard(shard: &str, stream: &str, account: &str) -> Self {
        let message = format!("Could not find shard {shard} in stream {stream} under account {account}.");
        Self::client("ResourceNotFoundException", message)
    }

    pub(super) fn from_store(error: StoreError, account: &str) -> Self {
        match error {
            StoreError::NoStream { stream } => Self::no_stream(&stream, account),
            StoreError::StreamExists { stream } => Self::client(
                "ResourceInUseException",
                format!("Stream {stream} under account {account} already exists."),
            ),
            StoreError::Reshard { stream, source } => Self::not_resharded(&source, &stream, account),
            error @ (StoreError::Open { .. }
            | StoreError::Database(_)
            | StoreError::Corrupt { .. }
            | StoreError::NotStored) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the stream store failed");
                Self::internal("the stream store failed")
            }
        }
    }

    fn not_resharded(error: &ReshardError, stream: &str, account: &str) -> Self {
        let place = format!("in stream {stream} under account {account}");
        match *error {
            ReshardError::NoShard { shard } => Self::no_shard(&shard_id(shard), stream, account),
            ReshardError::Closed { shard } => Self::invalid_argument(format!(
                "Shard {} {place} has already been merged or split, and thus is not eligible for merging or splitting.",
                shard_id(shard)
            )),
            ReshardError::NotAdjacent { first, second } => Self::invalid_argument(format!(
                "Shards {} and {} {place} are not an adjacent pair of shards eligible for merging",
                shard_id(first),
                shard_id(second)
            )),
            ReshardError::HashKey {
                shard,
                hash_key,
                start,
                end,
            } => Self::invalid_argument(format!(
                "NewStartingHashKey {hash_key} used in SplitShard() on shard {} {place} is not both greater than one \
                 plus the shard's StartingHashKey {start} and less than the shard's EndingHashKey {end}.",
                shard_id(shard)
            )),
            ReshardError::TooFar { current, target } => {
                let how = if target as usize > current {
                    "up over double"
                } else {
                    "down below half"
                };
                let message = format!(
                    "UpdateShardCount cannot scale {how} your current open shard count. Current open shard count: \
                     {current}, Target shard count: {target}"
                );
                Self::client("LimitExceededException", message)
            }
            ReshardError::TooMany => Self::client("LimitExceededException", format!("Stream {stream}: {error}.")),
            ReshardError::OnDemand => Self::client("ValidationException", format!("Stream {stream}: {error}.")),
        }
    }
}
