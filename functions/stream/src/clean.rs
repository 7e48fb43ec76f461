//! From records to what lands: payloads decoded and cleaned, each with its sequence number and arrival.
//!
//! # Invariants
//! - Rows and rejects together are the records (`every_record_is_a_row_or_a_reject`).

use arrow::{array::RecordBatch, error::ArrowError};
use pinlake_dataset::{Cleaner, Rejected};
use pinlake_lake::{Batch, Rows, SequenceNumber, quarantine_rows};

use crate::envelope::Record;

/// Why a record whose base64 is broken is quarantined.
pub(crate) const NO_BASE64: &str = "is no base64";

/// Cleans the records of one source; `None` if there are none.
///
/// # Errors
/// Only if the cleaner's rows did not fit its own count of them.
pub(crate) fn clean(cleaner: &mut Cleaner, records: &[Record<'_>]) -> Result<Option<Batch>, ArrowError> {
    let Some(highest) = records.iter().map(|record| record.number).max() else {
        return Ok(None);
    };
    let mut buffer = Vec::new();
    // The cleaner counts what it is given; records with broken base64 are not among that.
    let mut given = Vec::with_capacity(records.len());
    let mut rejected = Vec::new();
    for (index, record) in records.iter().enumerate() {
        match record.payload(&mut buffer) {
            Ok(()) => {
                cleaner.push(&buffer);
                given.push(index);
            }
            Err(text) => {
                rejected.push(Rejected {
                    index,
                    field: None,
                    reason: NO_BASE64.to_owned(),
                    payload: text.to_vec(),
                });
            }
        }
    }
    let cleaned = cleaner.finish();
    rejected.extend(cleaned.rejected.into_iter().map(|reject| Rejected {
        index: given[reject.index],
        ..reject
    }));
    rejected.sort_unstable_by_key(|reject| reject.index);
    let accepted = cleaned.indices.into_iter().map(|index| given[index]);
    Ok(Some(Batch {
        rows: rows(cleaned.rows, accepted, records)?,
        rejected: rows(
            quarantine_rows(&rejected)?,
            rejected.iter().map(|reject| reject.index),
            records,
        )?,
        highest,
    }))
}

/// Puts to each row the number and the arrival of its record.
fn rows(batch: RecordBatch, indices: impl Iterator<Item = usize>, records: &[Record<'_>]) -> Result<Rows, ArrowError> {
    let (numbers, arrivals): (Vec<SequenceNumber>, Vec<i64>) = indices
        .map(|index| (records[index].number, records[index].arrived_at))
        .unzip();
    Rows::new(batch, numbers, arrivals)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pinlake_dataset::{Catalog, Limits};
    use proptest::prelude::*;

    use super::*;
    use crate::envelope::{Event, decode};

    proptest! {
        #[test]
        fn every_record_is_a_row_or_a_reject(data in prop::collection::vec("[A-Za-z0-9+/=]{0,12}|eyJpbmQiOjF9", 1..40)) {
            let records: Vec<_> = data.iter().enumerate().map(|(index, data)| serde_json::json!({
                "eventID": format!("0:{index}"),
                "eventSourceARN": "arn:aws:kinesis:eu-west-1:0:stream/geo",
                "kinesis": {"sequenceNumber": index.to_string(), "data": data, "approximateArrivalTimestamp": 1.5},
            })).collect();
            let event = serde_json::json!({"Records": records}).to_string();
            let Event::Kinesis(portions) = decode(event.as_bytes()).unwrap() else { panic!("no kinesis event") };
            let definition = Arc::clone(Catalog::built_in().route("geo").unwrap());
            let mut cleaner = Cleaner::new(definition, Limits::default());
            let batch = clean(&mut cleaner, &portions[0].records).unwrap().unwrap();
            prop_assert_eq!(batch.rows.len() + batch.rejected.len(), data.len());
            prop_assert_eq!(batch.highest, (data.len() as u64 - 1).into());
            let broken = data.iter().filter(|text| base64_simd::STANDARD.check(text.as_bytes()).is_err()).count();
            prop_assert!(batch.rejected.len() >= broken);
        }
    }
}
