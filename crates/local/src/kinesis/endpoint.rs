//! Which operations there are.

use serde_json::Value;

use super::Kinesis;
use crate::protocol::{ApiError, Service, parse};

impl Service for Kinesis {
    const TARGET: &'static str = "Kinesis_20131202.";
    /// 10 MiB of data as base64, and the JSON around it.
    const MOST_BODY_BYTES: usize = 20 * 1024 * 1024;

    async fn call(&self, operation: &str, body: &[u8]) -> Result<Value, ApiError> {
        match operation {
            "CreateStream" => self.create_stream(parse(body)?).await,
            "DeleteStream" => self.delete_stream(parse(body)?).await,
            "DescribeStream" => self.describe_stream(parse(body)?),
            "DescribeStreamSummary" => self.describe_stream_summary(parse(body)?),
            "ListStreams" => self.list_streams(parse(body)?),
            "ListShards" => self.list_shards(parse(body)?),
            "PutRecord" => self.put_record(parse(body)?).await,
            "PutRecords" => self.put_records(parse(body)?).await,
            "GetShardIterator" => self.get_shard_iterator(parse(body)?).await,
            "GetRecords" => self.get_records(parse(body)?).await,
            _ => Err(ApiError::unknown_operation()),
        }
    }
}
