//! The operations that change streams or describe them.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    Kinesis,
    append::NewRecord,
    error::ApiError,
    limits::{self, Checked, MOST_RECORDS, check_record},
    shard_id,
    store::StoreError,
    stream::Stream,
    wire::{
        CreateStream, DescribeStream, HashKeyRange, ListShards, ListStreams, OneStream, PutRecord, PutRecords,
        PutRecordsOutput, PutResult, SequenceNumberRange, ShardDescription, StreamRef,
    },
};
use crate::protocol::{self, seconds, to_value};

/// What every record and answer says: nothing is encrypted here.
pub(super) const ENCRYPTION: &str = "NONE";
/// The shards that an on-demand stream begins with.
const ON_DEMAND_SHARDS: u32 = 4;

impl Kinesis {
    pub(super) fn fail(&self, error: StoreError) -> ApiError {
        ApiError::from_store(error, &self.options.account)
    }

    pub(super) fn find(&self, stream: StreamRef) -> Result<Arc<Stream>, ApiError> {
        self.store
            .stream(&limits::stream_name(stream)?)
            .map_err(|error| self.fail(error))
    }

    pub(super) async fn create_stream(&self, request: CreateStream) -> Result<Value, ApiError> {
        let name = request.stream_name.ok_or_else(|| ApiError::missing("streamName"))?;
        let name = limits::check_stream_name(name)?;
        let is_on_demand = request
            .stream_mode_details
            .is_some_and(|details| details.stream_mode == "ON_DEMAND");
        let shards = match request.shard_count {
            None if is_on_demand => ON_DEMAND_SHARDS,
            None => return Err(ApiError::missing("shardCount")),
            // AWS's own limit is a quota; this one keeps a slip of the finger from making a million rows.
            Some(_) => protocol::count(request.shard_count, "shardCount", 1, 10_000)? as u32,
        };
        let (store, hours, now_ms) = (Arc::clone(&self.store), self.options.retention_hours, self.now_ms());
        self.blocking(move || store.create_stream(&name, shards, is_on_demand, hours, now_ms))
            .await?;
        Ok(Value::Null)
    }

    pub(super) async fn delete_stream(&self, request: OneStream) -> Result<Value, ApiError> {
        let name = limits::stream_name(request.stream)?;
        let store = Arc::clone(&self.store);
        self.blocking(move || store.delete_stream(&name)).await?;
        Ok(Value::Null)
    }

    pub(super) fn describe_stream(&self, request: DescribeStream) -> Result<Value, ApiError> {
        let stream = self.find(request.stream)?;
        let limit = protocol::count(request.limit, "limit", 100, 10_000)?;
        let first = after(request.exclusive_start_shard_id.as_deref(), &stream)?;
        let shards = shards(&stream, first, limit);
        let has_more = first + shards.len() < stream.shards.len();
        let mut description = self.common_description(&stream);
        description["Shards"] = to_value(shards)?;
        description["HasMoreShards"] = has_more.into();
        Ok(json!({ "StreamDescription": description }))
    }

    pub(super) fn describe_stream_summary(&self, request: OneStream) -> Result<Value, ApiError> {
        let stream = self.find(request.stream)?;
        let mut description = self.common_description(&stream);
        description["OpenShardCount"] = stream.shards.len().into();
        description["ConsumerCount"] = 0.into();
        Ok(json!({ "StreamDescriptionSummary": description }))
    }

    fn common_description(&self, stream: &Stream) -> Value {
        json!({
            "StreamName": stream.name,
            "StreamARN": self.stream_arn(&stream.name),
            "StreamStatus": "ACTIVE",
            "StreamModeDetails": { "StreamMode": mode(stream) },
            "RetentionPeriodHours": stream.retention_hours,
            "StreamCreationTimestamp": seconds(stream.made_ms),
            "EnhancedMonitoring": [{ "ShardLevelMetrics": [] }],
            "EncryptionType": ENCRYPTION,
        })
    }

    pub(super) fn list_streams(&self, request: ListStreams) -> Result<Value, ApiError> {
        let limit = protocol::count(request.limit, "limit", 100, 10_000)?;
        let after = request
            .next_token
            .or(request.exclusive_start_stream_name)
            .unwrap_or_default();
        let mut streams = self.store.streams();
        streams.retain(|stream| stream.name > after);
        let has_more = streams.len() > limit;
        streams.truncate(limit);
        let names: Vec<_> = streams.iter().map(|stream| &stream.name).collect();
        let summaries: Vec<_> = streams
            .iter()
            .map(|stream| {
                json!({
                    "StreamName": stream.name,
                    "StreamARN": self.stream_arn(&stream.name),
                    "StreamStatus": "ACTIVE",
                    "StreamModeDetails": { "StreamMode": mode(stream) },
                    "StreamCreationTimestamp": seconds(stream.made_ms),
                })
            })
            .collect();
        let mut answer = json!({ "StreamNames": names, "StreamSummaries": summaries, "HasMoreStreams": has_more });
        if let (true, Some(last)) = (has_more, names.last()) {
            answer["NextToken"] = json!(last);
        }
        Ok(answer)
    }

    pub(super) fn list_shards(&self, request: ListShards) -> Result<Value, ApiError> {
        let limit = protocol::count(request.max_results, "maxResults", 1000, 10_000)?;
        // A token names the stream too, so that a client can send it alone.
        let (stream, start) = match request.next_token {
            None => (request.stream, request.exclusive_start_shard_id),
            Some(token) => {
                let (shard, name) = token
                    .split_once('/')
                    .ok_or_else(|| ApiError::invalid_argument("Invalid NextToken."))?;
                (
                    StreamRef {
                        name: Some(name.to_owned()),
                        arn: None,
                    },
                    Some(shard.to_owned()),
                )
            }
        };
        let stream = self.find(stream)?;
        let first = after(start.as_deref(), &stream)?;
        let shards = shards(&stream, first, limit);
        let next = (first + shards.len() < stream.shards.len())
            .then(|| shards.last())
            .flatten();
        let next = next.map(|shard| format!("{}/{}", shard.shard_id, stream.name));
        let mut answer = json!({ "Shards": to_value(shards)? });
        if let Some(next) = next {
            answer["NextToken"] = next.into();
        }
        Ok(answer)
    }

    pub(super) async fn put_record(&self, request: PutRecord) -> Result<Value, ApiError> {
        let record = check_record(request.record, "")?;
        let stream = self.find(request.stream)?;
        let shard = stream.hash_keys().shard(record.hash_key);
        if !self.throttle.admits(stream.id, shard, record.size()) {
            return Err(ApiError::throttled(
                &shard_id(shard),
                &stream.name,
                &self.options.account,
            ));
        }
        let record = NewRecord {
            shard,
            partition_key: record.partition_key,
            data: record.data,
        };
        let numbers = self
            .store
            .append(stream, vec![record], self.now_ms())
            .await
            .map_err(|error| self.fail(error))?;
        Ok(json!({ "ShardId": shard_id(shard), "SequenceNumber": numbers.first(), "EncryptionType": ENCRYPTION }))
    }

    pub(super) async fn put_records(&self, request: PutRecords) -> Result<Value, ApiError> {
        let entries = protocol::entries(request.records, "records", MOST_RECORDS)?;
        let checked = (1..)
            .zip(entries)
            .map(|(number, entry)| check_record(entry, &format!("records.{number}.member.")));
        let checked = checked.collect::<Result<Vec<_>, _>>()?;
        limits::check_request(&checked)?;
        let stream = self.find(request.stream)?;

        let hash_keys = stream.hash_keys();
        let (mut accepted, mut shards) = (Vec::new(), Vec::with_capacity(checked.len()));
        for record in checked {
            let shard = hash_keys.shard(record.hash_key);
            let is_admitted = self.throttle.admits(stream.id, shard, record.size());
            shards.push((shard, is_admitted));
            if is_admitted {
                let Checked {
                    partition_key, data, ..
                } = record;
                accepted.push(NewRecord {
                    shard,
                    partition_key,
                    data,
                });
            }
        }
        let failed_record_count = shards.len() - accepted.len();
        let numbers = if accepted.is_empty() {
            Vec::new()
        } else {
            let stored = self.store.append(Arc::clone(&stream), accepted, self.now_ms()).await;
            stored.map_err(|error| self.fail(error))?
        };
        let mut numbers = numbers.into_iter();
        let results =
            shards.into_iter().map(
                |(shard, is_admitted)| match is_admitted.then(|| numbers.next()).flatten() {
                    Some(sequence_number) => PutResult::Stored {
                        sequence_number,
                        shard_id: shard_id(shard),
                    },
                    None => {
                        let error = ApiError::throttled(&shard_id(shard), &stream.name, &self.options.account);
                        PutResult::Failed {
                            error_code: error.kind,
                            error_message: error.message,
                        }
                    }
                },
            );
        to_value(PutRecordsOutput {
            records: results.collect(),
            failed_record_count,
            encryption_type: ENCRYPTION,
        })
    }

    /// Runs work on the store where it may block.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or(Err(StoreError::NotStored))
            .map_err(|error| self.fail(error))
    }
}

/// A shard's number in a name like `shardId-000000000000`.
pub(super) fn shard_number(id: &str) -> Result<u32, ApiError> {
    let number = id
        .strip_prefix("shardId-")
        .filter(|digits| digits.len() == 12)
        .and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| ApiError::constraint(id, "shardId", "satisfy regular expression pattern: shardId-[0-9]{12}"))
}

fn after(exclusive_start: Option<&str>, stream: &Stream) -> Result<usize, ApiError> {
    let first = exclusive_start
        .map(shard_number)
        .transpose()?
        .map_or(0, |shard| shard as usize + 1);
    Ok(first.min(stream.shards.len()))
}

fn shards(stream: &Stream, first: usize, limit: usize) -> Vec<ShardDescription> {
    let describe = |shard: u32| {
        let range = stream.hash_keys().range(shard);
        ShardDescription {
            shard_id: shard_id(shard),
            hash_key_range: HashKeyRange {
                starting_hash_key: range.start().to_string(),
                ending_hash_key: range.end().to_string(),
            },
            sequence_number_range: SequenceNumberRange {
                starting_sequence_number: stream.first_sequence_number(shard),
            },
        }
    };
    (0..stream.shards.len() as u32)
        .skip(first)
        .take(limit)
        .map(describe)
        .collect()
}

fn mode(stream: &Stream) -> &'static str {
    if stream.is_on_demand {
        "ON_DEMAND"
    } else {
        "PROVISIONED"
    }
}
