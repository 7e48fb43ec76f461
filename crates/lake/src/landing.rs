//! Where a dataset's records land: each in exactly one of two tables.
//!
//! ```text
//!              ┌─ rejected ─► quarantine/<dataset>   first
//! a batch ─────┤
//!              └─ rows ─────► tables/<dataset>       then
//! ```
//!
//! Each table has its own watermark. Because the quarantine is committed first, the *table's* watermark says of every
//! record up to it that it is stored, in one table or the other. The *quarantine's* says less: its writer may have stopped
//! before the table's commit, and a later one may judge a record otherwise (the definition was changed between two
//! tries). So a rejected record above the table's watermark and not above the quarantine's is looked for in the quarantine
//! instead of being taken for granted, and then in the table, to which a [`Replay`](crate::Replay) may have moved it. For the
//! same reason a replay leaves word in the table of how far it went beyond the watermark, and rows up to there are looked
//! for one by one. It follows that such a change can double a record across the two tables at worst,
//! and never loses one.
//!
//! # Invariants
//! - Every record is in one table, once, however batches are cut, repeated, raced and broken off
//!   (`records_land_exactly_once`).
//! - A changed mind between two tries loses nothing (`a_changed_definition_loses_nothing`).
//! - A batch that comes again after a row of it was replayed changes nothing (`a_redelivery_after_a_replay_changes_nothing`).

use chrono::{DateTime, Utc};
use pinlake_dataset::Definition;

use crate::{
    append::{Appended, Settled},
    error::Error,
    lake::Lake,
    rows::Rows,
    sequence::SequenceNumber,
    settings::Settings,
    source::Source,
    table::Table,
};

/// The two tables of a dataset.
#[derive(Debug)]
pub struct Landing {
    table: Table,
    quarantine: Table,
}

/// A cleaned batch of one source.
#[derive(Debug)]
pub struct Batch {
    /// Accepted rows, in the definition's schema.
    pub rows: Rows,
    /// Rejected records, in [`quarantine_rows_schema`](crate::quarantine_rows_schema).
    pub rejected: Rows,
    /// The highest sequence number of all records of the batch.
    pub highest: SequenceNumber,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Landed {
    /// The dataset's table.
    pub table: Appended,
    /// The dataset's quarantine.
    pub quarantine: Appended,
}

/// A batch that is not stored as a whole. What is stored of it stays, and is recognised when it comes again.
#[derive(Debug, thiserror::Error)]
#[error("could not store records of {origin} from sequence number {lowest} on")]
pub struct NotLanded {
    /// The source.
    pub origin: Source,
    /// The lowest sequence number that is not known to be stored.
    pub lowest: SequenceNumber,
    /// What failed.
    pub source: Error,
}

impl Landing {
    /// The tables of a dataset. Makes no request: tables are opened, and made, when rows for them come.
    ///
    /// # Errors
    /// [`Error::Location`] if the lake's address cannot hold the tables.
    pub fn new(lake: &Lake, definition: &Definition, settings: Settings) -> Result<Self, Error> {
        Ok(Self {
            table: Table::clean(lake, definition, settings)?,
            quarantine: Table::quarantine(lake, definition.name(), settings)?,
        })
    }

    /// Stores a batch: first what was rejected, then the rows. What is stored already is left out.
    ///
    /// # Errors
    /// [`NotLanded`] names the lowest record that has to come again.
    pub async fn store(&mut self, source: &Source, batch: Batch, now: DateTime<Utc>) -> Result<Landed, NotLanded> {
        let (of_rows, of_rejected) = (batch.rows.lowest(), batch.rejected.lowest());
        let not_landed = |lowest: Option<SequenceNumber>| {
            let (origin, lowest) = (source.clone(), lowest.unwrap_or(batch.highest));
            move |error| NotLanded {
                origin,
                lowest,
                source: error,
            }
        };
        // Nothing is stored before the quarantine is.
        let anything = of_rows.into_iter().chain(of_rejected).min();
        let quarantine = self
            .reject(source, &batch.rows, batch.rejected, batch.highest, now)
            .await;
        let quarantine = quarantine.map_err(not_landed(anything))?;
        let table = self
            .table
            .append(source, batch.rows, batch.highest, Settled::ByWatermark, now)
            .await;
        let table = table.map_err(not_landed(of_rows))?;
        Ok(Landed { table, quarantine })
    }

    async fn reject(
        &mut self,
        source: &Source,
        rows: &Rows,
        rejected: Rows,
        highest: SequenceNumber,
        now: DateTime<Utc>,
    ) -> Result<Appended, Error> {
        // A cold table knows no watermark, and every repeated reject would have to be looked up. The rows need it anyway.
        if !rejected.is_empty() && !rows.is_empty() {
            self.table.open(now).await?;
        }
        let settled = Settled::UpTo(self.table.watermark(source));
        self.quarantine
            .append_unless_moved(source, rejected, highest, settled, Some(&self.table), now)
            .await
    }
}
