//! Mistakes in definition files: each is told with file, line and reason, all of a file together.
#![allow(clippy::unwrap_used, missing_docs)]

use pinlake_dataset::Definition;

/// A sound file to put mistakes into; the column starts at line 2.
fn with_column(column: &str) -> String {
    format!("key = [\"id\"]\n[[column]]\nname = \"id\"\ntype = \"int64\"\nrequired = true\n\n[[column]]\n{column}\n")
}

fn mistakes(text: &str) -> String {
    Definition::parse("datasets/thing.toml", text).unwrap_err().to_string()
}

#[test]
fn a_mistake_is_told_with_its_line_and_reason() {
    for (column, told) in [
        (
            "name = \"a\"\ntype = \"int\"",
            "9: type `int` is unknown; there are `bool`, `int32`",
        ),
        (
            "name = \"a b\"\ntype = \"bool\"",
            "8: column name `a b` must be a letter followed by",
        ),
        ("name = \"ID\"\ntype = \"bool\"", "8: column `ID` is defined twice"),
        (
            "name = \"_origin\"\ntype = \"string\"",
            "8: column name `_origin` is one that every table has already",
        ),
        (
            "name = \"a\"\ntype = \"string\"\nread = \"count\"",
            "10: `read = \"count\"` needs type `int64`",
        ),
        (
            "name = \"a\"\ntype = \"string\"\nread = \"guess\"",
            "10: reader `guess` is unknown",
        ),
        (
            "name = \"a\"\ntype = \"string\"\notherwise = \"drop\"",
            "10: `otherwise` is `reject` or `null`, not `drop`",
        ),
        (
            "name = \"a\"\ntype = \"string\"\nrequired = true\notherwise = \"null\"",
            "11: a required column cannot be null",
        ),
        (
            "name = \"a\"\ntype = \"int32\"\nmin = 5\nmax = 4",
            "8: no value fits: `min` 5 is above `max` 4",
        ),
        (
            "name = \"a\"\ntype = \"int32\"\nmin = 3e9",
            "8: no value fits: `min` 3000000000 is above every `int32`",
        ),
        (
            "name = \"a\"\ntype = \"float64\"\nmax = -inf",
            "8: no value fits: `max` -inf is below every `float64`",
        ),
        (
            "name = \"a\"\ntype = \"int32\"\nmin = 0.5",
            "10: `min` must be one whole number",
        ),
        ("name = \"a\"\ntype = \"string\"\nmin = 1", "10: `min` is for numbers"),
        (
            "name = \"a\"\ntype = \"int32\"\nstrip_prefix = \"x\"",
            "10: `strip_prefix` is for text",
        ),
        (
            "name = \"a\"\ntype = \"date\"\nformat = \"datetime\"",
            "10: `format` is for type `timestamp`",
        ),
        (
            "name = \"a\"\ntype = \"timestamp\"\nformat = \"%Y\"",
            "10: format `%Y` is unknown; there are `datetime`",
        ),
        (
            "name = \"a\"\nfrom = [\"x\", \"y\"]\ntype = \"string\"",
            "9: `from` names 2 fields, but type `string` reads one",
        ),
        (
            "name = \"a\"\nfrom = [\"x\", \"x\"]\ntype = \"list<float64>\"",
            "9: `from` names a field twice",
        ),
        (
            "name = \"a\"\nfrom = []\ntype = \"list<float64>\"",
            "9: `from` names no field",
        ),
        (
            "name = \"a\"\nfrom = [\"x\", \"y\"]\ntype = \"list<float64>\"\nmax = [1, 2, 3]",
            "11: `max` needs one number, or one per field (2)",
        ),
        (
            "name = \"a\"\ntype = \"string\"\nrequird = true",
            "10: unknown field `requird`",
        ),
        ("name = \"a\"", "7: missing field `type`"),
        ("name = \"a\"\ntype = ", "9: "),
    ] {
        let error = mistakes(&with_column(column));
        let expected = format!("datasets/thing.toml:{told}");
        assert!(
            error.lines().any(|line| line.starts_with(&expected)),
            "{column}\n- expected {expected}\n- told {error}"
        );
    }
}

#[test]
fn the_file_as_a_whole_is_checked_too() {
    let column = "[[column]]\nname = \"id\"\ntype = \"int64\"\n";
    for (text, told) in [
        (format!("key = []\n{column}"), "1: the key names no column"),
        (
            format!("key = [\"other\"]\n{column}"),
            "1: the key names column `other`, which is not defined",
        ),
        (
            format!("key = [\"id\"]\n{column}"),
            "3: key column `id` needs `required = true`",
        ),
        (
            format!("key = [\"id\"]\ndrop = [\"id\"]\n{column}required = true"),
            "2: field `id` is dropped, but used",
        ),
        (
            format!("key = [\"id\"]\nplaceholders = [\" \"]\n{column}required = true"),
            "2: an empty placeholder",
        ),
        (column.to_owned(), "1: missing field `key`"),
        ("key = [\"id\"]\ncolumn = []\n".to_owned(), "1: there is no [[column]]"),
    ] {
        let error = mistakes(&text);
        let expected = format!("datasets/thing.toml:{told}");
        assert!(
            error.lines().any(|line| line.starts_with(&expected)),
            "{text}\n- expected {expected}\n- told {error}"
        );
    }
}

#[test]
fn all_mistakes_are_told_together_in_order() {
    let text = "key = [\"b\"]\n[[column]]\nname = \"a\"\ntype = \"x\"\n[[column]]\nname = \"a\"\ntype = \"y\"\n";
    let lines: Vec<usize> = Definition::parse("d/t.toml", text)
        .unwrap_err()
        .mistakes()
        .iter()
        .map(|m| m.line)
        .collect();
    assert_eq!(lines, [1, 4, 6, 7]);
}

#[test]
fn the_file_name_must_be_a_dataset_name() {
    let error = Definition::parse("datasets/My-Pins.toml", "").unwrap_err().to_string();
    assert!(
        error.starts_with("datasets/My-Pins.toml:1: `My-Pins` is no dataset name"),
        "{error}"
    );
}

#[test]
fn every_reader_and_type_makes_a_schema() {
    let text = r#"
        key = ["id"]
        [[column]]
        name = "id"
        type = "string"
        required = true
        [[column]]
        name = "flag"
        type = "bool"
        [[column]]
        name = "day"
        type = "date"
        [[column]]
        name = "at"
        type = "timestamp"
        format = ["epoch_millis", "rfc3339"]
        [[column]]
        name = "ratio"
        type = "float64"
        min = 0
        max = 1
    "#;
    let definition = Definition::parse("every.toml", text).unwrap();
    let schema: Vec<_> = definition
        .schema()
        .fields()
        .iter()
        .map(|field| format!("{}: {}", field.name(), field.data_type()))
        .collect();
    insta::assert_snapshot!(schema.join("\n"), @r#"
    id: Utf8
    flag: Boolean
    day: Date32
    at: Timestamp(µs, "UTC")
    ratio: Float64
    _rescued: Utf8
    "#);
}
