//! Moving rows from the quarantine to the table, once their payloads can be cleaned.
//!
//! ```text
//! quarantine/<dataset> ─► payloads ─► cleaned by whoever calls ─► Cleared
//!                                                                   │ 1  put version n+1 of the table: those that are still
//!                                                                   │    in the quarantine and not yet in version n
//!                                                                   └ 2  put version m+1 of the quarantine: without those
//!                                                                        that are in the table
//! ```
//!
//! Each of the two commits follows a version of its own table, which is looked at first, and then the other table in its
//! newest. Whoever gets in between takes the version, and everything is looked at again. So a replay may be broken off at
//! any point and repeated, and several may run at once: a row that the table has is not put into it again, and a row that it
//! has not is not taken out of the quarantine. Between the two commits a row is in both tables.
//!
//! A row keeps its origin, its arrival and its partition. The shard's watermark stays as it is, since a replay knows nothing
//! of the shard's other records. Should a row lie above it, its batch may come again, so the commit leaves word of how far
//! its rows reach, and appends look for their rows one by one up to there.
//!
//! A day of the batch path is replaced in both tables, one after the other. As long as they are of different runs
//! ([`RunId`](crate::RunId)), neither says what the day will have; its rows are held back then.
//!
//! # Invariants
//! - Wherever a replay is killed, repeating it has each row once, in one table (`killed_anywhere_a_replay_is_repeated`).
//! - A lost answer doubles nothing (`a_lost_answer_moves_nothing_twice`).
//! - So do other replays, appends, days that are replaced, and compactions
//!   (`replays_beside_everything_else_lose_and_double_nothing`, `a_day_replaced_between_the_commits_has_the_last_word`).
//! - Nor does a batch that comes again (`a_redelivery_after_a_replay_changes_nothing`).

mod put;
mod runs;
mod sought;
mod take;

use arrow::{
    array::{Array, AsArray, RecordBatch},
    error::ArrowError,
};
use chrono::{DateTime, NaiveDate, Utc};
use deltalake_core::kernel::Snapshot;
use pinlake_dataset::Definition;

use self::{put::Putting, take::Taking};
use crate::{
    commit::{BATCH, STREAM},
    error::Error,
    head::{self, Head},
    lake::{Kind, Lake},
    origins::Files,
    place::Place,
    protocol,
    schema::{self, ORIGIN},
    settings::Settings,
    win::{Change, Following, Won, win},
};

/// Moves rows of a dataset.
#[derive(Debug)]
pub struct Replay {
    table: Place,
    quarantine: Place,
    settings: Settings,
}

/// Which way a row took into the lake: the partition column `ingest_path`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// By a stream.
    Stream,
    /// In a raw object.
    Batch,
}

impl Way {
    /// The way that a value of `ingest_path` means.
    pub fn parse(ingest_path: &str) -> Option<Self> {
        [Self::Stream, Self::Batch]
            .into_iter()
            .find(|way| way.as_str() == ingest_path)
    }

    /// The value of `ingest_path`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stream => STREAM,
            Self::Batch => BATCH,
        }
    }
}

/// Rows of one partition that can be cleaned now.
#[derive(Debug, Clone)]
pub struct Cleared {
    /// The columns of the table that they are for, `_ingested_at` and `_origin`, as
    /// [`with_bookkeeping`](crate::with_bookkeeping) gives them.
    pub rows: RecordBatch,
    /// Their `ingest_date`.
    pub day: NaiveDate,
    /// Their `ingest_path`.
    pub way: Way,
}

/// What became of rows that were to be moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moved {
    /// Rows that this replay has put where they belong.
    pub put: usize,
    /// Rows that are there, and were before: a replay was broken off, or another was faster.
    pub there: usize,
    /// Rows that are in neither table: their day was replaced meanwhile by one that does not have them.
    pub gone: usize,
    /// Rows taken out of the quarantine.
    pub taken: usize,
    /// Rows that stay in the quarantine because their day is just being replaced, or was replaced by halves.
    pub held: usize,
    /// How often another writer, or a fault of the store, got in between.
    pub conflicts: u32,
}

impl Replay {
    /// For a dataset. Makes no request.
    ///
    /// # Errors
    /// [`Error::Location`] if the lake's address cannot hold the tables.
    pub fn new(lake: &Lake, definition: &Definition, settings: Settings) -> Result<Self, Error> {
        let name = definition.name();
        Ok(Self {
            table: Place::new(lake, Kind::Table, name, schema::table_schema(definition))?,
            quarantine: Place::new(lake, Kind::Quarantine, name, schema::quarantine_schema())?,
            settings,
        })
    }

    /// Moves rows of the quarantine to the table.
    ///
    /// # Errors
    /// The store fails, others win every race, or the table is not as the definition wants it. Some or all rows may be in
    /// both tables then; repeating the replay settles that.
    pub async fn run(&self, cleared: &Cleared, now: DateTime<Utc>) -> Result<Moved, Error> {
        let origins = self.origins(cleared)?;
        // Before anything is put: a table that gives nothing back would keep what is put into the other.
        if let Some(head) = self.quarantine.load(now).await? {
            protocol::check_removal(self.quarantine.name(), &head.metadata)?;
        }
        let mut putting = Putting::new(&self.table, &self.quarantine, true, cleared, &origins, now);
        let head = self.table.open(now).await?;
        let put = self.win(&self.table, head, &mut putting, now).await?;
        let mut moved = putting.outcome(&put);
        // Nothing was quarantined, ever.
        let Some(head) = self.quarantine.load(now).await? else {
            return Ok(moved);
        };
        let mut taking = Taking::new(self, cleared, &origins, now);
        let taken = self.win(&self.quarantine, head, &mut taking, now).await?;
        moved.taken = taking.taken(&taken);
        moved.conflicts += taken.conflicts;
        Ok(moved)
    }

    /// Stores rows that no table has got: what a mapping gave up on. Rows that one of the two has are left out.
    ///
    /// # Errors
    /// As [`run`](Self::run), but that no row is in both tables.
    pub async fn restore(&self, kind: Kind, cleared: &Cleared, now: DateTime<Utc>) -> Result<Moved, Error> {
        let (to, other) = match kind {
            Kind::Table => (&self.table, &self.quarantine),
            Kind::Quarantine => (&self.quarantine, &self.table),
        };
        let origins = self.origins(cleared)?;
        let mut putting = Putting::new(to, other, false, cleared, &origins, now);
        let head = to.open(now).await?;
        let put = self.win(to, head, &mut putting, now).await?;
        Ok(putting.outcome(&put))
    }

    async fn win(
        &self,
        place: &Place,
        head: Head,
        change: &mut impl Change<Head>,
        now: DateTime<Utc>,
    ) -> Result<Won, Error> {
        win(&mut Following { place, head, now }, change, self.settings.commit_tries).await
    }

    fn origins(&self, cleared: &Cleared) -> Result<Vec<String>, Error> {
        let column = cleared.rows.column_by_name(ORIGIN);
        let origins = column.and_then(|column| column.as_string_opt::<i32>());
        let origins = origins.filter(|origins| origins.null_count() == 0);
        let origins = origins.ok_or_else(|| Error::Shape {
            table: self.table.name().to_owned(),
            source: ArrowError::SchemaError(format!("not every row has an `{ORIGIN}`")),
        })?;
        Ok(origins.iter().flatten().map(str::to_owned).collect())
    }
}

/// A version of a table, for its files and its `txn` actions.
struct Version<'a> {
    place: &'a Place,
    snapshot: Snapshot,
    files: Files,
}

impl<'a> Version<'a> {
    /// This version.
    async fn at(place: &'a Place, version: u64) -> Result<Self, Error> {
        let snapshot = Snapshot::try_new(place.log_store(), Some(version)).await;
        let snapshot = snapshot.map_err(|source| Error::Log {
            table: place.name().to_owned(),
            source,
        })?;
        Self::of(place, snapshot).await
    }

    /// The newest; `None` if there is no table.
    async fn newest(place: &'a Place) -> Result<Option<Self>, Error> {
        match head::snapshot(place.name(), place.log_store()).await? {
            None => Ok(None),
            Some(snapshot) => Self::of(place, snapshot).await.map(Some),
        }
    }

    async fn of(place: &'a Place, snapshot: Snapshot) -> Result<Self, Error> {
        let files = Files::of(&snapshot, place.log_store(), place.store(), place.folder().clone()).await?;
        Ok(Self { place, snapshot, files })
    }
}
