//! `maintain`: the hourly upkeep of every table, of the dataset's and of its quarantine.
//!
//! ```text
//! schedule ─► look at every table
//!               ├─► compact      the bin that saves most files first, whichever table it is of
//!               ├─► checkpoint   tables that have gathered commits
//!               ├─► vacuum       dead files
//!               ├─► clean log    commits that nobody needs
//!               └─► look again ─► summary
//! ```
//!
//! Compaction comes first because it is what readers feel, and is given most of the time but never all: the rest is cheap
//! and must not starve. A checkpoint comes after it, so that it lists the few files and not the many; vacuum needs no
//! checkpoint; the log is cleaned last because only what a checkpoint covers may go. What is not done in time waits for
//! the next hour, when it will be worth more.
//!
//! # Invariants
//! - Appends go on meanwhile and never fail because of it (`appends_and_upkeep_at_once_lose_nothing`).
//! - Rows and watermarks are the same afterwards (the same test, and `everything_at_once_keeps_rows_and_watermarks`).
//! - It ends before its deadline, and what it drops for that is whole (`a_store_that_hangs_does_not_outlast_the_deadline`,
//!   `without_time_nothing_is_begun`).
//! - A table that fails keeps no other from its upkeep, and the run says so (`a_broken_table_fails_alone`).

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod budget;
mod error;
mod handler;
mod request;
mod settings;
mod summary;

pub use error::{Error, Failure};
pub use handler::Handler;
pub use request::Request;
pub use settings::Settings;
pub use summary::{Holds, Summary, TableSummary};
