//! Cleaning, case by case: each line of `testdata/*.jsonl` is one record and what must become of it.
//!
//! A case gives its record as changes to the file's base (`with`, `without`), as `text`, as `base64`, as an object
//! `nested` so many levels below the record, or `padded` to so many bytes. It expects some columns of the `row`, as
//! text, or a `reject`.
#![allow(clippy::unwrap_used, missing_docs)]

mod rows;

use std::{collections::BTreeMap, sync::Arc};

use pinlake_dataset::{Catalog, Cleaner, Limits, Rejection, check};
use serde::Deserialize;
use serde_json::value::RawValue;

/// One line of a case file. Values stay raw, so that a case shows the digits that are sent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    base: Option<Record>,
    #[serde(default)]
    case: String,
    with: Option<Record>,
    #[serde(default)]
    without: Vec<String>,
    text: Option<String>,
    base64: Option<String>,
    nested: Option<usize>,
    padded: Option<usize>,
    row: Option<BTreeMap<String, Option<String>>>,
    reject: Option<Reject>,
}

type Record = BTreeMap<String, Box<RawValue>>;

#[derive(Deserialize, Debug, PartialEq)]
struct Reject {
    field: Option<String>,
    reason: String,
}

impl Case {
    fn payload(&self, base: &Record) -> Vec<u8> {
        if let Some(text) = &self.text {
            text.clone().into_bytes()
        } else if let Some(base64) = &self.base64 {
            base64_simd::STANDARD.decode_to_vec(base64).unwrap()
        } else if let Some(levels) = self.nested {
            format!(r#"{{"index":1,"deep":{}1{}}}"#, "[".repeat(levels), "]".repeat(levels)).into_bytes()
        } else if let Some(bytes) = self.padded {
            let frame = r#"{"index":1,"title":""}"#.len();
            format!(r#"{{"index":1,"title":"{}"}}"#, "x".repeat(bytes - frame)).into_bytes()
        } else {
            let mut record = base.clone();
            for name in &self.without {
                record.remove(name).unwrap();
            }
            record.extend(self.with.clone().unwrap_or_default());
            serde_json::to_vec(&record).unwrap()
        }
    }
}

fn run(dataset: &str, cases: &str) {
    let definition = Arc::clone(Catalog::built_in().route(dataset).unwrap());
    let mut cleaner = Cleaner::new(Arc::clone(&definition), Limits::default());
    let mut base = Record::new();
    let mut count = 0;
    for line in cases.lines() {
        let case: Case = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        if let Some(record) = case.base {
            base = record;
            continue;
        }
        count += 1;
        let name = format!("{dataset}: {}", case.case);
        let payload = case.payload(&base);
        cleaner.push(&payload);
        let cleaned = cleaner.finish();
        let verdict = check(&definition, Limits::default(), &payload);
        match (case.row, case.reject) {
            (Some(expected), None) => {
                assert_eq!(cleaned.rejected, [], "{name}");
                let row = rows::as_text(&cleaned.rows, 0);
                for (column, value) in &expected {
                    assert_eq!(&row[column], value, "{name}: {column}");
                }
                assert_eq!(verdict, Ok(row["ind"].clone().unwrap()), "{name}");
            }
            (None, Some(expected)) => {
                let rejected = cleaned
                    .rejected
                    .first()
                    .unwrap_or_else(|| panic!("{name}: was accepted"));
                let told = Reject {
                    field: rejected.field.clone(),
                    reason: rejected.reason.clone(),
                };
                assert_eq!(told, expected, "{name}");
                assert_eq!(rejected.payload, payload, "{name}");
                let Rejection { field, reason } = verdict.unwrap_err();
                assert_eq!(told, Reject { field, reason }, "{name}");
            }
            _ => panic!("{name}: a case expects either a row or a reject"),
        }
    }
    assert!(count > 10, "{dataset}: {count} cases");
}

#[test]
fn pin() {
    run("pin", include_str!("../testdata/pin.jsonl"));
}

#[test]
fn geo() {
    run("geo", include_str!("../testdata/geo.jsonl"));
}

#[test]
fn user() {
    run("user", include_str!("../testdata/user.jsonl"));
}
