//! The origins of a table's rows: which records a version holds, without reading anything else of them.
//!
//! Files are passed over by the bounds that the log keeps of `_origin`; of the others that one column is read, a row group
//! at a time.

use std::{
    ops::{Range, RangeInclusive},
    sync::Arc,
};

use arrow::array::AsArray;
use bytes::Bytes;
use deltalake_core::{
    kernel::{LogicalFileView, Remove, Snapshot},
    logstore::LogStore,
};
use futures::{FutureExt as _, StreamExt as _, TryFutureExt as _, TryStreamExt as _, future::BoxFuture};
use object_store::{ObjectStore, ObjectStoreExt as _, path::Path};
use parquet::{
    arrow::{
        ParquetRecordBatchStreamBuilder, ProjectionMask, arrow_reader::ArrowReaderOptions,
        async_reader::AsyncFileReader,
    },
    errors::ParquetError,
    file::metadata::{ParquetMetaData, ParquetMetaDataReader},
};
use pinlake_dataset::DatasetName;
use serde::Deserialize;

use crate::{
    error::Error,
    head,
    lake::{Kind, Lake},
    schema::ORIGIN,
    sequence::SequenceNumber,
    source::Source,
    watermarks::Watermarks,
};

/// One version of one of a dataset's tables, to look for origins in.
#[derive(Debug)]
pub struct Origins {
    files: Files,
    version: u64,
    watermarks: Watermarks,
}

impl Origins {
    /// Opens the newest version; `None` if there is no table.
    ///
    /// # Errors
    /// [`Error::Log`] if the log cannot be read.
    pub async fn open(lake: &Lake, kind: Kind, dataset: &DatasetName) -> Result<Option<Self>, Error> {
        let name = lake.folder(kind, dataset).to_string();
        let log = lake.log_store(kind, dataset)?;
        let Some(snapshot) = head::snapshot(&name, log.as_ref()).await? else {
            return Ok(None);
        };
        let failed = |source| Error::Log {
            table: name.clone(),
            source,
        };
        Ok(Some(Self {
            files: Files::of(&snapshot, log.as_ref(), lake.store(), lake.folder(kind, dataset)).await?,
            version: snapshot.version(),
            watermarks: head::watermarks(log.as_ref(), snapshot).await.map_err(failed)?,
        }))
    }

    /// The version.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// How many rows it holds, as far as the log says.
    pub fn rows(&self) -> u64 {
        self.files.files.iter().map(|file| file.rows).sum()
    }

    /// The highest sequence number of `source` that the version knows of.
    pub fn watermark(&self, source: &Source) -> Option<SequenceNumber> {
        self.watermarks.get(source)
    }

    /// Tells `each` every origin that lies, as text, in one of the ranges; once for each row that has it. Others may be
    /// told as well.
    ///
    /// # Errors
    /// A file cannot be read.
    pub async fn within(&self, ranges: &[RangeInclusive<String>], each: impl FnMut(&str)) -> Result<(), Error> {
        self.files.within(ranges, each).await
    }
}

/// The files of a version, with what the log says of their origins.
pub(crate) struct Files {
    name: String,
    store: Arc<dyn ObjectStore>,
    files: Vec<File>,
}

pub(crate) struct File {
    pub(crate) key: Path,
    /// What a commit says to remove it.
    pub(crate) remove: Remove,
    size_bytes: u64,
    /// 0 if the log does not say.
    rows: u64,
    bounds: Bounds,
}

impl Files {
    /// The files of `snapshot`, which is of the table in `folder`.
    pub(crate) async fn of(
        snapshot: &Snapshot,
        log: &dyn LogStore,
        store: &Arc<dyn ObjectStore>,
        folder: Path,
    ) -> Result<Self, Error> {
        let name = folder.to_string();
        let file = |view: LogicalFileView| {
            let bounds = view.stats().and_then(|stats| serde_json::from_str(&stats).ok());
            File {
                key: folder.parts().chain(view.object_store_path().parts()).collect(),
                remove: view.remove_action(true),
                size_bytes: u64::try_from(view.size()).unwrap_or_default(),
                rows: view.num_records().unwrap_or_default() as u64,
                bounds: bounds.unwrap_or_default(),
            }
        };
        let files = snapshot.file_views(log, None).map_ok(file).try_collect().await;
        Ok(Self {
            files: files.map_err(|source| Error::Log {
                table: name.clone(),
                source,
            })?,
            name,
            store: Arc::clone(store),
        })
    }

    /// See [`Origins::within`].
    pub(crate) async fn within(
        &self,
        ranges: &[RangeInclusive<String>],
        mut each: impl FnMut(&str),
    ) -> Result<(), Error> {
        for file in self.files.iter().filter(|file| file.bounds.may_hold(ranges)) {
            self.tell(file, &mut each).await?;
        }
        Ok(())
    }

    /// The files that may hold one of the origins, which are sorted.
    pub(crate) fn that_may_hold(&self, sorted: &[String]) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.bounds.may_hold_one(sorted))
    }

    /// Tells `each` the origin of every row of a file.
    pub(crate) async fn tell(&self, file: &File, each: &mut impl FnMut(&str)) -> Result<(), Error> {
        self.read(file, each).await.map_err(|source| Error::Parquet {
            action: "decode",
            table: self.name.clone(),
            source,
        })
    }

    async fn read(&self, file: &File, each: &mut impl FnMut(&str)) -> Result<(), ParquetError> {
        let reader = Remote {
            store: Arc::clone(&self.store),
            key: file.key.clone(),
            size_bytes: file.size_bytes,
        };
        let rows = ParquetRecordBatchStreamBuilder::new(reader).await?;
        let only_origin = ProjectionMask::columns(rows.parquet_schema(), [ORIGIN]);
        let mut rows = rows.with_projection(only_origin).build()?;
        while let Some(batch) = rows.next().await {
            let batch = batch?;
            let column = batch.column_by_name(ORIGIN);
            let origins = column.and_then(|column| column.as_string_opt::<i32>());
            origins.into_iter().flatten().flatten().for_each(&mut *each);
        }
        Ok(())
    }
}

impl std::fmt::Debug for Files {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Files")
            .field("name", &self.name)
            .field("files", &self.files.len())
            .finish_non_exhaustive()
    }
}

/// A file in the store, of which only parts are fetched.
struct Remote {
    store: Arc<dyn ObjectStore>,
    key: Path,
    size_bytes: u64,
}

impl AsyncFileReader for Remote {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        let fetched = self.store.get_range(&self.key, range);
        fetched.map_err(|error| ParquetError::External(error.into())).boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>, ParquetError>> {
        async move {
            let fetched = self.store.get_ranges(&self.key, &ranges).await;
            fetched.map_err(|error| ParquetError::External(error.into()))
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        async move {
            let size_bytes = self.size_bytes;
            let reader = ParquetMetaDataReader::new().with_arrow_reader_options(options);
            reader.load_and_finish(self, size_bytes).await.map(Arc::new)
        }
        .boxed()
    }
}

/// What the log says of a file's origins; nothing, if it says nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bounds {
    #[serde(default)]
    min_values: Bound,
    #[serde(default)]
    max_values: Bound,
}

#[derive(Debug, Deserialize, Default)]
struct Bound {
    #[serde(rename = "_origin")]
    origin: Option<String>,
}

impl Bounds {
    fn may_hold(&self, ranges: &[RangeInclusive<String>]) -> bool {
        let (least, greatest) = (&self.min_values.origin, &self.max_values.origin);
        ranges.iter().any(|range| {
            least.as_ref().is_none_or(|least| least <= range.end())
                && greatest.as_ref().is_none_or(|greatest| range.start() <= greatest)
        })
    }

    fn may_hold_one(&self, sorted: &[String]) -> bool {
        let (least, greatest) = (&self.min_values.origin, &self.max_values.origin);
        let first = least
            .as_ref()
            .map_or(0, |least| sorted.partition_point(|origin| origin < least));
        let first = sorted.get(first);
        first.is_some_and(|first| greatest.as_ref().is_none_or(|greatest| first <= greatest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_opened_if_it_may_hold_an_origin() {
        let of = |stats: &str| serde_json::from_str::<Bounds>(stats).unwrap_or_default();
        let known =
            of(r#"{"numRecords":1,"minValues":{"_origin":"kinesis/s/0/3"},"maxValues":{"_origin":"kinesis/s/0/7"}}"#);
        let range = |first: &str, last: &str| format!("kinesis/s/0/{first}")..=format!("kinesis/s/0/{last}");
        assert!(known.may_hold(&[range("1", "3")]));
        assert!(known.may_hold(&[range("1", "2"), range("7", "8")]));
        assert!(!known.may_hold(&[range("1", "2"), range("8", "9")]));
        assert!(!known.may_hold(&[]));
        let one_of = |numbers: &[&str]| {
            let sorted: Vec<_> = numbers.iter().map(|number| format!("kinesis/s/0/{number}")).collect();
            known.may_hold_one(&sorted)
        };
        assert!(one_of(&["1", "3"]) && one_of(&["7", "9"]) && one_of(&["2", "5", "8"]));
        assert!(!one_of(&["1", "2", "8"]) && !one_of(&[]));
        for unknown in ["{}", "nonsense", r#"{"minValues":{"ind":1}}"#] {
            assert!(of(unknown).may_hold(&[range("1", "2")]), "{unknown}");
            assert!(of(unknown).may_hold_one(&["kinesis/s/0/1".to_owned()]), "{unknown}");
        }
    }
}
