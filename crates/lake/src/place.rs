//! A table's place in the lake: opening it, making it, and following what others commit to it.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use chrono::{DateTime, Utc};
use deltalake_core::{kernel::new_metadata, logstore::LogStore};
use futures::future::join_all;
use object_store::{ObjectStore, ObjectStoreExt as _, path::Path};
use pinlake_dataset::DatasetName;
use uuid::Uuid;

use crate::{
    commit::{self, DataFile, STREAM},
    encode::encode,
    error::Error,
    head::Head,
    lake::{Kind, Lake},
    log::{Log, Put, Tail},
    rows::Rows,
    schema::{self, PARTITION_COLUMNS},
    source::Source,
    stats::{Counts, statistics},
};

/// Where a table is and what columns its writer wants; nothing of what is in it.
pub(crate) struct Place {
    /// The table's folder, as messages name it.
    name: String,
    folder: Path,
    store: Arc<dyn ObjectStore>,
    pub(crate) log: Log,
    log_store: Arc<dyn LogStore>,
    wanted: SchemaRef,
}

impl Place {
    pub(crate) fn new(lake: &Lake, kind: Kind, dataset: &DatasetName, wanted: SchemaRef) -> Result<Self, Error> {
        let folder = lake.folder(kind, dataset);
        Ok(Self {
            name: folder.to_string(),
            log: Log::new(Arc::clone(lake.store()), folder.clone()),
            log_store: lake.log_store(kind, dataset)?,
            store: Arc::clone(lake.store()),
            folder,
            wanted,
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The files of the table's newest state, which may be newer than any head.
    pub(crate) fn log_store(&self) -> &dyn LogStore {
        self.log_store.as_ref()
    }

    pub(crate) fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// The key of a file that the log names.
    pub(crate) fn key(&self, path: &Path) -> Path {
        self.folder.parts().chain(path.parts()).collect()
    }

    /// What it is when the commit of a version cannot be put into words.
    pub(crate) fn unwritten(&self, version: u64) -> impl Fn(serde_json::Error) -> Error {
        move |source| Error::Commit {
            table: self.name.clone(),
            version,
            source,
        }
    }

    /// Reads the newest state; makes the table if there is none.
    pub(crate) async fn open(&self, now: DateTime<Utc>) -> Result<Head, Error> {
        match self.load(now).await? {
            Some(head) => Ok(head),
            None => self.create(now).await,
        }
    }

    /// Reads the newest state; `None` if there is no table.
    pub(crate) async fn load(&self, now: DateTime<Utc>) -> Result<Option<Head>, Error> {
        Head::load(&self.name, self.log_store(), &self.wanted, now).await
    }

    /// Makes the table, or opens the one that somebody else has made meanwhile.
    async fn create(&self, now: DateTime<Utc>) -> Result<Head, Error> {
        let no_settings: [(&str, &str); 0] = [];
        let columns = schema::delta_schema(&self.name, &self.wanted)?;
        let metadata = new_metadata(&columns, PARTITION_COLUMNS, no_settings).map_err(|source| Error::Log {
            table: self.name.clone(),
            source: source.into(),
        })?;
        let body = commit::creation(&metadata, &Uuid::new_v4().to_string(), now).map_err(self.unwritten(0))?;
        let failure = match self.log.put(0, body).await {
            Put::Done => {
                tracing::info!(table = self.name, "table created");
                return Head::created(&self.name, metadata, &self.wanted, now);
            }
            Put::Taken => Error::Contention {
                table: self.name.clone(),
                tries: 1,
            },
            Put::Unknown(error) => error,
        };
        self.load(now).await?.ok_or(failure)
    }

    /// Makes sure that the head is not older than the log's own memory, and takes over what came after it.
    ///
    /// A version is free when its file is absent. Of a version that was used and has been cleaned away that would be true
    /// again, so a handle that was not in touch for long must not rely on it.
    pub(crate) async fn refresh(&self, mut head: Head, now: DateTime<Utc>) -> Result<Head, Error> {
        match self.log.tail(head.version).await? {
            Tail::UpToDate => {
                head.looked_at = now;
                Ok(head)
            }
            Tail::Continues => {
                self.catch_up(&mut head, now, |_, _| ()).await?;
                Ok(head)
            }
            Tail::Broken => self.open(now).await,
        }
    }

    /// Takes over the commits after the head, one by one; `seen` is told each one's version and id beforehand.
    pub(crate) async fn catch_up(
        &self,
        head: &mut Head,
        now: DateTime<Utc>,
        mut seen: impl FnMut(u64, Option<&str>),
    ) -> Result<(), Error> {
        while let Some(commit) = self.log.read(head.version + 1).await? {
            seen(head.version + 1, commit.id.as_deref());
            head.apply(&self.name, commit, &self.wanted)?;
            head.looked_at = now;
        }
        Ok(())
    }

    /// Encodes the rows, a file for each day of arrival, and puts the files where the table's files are.
    pub(crate) async fn upload(&self, head: &Head, source: &Source, rows: &Rows) -> Result<Vec<DataFile>, Error> {
        let shape = |source| Error::Shape {
            table: self.name.clone(),
            source,
        };
        let mut files = Vec::new();
        for (day, part) in rows.by_day().map_err(shape)? {
            let file = self.upload_day(head, source, day, &part).await;
            match file {
                Ok(file) => files.push(file),
                Err(error) => {
                    self.delete(&files).await;
                    return Err(error);
                }
            }
        }
        Ok(files)
    }

    async fn upload_day(&self, head: &Head, source: &Source, day: i32, rows: &Rows) -> Result<DataFile, Error> {
        let (bytes, statistics) = self.encode(head, source, rows)?;
        let path = DataFile::new_path(day, STREAM);
        let size_bytes = bytes.len() as u64;
        let key = self.key(&Path::from(path.as_str()));
        self.store
            .put(&key, bytes.into())
            .await
            .map_err(Error::store("write", &key))?;
        Ok(DataFile {
            path,
            size_bytes,
            day,
            ingest_path: STREAM,
            statistics,
        })
    }

    /// Apart from the upload, so that the Arrow form is gone while the request is under way.
    fn encode(&self, head: &Head, source: &Source, rows: &Rows) -> Result<(bytes::Bytes, String), Error> {
        let batch = rows.with_bookkeeping(source).map_err(|source| Error::Shape {
            table: self.name.clone(),
            source,
        })?;
        let batch = schema::align(&self.name, &batch, &head.fit.file_schema)?;
        let encoded = encode(&batch).map_err(|source| Error::Parquet {
            action: "encode",
            table: self.name.clone(),
            source,
        })?;
        let mut counts = Counts::new(batch.schema());
        counts.add(&batch);
        let statistics = statistics(&counts, &encoded.metadata);
        Ok((encoded.bytes, statistics))
    }

    /// Deletes files that no commit names. If it fails they remain as orphans, which vacuum removes.
    pub(crate) async fn delete(&self, files: &[DataFile]) {
        let deletions = files.iter().map(|file| async move {
            if let Err(error) = self.store.delete(&self.key(&Path::from(file.path.as_str()))).await {
                tracing::warn!(table = self.name, path = file.path, %error, "file without a commit stays behind");
            }
        });
        join_all(deletions).await;
    }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Place")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
