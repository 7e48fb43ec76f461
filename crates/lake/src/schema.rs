//! What columns a table has, and how they may change.
//!
//! A table has its own columns (the dataset's and `_rescued`, or the quarantine's), then `_ingested_at` and `_origin`, then
//! the partition columns. All of them are nullable in the table: whether a column is required is the definition's
//! business, and a column that a definition no longer has must be able to be null.
//!
//! # Invariants
//! - A column of the definition that the table lacks is added; one that the table alone has stays
//!   (`a_new_column_is_added_before_the_bookkeeping`, `a_removed_column_stays`).
//! - Every other difference is refused before anything is written (`other_differences_are_refused`).

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array},
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
};
use deltalake_core::kernel::{
    DataType as DeltaType, Metadata, MetadataExt, StructField, StructType,
    engine::arrow_conversion::{TryIntoArrow, TryIntoKernel},
};
use pinlake_dataset::{Definition, RESCUED};

use crate::error::Error;

/// When the record arrived: timestamp, UTC, microseconds.
pub const INGESTED_AT: &str = "_ingested_at";
/// Where the record came from: `kinesis/<stream>/<shard>/<sequence number>`.
pub const ORIGIN: &str = "_origin";
/// Partition column: the UTC date of [`INGESTED_AT`].
pub const INGEST_DATE: &str = "ingest_date";
/// Partition column: which way the row took, `stream` or `batch`.
pub const INGEST_PATH: &str = "ingest_path";
/// The partition columns, in order.
pub const PARTITION_COLUMNS: [&str; 2] = [INGEST_DATE, INGEST_PATH];

/// Quarantine: the record's bytes as they came.
pub const PAYLOAD: &str = "payload";
/// Quarantine: what is wrong with the record, in words.
pub const REASON: &str = "reason";
/// Quarantine: the JSON field at fault; null when the record as a whole is.
pub const FIELD: &str = "field";

/// The type of [`INGESTED_AT`].
pub(crate) fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// The columns of a dataset's table.
pub fn table_schema(definition: &Definition) -> SchemaRef {
    with_bookkeeping(definition.schema().fields().iter().map(|field| field.as_ref().clone()))
}

/// The quarantine's own columns, in the order in which rejected records are to be given.
pub fn quarantine_rows_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new(PAYLOAD, DataType::Binary, true),
        Field::new(REASON, DataType::Utf8, true),
        Field::new(FIELD, DataType::Utf8, true),
    ]))
}

/// The columns of a quarantine table.
pub fn quarantine_schema() -> SchemaRef {
    with_bookkeeping(
        quarantine_rows_schema()
            .fields()
            .iter()
            .map(|field| field.as_ref().clone()),
    )
}

fn with_bookkeeping(own: impl Iterator<Item = Field>) -> SchemaRef {
    let bookkeeping = [
        Field::new(INGESTED_AT, timestamp(), true),
        Field::new(ORIGIN, DataType::Utf8, true),
        Field::new(INGEST_DATE, DataType::Date32, true),
        Field::new(INGEST_PATH, DataType::Utf8, true),
    ];
    Arc::new(Schema::new(
        own.map(|field| field.with_nullable(true))
            .chain(bookkeeping)
            .collect::<Vec<_>>(),
    ))
}

/// How a writer's columns fit a table.
#[derive(Debug, Clone)]
pub(crate) struct Fit {
    /// The table's columns after the next commit, without the partition columns: what goes into a file.
    pub(crate) file_schema: SchemaRef,
    /// The columns that the table lacks and the next commit adds.
    pub(crate) missing: Vec<String>,
    /// What the next commit must say because it adds columns.
    pub(crate) new_metadata: Option<Metadata>,
}

/// The columns of a Delta schema as Arrow has them.
pub(crate) fn arrow_schema(table: &str, schema: &StructType) -> Result<Schema, Error> {
    schema.try_into_arrow().map_err(|source| Error::Shape {
        table: table.to_owned(),
        source,
    })
}

/// The columns of an Arrow schema as Delta has them.
pub(crate) fn delta_schema(table: &str, schema: &Schema) -> Result<StructType, Error> {
    schema.try_into_kernel().map_err(|source| Error::Shape {
        table: table.to_owned(),
        source,
    })
}

/// Compares what a writer wants with what the table has.
///
/// # Errors
/// [`Error::Schema`] names the first column at which they part; [`Error::Unsupported`] if a column asks for something of
/// its writers, such as an invariant.
pub(crate) fn reconcile(table: &str, metadata: &Metadata, wanted: &Schema) -> Result<Fit, Error> {
    let existing = metadata.parse_schema().map_err(|source| Error::Log {
        table: table.to_owned(),
        source: source.into(),
    })?;
    check_partitions(table, metadata)?;
    check_fields(table, &existing)?;

    let mut missing = Vec::new();
    for field in delta_schema(table, wanted)?.fields() {
        match existing
            .fields()
            .find(|known| known.name().eq_ignore_ascii_case(field.name()))
        {
            None => missing.push(field.clone()),
            Some(known) => check_same(table, known, field)?,
        }
    }

    let fields = with_missing(&existing, &missing);
    let schema = StructType::try_new(fields).map_err(|source| Error::Log {
        table: table.to_owned(),
        source: source.into(),
    })?;
    let new_metadata = (!missing.is_empty())
        .then(|| metadata.clone().with_schema(&schema))
        .transpose()
        .map_err(|source| Error::Log {
            table: table.to_owned(),
            source: source.into(),
        })?;
    let file_fields: Vec<_> = arrow_schema(table, &schema)?
        .fields()
        .iter()
        .filter(|field| !PARTITION_COLUMNS.contains(&field.name().as_str()))
        .cloned()
        .collect();
    Ok(Fit {
        file_schema: Arc::new(Schema::new(file_fields)),
        missing: missing.iter().map(|field| field.name().clone()).collect(),
        new_metadata,
    })
}

/// The table's fields with the missing ones where a reader expects them: after the data, before the bookkeeping.
fn with_missing(existing: &StructType, missing: &[StructField]) -> Vec<StructField> {
    let mut fields: Vec<_> = existing.fields().cloned().collect();
    let bookkeeping = [RESCUED, INGESTED_AT, ORIGIN, INGEST_DATE, INGEST_PATH];
    let place = fields
        .iter()
        .position(|field| bookkeeping.contains(&field.name().as_str()))
        .unwrap_or(fields.len());
    fields.splice(place..place, missing.iter().cloned());
    fields
}

fn check_partitions(table: &str, metadata: &Metadata) -> Result<(), Error> {
    let columns = metadata.partition_columns();
    if columns.iter().eq(PARTITION_COLUMNS) {
        return Ok(());
    }
    Err(Error::Schema {
        table: table.to_owned(),
        column: PARTITION_COLUMNS.join(", "),
        existing: format!("partitioned by [{}]", columns.join(", ")),
        wanted: "what the table is partitioned by".to_owned(),
    })
}

/// Invariants, generated columns and the like live in a field's metadata under `delta.` and oblige every writer.
fn check_fields(table: &str, schema: &StructType) -> Result<(), Error> {
    let oblige = schema.fields().find_map(|field| {
        let key = field.metadata().keys().find(|key| key.starts_with("delta."))?;
        Some(format!("`{key}` of column `{}`", field.name()))
    });
    oblige.map_or(Ok(()), |requirement| {
        Err(Error::Unsupported {
            table: table.to_owned(),
            requirement,
        })
    })
}

fn check_same(table: &str, known: &StructField, wanted: &StructField) -> Result<(), Error> {
    let differ = |existing: String, wanted_is: String| Error::Schema {
        table: table.to_owned(),
        column: wanted.name().clone(),
        existing,
        wanted: wanted_is,
    };
    if known.name() != wanted.name() {
        return Err(differ(
            format!("called `{}`", known.name()),
            format!("called `{}`", wanted.name()),
        ));
    }
    if !same_type(known.data_type(), wanted.data_type()) {
        return Err(differ(
            format!("`{}`", known.data_type()),
            format!("`{}`", wanted.data_type()),
        ));
    }
    if !known.is_nullable() {
        return Err(differ("not nullable".to_owned(), "nullable".to_owned()));
    }
    Ok(())
}

/// Equal, but that a list may allow null elements in the table and not in the definition.
fn same_type(known: &DeltaType, wanted: &DeltaType) -> bool {
    match (known, wanted) {
        (DeltaType::Array(known), DeltaType::Array(wanted)) => {
            same_type(known.element_type(), wanted.element_type()) && (known.contains_null() || !wanted.contains_null())
        }
        _ => known == wanted,
    }
}

/// Arranges `batch` as a file of the table: columns that the batch lacks are null.
pub(crate) fn align(table: &str, batch: &RecordBatch, file_schema: &SchemaRef) -> Result<RecordBatch, Error> {
    let columns: Vec<ArrayRef> = file_schema
        .fields()
        .iter()
        .map(|field| match batch.column_by_name(field.name()) {
            // A list whose elements are called otherwise, or are not nullable, is the same list.
            Some(column) => arrow::compute::cast(column, field.data_type()),
            None => Ok(new_null_array(field.data_type(), batch.num_rows())),
        })
        .collect::<Result<_, _>>()
        .map_err(|source| Error::Shape {
            table: table.to_owned(),
            source,
        })?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(file_schema), columns, &options).map_err(|source| Error::Shape {
        table: table.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use deltalake_core::kernel::new_metadata;

    use super::*;

    fn wanted(own: &[(&str, DataType)]) -> SchemaRef {
        let rescued = (RESCUED, DataType::Utf8);
        with_bookkeeping(
            own.iter()
                .chain([&rescued])
                .map(|(name, kind)| Field::new(*name, kind.clone(), false)),
        )
    }

    fn metadata(schema: &Schema) -> Metadata {
        let no_settings: [(String, String); 0] = [];
        new_metadata(&delta_schema("t", schema).unwrap(), PARTITION_COLUMNS, no_settings).unwrap()
    }

    fn names(schema: &Schema) -> Vec<&str> {
        schema.fields().iter().map(|field| field.name().as_str()).collect()
    }

    #[test]
    fn the_same_definition_changes_nothing() {
        let list = DataType::List(Arc::new(Field::new("element", DataType::Float64, true)));
        let schema = wanted(&[("ind", DataType::Int32), ("coordinates", list), ("at", timestamp())]);
        let fit = reconcile("t", &metadata(&schema), &schema).unwrap();
        assert_eq!(fit.new_metadata, None);
        assert_eq!(
            names(&fit.file_schema),
            ["ind", "coordinates", "at", RESCUED, INGESTED_AT, ORIGIN]
        );
        assert!(fit.file_schema.fields().iter().all(|field| field.is_nullable()));
    }

    #[test]
    fn a_new_column_is_added_before_the_bookkeeping() {
        let old = wanted(&[("ind", DataType::Int32)]);
        let new = wanted(&[("title", DataType::Utf8), ("ind", DataType::Int32)]);
        let fit = reconcile("t", &metadata(&old), &new).unwrap();
        assert_eq!(names(&fit.file_schema), ["ind", "title", RESCUED, INGESTED_AT, ORIGIN]);
        let after = fit.new_metadata.unwrap();
        assert_eq!(after.id(), after.id());
        assert_eq!(reconcile("t", &after, &new).unwrap().new_metadata, None);
        // A writer that does not know the column yet goes on as before.
        assert_eq!(reconcile("t", &after, &old).unwrap().new_metadata, None);
    }

    #[test]
    fn a_removed_column_stays() {
        let old = wanted(&[("ind", DataType::Int32), ("title", DataType::Utf8)]);
        let new = wanted(&[("ind", DataType::Int32)]);
        let fit = reconcile("t", &metadata(&old), &new).unwrap();
        assert_eq!(fit.new_metadata, None);
        let batch =
            RecordBatch::try_from_iter([("ind", Arc::new(arrow::array::Int32Array::from(vec![1, 2])) as _)]).unwrap();
        let aligned = align("t", &batch, &fit.file_schema).unwrap();
        assert_eq!(aligned.column_by_name("title").unwrap().null_count(), 2);
    }

    #[test]
    fn other_differences_are_refused() {
        let table = wanted(&[("ind", DataType::Int32)]);
        let refusal = |metadata: &Metadata, wanted: &Schema| reconcile("t", metadata, wanted).unwrap_err().to_string();

        let retyped = wanted(&[("ind", DataType::Int64)]);
        assert_eq!(
            refusal(&metadata(&table), &retyped),
            "column `ind` of table `t` is `integer` there and `long` by its definition"
        );
        let renamed = wanted(&[("Ind", DataType::Int32)]);
        assert!(refusal(&metadata(&table), &renamed).contains("called `ind`"));

        let strict = Schema::new(
            table
                .fields()
                .iter()
                .map(|field| field.as_ref().clone().with_nullable(field.name() != "ind"))
                .collect::<Vec<_>>(),
        );
        assert!(refusal(&metadata(&strict), &table).contains("not nullable"));

        let no_settings: [(String, String); 0] = [];
        let elsewhere = new_metadata(&delta_schema("t", &table).unwrap(), [INGEST_DATE], no_settings).unwrap();
        assert!(refusal(&elsewhere, &table).contains("partitioned by [ingest_date]"));
    }

    #[test]
    fn a_column_that_obliges_its_writers_is_refused() {
        let table = wanted(&[("ind", DataType::Int32)]);
        let invariant = [("delta.invariants".to_owned(), "{}".to_owned())].into();
        let fields: Vec<_> = table
            .fields()
            .iter()
            .map(|field| match field.name().as_str() {
                "ind" => field.as_ref().clone().with_metadata(Clone::clone(&invariant)),
                _ => field.as_ref().clone(),
            })
            .collect();
        let error = reconcile("t", &metadata(&Schema::new(fields)), &table).unwrap_err();
        assert!(
            error.to_string().contains("`delta.invariants` of column `ind`"),
            "{error}"
        );
    }
}
