//! The Kinesis endpoint, through the SDK.

mod limits;
mod records;
mod resharding;
mod streams;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use aws_sdk_kinesis::{
    Client,
    error::ProvideErrorMetadata,
    primitives::{Blob, DateTime},
    types::{PutRecordsRequestEntry, Record, ShardIteratorType},
};
use pinlake_local::kinesis::{Options, SequenceNumber, Throughput};

use crate::support::{Streams, entries};

const STREAM: &str = "pinlake-pin";

async fn streams(folder: &tempfile::TempDir, shards: u32) -> Streams {
    let streams = Streams::open(folder.path(), Options::default()).await;
    streams.kinesis.ensure_stream(STREAM, shards).unwrap();
    streams
}

async fn iterator(client: &Client, shard: u32, kind: ShardIteratorType) -> String {
    let iterator = client
        .get_shard_iterator()
        .stream_name(STREAM)
        .shard_id(format!("shardId-{shard:012}"));
    iterator
        .shard_iterator_type(kind)
        .send()
        .await
        .unwrap()
        .shard_iterator
        .unwrap()
}

async fn read(client: &Client, iterator: String) -> Vec<Record> {
    client
        .get_records()
        .shard_iterator(iterator)
        .send()
        .await
        .unwrap()
        .records
}

async fn read_all(client: &Client, shard: u32) -> Vec<Record> {
    read(client, iterator(client, shard, ShardIteratorType::TrimHorizon).await).await
}

fn code<E: ProvideErrorMetadata>(error: &E) -> &str {
    error.code().unwrap_or("none")
}

fn entry(key: &str, data: Vec<u8>) -> PutRecordsRequestEntry {
    PutRecordsRequestEntry::builder()
        .partition_key(key)
        .data(Blob::new(data))
        .build()
        .unwrap()
}
