//! One append: drop what is stored, upload the rest, win a version.

use std::num::NonZeroU32;

use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::{
    commit::{self, DataFile},
    error::Error,
    head::Head,
    lookup,
    place::Place,
    rows::Rows,
    sequence::SequenceNumber,
    source::Source,
    watermarks::Watermarks,
    win::{Change, Following, win},
};

/// What an append did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Appended {
    /// Rows that are in the table now and were not before.
    pub written: usize,
    /// Rows that were stored already.
    pub skipped: usize,
    /// The version committed; `None` if there was nothing to commit.
    pub version: Option<u64>,
    /// How often another writer, or a fault of the store, got in between.
    pub conflicts: u32,
    /// Parquet written, in bytes.
    pub size_bytes: u64,
}

/// How far the records of a source are known to be stored, each in the table that it was destined for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// As far as the table's own watermark.
    ByWatermark,
    /// As far as this number, if any. A row between it and the table's own watermark may be missing, so it is looked for
    /// in the table itself: a writer that stopped half-way has moved the watermark, but may have judged the record
    /// otherwise.
    UpTo(Option<SequenceNumber>),
}

/// An append under way.
pub(crate) struct Append<'a> {
    place: &'a Place,
    source: &'a Source,
    /// What is left to store.
    rows: Rows,
    highest: SequenceNumber,
    settled: Settled,
    /// Where rows may have been moved to.
    moved_to: Option<&'a Place>,
    now: DateTime<Utc>,
    /// The files of the rows that are left, once they are in the store.
    uploaded: Option<Vec<DataFile>>,
}

impl<'a> Append<'a> {
    pub(crate) fn new(
        place: &'a Place,
        source: &'a Source,
        rows: Rows,
        highest: SequenceNumber,
        settled: Settled,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            place,
            source,
            rows,
            highest,
            settled,
            moved_to: None,
            now,
            uploaded: None,
        }
    }

    /// The same append into a table from which rows are moved to another: what looks missing is looked for there as well.
    pub(crate) fn unless_moved_to(self, other: Option<&'a Place>) -> Self {
        Self {
            moved_to: other,
            ..self
        }
    }

    /// Appends, and gives back the head as it is then.
    pub(crate) async fn run(mut self, head: Head, tries: NonZeroU32) -> Result<(Appended, Head), Error> {
        let rows = self.rows.len();
        let (place, now) = (self.place, self.now);
        let mut base = Following { place, head, now };
        let won = win(&mut base, &mut self, tries).await?;
        let mut head = base.head;
        let mut appended = Appended {
            skipped: rows,
            conflicts: won.conflicts,
            ..Appended::default()
        };
        if let Some((version, _)) = won.commit {
            // Unless it was read there.
            if head.version < version {
                let watermark = self.watermark(&head);
                head.committed(version, self.source, &watermark, now);
            }
            appended.written = self.rows.len();
            appended.skipped -= self.rows.len();
            appended.version = Some(version);
            appended.size_bytes = self.uploaded.iter().flatten().map(|file| file.size_bytes).sum();
        }
        Ok((appended, head))
    }

    /// Drops the rows that are stored, as of the head. Answers whether there were any.
    async fn drop_stored(&mut self, head: &Head) -> Result<bool, Error> {
        let watermark = head.watermarks.get(self.source);
        let settled = match self.settled {
            Settled::ByWatermark => watermark,
            Settled::UpTo(number) => number,
        };
        // Rows that came by a replay, ahead of what the watermark covers.
        let reach = watermark.max(head.watermarks.get(&self.source.replayed()));
        let doubtful = |number: &&SequenceNumber| Some(**number) > settled && Some(**number) <= reach;
        let mut doubtful: Vec<_> = self.rows.numbers().iter().filter(doubtful).copied().collect();
        let mut stored = lookup::stored(self.place, self.source, &doubtful).await?;
        if let Some(other) = self.moved_to {
            // In this order: a row is put into the other table before it is taken out of this one.
            doubtful.retain(|number| !stored.contains(number));
            stored.extend(lookup::stored(other, self.source, &doubtful).await?);
        }

        let before = self.rows.len();
        let missing =
            |number: &SequenceNumber| Some(*number) > settled && (Some(*number) > reach || !stored.contains(number));
        let rows = std::mem::replace(&mut self.rows, Rows::none()).keep(missing);
        self.rows = rows.map_err(|source| Error::Shape {
            table: self.place.name().to_owned(),
            source,
        })?;
        Ok(self.rows.len() < before)
    }

    /// What the table's watermark is with this batch.
    fn watermark(&self, head: &Head) -> SequenceNumber {
        let known = head.watermarks.get(self.source);
        known.map_or(self.highest, |known| known.max(self.highest))
    }
}

impl Change<Head> for Append<'_> {
    async fn next(&mut self, head: &Head, id: &str, may_delete: bool) -> Result<Option<Bytes>, Error> {
        if self.drop_stored(head).await? {
            if may_delete {
                self.discard().await;
            }
            self.uploaded = None;
        }
        if self.rows.is_empty() {
            return Ok(None);
        }
        let files = match self.uploaded.take() {
            Some(files) => files,
            None => self.place.upload(head, self.source, &self.rows).await?,
        };
        let watermark = self.watermark(head);
        let txns = Watermarks::txns(self.source, &watermark);
        let body = commit::append(&files, txns, head.fit.new_metadata.as_ref(), id, self.now);
        self.uploaded = Some(files);
        body.map(Some).map_err(self.place.unwritten(head.version + 1))
    }

    async fn discard(&mut self) {
        if let Some(files) = self.uploaded.take() {
            self.place.delete(&files).await;
        }
    }
}
