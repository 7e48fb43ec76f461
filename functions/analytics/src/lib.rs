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
mod handler;
pub mod page;
mod query;
mod report;
mod reports;
pub mod results;
mod settings;
mod summary;

pub use batch::{Batch, BatchError, BatchSettings, CleanedDay, Damage};
pub use event::{EventError, Order};
pub use facts::{DatasetFacts, Facts, RejectionCount, collect as collect_facts};
pub use handler::{Error, Handler, page_key};
pub use query::{QueryError, QuerySettings, Session, run_reports};
pub use report::{Answer, Chart, ChartKind, Outcome, Report};
pub use reports::{Mistake, ReportError, Reports, ReportsError};
pub use settings::Settings;
pub use summary::{DaySummary, ReportSummary, Summary};
