//! Where things are put that leave these services, such as a bucket.

use bytes::Bytes;

/// A place for objects, such as a bucket: of records that a mapping gives up on, of what a delivery stream delivers.
#[async_trait::async_trait]
pub trait Destination: Send + Sync + 'static {
    /// Stores an object under a key.
    ///
    /// # Errors
    /// Any error: it is tried again until it succeeds, because what is lost here is lost.
    async fn put(&self, key: &str, object: Bytes) -> Result<(), Box<dyn std::error::Error + Send + Sync>>;
}
