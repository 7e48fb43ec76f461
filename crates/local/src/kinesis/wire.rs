//! The shapes of Kinesis's JSON 1.1: requests as they come, answers as they go.
//!
//! Fields of requests are optional here whatever the API says, because a missing one has an error of its own.

use std::{borrow::Cow, ops::RangeInclusive};

use serde::{Deserialize, Serialize};

use super::{iterator::ShardIterator, sequence::SequenceNumber};
use crate::protocol::{About, Blob};

/// How most requests name their stream.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct StreamRef {
    #[serde(rename = "StreamName")]
    pub(super) name: Option<String>,
    #[serde(rename = "StreamARN")]
    pub(super) arn: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateStream {
    pub(super) stream_name: Option<String>,
    pub(super) shard_count: Option<i64>,
    pub(super) stream_mode_details: Option<StreamModeDetails>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct StreamModeDetails {
    pub(super) stream_mode: String,
}

/// A request that names a stream and nothing else that matters here.
#[derive(Debug, Deserialize)]
pub(super) struct OneStream {
    #[serde(flatten)]
    pub(super) stream: StreamRef,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DescribeStream {
    #[serde(flatten)]
    pub(super) stream: StreamRef,
    pub(super) limit: Option<i64>,
    pub(super) exclusive_start_shard_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListStreams {
    pub(super) limit: Option<i64>,
    pub(super) exclusive_start_stream_name: Option<String>,
    pub(super) next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListShards {
    #[serde(flatten)]
    pub(super) stream: StreamRef,
    pub(super) max_results: Option<i64>,
    pub(super) exclusive_start_shard_id: Option<String>,
    pub(super) shard_filter: Option<ShardFilter>,
    pub(super) next_token: Option<String>,
}

/// Which shards a list is to have.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ShardFilter {
    #[serde(rename = "Type")]
    pub(super) kind: Option<String>,
    pub(super) shard_id: Option<String>,
    /// Seconds since 1970.
    pub(super) timestamp: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SplitShard {
    #[serde(flatten)]
    pub(super) stream: StreamRef,
    pub(super) shard_to_split: Option<String>,
    pub(super) new_starting_hash_key: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct MergeShards {
    #[serde(flatten)]
    pub(super) stream: StreamRef,
    pub(super) shard_to_merge: Option<String>,
    pub(super) adjacent_shard_to_merge: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UpdateShardCount {
    #[serde(flatten)]
    pub(super) stream: StreamRef,
    pub(super) target_shard_count: Option<i64>,
    pub(super) scaling_type: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutRecord {
    #[serde(flatten)]
    pub(super) stream: StreamRef,
    #[serde(flatten)]
    pub(super) record: Entry,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutRecords {
    #[serde(flatten)]
    pub(super) stream: StreamRef,
    pub(super) records: Option<Vec<Entry>>,
}

/// A record as clients send it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Entry {
    pub(super) data: Option<Blob>,
    pub(super) partition_key: Option<String>,
    pub(super) explicit_hash_key: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetShardIterator {
    #[serde(flatten)]
    pub(super) stream: StreamRef,
    pub(super) shard_id: Option<String>,
    pub(super) shard_iterator_type: Option<String>,
    pub(super) starting_sequence_number: Option<String>,
    /// Seconds since 1970.
    pub(super) timestamp: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetRecords {
    pub(super) shard_iterator: Option<String>,
    pub(super) limit: Option<i64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutRecordsOutput {
    pub(super) failed_record_count: usize,
    pub(super) encryption_type: &'static str,
    pub(super) records: Vec<PutResult>,
}

/// What became of one record.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum PutResult {
    #[serde(rename_all = "PascalCase")]
    Stored {
        sequence_number: SequenceNumber,
        shard_id: String,
    },
    #[serde(rename_all = "PascalCase")]
    Failed {
        error_code: &'static str,
        error_message: String,
    },
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetRecordsOutput {
    pub(super) records: Vec<OutputRecord>,
    /// None at the end of a closed shard.
    pub(super) next_shard_iterator: Option<String>,
    pub(super) millis_behind_latest: i64,
    /// Where the records go on after the end of a closed shard.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) child_shards: Vec<ChildShard>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ChildShard {
    pub(super) shard_id: String,
    pub(super) parent_shards: Vec<String>,
    pub(super) hash_key_range: HashKeyRange,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct OutputRecord {
    pub(super) sequence_number: SequenceNumber,
    /// Seconds since 1970.
    pub(super) approximate_arrival_timestamp: f64,
    pub(super) data: String,
    pub(super) partition_key: String,
    pub(super) encryption_type: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ShardDescription {
    pub(super) shard_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) parent_shard_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) adjacent_parent_shard_id: Option<String>,
    pub(super) hash_key_range: HashKeyRange,
    pub(super) sequence_number_range: SequenceNumberRange,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct HashKeyRange {
    pub(super) starting_hash_key: String,
    pub(super) ending_hash_key: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SequenceNumberRange {
    pub(super) starting_sequence_number: SequenceNumber,
    /// None while the shard is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ending_sequence_number: Option<SequenceNumber>,
}

impl From<&RangeInclusive<u128>> for HashKeyRange {
    fn from(hash_keys: &RangeInclusive<u128>) -> Self {
        Self {
            starting_hash_key: hash_keys.start().to_string(),
            ending_hash_key: hash_keys.end().to_string(),
        }
    }
}

impl StreamRef {
    fn named(&self) -> Option<Cow<'_, str>> {
        let by_arn = || self.arn.as_deref()?.split_once(":stream/").map(|(_, name)| name);
        self.name.as_deref().or_else(by_arn).map(Cow::from)
    }
}

macro_rules! about_a_stream {
    ($($request:ty),*) => {$(
        impl About for $request {
            fn stream(&self) -> Option<Cow<'_, str>> {
                self.stream.named()
            }
        }
    )*};
}
about_a_stream!(
    OneStream,
    DescribeStream,
    SplitShard,
    MergeShards,
    UpdateShardCount,
    PutRecord,
    PutRecords,
    GetShardIterator
);

impl About for CreateStream {
    fn stream(&self) -> Option<Cow<'_, str>> {
        self.stream_name.as_deref().map(Cow::from)
    }
}

impl About for ListStreams {
    fn stream(&self) -> Option<Cow<'_, str>> {
        None
    }
}

impl About for ListShards {
    fn stream(&self) -> Option<Cow<'_, str>> {
        let by_token = || self.next_token.as_deref()?.split('/').nth(1).map(Cow::from);
        self.stream.named().or_else(by_token)
    }
}

impl About for GetRecords {
    fn stream(&self) -> Option<Cow<'_, str>> {
        let iterator = ShardIterator::parse(self.shard_iterator.as_deref()?)?;
        Some(iterator.stream.into())
    }
}
