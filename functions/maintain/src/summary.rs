//! What a run did, table by table.

use chrono::{DateTime, Utc};
use pinlake_lake::Totals;
use serde::Serialize;

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Summary {
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// Whether it only looked.
    pub dry_run: bool,
    /// The tables that there are, in the order of their folders.
    pub tables: Vec<TableSummary>,
}

/// What a run did to one table.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct TableSummary {
    /// The table's folder.
    pub table: String,
    /// What it held beforehand.
    pub before: Holds,
    /// What it held afterwards: the same rows, and those that were appended meanwhile.
    pub after: Holds,
    /// Compactions: commits that put one file in the place of several.
    pub compactions: usize,
    /// Files that they replaced.
    pub compacted_files: usize,
    /// Their size, in bytes.
    pub compacted_bytes: u64,
    /// Versions that an append was given instead of a compaction.
    pub lost_races: u32,
    /// Compactions given up because somebody else had removed their files, or won every race.
    pub given_up: usize,
    /// Compactions left to the next run for want of time; in a dry run, those that there would be.
    pub left: usize,
    /// The version of the checkpoint that was written.
    pub checkpoint: Option<u64>,
    /// Dead files deleted; in a dry run, those that would be.
    pub vacuumed_files: usize,
    /// Commits and checkpoints deleted from the log.
    pub log_files_deleted: usize,
    /// Steps that were not done, or not to the end, for want of time: `checkpoint`, `vacuum`, `clean log`, `look again`.
    pub skipped: Vec<&'static str>,
    /// Why its upkeep was broken off, if it was.
    pub failure: Option<String>,
}

/// What a version of a table holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Holds {
    /// Parquet files.
    pub files: usize,
    /// Rows.
    pub rows: u64,
    /// Parquet, in bytes.
    pub size_bytes: u64,
}

impl From<Totals> for Holds {
    fn from(totals: Totals) -> Self {
        Self {
            files: totals.files,
            rows: totals.rows,
            size_bytes: totals.size_bytes,
        }
    }
}
