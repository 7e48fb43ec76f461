//! What a run has to say of itself, above the answers.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use pinlake_dataset::DatasetName;

/// The facts of a run.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The day that the run is about, UTC.
    pub run_date: NaiveDate,
    /// When the run began.
    pub started_at: DateTime<Utc>,
    /// How long it took up to the page.
    pub took: Duration,
    /// One entry for each dataset, in the catalog's order.
    pub datasets: Vec<DatasetFacts>,
    /// What the run could not read of the raw objects, a sentence each: the object, and where it broke off.
    pub damage: Vec<String>,
}

/// What a run found of one dataset.
#[derive(Debug, Clone)]
pub struct DatasetFacts {
    /// The dataset.
    pub name: DatasetName,
    /// Rows in the table, repeats of a key included.
    pub rows: u64,
    /// Distinct keys in the table: the rows that the reports see.
    pub keys: u64,
    /// Rows of the run's day, by both ways.
    pub new_rows: u64,
    /// Quarantined records of the run's day, by both ways.
    pub quarantined: u64,
    /// The most frequent reasons among them, most frequent first; at most five.
    pub reasons: Vec<RejectionCount>,
    /// When the newest row arrived; `None` if there is no row.
    pub newest: Option<DateTime<Utc>>,
}

/// A reason why records were quarantined, and how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectionCount {
    /// The JSON field at fault; `None` when the record as a whole is.
    pub field: Option<String>,
    /// What is wrong, e.g. `is no int32`.
    pub reason: String,
    /// Records.
    pub count: u64,
}
