//! What the reader of TOML finds wrong, told in the words of a definition: its own messages speak of Rust's types, and do
//! not name the key.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeTable, DeValue, Error},
};

/// A value is quoted up to here.
const QUOTED_CHARS: usize = 40;

/// The reason of a mistake, in one line.
pub(super) fn told(text: &str, error: &Error) -> String {
    let message = error.message().replace('\n', " ");
    if let Some(key) = message.strip_prefix("missing field ") {
        return format!("key {key} is missing");
    }
    let unknown = message.strip_prefix("unknown field ");
    if let Some((key, known)) = unknown.and_then(|rest| rest.split_once(", expected one of ")) {
        return format!("key {key} is unknown; there are {known}");
    }
    match (DeTable::parse(text), error.span()) {
        (Ok(file), Some(span)) => wrong_value(text, file.get_ref(), &span).unwrap_or(message),
        // What breaks TOML's grammar is told in its terms.
        _ => message,
    }
}

/// Why the value at `span` is none for its key.
fn wrong_value(text: &str, file: &DeTable<'_>, span: &Range<usize>) -> Option<String> {
    let holds = |value: &Spanned<DeValue<'_>>| value.span().start <= span.start && span.end <= value.span().end;
    let columns = file
        .iter()
        .filter(|(key, _)| key.get_ref() == "column")
        .filter_map(|(_, value)| value.get_ref().as_array())
        .flat_map(|columns| columns.iter());
    let of_column = columns
        .filter_map(|column| column.get_ref().as_table())
        .flat_map(|column| column.iter())
        .find(|(_, value)| holds(value))
        .and_then(|(key, value)| Some((key, value, taken_by_column(key.get_ref())?)));
    let (key, value, taken) = of_column.or_else(|| {
        let (key, value) = file.iter().find(|(_, value)| holds(value))?;
        Some((key, value, taken_by_file(key.get_ref())?))
    })?;
    let key = key.get_ref();
    if let DeValue::Integer(whole) = value.get_ref()
        && i64::from_str_radix(whole.as_str(), whole.radix()).is_err()
    {
        return Some(format!("`{key}` is beyond TOML's whole numbers, which have 64 bits"));
    }
    if key == "column" {
        return Some(format!("`{key}` must be {taken}"));
    }
    Some(format!("`{key}` must be {taken}, not `{}`", quoted(text, value.span())))
}

/// What a key of the file takes.
fn taken_by_file(key: &str) -> Option<&'static str> {
    Some(match key {
        "key" => "a list of columns' names",
        "drop" => "a list of fields' names",
        "placeholders" => "a list of texts",
        "column" => "tables, each under a line `[[column]]`",
        _ => return None,
    })
}

/// What a key of a column takes.
fn taken_by_column(key: &str) -> Option<&'static str> {
    Some(match key {
        "name" | "type" | "read" | "otherwise" | "strip_prefix" | "separator" => "a text",
        "from" => "a field's name, or a list of them",
        "format" => "a format's name, or a list of them",
        "required" | "placeholders" => "`true` or `false`",
        "min" | "max" => "a number, or a list of numbers",
        _ => return None,
    })
}

/// The beginning of a value, as the file has it.
fn quoted(text: &str, span: Range<usize>) -> String {
    let line = text.get(span).unwrap_or_default();
    let shown: String = line.chars().take_while(|&c| c != '\n').take(QUOTED_CHARS).collect();
    if shown.len() < line.len() { shown + "…" } else { shown }
}
