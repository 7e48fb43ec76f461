//! Batches that a mapping gave up on: Lambda's invocation records, each with the whole event.
//!
//! An object is deleted only when every record of it is in one of the two tables, so breaking off and repeating is safe.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::{Context, Result};
use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::{array::AsArray, datatypes::TimestampMicrosecondType};
use chrono::{DateTime, NaiveDate, Utc};
use futures::TryStreamExt as _;
use object_store::{ObjectStoreExt as _, path::Path};
use pinlake_dataset::{Catalog, Cleaner, Definition};
use pinlake_lake::{Cleared, INGESTED_AT, Kind, Lake, Replay, Settings, Way};
use pinlake_stream::{Kept, kept};

use super::{
    judge::{Record, judge},
    progress,
    tally::Tally,
};
use crate::audit::{InvocationRecord, given_up_folder};

pub(super) async fn replay(
    lake: &Lake,
    catalog: &Catalog,
    definition: &Arc<Definition>,
    mut cleaner: Cleaner,
    dry_run: bool,
    tally: &mut Tally,
) -> Result<()> {
    let folder = given_up_folder(lake);
    let objects: Vec<_> = lake.store().list(Some(&folder)).try_collect().await?;
    let replay = Replay::new(lake, definition, Settings::default())?;
    let bar = progress(objects.len() as u64, "objects");
    for object in objects {
        let key = object.location;
        let records = read(lake, &key).await?;
        let is_ours = |kept: &Kept| {
            catalog
                .route(&kept.route)
                .is_some_and(|other| other.name() == definition.name())
        };
        // A batch is of one stream, and so of one dataset.
        if !records.is_empty() && records.iter().all(is_ours) {
            tally.object();
            store(&replay, &mut cleaner, &records, dry_run, tally)
                .await
                .with_context(|| format!("{key} could not be stored"))?;
            if !dry_run {
                lake.store().delete(&key).await?;
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

/// The records of an invocation record; none if it is of something else than a batch.
async fn read(lake: &Lake, key: &Path) -> Result<Vec<Kept>> {
    let failed = || format!("could not read {key}");
    let body = lake
        .store()
        .get(key)
        .await
        .with_context(failed)?
        .bytes()
        .await
        .with_context(failed)?;
    let Ok(record) = serde_json::from_slice::<InvocationRecord>(&body) else {
        return Ok(Vec::new());
    };
    // What schedules gave up on lies there as well, and is no batch.
    Ok(kept(record.payload.as_bytes()).unwrap_or_default())
}

/// Puts each record where it belongs, unless it is there: the quarantine's first, as the stream does.
async fn store(
    replay: &Replay,
    cleaner: &mut Cleaner,
    records: &[Kept],
    dry_run: bool,
    tally: &mut Tally,
) -> Result<()> {
    let records: Vec<_> = records
        .iter()
        .map(|kept| Record {
            payload: &kept.payload,
            origin: &kept.origin,
            arrived_at: kept.arrived_at,
            reason: kept.reason,
        })
        .collect();
    let judged = judge(cleaner, &records)?;
    judged
        .passed
        .iter()
        .for_each(|_| tally.passes("the mapping gave up".to_owned()));
    judged.reasons.into_iter().for_each(|reason| tally.stays(reason));
    if dry_run {
        return Ok(());
    }
    for (kind, rows) in [(Kind::Quarantine, &judged.rejected), (Kind::Table, &judged.rows)] {
        for (day, rows) in by_day(rows)? {
            let way = Way::Stream;
            tally.moved(&replay.restore(kind, &Cleared { rows, day, way }, Utc::now()).await?);
        }
    }
    Ok(())
}

/// The rows by the UTC day of their arrival.
fn by_day(rows: &RecordBatch) -> Result<BTreeMap<NaiveDate, RecordBatch>> {
    let arrivals = rows.column_by_name(INGESTED_AT).context("rows without an arrival")?;
    let arrivals = arrivals.as_primitive::<TimestampMicrosecondType>();
    let day = |micros: &i64| {
        DateTime::from_timestamp_micros(*micros)
            .unwrap_or_default()
            .date_naive()
    };
    let days: Vec<_> = arrivals.values().iter().map(day).collect();
    let mut parts = BTreeMap::new();
    for day in &days {
        if !parts.contains_key(day) {
            let mask: BooleanArray = days.iter().map(|other| Some(other == day)).collect();
            parts.insert(*day, filter_record_batch(rows, &mask)?);
        }
    }
    Ok(parts)
}
