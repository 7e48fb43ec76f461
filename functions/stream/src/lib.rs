//! `stream`: a Kinesis (or Kafka) batch in, clean rows in a Delta table out.
//!
//! ```text
//! event ─► envelope ─► records of each source ─► clean ─► Landing ─► quarantine/<dataset>, then tables/<dataset>
//!                                                            └─► answer: the first record not stored
//! ```
//!
//! # Invariants
//! - A batch may come twice, cut anew, and to several functions at once: each record is stored once
//!   (`a_batch_delivered_twice_and_cut_anew_is_stored_once`, `racing_handlers_store_each_record_once`).
//! - Accepted + quarantined = delivered (`counts_add_up`).
//! - Only a fault of the infrastructure fails a batch, and the answer names the first record that has to come again
//!   (`a_fault_names_the_first_record_that_is_not_stored`).

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod clean;
mod envelope;
mod error;
mod handler;
mod kept;
mod settings;

pub use envelope::EnvelopeError;
pub use error::Error;
pub use handler::Handler;
pub use kept::{Kept, kept};
pub use settings::Settings;
