//! An answer in the form that its reader wants: people a table, programs CSV or JSON.

use std::io::{self, Write};

use anyhow::{Context, Result};
use arrow::{
    array::RecordBatch,
    csv,
    error::ArrowError,
    json,
    util::display::{ArrayFormatter, FormatOptions},
};
use clap::ValueEnum;

use crate::terminal::table;

/// How an answer is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people: a table as wide as the terminal, and how many rows it has.
    #[default]
    Table,
    /// A line with the names, then a line a row (RFC 4180); what has no value is empty.
    Csv,
    /// A JSON object a row, each on a line of its own; what has no value is null.
    Json,
}

/// Writes an answer to standard output. A reader that has gone away (`… | head`) is no error.
pub(super) fn say(rows: &RecordBatch, format: Format) -> Result<()> {
    let mut out = Vec::new();
    write(rows, format, &mut out).context("the answer cannot be written")?;
    match io::stdout().lock().write_all(&out) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("could not write to standard output")
        }
        _ => Ok(()),
    }
}

fn write(rows: &RecordBatch, format: Format, out: &mut Vec<u8>) -> Result<(), ArrowError> {
    match format {
        Format::Table => {
            let noun = if rows.num_rows() == 1 { "row" } else { "rows" };
            writeln!(out, "{}\n{} {noun}", tabular(rows)?, rows.num_rows())?;
        }
        Format::Csv => csv::WriterBuilder::new().build(out).write(rows)?,
        Format::Json => {
            let mut lines = json::WriterBuilder::new()
                .with_explicit_nulls(true)
                .build::<_, json::writer::LineDelimited>(out);
            lines.write(rows)?;
            lines.finish()?;
        }
    }
    Ok(())
}

fn tabular(rows: &RecordBatch) -> Result<comfy_table::Table, ArrowError> {
    let schema = rows.schema();
    let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let options = FormatOptions::default().with_null("∅");
    let columns = rows
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
        .collect::<Result<Vec<_>, _>>()?;
    let mut shown = table(&names);
    for row in 0..rows.num_rows() {
        shown.add_row(columns.iter().map(|column| column.value(row).to_string()));
    }
    Ok(shown)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Date32Array, Int64Array, StringArray, TimestampMicrosecondArray};

    use super::*;

    fn written(rows: &RecordBatch, format: Format) -> String {
        let mut out = Vec::new();
        write(rows, format, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn rows() -> RecordBatch {
        let columns: [(&str, ArrayRef); 4] = [
            ("id", Arc::new(Int64Array::from(vec![i64::MAX, 1]))),
            ("name", Arc::new(StringArray::from(vec![Some("a, \"b\"\nc"), None]))),
            ("day", Arc::new(Date32Array::from(vec![Some(20_000), None]))),
            (
                "moment",
                Arc::new(TimestampMicrosecondArray::from(vec![Some(1_500_000), None]).with_timezone("UTC")),
            ),
        ];
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
    }

    #[test]
    fn csv_quotes_what_it_must() {
        assert_eq!(
            written(&rows(), Format::Csv),
            "id,name,day,moment\n\
             9223372036854775807,\"a, \"\"b\"\"\nc\",2024-10-04,1970-01-01T00:00:01.500Z\n\
             1,,,\n"
        );
    }

    #[test]
    fn json_has_a_row_a_line_and_every_column() {
        assert_eq!(
            written(&rows(), Format::Json),
            concat!(
                r#"{"id":9223372036854775807,"name":"a, \"b\"\nc","day":"2024-10-04","moment":"1970-01-01T00:00:01.500Z"}"#,
                "\n",
                r#"{"id":1,"name":null,"day":null,"moment":null}"#,
                "\n"
            )
        );
    }

    #[test]
    fn an_answer_without_rows_still_has_its_names() {
        let none = rows().slice(0, 0);
        assert_eq!(written(&none, Format::Csv), "id,name,day,moment\n");
        assert_eq!(written(&none, Format::Json), "");
        assert!(written(&none, Format::Table).ends_with("\n0 rows\n"));
    }
}
