//! `ingest`: HTTP requests in, records into Kinesis or Firehose, one answer per record.
//!
//! ```text
//! PUT  /streams/{stream}/record    ┐         ┌ body ─► json ─► intake ──────────────► publish ────┬─► Kinesis
//! PUT  /streams/{stream}/records   ├ router ─┤ (limits, (envelope) (judge, key, count)  (chunk,   │   (/streams)
//! POST /topics/{topic}             ┘         └  gzip)                                   retry,    └─► Firehose
//!                                                                                       deadline)     (/topics)
//! ```
//!
//! | file | idea |
//! |---|---|
//! | `settings` | what can be set from outside |
//! | `router`, `stage` | routes, and path prefixes before them |
//! | `topics`, `kafka` | Kafka REST Proxy v2 |
//! | `streams` | Kinesis through an HTTP proxy |
//! | `body`, `json`, `deadline` | reading a request, within its limits |
//! | `intake` | from records to one fate each |
//! | `publish` | the port to streams, and the adapters to Kinesis and Firehose |
//! | `refusal`, `voice` | why a request is turned away, and how each API says so |
//! | `health`, `openapi`, `request_log` | what operators look at |
//!
//! # Invariants
//! - Payloads are forwarded byte for byte as they were sent (`payloads_are_forwarded_as_sent` in `tests/api/records.rs`);
//!   to Firehose as one line each (`publish::firehose`).
//! - Every record is answered for, in order, whatever becomes of its neighbours (`intake`, `publish`).
//! - Nothing that a client sends makes a handler panic (`tests/api/hostile.rs`).
//! - An error body says nothing of what lies behind: details are logged (`tests/api/faults.rs`).
//! - The routes do not know whether they run on Lambda (`tests/api/lambda.rs`).

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod app;
mod body;
mod deadline;
mod hash;
mod health;
mod intake;
mod json;
mod kafka;
mod openapi;
pub mod publish;
mod refusal;
mod request_log;
mod router;
mod settings;
mod stage;
mod streams;
mod topics;
mod voice;

pub use app::App;
pub use publish::{Firehose, Kinesis, Publisher};
pub use router::router;
pub use settings::{Bounds, Settings};
