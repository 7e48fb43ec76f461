//! One append: drop what is stored, upload the rest, win a version.

use std::num::NonZeroU32;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    backoff,
    commit::{self, DataFile},
    error::Error,
    head::Head,
    log::Put,
    lookup,
    place::Place,
    rows::Rows,
    sequence::SequenceNumber,
    source::Source,
    watermarks::Watermarks,
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
    head: Head,
    source: &'a Source,
    /// What is left to store.
    rows: Rows,
    highest: SequenceNumber,
    settled: Settled,
    /// Where rows may have been moved to.
    moved_to: Option<&'a Place>,
    now: DateTime<Utc>,
    upload: Option<Upload>,
    outcome: Appended,
    /// Puts in a row that found the version taken though nobody can see it.
    unexplained: u32,
}

/// Files that are in the store and not yet, or not for certain, in the table.
struct Upload {
    /// Marks the commit that adds them.
    id: String,
    files: Vec<DataFile>,
    /// Whether a put with an unknown outcome may have committed them.
    in_doubt: bool,
}

/// Who has the version that was tried.
enum Winner {
    /// Our own commit, whose answer was lost.
    Ourselves(u64),
    /// Others, or nobody yet.
    Others,
}

impl<'a> Append<'a> {
    pub(crate) fn new(
        place: &'a Place,
        head: Head,
        source: &'a Source,
        rows: Rows,
        highest: SequenceNumber,
        settled: Settled,
        now: DateTime<Utc>,
    ) -> Self {
        let outcome = Appended {
            skipped: rows.len(),
            ..Appended::default()
        };
        Self {
            place,
            head,
            source,
            rows,
            highest,
            settled,
            moved_to: None,
            now,
            upload: None,
            outcome,
            unexplained: 0,
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
    pub(crate) async fn run(mut self, tries: NonZeroU32) -> Result<(Appended, Head), Error> {
        match self.try_often(tries).await {
            Ok(()) => Ok((self.outcome, self.head)),
            Err(error) => {
                self.discard().await;
                Err(error)
            }
        }
    }

    async fn try_often(&mut self, tries: NonZeroU32) -> Result<(), Error> {
        let mut failure = None;
        for tried in 0..tries.get() {
            if tried > 0 {
                backoff::wait(tried - 1).await;
            }
            if self.drop_stored().await? {
                self.discard().await;
            }
            if self.rows.is_empty() {
                return Ok(());
            }
            match self.try_once().await? {
                Put::Done => return Ok(()),
                Put::Taken => failure = None,
                Put::Unknown(error) => failure = Some(error),
            }
        }
        let contention = || Error::Contention {
            table: self.place.name().to_owned(),
            tries: tries.get(),
        };
        Err(failure.unwrap_or_else(contention))
    }

    /// Drops the rows that are stored, as of the head. Answers whether there were any.
    async fn drop_stored(&mut self) -> Result<bool, Error> {
        let watermark = self.head.watermarks.get(self.source);
        let settled = match self.settled {
            Settled::ByWatermark => watermark,
            Settled::UpTo(number) => number,
        };
        // Rows that came by a replay, ahead of what the watermark covers.
        let reach = watermark.max(self.head.watermarks.get(&self.source.replayed()));
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

    /// Tries to win the next version. `Done`: the rows are in the table.
    async fn try_once(&mut self) -> Result<Put, Error> {
        let upload = self.uploaded().await?;
        let version = self.head.version + 1;
        let known = self.head.watermarks.get(self.source);
        let watermark = known.map_or(self.highest, |known| known.max(self.highest));
        let body = self.body(&upload, version, &watermark);
        self.upload = Some(upload);
        let put = self.place.log.put(version, body?).await;
        if matches!(put, Put::Done) {
            self.head.committed(version, self.source, &watermark, self.now);
            self.finish(version);
            return Ok(put);
        }
        self.outcome.conflicts += 1;
        match self.winner(version, &put).await? {
            Winner::Ourselves(version) => {
                self.finish(version);
                Ok(Put::Done)
            }
            Winner::Others => Ok(put),
        }
    }

    /// The files of the rows: those of the try before, if it left any.
    async fn uploaded(&mut self) -> Result<Upload, Error> {
        if let Some(upload) = self.upload.take() {
            return Ok(upload);
        }
        Ok(Upload {
            id: Uuid::new_v4().to_string(),
            files: self.place.upload(&self.head, self.source, &self.rows).await?,
            in_doubt: false,
        })
    }

    /// The commit that adds the files.
    fn body(&self, upload: &Upload, version: u64, watermark: &SequenceNumber) -> Result<Bytes, Error> {
        let (id, files) = (&upload.id, &upload.files);
        let txns = Watermarks::txns(self.source, watermark);
        commit::append(files, txns, self.head.fit.new_metadata.as_ref(), id, self.now).map_err(|source| Error::Commit {
            table: self.place.name().to_owned(),
            version,
            source,
        })
    }

    /// Reads who has `version`, which our put did not win as far as it knows, and what came after it.
    async fn winner(&mut self, version: u64, put: &Put) -> Result<Winner, Error> {
        let before = self.head.version;
        let mut winner = Winner::Others;
        let mut upload = self.upload.as_mut();
        if let Some(upload) = &mut upload {
            upload.in_doubt = true;
        }
        let seen = |seen_version, id: Option<&str>| {
            let Some(upload) = &mut upload else { return };
            if id == Some(upload.id.as_str()) {
                winner = Winner::Ourselves(seen_version);
            } else if seen_version == version {
                // Somebody else has the version that was tried, so ours cannot come into being any more.
                upload.in_doubt = false;
            }
        };
        self.place.catch_up(&mut self.head, self.now, seen).await?;
        if self.head.version > before {
            self.unexplained = 0;
        } else if matches!(put, Put::Taken) {
            self.unexplained += 1;
        }
        // Once may be two puts that met at the store. Twice means that the version exists and cannot be read: the log was
        // cleaned up behind the handle's back. The files stay behind, because nobody can tell any more whose it was.
        if self.unexplained > 1 {
            self.upload = None;
            self.head = self.place.open(self.now).await?;
        }
        Ok(winner)
    }

    fn finish(&mut self, version: u64) {
        let Some(upload) = self.upload.take() else { return };
        self.outcome.written = self.rows.len();
        self.outcome.skipped -= self.rows.len();
        self.outcome.version = Some(version);
        self.outcome.size_bytes = upload.files.iter().map(|file| file.size_bytes).sum();
    }

    /// Deletes what was uploaded, unless it may be in the table.
    async fn discard(&mut self) {
        if let Some(upload) = self.upload.take().filter(|upload| !upload.in_doubt) {
            self.place.delete(&upload.files).await;
        }
    }
}
