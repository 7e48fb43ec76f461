//! `analytics`: a day's raw objects cleaned into the tables, then questions asked of the tables and answered on a page.
//!
//! ```text
//! daily event ─► days to clean ─► batch: raw objects ─► rows, rejects ─► tables, quarantine
//!                                  └─► query: reports/*.sql over views of the tables ─► results/…
//!                                           └─► page: facts and answers ─► report.html
//! ```
//!
//! | file | idea |
//! |---|---|
//! | `event`, `handler`, `summary` | what a run is asked for, what it does, what it answers |
//! | `batch` | a day of raw objects into the tables, however damaged |
//! | `report`, `reports` | what a report is, and where the reports come from |
//! | `query` | views of the tables, and questions that only read |
//! | `results`, `facts`, `page` | what is kept of the answers, and what people see |
//!
//! # Invariants
//! - Any day can be run again at any time, with the same outcome (`batch`, `handler`).
//! - What fails stops nothing that does not need it, and fails the run at the end (`handler`).

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

pub use batch::{Batch, BatchError, BatchSettings, CleanedDay, Damage, RawObject, is_fragment};
pub use event::{EventError, Order};
pub use facts::{DatasetFacts, Facts, RejectionCount, collect as collect_facts, fault};
pub use handler::{Error, Handler, page_key};
pub use query::{QueryError, QuerySettings, Session, run_reports};
pub use report::{Answer, Chart, ChartKind, NotAsked, Outcome, Report};
pub use reports::{ReportError, Reports, ReportsError};
pub use settings::Settings;
pub use summary::{DaySummary, ReportSummary, Summary};
