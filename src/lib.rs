//! The `pinlake` command, as a library: one file per command, and what they share.
//!
//! - [`demo`], [`up`], [`run`], [`report`], [`send`], [`check`], [`audit`], [`replay`]:
//!   the commands.
//! - [`pipeline`]: the whole pipeline on this machine, the deployed handlers between local endpoints.
//! - [`client`]: a careful producer over HTTP.
//! - [`rows`]: rows as real producers send them, from a seed.
//!
//! Errors are `anyhow` here: they end in a message to a person.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod audit;
pub mod check;
pub mod client;
pub mod demo;
pub mod fit;
pub mod page;
pub mod pipeline;
pub mod place;
pub mod replay;
pub mod report;
pub mod rows;
pub mod run;
pub mod send;
pub mod terminal;
pub mod up;
