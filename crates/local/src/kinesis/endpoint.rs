//! Which operations there are.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Kinesis;
use crate::{
    protocol::{About, ApiError, Request, Service},
    signature::Signatures,
};

impl Service for Kinesis {
    const TARGET: &'static str = "Kinesis_20131202.";
    /// 10 MiB of data as base64, and the JSON around it.
    const MOST_BODY_BYTES: usize = 20 * 1024 * 1024;

    fn signatures(&self) -> Option<Signatures> {
        Signatures::of(&self.options.credentials, "kinesis", &self.options.region)
    }

    async fn call(&self, request: Request<'_>) -> Result<Value, ApiError> {
        match request.operation {
            "CreateStream" => self.create_stream(self.read(request)?).await,
            "DeleteStream" => self.delete_stream(self.read(request)?).await,
            "DescribeStream" => self.describe_stream(self.read(request)?),
            "DescribeStreamSummary" => self.describe_stream_summary(self.read(request)?),
            "ListStreams" => self.list_streams(self.read(request)?),
            "ListShards" => self.list_shards(self.read(request)?),
            "SplitShard" => self.answer_split_shard(self.read(request)?).await,
            "MergeShards" => self.answer_merge_shards(self.read(request)?).await,
            "UpdateShardCount" => self.answer_update_shard_count(self.read(request)?).await,
            "PutRecord" => self.put_record(self.read(request)?).await,
            "PutRecords" => self.put_records(self.read(request)?).await,
            "GetShardIterator" => self.get_shard_iterator(self.read(request)?).await,
            "GetRecords" => self.get_records(self.read(request)?).await,
            _ => Err(ApiError::unknown_operation()),
        }
    }
}

impl Kinesis {
    fn read<T: DeserializeOwned + About>(&self, request: Request<'_>) -> Result<T, ApiError> {
        request.read(&self.options.calls, "kinesis", |stream| self.stream_arn(stream))
    }
}
