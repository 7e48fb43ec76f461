//! What sets the functions and the deliveries going, as `template.yaml` does on AWS.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use async_trait::async_trait;
use bytes::Bytes;
use chrono::{NaiveTime, Utc};
use object_store::{ObjectStoreExt, path::Path as Key};
use pinlake_dataset::Catalog;
use pinlake_lake::Lake;
use pinlake_local::{
    Destination, Function,
    firehose::{self, Compression, Delivery, Firehose},
    kinesis::Kinesis,
    mapping::{self, Mapping},
    schedule::{self, Schedule, When},
};
use tokio_util::sync::CancellationToken;

use super::{
    BUCKET, SHARDS,
    functions::{self, Functions},
};

/// When the day before is cleaned and reported on, UTC: late enough for its last raw object.
const DAILY_AT: NaiveTime = match NaiveTime::from_hms_opt(2, 0, 0) {
    Some(time) => time,
    None => NaiveTime::MIN,
};

/// The schedules of the functions that have one.
pub(super) fn schedule(
    functions: &Functions,
    bucket: &Arc<dyn Destination>,
    stop: &CancellationToken,
) -> Vec<Schedule> {
    let schedules = [
        (functions::ANALYTICS, When::Daily(DAILY_AT)),
        (functions::MAINTAIN, When::Every(Duration::from_secs(3600))),
    ];
    schedules
        .into_iter()
        .filter_map(|(name, when)| {
            let (settings, function) = (schedule::Settings::new(name, when), Arc::clone(functions.get(name)?));
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

/// A delivery stream per dataset, named as ingest names it and set as in `template.yaml`, but for the interval.
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
        streams.ensure_stream(firehose::Settings {
            prefix: format!("raw/{dataset}/date=!{{timestamp:yyyy-MM-dd}}/"),
            error_prefix: Some(format!(
                "raw-errors/{dataset}/!{{firehose:error-output-type}}/date=!{{timestamp:yyyy-MM-dd}}/"
            )),
            buffer_mib: 64,
            buffer_interval: interval,
            compression: Compression::Gzip,
            ..firehose::Settings::new(publisher.stream_name(dataset), BUCKET)
        })?;
    }
    Ok(Delivery::start(streams, Arc::clone(bucket), stop.clone()))
}

/// A stream per dataset, named as ingest names it, and a mapping of each to the one stream function, as in
/// `template.yaml`.
pub(super) async fn map(
    streams: &Kinesis,
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
        streams.ensure_stream(&stream, SHARDS)?;
        let settings = mapping::Settings {
            batch_size: 10_000,
            batch_window: window,
            bisects: true,
            most_retries: Some(10),
            ..mapping::Settings::new(format!("stream-{}", definition.name()), stream, functions::STREAM)
        };
        let (function, destination) = (Arc::clone(function), Arc::clone(bucket));
        mappings.push(Mapping::start(streams, settings, function, Some(destination), stop.clone()).await?);
    }
    Ok(mappings)
}

/// Where raw objects go, and what mappings and schedules give up on: the lake's own bucket, as in `template.yaml`.
pub(super) struct Bucket(pub(super) Lake);

#[async_trait]
impl Destination for Bucket {
    async fn put(&self, key: &str, object: Bytes) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.0.store().put(&Key::parse(key)?, object.into()).await?;
        Ok(())
    }
}
