//! The second commit: rows out of the quarantine, each if the table has it.
//!
//! The files that hold such rows are written anew without them, or go if nothing is left.

use std::collections::{BTreeSet, HashMap};

use arrow::{
    array::{AsArray, BooleanArray, RecordBatch},
    compute::filter_record_batch,
};
use bytes::Bytes;
use chrono::{DateTime, NaiveDate, Utc};
use deltalake_core::kernel::Remove;
use object_store::{ObjectStoreExt as _, path::Path};
use parquet::{
    arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder},
    errors::ParquetError,
};

use super::{Cleared, Replay, Version, runs, sought::Sought};
use crate::{
    commit::{self, DataFile},
    error::Error,
    head::Head,
    origins::File,
    part_file::PartFile,
    place::Place,
    protocol,
    schema::{self, INGEST_DATE, INGEST_PATH, ORIGIN},
    win::{Change, Won},
};

pub(super) struct Taking<'a> {
    place: &'a Place,
    table: &'a Place,
    cleared: &'a Cleared,
    now: DateTime<Utc>,
    in_quarantine: Sought,
    in_table: Sought,
    /// By the key of an old file, what is left of it.
    rewritten: HashMap<Path, Rewritten>,
    /// By the mark of a try, how many rows it was to take.
    tried: HashMap<String, usize>,
}

/// A file without some of its rows.
struct Rewritten {
    taken: BTreeSet<String>,
    rows: usize,
    /// `None`: no row is left.
    file: Option<DataFile>,
}

impl<'a> Taking<'a> {
    pub(super) fn new(replay: &'a Replay, cleared: &'a Cleared, origins: &[String], now: DateTime<Utc>) -> Self {
        let sought = || Sought::new(origins.iter().map(String::as_str));
        Self {
            place: &replay.quarantine,
            table: &replay.table,
            cleared,
            now,
            in_quarantine: sought(),
            in_table: sought(),
            rewritten: HashMap::new(),
            tried: HashMap::new(),
        }
    }

    /// How many rows were taken.
    pub(super) fn taken(&self, won: &Won) -> usize {
        let taken = won.commit.as_ref().and_then(|(_, id)| self.tried.get(id)).copied();
        taken.unwrap_or_default()
    }

    /// The files of the partition as of `head` that hold rows which the table has, with those rows' origins.
    async fn affected(&mut self, head: &Head) -> Result<Vec<(Path, Remove, BTreeSet<String>)>, Error> {
        // In this order, so that a day that is replaced after this version has its version refused.
        let quarantine = Version::at(self.place, head.version).await?;
        let Some(table) = Version::newest(self.table).await? else {
            return Ok(Vec::new());
        };
        if !runs::agree(self.cleared, &quarantine, Some(&table)).await? {
            return Ok(Vec::new());
        }
        let in_table = self.in_table.among(Some(&table.files)).await?;
        let mut affected = Vec::new();
        for (file, holds) in self.in_quarantine.by_file(Some(&quarantine.files)).await? {
            let taken: BTreeSet<_> = holds
                .intersection(&in_table)
                .map(|origin| (*origin).to_owned())
                .collect();
            if !taken.is_empty() && is_of(file, self.cleared) {
                affected.push((file.key.clone(), file.remove.clone(), taken));
            }
        }
        Ok(affected)
    }

    async fn rewrite(&self, head: &Head, key: &Path, taken: BTreeSet<String>) -> Result<Rewritten, Error> {
        let columns = &head.fit.file_schema;
        let (day, way) = (self.cleared.day.to_epoch_days(), self.cleared.way);
        let mut file = PartFile::create(self.place, columns, day, way.as_str())?;
        match self.copy(head, key, &taken, &mut file).await {
            Ok((rows, left)) => Ok(Rewritten {
                taken,
                rows,
                file: if left > 0 {
                    Some(file.finish(self.place).await?)
                } else {
                    file.abort(self.place).await;
                    None
                },
            }),
            Err(error) => {
                file.abort(self.place).await;
                Err(error)
            }
        }
    }

    /// Copies the rows that are not taken. Answers how many were taken and how many are left.
    async fn copy(
        &self,
        head: &Head,
        key: &Path,
        taken: &BTreeSet<String>,
        file: &mut PartFile,
    ) -> Result<(usize, usize), Error> {
        let found = self.place.store().get(key).await.map_err(Error::store("read", key))?;
        let bytes = found.bytes().await.map_err(Error::store("read", key))?;
        let (mut rows, mut left) = (0, 0);
        for batch in batches(bytes).map_err(self.undecoded())? {
            let batch = batch.map_err(|error| self.undecoded()(error.into()))?;
            let kept = without(&batch, taken).map_err(|source| Error::Shape {
                table: self.place.name().to_owned(),
                source,
            })?;
            rows += batch.num_rows() - kept.num_rows();
            left += kept.num_rows();
            if kept.num_rows() > 0 {
                let kept = schema::align(self.place.name(), &kept, &head.fit.file_schema)?;
                file.write(self.place, &kept).await?;
            }
        }
        Ok((rows, left))
    }

    fn undecoded(&self) -> impl Fn(ParquetError) -> Error {
        |source| Error::Parquet {
            action: "decode",
            table: self.place.name().to_owned(),
            source,
        }
    }

    fn body(&self, head: &Head, removed: Vec<Remove>, added: &[DataFile], id: &str) -> Result<Bytes, Error> {
        protocol::check_removal(self.place.name(), &head.metadata)?;
        let Cleared { day, way, .. } = self.cleared;
        commit::replacement(
            &format!("{INGEST_DATE} = '{day}' AND {INGEST_PATH} = '{}'", way.as_str()),
            removed,
            added,
            [],
            head.fit.new_metadata.as_ref(),
            id,
            self.now,
        )
        .map_err(self.place.unwritten(head.version + 1))
    }
}

impl Change<Head> for Taking<'_> {
    async fn next(&mut self, head: &Head, id: &str, may_delete: bool) -> Result<Option<Bytes>, Error> {
        let affected = self.affected(head).await?;
        // What was written for files that are gone, or for other rows of them, is of no use any more.
        let mut before = std::mem::take(&mut self.rewritten);
        for (key, _, taken) in &affected {
            let is_same = before.get(key).is_some_and(|rewritten| rewritten.taken == *taken);
            if let Some(same) = is_same.then(|| before.remove(key)).flatten() {
                self.rewritten.insert(key.clone(), same);
            }
        }
        if may_delete {
            let files: Vec<_> = before.into_values().filter_map(|rewritten| rewritten.file).collect();
            self.place.delete(&files).await;
        }
        let (mut removed, mut added, mut rows) = (Vec::new(), Vec::new(), 0);
        for (key, remove, taken) in affected {
            if !self.rewritten.contains_key(&key) {
                let rewritten = self.rewrite(head, &key, taken).await?;
                self.rewritten.insert(key.clone(), rewritten);
            }
            if let Some(rewritten) = self.rewritten.get(&key) {
                rows += rewritten.rows;
                added.extend(rewritten.file.clone());
                removed.push(remove);
            }
        }
        if removed.is_empty() {
            return Ok(None);
        }
        self.tried.insert(id.to_owned(), rows);
        self.body(head, removed, &added, id).map(Some)
    }

    async fn discard(&mut self) {
        let files: Vec<_> = self
            .rewritten
            .drain()
            .filter_map(|(_, rewritten)| rewritten.file)
            .collect();
        self.place.delete(&files).await;
    }
}

/// Whether a file is of the partition.
fn is_of(file: &File, cleared: &Cleared) -> bool {
    let values = file.remove.partition_values.as_ref();
    let value = |column: &str| values.and_then(|values| values.get(column)?.as_deref());
    let day = value(INGEST_DATE).and_then(|day| day.parse::<NaiveDate>().ok());
    day == Some(cleared.day) && value(INGEST_PATH) == Some(cleared.way.as_str())
}

fn batches(file: Bytes) -> Result<ParquetRecordBatchReader, ParquetError> {
    ParquetRecordBatchReaderBuilder::try_new(file)?.build()
}

/// The rows whose origins are not among those.
fn without(batch: &RecordBatch, taken: &BTreeSet<String>) -> Result<RecordBatch, arrow::error::ArrowError> {
    let column = batch.column_by_name(ORIGIN);
    let Some(origins) = column.and_then(|column| column.as_string_opt::<i32>()) else {
        return Ok(batch.clone());
    };
    let kept: BooleanArray = origins
        .iter()
        .map(|origin| Some(origin.is_none_or(|origin| !taken.contains(origin))))
        .collect();
    filter_record_batch(batch, &kept)
}
