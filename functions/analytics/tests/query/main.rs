//! Questions over tables in a lake in memory: the reports' cases, the session, the facts and the results.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub)]

mod cases;
mod facts;
mod results;
mod session;
mod support;
