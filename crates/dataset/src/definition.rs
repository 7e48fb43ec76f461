//! What a dataset is, as data: its columns, where each comes from and how it is read.

mod bounds;
mod column;
mod file;
mod mistake;
mod parse;
mod told;

use std::{fmt, sync::Arc};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::{DatasetName, read::TimeFormat};

pub use mistake::{DefinitionError, Mistake};

/// The column that keeps, as one JSON object, unknown fields and values that could not be read.
pub const RESCUED: &str = "_rescued";

/// Columns that every table has besides the definition's own; a definition cannot take these names.
pub const RESERVED_COLUMNS: [&str; 5] = [RESCUED, "_ingested_at", "_origin", "ingest_date", "ingest_path"];

/// A dataset's definition. Parsed once from its file, then shared.
#[derive(Debug)]
pub struct Definition {
    pub(crate) name: DatasetName,
    pub(crate) key: Vec<String>,
    pub(crate) columns: Vec<Column>,
    /// Distinct names of the JSON fields that are known: those of the columns, then the dropped ones.
    pub(crate) fields: Vec<String>,
    /// Texts that mean "nothing here", for the columns that ask for it.
    pub(crate) placeholders: Vec<String>,
    pub(crate) schema: SchemaRef,
}

/// One output column.
#[derive(Debug)]
pub struct Column {
    pub(crate) name: String,
    /// Positions in [`Definition::fields`] of the JSON fields it comes from.
    pub(crate) from: Vec<usize>,
    pub(crate) kind: Kind,
    pub(crate) reader: Reader,
    pub(crate) required: bool,
    pub(crate) otherwise: Otherwise,
}

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    Int32,
    Int64,
    Float64,
    Text,
    Date,
    Timestamp,
    /// Doubles, one per field.
    Floats,
}

/// How a column's value is read from its fields.
#[derive(Debug)]
pub(crate) enum Reader {
    Bool,
    /// A whole number within bounds.
    Whole(Bounds<i64>),
    /// A count such as `12k`.
    Count,
    /// A finite number within bounds.
    Float(Bounds<f64>),
    Text {
        placeholders: bool,
        strip_prefix: Option<String>,
    },
    /// The parts that exist, joined.
    Concat {
        placeholders: bool,
        separator: String,
    },
    /// All fields as one list of doubles, each within its own bounds.
    Array(Vec<Bounds<f64>>),
    Date,
    Timestamp(Vec<TimeFormat>),
}

/// An inclusive range; a side that the definition leaves open is `None`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bounds<T> {
    pub(crate) min: Option<T>,
    pub(crate) max: Option<T>,
}

/// What a value that cannot be read means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Otherwise {
    /// The whole record is rejected.
    Reject,
    /// The column is null, and the original is kept in [`RESCUED`].
    Null,
}

impl Definition {
    /// Parses the text of a definition file. `file` is named in errors; it is `<dataset>.toml`, in any folder.
    pub fn parse(file: &str, text: &str) -> Result<Self, DefinitionError> {
        parse::parse(file, text)
    }

    /// The dataset's name.
    pub fn name(&self) -> &DatasetName {
        &self.name
    }

    /// The columns that identify a row, in order.
    pub fn key(&self) -> &[String] {
        &self.key
    }

    /// The columns, in order, without [`RESCUED`].
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Whether the definition names a JSON field: a column comes from it, or it is dropped.
    pub fn names_field(&self, field: &str) -> bool {
        self.fields.iter().any(|known| known == field)
    }

    /// The schema of cleaned rows: the definition's columns in its order, then [`RESCUED`] (nullable JSON text).
    ///
    /// Types: Boolean, Int32, Int64, Float64, Utf8, Date32, Timestamp(µs, UTC) and List of Float64
    /// `element`. Every column is nullable, as the Delta table's is: what is required is checked when a record is
    /// cleaned, so that a later definition may ask for less without changing the table.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }
}

impl Column {
    /// The column's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// True when a record without a value for it is rejected.
    pub fn is_required(&self) -> bool {
        self.required
    }

    /// The column's type, in the definition's words: `list<float64>`.
    pub fn type_name(&self) -> &'static str {
        self.kind.name()
    }

    /// The column's Arrow type.
    pub fn data_type(&self) -> DataType {
        self.kind.data_type()
    }
}

impl Kind {
    pub(crate) const ALL: [(&'static str, Kind); 8] = [
        ("bool", Kind::Bool),
        ("int32", Kind::Int32),
        ("int64", Kind::Int64),
        ("float64", Kind::Float64),
        ("string", Kind::Text),
        ("date", Kind::Date),
        ("timestamp", Kind::Timestamp),
        ("list<float64>", Kind::Floats),
    ];

    /// The word for it in a definition.
    fn name(self) -> &'static str {
        let named = Kind::ALL.iter().find(|(_, kind)| *kind == self);
        named.map_or("", |(name, _)| name)
    }

    pub(crate) fn data_type(self) -> DataType {
        match self {
            Kind::Bool => DataType::Boolean,
            Kind::Int32 => DataType::Int32,
            Kind::Int64 => DataType::Int64,
            Kind::Float64 => DataType::Float64,
            Kind::Text => DataType::Utf8,
            Kind::Date => DataType::Date32,
            Kind::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Kind::Floats => DataType::List(element()),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The field of a list's elements, under the name that Delta's Parquet files use.
pub(crate) fn element() -> Arc<Field> {
    Arc::new(Field::new("element", DataType::Float64, true))
}

/// The schema of cleaned rows, see [`Definition::schema`].
fn schema(columns: &[Column]) -> SchemaRef {
    let columns = columns
        .iter()
        .map(|column| Field::new(&column.name, column.data_type(), true));
    let rescued = Field::new(RESCUED, DataType::Utf8, true);
    Arc::new(Schema::new(columns.chain([rescued]).collect::<Vec<_>>()))
}
