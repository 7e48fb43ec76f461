//! The handler, on lakes in memory, in a folder and behind the local S3 endpoint.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod appends;
mod failures;
mod support;
mod time;
mod upkeep;
