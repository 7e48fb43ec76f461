//! What a question can be asked about: three views for each dataset.

use std::sync::Arc;

use arrow::datatypes::{Field, SchemaRef};
use datafusion::{
    catalog::{TableProvider, empty::EmptyTable},
    common::{Column, ScalarValue},
    error::DataFusionError,
    logical_expr::Expr,
    prelude::SessionContext,
};
use deltalake_core::delta_datafusion::{DeltaScanConfig, DeltaScanNext};
use pinlake_dataset::{DatasetName, Definition, RESERVED_COLUMNS};
use pinlake_lake::{INGESTED_AT, Kind, Lake, ORIGIN, quarantine_schema, table_schema};

use super::QueryError;

/// Makes `<dataset>_all`, `<dataset>` and `<dataset>_quarantine` known to the engine.
pub(super) async fn register(context: &SessionContext, lake: &Lake, definition: &Definition) -> Result<(), QueryError> {
    let dataset = definition.name();
    let (all, quarantine) = (format!("{dataset}_all"), format!("{dataset}_quarantine"));
    add(context, lake, dataset, &all, Kind::Table, table_schema(definition)).await?;
    latest(context, definition, &all)
        .await
        .map_err(|error| QueryError::Engine(Box::new(error)))?;
    // Last: reports do without it.
    add(
        context,
        lake,
        dataset,
        &quarantine,
        Kind::Quarantine,
        quarantine_schema(),
    )
    .await
}

async fn add(
    context: &SessionContext,
    lake: &Lake,
    dataset: &DatasetName,
    name: &str,
    kind: Kind,
    wanted: SchemaRef,
) -> Result<(), QueryError> {
    let snapshot = lake.snapshot(kind, dataset).await.map_err(|source| QueryError::Table {
        dataset: dataset.to_string(),
        source: Box::new(source),
    })?;
    let table = match snapshot {
        None => Ok(Arc::new(EmptyTable::new(wanted)) as Arc<dyn TableProvider>),
        Some(snapshot) => {
            DeltaScanNext::new(snapshot, plainly()).and_then(|scan| complete(context, Arc::new(scan), &wanted))
        }
    };
    table
        .and_then(|table| context.register_table(quoted(name), table))
        .map(drop)
        .map_err(|error| QueryError::Engine(Box::new(error)))
}

/// Columns as their definition has them: without views and dictionaries, which some comparisons of the engine cannot take.
fn plainly() -> DeltaScanConfig {
    DeltaScanConfig {
        schema_force_view_types: false,
        ..DeltaScanConfig::new().with_wrap_partition_values(false)
    }
}

/// The table with every column that is wanted, null where the table lacks it: the wanted ones first, then those that only
/// the table has, then the bookkeeping.
fn complete(
    context: &SessionContext,
    table: Arc<dyn TableProvider>,
    wanted: &SchemaRef,
) -> Result<Arc<dyn TableProvider>, DataFusionError> {
    let found = table.schema();
    let (bookkeeping, own): (Vec<_>, Vec<_>) = wanted
        .fields()
        .iter()
        .partition(|field| RESERVED_COLUMNS.contains(&field.name().as_str()));
    let extra = found
        .fields()
        .iter()
        .filter(|field| wanted.column_with_name(field.name()).is_none());
    let column = |field: &Arc<Field>| match found.column_with_name(field.name()) {
        Some(_) => Ok(Expr::Column(Column::new_unqualified(field.name()))),
        None => Ok(Expr::Literal(ScalarValue::try_from(field.data_type())?, None).alias(field.name())),
    };
    let columns = own
        .into_iter()
        .chain(extra)
        .chain(bookkeeping)
        .map(column)
        .collect::<Result<Vec<_>, DataFusionError>>()?;
    Ok(context.read_table(table)?.select(columns)?.into_view())
}

/// The latest row of each key, by arrival, then origin. Keys with a null in the same place are the same key.
async fn latest(context: &SessionContext, definition: &Definition, all: &str) -> Result<(), DataFusionError> {
    let schema = context.table(quoted(all)).await?.schema().as_arrow().clone();
    let columns: Vec<_> = schema.fields().iter().map(|field| quoted(field.name())).collect();
    let key: Vec<_> = definition.key().iter().map(|column| quoted(column)).collect();
    let sql = format!(
        r#"SELECT {columns} FROM (
            SELECT *, ROW_NUMBER() OVER (
                PARTITION BY {key} ORDER BY "{INGESTED_AT}" DESC NULLS LAST, "{ORIGIN}" DESC NULLS LAST
            ) AS "__place"
            FROM {all}
        ) WHERE "__place" = 1"#,
        columns = columns.join(", "),
        key = key.join(", "),
        all = quoted(all),
    );
    let view = context.sql(&sql).await?.into_view();
    context.register_table(quoted(definition.name().as_str()), view)?;
    Ok(())
}

/// A name as SQL takes it literally.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
