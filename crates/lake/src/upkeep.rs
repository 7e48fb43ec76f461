//! Upkeep of one table: fewer and larger files, a short log, no dead files.
//!
//! ```text
//! look ─► State ─► bins of small files ─► compact    rewrite, then swap in one commit: a commit for each bin
//!           └────► commits since the checkpoint ─► checkpoint    the log so far in one file
//!         vacuum       files that no version names and that are old enough
//!         clean_log    commits that a checkpoint covers and that are old enough
//! ```
//!
//! The steps are independent and each may be dropped at any point: what it has written by then is either a commit, whole,
//! or a file that no commit names, which vacuum finds later.
//!
//! Compaction is written here rather than taken from deltalake's `optimize`, which reads through DataFusion: that gives
//! the new files view types, in which rows are not found by their origin any more, bounds for the first 32 columns only, and
//! the newest rows first. Its rewrites go on after the future is dropped, and its commit cannot tell its own lost answer from
//! another writer's version. Here the commit is the one that appends use, the bounds are the ones that appends write, and
//! no SQL engine is needed. Checkpoints, the list of what vacuum deletes and the clean-up of the log are deltalake's.
//!
//! # Invariants
//! - A compaction changes no row, no schema and no watermark (`appends_and_upkeep_at_once_lose_nothing`,
//!   `the_order_of_rows_is_kept`, `bounds_of_every_column_are_kept`).
//! - It is refused if one of its files has been removed meanwhile (`a_replaced_partition_refuses_its_compaction`), and
//!   appends never are: they lose a race at worst.
//! - Wherever a step is dropped, the table is whole (`dropped_anywhere_the_table_is_whole`).
//! - Vacuum keeps what a reader of the last days, or a writer that has not committed yet, relies on
//!   (`vacuum_keeps_what_is_young`).

mod plan;
mod rewrite;
mod state;
mod swap;

use std::{collections::HashSet, num::NonZeroU32, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use deltalake_core::{
    DeltaTableError, checkpoints,
    logstore::LogStore,
    operations::vacuum::{Clock, VacuumMode},
};
use futures::{StreamExt as _, TryStreamExt as _, future::ready, stream};
use object_store::path::Path;
use pinlake_dataset::DatasetName;

use crate::{
    error::Error,
    lake::{Kind, Lake},
    log::Log,
};

pub use plan::Bin;
pub use state::{State, Totals};

/// What keeps one table in shape. Knows nothing of the table's definition: the columns are those that the table has.
pub struct Upkeep {
    lake: Lake,
    kind: Kind,
    dataset: DatasetName,
    name: String,
    folder: Path,
    log: Log,
    log_store: Arc<dyn LogStore>,
}

/// What became of a compaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compaction {
    /// One file stands for those of the bin.
    Done {
        /// The version committed.
        version: u64,
        /// The new file's size, in bytes.
        size_bytes: u64,
        /// How often an append was faster.
        conflicts: u32,
    },
    /// Somebody else has removed a file of the bin, or changed the table's schema. Nothing was changed.
    Refused,
}

impl Upkeep {
    /// The upkeep of a dataset's table. Makes no request.
    ///
    /// # Errors
    /// [`Error::Location`] if the lake's address cannot hold the table.
    pub fn new(lake: &Lake, kind: Kind, dataset: &DatasetName) -> Result<Self, Error> {
        let folder = lake.folder(kind, dataset);
        Ok(Self {
            lake: lake.clone(),
            kind,
            dataset: dataset.clone(),
            name: folder.to_string(),
            log: Log::new(Arc::clone(lake.store()), folder.clone()),
            log_store: lake.log_store(kind, dataset)?,
            folder,
        })
    }

    /// The table's folder: `[<prefix>/]tables/<dataset>`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Looks at the newest version; `None` if there is no table.
    ///
    /// # Errors
    /// [`Error::Log`] if the log cannot be read, [`Error::Unsupported`] or [`Error::Schema`] if the table is not one that
    /// Pinlake writes.
    pub async fn look(&self) -> Result<Option<State>, Error> {
        State::load(&self.name, self.log_store.as_ref()).await
    }

    /// Puts one file in the place of those of `bin`, which `state` gave. Tries the commit at most `tries` times.
    ///
    /// # Errors
    /// The store fails, or [`Error::Rows`] if the files do not hold the rows that the log says they do. Nothing has been
    /// committed then, unless the last put was carried out and its answer lost.
    pub async fn compact(
        &self,
        state: &mut State,
        bin: &Bin,
        tries: NonZeroU32,
        now: DateTime<Utc>,
    ) -> Result<Compaction, Error> {
        state.catch_up(&self.log, |_, _| ()).await?;
        if !state.allows(bin) {
            return Ok(Compaction::Refused);
        }
        let store = self.lake.store();
        let file = rewrite::rewrite(store, &self.folder, &self.name, state.file_schema(), bin).await?;
        if let Some(before) = bin.rows().filter(|rows| *rows != file.rows) {
            self.delete([&file.path]).await;
            return Err(Error::Rows {
                table: self.name.clone(),
                before,
                after: file.rows,
            });
        }
        match swap::swap(&self.log, &self.name, state, bin, &file, tries, now).await? {
            swap::Swap::Done { version, conflicts } => Ok(Compaction::Done {
                version,
                size_bytes: file.size_bytes,
                conflicts,
            }),
            swap::Swap::Refused => {
                self.delete([&file.path]).await;
                Ok(Compaction::Refused)
            }
        }
    }

    /// Writes a checkpoint of the newest version, and says which that is.
    ///
    /// # Errors
    /// [`Error::Upkeep`].
    pub async fn checkpoint(&self) -> Result<u64, Error> {
        let failed = self.failed("write a checkpoint of");
        let mut table = self.lake.delta(self.kind, &self.dataset)?;
        let written = async {
            table.load().await?;
            checkpoints::create_checkpoint(&table, None).await?;
            Ok(table.version().unwrap_or_default())
        };
        written.await.map_err(failed)
    }

    /// Deletes files that the newest version does not name: those that a commit removed longer than `retention` ago, and
    /// those that no commit names and that are older than `retention`. Younger ones may be wanted by a reader that has
    /// just opened an older version, or be about to be committed. Returns how many there were; a dry run deletes none.
    ///
    /// The age of a file is the store's word, that of a removal the log's.
    ///
    /// # Errors
    /// [`Error::Upkeep`] if the files cannot be found out, [`Error::Store`] if one cannot be deleted. Those that were
    /// deleted by then stay deleted.
    pub async fn vacuum(&self, retention: TimeDelta, now: DateTime<Utc>, dry_run: bool) -> Result<usize, Error> {
        let table = self.lake.delta(self.kind, &self.dataset)?;
        // Only the list is deltalake's. Its own deletion would write two commits into the log of each table every hour,
        // against which the appends would have to race, and could not be stopped half-way.
        let (_, found) = table
            .vacuum()
            .with_mode(VacuumMode::Full)
            .with_retention_period(retention)
            .with_enforce_retention_duration(false)
            .with_clock(Arc::new(At(now)))
            .with_dry_run(true)
            .await
            .map_err(self.failed("vacuum"))?;
        if found.files_deleted.is_empty() {
            return Ok(0);
        }
        // It lists every removal that the log remembers, also of files that an earlier vacuum has deleted.
        let dead: HashSet<Path> = found.files_deleted.iter().map(|path| self.key_of(path)).collect();
        let store = self.lake.store();
        let there = store.list(Some(&self.folder)).map_ok(|object| object.location);
        let dead = there.try_filter(|key| ready(dead.contains(key)));
        let dead: Vec<Path> = dead.try_collect().await.map_err(Error::store("list", &self.folder))?;
        if !dry_run {
            let deletions = store.delete_stream(stream::iter(dead.clone()).map(Ok).boxed());
            gone(deletions).await.map_err(Error::store("delete", &self.folder))?;
        }
        Ok(dead.len())
    }

    /// Deletes commits and checkpoints that are older than `retention` and that the oldest checkpoint within it makes
    /// superfluous. Returns how many there were.
    ///
    /// # Errors
    /// [`Error::Upkeep`]. What was deleted by then stays deleted, and was superfluous.
    pub async fn clean_log(&self, state: &State, retention: TimeDelta, now: DateTime<Utc>) -> Result<usize, Error> {
        let oldest = (now - retention).timestamp_millis();
        checkpoints::cleanup_expired_logs_for(state.version(), self.log_store.as_ref(), oldest, None)
            .await
            .map_err(self.failed("clean up the log of"))
    }

    /// The key of a file that the log names.
    fn key(&self, path: &Path) -> Path {
        self.folder.parts().chain(path.parts()).collect()
    }

    /// The same, of a path as deltalake spells it.
    fn key_of(&self, path: &str) -> Path {
        self.key(&Path::parse(path).unwrap_or_else(|_| Path::from(path)))
    }

    /// Deletes files that no commit names. If it fails they remain as orphans, which vacuum finds.
    async fn delete(&self, paths: impl IntoIterator<Item = &Path>) {
        let keys: Vec<_> = paths.into_iter().map(|path| Ok(self.key(path))).collect();
        let deletions = self.lake.store().delete_stream(stream::iter(keys).boxed());
        if let Err(error) = gone(deletions).await {
            tracing::warn!(table = self.name, %error, "file without a commit stays behind");
        }
    }

    fn failed(&self, action: &'static str) -> impl FnOnce(DeltaTableError) -> Error + use<> {
        let table = self.name.clone();
        move |source| Error::Upkeep {
            action,
            table,
            source: Box::new(source),
        }
    }
}

/// Waits for deletions. That a file was not there any more is as good.
async fn gone(
    mut deletions: stream::BoxStream<'static, object_store::Result<Path>>,
) -> Result<(), object_store::Error> {
    while let Some(deleted) = deletions.next().await {
        match deleted {
            Ok(_) | Err(object_store::Error::NotFound { .. }) => (),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl std::fmt::Debug for Upkeep {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Upkeep")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A clock that stands still.
#[derive(Debug)]
struct At(DateTime<Utc>);

impl Clock for At {
    fn current_timestamp_millis(&self) -> i64 {
        self.0.timestamp_millis()
    }
}
