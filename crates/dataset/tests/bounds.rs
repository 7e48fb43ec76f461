//! Bounds of a column: a value outside is told those that the definition gives, and no others.
#![allow(clippy::unwrap_used, missing_docs)]

use pinlake_dataset::{Definition, Limits, check};

/// A definition whose column `w` comes from the field `w`, or is a list of the fields `w` and `x`.
fn definition(column: &str) -> Definition {
    let text = format!(
        "key = [\"id\"]\n[[column]]\nname = \"id\"\ntype = \"int32\"\nrequired = true\n[[column]]\nname = \"w\"\n{column}"
    );
    Definition::parse("thing.toml", &text).unwrap()
}

#[test]
fn only_given_bounds_are_told() {
    let list = "from = [\"w\", \"x\"]\ntype = \"list<float64>\"";
    for (column, fields, told) in [
        ("type = \"float64\"\nmin = 0", "\"w\":-0.5", Err("is below 0")),
        ("type = \"float64\"\nmin = 0", "\"w\":0", Ok(())),
        ("type = \"float64\"\nmin = 0", "\"w\":1e308", Ok(())),
        ("type = \"float64\"\nmax = 1.5", "\"w\":\"1.6\"", Err("is above 1.5")),
        ("type = \"float64\"\nmax = 1.5", "\"w\":-1e308", Ok(())),
        (
            "type = \"float64\"\nmin = 0\nmax = 1.5",
            "\"w\":2",
            Err("is not within 0 to 1.5"),
        ),
        ("type = \"float64\"\nmin = -inf\nmax = 1", "\"w\":2", Err("is above 1")),
        (
            "type = \"float64\"\nmin = 0",
            "\"w\":1e309",
            Err("is out of range for float64"),
        ),
        ("type = \"int64\"\nmin = 0", "\"w\":-1", Err("is below 0")),
        ("type = \"int64\"\nmin = 0", "\"w\":9223372036854775807", Ok(())),
        ("type = \"int64\"\nmax = 9", "\"w\":10", Err("is above 9")),
        ("type = \"int64\"\nmax = 9", "\"w\":-9223372036854775808", Ok(())),
        (
            "type = \"int64\"\nmin = 1\nmax = 9",
            "\"w\":10",
            Err("is not within 1 to 9"),
        ),
        ("type = \"int32\"\nmin = 0", "\"w\":-3000000000", Err("is below 0")),
        (
            "type = \"int32\"\nmin = 0",
            "\"w\":3000000000",
            Err("is out of range for int32"),
        ),
        // A bound beyond the type bounds nothing more.
        (
            "type = \"int32\"\nmax = 3e9",
            "\"w\":2147483648",
            Err("is out of range for int32"),
        ),
        (
            &format!("{list}\nmin = [0, -inf]"),
            "\"w\":-1,\"x\":-1",
            Err("is below 0"),
        ),
        (&format!("{list}\nmin = [0, -inf]"), "\"w\":0,\"x\":-1e300", Ok(())),
        (&format!("{list}\nmax = 5"), "\"w\":6,\"x\":6", Err("is above 5")),
    ] {
        let record = format!("{{\"id\":1,{fields}}}");
        let verdict = check(&definition(column), Limits::default(), record.as_bytes());
        let verdict = verdict.map(|_| ()).map_err(|rejection| {
            assert_eq!(rejection.field.as_deref(), Some("w"), "{column}: {fields}");
            rejection.reason
        });
        assert_eq!(verdict, told.map_err(str::to_owned), "{column}: {fields}");
    }
}
