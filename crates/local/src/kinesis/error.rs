//! What a Kinesis request can be answered with instead of a result, in AWS's own words where they are known, beside what
//! every service answers.

pub(super) use crate::protocol::ApiError;

use super::store::StoreError;

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
            error @ (StoreError::Open { .. }
            | StoreError::Database(_)
            | StoreError::Corrupt { .. }
            | StoreError::NotStored) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the stream store failed");
                Self::internal("the stream store failed")
            }
        }
    }
}
