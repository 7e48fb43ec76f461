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
    stream::{Shard, Stream},
    wire::{ChildShard, GetRecords, GetRecordsOutput, GetShardIterator, OutputRecord},
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
        let shards = stream.shards();
        let Some(shard) = shards.get(shard) else {
            return Err(ApiError::no_shard(&id, &stream.name, &self.options.account));
        };
        let number = || {
            let text = request.starting_sequence_number.as_deref();
            let text = text.ok_or_else(|| {
                ApiError::invalid_argument("Must either specify StartingSequenceNumber or another ShardIteratorType.")
            })?;
            number_of(text, &stream, shard)
        };
        let next = match kind.as_str() {
            "TRIM_HORIZON" => shard.head(),
            "LATEST" => shard.tail(),
            "AT_SEQUENCE_NUMBER" => number()?.index,
            "AFTER_SEQUENCE_NUMBER" => match number()? {
                // After what is before all records.
                number if number == shard.first_sequence_number() => 0,
                number => number.index.saturating_add(1),
            },
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
                let (store, shard) = (Arc::clone(&self.store), Arc::clone(shard));
                self.blocking(move || store.first_since(&shard, since_ms)).await?
            }
            _ => {
                return Err(ApiError::constraint(
                    kind,
                    "shardIteratorType",
                    "satisfy enum value set: [AFTER_SEQUENCE_NUMBER, LATEST, AT_TIMESTAMP, AT_SEQUENCE_NUMBER, TRIM_HORIZON]",
                ));
            }
        };
        // Neither a number that was never given nor the one that a closed shard ended with leads beyond its records.
        let next = next.min(shard.tail());
        Ok(json!({ "ShardIterator": self.iterator(&stream, shard.number, next).to_token() }))
    }

    pub(super) async fn get_records(&self, request: GetRecords) -> Result<Value, ApiError> {
        let token = request
            .shard_iterator
            .ok_or_else(|| ApiError::missing("shardIterator"))?;
        let limit = protocol::count(request.limit, "limit", MOST_RECORDS, MOST_RECORDS)?;
        let now_ms = self.now_ms();
        let iterator = ShardIterator::from_token(&token, now_ms)?;
        let stream = self.store.stream(&iterator.stream).map_err(|error| self.fail(error))?;
        let shards = stream.shards();
        let shard = shards.get(iterator.shard).filter(|_| stream.id == iterator.stream_id);
        let Some(shard) = shard else {
            return Err(ApiError::no_shard(
                &shard_id(iterator.shard),
                &stream.name,
                &self.options.account,
            ));
        };

        let from = iterator.next.max(shard.head());
        let (store, reading) = (Arc::clone(&self.store), Arc::clone(shard));
        let records = self
            .blocking(move || store.read(&reading, from, limit, MOST_BYTES))
            .await?;
        let next = records.last().map_or(from, |record| record.index + 1);
        let state = shard.state();
        let (is_behind, is_end) = (next < state.tail, state.ends_at(next));
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
            next_shard_iterator: (!is_end).then(|| self.iterator(&stream, shard.number, next).to_token()),
            millis_behind_latest,
            child_shards: if is_end { children(&stream, shard) } else { Vec::new() },
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

/// The shards in which the records of a closed one go on.
fn children(stream: &Stream, parent: &Shard) -> Vec<ChildShard> {
    // As they are now: they were there before the parent was closed.
    let shards = stream.shards();
    let children = shards.children(parent.number).map(|child| ChildShard {
        shard_id: shard_id(child.number),
        parent_shards: child.birth.parents.iter().map(|parent| shard_id(*parent)).collect(),
        hash_key_range: (&child.birth.hash_keys).into(),
    });
    children.collect()
}

/// A sequence number that this shard gave.
fn number_of(text: &str, stream: &Stream, shard: &Shard) -> Result<SequenceNumber, ApiError> {
    let first = shard.first_sequence_number();
    let number: Option<SequenceNumber> = text.parse().ok();
    match number {
        Some(number) if number.made_s == first.made_s && number.shard == first.shard => Ok(number),
        _ => Err(ApiError::invalid_argument(format!(
            "StartingSequenceNumber {text} used in GetShardIterator on shard {} in stream {} is invalid because it did \
             not come from this stream.",
            shard_id(shard.number),
            stream.name,
        ))),
    }
}
