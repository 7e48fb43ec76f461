//! Names that somebody made up are shown as far as they tell anything, however long they are.
#![allow(clippy::unwrap_used, missing_docs)]

use pinlake_dataset::{Definition, Limits, Rejection, check};

fn refused(record: &str) -> Rejection {
    let text = "key = [\"n\"]\n[[column]]\nname = \"n\"\ntype = \"int64\"\nrequired = true\n";
    let definition = Definition::parse("thing.toml", text).unwrap();
    check(&definition, Limits::default(), record.as_bytes()).unwrap_err()
}

#[test]
fn a_name_that_is_unknown_is_cut() {
    let long = "é".repeat(200_000);
    let twice = refused(&format!(r#"{{"n":1,"{long}":1,"{long}":2}}"#));
    assert_eq!(twice.field.as_deref(), Some(format!("{}…", "é".repeat(32)).as_str()));
    assert_eq!(twice.reason, "stands there twice");
    let deep = refused(&format!(r#"{{"n":1,"{long}":{}{}}}"#, "[".repeat(40), "]".repeat(40)));
    assert_eq!(deep.field, twice.field);
    let just = "é".repeat(32);
    assert_eq!(
        refused(&format!(r#"{{"n":1,"{just}":1,"{just}":2}}"#)).field,
        Some(just)
    );
}

#[test]
fn a_name_of_the_definition_is_whole() {
    assert_eq!(refused(r#"{"n":1,"n":2}"#).field.as_deref(), Some("n"));
}
