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
            "10: key `requird` is unknown; there are `name`, `from`, `type`",
        ),
        ("name = \"a\"", "7: key `type` is missing"),
        ("name = \"a\"\ntype = ", "9: "),
        (
            "name = \"a\"\ntype = \"float64\"\nmin = \"x\"",
            "10: `min` must be a number, or a list of numbers, not `\"x\"`",
        ),
        (
            "name = \"a\"\ntype = \"float64\"\nmax = [1, true]",
            "10: `max` must be a number, or a list of numbers, not `[1, true]`",
        ),
        (
            "name = \"a\"\ntype = \"int64\"\nmax = 99999999999999999999",
            "10: `max` is beyond TOML's whole numbers, which have 64 bits",
        ),
        (
            "name = \"a\"\ntype = \"string\"\nrequired = \"yes\"",
            "10: `required` must be `true` or `false`, not `\"yes\"`",
        ),
        (
            "name = \"a\"\ntype = \"list<float64>\"\nfrom = [\n  \"x\",\n  1]",
            "10: `from` must be a field's name, or a list of them, not `[…`",
        ),
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
        (column.to_owned(), "1: key `key` is missing"),
        ("key = [\"id\"]\ncolumn = []\n".to_owned(), "1: there is no [[column]]"),
        (
            format!("key = \"id\"\n{column}"),
            "1: `key` must be a list of columns' names, not `\"id\"`",
        ),
        (
            format!("key = [\"id\"]\n\nplaceholders = true\n{column}"),
            "3: `placeholders` must be a list of texts, not `true`",
        ),
        (
            "key = [\"id\"]\n[column]\nname = \"id\"\n".to_owned(),
            "2: `column` must be tables, each under a line `[[column]]`",
        ),
        (
            "key = [\"id\"]\ncolumn = [\"id\"]\n".to_owned(),
            "2: `column` must be tables, each under a line `[[column]]`",
        ),
    ] {
        let error = mistakes(&text);
        let expected = format!("datasets/thing.toml:{told}");
        assert!(
            error.lines().any(|line| line.starts_with(&expected)),
            "{text}\n- expected {expected}\n- told {error}"
        );
    }
}

/// The names between backticks, from the word `there are` on.
fn known(mistake: &str) -> Vec<&str> {
    let (_, names) = mistake.split_once("there are ").unwrap();
    names.split('`').skip(1).step_by(2).collect()
}

#[test]
fn a_value_of_the_wrong_type_is_told_with_its_key() {
    let column = "[[column]]\nname = \"id\"\ntype = \"int64\"\n";
    let of_file = mistakes(&format!("other = 1\nkey = [\"id\"]\n{column}"));
    let of_column = mistakes(&format!("key = [\"id\"]\n{column}other = 1\n"));
    assert!(
        known(&of_file).len() >= 4 && known(&of_column).len() >= 12,
        "{of_file}\n{of_column}"
    );
    // A date is no value for any of them.
    let files = known(&of_file)
        .into_iter()
        .map(|key| (key, format!("{key} = 2020-01-01\n")));
    let columns = known(&of_column)
        .into_iter()
        .map(|key| (key, format!("key = [\"id\"]\n[[column]]\n{key} = 2020-01-01\n")));
    for (key, text) in files.chain(columns) {
        let line = text.lines().count();
        let (error, expected) = (mistakes(&text), format!("datasets/thing.toml:{line}: `{key}` must be "));
        assert!(
            error.starts_with(&expected),
            "{text}- expected {expected}\n- told {error}"
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
fn a_definition_is_a_toml_file() {
    for file in ["README.md", "datasets/pins", "datasets/pins.toml.orig"] {
        let error = Definition::parse(file, "").unwrap_err().to_string();
        let expected = format!("{file}:1: a definition is a `.toml` file, named as its dataset");
        assert_eq!(error, expected);
    }
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
