//! The API over real sockets: `reqwest` → the router on a port → the AWS SDK → a scripted Kinesis and
//! Firehose on another port.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs)]

mod cases;
mod far_end;
mod faults;
mod hostile;
mod lambda;
mod local;
mod openapi;
mod predecessor;
mod records;
mod support;
