//! What a dataset is: its definition, and how its records are decoded and cleaned.
//!
//! ```text
//! datasets/pin.toml ─► definition ─► Definition ─────────────┐
//!                                                            ▼
//! record bytes ─► record (JSON fields) ─► read (values) ─► clean ─┬─► Arrow rows, in the definition's schema
//!                                                                 └─► Rejected: field, reason, the bytes as they came
//! ```
//!
//! The same definition validates at the edge ([`check`]), cleans the stream and the batch ([`Cleaner`]) and makes the
//! table's schema ([`Definition::schema`]): there is one source of truth.
//!
//! # Invariants
//! - Pure: no I/O, no clock, no environment, no AWS.
//! - Nothing is lost: rows + rejected = records pushed (`nothing_is_lost`).
//! - Cleaning is a function of its input (`cleaning_is_deterministic`), and the edge judges a record exactly as the
//!   stream will (`the_edge_and_the_stream_agree`).
//! - No input makes it panic (`nothing_is_lost` feeds it arbitrary bytes and mutated records).

mod catalog;
mod clean;
mod columns;
mod definition;
mod name;
mod read;
mod record;

pub use catalog::Catalog;
pub use clean::{Cleaned, Cleaner, Rejected, check};
pub use definition::{Column, Definition, DefinitionError, Mistake, RESCUED, RESERVED_COLUMNS};
pub use name::{DatasetName, NameError};
pub use record::{Limits, Rejection};
