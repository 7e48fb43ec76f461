//! The lake, on every kind of store: in memory and in a folder.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod evolution;
mod landing;
mod replace;
mod replay;
mod support;
mod table;
mod upkeep;
