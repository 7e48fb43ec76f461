//! What a commit says: the JSON lines of one version.

use bytes::Bytes;
use chrono::{DateTime, NaiveDate, Utc};
use deltalake_core::kernel::Metadata;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    protocol,
    schema::{INGEST_DATE, INGEST_PATH, PARTITION_COLUMNS},
    watermarks::Txn,
};

/// The value of `ingest_path` for rows of the stream.
pub const STREAM: &str = "stream";

/// A Parquet file that a commit adds.
#[derive(Debug, Clone)]
pub(crate) struct DataFile {
    /// Relative to the table.
    pub(crate) path: String,
    pub(crate) size_bytes: u64,
    /// The partition: days since 1970.
    pub(crate) day: i32,
    pub(crate) statistics: String,
}

impl DataFile {
    /// A new name below the partition of `day`. Nothing in it needs escaping in a URL.
    pub(crate) fn new_path(day: i32) -> String {
        format!(
            "{INGEST_DATE}={}/{INGEST_PATH}={STREAM}/part-{}.zstd.parquet",
            date(day),
            Uuid::new_v4()
        )
    }
}

/// A day as partition values have it.
fn date(day: i32) -> String {
    NaiveDate::from_epoch_days(day).unwrap_or(NaiveDate::MAX).to_string()
}

/// Version 0: protocol and metadata, no rows.
pub(crate) fn creation(metadata: &Metadata, id: &str, now: DateTime<Utc>) -> Result<Bytes, serde_json::Error> {
    let (reader, writer) = protocol::CREATED;
    lines([
        info("CREATE TABLE", json!({"mode": "ErrorIfExists"}), id, now),
        json!({"protocol": {"minReaderVersion": reader, "minWriterVersion": writer}}),
        json!({"metaData": metadata}),
    ])
}

/// A version that adds rows, moves the watermark, and adds columns if there is new metadata.
pub(crate) fn append(
    files: &[DataFile],
    txns: impl IntoIterator<Item = Txn>,
    new_metadata: Option<&Metadata>,
    id: &str,
    now: DateTime<Utc>,
) -> Result<Bytes, serde_json::Error> {
    let partitions = json!(PARTITION_COLUMNS).to_string();
    let head = info("WRITE", json!({"mode": "Append", "partitionBy": partitions}), id, now);
    let metadata = new_metadata.map(|metadata| json!({"metaData": metadata}));
    let moved_at = now.timestamp_millis();
    let txns = txns
        .into_iter()
        .map(|txn| json!({"txn": {"appId": txn.app_id, "version": txn.version, "lastUpdated": moved_at}}));
    let added = files.iter().map(|file| {
        json!({"add": {
            "path": file.path,
            "partitionValues": {INGEST_DATE: date(file.day), INGEST_PATH: STREAM},
            "size": file.size_bytes,
            "modificationTime": moved_at,
            "dataChange": true,
            "stats": file.statistics,
        }})
    });
    lines([head].into_iter().chain(metadata).chain(txns).chain(added))
}

/// `txnId` is how a writer that lost the answer to its put recognises its own commit.
fn info(operation: &str, parameters: Value, id: &str, now: DateTime<Utc>) -> Value {
    json!({"commitInfo": {
        "timestamp": now.timestamp_millis(),
        "operation": operation,
        "operationParameters": parameters,
        "isBlindAppend": operation == "WRITE",
        "engineInfo": concat!("pinlake/", env!("CARGO_PKG_VERSION")),
        "txnId": id,
    }})
}

fn lines(actions: impl IntoIterator<Item = Value>) -> Result<Bytes, serde_json::Error> {
    let mut body = Vec::new();
    for action in actions {
        serde_json::to_writer(&mut body, &action)?;
        body.push(b'\n');
    }
    Ok(body.into())
}
