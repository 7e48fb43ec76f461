//! Founding stub of the API; bodies follow.
#![allow(missing_docs, unused, clippy::todo)]
use std::{fmt, sync::Arc};
use arrow::{array::RecordBatch, datatypes::SchemaRef};

/// `pin`, `geo`, …: `[a-z][a-z0-9_]{0,62}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DatasetName(String);
#[derive(Debug, thiserror::Error)]
#[error("`{name}` is no dataset name: {reason}")]
pub struct NameError { name: String, reason: &'static str }
impl DatasetName {
    pub fn parse(_name: &str) -> Result<Self, NameError> { todo!() }
    /// The last word of a topic or stream name, after `.` or `-`.
    pub fn from_route(_route: &str) -> Result<Self, NameError> { todo!() }
    pub fn as_str(&self) -> &str { &self.0 }
}
impl fmt::Display for DatasetName { fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) } }

/// What a dataset is. Parsed once, shared as `Arc<Definition>`.
#[derive(Debug)]
pub struct Definition { _p: () }
/// Every mistake found in one definition file; displays as `file:line: reason`, a line each.
#[derive(Debug, thiserror::Error)]
#[error("bad definition")]
pub struct DefinitionError { _p: () }
impl Definition {
    pub fn parse(_file: &str, _text: &str) -> Result<Self, DefinitionError> { todo!() }
    pub fn name(&self) -> &DatasetName { todo!() }
    pub fn key(&self) -> &[String] { todo!() }
    /// The dataset's columns in the definition's order, then `_rescued` (nullable Utf8, JSON text).
    /// Types used: Boolean, Int32, Int64, Float64, Utf8, Date32, Timestamp(Microsecond, Some("UTC")), List<Float64 "element"> and List<Utf8 "element">.
    pub fn schema(&self) -> &SchemaRef { todo!() }
}

/// The datasets that a function serves.
#[derive(Debug, Clone)]
pub struct Catalog { _p: () }
impl Catalog {
    /// The definitions compiled in from `datasets/`.
    pub fn built_in() -> Self { todo!() }
    /// Parses `(file name, text)` pairs.
    pub fn from_files<'a>(_files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, DefinitionError> { todo!() }
    pub fn get(&self, _name: &DatasetName) -> Option<&Arc<Definition>> { todo!() }
    /// A topic or stream name to its dataset's definition.
    pub fn route(&self, _route: &str) -> Option<&Arc<Definition>> { todo!() }
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Definition>> { std::iter::empty() }
}

/// What a record may cost. Defaults: 1 MiB, 32 levels.
#[derive(Debug, Clone, Copy)]
pub struct Limits { pub record_bytes: usize, pub depth: usize }
impl Default for Limits { fn default() -> Self { Self { record_bytes: 1 << 20, depth: 32 } } }

/// Why a record cannot become a row. `Display` is a sentence without the value, e.g. `is missing`, `is no int32`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection { pub field: Option<String>, pub reason: String }
impl fmt::Display for Rejection { fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.reason) } }

/// A record that cannot be cleaned, kept as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected { /** Position among the pushed records. */ pub index: usize, pub field: Option<String>, pub reason: String, pub payload: Vec<u8> }

/// One batch's outcome: `rows.num_rows() + rejected.len()` = records pushed.
#[derive(Debug)]
pub struct Cleaned { /** `Definition::schema()`. */ pub rows: RecordBatch, /** For each row, the position of its record among the pushed. */ pub indices: Vec<usize>, pub rejected: Vec<Rejected> }

/// Records in, typed rows and rejects out. Reused from batch to batch; keeps its buffers.
#[derive(Debug)]
pub struct Cleaner { _p: () }
impl Cleaner {
    pub fn new(_definition: Arc<Definition>, _limits: Limits) -> Self { todo!() }
    pub fn push(&mut self, _payload: &[u8]) { todo!() }
    pub fn finish(&mut self) -> Cleaned { todo!() }
}

/// Judges a record exactly as [`Cleaner`] would, without keeping it (the edge uses it).
/// Answers the row's key as text (key columns joined by `|`), used as partition key.
pub fn check(_definition: &Definition, _limits: Limits, _payload: &[u8]) -> Result<String, Rejection> { todo!() }
