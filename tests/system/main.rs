//! The whole system, from outside: the built command, driven as people and programs drive it.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod audit;
mod check;
mod command;
mod daily;
mod doors;
mod end_to_end;
mod log;
mod replay;
mod scripted;
mod send;
mod support;
