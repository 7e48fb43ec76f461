//! `analytics`: a day's raw objects cleaned into the tables, then questions asked of the tables and answered on a page.
//!
//! ```text
//! daily event ─► days to clean ─► batch: raw objects ─► rows, rejects ─► tables, quarantine
//!                                  └─► query: reports/*.sql over views of the tables ─► results/…
//!                                           └─► page: facts and answers ─► report.html
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod batch;
mod event;
mod facts;
mod report;

pub use batch::{Batch, BatchError, BatchSettings, CleanedDay, Damage};
pub use event::{EventError, Order};
pub use facts::{DatasetFacts, Facts, RejectionCount};
pub use report::{Answer, Chart, ChartKind, Outcome, Report};
