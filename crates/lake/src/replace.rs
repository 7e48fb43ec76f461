//! Replacing a day of the batch path: rows in, in parts; one commit that puts them in the place of what the day had.
//!
//! ```text
//! rows ─► row groups ─► Parquet files of a target size, uploaded in parts
//!                                   └─► put version n+1 if absent: remove the day's files, add these, remember the inputs
//!                                              ▲                       │ taken, or no answer
//!                                              └── read n+1, …; list ◄─┘
//!                                                  the day's files anew
//! ```
//!
//! What the day had is listed as of the very version that the commit follows, so a compaction of the day, or another run
//! for it, that was first is replaced as well and never doubled.
//!
//! # Invariants
//! - A day replaced twice, by racing runs or with a commit whose answer was lost, holds its rows once
//!   (`a_day_replaced_again_is_the_same`, `racing_replacements_leave_one`, `a_lost_answer_is_no_second_day`).
//! - Racing runs leave both tables with the day of one run (`a_run_that_was_overtaken_gives_way`,
//!   `a_run_without_rejects_gives_way_too`).
//! - A day that one table has of another run than the other is known ([`BatchDay::is_half_replaced`]).
//! - Other days, and the day's rows of the stream, stay as they are (`only_the_day_is_replaced`).
//! - Memory is bounded by a row group and the parts of an upload, whatever the day's size.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use bytes::Bytes;
use chrono::{DateTime, NaiveDate, Utc};
use deltalake_core::{
    kernel::{Remove, Snapshot},
    logstore::LogStore,
};
use futures::{StreamExt as _, TryStreamExt as _};
use pinlake_dataset::Definition;

use crate::{
    commit::{self, BATCH, DataFile},
    error::Error,
    head::{self, Head},
    inputs::{Inputs, RunId},
    lake::{Kind, Lake},
    part_file::PartFile,
    place::Place,
    protocol,
    schema::{self, INGEST_DATE, INGEST_PATH},
    settings::Settings,
    win::{Change, Following, win},
};

/// The rows of one day of the batch path on their way into one of a dataset's two tables.
#[derive(Debug)]
pub struct Replacement {
    /// A file is closed when it has reached this size.
    target_bytes: u64,
    open: Option<PartFile>,
    finished: Finished,
}

/// What is ready to be committed.
#[derive(Debug)]
struct Finished {
    place: Place,
    settings: Settings,
    date: NaiveDate,
    run: Option<RunId>,
    /// The table that the run has been to before, and whose run that table's day must be of still.
    first: Option<(Place, Option<RunId>)>,
    now: DateTime<Utc>,
    /// `None` as long as nobody has asked for the table.
    head: Option<Head>,
    files: Vec<DataFile>,
    rows: u64,
}

/// What a replacement did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Replaced {
    /// Rows that the day has now.
    pub rows: u64,
    /// Files that hold them.
    pub files: usize,
    /// Their size, in bytes.
    pub size_bytes: u64,
    /// Files that the day had before.
    pub removed_files: usize,
    /// The version committed; `None` if the day had nothing, of any run, and has nothing.
    pub version: Option<u64>,
    /// How often another writer, or a fault of the store, got in between.
    pub conflicts: u32,
}

impl Replacement {
    /// Begins. Makes no request: the table is opened, and made, when there is something for it. `target_bytes` is the size
    /// at which a Parquet file is closed.
    ///
    /// # Errors
    /// [`Error::Location`] if the lake's address cannot hold the table.
    pub fn new(
        lake: &Lake,
        kind: Kind,
        definition: &Definition,
        date: NaiveDate,
        target_bytes: u64,
        settings: Settings,
        now: DateTime<Utc>,
    ) -> Result<Self, Error> {
        let columns = match kind {
            Kind::Table => schema::table_schema(definition),
            Kind::Quarantine => schema::quarantine_schema(),
        };
        Ok(Self {
            target_bytes,
            open: None,
            finished: Finished {
                place: Place::new(lake, kind, definition.name(), columns)?,
                settings,
                date,
                run: None,
                first: None,
                now,
                head: None,
                files: Vec::new(),
                rows: 0,
            },
        })
    }

    /// Makes it a part of a run, in which the dataset's other table is replaced too. The commit remembers it.
    #[must_use]
    pub fn in_run(mut self, run: RunId) -> Self {
        self.finished.run = Some(run);
        self
    }

    /// Gives way to another run that begins after the other table was replaced: the commit is refused if the quarantine's
    /// day, which this run has `replaced` or had nothing to replace in, is another run's by then. So the two tables never
    /// end with days of two runs.
    ///
    /// # Errors
    /// [`Error::Location`] if the lake's address cannot hold the table.
    pub fn following(mut self, replaced: &Replaced, lake: &Lake, definition: &Definition) -> Result<Self, Error> {
        let (kind, columns) = (Kind::Quarantine, schema::quarantine_schema());
        let first = Place::new(lake, kind, definition.name(), columns)?;
        // Where nothing was committed no run had been.
        let run = self.finished.run.filter(|_| replaced.version.is_some());
        self.finished.first = Some((first, run));
        Ok(self)
    }

    /// Adds rows: the dataset's columns (or the quarantine's), `_ingested_at` and `_origin`, as
    /// [`with_bookkeeping`](crate::with_bookkeeping) gives them.
    ///
    /// # Errors
    /// The store fails, the table is not as the definition wants it, or the rows have another shape.
    pub async fn write(&mut self, rows: &RecordBatch) -> Result<(), Error> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let Finished {
            place, date, now, head, ..
        } = &mut self.finished;
        let open = match head.take() {
            Some(head) => head,
            None => place.open(*now).await?,
        };
        let schema = &open.fit.file_schema;
        let rows = schema::align(place.name(), rows, schema)?;
        let mut file = match self.open.take() {
            Some(file) => file,
            None => PartFile::create(place, schema, date.to_epoch_days(), BATCH)?,
        };
        file.write(place, &rows).await?;
        let full = file.size_bytes() >= self.target_bytes;
        self.open = Some(file);
        *head = Some(open);
        self.finished.rows += rows.num_rows() as u64;
        if full {
            self.close().await?;
        }
        Ok(())
    }

    /// Puts the rows in the place of what the day had, in one commit that remembers the inputs, if there are any to
    /// remember, and the run. Without inputs a day that has nothing and never was any run's is not committed.
    ///
    /// # Errors
    /// The store fails, or others win every race. The day is as it was then, unless the last put was carried out and its
    /// answer lost; running the day again settles that.
    pub async fn commit(mut self, inputs: Option<Inputs>) -> Result<Replaced, Error> {
        if let Err(error) = self.close().await {
            self.abandon().await;
            return Err(error);
        }
        self.finished.commit(inputs).await
    }

    /// Gives up: deletes what was uploaded. The day stays as it was.
    pub async fn abandon(self) {
        let Finished { place, files, .. } = &self.finished;
        if let Some(file) = self.open {
            file.abort(place).await;
        }
        place.delete(files).await;
    }

    async fn close(&mut self) -> Result<(), Error> {
        if let Some(file) = self.open.take() {
            let file = file.finish(&self.finished.place).await?;
            self.finished.files.push(file);
        }
        Ok(())
    }
}

impl Finished {
    async fn commit(mut self, inputs: Option<Inputs>) -> Result<Replaced, Error> {
        let now = self.now;
        let head = match (self.head.take(), inputs) {
            (Some(head), _) => Ok(Some(head)),
            (None, Some(_)) => self.place.open(now).await.map(Some),
            (None, None) => self.place.load(now).await,
        };
        let head = match head {
            Ok(Some(head)) => head,
            Ok(None) => return Ok(Replaced::default()),
            Err(error) => {
                self.place.delete(&self.files).await;
                return Err(error);
            }
        };
        let place = &self.place;
        let mut replacing = Replacing {
            day: &self,
            inputs,
            removed_files: 0,
            done_by: None,
        };
        let won = win(
            &mut Following { place, head, now },
            &mut replacing,
            self.settings.commit_tries,
        )
        .await?;
        Ok(Replaced {
            rows: self.rows,
            files: self.files.len(),
            size_bytes: self.files.iter().map(|file| file.size_bytes).sum(),
            removed_files: replacing.removed_files,
            version: won.commit.map(|(version, _)| version).or(replacing.done_by),
            conflicts: won.conflicts,
        })
    }

    /// The commit that follows the head.
    fn body(&self, head: &Head, removed: Vec<Remove>, inputs: Option<Inputs>, id: &str) -> Result<Bytes, Error> {
        if !removed.is_empty() {
            protocol::check_removal(self.place.name(), &head.metadata)?;
        }
        commit::replacement(
            &format!("{INGEST_DATE} = '{}' AND {INGEST_PATH} = '{BATCH}'", self.date),
            removed,
            &self.files,
            inputs
                .into_iter()
                .flat_map(|inputs| inputs.txns(self.date))
                .chain(self.run.map(|run| run.txn(self.date))),
            head.fit.new_metadata.as_ref(),
            id,
            self.now,
        )
        .map_err(self.place.unwritten(head.version + 1))
    }

    /// Whether another run has replaced the day in the first table meanwhile. To be asked when the head is known: a run
    /// that does it afterwards will replace the day in this one as well.
    async fn is_overtaken(&self) -> Result<bool, Error> {
        let Some((first, expected)) = &self.first else {
            return Ok(false);
        };
        let transactions = transactions(first.name(), first.log_store()).await?;
        Ok(RunId::find(&transactions, self.date) != *expected)
    }

    /// What the day has, as of the head, and of which run it is.
    async fn day(&self, head: &Head) -> Result<(Vec<Remove>, Option<RunId>), Error> {
        let failed = |source| Error::Log {
            table: self.place.name().to_owned(),
            source,
        };
        let log = self.place.log_store();
        let snapshot = Snapshot::try_new(log, Some(head.version)).await.map_err(failed)?;
        let run = match self.run {
            // Nobody asks.
            None => None,
            Some(_) => {
                let transactions = head::transactions(log, snapshot.clone()).await.map_err(failed)?;
                RunId::find(&transactions, self.date)
            }
        };
        let date = self.date.to_string();
        let files = snapshot
            .file_views(log, None)
            .try_filter_map(|file| {
                let partition = file.partition_values_map();
                let is = |column, value: &str| partition.get(column).and_then(Option::as_deref) == Some(value);
                let found = is(INGEST_DATE, &date) && is(INGEST_PATH, BATCH);
                futures::future::ready(Ok(found.then(|| file.remove_action(true))))
            })
            .boxed()
            .try_collect()
            .await
            .map_err(failed)?;
        Ok((files, run))
    }
}

/// A replacement under way.
struct Replacing<'a> {
    day: &'a Finished,
    inputs: Option<Inputs>,
    removed_files: usize,
    /// The version in which the day was found to be this run's already: its commit, of which no answer came.
    done_by: Option<u64>,
}

impl Change<Head> for Replacing<'_> {
    async fn next(&mut self, head: &Head, id: &str, _: bool) -> Result<Option<Bytes>, Error> {
        let (removed, run) = self.day.day(head).await?;
        if run.is_some() && run == self.day.run {
            self.done_by = Some(head.version);
            return Ok(None);
        }
        self.removed_files = removed.len();
        // A day that was of another run becomes this one's, even if it had nothing and has nothing: until both tables are
        // of one run, one of them is still to be replaced.
        if removed.is_empty() && self.day.files.is_empty() && self.inputs.is_none() && run.is_none() {
            return Ok(None);
        }
        if self.day.is_overtaken().await? {
            return Err(Error::Overtaken {
                table: self.day.place.name().to_owned(),
                date: self.day.date,
            });
        }
        self.day.body(head, removed, self.inputs, id).map(Some)
    }

    async fn discard(&mut self) {
        if self.done_by.is_none() {
            self.day.place.delete(&self.day.files).await;
        }
    }
}

/// What the two tables of a dataset remember of a day of the batch path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchDay {
    /// What its rows were last made from; `None` if they never were.
    pub inputs: Option<Inputs>,
    table: Option<RunId>,
    quarantine: Option<RunId>,
}

impl BatchDay {
    /// Reads it.
    ///
    /// # Errors
    /// [`Error::Log`] if a log cannot be read.
    pub async fn read(lake: &Lake, definition: &Definition, date: NaiveDate) -> Result<Self, Error> {
        let remembered = async |kind| {
            let name = lake.folder(kind, definition.name()).to_string();
            transactions(&name, lake.log_store(kind, definition.name())?.as_ref()).await
        };
        let (table, quarantine) = (remembered(Kind::Table).await?, remembered(Kind::Quarantine).await?);
        Ok(Self {
            inputs: Inputs::find(&table, date),
            table: RunId::find(&table, date),
            quarantine: RunId::find(&quarantine, date),
        })
    }

    /// Whether a run has replaced the day in the quarantine and not in the table: it broke off in between, or is just there.
    /// What it takes and the run before did not is in neither, and nothing but cleaning the day again brings it back.
    pub fn is_half_replaced(&self) -> bool {
        self.quarantine.is_some() && self.quarantine != self.table
    }
}

/// What a table's `txn` actions remember; nothing if there is no table.
async fn transactions(table: &str, log: &dyn LogStore) -> Result<BTreeMap<String, i64>, Error> {
    let Some(snapshot) = head::snapshot(table, log).await? else {
        return Ok(BTreeMap::new());
    };
    head::transactions(log, snapshot).await.map_err(|source| Error::Log {
        table: table.to_owned(),
        source,
    })
}
