//! The handler: an event in, rows in tables, an answer out.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use arrow::error::ArrowError;
use aws_lambda_events::streams::KinesisEventResponse;
use chrono::{DateTime, Utc};
use pinlake_dataset::{Catalog, Cleaner, DatasetName};
use pinlake_host::{
    chain,
    metrics::{self, Metrics, Teller},
};
use pinlake_lake::{Batch, Lake, Landed, Landing, NotLanded};
use serde_json::value::RawValue;
use tokio::sync::Mutex;

use crate::{
    clean::clean,
    envelope::{Event, Portion, Record, decode},
    error::Error,
    settings::Settings,
};

/// Handles events. Made once; what it learns of the tables stays warm from event to event.
#[derive(Debug)]
pub struct Handler {
    catalog: Catalog,
    lanes: BTreeMap<DatasetName, Mutex<Lane>>,
    metrics: Metrics,
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
        Ok(Self {
            catalog,
            lanes,
            metrics: Metrics::silent(Teller::Stream),
        })
    }

    /// The same handler, telling its metrics. Without this it tells none.
    #[must_use]
    pub fn with_metrics(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
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
                for (portion, dataset, lane) in self.routed(portions)? {
                    if let Err(failure) = self.land(&portion, dataset, lane, now).await {
                        // The answer is all that Lambda sees of it, so it is told here.
                        tracing::error!(
                            %dataset, shard = portion.source.partition(), source = %failure.origin,
                            lowest = %failure.lowest, error = chain(&failure), "batch not stored"
                        );
                        answer.add_failure(failure.lowest.to_string());
                    }
                }
            }
            // An answer for Kafka would have to name records by partition, which not every Kafka event source accepts. The
            // whole event comes again instead, and the watermarks keep what was stored from being stored twice.
            Event::Kafka(portions) => {
                for (portion, dataset, lane) in self.routed(portions)? {
                    self.land(&portion, dataset, lane, now).await.map_err(Box::new)?;
                }
            }
        }
        Ok(answer)
    }

    /// The lane of each portion; before any is stored, so that a fault of the configuration stores nothing by halves.
    fn routed<'a>(&self, portions: Vec<Portion<'a>>) -> Result<Vec<Routed<'a, '_>>, Error> {
        let lane = |portion: &Portion<'_>| self.lanes.get_key_value(self.catalog.route(&portion.route)?.name());
        portions
            .into_iter()
            .map(|portion| match lane(&portion) {
                Some((dataset, lane)) => Ok((portion, dataset, lane)),
                None => Err(Error::NoDataset { route: portion.route }),
            })
            .collect()
    }

    /// Cleans and stores the records of one source, and tells of it whatever comes of it.
    async fn land(
        &self,
        portion: &Portion<'_>,
        dataset: &DatasetName,
        lane: &Mutex<Lane>,
        now: DateTime<Utc>,
    ) -> Result<(), NotLanded> {
        let outcome = land(portion, lane, now).await;
        let shard = ("shard", portion.source.partition().to_owned());
        match &outcome {
            Ok(None) => {}
            Ok(Some(stored)) => {
                stored.report(portion, dataset);
                self.metrics.tell(Some(dataset), &[shard], &stored.values(portion));
            }
            Err(_) => {
                let age = (metrics::ITERATOR_AGE, millis(age(portion, now)));
                self.metrics
                    .tell(Some(dataset), &[shard], &[age, (metrics::BATCHES_FAILED, 1)]);
            }
        }
        outcome.map(|_| ())
    }
}

/// A portion, its dataset, and what that one's records go through.
type Routed<'a, 'h> = (Portion<'a>, &'h DatasetName, &'h Mutex<Lane>);

/// What became of a batch.
struct Stored {
    accepted: usize,
    rejected: usize,
    size_bytes: usize,
    age: Duration,
    took: Duration,
    landed: Landed,
}

/// Cleans and stores the records of one source; nothing comes of none.
async fn land(portion: &Portion<'_>, lane: &Mutex<Lane>, now: DateTime<Utc>) -> Result<Option<Stored>, NotLanded> {
    let Lane { cleaner, landing } = &mut *lane.lock().await;
    let Some(batch) = clean(cleaner, &portion.records).map_err(|error| misshapen(portion, error))? else {
        return Ok(None);
    };
    let (accepted, rejected) = (batch.rows.len(), batch.rejected.len());
    let began = Instant::now();
    let landed = store(landing, portion, batch, now).await?;
    Ok(Some(Stored {
        took: began.elapsed(),
        accepted,
        rejected,
        size_bytes: portion.records.iter().map(Record::size_bytes).sum(),
        age: age(portion, now),
        landed,
    }))
}

/// How long ago the oldest record arrived, by the clock of whoever took it.
fn age(portion: &Portion<'_>, now: DateTime<Utc>) -> Duration {
    let oldest = portion.records.iter().map(|record| record.arrived_at).min();
    let micros = oldest.map_or(0, |oldest| now.timestamp_micros().saturating_sub(oldest));
    Duration::from_micros(u64::try_from(micros).unwrap_or_default())
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

impl Stored {
    /// One line per batch. `received = accepted + rejected`; skipped ones were stored by an earlier delivery.
    fn report(&self, portion: &Portion<'_>, dataset: &DatasetName) {
        let Landed { table, quarantine } = self.landed;
        tracing::info!(
            %dataset,
            shard = portion.source.partition(),
            source = %portion.source,
            received = portion.records.len(),
            accepted = self.accepted,
            rejected = self.rejected,
            written = table.written,
            quarantined = quarantine.written,
            skipped = table.skipped + quarantine.skipped,
            conflicts = table.conflicts + quarantine.conflicts,
            size_bytes = table.size_bytes + quarantine.size_bytes,
            age_ms = millis(self.age),
            took_ms = millis(self.took),
            version = table.version,
            "batch stored"
        );
    }

    /// The same as metrics. What was delivered is counted in the event, what became of it in the commits.
    fn values(&self, portion: &Portion<'_>) -> Vec<(metrics::Metric, u64)> {
        let Landed { table, quarantine } = self.landed;
        let (delivered, skipped) = (portion.records.len(), table.skipped + quarantine.skipped);
        let settled = table.written + skipped + quarantine.written;
        vec![
            (metrics::RECORDS_DELIVERED, delivered as u64),
            (metrics::ROWS_WRITTEN, table.written as u64),
            (metrics::RECORDS_SKIPPED, skipped as u64),
            (metrics::ROWS_QUARANTINED, quarantine.written as u64),
            (metrics::RECONCILIATION_GAP, delivered.abs_diff(settled) as u64),
            (metrics::COMMIT_TIME, millis(self.took)),
            (
                metrics::COMMIT_CONFLICTS,
                u64::from(table.conflicts + quarantine.conflicts),
            ),
            (metrics::BATCH_BYTES, self.size_bytes as u64),
            (metrics::ITERATOR_AGE, millis(self.age)),
            (metrics::BATCHES_FAILED, 0),
        ]
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
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
