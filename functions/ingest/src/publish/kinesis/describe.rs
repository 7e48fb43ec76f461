//! What a stream looks like, in the shape that Kinesis DescribeStream answers.

use aws_sdk_kinesis::types;
use pinlake_dataset::DatasetName;
use serde::Serialize;
use tokio::time::{Instant, timeout_at};
use utoipa::ToSchema;

use super::{Failure, Kinesis, sdk};

/// A stream as Kinesis describes it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct Description {
    /// The stream's own name, `<prefix>-<dataset>`.
    pub stream_name: String,
    /// Amazon's name for it.
    #[serde(rename = "StreamARN")]
    #[schema(rename = "StreamARN")]
    pub stream_arn: String,
    /// `CREATING`, `DELETING`, `ACTIVE` or `UPDATING`.
    #[schema(example = "ACTIVE")]
    pub stream_status: String,
    /// How its capacity is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_mode_details: Option<StreamModeDetails>,
    /// Its shards, open and closed.
    pub shards: Vec<Shard>,
    /// Whether there are more shards than are listed.
    pub has_more_shards: bool,
    /// How long records are kept, in hours.
    pub retention_period_hours: i32,
    /// When it was made, in seconds since 1970.
    pub stream_creation_timestamp: f64,
    /// Metrics per shard, where they are switched on.
    pub enhanced_monitoring: Vec<EnhancedMonitoring>,
    /// `NONE` or `KMS`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption_type: Option<String>,
}

/// How a stream's capacity is set.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct StreamModeDetails {
    /// `PROVISIONED` or `ON_DEMAND`.
    pub stream_mode: String,
}

/// Metrics that are kept per shard.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct EnhancedMonitoring {
    /// Their names.
    pub shard_level_metrics: Vec<String>,
}

/// One shard of a stream.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct Shard {
    /// As in `shardId-000000000003`.
    #[schema(example = "shardId-000000000000")]
    pub shard_id: String,
    /// The shard that it was split or merged from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_shard_id: Option<String>,
    /// The other shard that it was merged from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adjacent_parent_shard_id: Option<String>,
    /// The hash keys that it takes.
    pub hash_key_range: HashKeyRange,
    /// The sequence numbers that it holds.
    pub sequence_number_range: SequenceNumberRange,
}

/// Hash keys, decimal and inclusive.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct HashKeyRange {
    /// The lowest.
    pub starting_hash_key: String,
    /// The highest.
    pub ending_hash_key: String,
}

/// Sequence numbers, decimal.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct SequenceNumberRange {
    /// The first.
    pub starting_sequence_number: String,
    /// The last; a shard that still takes records has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ending_sequence_number: Option<String>,
}

impl Kinesis {
    /// Describes a dataset's stream.
    ///
    /// # Errors
    /// What a caller can do about it; the details are logged.
    pub async fn describe(&self, dataset: &DatasetName, deadline: Instant) -> Result<Description, Failure> {
        let name = self.stream_name(dataset);
        // The most that Kinesis lists at once.
        let request = self.client.describe_stream().stream_name(&name).limit(10_000);
        let output = timeout_at(deadline, request.send())
            .await
            .map_err(|_| Failure::TooLate)?
            .map_err(|error| sdk::failure(&name, &error))?;
        output
            .stream_description
            .map(Description::from)
            .ok_or(Failure::Unavailable)
    }
}

impl From<types::StreamDescription> for Description {
    fn from(stream: types::StreamDescription) -> Self {
        Self {
            stream_name: stream.stream_name,
            stream_arn: stream.stream_arn,
            stream_status: stream.stream_status.as_str().to_owned(),
            stream_mode_details: stream.stream_mode_details.map(|details| StreamModeDetails {
                stream_mode: details.stream_mode.as_str().to_owned(),
            }),
            shards: stream.shards.into_iter().map(Shard::from).collect(),
            has_more_shards: stream.has_more_shards,
            retention_period_hours: stream.retention_period_hours,
            stream_creation_timestamp: stream.stream_creation_timestamp.as_secs_f64(),
            enhanced_monitoring: stream
                .enhanced_monitoring
                .into_iter()
                .map(|metrics| EnhancedMonitoring {
                    shard_level_metrics: metrics
                        .shard_level_metrics
                        .unwrap_or_default()
                        .iter()
                        .map(|metric| metric.as_str().to_owned())
                        .collect(),
                })
                .collect(),
            encryption_type: stream.encryption_type.map(|kind| kind.as_str().to_owned()),
        }
    }
}

impl From<types::Shard> for Shard {
    fn from(shard: types::Shard) -> Self {
        Self {
            shard_id: shard.shard_id,
            parent_shard_id: shard.parent_shard_id,
            adjacent_parent_shard_id: shard.adjacent_parent_shard_id,
            hash_key_range: shard
                .hash_key_range
                .map(|range| HashKeyRange {
                    starting_hash_key: range.starting_hash_key,
                    ending_hash_key: range.ending_hash_key,
                })
                .unwrap_or_default(),
            sequence_number_range: shard
                .sequence_number_range
                .map(|range| SequenceNumberRange {
                    starting_sequence_number: range.starting_sequence_number,
                    ending_sequence_number: range.ending_sequence_number,
                })
                .unwrap_or_default(),
        }
    }
}
