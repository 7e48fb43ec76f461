//! One append: drop what is stored, upload the rest, win a version.

use std::num::NonZeroU32;

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
            now,
            upload: None,
            outcome,
            unexplained: 0,
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
        let Some(watermark) = self.head.watermarks.get(self.source) else {
            return Ok(false);
        };
        let settled = match self.settled {
            Settled::ByWatermark => Some(watermark),
            Settled::UpTo(number) => number,
        };
        let doubtful = self
            .rows
            .numbers()
            .iter()
            .filter(|number| Some(**number) > settled && **number <= watermark);
        let doubtful: Vec<SequenceNumber> = doubtful.copied().collect();
        let stored = lookup::stored(self.place, self.source, &doubtful).await?;

        let before = self.rows.len();
        let missing =
            |number: &SequenceNumber| *number > watermark || (Some(*number) > settled && !stored.contains(number));
        let rows = std::mem::replace(&mut self.rows, Rows::none()).keep(missing);
        self.rows = rows.map_err(|source| Error::Shape {
            table: self.place.name().to_owned(),
            source,
        })?;
        Ok(self.rows.len() < before)
    }

    /// Tries to win the next version. `Done`: the rows are in the table.
    async fn try_once(&mut self) -> Result<Put, Error> {
        let upload = match self.upload.take() {
            Some(upload) => upload,
            None => {
                let files = self.place.upload(&self.head, self.source, &self.rows).await?;
                Upload {
                    id: Uuid::new_v4().to_string(),
                    files,
                    in_doubt: false,
                }
            }
        };
        let upload = self.upload.insert(upload);
        let version = self.head.version + 1;
        let watermark = self
            .head
            .watermarks
            .get(self.source)
            .max(Some(self.highest))
            .unwrap_or(self.highest);
        let txns = Watermarks::txns(self.source, &watermark);
        let new_metadata = self.head.fit.new_metadata.as_ref();
        let body = commit::append(&upload.files, txns, new_metadata, &upload.id, self.now).map_err(|source| {
            Error::Commit {
                table: self.place.name().to_owned(),
                version,
                source,
            }
        })?;

        let put = self.place.log.put(version, body).await;
        if matches!(put, Put::Done) {
            self.head.committed(version, self.source, &watermark);
            self.finish(version);
            return Ok(put);
        }
        self.outcome.conflicts += 1;
        upload.in_doubt = true;
        let (mut ours, mut commits) = (None, 0);
        let seen = |seen_version, id: Option<&str>| {
            commits += 1;
            if id == Some(upload.id.as_str()) {
                ours = Some(seen_version);
            } else if seen_version == version {
                // Somebody else has the version that was tried, so ours cannot come into being any more.
                upload.in_doubt = false;
            }
        };
        self.place.catch_up(&mut self.head, seen).await?;
        if let Some(version) = ours {
            self.finish(version);
            return Ok(Put::Done);
        }
        self.unexplained = if commits > 0 {
            0
        } else {
            self.unexplained + u32::from(matches!(put, Put::Taken))
        };
        // Once may be two puts that met at the store. Twice means that the version exists and cannot be read: the log was
        // cleaned up behind the handle's back.
        if self.unexplained > 1 {
            self.head = self.place.open(self.now).await?;
        }
        Ok(put)
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
