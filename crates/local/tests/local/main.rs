//! The endpoints, the mapping and the delivery, driven as they are used: unmodified AWS SDKs over real sockets.
//!
//! One binary, because each one links the SDKs.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod calls;
mod firehose;
mod killed;
mod kinesis;
mod mapping;
mod s3;
mod support;
