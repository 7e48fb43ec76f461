//! The operations: records in, and what streams there are.

use std::sync::Arc;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{
    Firehose,
    settings::check_name,
    store::StoreError,
    stream::Stream,
    wire::{
        DescribeDeliveryStream, Entry, ListDeliveryStreams, PutRecord, PutRecordBatch, PutRecordBatchOutput, PutResult,
    },
};
use crate::{
    protocol::{self, About, ApiError, Request, Service, seconds, to_value},
    signature::Signatures,
};

/// The most records of a PutRecordBatch request.
const MOST_RECORDS: usize = 500;
/// The most bytes of a PutRecordBatch request, before base64: 4 MiB.
const MOST_REQUEST_BYTES: usize = 4 * 1024 * 1024;
/// The most bytes of a record, before base64: 1,000 KiB.
const MOST_RECORD_BYTES: usize = 1_024_000;

/// What Firehose says when a stream's throughput is exceeded: of a request, and of a record.
const THROTTLED: &str = "ServiceUnavailableException";
const SLOW_DOWN: &str = "Slow down.";

impl Service for Firehose {
    const TARGET: &'static str = "Firehose_20150804.";
    const MOST_BODY_BYTES: usize = 8 * 1024 * 1024;

    fn signatures(&self) -> Option<Signatures> {
        Signatures::of(&self.options.credentials, "firehose", &self.options.region)
    }

    async fn call(&self, request: Request<'_>) -> Result<Value, ApiError> {
        match request.operation {
            "PutRecord" => self.put_record(self.read(request)?).await,
            "PutRecordBatch" => self.put_record_batch(self.read(request)?).await,
            "DescribeDeliveryStream" => self.describe_delivery_stream(self.read(request)?),
            "ListDeliveryStreams" => self.list_delivery_streams(self.read(request)?),
            _ => Err(ApiError::unknown_operation()),
        }
    }
}

impl Firehose {
    fn read<T: DeserializeOwned + About>(&self, request: Request<'_>) -> Result<T, ApiError> {
        request.read(&self.options.calls, "firehose", |stream| self.stream_arn(stream))
    }

    async fn put_record(&self, request: PutRecord) -> Result<Value, ApiError> {
        let record = request.record.ok_or_else(|| ApiError::missing("record"))?;
        let data = check_record(record, "record.")?;
        let stream = self.find(request.delivery_stream_name)?;
        if !self.throttle.admits_request(stream.id) || self.is_refused(&stream, &data) {
            return Err(slow_down());
        }
        self.append(stream, vec![data]).await?;
        Ok(json!({ "RecordId": record_id(), "Encrypted": false }))
    }

    async fn put_record_batch(&self, request: PutRecordBatch) -> Result<Value, ApiError> {
        let entries = protocol::entries(request.records, "records", MOST_RECORDS)?;
        let records = (1..)
            .zip(entries)
            .map(|(number, entry)| check_record(entry, &format!("records.{number}.member.")))
            .collect::<Result<Vec<_>, _>>()?;
        if records.iter().map(Bytes::len).sum::<usize>() > MOST_REQUEST_BYTES {
            return Err(ApiError::invalid_argument("Records size exceeds 4 MB limit"));
        }
        let stream = self.find(request.delivery_stream_name)?;
        if !self.throttle.admits_request(stream.id) {
            return Err(slow_down());
        }
        let (mut accepted, mut request_responses) = (Vec::with_capacity(records.len()), Vec::new());
        for data in records {
            request_responses.push(if self.is_refused(&stream, &data) {
                PutResult::Refused {
                    error_code: THROTTLED,
                    error_message: SLOW_DOWN,
                }
            } else {
                accepted.push(data);
                PutResult::Stored { record_id: record_id() }
            });
        }
        let failed_put_count = request_responses.len() - accepted.len();
        if !accepted.is_empty() {
            self.append(stream, accepted).await?;
        }
        to_value(PutRecordBatchOutput {
            failed_put_count,
            encrypted: false,
            request_responses,
        })
    }

    fn describe_delivery_stream(&self, request: DescribeDeliveryStream) -> Result<Value, ApiError> {
        let stream = self.find(request.delivery_stream_name)?;
        let configuration = stream.configuration();
        let settings = &configuration.settings;
        let destination = json!({
            "RoleARN": format!("arn:aws:iam::{}:role/{}", self.options.account, stream.name),
            "BucketARN": format!("arn:aws:s3:::{}", settings.bucket),
            "Prefix": settings.prefix,
            "ErrorOutputPrefix": settings.error_prefix,
            "BufferingHints": {
                "SizeInMBs": settings.buffer_mib,
                "IntervalInSeconds": settings.buffer_interval.as_secs(),
            },
            "CompressionFormat": settings.compression.format(),
            "EncryptionConfiguration": { "NoEncryptionConfig": "NoEncryption" },
            "CloudWatchLoggingOptions": { "Enabled": false },
        });
        Ok(json!({ "DeliveryStreamDescription": {
            "DeliveryStreamName": stream.name,
            "DeliveryStreamARN": self.stream_arn(&stream.name),
            "DeliveryStreamStatus": "ACTIVE",
            "DeliveryStreamType": DIRECT_PUT,
            "VersionId": configuration.version.to_string(),
            "CreateTimestamp": seconds(stream.made_ms),
            "LastUpdateTimestamp": seconds(configuration.changed_ms),
            "Destinations": [{
                "DestinationId": "destinationId-000000000001",
                "S3DestinationDescription": destination,
                "ExtendedS3DestinationDescription": destination,
            }],
            "HasMoreDestinations": false,
        } }))
    }

    fn list_delivery_streams(&self, request: ListDeliveryStreams) -> Result<Value, ApiError> {
        let limit = protocol::count(request.limit, "limit", 10, 10_000)?;
        let after = request.exclusive_start_delivery_stream_name.unwrap_or_default();
        let is_other = request.delivery_stream_type.is_some_and(|kind| kind != DIRECT_PUT);
        let mut names: Vec<_> = self.store.streams().iter().map(|stream| stream.name.clone()).collect();
        names.retain(|name| *name > after && !is_other);
        let has_more = names.len() > limit;
        names.truncate(limit);
        Ok(json!({ "DeliveryStreamNames": names, "HasMoreDeliveryStreams": has_more }))
    }

    fn find(&self, name: Option<String>) -> Result<Arc<Stream>, ApiError> {
        let name = check_name(name.ok_or_else(|| ApiError::missing("deliveryStreamName"))?)?;
        self.store.stream(&name).ok_or_else(|| {
            let message = format!("Firehose {name} not found under account {}.", self.options.account);
            ApiError::client("ResourceNotFoundException", message)
        })
    }

    /// Whether the stream takes no such record at the moment.
    fn is_refused(&self, stream: &Stream, data: &Bytes) -> bool {
        self.lots.refuses() || !self.throttle.admits_record(stream.id, data.len())
    }

    async fn append(&self, stream: Arc<Stream>, records: Vec<Bytes>) -> Result<(), ApiError> {
        let stored = self.store.append(stream, records, self.now().timestamp_millis()).await;
        stored.map_err(|error: StoreError| {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the store of delivery streams failed"
            );
            ApiError::internal("the store of delivery streams failed")
        })
    }
}

const DIRECT_PUT: &str = "DirectPut";

/// Checks a record; `field` is where it stands in the request, for messages.
fn check_record(entry: Entry, field: &str) -> Result<Bytes, ApiError> {
    let field = format!("{field}data");
    let data = entry.data.ok_or_else(|| ApiError::missing(&field))?.0;
    if data.len() > MOST_RECORD_BYTES {
        let constraint = format!("have length less than or equal to {MOST_RECORD_BYTES}");
        return Err(ApiError::constraint_unshown(&field, &constraint));
    }
    Ok(data)
}

fn slow_down() -> ApiError {
    ApiError {
        status: 500,
        kind: THROTTLED,
        message: SLOW_DOWN.into(),
    }
}

/// Some text that is no other record's; on AWS it is a longer one.
fn record_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}
