//! Where the rows come from.

use std::{fmt, sync::Arc};

use anyhow::Result;
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;

use super::{database::Found, file::Lines};

/// One row to post.
#[derive(Debug)]
pub(super) struct Row {
    /// Which of the targets it is posted to.
    pub(super) target: usize,
    /// Where it was found.
    pub(super) place: Place,
    /// The bytes to post, or why there are none.
    pub(super) json: Result<Vec<u8>, String>,
    /// What it adds to the progress: bytes of a file, rows of a database.
    pub(super) progress: u64,
}

/// Where a row was found, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A line of a file, from 1.
    Line(u64),
    /// A row of a table.
    Table {
        table: Arc<str>,
        column: Arc<str>,
        key: String,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Table { table, column, key } => write!(f, "table {table}, `{column}` {key}"),
        }
    }
}

/// Rows, one after the other.
pub(super) enum Source {
    File {
        lines: Lines,
        /// Cancelled when no more rows are wanted.
        stop: CancellationToken,
    },
    Database {
        rows: Receiver<Result<Found>>,
        /// How often a random key had no row, by target.
        absent: Vec<u64>,
        /// Cancelled when no more rows are wanted.
        stop: CancellationToken,
    },
}

impl Source {
    /// The next row; `None` after the last, and when no more are wanted.
    pub(super) async fn next(&mut self) -> Result<Option<Row>> {
        match self {
            Self::File { stop, .. } if stop.is_cancelled() => Ok(None),
            Self::File { lines, .. } => lines.next(),
            Self::Database { rows, absent, stop } => loop {
                let found = tokio::select! {
                    biased;
                    () = stop.cancelled() => None,
                    found = rows.recv() => found,
                };
                match found.transpose()? {
                    None => return Ok(None),
                    Some(Found::Row(row)) => return Ok(Some(row)),
                    Some(Found::Absent(target)) => absent[target] += 1,
                }
            },
        }
    }
}
