//! What a trigger invokes: a Lambda function, seen from outside.

use bytes::Bytes;

/// A Lambda function: bytes of an event in, bytes of an answer out.
///
/// Bytes and not types, because they are what crosses the border on AWS: a handler that is driven through this trait
/// decodes exactly what it will have to decode when deployed.
#[async_trait::async_trait]
pub trait Function: Send + Sync + 'static {
    /// Runs the function on one event, JSON as Lambda would send it, and returns its answer, also JSON.
    ///
    /// The future is dropped when the invocation timeout of the trigger has passed, as Lambda kills the sandbox.
    ///
    /// # Errors
    /// [`InvokeError`] when the function failed as a whole.
    async fn invoke(&self, event: Bytes) -> Result<Bytes, InvokeError>;
}

/// A failed invocation, as Lambda reports one: `errorType` and `errorMessage`.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the function failed with {kind}: {message}")]
pub struct InvokeError {
    /// The name of the error's type.
    pub kind: String,
    /// What the function said.
    pub message: String,
}

impl InvokeError {
    /// A failure with the name of its type and what the function said.
    pub fn new(kind: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            message: message.into(),
        }
    }
}
