//! Readers: the closed set of ways in which a column's value is read from its JSON fields.

mod count;
mod number;
mod text;
mod time;

use std::{borrow::Cow, fmt};

use serde_json::value::RawValue;

use crate::{
    Column, Definition,
    definition::{Bounds, Reader},
    record::Fields,
};

pub(crate) use time::TimeFormat;

/// One value of a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell<'de> {
    Null,
    Bool(bool),
    Whole(i64),
    Float(f64),
    Text(Cow<'de, str>),
    /// Days since 1970-01-01.
    Days(i32),
    /// Microseconds since 1970-01-01T00:00:00Z.
    Micros(i64),
    Floats(Vec<f64>),
}

/// A value as a part of a row's key.
impl fmt::Display for Cell<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cell::Null => Ok(()),
            Cell::Bool(value) => value.fmt(f),
            Cell::Whole(value) | Cell::Micros(value) => value.fmt(f),
            Cell::Float(value) => value.fmt(f),
            Cell::Text(value) => value.fmt(f),
            Cell::Days(value) => value.fmt(f),
            Cell::Floats(values) => values.iter().try_for_each(|value| write!(f, "{value};")),
        }
    }
}

/// Why a value cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unreadable {
    /// Position in [`Definition::fields`].
    pub(crate) field: usize,
    pub(crate) reason: String,
}

/// Reads one column's value. A value that is not there is [`Cell::Null`].
pub(crate) fn read<'de>(
    definition: &Definition,
    column: &Column,
    fields: &Fields<'de>,
) -> Result<Cell<'de>, Unreadable> {
    let placeholders = |used: bool| if used { definition.placeholders.as_slice() } else { &[] };
    match &column.reader {
        Reader::Concat {
            placeholders: used,
            separator,
        } => concat(column, fields, placeholders(*used), separator),
        Reader::Array(bounds) => array(definition, column, fields, bounds),
        one => {
            let Some((field, raw)) = column
                .from
                .first()
                .and_then(|&f| Some((f, *fields.known.get(f)?.as_ref()?)))
            else {
                return Ok(Cell::Null);
            };
            let cell = match one {
                Reader::Bool => number::bool(raw).map(|v| v.map_or(Cell::Null, Cell::Bool)),
                Reader::Whole(bounds) => {
                    number::whole(raw, column.kind, *bounds).map(|v| v.map_or(Cell::Null, Cell::Whole))
                }
                Reader::Count => count::count(raw).map(|v| v.map_or(Cell::Null, Cell::Whole)),
                Reader::Float(bounds) => number::float(raw, *bounds).map(|v| v.map_or(Cell::Null, Cell::Float)),
                Reader::Date => time::date(raw).map(|v| v.map_or(Cell::Null, Cell::Days)),
                Reader::Timestamp(formats) => time::timestamp(raw, formats).map(|v| v.map_or(Cell::Null, Cell::Micros)),
                Reader::Text {
                    placeholders: used,
                    strip_prefix,
                } => text::clean(raw, placeholders(*used), strip_prefix.as_deref())
                    .map(|v| v.map_or(Cell::Null, Cell::Text)),
                Reader::Concat { .. } | Reader::Array(_) => Ok(Cell::Null),
            };
            cell.map_err(|reason| Unreadable { field, reason })
        }
    }
}

fn concat<'de>(
    column: &Column,
    fields: &Fields<'de>,
    placeholders: &[String],
    separator: &str,
) -> Result<Cell<'de>, Unreadable> {
    let mut joined: Option<Cow<'de, str>> = None;
    for &field in &column.from {
        let Some(raw) = fields.known[field] else { continue };
        let part = text::clean(raw, placeholders, None).map_err(|reason| Unreadable { field, reason })?;
        joined = match (joined, part) {
            (Some(joined), Some(part)) => Some(Cow::Owned(format!("{joined}{separator}{part}"))),
            (joined, part) => joined.or(part),
        };
    }
    Ok(joined.map_or(Cell::Null, Cell::Text))
}

/// All parts or none: a list with a hole would be a silently wrong value.
fn array<'de>(
    definition: &Definition,
    column: &Column,
    fields: &Fields<'de>,
    bounds: &[Bounds<f64>],
) -> Result<Cell<'de>, Unreadable> {
    let mut values = Vec::with_capacity(column.from.len());
    let mut missing = None;
    for (&field, bounds) in column.from.iter().zip(bounds) {
        let read = |raw: &RawValue| number::float(raw, *bounds).map_err(|reason| Unreadable { field, reason });
        match fields.known[field].map(read).transpose()?.flatten() {
            Some(value) => values.push(value),
            None => missing = Some(field),
        }
    }
    match missing {
        None => Ok(Cell::Floats(values)),
        Some(_) if values.is_empty() => Ok(Cell::Null),
        Some(field) => {
            let others: Vec<_> = column
                .from
                .iter()
                .filter(|&&f| f != field)
                .map(|&f| definition.fields[f].as_str())
                .collect();
            Err(Unreadable {
                field,
                reason: format!("is missing beside `{}`", others.join("`, `")),
            })
        }
    }
}
