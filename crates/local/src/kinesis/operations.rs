//! The operations that make and delete streams and write records.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    Kinesis,
    append::NewRecord,
    error::ApiError,
    limits::{self, Checked, MOST_RECORDS, check_record},
    shard_id,
    shards::MOST_OPEN,
    store::StoreError,
    stream::Stream,
    wire::{CreateStream, OneStream, PutRecord, PutRecords, PutRecordsOutput, PutResult, StreamRef},
};
use crate::protocol::{self, to_value};

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
            Some(_) => protocol::count(request.shard_count, "shardCount", 1, MOST_OPEN as usize)? as u32,
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

    pub(super) async fn put_record(&self, request: PutRecord) -> Result<Value, ApiError> {
        let record = check_record(request.record, "")?;
        let stream = self.find(request.stream)?;
        let shard = stream.shards().taking(record.hash_key).number;
        if !self.throttle.admits(stream.id, shard, record.size()) {
            return Err(ApiError::throttled(
                &shard_id(shard),
                &stream.name,
                &self.options.account,
            ));
        }
        let record = NewRecord {
            hash_key: record.hash_key,
            partition_key: record.partition_key,
            data: record.data,
        };
        let numbers = self
            .store
            .append(stream, vec![record], self.now_ms())
            .await
            .map_err(|error| self.fail(error))?;
        let number = numbers
            .first()
            .ok_or_else(|| ApiError::internal("the record has no number"))?;
        Ok(json!({ "ShardId": shard_id(number.shard), "SequenceNumber": number, "EncryptionType": ENCRYPTION }))
    }

    pub(super) async fn put_records(&self, request: PutRecords) -> Result<Value, ApiError> {
        let entries = protocol::entries(request.records, "records", MOST_RECORDS)?;
        let checked = (1..)
            .zip(entries)
            .map(|(number, entry)| check_record(entry, &format!("records.{number}.member.")));
        let checked = checked.collect::<Result<Vec<_>, _>>()?;
        limits::check_request(&checked)?;
        let stream = self.find(request.stream)?;

        let shards = stream.shards();
        // By record, the shard that does not take it.
        let (mut accepted, mut throttled) = (Vec::new(), Vec::with_capacity(checked.len()));
        for record in checked {
            let shard = shards.taking(record.hash_key).number;
            let is_admitted = self.throttle.admits(stream.id, shard, record.size());
            throttled.push((!is_admitted).then_some(shard));
            if is_admitted {
                let Checked {
                    partition_key,
                    hash_key,
                    data,
                } = record;
                accepted.push(NewRecord {
                    hash_key,
                    partition_key,
                    data,
                });
            }
        }
        let failed_record_count = throttled.len() - accepted.len();
        let numbers = if accepted.is_empty() {
            Vec::new()
        } else {
            let stored = self.store.append(Arc::clone(&stream), accepted, self.now_ms()).await;
            stored.map_err(|error| self.fail(error))?
        };
        let mut numbers = numbers.into_iter();
        let results = throttled.into_iter().filter_map(|throttled| match throttled {
            None => numbers.next().map(|sequence_number| PutResult::Stored {
                sequence_number,
                shard_id: shard_id(sequence_number.shard),
            }),
            Some(shard) => {
                let error = ApiError::throttled(&shard_id(shard), &stream.name, &self.options.account);
                Some(PutResult::Failed {
                    error_code: error.kind,
                    error_message: error.message,
                })
            }
        });
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
