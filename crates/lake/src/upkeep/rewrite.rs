//! The rows of a bin's files into one new file, row group by row group.
//!
//! Of the files that are read, at most the bin is in memory; of the one that is written, a row group and two parts of the
//! upload.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use object_store::{ObjectStore, ObjectStoreExt as _, path::Path};
use parquet::{arrow::arrow_reader::ParquetRecordBatchReaderBuilder, errors::ParquetError};
use uuid::Uuid;

use crate::{error::Error, part_file::Upload, schema, upkeep::plan::Bin};

/// Files fetched ahead. Small files cost the wait for their first byte more than their bytes.
const FETCHES: usize = 8;
/// Rows that are decoded at a time.
const BATCH_ROWS: usize = 8192;

/// A file that is in the store and not in the table.
pub(crate) struct Rewritten {
    /// Relative to the table.
    pub(crate) path: Path,
    pub(crate) size_bytes: u64,
    pub(crate) rows: u64,
    pub(crate) statistics: String,
}

pub(crate) async fn rewrite(
    store: &Arc<dyn ObjectStore>,
    folder: &Path,
    table: &str,
    schema: &SchemaRef,
    bin: &Bin,
) -> Result<Rewritten, Error> {
    let path = new_path(bin);
    let key = folder.parts().chain(path.parts()).collect();
    let encode = |source| Error::Parquet {
        action: "encode",
        table: table.to_owned(),
        source,
    };
    let mut upload = Upload::create(store, key, schema).map_err(encode)?;
    if let Err(error) = copy(store, folder, table, schema, bin, &mut upload).await {
        // Parts that nobody will put together. If that fails too, the bucket's rule for broken uploads takes them.
        if let Err(abort) = upload.abort().await {
            tracing::debug!(table, error = %abort, "parts of a file stay behind");
        }
        return Err(error);
    }
    let uploaded = upload.finish().await.map_err(encode)?;
    Ok(Rewritten {
        path,
        size_bytes: uploaded.size_bytes,
        rows: uploaded.rows,
        statistics: uploaded.statistics,
    })
}

/// Where the bin's files are.
fn new_path(bin: &Bin) -> Path {
    let name = format!("part-{}.zstd.parquet", Uuid::new_v4());
    let folder = bin.files.first().map(|file| file.path.as_ref());
    match folder.and_then(|path| path.rsplit_once('/')) {
        Some((folder, _)) => Path::from(format!("{folder}/{name}")),
        None => Path::from(name),
    }
}

async fn copy(
    store: &Arc<dyn ObjectStore>,
    folder: &Path,
    table: &str,
    schema: &SchemaRef,
    bin: &Bin,
    upload: &mut Upload,
) -> Result<(), Error> {
    let failed = |action| {
        move |source: ParquetError| Error::Parquet {
            action,
            table: table.to_owned(),
            source,
        }
    };
    let fetch = |path: &Path| {
        let key: Path = folder.parts().chain(path.parts()).collect();
        let store = Arc::clone(store);
        async move {
            let found = store.get(&key).await.map_err(Error::store("read", &key))?;
            found.bytes().await.map_err(Error::store("read", &key))
        }
    };
    let fetches: Vec<_> = bin.files.iter().map(|file| fetch(&file.path)).collect();
    let mut files = stream::iter(fetches).buffered(FETCHES);
    while let Some(bytes) = files.try_next().await? {
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)
            .and_then(|reader| reader.with_batch_size(BATCH_ROWS).build())
            .map_err(failed("decode"))?;
        for batch in reader {
            let batch = batch.map_err(|error| failed("decode")(error.into()))?;
            let batch = schema::align(table, &batch, schema)?;
            upload.write(&batch).await.map_err(failed("encode"))?;
            // Encoding does not wait for anything, so this is where a deadline can end it.
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}
