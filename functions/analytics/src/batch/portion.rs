//! Some of an object's lines, cleaned together: as many as go well through Arrow at once.

use arrow::{
    array::{RecordBatch, StringArray},
    error::ArrowError,
};
use pinlake_dataset::{Cleaner, Rejected};
use pinlake_lake::{quarantine_rows, with_bookkeeping};

use super::{lines::Line, objects::RawObject};

/// A portion is full at this many bytes of JSON …
const FULL_BYTES: usize = 8 << 20;
/// … or this many lines.
const FULL_LINES: usize = 16 << 10;

/// Lines of one object on their way through the cleaner.
pub(super) struct Portion<'a> {
    cleaner: &'a mut Cleaner,
    object: &'a RawObject,
    /// The origins of the lines that the cleaner was given.
    given: Vec<String>,
    /// Lines that are not whole, and so nothing for the cleaner; `index` is a position in `refused_origins`.
    refused: Vec<Rejected>,
    refused_origins: Vec<String>,
    bytes: usize,
}

/// What came of a portion, as the two tables take it.
pub(super) struct Cleaned {
    /// What the rows and rejects were made from.
    pub(super) lines: usize,
    pub(super) rows: RecordBatch,
    pub(super) rejected: RecordBatch,
}

impl<'a> Portion<'a> {
    pub(super) fn new(cleaner: &'a mut Cleaner, object: &'a RawObject) -> Self {
        Self {
            cleaner,
            object,
            given: Vec::new(),
            refused: Vec::new(),
            refused_origins: Vec::new(),
            bytes: 0,
        }
    }

    pub(super) fn push(&mut self, line: Line<'_>) {
        let origin = self.object.origin(line.number, line.part);
        self.bytes += line.bytes.len();
        match line.cut {
            None => {
                self.cleaner.push(line.bytes);
                self.given.push(origin);
            }
            Some(cut) => {
                self.refused.push(Rejected {
                    index: self.refused.len(),
                    field: None,
                    reason: cut.reason().to_owned(),
                    payload: line.bytes.to_vec(),
                });
                self.refused_origins.push(origin);
            }
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes >= FULL_BYTES || self.given.len() + self.refused.len() >= FULL_LINES
    }

    /// Takes what came of the lines; the portion is empty afterwards.
    pub(super) fn finish(&mut self) -> Result<Cleaned, ArrowError> {
        let cleaned = self.cleaner.finish();
        let given = std::mem::take(&mut self.given);
        let lines = given.len() + self.refused.len();
        let origins = cleaned.indices.iter().map(|index| given[*index].as_str());
        let rows = self.placed(&cleaned.rows, origins)?;

        let refused_origins = std::mem::take(&mut self.refused_origins);
        let of_cleaner = cleaned.rejected.iter().map(|reject| given[reject.index].as_str());
        let origins: Vec<&str> = of_cleaner.chain(refused_origins.iter().map(String::as_str)).collect();
        let rejected: Vec<Rejected> = cleaned.rejected.iter().cloned().chain(self.refused.drain(..)).collect();
        let rejected = self.placed(&quarantine_rows(&rejected)?, origins)?;
        self.bytes = 0;
        Ok(Cleaned { lines, rows, rejected })
    }

    /// Puts to each row when and where it came from.
    fn placed<'b>(
        &self,
        rows: &RecordBatch,
        origins: impl IntoIterator<Item = &'b str>,
    ) -> Result<RecordBatch, ArrowError> {
        let arrived_at = vec![self.object.arrived_at().timestamp_micros(); rows.num_rows()];
        with_bookkeeping(rows, arrived_at, StringArray::from_iter_values(origins))
    }
}
