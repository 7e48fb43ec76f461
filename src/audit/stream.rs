//! What a stream still keeps: every record of every shard, open or closed, from the oldest on.

use std::time::Duration;

use anyhow::{Context, Result};
use aws_sdk_kinesis::{
    Client,
    config::retry::RetryConfig,
    error::{ProvideErrorMetadata as _, SdkError},
    operation::{get_records::GetRecordsError, list_shards::ListShardsError},
    types::{Record, ShardIteratorType},
};
use chrono::{DateTime, Utc};
use pinlake_lake::Source;

/// A shard answers five requests a second, all its readers together.
const BETWEEN_REQUESTS: Duration = Duration::from_millis(200);
/// The longest pause after a refusal.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Refusals in a row that are waited out.
const MOST_REFUSALS: u32 = 30;

/// A stream to read.
pub(super) struct Stream {
    client: Client,
    name: String,
}

/// Where the reader of a shard is.
struct Place<'a> {
    shard: &'a str,
    iterator: Option<String>,
    /// The last sequence number that was read.
    last: Option<String>,
}

impl Stream {
    pub(super) fn new(client: &Client, name: &str) -> Self {
        let patient = client
            .config()
            .to_builder()
            .retry_config(RetryConfig::standard().with_max_attempts(10));
        Self {
            client: Client::from_conf(patient.build()),
            name: name.to_owned(),
        }
    }

    /// All shards that the stream knows of; `None` if there is no such stream.
    pub(super) async fn shards(&self) -> Result<Option<Vec<String>>> {
        let mut shards = Vec::new();
        let mut token = None;
        loop {
            let request = self.client.list_shards();
            // A token is for the stream that it was given for.
            let request = match token.take() {
                None => request.stream_name(&self.name),
                Some(token) => request.next_token(token),
            };
            let listed = match request.send().await {
                Ok(listed) => listed,
                Err(SdkError::ServiceError(refusal))
                    if matches!(refusal.err(), ListShardsError::ResourceNotFoundException(_)) =>
                {
                    return Ok(None);
                }
                Err(error) => return Err(error).with_context(|| format!("could not list the shards of {}", self.name)),
            };
            shards.extend(listed.shards.into_iter().flatten().map(|shard| shard.shard_id));
            token = listed.next_token;
            if token.is_none() {
                return Ok(Some(shards));
            }
        }
    }

    /// Reads a shard until it has ended, or has nothing older than `until` left, and tells `each` every record as of its
    /// origin and its arrival.
    pub(super) async fn read(
        &self,
        shard: &str,
        until: DateTime<Utc>,
        mut each: impl AsyncFnMut(String, Option<DateTime<Utc>>) -> Result<()>,
    ) -> Result<()> {
        let source = Source::kinesis(&self.name, shard);
        let mut place = Place {
            shard,
            iterator: None,
            last: None,
        };
        place.iterator = self.iterator(&place).await?;
        while let Some(iterator) = place.iterator.take() {
            let answer = self.records(&mut place, iterator).await?;
            let Some((records, behind_ms)) = answer else { continue };
            let is_empty = records.is_empty();
            let mut is_new = false;
            for record in records {
                let arrived = arrival(&record);
                is_new |= arrived.is_some_and(|arrived| arrived >= until);
                each(format!("{source}/{}", record.sequence_number), arrived).await?;
                place.last = Some(record.sequence_number);
            }
            if is_new || (is_empty && behind_ms == 0) {
                break;
            }
            tokio::time::sleep(BETWEEN_REQUESTS).await;
        }
        Ok(())
    }

    /// One request, until it is answered. `None`: the iterator was too old, and the place has another.
    async fn records(&self, place: &mut Place<'_>, iterator: String) -> Result<Option<(Vec<Record>, i64)>> {
        let failed = || format!("could not read {} of {}", place.shard, self.name);
        for refusals in 0.. {
            let asked = self.client.get_records().shard_iterator(&iterator).limit(10_000);
            match asked.send().await {
                Ok(answer) => {
                    place.iterator = answer.next_shard_iterator;
                    return Ok(Some((answer.records, answer.millis_behind_latest.unwrap_or_default())));
                }
                Err(SdkError::ServiceError(refusal))
                    if matches!(refusal.err(), GetRecordsError::ExpiredIteratorException(_)) =>
                {
                    place.iterator = self.iterator(place).await?;
                    return Ok(None);
                }
                Err(error) if refusals < MOST_REFUSALS && is_throttled(&error) => {
                    let pause = BETWEEN_REQUESTS.saturating_mul(1 << refusals.min(8)).min(LONGEST_PAUSE);
                    tokio::time::sleep(pause).await;
                }
                Err(error) => return Err(error).with_context(failed),
            }
        }
        Ok(None)
    }

    /// Where the reader goes on.
    async fn iterator(&self, place: &Place<'_>) -> Result<Option<String>> {
        let request = self
            .client
            .get_shard_iterator()
            .stream_name(&self.name)
            .shard_id(place.shard);
        let request = match &place.last {
            None => request.shard_iterator_type(ShardIteratorType::TrimHorizon),
            Some(last) => request
                .shard_iterator_type(ShardIteratorType::AfterSequenceNumber)
                .starting_sequence_number(last),
        };
        let answer = request.send().await;
        let answer = answer.with_context(|| format!("could not begin to read {} of {}", place.shard, self.name))?;
        Ok(answer.shard_iterator)
    }
}

fn is_throttled(error: &SdkError<GetRecordsError>) -> bool {
    matches!(
        error.code(),
        Some("ProvisionedThroughputExceededException" | "LimitExceededException" | "ThrottlingException")
    )
}

fn arrival(record: &Record) -> Option<DateTime<Utc>> {
    let arrived = record.approximate_arrival_timestamp?;
    DateTime::from_timestamp(arrived.secs(), arrived.subsec_nanos())
}
