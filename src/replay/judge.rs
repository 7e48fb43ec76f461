//! Records to rows: each payload cleaned, each row with its origin and its arrival.

use anyhow::Result;
use arrow::array::{RecordBatch, StringArray};
use pinlake_dataset::{Cleaner, Rejected};
use pinlake_lake::{quarantine_rows, with_bookkeeping};

/// A record to be cleaned.
pub(super) struct Record<'a> {
    pub(super) payload: &'a [u8],
    pub(super) origin: &'a str,
    /// Microseconds since 1970, UTC.
    pub(super) arrived_at: i64,
    /// Why it cannot be cleaned, whatever the definition says.
    pub(super) reason: Option<&'a str>,
}

/// What came of records.
pub(super) struct Judged {
    /// Those that pass, as the table takes them.
    pub(super) rows: RecordBatch,
    /// Which they are.
    pub(super) passed: Vec<usize>,
    /// The others, as the quarantine takes them.
    pub(super) rejected: RecordBatch,
    /// Why, for each.
    pub(super) reasons: Vec<String>,
}

pub(super) fn judge(cleaner: &mut Cleaner, records: &[Record<'_>]) -> Result<Judged> {
    let mut given = Vec::with_capacity(records.len());
    let mut rejected = Vec::new();
    for (index, record) in records.iter().enumerate() {
        match record.reason {
            None => {
                cleaner.push(record.payload);
                given.push(index);
            }
            Some(reason) => rejected.push(Rejected {
                index,
                field: None,
                reason: reason.to_owned(),
                payload: record.payload.to_vec(),
            }),
        }
    }
    let cleaned = cleaner.finish();
    rejected.extend(cleaned.rejected.into_iter().map(|reject| Rejected {
        index: given[reject.index],
        ..reject
    }));
    let passed: Vec<_> = cleaned.indices.into_iter().map(|index| given[index]).collect();
    let indices: Vec<_> = rejected.iter().map(|reject| reject.index).collect();
    Ok(Judged {
        rows: placed(&cleaned.rows, &passed, records)?,
        passed,
        rejected: placed(&quarantine_rows(&rejected)?, &indices, records)?,
        reasons: rejected
            .iter()
            .map(|reject| told(reject.field.as_deref(), &reject.reason))
            .collect(),
    })
}

/// A reason as people read it.
pub(super) fn told(field: Option<&str>, reason: &str) -> String {
    match field {
        Some(field) => format!("`{field}` {reason}"),
        None => format!("the record {reason}"),
    }
}

/// Puts to each row when and where its record came from.
fn placed(rows: &RecordBatch, indices: &[usize], records: &[Record<'_>]) -> Result<RecordBatch> {
    let arrived_at = indices.iter().map(|index| records[*index].arrived_at).collect();
    let origins = StringArray::from_iter_values(indices.iter().map(|index| records[*index].origin));
    Ok(with_bookkeeping(rows, arrived_at, origins)?)
}
