//! AWS on one machine: what the deployed functions talk to, served on loopback.
//!
//! ```text
//! producers ─┬─► kinesis (JSON 1.1, redb) ──► mapping ──► a function of ours
//!            │                                  │             │
//!            │                                  ▼             ▼
//!            │                  on-failure destination   s3 (a folder)
//!            │                                                ▲
//!            └─► firehose (JSON 1.1, redb) ──► delivery ──────┘
//! ```
//!
//! - [`s3`] serves a folder as S3. Creates are atomic, so Delta Lake can commit to it.
//! - [`kinesis`] serves data streams: sequence numbers, hash-key routing, splits and merges, limits and iterators as AWS
//!   has them.
//! - [`mapping`] is Lambda's event source mapping: batches, partial failures, bisecting, retries, destinations. It reads
//!   the streams where they are, or any Kinesis by its API.
//! - [`schedule`] is EventBridge Scheduler: a function invoked at times of the clock, retries, dead letters.
//! - [`firehose`] serves delivery streams: buffers by size and time, GZIP, prefixes with times, error output.
//! - [`gateway`] is API Gateway's part of a request: who may call, and how large a body may be.
//! - [`calls`] knows which callers have made which calls, as IAM would see them.
//!
//! The unmodified AWS SDKs work against all endpoints; only the endpoint URL differs. State lives in the folder and
//! the files that the caller names and survives a restart, also one by SIGKILL.
//!
//! # Invariants
//! - Nothing listens on anything but loopback (`only_loopback_is_served`), and nothing is answered that a web page may
//!   have been made to ask (`foreign_hosts_and_origins_are_refused`).
//! - Nothing in here is known to a function: a [`Function`] gets the event that Lambda would hand it.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod bucket;
mod caller;
pub mod calls;
mod credentials;
mod database;
pub mod destination;
pub mod firehose;
pub mod function;
pub mod gateway;
pub mod kinesis;
mod lock;
pub mod mapping;
mod protocol;
pub mod s3;
pub mod schedule;
pub mod server;
mod signature;

pub use calls::{Call, Calls};
pub use credentials::Credentials;
pub use destination::Destination;
pub use function::{Function, InvokeError};
pub use lock::Lock;
pub use server::Server;
