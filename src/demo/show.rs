//! What came out of the demo, for people: rows beside their raw form, the quarantine, the counts.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result};
use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{Int32Type, Int64Type},
    util::display::{ArrayFormatter, FormatOptions},
};
use object_store::ObjectStoreExt as _;
use pinlake_analytics::{QuerySettings, Reports, Session, Summary, fault, results};
use pinlake_dataset::{Catalog, Limits, RESCUED, check};
use pinlake_lake::{BATCH, FIELD, Kind, Lake, PAYLOAD, REASON, STREAM, read_table};
use serde_json::Value;

use super::Posted;
use crate::{
    client::abridge,
    terminal::{say, table},
};

/// Widest value shown, in characters.
const WIDTH: usize = 52;
/// Most of a record's raw form shown, in characters.
const RAW_WIDTH: usize = 900;

/// What marks a row as odd: a sign of a placeholder, a null, text in the place of a number, a field nobody knows.
const ODD: [&str; 6] = [
    "User Info Error",
    ": null",
    "\\u00a0",
    "\"age\": \"",
    "\"longitude\": \"",
    "\"board\"",
];

/// Some rows of each table, beside the form in which they were posted: the first, and the first odd one.
pub(super) async fn rows(lake: &Lake, posted: &[Posted]) -> Result<()> {
    let catalog = Catalog::built_in();
    for Posted { name, rows, .. } in posted {
        let definition = catalog.get(name).context("a dataset without a definition")?;
        let sound = || {
            rows.iter()
                .filter_map(|row| Some((row, check(definition, Limits::default(), row).ok()?)))
        };
        let is_odd = |row: &[u8]| ODD.iter().any(|mark| String::from_utf8_lossy(row).contains(mark));
        let samples = sound().take(1).chain(sound().filter(|(row, _)| is_odd(row)).take(1));

        let stored = read_table(lake, Kind::Table, name).await?;
        let mut shown = table(&["as posted", &format!("as stored in tables/{name}")]);
        for (raw, key) in samples {
            if let Some((batch, row)) = find(&stored, &definition.key()[0], &key)? {
                shown.add_row([abridge(raw, RAW_WIDTH), stored_form(batch, row)?]);
            }
        }
        say(format_args!("\n{name}\n{shown}"));
    }
    Ok(())
}

/// The first stored row with this key.
fn find<'a>(stored: &'a [RecordBatch], column: &str, key: &str) -> Result<Option<(&'a RecordBatch, usize)>> {
    let key: i32 = key.parse().context("the demo's datasets have whole numbers as keys")?;
    for batch in stored {
        let keys = batch.column_by_name(column).context("a table without its key")?;
        let mut keys = keys.as_primitive::<Int32Type>().iter();
        if let Some(row) = keys.position(|found| found == Some(key)) {
            return Ok(Some((batch, row)));
        }
    }
    Ok(None)
}

fn stored_form(batch: &RecordBatch, row: usize) -> Result<String> {
    let options = FormatOptions::default();
    let mut lines = Vec::new();
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        if column.is_null(row) {
            if field.name() != RESCUED {
                lines.push(format!("{}: ∅", field.name()));
            }
            continue;
        }
        let value = ArrayFormatter::try_new(column.as_ref(), &options)?
            .value(row)
            .to_string();
        lines.push(format!("{}: {}", field.name(), abridge(value.as_bytes(), WIDTH)));
    }
    Ok(lines.join("\n"))
}

/// What was quarantined: how many, why, and an example each.
pub(super) async fn quarantine(lake: &Lake, posted: &[Posted]) -> Result<()> {
    let mut shown = table(&["dataset", "rows", "field", "reason", "for example"]);
    for Posted { name, .. } in posted {
        let mut reasons: BTreeMap<(String, String), (usize, Vec<u8>)> = BTreeMap::new();
        for batch in read_table(lake, Kind::Quarantine, name).await? {
            let column = |column: &str| {
                batch
                    .column_by_name(column)
                    .with_context(|| format!("a quarantine without {column}"))
            };
            let (fields, whys) = (column(FIELD)?.as_string::<i32>(), column(REASON)?.as_string::<i32>());
            let payloads = column(PAYLOAD)?.as_binary::<i32>();
            for row in 0..batch.num_rows() {
                let field = if fields.is_null(row) { "" } else { fields.value(row) };
                let why = fault(whys.value(row));
                let entry = reasons.entry((field.to_owned(), why.to_owned()));
                entry.or_insert_with(|| (0, payloads.value(row).to_vec())).0 += 1;
            }
        }
        let mut reasons: Vec<_> = reasons.into_iter().collect();
        reasons.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
        for ((field, why), (count, example)) in reasons {
            shown.add_row([
                name.to_string(),
                count.to_string(),
                field,
                why,
                abridge(&example, WIDTH),
            ]);
        }
    }
    say(format_args!("\nquarantined, with the bytes as they came\n{shown}"));
    Ok(())
}

/// Accepted against stored, by the way that the rows took. True when every dataset adds up.
pub(super) async fn counts(lake: &Lake, posted: &[Posted]) -> Result<bool> {
    let session = Session::open(lake, &Catalog::built_in(), QuerySettings::default()).await?;
    let count = async |table: String, path: &str| -> Result<u64> {
        let sql = format!("SELECT COUNT(*) FROM {table} WHERE ingest_path = '{path}'");
        let rows = session.ask(&sql).await?.rows;
        Ok(rows.column(0).as_primitive::<Int64Type>().value(0).unsigned_abs())
    };
    let heads = [
        "dataset",
        "posted",
        "accepted",
        "= rows by stream",
        "+ by batch",
        "+ quarantined",
        "",
    ];
    let mut shown = table(&heads);
    let mut sound = true;
    for Posted { name, rows, accepted } in posted {
        let by_stream = count(format!("{name}_all"), STREAM).await?;
        let by_batch = count(format!("{name}_all"), BATCH).await?;
        let mut quarantined = 0;
        for path in [STREAM, BATCH] {
            quarantined += count(format!("{name}_quarantine"), path).await?;
        }
        let adds_up = *accepted == rows.len() as u64 && by_stream + by_batch + quarantined == *accepted;
        sound &= adds_up;
        let verdict = if adds_up { "adds up" } else { "DOES NOT ADD UP" };
        let counts = [rows.len() as u64, *accepted, by_stream, by_batch, quarantined].map(|count| count.to_string());
        shown.add_row(
            std::iter::once(name.to_string())
                .chain(counts)
                .chain([verdict.to_owned()]),
        );
    }
    say(format_args!("\nevery accepted row is in exactly one place\n{shown}"));
    Ok(sound)
}

/// The first row of each answer.
pub(super) async fn answers(lake: &Lake, summary: &Summary) -> Result<()> {
    let mut shown = table(&["question", "rows", "the first"]);
    for report in Reports::built_in().iter() {
        let key = results::folder(&report.name, summary.run_date);
        let found = lake
            .store()
            .get(&lake.key(&format!("{key}/{}", results::RESULT_JSON)))
            .await;
        let answer: Value = serde_json::from_slice(&found?.bytes().await?)?;
        let rows = answer["rows"].as_array().map_or(&[][..], Vec::as_slice);
        let columns = answer["columns"].as_array().map_or(&[][..], Vec::as_slice);
        let name = |column: &Value| {
            column
                .as_str()
                .or(column["name"].as_str())
                .unwrap_or_default()
                .to_owned()
        };
        let value = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let first = rows.first().map(|row| {
            let values = columns.iter().map(|column| value(&row[name(column)]));
            values.collect::<Vec<_>>().join(", ")
        });
        shown.add_row([report.title.clone(), rows.len().to_string(), first.unwrap_or_default()]);
    }
    say(format_args!("\nwhat the reports say of {}\n{shown}", summary.run_date));
    Ok(())
}

/// How to go on from here.
pub(super) fn further(state: &Path) {
    let tables = state.join("s3/pinlake/tables");
    let tables = tables.display();
    say(format_args!(
        "\nlook further\n  \
         pip install deltalake pyarrow duckdb, then in Python:\n    \
         import duckdb; from deltalake import DeltaTable\n    \
         pin = DeltaTable(\"{tables}/pin\").to_pyarrow_dataset()\n    \
         duckdb.sql(\"select category, count(*), max(follower_count) from pin group by all order by 2 desc\")\n  \
         cargo run -- up --state {}    the same pipeline, to post to yourself (another demo empties it)\n  \
         echo 'select category, count(*) from pin group by 1 order by 2 desc' | cargo run -- report --state {} --sql -\n  \
         {}/{}/    the rows as posted",
        state.display(),
        state.display(),
        state.display(),
        super::SENT,
    ));
}
