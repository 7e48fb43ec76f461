//! Definition files.

use std::sync::Arc;

use pinlake_dataset::{Definition, RESCUED};

use super::cleaning::records_are_cleaned;

const FILE: &str = "pin.toml";

/// Holds for any text: it is refused with lines that are in the file, or it is a definition whose columns are its schema and
/// that cleans records.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match Definition::parse(FILE, text) {
        Ok(definition) => is_usable(definition),
        Err(error) => {
            assert!(!error.mistakes().is_empty());
            // The end of a file counts as a line.
            let lines = text.matches('\n').count() + 1;
            for mistake in error.mistakes() {
                assert_eq!(mistake.file, FILE);
                assert!((1..=lines).contains(&mistake.line), "{mistake} of {lines} lines");
                assert!(!mistake.reason.trim().is_empty());
            }
        }
    }
}

fn is_usable(definition: Definition) {
    let schema = definition.schema().fields();
    assert_eq!(schema.len(), definition.columns().len() + 1);
    for (field, column) in schema.iter().zip(definition.columns()) {
        assert_eq!(
            (field.name().as_str(), field.data_type()),
            (column.name(), &column.data_type())
        );
    }
    assert_eq!(schema.last().map(|field| field.name().as_str()), Some(RESCUED));
    let names: Vec<String> = schema.iter().map(|field| field.name().to_lowercase()).collect();
    for (place, name) in names.iter().enumerate() {
        assert!(
            !names[..place].contains(name),
            "two columns that a reader of SQL cannot tell apart: {name}"
        );
    }
    assert!(!definition.key().is_empty());
    for key in definition.key() {
        assert!(definition.columns().iter().any(|column| column.name() == key));
    }
    let definition = Arc::new(definition);
    let texts: Vec<String> = [
        "1",
        "\"12k\"",
        "\"2020-01-01 00:00:00\"",
        "[]",
        "true",
        "1e400",
        "\"\\ud800\"",
    ]
    .iter()
    .map(|value| {
        let fields = definition.columns().iter().map(|column| column.name());
        let fields = fields.chain(["index", "ind", "a", "x"]);
        let fields: Vec<String> = fields
            .map(|name| format!("{}:{value}", serde_json::Value::from(name)))
            .collect();
        format!("{{{}}}", fields.join(","))
    })
    .collect();
    let records: Vec<&[u8]> = texts
        .iter()
        .map(String::as_bytes)
        .chain([&b"{}"[..], b"null", b"\xff", b""])
        .collect();
    records_are_cleaned(&definition, &records);
}
