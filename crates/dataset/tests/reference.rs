//! `datasets/README.md`, the reference of definitions, against the code: its tables have every name that the code knows
//! and no other, and its example becomes the row that it shows.
#![allow(clippy::unwrap_used, missing_docs)]

mod rows;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use pinlake_dataset::{Cleaner, Definition, Limits, RESERVED_COLUMNS};

const PAGE: &str = include_str!("../../../datasets/README.md");

/// The text below a heading, up to the next one.
fn section(heading: &str) -> &'static str {
    let (_, text) = PAGE.split_once(&format!("\n## {heading}\n")).unwrap();
    text.split_once("\n## ").map_or(text, |(section, _)| section)
}

/// What is between backticks.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The names in the first cells of a section's table.
fn told(heading: &str) -> BTreeSet<&'static str> {
    let rows = section(heading).lines().filter_map(|line| line.strip_prefix("| "));
    rows.flat_map(|row| names(row.split(" | ").next().unwrap())).collect()
}

/// The names that the code knows, of which it tells whoever uses another one.
fn known(column: &str) -> BTreeSet<String> {
    let text = format!("key = [\"id\"]\n{column}");
    let error = Definition::parse("thing.toml", &text).unwrap_err();
    let reasons = error.mistakes().iter().map(|mistake| mistake.reason.as_str());
    let (_, known) = reasons
        .filter_map(|reason| reason.split_once(" is unknown; there are "))
        .next()
        .unwrap();
    names(known).map(str::to_owned).collect()
}

#[test]
fn every_key_type_reader_and_format_is_in_the_reference() {
    let column = "[[column]]\nname = \"id\"\n";
    for (heading, wrong) in [
        ("Keys of the file", format!("other = 1\n{column}type = \"date\"")),
        ("Keys of a column", format!("{column}other = 1")),
        ("Types", format!("{column}type = \"other\"")),
        ("Readers", format!("{column}type = \"date\"\nread = \"other\"")),
        (
            "Formats of time",
            format!("{column}type = \"timestamp\"\nformat = \"other\""),
        ),
    ] {
        let told: BTreeSet<String> = told(heading).into_iter().map(str::to_owned).collect();
        assert_eq!(told, known(&wrong), "{heading}: left: the page, right: the code");
    }
}

#[test]
fn the_names_that_are_taken_are_in_the_reference() {
    let section: BTreeSet<_> = names(section("Keys of a column")).collect();
    for name in RESERVED_COLUMNS {
        assert!(section.contains(name), "{name}");
    }
}

#[test]
fn the_limits_are_in_the_reference() {
    let Limits { record_bytes, depth } = Limits::default();
    let section = section("What becomes of a field");
    assert!(section.contains(&format!("more than {depth} levels")), "{depth}");
    assert!(
        section.contains(&format!("larger than {} MiB", record_bytes >> 20)),
        "{record_bytes}"
    );
}

#[test]
fn the_example_becomes_the_row_that_is_shown() {
    let piece = |kind: &str| {
        let (_, rest) = section("An example").split_once(&format!("```{kind}\n")).unwrap();
        rest.split_once("```").unwrap().0
    };
    let definition = Arc::new(Definition::parse("reading.toml", piece("toml")).unwrap());
    let mut cleaner = Cleaner::new(definition, Limits::default());
    let record = piece("json");
    cleaner.push(record.as_bytes());
    let late = record.replace("2026-11-24T09:30:00+01:00", "yesterday");
    assert_ne!(late, record);
    cleaner.push(late.as_bytes());
    let cleaned = cleaner.finish();

    let rows = section("An example")
        .lines()
        .filter_map(|line| line.strip_prefix("| `"));
    let shown: BTreeMap<String, Option<String>> = rows
        .map(|row| {
            let (column, value) = row.trim_end_matches(" |").split_once("` | ").unwrap();
            let value = (value != "null").then(|| value.trim_matches('`').to_owned());
            (column.to_owned(), value)
        })
        .collect();
    assert_eq!(rows::as_text(&cleaned.rows, 0), shown);
    assert_eq!(cleaned.rows.num_rows(), 1);
    assert_eq!(cleaned.rejected[0].field.as_deref(), Some("time"));
}
