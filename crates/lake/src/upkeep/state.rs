//! A table as upkeep finds it, and what others commit to it meanwhile.

use std::collections::HashSet;

use arrow::datatypes::{Schema, SchemaRef};
use deltalake_core::{DeltaTableError, logstore::LogStore};
use futures::TryStreamExt as _;

use crate::{
    error::Error,
    head,
    log::Log,
    protocol, schema,
    upkeep::plan::{self, Bin, File},
};

/// A version of a table with its files.
#[derive(Debug)]
pub struct State {
    version: u64,
    checkpoint: Option<u64>,
    file_schema: SchemaRef,
    files: Vec<File>,
    /// Paths that commits after `files` were read have removed.
    removed: HashSet<String>,
    /// Whether such a commit has changed the schema, or what the table asks of its writers.
    redefined: bool,
}

/// What a version holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Parquet files.
    pub files: usize,
    /// Rows in them, as far as the log says.
    pub rows: u64,
    /// Their size, in bytes.
    pub size_bytes: u64,
}

impl State {
    pub(crate) async fn load(table: &str, log: &dyn LogStore) -> Result<Option<Self>, Error> {
        let Some(snapshot) = head::snapshot(table, log).await? else {
            return Ok(None);
        };
        protocol::check(table, snapshot.protocol())?;
        // Nothing is wanted of the columns: they are taken as they are.
        let fit = schema::reconcile(table, snapshot.metadata(), &Schema::empty())?;
        let found = async {
            let files = snapshot.file_views(log, None);
            let files = files.map_ok(|view| File::from(&view)).try_collect().await?;
            let scan = snapshot.scan_builder().build()?;
            Ok((files, scan.snapshot().log_segment().checkpoint_version))
        };
        let (files, checkpoint) = found.await.map_err(|source: DeltaTableError| Error::Log {
            table: table.to_owned(),
            source,
        })?;
        Ok(Some(Self {
            version: snapshot.version(),
            checkpoint,
            file_schema: fit.file_schema,
            files,
            removed: HashSet::new(),
            redefined: false,
        }))
    }

    /// The newest version that is known.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Commits since the last checkpoint, or since ever: what a reader has to read one by one.
    pub fn commits_since_checkpoint(&self) -> u64 {
        self.checkpoint
            .map_or(self.version + 1, |checkpoint| self.version - checkpoint)
    }

    /// What the table held when it was looked at.
    pub fn totals(&self) -> Totals {
        Totals {
            files: self.files.len(),
            rows: self.files.iter().filter_map(|file| file.rows).sum(),
            size_bytes: self.files.iter().map(|file| file.size_bytes).sum(),
        }
    }

    /// The small files, packed into bins of `target` bytes at most.
    pub fn bins(&self, target: u64) -> Vec<Bin> {
        plan::bins(&self.files, target)
    }

    pub(crate) fn file_schema(&self) -> &SchemaRef {
        &self.file_schema
    }

    /// Whether the bin's files can still be swapped for one.
    pub(crate) fn allows(&self, bin: &Bin) -> bool {
        !self.redefined && !bin.files.iter().any(|file| self.removed.contains(&file.remove.path))
    }

    /// Takes over the commits after the version; `seen` is told each one's version and id beforehand.
    pub(crate) async fn catch_up(&mut self, log: &Log, mut seen: impl FnMut(u64, Option<&str>)) -> Result<(), Error> {
        while let Some(commit) = log.read(self.version + 1).await? {
            self.version += 1;
            seen(self.version, commit.id.as_deref());
            self.redefined |= commit.metadata.is_some() || commit.protocol.is_some();
            self.removed.extend(commit.removed);
        }
        Ok(())
    }

    /// Remembers a commit of ours, which is the one after the version.
    pub(crate) fn swapped(&mut self, bin: &Bin) {
        self.version += 1;
        self.removed
            .extend(bin.files.iter().map(|file| file.remove.path.clone()));
    }
}
