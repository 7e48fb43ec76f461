//! What an audit found of a dataset, for programs and for people.

use std::fmt::Display;

use comfy_table::Table;
use serde::Serialize;

use crate::terminal::{say, table};

/// What an audit found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// The dataset.
    pub dataset: String,
    /// Records that were delivered and asked about.
    pub delivered: u64,
    /// Rows of these in the table.
    pub table: u64,
    /// Rows of these in the quarantine.
    pub quarantine: u64,
    /// Records that are in neither and may still be on their way.
    pub pending: u64,
    /// Rows of both tables that were not compared, because nothing is left to compare them with, or nobody asked.
    pub uncompared: u64,
    /// Origins of delivered records that are nowhere, though they should be.
    pub missing: Vec<String>,
    /// Records that there is more than one row of.
    pub doubled: Vec<Doubled>,
    /// Origins of rows whose records were not delivered.
    pub unexpected: Vec<String>,
    /// Records that are in neither table and lie in an invocation record, because the mapping gave up on them.
    pub given_up: Vec<GivenUp>,
    /// Raw objects that cannot be read everywhere.
    pub damaged: Vec<String>,
}

/// A record with more than one row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Doubled {
    /// Its origin.
    pub origin: String,
    /// Rows of it in the table.
    pub table: u32,
    /// Rows of it in the quarantine.
    pub quarantine: u32,
}

/// A record that a mapping gave up on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GivenUp {
    /// Its origin.
    pub origin: String,
    /// The key of the invocation record that holds it.
    pub object: String,
}

impl Findings {
    /// Whether every record that is due is in one table, once.
    pub fn is_clean(&self) -> bool {
        self.missing.is_empty() && self.doubled.is_empty() && self.given_up.is_empty()
    }

    /// Whether no delivered record was found at all.
    pub fn is_nothing(&self) -> bool {
        self.delivered == 0 && self.is_clean()
    }
}

/// The counts of all datasets, in one table.
pub(super) fn counts(all: &[Findings]) -> Table {
    let mut shown = table(&[
        "dataset",
        "delivered",
        "table",
        "quarantine",
        "not yet",
        "missing",
        "doubled",
        "given up",
        "unexpected",
        "not compared",
    ]);
    for findings in all {
        shown.add_row([
            findings.dataset.clone(),
            findings.delivered.to_string(),
            findings.table.to_string(),
            findings.quarantine.to_string(),
            findings.pending.to_string(),
            findings.missing.len().to_string(),
            findings.doubled.len().to_string(),
            findings.given_up.len().to_string(),
            findings.unexpected.len().to_string(),
            findings.uncompared.to_string(),
        ]);
    }
    shown
}

/// Each record that is not where it should be; of each kind `most` at most, and how many more there are.
pub(super) fn name_each(findings: &Findings, most: usize) {
    let dataset = &findings.dataset;
    list(dataset, "missing", &findings.missing, most, Clone::clone);
    list(dataset, "doubled", &findings.doubled, most, |doubled| {
        let Doubled {
            origin,
            table,
            quarantine,
        } = doubled;
        format!("{origin}  ({table} in the table, {quarantine} in the quarantine)")
    });
    list(dataset, "given up", &findings.given_up, most, |given_up| {
        format!("{}  (in {})", given_up.origin, given_up.object)
    });
    list(dataset, "unexpected", &findings.unexpected, most, Clone::clone);
    list(dataset, "damaged", &findings.damaged, most, Clone::clone);
}

fn list<T, L: Display>(dataset: &str, what: &str, found: &[T], most: usize, line: impl Fn(&T) -> L) {
    for one in found.iter().take(most) {
        say(format_args!("{dataset}: {what} {}", line(one)));
    }
    if let Some(more @ 1..) = found.len().checked_sub(most) {
        say(format_args!("{dataset}: {what} … and {more} more; --all names each"));
    }
}
