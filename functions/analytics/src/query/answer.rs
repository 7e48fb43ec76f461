//! From the engine's stream of batches to one [`Answer`] with plain types.

use std::sync::Arc;

use arrow::{
    array::{Array, RecordBatch, RecordBatchOptions},
    compute::{cast, concat_batches},
    datatypes::{DataType, Field, Schema},
    error::ArrowError,
};
use datafusion::{error::DataFusionError, execution::SendableRecordBatchStream};
use futures::TryStreamExt as _;

use super::QueryError;
use crate::report::Answer;

/// Collects an answer of at most `limit_bytes`.
pub(super) async fn collect(
    mut stream: SendableRecordBatchStream,
    schema: &Schema,
    limit_bytes: usize,
) -> Result<Answer, QueryError> {
    let failed = |error: DataFusionError| QueryError::Failed(Box::new(error));
    let shape = |error: ArrowError| failed(error.into());
    let fields: Vec<_> = schema
        .fields()
        .iter()
        .map(|field| Field::new(field.name(), plain(field.data_type()), true))
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let mut batches = Vec::new();
    let mut size_bytes = 0;
    while let Some(batch) = stream.try_next().await.map_err(failed)? {
        let batch = plainly(&batch, &schema).map_err(shape)?;
        // Batches may share their buffers, so that each one's own part of them has to be counted.
        for column in batch.columns() {
            size_bytes += column.to_data().get_slice_memory_size().map_err(shape)?;
        }
        if size_bytes > limit_bytes {
            return Err(QueryError::TooLarge { limit_bytes });
        }
        batches.push(batch);
    }
    Ok(Answer {
        rows: concat_batches(&schema, &batches).map_err(shape)?,
    })
}

fn plainly(batch: &RecordBatch, schema: &Arc<Schema>) -> Result<RecordBatch, ArrowError> {
    let columns = batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(column, field)| cast(column, field.data_type()))
        .collect::<Result<_, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
}

/// The type without the engine's choice of how to lay it out.
fn plain(kind: &DataType) -> DataType {
    match kind {
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView => DataType::Binary,
        DataType::Dictionary(_, values) => plain(values),
        DataType::List(element) | DataType::LargeList(element) | DataType::ListView(element) => {
            DataType::List(Arc::new(Field::new("element", plain(element.data_type()), true)))
        }
        other => other.clone(),
    }
}
