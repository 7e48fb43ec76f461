//! Cleaning: raw records in, typed rows and rejects out.

use std::{fmt::Write as _, mem, sync::Arc};

use arrow::array::{ArrayRef, RecordBatch, StringBuilder};

use crate::{
    Definition, Limits, Rejection,
    columns::ColumnBuilder,
    definition::Otherwise,
    read::{Cell, read},
    record::{Fields, decode},
};

/// Cleans records of one dataset, straight into Arrow builders. Made once and used for batch after batch.
#[derive(Debug)]
pub struct Cleaner {
    definition: Arc<Definition>,
    limits: Limits,
    columns: Vec<ColumnBuilder>,
    rescued: StringBuilder,
    indices: Vec<usize>,
    rejected: Vec<Rejected>,
    pushed: usize,
}

/// The outcome of a batch: `rows.num_rows() + rejected.len()` is the number of records pushed.
#[derive(Debug)]
pub struct Cleaned {
    /// The accepted rows, in the order pushed, in [`Definition::schema`].
    pub rows: RecordBatch,
    /// For each row, the position of its record among those pushed, from 0.
    pub indices: Vec<usize>,
    /// The other records, in the order pushed.
    pub rejected: Vec<Rejected>,
}

/// A record that cannot be cleaned, kept as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Position among the records pushed, from 0.
    pub index: usize,
    /// The JSON field at fault; `None` when the record as a whole is.
    pub field: Option<String>,
    /// What is wrong, without the value: "is no int32".
    pub reason: String,
    /// The record's bytes, unchanged.
    pub payload: Vec<u8>,
}

impl Cleaner {
    /// A cleaner without records.
    pub fn new(definition: Arc<Definition>, limits: Limits) -> Self {
        let columns = definition
            .columns
            .iter()
            .map(|column| ColumnBuilder::new(column.kind))
            .collect();
        Self {
            definition,
            limits,
            columns,
            rescued: StringBuilder::new(),
            indices: Vec::new(),
            rejected: Vec::new(),
            pushed: 0,
        }
    }

    /// The definition it cleans by.
    pub fn definition(&self) -> &Arc<Definition> {
        &self.definition
    }

    /// Cleans one record and keeps the outcome.
    pub fn push(&mut self, payload: &[u8]) {
        let index = self.pushed;
        self.pushed += 1;
        match row(&self.definition, self.limits, payload) {
            Ok(row) => {
                for (column, cell) in self.columns.iter_mut().zip(&row.cells) {
                    column.append(cell);
                }
                self.rescued.append_option(row.rescued);
                self.indices.push(index);
            }
            Err(Rejection { field, reason }) => {
                self.rejected.push(Rejected {
                    index,
                    field,
                    reason,
                    payload: payload.to_vec(),
                });
            }
        }
    }

    /// Takes the outcome of all records pushed since the last time; the cleaner is empty afterwards.
    pub fn finish(&mut self) -> Cleaned {
        self.pushed = 0;
        let mut arrays: Vec<ArrayRef> = self.columns.iter_mut().map(ColumnBuilder::finish).collect();
        arrays.push(Arc::new(self.rescued.finish()));
        let rows = match RecordBatch::try_new(Arc::clone(self.definition.schema()), arrays) {
            Ok(rows) => rows,
            // Builders and schema come from the same list of columns, and `push` appends to all or to none.
            Err(error) => unreachable!("builders that do not fit their schema: {error}"),
        };
        Cleaned {
            rows,
            indices: mem::take(&mut self.indices),
            rejected: mem::take(&mut self.rejected),
        }
    }
}

/// Judges a record exactly as [`Cleaner::push`] would, without keeping it: what the edge does before it accepts one.
///
/// Answers the row's key as text, the values of the key columns joined by `|`: the partition key of a record whose
/// sender gives none.
pub fn check(definition: &Definition, limits: Limits, payload: &[u8]) -> Result<String, Rejection> {
    let row = row(definition, limits, payload)?;
    let mut key = String::new();
    for name in &definition.key {
        let cell = definition
            .columns
            .iter()
            .zip(&row.cells)
            .find(|(column, _)| column.name == *name);
        if !key.is_empty() {
            key.push('|');
        }
        if let Some((_, cell)) = cell {
            // Writing to a String cannot fail.
            let _ = write!(key, "{cell}");
        }
    }
    Ok(key)
}

/// One cleaned record.
struct Row<'de> {
    /// In the order of the definition's columns.
    cells: Vec<Cell<'de>>,
    /// A JSON object of what no column holds.
    rescued: Option<String>,
}

fn row<'de>(definition: &Definition, limits: Limits, payload: &'de [u8]) -> Result<Row<'de>, Rejection> {
    let fields = decode(definition, limits, payload)?;
    let mut cells = Vec::with_capacity(definition.columns.len());
    let mut unread: Vec<usize> = Vec::new();
    for column in &definition.columns {
        let cell = match read(definition, column, &fields) {
            Ok(cell) => cell,
            Err(fault) if column.otherwise == Otherwise::Reject => {
                return Err(Rejection::field(&definition.fields[fault.field], fault.reason));
            }
            Err(_) => {
                unread.extend(
                    column
                        .from
                        .iter()
                        .filter(|field| !unread.contains(field))
                        .collect::<Vec<_>>(),
                );
                Cell::Null
            }
        };
        if column.required && cell == Cell::Null {
            let field = column
                .from
                .first()
                .map_or(column.name.as_str(), |&field| &definition.fields[field]);
            return Err(Rejection::field(field, "is missing"));
        }
        cells.push(cell);
    }
    Ok(Row {
        cells,
        rescued: rescue(definition, &fields, &unread),
    })
}

/// The fields that no column holds, as the JSON text that was sent.
fn rescue(definition: &Definition, fields: &Fields<'_>, unread: &[usize]) -> Option<String> {
    let unread = unread
        .iter()
        .filter_map(|&field| Some((definition.fields[field].as_str(), fields.known[field]?)));
    let unknown = fields.unknown.iter().map(|(name, value)| (name.as_ref(), *value));
    let mut object = String::new();
    for (name, value) in unread.chain(unknown) {
        object.push(if object.is_empty() { '{' } else { ',' });
        // Writing to a String cannot fail; a JSON string displays as JSON.
        let _ = write!(object, "{}:{}", serde_json::Value::from(name), value.get());
    }
    (!object.is_empty()).then(|| object + "}")
}
