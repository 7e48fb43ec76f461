//! The operations that read: iterators and records.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    Kinesis,
    error::ApiError,
    iterator::ShardIterator,
    operations::{ENCRYPTION, shard_number},
    sequence::SequenceNumber,
    shard_id,
    stream::Stream,
    wire::{GetRecords, GetRecordsOutput, GetShardIterator, OutputRecord},
};
use crate::protocol::{self, seconds, to_value};

/// The most records of an answer, and the most bytes.
const MOST_RECORDS: usize = 10_000;
const MOST_BYTES: usize = 10 * 1024 * 1024;

impl Kinesis {
    pub(super) async fn get_shard_iterator(&self, request: GetShardIterator) -> Result<Value, ApiError> {
        let id = request.shard_id.ok_or_else(|| ApiError::missing("shardId"))?;
        let kind = request
            .shard_iterator_type
            .ok_or_else(|| ApiError::missing("shardIteratorType"))?;
        let shard = shard_number(&id)?;
        let stream = self.find(request.stream)?;
        let Some(state) = stream.shards.get(shard as usize) else {
            return Err(ApiError::no_shard(&id, &stream.name, &self.options.account));
        };
        let number = || {
            let text = request.starting_sequence_number.as_deref();
            let text = text.ok_or_else(|| {
                ApiError::invalid_argument("Must either specify StartingSequenceNumber or another ShardIteratorType.")
            })?;
            index_of(text, &stream, shard)
        };
        let next = match kind.as_str() {
            "TRIM_HORIZON" => state.head(),
            "LATEST" => state.tail(),
            "AT_SEQUENCE_NUMBER" => number()?,
            "AFTER_SEQUENCE_NUMBER" => number()? + 1,
            "AT_TIMESTAMP" => {
                let since = request.timestamp.ok_or_else(|| {
                    ApiError::invalid_argument("Must specify timestamp parameter for iterator of type AT_TIMESTAMP.")
                })?;
                let since_ms = (since * 1000.0) as i64;
                if since_ms > self.now_ms() {
                    let message =
                        format!("The timestampInMillis parameter cannot be greater than the current time: {since_ms}");
                    return Err(ApiError::invalid_argument(message));
                }
                let (store, stream) = (Arc::clone(&self.store), Arc::clone(&stream));
                self.blocking(move || store.first_since(&stream, shard, since_ms))
                    .await?
            }
            _ => {
                return Err(ApiError::constraint(
                    kind,
                    "shardIteratorType",
                    "satisfy enum value set: [AFTER_SEQUENCE_NUMBER, LATEST, AT_TIMESTAMP, AT_SEQUENCE_NUMBER, TRIM_HORIZON]",
                ));
            }
        };
        Ok(json!({ "ShardIterator": self.iterator(&stream, shard, next).to_token() }))
    }

    pub(super) async fn get_records(&self, request: GetRecords) -> Result<Value, ApiError> {
        let token = request
            .shard_iterator
            .ok_or_else(|| ApiError::missing("shardIterator"))?;
        let limit = protocol::count(request.limit, "limit", MOST_RECORDS, MOST_RECORDS)?;
        let now_ms = self.now_ms();
        let iterator = ShardIterator::from_token(&token, now_ms)?;
        let shard = iterator.shard;
        let stream = self.store.stream(&iterator.stream).map_err(|error| self.fail(error))?;
        let state = stream
            .shards
            .get(shard as usize)
            .filter(|_| stream.id == iterator.stream_id);
        let Some(state) = state else {
            return Err(ApiError::no_shard(
                &shard_id(shard),
                &stream.name,
                &self.options.account,
            ));
        };

        let from = iterator.next.max(state.head());
        let (store, reading) = (Arc::clone(&self.store), Arc::clone(&stream));
        let records = self
            .blocking(move || store.read(&reading, shard, from, limit, MOST_BYTES))
            .await?;
        let next = records.last().map_or(from, |record| record.index + 1);
        let is_behind = next < state.tail();
        let millis_behind_latest = records
            .last()
            .filter(|_| is_behind)
            .map_or(0, |last| (now_ms - last.arrived_ms).max(0));
        let records = records.into_iter().map(|record| OutputRecord {
            sequence_number: record.sequence_number,
            approximate_arrival_timestamp: seconds(record.arrived_ms),
            data: base64_simd::STANDARD.encode_to_string(&record.data),
            partition_key: record.partition_key,
            encryption_type: ENCRYPTION,
        });
        to_value(GetRecordsOutput {
            records: records.collect(),
            next_shard_iterator: self.iterator(&stream, shard, next).to_token(),
            millis_behind_latest,
        })
    }

    fn iterator(&self, stream: &Stream, shard: u32, next: u64) -> ShardIterator {
        ShardIterator {
            stream: stream.name.clone(),
            stream_id: stream.id,
            shard,
            next,
            issued_ms: self.now_ms(),
        }
    }
}

/// The index in a sequence number that this shard gave.
fn index_of(text: &str, stream: &Stream, shard: u32) -> Result<u64, ApiError> {
    let first = stream.first_sequence_number(shard);
    let number: Option<SequenceNumber> = text.parse().ok();
    match number {
        Some(number) if number.made_s == first.made_s && number.shard == shard => Ok(number.index),
        _ => Err(ApiError::invalid_argument(format!(
            "StartingSequenceNumber {text} used in GetShardIterator on shard {} in stream {} is invalid because it did \
             not come from this stream.",
            shard_id(shard),
            stream.name,
        ))),
    }
}
