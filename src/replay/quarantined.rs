//! Rows of the quarantine: asked for in SQL, cleaned anew, moved.
//!
//! They are those of the version that is newest at the beginning. A partition's are in memory at a time, and are moved in
//! parts.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{Date32Type, Int64Type, TimestampMicrosecondType},
};
use chrono::{NaiveDate, Utc};
use pinlake_analytics::{QueryError, QuerySettings, Session, is_fragment};
use pinlake_dataset::{Catalog, Cleaner, Definition};
use pinlake_lake::{
    Cleared, FIELD, INGEST_DATE, INGEST_PATH, INGESTED_AT, Lake, ORIGIN, PAYLOAD, REASON, Settings, Way,
};

use super::{
    judge::{Record, judge, told},
    progress,
    tally::Tally,
};

/// Rows that are moved in one pair of commits.
const PART_ROWS: usize = 50_000;
/// The largest part of a partition's quarantine that is asked for, in bytes.
const PARTITION_BYTES: usize = 1 << 30;

/// A day of one way in.
struct Partition {
    day: NaiveDate,
    way: Way,
    rows: u64,
}

pub(super) async fn replay(
    lake: &Lake,
    catalog: &Catalog,
    definition: &Arc<Definition>,
    mut cleaner: Cleaner,
    condition: Option<&str>,
    dry_run: bool,
    tally: &mut Tally,
) -> Result<()> {
    let session = open(lake, catalog, definition).await?;
    let partitions = partitions(&session, definition, condition).await?;
    let replay = pinlake_lake::Replay::new(lake, definition, Settings::default())?;
    let bar = progress(
        partitions.iter().map(|partition| partition.rows).sum(),
        "rows looked at",
    );
    for partition in partitions {
        let rows = rows(&session, definition, condition, &partition).await?;
        for start in (0..rows.num_rows()).step_by(PART_ROWS) {
            let part = rows.slice(start, PART_ROWS.min(rows.num_rows() - start));
            let cleared = clear(&mut cleaner, &part, &partition, tally)?;
            if !dry_run && cleared.rows.num_rows() > 0 {
                tally.moved(&replay.run(&cleared, Utc::now()).await?);
            }
            bar.inc(part.num_rows() as u64);
        }
    }
    bar.finish_and_clear();
    Ok(())
}

/// The quarantine as a table to ask about, whatever is the matter with other datasets.
async fn open(lake: &Lake, catalog: &Catalog, definition: &Definition) -> Result<Session> {
    let settings = QuerySettings {
        answer_bytes: PARTITION_BYTES,
        ..QuerySettings::default()
    };
    let (session, faults) = Session::open_readable(lake, catalog, settings).await?;
    if session.datasets().iter().any(|open| open.name() == definition.name()) {
        return Ok(session);
    }
    let ours = |fault: &QueryError| match fault {
        QueryError::Table { dataset, .. } => dataset == definition.name().as_str(),
        _ => true,
    };
    match faults.into_iter().find(ours) {
        Some(fault) => Err(fault.into()),
        None => bail!("the quarantine of {} cannot be opened", definition.name()),
    }
}

/// What the rows have to fulfil. A comment at the condition's end must not take the bracket with it.
fn filter(condition: Option<&str>) -> String {
    condition.map_or_else(|| "TRUE".to_owned(), |condition| format!("({condition}\n)"))
}

/// The partitions that have such rows.
async fn partitions(session: &Session, definition: &Definition, condition: Option<&str>) -> Result<Vec<Partition>> {
    let sql = format!(
        r#"SELECT {INGEST_DATE}, {INGEST_PATH}, COUNT(*) AS "rows" FROM "{}_quarantine" WHERE {}
           GROUP BY {INGEST_DATE}, {INGEST_PATH} ORDER BY {INGEST_DATE}, {INGEST_PATH}"#,
        definition.name(),
        filter(condition)
    );
    let answer = session.ask(&sql).await;
    let answer = match (answer, condition) {
        (Err(QueryError::Question(fault)), Some(condition)) => {
            return Err(anyhow::Error::from(*fault).context(format!("--where `{condition}` cannot be understood")));
        }
        (answer, _) => answer?.rows,
    };
    let days = column(&answer, INGEST_DATE)?.as_primitive_opt::<Date32Type>();
    let ways = column(&answer, INGEST_PATH)?.as_string_opt::<i32>();
    let counts = column(&answer, "rows")?.as_primitive_opt::<Int64Type>();
    let (Some(days), Some(ways), Some(counts)) = (days, ways, counts) else {
        bail!("the quarantine has columns of other types");
    };
    let partition = |row: usize| {
        let known = days.is_valid(row) && ways.is_valid(row);
        let day = known.then(|| NaiveDate::from_epoch_days(days.value(row))).flatten();
        let way = known.then(|| Way::parse(ways.value(row))).flatten();
        let (day, way) = day
            .zip(way)
            .context("a partition of the quarantine is not one of Pinlake's")?;
        Ok(Partition {
            day,
            way,
            rows: counts.value(row).unsigned_abs(),
        })
    };
    (0..answer.num_rows()).map(partition).collect()
}

/// A partition's rows.
async fn rows(
    session: &Session,
    definition: &Definition,
    condition: Option<&str>,
    partition: &Partition,
) -> Result<RecordBatch> {
    let sql = format!(
        r#"SELECT {PAYLOAD}, {REASON}, {FIELD}, {ORIGIN}, {INGESTED_AT} FROM "{}_quarantine" WHERE {}
           AND {INGEST_DATE} = DATE '{}' AND {INGEST_PATH} = '{}'"#,
        definition.name(),
        filter(condition),
        partition.day,
        partition.way.as_str(),
    );
    let answer = session.ask(&sql).await;
    Ok(answer
        .with_context(|| {
            format!(
                "the quarantine of {} could not be read; --where can ask for less",
                partition.day
            )
        })?
        .rows)
}

/// Judges quarantined rows anew.
fn clear(cleaner: &mut Cleaner, part: &RecordBatch, partition: &Partition, tally: &mut Tally) -> Result<Cleared> {
    let payloads = column(part, PAYLOAD)?.as_binary_opt::<i32>();
    let text = |name| anyhow::Ok(column(part, name)?.as_string_opt::<i32>());
    let arrivals = column(part, INGESTED_AT)?.as_primitive_opt::<TimestampMicrosecondType>();
    let (Some(payloads), Some(reasons), Some(fields), Some(origins), Some(arrivals)) =
        (payloads, text(REASON)?, text(FIELD)?, text(ORIGIN)?, arrivals)
    else {
        bail!("the quarantine has columns of other types");
    };
    let record = |row: usize| Record {
        payload: payloads.value(row),
        origin: origins.value(row),
        arrived_at: arrivals.value(row),
        reason: Some(reasons.value(row)).filter(|reason| is_fragment(reason)),
    };
    let records: Vec<_> = (0..part.num_rows()).map(record).collect();
    let judged = judge(cleaner, &records)?;
    for row in &judged.passed {
        let field = fields.is_valid(*row).then(|| fields.value(*row));
        tally.passes(told(field, reasons.value(*row)));
    }
    judged.reasons.into_iter().for_each(|reason| tally.stays(reason));
    Ok(Cleared {
        rows: judged.rows,
        day: partition.day,
        way: partition.way,
    })
}

fn column<'a>(rows: &'a RecordBatch, name: &str) -> Result<&'a dyn Array> {
    let column = rows.column_by_name(name);
    Ok(column
        .with_context(|| format!("the quarantine has no column `{name}`"))?
        .as_ref())
}
