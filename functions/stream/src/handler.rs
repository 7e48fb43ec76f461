//! The handler: an event in, rows in tables, an answer out.

use std::{collections::BTreeMap, sync::Arc};

use arrow::error::ArrowError;
use aws_lambda_events::streams::KinesisEventResponse;
use chrono::{DateTime, Utc};
use pinlake_dataset::{Catalog, Cleaner, DatasetName};
use pinlake_host::chain;
use pinlake_lake::{Batch, Lake, Landed, Landing, NotLanded};
use serde_json::value::RawValue;
use tokio::sync::Mutex;

use crate::{
    clean::clean,
    envelope::{Event, Portion, decode},
    error::Error,
    settings::Settings,
};

/// Handles events. Made once; what it learns of the tables stays warm from event to event.
#[derive(Debug)]
pub struct Handler {
    catalog: Catalog,
    lanes: BTreeMap<DatasetName, Mutex<Lane>>,
}

/// What a dataset's records go through. One event at a time: the next one starts from what this one leaves.
#[derive(Debug)]
struct Lane {
    cleaner: Cleaner,
    landing: Landing,
}

impl Handler {
    /// A handler for the catalog's datasets. Makes no request.
    ///
    /// # Errors
    /// [`Error::Lake`] if the lake's address cannot hold tables.
    pub fn new(catalog: Catalog, lake: &Lake, settings: &Settings) -> Result<Self, Error> {
        let lane = |definition: &Arc<_>| -> Result<_, Error> {
            let landing = Landing::new(lake, definition, settings.lake).map_err(Box::new)?;
            Ok(Mutex::new(Lane {
                cleaner: Cleaner::new(Arc::clone(definition), settings.limits()),
                landing,
            }))
        };
        let lanes = catalog
            .iter()
            .map(|definition| Ok((definition.name().clone(), lane(definition)?)))
            .collect::<Result<_, Error>>()?;
        Ok(Self { catalog, lanes })
    }

    /// Handles an event as Lambda gives it. The answer names, for each shard, the first record that was not stored: Lambda
    /// delivers from there on again (`ReportBatchItemFailures`).
    ///
    /// # Errors
    /// The whole event has to come again: it cannot be read, leads to no dataset, or is of Kafka and was not stored
    /// completely.
    pub async fn handle(&self, event: Box<RawValue>) -> Result<KinesisEventResponse, Error> {
        self.deliver(event.get().as_bytes(), Utc::now()).await
    }

    /// Handles an event given as JSON bytes and answers in JSON bytes: the local runner's way.
    ///
    /// # Errors
    /// As [`handle`](Self::handle).
    pub async fn invoke(&self, event: &[u8]) -> Result<Vec<u8>, Error> {
        let answer = self.deliver(event, Utc::now()).await?;
        serde_json::to_vec(&answer).map_err(Error::Answer)
    }

    async fn deliver(&self, event: &[u8], now: DateTime<Utc>) -> Result<KinesisEventResponse, Error> {
        let mut answer = KinesisEventResponse::default();
        match decode(event)? {
            Event::Kinesis(portions) => {
                for (portion, lane) in self.routed(portions)? {
                    if let Err(failure) = land(&portion, lane, now).await {
                        // The answer is all that Lambda sees of it, so it is told here.
                        tracing::error!(source = %failure.origin, lowest = %failure.lowest, error = chain(&failure), "batch not stored");
                        answer.add_failure(failure.lowest.to_string());
                    }
                }
            }
            // An answer for Kafka would have to name records by partition, which not every Kafka event source accepts. The
            // whole event comes again instead, and the watermarks keep what was stored from being stored twice.
            Event::Kafka(portions) => {
                for (portion, lane) in self.routed(portions)? {
                    land(&portion, lane, now).await.map_err(Box::new)?;
                }
            }
        }
        Ok(answer)
    }

    /// The lane of each portion; before any is stored, so that a fault of the configuration stores nothing by halves.
    fn routed<'a>(&self, portions: Vec<Portion<'a>>) -> Result<Vec<(Portion<'a>, &Mutex<Lane>)>, Error> {
        let lane = |portion: &Portion<'_>| self.lanes.get(self.catalog.route(&portion.route)?.name());
        portions
            .into_iter()
            .map(|portion| match lane(&portion) {
                Some(lane) => Ok((portion, lane)),
                None => Err(Error::NoDataset { route: portion.route }),
            })
            .collect()
    }
}

/// Cleans and stores the records of one source.
async fn land(portion: &Portion<'_>, lane: &Mutex<Lane>, now: DateTime<Utc>) -> Result<(), NotLanded> {
    let Lane { cleaner, landing } = &mut *lane.lock().await;
    let Some(batch) = clean(cleaner, &portion.records).map_err(|error| misshapen(portion, error))? else {
        return Ok(());
    };
    let (accepted, rejected) = (batch.rows.len(), batch.rejected.len());
    let landed = store(landing, portion, batch, now).await?;
    report(portion, accepted, rejected, landed);
    Ok(())
}

async fn store(
    landing: &mut Landing,
    portion: &Portion<'_>,
    batch: Batch,
    now: DateTime<Utc>,
) -> Result<Landed, NotLanded> {
    // Boxed because it is large and awaited once per batch.
    Box::pin(landing.store(&portion.source, batch, now)).await
}

/// One line per batch. `received = accepted + rejected`; skipped ones were stored by an earlier delivery.
fn report(portion: &Portion<'_>, accepted: usize, rejected: usize, landed: Landed) {
    let Landed { table, quarantine } = landed;
    tracing::info!(
        source = %portion.source,
        received = portion.records.len(),
        accepted,
        rejected,
        written = table.written,
        quarantined = quarantine.written,
        skipped = table.skipped + quarantine.skipped,
        conflicts = table.conflicts + quarantine.conflicts,
        size_bytes = table.size_bytes + quarantine.size_bytes,
        version = table.version,
        "batch stored"
    );
}

/// Rows that do not fit what they were built for would be a mistake in this program; nothing of the batch is stored.
fn misshapen(portion: &Portion<'_>, source: ArrowError) -> NotLanded {
    NotLanded {
        origin: portion.source.clone(),
        lowest: portion
            .records
            .iter()
            .map(|record| record.number)
            .min()
            .unwrap_or_default(),
        source: pinlake_lake::Error::Shape {
            table: portion.route.clone(),
            source,
        },
    }
}
