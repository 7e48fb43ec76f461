//! The first commit: rows into a table, each unless it is there.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use arrow::{array::BooleanArray, compute::filter_record_batch};
use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::{Cleared, Moved, Version, runs, sought::Sought};
use crate::{
    commit::{self, DataFile},
    error::Error,
    head::Head,
    part_file::PartFile,
    place::Place,
    schema,
    sequence::SequenceNumber,
    source::Source,
    watermarks::Watermarks,
    win::{Change, Won},
};

pub(super) struct Putting<'a> {
    to: &'a Place,
    other: &'a Place,
    /// Whether a row is to be put if the other table has it, or if it has not.
    from_other: bool,
    cleared: &'a Cleared,
    origins: &'a [String],
    now: DateTime<Utc>,
    in_table: Sought,
    in_other: Sought,
    uploaded: Option<Uploaded>,
    /// By the mark of a try, how many rows it was to put.
    tried: HashMap<String, usize>,
    outcome: Moved,
}

/// A file of some of the rows.
struct Uploaded {
    mask: Vec<bool>,
    files: Vec<DataFile>,
}

impl<'a> Putting<'a> {
    pub(super) fn new(
        to: &'a Place,
        other: &'a Place,
        from_other: bool,
        cleared: &'a Cleared,
        origins: &'a [String],
        now: DateTime<Utc>,
    ) -> Self {
        let sought = || Sought::new(origins.iter().map(String::as_str));
        Self {
            to,
            other,
            from_other,
            cleared,
            origins,
            now,
            in_table: sought(),
            in_other: sought(),
            uploaded: None,
            tried: HashMap::new(),
            outcome: Moved::default(),
        }
    }

    /// What became of the rows.
    pub(super) fn outcome(&self, won: &Won) -> Moved {
        let put = won.commit.as_ref().and_then(|(_, id)| self.tried.get(id)).copied();
        Moved {
            put: put.unwrap_or_default(),
            conflicts: won.conflicts,
            ..self.outcome
        }
    }

    /// The rows to put into the version after `head`.
    async fn mask(&mut self, head: &Head) -> Result<Vec<bool>, Error> {
        // In this order: whoever replaces a day commits to the quarantine first, so what this version does not tell yet, the
        // other table does.
        let table = Version::at(self.to, head.version).await?;
        let other = Version::newest(self.other).await?;
        let held = !runs::agree(self.cleared, &table, other.as_ref()).await?;
        let there = self.in_table.among(Some(&table.files)).await?;
        let other = self.in_other.among(other.as_ref().map(|other| &other.files)).await?;
        self.outcome = Moved::default();
        let mut once = BTreeSet::new();
        let mask = self.origins.iter().map(|origin| {
            let origin = origin.as_str();
            if !once.insert(origin) {
                false
            } else if there.contains(origin) {
                self.outcome.there += 1;
                false
            } else if other.contains(origin) != self.from_other {
                match self.from_other {
                    true => self.outcome.gone += 1,
                    false => self.outcome.there += 1,
                }
                false
            } else if held {
                self.outcome.held += 1;
                false
            } else {
                true
            }
        });
        Ok(mask.collect())
    }

    async fn upload(&self, head: &Head, mask: &[bool]) -> Result<Vec<DataFile>, Error> {
        let Cleared { rows, day, way } = self.cleared;
        let rows = filter_record_batch(rows, &BooleanArray::from(mask.to_vec())).map_err(|source| Error::Shape {
            table: self.to.name().to_owned(),
            source,
        })?;
        let columns = &head.fit.file_schema;
        let rows = schema::align(self.to.name(), &rows, columns)?;
        let mut file = PartFile::create(self.to, columns, day.to_epoch_days(), way.as_str())?;
        match file.write(self.to, &rows).await {
            Ok(()) => Ok(vec![file.finish(self.to).await?]),
            Err(error) => {
                file.abort(self.to).await;
                Err(error)
            }
        }
    }

    /// For each source whose rows lie above the watermark, how far they reach.
    fn reach(&self, head: &Head, mask: &[bool]) -> BTreeMap<Source, SequenceNumber> {
        let mut reach = BTreeMap::new();
        let put = self.origins.iter().zip(mask).filter(|(_, put)| **put);
        for (source, number) in put.filter_map(|(origin, _)| Source::of_origin(origin)) {
            let told = head.watermarks.get(&source.replayed());
            if Some(number) > head.watermarks.get(&source).max(told) {
                let highest = reach.entry(source).or_insert(number);
                *highest = number.max(*highest);
            }
        }
        reach
    }
}

impl Change<Head> for Putting<'_> {
    async fn next(&mut self, head: &Head, id: &str, may_delete: bool) -> Result<Option<Bytes>, Error> {
        let mask = self.mask(head).await?;
        let rows = mask.iter().filter(|put| **put).count();
        if self.uploaded.as_ref().is_some_and(|uploaded| uploaded.mask != mask) {
            if may_delete {
                self.discard().await;
            }
            self.uploaded = None;
        }
        if rows == 0 {
            return Ok(None);
        }
        let uploaded = match self.uploaded.take() {
            Some(uploaded) => uploaded,
            None => Uploaded {
                files: self.upload(head, &mask).await?,
                mask,
            },
        };
        let reach = self.reach(head, &uploaded.mask);
        let marks = reach.iter().flat_map(|(source, number)| {
            let source = source.replayed();
            Watermarks::txns(&source, number).collect::<Vec<_>>()
        });
        let body = commit::append(&uploaded.files, marks, head.fit.new_metadata.as_ref(), id, self.now);
        self.uploaded = Some(uploaded);
        self.tried.insert(id.to_owned(), rows);
        body.map(Some).map_err(self.to.unwritten(head.version + 1))
    }

    async fn discard(&mut self) {
        if let Some(uploaded) = self.uploaded.take() {
            self.to.delete(&uploaded.files).await;
        }
    }
}
