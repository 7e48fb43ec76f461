//! What a Kinesis request can be answered with instead of a result, in AWS's own words where they are known.

use super::store::StoreError;

/// A failed request: an HTTP status, the name of an exception and a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {message}")]
pub(super) struct ApiError {
    pub(super) status: u16,
    pub(super) kind: &'static str,
    pub(super) message: String,
}

impl ApiError {
    fn client(kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            status: 400,
            kind,
            message: message.into(),
        }
    }

    /// A value that the service's model does not allow.
    pub(super) fn constraint(value: impl std::fmt::Display, field: &str, constraint: &str) -> Self {
        Self::validation(&format!("Value '{value}' at '{field}'"), constraint)
    }

    /// A value too long to be repeated.
    pub(super) fn constraint_unshown(field: &str, constraint: &str) -> Self {
        Self::validation(&format!("Value at '{field}'"), constraint)
    }

    /// A value that is missing.
    pub(super) fn missing(field: &str) -> Self {
        Self::validation(&format!("Value null at '{field}'"), "not be null")
    }

    fn validation(subject: &str, constraint: &str) -> Self {
        let message =
            format!("1 validation error detected: {subject} failed to satisfy constraint: Member must {constraint}");
        Self::client("ValidationException", message)
    }

    pub(super) fn invalid_argument(message: impl Into<String>) -> Self {
        Self::client("InvalidArgumentException", message)
    }

    pub(super) fn serialization(message: impl Into<String>) -> Self {
        Self::client("SerializationException", message)
    }

    pub(super) fn unknown_operation() -> Self {
        Self::client("UnknownOperationException", "")
    }

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
                Self {
                    status: 500,
                    kind: "InternalFailureException",
                    message: "the stream store failed".into(),
                }
            }
        }
    }
}
