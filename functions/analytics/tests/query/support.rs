//! What the tests share: a lake in memory, rows written to it as the functions do, and answers as plain values.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BinaryArray, Float64Builder, Int32Array, Int64Array, ListBuilder, RecordBatch,
        StringArray, TimestampMicrosecondArray,
    },
    datatypes::{DataType, Field, Float64Type, Int32Type, Int64Type},
};
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use pinlake_analytics::{Answer, QuerySettings, Session};
use pinlake_dataset::{Catalog, Definition};
use pinlake_lake::{Lake, Rows, S3Options, SequenceNumber, Settings, Settled, Source, Table, quarantine_rows_schema};
use toml::{Table as Row, Value};

/// Rows of a table go into commits of this size, so that there are several files.
const ROWS_A_COMMIT: usize = 4;
/// Sequence numbers are compared as text when they are part of an origin: all have as many digits.
const FIRST_NUMBER: u64 = 1000;

pub fn lake() -> Lake {
    Lake::open("memory:///some/prefix", &S3Options::default()).unwrap()
}

pub fn noon() -> DateTime<Utc> {
    DateTime::parse_from_rfc3339("2026-11-23T12:00:00Z").unwrap().to_utc()
}

pub async fn session(lake: &Lake) -> Session {
    Session::open(lake, &Catalog::built_in(), QuerySettings::default())
        .await
        .unwrap()
}

pub fn definition(dataset: &str) -> Arc<Definition> {
    let catalog = Catalog::built_in();
    Arc::clone(catalog.route(dataset).unwrap())
}

/// Rows as TOML has them.
pub fn rows(text: &str) -> Vec<Row> {
    let document: Row = format!("rows = [{text}]").parse().unwrap();
    tables(&document["rows"])
}

pub fn tables(rows: &Value) -> Vec<Row> {
    rows.as_array()
        .unwrap()
        .iter()
        .map(|row| row.as_table().unwrap().clone())
        .collect()
}

/// Writes rows to a dataset's table. Each arrives `at` seconds after noon.
pub async fn append(lake: &Lake, definition: &Definition, rows: &[Row]) {
    let mut table = Table::clean(lake, definition, Settings::default()).unwrap();
    let mut number = FIRST_NUMBER;
    for rows in rows.chunks(ROWS_A_COMMIT) {
        let batch = batch(definition, rows);
        commit(&mut table, batch, rows, &mut number).await;
    }
}

/// Writes records to a dataset's quarantine: `field` and `reason`, `at` as above.
pub async fn quarantine(lake: &Lake, definition: &Definition, rows: &[Row]) {
    let mut table = Table::quarantine(lake, definition.name(), Settings::default()).unwrap();
    let payload = BinaryArray::from_iter_values(rows.iter().map(|_| b"{"));
    let text = |name: &str| StringArray::from_iter(rows.iter().map(|row| Some(row.get(name)?.as_str().unwrap())));
    let columns: Vec<ArrayRef> = vec![Arc::new(payload), Arc::new(text("reason")), Arc::new(text("field"))];
    let batch = RecordBatch::try_new(quarantine_rows_schema(), columns).unwrap();
    commit(&mut table, batch, rows, &mut FIRST_NUMBER.clone()).await;
}

async fn commit(table: &mut Table, batch: RecordBatch, rows: &[Row], number: &mut u64) {
    let arrivals = rows.iter().map(arrival).collect();
    let numbers: Vec<_> = (*number..).take(rows.len()).map(SequenceNumber::from).collect();
    *number += rows.len() as u64;
    let highest = *numbers.last().unwrap();
    let rows = Rows::new(batch, numbers, arrivals).unwrap();
    let source = Source::kinesis("cases", "shardId-000000000000");
    let appended = table.append(&source, rows, highest, Settled::ByWatermark, noon()).await;
    appended.unwrap();
}

fn arrival(row: &Row) -> i64 {
    let seconds = row.get("at").map_or(0, |at| at.as_integer().unwrap());
    (noon() + TimeDelta::seconds(seconds)).timestamp_micros()
}

/// The rows in the definition's columns; what a row leaves out is null.
fn batch(definition: &Definition, rows: &[Row]) -> RecordBatch {
    let schema = definition.schema();
    for name in rows.iter().flat_map(Row::keys) {
        let known = name == "at" || schema.column_with_name(name).is_some();
        assert!(known, "`{}` has no column `{name}`", definition.name());
    }
    let columns = schema.fields().iter().map(|field| column(field, rows)).collect();
    RecordBatch::try_new(Arc::clone(schema), columns).unwrap()
}

fn column(field: &Field, rows: &[Row]) -> ArrayRef {
    let cells = rows.iter().map(|row| row.get(field.name()));
    match field.data_type() {
        DataType::Int32 => Arc::new(Int32Array::from_iter(
            cells.map(|cell| Some(cell?.as_integer().unwrap().try_into().unwrap())),
        )),
        DataType::Int64 => Arc::new(Int64Array::from_iter(
            cells.map(|cell| Some(cell?.as_integer().unwrap())),
        )),
        DataType::Utf8 => Arc::new(StringArray::from_iter(cells.map(|cell| Some(cell?.as_str().unwrap())))),
        DataType::Timestamp(..) => {
            let micros = |cell: &Value| {
                let text = cell.as_str().unwrap();
                let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").unwrap();
                time.and_utc().timestamp_micros()
            };
            let times = TimestampMicrosecondArray::from_iter(cells.map(|cell| Some(micros(cell?))));
            Arc::new(times.with_timezone("UTC"))
        }
        DataType::List(element) => {
            let mut lists = ListBuilder::new(Float64Builder::new()).with_field(Arc::clone(element));
            for cell in cells {
                lists.append_option(cell.map(|cell| {
                    let values = cell.as_array().unwrap().iter();
                    values.map(|value| value.as_float()).collect::<Vec<_>>()
                }));
            }
            Arc::new(lists.finish())
        }
        other => panic!("no case needs a {other}"),
    }
}

/// The values of an answer: integers, doubles and texts. There is no null in TOML; here it is the text `∅`.
pub fn values(answer: &Answer) -> Vec<Vec<Value>> {
    let cell = |column: &ArrayRef, row: usize| match column.data_type() {
        _ if column.is_null(row) => Value::from("∅"),
        DataType::Int32 => Value::from(column.as_primitive::<Int32Type>().value(row)),
        DataType::Int64 => Value::from(column.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => Value::from(column.as_primitive::<Float64Type>().value(row)),
        DataType::Utf8 => Value::from(column.as_string::<i32>().value(row)),
        other => panic!("no case answers a {other}"),
    };
    (0..answer.rows.num_rows())
        .map(|row| answer.rows.columns().iter().map(|column| cell(column, row)).collect())
        .collect()
}

/// `name type` of every column of an answer.
pub fn columns(answer: &Answer) -> Vec<String> {
    let schema = answer.rows.schema();
    let fields = schema.fields().iter();
    fields
        .map(|field| format!("{} {}", field.name(), field.data_type()))
        .collect()
}
