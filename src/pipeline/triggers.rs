//! What sets the functions and the deliveries going, as `template.yaml` does on AWS; `tests/template/local_run.rs` compares.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use async_trait::async_trait;
use bytes::Bytes;
use chrono::{NaiveTime, Utc};
use object_store::{ObjectStoreExt, path::Path as Key};
use pinlake_dataset::{Catalog, DatasetName};
use pinlake_lake::Lake;
use pinlake_local::{
    Destination, Function,
    firehose::{self, Compression, Delivery, Firehose},
    mapping::{self, Mapping},
    schedule::{self, Schedule, When},
};
use tokio_util::sync::CancellationToken;

use super::{
    BUCKET,
    endpoints::Streams,
    functions::{self, Functions},
};

/// When the day before is cleaned and reported on, UTC: late enough for its last raw object.
const DAILY_AT: NaiveTime = match NaiveTime::from_hms_opt(2, 0, 0) {
    Some(time) => time,
    None => NaiveTime::MIN,
};

/// When the functions run that have a schedule, each under its function's name.
pub fn schedule_settings() -> [schedule::Settings; 2] {
    [
        schedule::Settings::new(functions::ANALYTICS, When::Daily(DAILY_AT)),
        schedule::Settings {
            // The next hour does what this one could not.
            most_retries: 0,
            ..schedule::Settings::new(functions::MAINTAIN, When::Every(Duration::from_secs(3600)))
        },
    ]
}

/// How raw records of a dataset are delivered, but for the interval.
pub fn delivery_settings(dataset: &DatasetName, stream: String, interval: Duration) -> firehose::Settings {
    firehose::Settings {
        prefix: format!("raw/{dataset}/date=!{{timestamp:yyyy-MM-dd}}/"),
        error_prefix: Some(format!(
            "raw-errors/{dataset}/!{{firehose:error-output-type}}/date=!{{timestamp:yyyy-MM-dd}}/"
        )),
        buffer_mib: 64,
        buffer_interval: interval,
        compression: Compression::Gzip,
        ..firehose::Settings::new(stream, BUCKET)
    }
}

/// How a dataset's stream is mapped to the stream function, but for the window.
pub fn mapping_settings(dataset: &DatasetName, stream: String, window: Duration) -> mapping::Settings {
    mapping::Settings {
        batch_size: 10_000,
        batch_window: window,
        bisects: true,
        most_retries: Some(10_000),
        most_age: Some(Duration::from_secs(82_800)),
        timeout: Duration::from_secs(120),
        ..mapping::Settings::new(format!("stream-{dataset}"), stream, functions::STREAM)
    }
}

/// The schedules of the functions that have one.
pub(super) fn schedule(
    functions: &Functions,
    bucket: &Arc<dyn Destination>,
    stop: &CancellationToken,
) -> Vec<Schedule> {
    schedule_settings()
        .into_iter()
        .filter_map(|settings| {
            let function = Arc::clone(functions.get(&settings.id)?);
            let dead_letters = Some(Arc::clone(bucket));
            Some(Schedule::start(
                settings,
                function,
                dead_letters,
                Arc::new(Utc::now),
                stop.clone(),
            ))
        })
        .collect()
}

/// A delivery stream per dataset, named as ingest names it.
pub(super) fn deliver(
    streams: &Firehose,
    publisher: &pinlake_ingest::Firehose,
    catalog: &Catalog,
    bucket: &Arc<dyn Destination>,
    interval: Duration,
    stop: &CancellationToken,
) -> Result<Delivery> {
    for definition in catalog.iter() {
        let dataset = definition.name();
        streams.ensure_stream(delivery_settings(dataset, publisher.stream_name(dataset), interval))?;
    }
    Ok(Delivery::start(streams, Arc::clone(bucket), stop.clone()))
}

/// A stream per dataset, named as ingest names it, and a mapping of each to the one stream function.
pub(super) async fn map(
    streams: &Streams,
    publisher: &pinlake_ingest::Kinesis,
    catalog: &Catalog,
    function: &Arc<dyn Function>,
    bucket: &Arc<dyn Destination>,
    window: Duration,
    stop: &CancellationToken,
) -> Result<Vec<Mapping>> {
    let mut mappings = Vec::new();
    for definition in catalog.iter() {
        let stream = publisher.stream_name(definition.name());
        let settings = mapping_settings(definition.name(), stream, window);
        let (function, destination) = (Arc::clone(function), Arc::clone(bucket));
        mappings.push(streams.map(settings, function, destination, stop.clone()).await?);
    }
    Ok(mappings)
}

/// Where raw objects go, and what mappings and schedules give up on: the lake's own bucket, as in `template.yaml`.
pub struct Bucket(pub Lake);

#[async_trait]
impl Destination for Bucket {
    async fn put(&self, key: &str, object: Bytes) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.0.store().put(&Key::parse(key)?, object.into()).await?;
        Ok(())
    }
}
