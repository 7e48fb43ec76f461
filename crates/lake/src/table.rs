//! The warm handle of a table: it appends rows, each at most once.
//!
//! ```text
//! rows ─► drop what the watermark covers ─► Parquet ─► put file ─► put version n+1 if absent ─► remember
//!                 ▲                                                       │ taken, or no answer
//!                 └────────── read n+1, n+2, … ◄──────────────────────────┘
//! ```
//!
//! Warm, a commit is two requests: the file and the version. What the handle remembers (version, schema, watermarks) is
//! only ever trusted through the second put: it succeeds only if nobody has committed since. After an error the handle
//! remembers nothing and reads the log anew.
//!
//! # Invariants
//! - A row is stored once, whoever delivers it how often and with whomever it races (`races_store_every_row_once`,
//!   `a_redelivery_changes_nothing`, `records_land_exactly_once`).
//! - A lost answer is neither a lost nor a doubled row (`a_lost_answer_is_no_second_commit`).
//! - A warm commit takes two requests (`a_warm_commit_takes_two_requests`).
//! - Racing creators make one table (`racing_creators_make_one_table`).

use chrono::{DateTime, Utc};
use pinlake_dataset::{DatasetName, Definition};

use crate::{
    append::{Append, Appended, Settled},
    error::Error,
    head::Head,
    lake::{Kind, Lake},
    place::Place,
    rows::Rows,
    schema,
    sequence::SequenceNumber,
    settings::Settings,
    source::Source,
};

/// A Delta table to append to. Opened, and made if there is none, when first needed.
#[derive(Debug)]
pub struct Table {
    place: Place,
    settings: Settings,
    /// What is remembered of the table.
    warm: Option<Head>,
}

impl Table {
    /// The table of a dataset's clean rows. Makes no request.
    ///
    /// # Errors
    /// [`Error::Location`] if the lake's address cannot hold the table.
    pub fn clean(lake: &Lake, definition: &Definition, settings: Settings) -> Result<Self, Error> {
        let place = Place::new(lake, Kind::Table, definition.name(), schema::table_schema(definition))?;
        Ok(Self {
            place,
            settings,
            warm: None,
        })
    }

    /// The table of a dataset's quarantine. Makes no request.
    ///
    /// # Errors
    /// [`Error::Location`] if the lake's address cannot hold the table.
    pub fn quarantine(lake: &Lake, dataset: &DatasetName, settings: Settings) -> Result<Self, Error> {
        let place = Place::new(lake, Kind::Quarantine, dataset, schema::quarantine_schema())?;
        Ok(Self {
            place,
            settings,
            warm: None,
        })
    }

    /// The table's folder: `[<prefix>/]tables/<dataset>`.
    pub fn name(&self) -> &str {
        self.place.name()
    }

    /// Opens the table, makes it if there is none, and looks for newer commits if the last look is long ago. Without
    /// requests if the handle is warm.
    ///
    /// # Errors
    /// The store fails, or the table is not as the definition wants it.
    pub async fn open(&mut self, now: DateTime<Utc>) -> Result<(), Error> {
        self.warm = Some(self.take_head(now).await?);
        Ok(())
    }

    /// The columns of the definition that the table lacks, which the next commit adds; `None` if there is no table yet.
    /// Changes nothing.
    ///
    /// # Errors
    /// [`Error::Schema`] or [`Error::Unsupported`] if nothing can be written to the table by this definition; the store
    /// fails.
    pub async fn missing_columns(&self, now: DateTime<Utc>) -> Result<Option<Vec<String>>, Error> {
        let head = self.place.load(now).await?;
        Ok(head.map(|head| head.fit.missing))
    }

    /// The highest sequence number of `source` that the handle knows to be stored: never too high, perhaps too low.
    pub fn watermark(&self, source: &Source) -> Option<SequenceNumber> {
        self.warm.as_ref()?.watermarks.get(source)
    }

    /// Appends the rows that are not stored yet, in one commit, together with the watermark `highest`: the highest
    /// sequence number of the batch that the rows are from. Commits nothing if no row is left. `now` must not go back.
    ///
    /// # Errors
    /// Only infrastructure: the store fails, others win every race, or the table is not as the definition wants it. No row
    /// is in the table then, unless the last put was carried out and its answer lost; the next append finds out.
    pub async fn append(
        &mut self,
        source: &Source,
        rows: Rows,
        highest: SequenceNumber,
        settled: Settled,
        now: DateTime<Utc>,
    ) -> Result<Appended, Error> {
        self.append_unless_moved(source, rows, highest, settled, None, now)
            .await
    }

    /// Appends to a table from which rows are moved to another.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub(crate) async fn append_unless_moved(
        &mut self,
        source: &Source,
        rows: Rows,
        highest: SequenceNumber,
        settled: Settled,
        moved_to: Option<&Table>,
        now: DateTime<Utc>,
    ) -> Result<Appended, Error> {
        if rows.is_empty() {
            return Ok(Appended::default());
        }
        let head = self.take_head(now).await?;
        let append = Append::new(&self.place, source, rows, highest, settled, now)
            .unless_moved_to(moved_to.map(|table| &table.place));
        let (appended, head) = append.run(head, self.settings.commit_tries).await?;
        self.warm = Some(head);
        Ok(appended)
    }

    /// Takes what is remembered out of the handle, so that whatever fails from here on leaves nothing half-known behind.
    async fn take_head(&mut self, now: DateTime<Utc>) -> Result<Head, Error> {
        match self.warm.take() {
            None => self.place.open(now).await,
            Some(head) => {
                let age = now.signed_duration_since(head.looked_at).to_std().unwrap_or_default();
                if age < self.settings.stale_after {
                    Ok(head)
                } else {
                    self.place.refresh(head, now).await
                }
            }
        }
    }
}
