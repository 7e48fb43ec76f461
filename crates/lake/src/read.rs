//! Reading tables back: for the demo, for operators and for tests. Reports read with a query engine.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, RecordBatch, RecordBatchOptions, StringArray, new_null_array},
    datatypes::{Field, Schema, SchemaRef},
};
use bytes::Bytes;
use deltalake_core::{
    DeltaTableError,
    kernel::{LogicalFileView, Snapshot},
};
use futures::TryStreamExt as _;
use object_store::ObjectStoreExt as _;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use pinlake_dataset::DatasetName;

use crate::{
    error::Error,
    head,
    lake::{Kind, Lake},
    schema::{PARTITION_COLUMNS, arrow_schema},
    sequence::SequenceNumber,
    source::Source,
};

/// What a table holds, without reading a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The newest version.
    pub version: u64,
    /// Parquet files in it.
    pub files: usize,
    /// Rows in them.
    pub rows: u64,
    /// Their size, in bytes.
    pub size_bytes: u64,
    /// For each source, the highest sequence number that is stored.
    pub watermarks: Vec<(Source, SequenceNumber)>,
}

/// Describes a dataset's table; `None` if there is none yet.
///
/// # Errors
/// [`Error::Log`] if the log cannot be read.
pub async fn describe(lake: &Lake, kind: Kind, dataset: &DatasetName) -> Result<Option<Description>, Error> {
    let Some(state) = State::load(lake, kind, dataset).await? else {
        return Ok(None);
    };
    let watermarks = head::watermarks(lake.log_store(kind, dataset)?.as_ref(), state.snapshot.clone())
        .await
        .map_err(state.failed())?;
    Ok(Some(Description {
        version: state.snapshot.version(),
        files: state.files.len(),
        rows: state
            .files
            .iter()
            .filter_map(|file| file.num_records())
            .map(|rows| rows as u64)
            .sum(),
        size_bytes: state
            .files
            .iter()
            .map(|file| u64::try_from(file.size()).unwrap_or_default())
            .sum(),
        watermarks: watermarks
            .iter()
            .map(|(source, number)| (source.clone(), number))
            .collect(),
    }))
}

/// All rows of a dataset's table with all columns, partition columns included; the oldest file first. No batch if there is
/// no table. Holds the whole table in memory: meant for small ones.
///
/// # Errors
/// The log or a file cannot be read.
pub async fn read_table(lake: &Lake, kind: Kind, dataset: &DatasetName) -> Result<Vec<RecordBatch>, Error> {
    let Some(mut state) = State::load(lake, kind, dataset).await? else {
        return Ok(Vec::new());
    };
    state.files.sort_by_key(LogicalFileView::modification_time);
    let kernel_schema = state.snapshot.schema();
    let schema = Arc::new(arrow_schema(&state.name, &kernel_schema)?);
    let folder = lake.folder(kind, dataset);
    let mut batches = Vec::new();
    for file in &state.files {
        let key = folder.parts().chain(file.object_store_path().parts()).collect();
        let found = lake.store().get(&key).await.map_err(Error::store("read", &key))?;
        let bytes = found.bytes().await.map_err(Error::store("read", &key))?;
        batches.extend(decode(&state.name, bytes, file, &schema)?);
    }
    Ok(batches)
}

/// A version of a table and the files in it.
struct State {
    name: String,
    snapshot: Snapshot,
    files: Vec<LogicalFileView>,
}

impl State {
    async fn load(lake: &Lake, kind: Kind, dataset: &DatasetName) -> Result<Option<Self>, Error> {
        let name = lake.folder(kind, dataset).to_string();
        let log = lake.log_store(kind, dataset)?;
        let Some(snapshot) = head::snapshot(&name, log.as_ref()).await? else {
            return Ok(None);
        };
        let failed = |source| Error::Log {
            table: name.clone(),
            source,
        };
        let files = snapshot
            .file_views(log.as_ref(), None)
            .try_collect()
            .await
            .map_err(failed)?;
        Ok(Some(Self { name, snapshot, files }))
    }

    fn failed(&self) -> impl FnOnce(DeltaTableError) -> Error {
        let table = self.name.clone();
        |source| Error::Log { table, source }
    }
}

fn decode(table: &str, file: Bytes, view: &LogicalFileView, schema: &SchemaRef) -> Result<Vec<RecordBatch>, Error> {
    let failed = |source| Error::Parquet {
        action: "decode",
        table: table.to_owned(),
        source,
    };
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .and_then(|reader| reader.build())
        .map_err(failed)?;
    let partitions = view.partition_values_map();
    reader
        .map(|batch| {
            let batch = batch.map_err(|error| failed(error.into()))?;
            complete(&batch, schema, |column| partitions.get(column).cloned().flatten()).map_err(|source| {
                Error::Shape {
                    table: table.to_owned(),
                    source,
                }
            })
        })
        .collect()
}

/// A file's rows in the table's schema: partition columns from the file's path, columns added since as null.
fn complete(
    batch: &RecordBatch,
    schema: &SchemaRef,
    partition: impl Fn(&str) -> Option<String>,
) -> Result<RecordBatch, arrow::error::ArrowError> {
    let rows = batch.num_rows();
    let column = |field: &Arc<Field>| -> Result<ArrayRef, arrow::error::ArrowError> {
        if PARTITION_COLUMNS.contains(&field.name().as_str()) {
            let values = StringArray::from(vec![partition(field.name()); rows]);
            return arrow::compute::cast(&values, field.data_type());
        }
        match batch.column_by_name(field.name()) {
            Some(column) => arrow::compute::cast(column, field.data_type()),
            None => Ok(new_null_array(field.data_type(), rows)),
        }
    };
    let columns = schema.fields().iter().map(column).collect::<Result<_, _>>()?;
    let schema = Arc::new(Schema::new(schema.fields().clone()));
    RecordBatch::try_new_with_options(schema, columns, &RecordBatchOptions::new().with_row_count(Some(rows)))
}
