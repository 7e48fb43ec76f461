//! What a commit says: the JSON lines of one version.

use bytes::Bytes;
use chrono::{DateTime, NaiveDate, Utc};
use deltalake_core::kernel::{Action, Metadata, Remove};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    protocol,
    schema::{INGEST_DATE, INGEST_PATH, PARTITION_COLUMNS},
    watermarks::Txn,
};

/// The value of `ingest_path` for rows of the stream.
pub const STREAM: &str = "stream";
/// The value of `ingest_path` for rows of raw objects.
pub const BATCH: &str = "batch";

/// A Parquet file that a commit adds.
#[derive(Debug, Clone)]
pub(crate) struct DataFile {
    /// Relative to the table.
    pub(crate) path: String,
    pub(crate) size_bytes: u64,
    /// The partition: days since 1970.
    pub(crate) day: i32,
    /// The partition: [`STREAM`] or [`BATCH`].
    pub(crate) ingest_path: &'static str,
    pub(crate) statistics: String,
}

impl DataFile {
    /// A new name below the partition. Nothing in it needs escaping in a URL.
    pub(crate) fn new_path(day: i32, ingest_path: &str) -> String {
        format!(
            "{INGEST_DATE}={}/{INGEST_PATH}={ingest_path}/part-{}.zstd.parquet",
            date(day),
            Uuid::new_v4()
        )
    }
}

/// A day as partition values have it.
pub(crate) fn date(day: i32) -> String {
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
    let actions = metadata_and_txns(txns, new_metadata, now).chain(added(files, now));
    lines([head].into_iter().chain(actions))
}

/// A version that puts `files` in the place of `removed`, and adds columns if there is new metadata.
pub(crate) fn replacement(
    predicate: &str,
    removed: Vec<Remove>,
    files: &[DataFile],
    txns: impl IntoIterator<Item = Txn>,
    new_metadata: Option<&Metadata>,
    id: &str,
    now: DateTime<Utc>,
) -> Result<Bytes, serde_json::Error> {
    let partitions = json!(PARTITION_COLUMNS).to_string();
    let parameters = json!({"mode": "Overwrite", "partitionBy": partitions, "predicate": predicate});
    let head = info("WRITE", parameters, id, now);
    let removed = removed.into_iter().map(|remove| {
        let remove = Remove {
            deletion_timestamp: Some(now.timestamp_millis()),
            data_change: true,
            ..remove
        };
        serde_json::to_value(Action::Remove(remove))
    });
    let removed = removed.collect::<Result<Vec<_>, _>>()?;
    let actions = metadata_and_txns(txns, new_metadata, now)
        .chain(removed)
        .chain(added(files, now));
    lines([head].into_iter().chain(actions))
}

fn metadata_and_txns(
    txns: impl IntoIterator<Item = Txn>,
    new_metadata: Option<&Metadata>,
    now: DateTime<Utc>,
) -> impl Iterator<Item = Value> {
    let metadata = new_metadata.map(|metadata| json!({"metaData": metadata}));
    let moved_at = now.timestamp_millis();
    let txns = txns
        .into_iter()
        .map(move |txn| json!({"txn": {"appId": txn.app_id, "version": txn.version, "lastUpdated": moved_at}}));
    metadata.into_iter().chain(txns)
}

fn added(files: &[DataFile], now: DateTime<Utc>) -> impl Iterator<Item = Value> {
    files.iter().map(move |file| {
        json!({"add": {
            "path": file.path,
            "partitionValues": {INGEST_DATE: date(file.day), INGEST_PATH: file.ingest_path},
            "size": file.size_bytes,
            "modificationTime": now.timestamp_millis(),
            "dataChange": true,
            "stats": file.statistics,
        }})
    })
}

/// `txnId` is how a writer that lost the answer to its put recognises its own commit.
pub(crate) fn info(operation: &str, parameters: Value, id: &str, now: DateTime<Utc>) -> Value {
    let is_blind_append = parameters["mode"] == "Append";
    json!({"commitInfo": {
        "timestamp": now.timestamp_millis(),
        "operation": operation,
        "operationParameters": parameters,
        "isBlindAppend": is_blind_append,
        "engineInfo": concat!("pinlake/", env!("CARGO_PKG_VERSION")),
        "txnId": id,
    }})
}

pub(crate) fn lines(actions: impl IntoIterator<Item = Value>) -> Result<Bytes, serde_json::Error> {
    let mut body = Vec::new();
    for action in actions {
        serde_json::to_writer(&mut body, &action)?;
        body.push(b'\n');
    }
    Ok(body.into())
}

#[cfg(test)]
mod tests {
    use deltalake_core::kernel::{DataType, StructField, StructType, new_metadata};

    use super::*;
    use crate::{sequence::SequenceNumber, source::Source, watermarks::Watermarks};

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_700_000_000_123).unwrap()
    }

    fn metadata() -> Metadata {
        let schema = StructType::try_new([StructField::nullable("ind", DataType::INTEGER)]).unwrap();
        let no_settings: [(&str, &str); 0] = [];
        new_metadata(&schema, ["ingest_date"], no_settings).unwrap()
    }

    fn actions(body: &[u8]) -> Vec<Action> {
        let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
    }

    #[test]
    fn deltalake_reads_a_creation() {
        let metadata = metadata();
        let body = creation(&metadata, "the-id", now()).unwrap();
        let [
            Action::CommitInfo(info),
            Action::Protocol(protocol),
            Action::Metadata(read),
        ] = &actions(&body)[..]
        else {
            panic!("{}", String::from_utf8_lossy(&body));
        };
        assert_eq!(info.info["txnId"], "the-id");
        assert_eq!(
            (protocol.min_reader_version(), protocol.min_writer_version()),
            protocol::CREATED
        );
        assert_eq!(read, &metadata);
    }

    #[test]
    fn deltalake_reads_an_append() {
        let file = DataFile {
            path: DataFile::new_path(19_675, STREAM),
            size_bytes: 7,
            day: 19_675,
            ingest_path: STREAM,
            statistics: "{\"numRecords\":1}".to_owned(),
        };
        let number: SequenceNumber = "1000000000000000002".parse().unwrap();
        let source = Source::kinesis("s", "0");
        let txns = Watermarks::txns(&source, &number);
        let body = append(&[file], txns, Some(&metadata()), "the-id", now()).unwrap();
        let [
            Action::CommitInfo(info),
            Action::Metadata(_),
            Action::Txn(low),
            Action::Txn(high),
            Action::Add(add),
        ] = &actions(&body)[..]
        else {
            panic!("{}", String::from_utf8_lossy(&body));
        };
        assert_eq!(
            (info.timestamp, info.is_blind_append),
            (Some(1_700_000_000_123), Some(true))
        );
        assert_eq!((low.app_id.as_str(), low.version), ("pinlake/kinesis/s/0/0", 2));
        assert_eq!((high.app_id.as_str(), high.version), ("pinlake/kinesis/s/0/1", 1));
        assert!(
            add.path.starts_with("ingest_date=2023-11-14/ingest_path=stream/part-"),
            "{}",
            add.path
        );
        assert_eq!(add.partition_values["ingest_date"].as_deref(), Some("2023-11-14"));
        assert_eq!(add.partition_values["ingest_path"].as_deref(), Some("stream"));
        assert_eq!(
            (add.size, add.data_change, add.stats.as_deref()),
            (7, true, Some("{\"numRecords\":1}"))
        );
    }
}
