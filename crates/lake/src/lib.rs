//! Delta tables on any object store: append exactly once, watermarks, quarantine, layout.
//!
//! ```text
//! Lake ── s3://bucket/prefix, file:///folder, memory:///
//!  ├─ tables/<dataset>/      ◄── Table ◄──┐
//!  └─ quarantine/<dataset>/  ◄── Table ◄──┴── Landing ◄── Batch { rows, rejected, highest }
//! ```
//!
//! [`Landing`] is what a stream writes through: it sends each record of a batch to one of a dataset's two tables.
//! [`Replacement`] is what the batch path writes through: it puts a day's rows in the place of those that the day had.
//! [`Replay`] moves rows from the one to the other, once they can be cleaned.
//! [`Table`] is one warm handle. [`read_table`] and [`describe`] look at what came of it. [`Upkeep`] keeps it in shape.
//!
//! # Invariants
//! - A record that is delivered is in exactly one table, once: see [`Landing`] for the tests.
//! - The log is written only by creating versions, never by replacing one.
//! - A version holds rows and the watermark that covers them, or neither.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod append;
mod backoff;
mod commit;
mod credentials;
mod encode;
mod error;
mod head;
mod inputs;
mod lake;
mod landing;
mod log;
mod lookup;
mod origins;
mod part_file;
mod place;
mod protocol;
mod quarantine;
mod read;
mod replace;
mod replay;
mod rows;
mod schema;
mod sequence;
mod settings;
mod source;
mod stats;
mod table;
mod upkeep;
mod watermarks;
mod win;

pub use append::{Appended, Settled};
pub use commit::{BATCH, STREAM};
pub use encode::properties as parquet_properties;
pub use error::Error;
pub use inputs::{Inputs, RunId};
pub use lake::{Kind, Lake, S3Options};
pub use landing::{Batch, Landed, Landing, NotLanded};
pub use origins::Origins;
pub use quarantine::quarantine_rows;
pub use read::{Description, describe, read_table};
pub use replace::{BatchDay, Replaced, Replacement};
pub use replay::{Cleared, Moved, Replay, Way};
pub use rows::{Rows, with_bookkeeping};
pub use schema::{
    FIELD, INGEST_DATE, INGEST_PATH, INGESTED_AT, ORIGIN, PARTITION_COLUMNS, PAYLOAD, REASON, quarantine_rows_schema,
    quarantine_schema, table_schema,
};
pub use sequence::{SequenceNumber, SequenceNumberError};
pub use settings::{Settings, SettingsError};
pub use source::Source;
pub use table::Table;
pub use upkeep::{Bin, Compaction, State, Totals, Upkeep};
