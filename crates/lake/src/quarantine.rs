//! What the quarantine keeps of a record that cannot be cleaned.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, BinaryBuilder, RecordBatch, StringBuilder},
    error::ArrowError,
};
use pinlake_dataset::Rejected;

use crate::schema::quarantine_rows_schema;

/// Rejected records as the quarantine has them: payload, reason, field.
///
/// # Errors
/// None, for columns that are built side by side.
pub fn quarantine_rows(rejected: &[Rejected]) -> Result<RecordBatch, ArrowError> {
    let bytes = rejected.iter().map(|reject| reject.payload.len()).sum();
    let mut payloads = BinaryBuilder::with_capacity(rejected.len(), bytes);
    let (mut reasons, mut fields) = (StringBuilder::new(), StringBuilder::new());
    for reject in rejected {
        payloads.append_value(&reject.payload);
        reasons.append_value(&reject.reason);
        fields.append_option(reject.field.as_deref());
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(payloads.finish()),
        Arc::new(reasons.finish()),
        Arc::new(fields.finish()),
    ];
    RecordBatch::try_new(quarantine_rows_schema(), columns)
}
