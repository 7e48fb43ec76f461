//! A Parquet file that is uploaded while it is written, so that it can be larger than memory.

use std::sync::Arc;

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use object_store::{ObjectStore, ObjectStoreExt as _, buffered::BufWriter, path::Path};
use parquet::{arrow::AsyncArrowWriter, errors::ParquetError};

use crate::{
    commit::DataFile,
    encode,
    error::Error,
    place::Place,
    stats::{Counts, statistics},
};

/// A row group is closed when its encoded pages take this much memory: 32 MiB of them are some hundred thousand rows.
const ROW_GROUP_BYTES: usize = 32 << 20;
/// S3 wants parts of at least 5 MiB, and takes 10,000 of them.
const PART_BYTES: usize = 8 << 20;
/// Parts under way at once; more would be memory, not speed.
const PARTS_AT_ONCE: usize = 2;

/// A file that is being written, wherever it belongs.
pub(crate) struct Upload {
    writer: AsyncArrowWriter<BufWriter>,
    counts: Counts,
}

/// A file that is in the store.
pub(crate) struct Uploaded {
    pub(crate) size_bytes: u64,
    pub(crate) rows: u64,
    pub(crate) statistics: String,
}

impl Upload {
    /// Begins a file at `key`. Makes no request.
    pub(crate) fn create(store: &Arc<dyn ObjectStore>, key: Path, schema: &SchemaRef) -> Result<Self, ParquetError> {
        let upload = BufWriter::with_capacity(Arc::clone(store), key, PART_BYTES).with_max_concurrency(PARTS_AT_ONCE);
        Ok(Self {
            writer: AsyncArrowWriter::try_new(upload, Arc::clone(schema), Some(encode::properties()?))?,
            counts: Counts::new(Arc::clone(schema)),
        })
    }

    /// Adds rows in the file's schema.
    pub(crate) async fn write(&mut self, rows: &RecordBatch) -> Result<(), ParquetError> {
        self.counts.add(rows);
        self.writer.write(rows).await?;
        if self.writer.in_progress_size() >= ROW_GROUP_BYTES {
            self.writer.flush().await?;
        }
        Ok(())
    }

    /// What the file will have at least, in bytes.
    fn size_bytes(&self) -> u64 {
        (self.writer.bytes_written() + self.writer.in_progress_size()) as u64
    }

    /// Ends the file: it is in the store, and in no commit yet.
    pub(crate) async fn finish(mut self) -> Result<Uploaded, ParquetError> {
        let metadata = self.writer.finish().await?;
        Ok(Uploaded {
            size_bytes: self.writer.bytes_written() as u64,
            rows: self.counts.rows() as u64,
            statistics: statistics(&self.counts, &metadata),
        })
    }

    /// Gives the file up, with the parts that were uploaded.
    pub(crate) async fn abort(self) -> object_store::Result<()> {
        self.writer.into_inner().abort().await
    }
}

/// A file that is being written into a partition.
pub(crate) struct PartFile {
    path: String,
    day: i32,
    ingest_path: &'static str,
    upload: Upload,
}

impl PartFile {
    /// Begins a file in the partition of `day`, in days since 1970, and of a way in. Makes no request.
    pub(crate) fn create(
        place: &Place,
        schema: &SchemaRef,
        day: i32,
        ingest_path: &'static str,
    ) -> Result<Self, Error> {
        let path = DataFile::new_path(day, ingest_path);
        let key = place.key(&Path::from(path.as_str()));
        let upload = Upload::create(place.store(), key, schema).map_err(failed(place))?;
        Ok(Self {
            path,
            day,
            ingest_path,
            upload,
        })
    }

    /// Adds rows in the file's schema.
    pub(crate) async fn write(&mut self, place: &Place, rows: &RecordBatch) -> Result<(), Error> {
        self.upload.write(rows).await.map_err(failed(place))
    }

    /// What the file will have at least, in bytes.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.upload.size_bytes()
    }

    /// Ends the file: it is in the store, and in no commit yet.
    pub(crate) async fn finish(self, place: &Place) -> Result<DataFile, Error> {
        let uploaded = self.upload.finish().await.map_err(failed(place))?;
        Ok(DataFile {
            size_bytes: uploaded.size_bytes,
            statistics: uploaded.statistics,
            path: self.path,
            day: self.day,
            ingest_path: self.ingest_path,
        })
    }

    /// Gives the file up. Parts that were uploaded are removed; what cannot be is left to the bucket's lifecycle.
    pub(crate) async fn abort(self, place: &Place) {
        if let Err(error) = self.upload.abort().await {
            tracing::warn!(table = place.name(), path = self.path, %error, "upload could not be aborted");
        }
        // A small file is put whole, which an abort does not take back.
        let _ = place.store().delete(&place.key(&Path::from(self.path.as_str()))).await;
    }
}

fn failed(place: &Place) -> impl Fn(ParquetError) -> Error {
    |source| Error::Parquet {
        action: "encode",
        table: place.name().to_owned(),
        source,
    }
}

impl std::fmt::Debug for PartFile {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("PartFile")
            .field("path", &self.path)
            .field("rows", &self.upload.counts.rows())
            .finish_non_exhaustive()
    }
}
