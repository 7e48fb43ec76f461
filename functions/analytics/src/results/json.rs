//! An answer as JSON.

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{
        DataType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
        UInt32Type, UInt64Type,
    },
    error::ArrowError,
    util::display::{ArrayFormatter, FormatOptions},
};
use bytes::Bytes;
use chrono::NaiveDate;
use serde::{Serialize, Serializer, ser::SerializeMap as _};
use serde_json::Value;

use super::ResultsError;
use crate::report::{Answer, Report};

#[derive(Serialize)]
struct Document<'a> {
    report: &'a str,
    title: &'a str,
    question: &'a str,
    run_date: String,
    columns: &'a [&'a str],
    rows: Vec<Row<'a>>,
}

/// An object with its members in the columns' order.
struct Row<'a> {
    names: &'a [&'a str],
    cells: Vec<Value>,
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(Some(self.cells.len()))?;
        for (name, cell) in self.names.iter().zip(&self.cells) {
            members.serialize_entry(name, cell)?;
        }
        members.end()
    }
}

/// The answer and what it answers, as one document.
pub(super) fn encode(report: &Report, run_date: NaiveDate, answer: &Answer) -> Result<Bytes, ResultsError> {
    let schema = answer.rows.schema();
    let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let rows = rows(&names, &answer.rows).map_err(|source| ResultsError::Value {
        report: report.name.clone(),
        source,
    })?;
    let document = Document {
        report: &report.name,
        title: &report.title,
        question: &report.question,
        run_date: run_date.to_string(),
        columns: &names,
        rows,
    };
    serde_json::to_vec(&document)
        .map(Bytes::from)
        .map_err(|source| ResultsError::Json {
            report: report.name.clone(),
            source,
        })
}

fn rows<'a>(names: &'a [&'a str], batch: &RecordBatch) -> Result<Vec<Row<'a>>, ArrowError> {
    (0..batch.num_rows())
        .map(|row| {
            let cells = batch.columns().iter().map(|column| cell(column, row));
            Ok(Row {
                names,
                cells: cells.collect::<Result<_, _>>()?,
            })
        })
        .collect()
}

/// A value: numbers as numbers (null if not finite), dates and times as ISO 8601, lists as arrays, the rest as text.
fn cell(column: &dyn Array, row: usize) -> Result<Value, ArrowError> {
    if column.is_null(row) {
        return Ok(Value::Null);
    }
    Ok(match column.data_type() {
        DataType::Boolean => column.as_boolean().value(row).into(),
        DataType::Int8 => column.as_primitive::<Int8Type>().value(row).into(),
        DataType::Int16 => column.as_primitive::<Int16Type>().value(row).into(),
        DataType::Int32 => column.as_primitive::<Int32Type>().value(row).into(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).into(),
        DataType::UInt8 => column.as_primitive::<UInt8Type>().value(row).into(),
        DataType::UInt16 => column.as_primitive::<UInt16Type>().value(row).into(),
        DataType::UInt32 => column.as_primitive::<UInt32Type>().value(row).into(),
        DataType::UInt64 => column.as_primitive::<UInt64Type>().value(row).into(),
        DataType::Float32 => column.as_primitive::<Float32Type>().value(row).into(),
        DataType::Float64 => column.as_primitive::<Float64Type>().value(row).into(),
        DataType::Utf8 => column.as_string::<i32>().value(row).into(),
        DataType::List(_) => {
            let values = column.as_list::<i32>().value(row);
            let values = (0..values.len()).map(|position| cell(&values, position));
            Value::Array(values.collect::<Result<_, _>>()?)
        }
        _ => text(column, row)?.into(),
    })
}

/// As arrow writes it: `2020-08-28`, `2020-08-28T03:52:47Z`.
fn text(column: &dyn Array, row: usize) -> Result<String, ArrowError> {
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(column, &options)?;
    formatter.value(row).try_to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array, ListArray,
        StringArray, TimestampMicrosecondArray,
    };

    use super::*;
    use crate::{Chart, ChartKind};

    fn report() -> Report {
        Report {
            name: "07_x".into(),
            title: "Ä \"title\"".into(),
            question: "Q?".into(),
            chart: Chart {
                kind: ChartKind::Bars,
                x: "a".into(),
                y: "b".into(),
                series: None,
                label: None,
            },
            inputs: vec![],
            sql: "SELECT 1".into(),
        }
    }

    fn encoded(columns: Vec<(&str, ArrayRef)>) -> String {
        let rows =
            RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)));
        let date = NaiveDate::from_ymd_opt(2026, 11, 23).unwrap();
        let bytes = encode(&report(), date, &Answer { rows: rows.unwrap() }).unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn values_keep_their_kind_and_columns_their_order() {
        let list = ListArray::from_iter_primitive::<Float64Type, _, _>([Some(vec![Some(1.5), None]), None]);
        let at = TimestampMicrosecondArray::from(vec![Some(1_598_586_767_000_000), Some(1)]).with_timezone("UTC");
        let decimal = Decimal128Array::from(vec![Some(12345), None]);
        let text = encoded(vec![
            ("z", Arc::new(StringArray::from(vec![Some("Côte d'Ivoire"), None]))),
            ("a", Arc::new(Int64Array::from(vec![Some(i64::MAX), None]))),
            ("i", Arc::new(Int32Array::from(vec![-3, 0]))),
            ("f", Arc::new(Float64Array::from(vec![2.5, f64::NAN]))),
            ("b", Arc::new(BooleanArray::from(vec![true, false]))),
            ("d", Arc::new(Date32Array::from(vec![Some(18_502), None]))),
            ("t", Arc::new(at)),
            ("l", Arc::new(list)),
            ("n", Arc::new(decimal.with_precision_and_scale(10, 2).unwrap())),
        ]);
        assert_eq!(
            text,
            concat!(
                r#"{"report":"07_x","title":"Ä \"title\"","question":"Q?","run_date":"2026-11-23","#,
                r#""columns":["z","a","i","f","b","d","t","l","n"],"rows":["#,
                r#"{"z":"Côte d'Ivoire","a":9223372036854775807,"i":-3,"f":2.5,"b":true,"d":"2020-08-28","#,
                r#""t":"2020-08-28T03:52:47Z","l":[1.5,null],"n":"123.45"},"#,
                r#"{"z":null,"a":null,"i":0,"f":null,"b":false,"d":null,"#,
                r#""t":"1970-01-01T00:00:00.000001Z","l":null,"n":null}]}"#,
            )
        );
    }

    #[test]
    fn an_empty_answer_still_has_its_columns() {
        let text = encoded(vec![("a", Arc::new(Int64Array::from(Vec::<i64>::new())))]);
        assert!(text.ends_with(r#""columns":["a"],"rows":[]}"#), "{text}");
    }
}
