//! What a run has to say of itself, above the answers.

use std::time::Duration;

use arrow::{
    array::{Array as _, AsArray as _},
    datatypes::{Int64Type, TimestampMicrosecondType},
};
use chrono::{DateTime, NaiveDate, Utc};
use pinlake_dataset::{DatasetName, Definition};
use pinlake_lake::{FIELD, INGEST_DATE, INGESTED_AT, REASON};

use crate::{
    query::{QueryError, Session, quoted},
    report::NotAsked,
};

/// The facts of a run.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The day that the run is about, UTC.
    pub run_date: NaiveDate,
    /// When the run began.
    pub started_at: DateTime<Utc>,
    /// How long it took up to the page.
    pub took: Duration,
    /// One entry for each dataset, in the catalog's order.
    pub datasets: Vec<DatasetFacts>,
    /// What the run could not read of the raw objects, a sentence each: the object, and where it broke off.
    pub damage: Vec<String>,
    /// What of the run failed before the reports, a sentence each: a day that could not be cleaned, a table that could not
    /// be read.
    pub failures: Vec<String>,
    /// Reports that were not asked, as they are not for these datasets.
    pub not_asked: Vec<NotAsked>,
}

/// What a run found of one dataset.
#[derive(Debug, Clone)]
pub struct DatasetFacts {
    /// The dataset.
    pub name: DatasetName,
    /// Rows in the table, repeats of a key included.
    pub rows: u64,
    /// Distinct keys in the table: the rows that the reports see.
    pub keys: u64,
    /// Rows of the run's day, by both ways.
    pub new_rows: u64,
    /// Quarantined records of the run's day, by both ways.
    pub quarantined: u64,
    /// The most frequent reasons among them, most frequent first; at most five.
    pub reasons: Vec<RejectionCount>,
    /// How many reasons there are beyond those. They have the rest of the quarantined records.
    pub more_reasons: u64,
    /// When the newest row arrived; `None` if there is no row.
    pub newest: Option<DateTime<Utc>>,
}

/// A reason why records were quarantined, and how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectionCount {
    /// The JSON field at fault; `None` when the record as a whole is.
    pub field: Option<String>,
    /// What is wrong, e.g. `is no int32`.
    pub reason: String,
    /// Records.
    pub count: u64,
}

/// What stands between a fault of a text and its place, which differs from record to record.
const PLACE: &str = " at line ";

/// A reason without the place in the record's text: what equal faults have in common.
pub fn fault(reason: &str) -> &str {
    reason.split(PLACE).next().unwrap_or_default()
}

/// How many reasons are told.
const REASONS: usize = 5;

/// Collects what there is to say of each dataset, in the catalog's order. `run_date` is the run's day, UTC.
///
/// # Errors
/// A table cannot be read.
pub async fn collect(session: &Session, run_date: NaiveDate) -> Result<Vec<DatasetFacts>, QueryError> {
    let mut datasets = Vec::new();
    for definition in session.datasets() {
        datasets.push(of_dataset(session, definition, run_date).await?);
    }
    Ok(datasets)
}

async fn of_dataset(
    session: &Session,
    definition: &Definition,
    run_date: NaiveDate,
) -> Result<DatasetFacts, QueryError> {
    let name = definition.name();
    let (all, quarantine) = (quoted(&format!("{name}_all")), quoted(&format!("{name}_quarantine")));
    let key: Vec<_> = definition.key().iter().map(|column| quoted(column)).collect();
    let that_day = format!("{INGEST_DATE} = DATE '{run_date}'");
    let quarantined = format!("{quarantine} WHERE {that_day}");
    let reasons = reasons(session, &quarantined).await?;
    let all_reasons = format!("(SELECT DISTINCT {FIELD}, {} FROM {quarantined})", fault_in_sql());
    Ok(DatasetFacts {
        name: name.clone(),
        rows: count(session, &all).await?,
        keys: count(session, &format!("(SELECT DISTINCT {} FROM {all})", key.join(", "))).await?,
        new_rows: count(session, &format!("{all} WHERE {that_day}")).await?,
        quarantined: count(session, &quarantined).await?,
        more_reasons: count(session, &all_reasons).await?.saturating_sub(reasons.len() as u64),
        reasons,
        newest: newest(session, &all).await?,
    })
}

async fn count(session: &Session, from: &str) -> Result<u64, QueryError> {
    let answer = session.ask(&format!("SELECT COUNT(*) FROM {from}")).await?;
    let counts = answer.rows.column(0).as_primitive::<Int64Type>();
    Ok(counts.iter().flatten().map(i64::unsigned_abs).sum())
}

async fn reasons(session: &Session, from: &str) -> Result<Vec<RejectionCount>, QueryError> {
    let sql = format!(
        "SELECT {FIELD}, {} AS fault, COUNT(*) AS times FROM {from} \
         GROUP BY 1, 2 ORDER BY times DESC, {FIELD} NULLS FIRST, fault LIMIT {REASONS}",
        fault_in_sql()
    );
    let rows = session.ask(&sql).await?.rows;
    let (fields, reasons) = (rows.column(0).as_string::<i32>(), rows.column(1).as_string::<i32>());
    let times = rows.column(2).as_primitive::<Int64Type>();
    Ok((0..rows.num_rows())
        .map(|row| RejectionCount {
            field: fields.is_valid(row).then(|| fields.value(row).to_owned()),
            reason: reasons.value(row).to_owned(),
            count: times.value(row).unsigned_abs(),
        })
        .collect())
}

/// [`fault`] of the column of reasons.
fn fault_in_sql() -> String {
    format!("split_part(COALESCE({REASON}, ''), '{PLACE}', 1)")
}

async fn newest(session: &Session, all: &str) -> Result<Option<DateTime<Utc>>, QueryError> {
    let answer = session.ask(&format!("SELECT MAX({INGESTED_AT}) FROM {all}")).await?;
    let newest = answer.rows.column(0).as_primitive::<TimestampMicrosecondType>();
    Ok(newest.iter().flatten().next().and_then(DateTime::from_timestamp_micros))
}
