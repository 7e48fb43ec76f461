//! Records: decoding and cleaning.
//!
//! An input is a byte that chooses the dataset, then records, separated by the byte 0x1E, which no JSON holds.

use std::sync::{Arc, LazyLock};

use arrow::{
    array::{Array, AsArray},
    datatypes::{Date32Type, Float64Type, TimestampMicrosecondType},
};
use pinlake_dataset::{Catalog, Cleaned, Cleaner, Definition, Limits, check as judge};
use serde_json::value::RawValue;

/// Parsed once: that takes longer than all that is tried with it.
pub(crate) static CATALOG: LazyLock<Catalog> = LazyLock::new(Catalog::built_in);

const DATASETS: [&str; 3] = ["pin", "geo", "user"];
const SEPARATOR: u8 = 0x1e;
/// Small enough that an input can reach both.
const LIMITS: Limits = Limits {
    record_bytes: 600,
    depth: 8,
};

/// Holds for any bytes: nothing is lost, cleaning is a function of its input, the edge judges as the cleaner does, and the
/// rows are sound Arrow data in the definition's schema.
pub fn check(data: &[u8]) {
    let Some((dataset, records)) = data.split_first() else {
        return;
    };
    let Some(definition) = CATALOG.route(DATASETS[usize::from(*dataset) % DATASETS.len()]) else {
        panic!("a built-in dataset is missing");
    };
    records_are_cleaned(
        definition,
        &records.split(|byte| *byte == SEPARATOR).collect::<Vec<_>>(),
    );
}

/// The same of any definition.
pub(crate) fn records_are_cleaned(definition: &Arc<Definition>, records: &[&[u8]]) {
    let mut cleaner = Cleaner::new(Arc::clone(definition), LIMITS);
    let mut clean = || {
        records.iter().for_each(|record| cleaner.push(record));
        cleaner.finish()
    };
    let cleaned = clean();
    nothing_is_lost(&cleaned, records);
    is_sound(definition, &cleaned);
    // A cleaner that has been used before answers the same.
    let again = clean();
    assert_eq!(cleaned.rows, again.rows);
    assert_eq!(cleaned.indices, again.indices);
    assert_eq!(cleaned.rejected, again.rejected);
    let mut rejected = cleaned.rejected.iter();
    for (index, record) in records.iter().enumerate() {
        match judge(definition, LIMITS, record) {
            Ok(_) => {
                assert!(
                    cleaned.indices.contains(&index),
                    "the edge takes what the cleaner rejects"
                );
                is_a_record(record);
            }
            Err(rejection) => {
                let found = rejected.next().map(|found| (found.index, &found.field, &found.reason));
                assert_eq!(found, Some((index, &rejection.field, &rejection.reason)));
            }
        }
    }
}

fn nothing_is_lost(cleaned: &Cleaned, records: &[&[u8]]) {
    assert_eq!(cleaned.rows.num_rows(), cleaned.indices.len());
    let rejected = cleaned.rejected.iter().map(|rejected| rejected.index);
    let mut seen: Vec<usize> = cleaned.indices.iter().copied().chain(rejected).collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..records.len()).collect::<Vec<_>>());
    for rejected in &cleaned.rejected {
        assert_eq!(rejected.payload, records[rejected.index]);
        assert!(!rejected.reason.is_empty());
    }
}

fn is_sound(definition: &Definition, cleaned: &Cleaned) {
    assert_eq!(cleaned.rows.schema_ref(), definition.schema());
    for column in cleaned.rows.columns() {
        if let Err(error) = column.to_data().validate_full() {
            panic!("a column is no sound Arrow data: {error}");
        }
    }
    for column in cleaned.rows.columns() {
        are_shown(column.as_ref());
    }
    let rescued = cleaned.rows.columns().last().map(|column| column.as_string::<i32>());
    for text in rescued.iter().flat_map(|column| column.iter()).flatten() {
        let json = serde_json::from_str::<&RawValue>(text);
        assert!(
            json.is_ok() && text.starts_with('{'),
            "what is rescued is no JSON object: {text}"
        );
    }
}

/// Times are in the years 1 to 9999, and numbers are numbers.
fn are_shown(column: &dyn Array) {
    if let Some(days) = column.as_primitive_opt::<Date32Type>() {
        assert!(days.iter().flatten().all(|days| (-719_162..=2_932_896).contains(&days)));
    }
    if let Some(micros) = column.as_primitive_opt::<TimestampMicrosecondType>() {
        let years = -62_135_596_800_000_000..=253_402_300_799_999_999;
        assert!(micros.iter().flatten().all(|micros| years.contains(&micros)));
    }
    if let Some(doubles) = column.as_primitive_opt::<Float64Type>() {
        assert!(doubles.iter().flatten().all(f64::is_finite));
    }
}

/// What is taken is one JSON object within the limits, by somebody else's count.
fn is_a_record(record: &[u8]) {
    assert!(record.len() <= LIMITS.record_bytes);
    let Ok(text) = std::str::from_utf8(record) else {
        panic!("a record that is no UTF-8 was taken");
    };
    let json = serde_json::from_str::<&RawValue>(text).map(RawValue::get);
    assert!(
        json.is_ok_and(|json| json.starts_with('{')),
        "no object was taken: {text}"
    );
    let value = serde_json::from_str::<serde_json::Value>(text);
    // Lone surrogates and numbers beyond a double are JSON by its grammar, and no `Value`.
    assert!(value.is_err() || value.is_ok_and(|value| depth(&value) <= LIMITS.depth));
}

fn depth(value: &serde_json::Value) -> usize {
    let below: Box<dyn Iterator<Item = &serde_json::Value>> = match value {
        serde_json::Value::Array(values) => Box::new(values.iter()),
        serde_json::Value::Object(fields) => Box::new(fields.values()),
        _ => return 0,
    };
    1 + below.map(depth).max().unwrap_or_default()
}
