//! Rows of a record batch as text, so that cases can be written by hand.

use std::collections::BTreeMap;

use arrow::{
    array::{Array, RecordBatch},
    util::display::{ArrayFormatter, FormatOptions},
};

/// One row: column name to the value's text, `None` for null.
pub(crate) fn as_text(batch: &RecordBatch, row: usize) -> BTreeMap<String, Option<String>> {
    let options = FormatOptions::default();
    let text = |column: &dyn Array| {
        let formatter = ArrayFormatter::try_new(column, &options).unwrap();
        (!column.is_null(row)).then(|| formatter.value(row).to_string())
    };
    let names = batch.schema_ref().fields().iter().map(|field| field.name().clone());
    names
        .zip(batch.columns().iter().map(|column| text(column.as_ref())))
        .collect()
}
