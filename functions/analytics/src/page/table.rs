//! The table below a chart.

use arrow::error::ArrowError;

use super::{columns::Column, words};

/// Rows of a table that a screen holds; the rest is in the data.
pub(super) const MOST_ROWS: usize = 25;

/// A table as the template sets it.
pub(super) struct Table {
    /// The heads: a column's name, and whether its values are amounts.
    pub(super) heads: Vec<Head>,
    /// The first rows, at most [`MOST_ROWS`].
    pub(super) rows: Vec<Vec<Cell>>,
    total: usize,
}

/// The head of a column.
pub(super) struct Head {
    pub(super) name: String,
    pub(super) amounts: bool,
}

/// A cell; no text means null.
pub(super) struct Cell {
    pub(super) text: Option<String>,
    pub(super) amount: bool,
}

impl Table {
    /// The table of an answer with so many rows.
    pub(super) fn of(columns: &[Column], total: usize) -> Result<Self, ArrowError> {
        let shown = total.min(MOST_ROWS);
        let mut rows: Vec<Vec<Cell>> = (0..shown).map(|_| Vec::new()).collect();
        for column in columns {
            for (row, text) in rows.iter_mut().zip(column.texts(shown)?) {
                row.push(Cell {
                    text,
                    amount: column.amounts,
                });
            }
        }
        let heads = columns.iter().map(|column| Head {
            name: words::column(&column.name),
            amounts: column.amounts,
        });
        Ok(Self {
            heads: heads.collect(),
            rows,
            total,
        })
    }

    /// What stands before the links to the data: how many rows there are, and how many of them are shown.
    pub(super) fn extent(&self) -> String {
        let all = words::counted(self.total as u64, "row");
        if self.rows.len() < self.total {
            format!("The first {} of {all}. All of them:", self.rows.len())
        } else {
            format!("{all}, as data:")
        }
    }
}
