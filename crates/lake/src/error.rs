//! What can go wrong with a lake.

use deltalake_core::DeltaTableError;
use parquet::errors::ParquetError;

/// Why the lake could not be opened, read or written. Rows are never the reason: a bad row is data.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The lake's address is unusable: a fault of the configuration.
    #[error("`{url}` is no address of a lake: {reason}")]
    Location {
        /// The address as given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The object store failed. Trying again later may help.
    #[error("could not {action} `{path}`")]
    Store {
        /// What was tried, as a verb: `read`, `write`, `list`.
        action: &'static str,
        /// The object's key.
        path: String,
        /// What the store said.
        source: object_store::Error,
    },
    /// The log of a table cannot be understood.
    #[error("could not read the log of table `{table}`")]
    Log {
        /// The table's folder.
        table: String,
        /// What deltalake said.
        source: DeltaTableError,
    },
    /// A commit in the log of a table is no JSON, or not of the expected shape.
    #[error("commit {version} of table `{table}` cannot be read")]
    Commit {
        /// The table's folder.
        table: String,
        /// The commit's version.
        version: u64,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The table needs something of its writers that Pinlake does not do. Nothing was written.
    #[error("table `{table}` requires {requirement}, which pinlake does not write")]
    Unsupported {
        /// The table's folder.
        table: String,
        /// The protocol version or feature.
        requirement: String,
    },
    /// The definition and the table do not go together. Nothing was written.
    #[error("column `{column}` of table `{table}` is {existing} there and {wanted} by its definition")]
    Schema {
        /// The table's folder.
        table: String,
        /// The column at which they part.
        column: String,
        /// What the table says.
        existing: String,
        /// What the definition says.
        wanted: String,
    },
    /// Other writers won every race for the next version. Trying again later may help.
    #[error("table `{table}` was committed to by others {tries} times in a row")]
    Contention {
        /// The table's folder.
        table: String,
        /// How often the commit was tried.
        tries: u32,
    },
    /// Another run has replaced the day in the dataset's other table meanwhile, and will do so in this one. Nothing was
    /// written.
    #[error("another run for {date} of table `{table}` got in between")]
    Overtaken {
        /// The table's folder.
        table: String,
        /// The day.
        date: chrono::NaiveDate,
    },
    /// Rows could not be written as Parquet, or read from it.
    #[error("could not {action} rows of table `{table}` as parquet")]
    Parquet {
        /// `encode` or `decode`.
        action: &'static str,
        /// The table's folder.
        table: String,
        /// What parquet said.
        source: ParquetError,
    },
    /// A compaction does not find the rows that the log says are there. Nothing was committed.
    #[error("{after} rows came out of {before} in a compaction of table `{table}`")]
    Rows {
        /// The table's folder.
        table: String,
        /// What the log says.
        before: u64,
        /// What the files hold.
        after: u64,
    },
    /// A step of upkeep failed. Trying again later may help.
    #[error("could not {action} table `{table}`")]
    Upkeep {
        /// What was tried, as a verb: `vacuum`, …
        action: &'static str,
        /// The table's folder.
        table: String,
        /// What deltalake said.
        source: Box<DeltaTableError>,
    },
    /// Rows do not have the shape that the table's definition gives.
    #[error("rows for table `{table}` have the wrong shape")]
    Shape {
        /// The table's folder.
        table: String,
        /// What arrow said.
        source: arrow::error::ArrowError,
    },
}

impl Error {
    /// Wraps what an object store said.
    pub(crate) fn store(
        action: &'static str,
        path: &object_store::path::Path,
    ) -> impl FnOnce(object_store::Error) -> Self {
        let path = path.to_string();
        move |source| Self::Store { action, path, source }
    }
}
