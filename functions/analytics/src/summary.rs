//! What a run answers with: what it cleaned, what it asked, where the page is.

use std::fmt;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::{batch::CleanedDay, report::Outcome};

/// The answer of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The day that the reports are about, UTC.
    pub run_date: NaiveDate,
    /// The days cleaned, for each dataset that had raw objects.
    pub cleaned: Vec<DaySummary>,
    /// The reports, in order.
    pub reports: Vec<ReportSummary>,
    /// Reports that were not asked because they read a dataset that is not defined here, a line each. That is no failure.
    pub not_asked: Vec<String>,
    /// The page's key, below the lake's root.
    pub page: String,
    /// How long the run took, in milliseconds.
    pub took_ms: u64,
    /// What went wrong, a line each; the run fails if there is any.
    pub failures: Vec<String>,
    /// Raw objects that could not be read to the end, a line each. Nothing that can be done again here mends them, so they
    /// do not fail the run.
    pub damage: Vec<String>,
}

/// A dataset's day, cleaned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaySummary {
    /// The dataset.
    pub dataset: String,
    /// The day.
    pub date: NaiveDate,
    /// Whether it was cleaned again because its raw objects had changed.
    pub late: bool,
    /// Raw objects read.
    pub objects: usize,
    /// Their size as stored, in bytes.
    pub size_bytes: u64,
    /// Rows in the table's partition of the day.
    pub rows: u64,
    /// Records in the quarantine's.
    pub quarantined: u64,
    /// Parquet files that hold the rows.
    pub files: usize,
    /// Files that the day had before.
    pub replaced_files: usize,
}

impl DaySummary {
    pub(crate) fn new(dataset: &impl fmt::Display, date: NaiveDate, late: bool, day: &CleanedDay) -> Self {
        Self {
            dataset: dataset.to_string(),
            date,
            late,
            objects: day.objects,
            size_bytes: day.size_bytes,
            rows: day.table.rows,
            quarantined: day.quarantine.rows,
            files: day.table.files,
            replaced_files: day.table.removed_files,
        }
    }
}

/// A report, asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportSummary {
    /// Its name.
    pub report: String,
    /// Rows of the answer; none if there is no answer.
    pub rows: Option<usize>,
    /// How long the question took, in milliseconds.
    pub took_ms: u64,
}

impl ReportSummary {
    pub(crate) fn new(outcome: &Outcome) -> Self {
        Self {
            report: outcome.report.name.clone(),
            rows: outcome.answer.as_ref().ok().map(|answer| answer.rows.num_rows()),
            took_ms: millis(outcome.took),
        }
    }
}

/// Whole milliseconds.
pub(crate) fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
