//! The adapter to Amazon Data Firehose.
//!
//! Firehose strings records together into objects and puts nothing between them, so each record goes as one line,
//! ended here (`line`). PutRecordBatch takes up to 500 records and 4 MiB, and 1,000 KiB of a record.

mod line;

use async_trait::async_trait;
use aws_sdk_firehose::{
    Client,
    primitives::Blob,
    types::{self, DeliveryStreamStatus, PutRecordBatchResponseEntry},
};
use pinlake_dataset::DatasetName;
use tokio::time::{Instant, timeout_at};

use super::{
    Backoff, Failure, Publisher, Record, Unfit,
    chunk::ChunkLimits,
    retry::{Answer, Wire, deliver},
    sdk,
};

/// An eighth below the bytes that the service takes, whatever it may count besides the data.
const CHUNK: ChunkLimits = ChunkLimits {
    records: 500,
    bytes: 7 << 19,
};

/// The most bytes of a record, the end of its line included: 1,000 KiB.
const MAX_LINE_BYTES: usize = 1_024_000;

/// Where a record went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The delivery stream's name for the record: some text that is no other record's.
    pub record_id: String,
}

/// The datasets' delivery streams, named `<prefix>-<dataset>`.
#[derive(Debug, Clone)]
pub struct Firehose {
    client: Client,
    stream_prefix: String,
    backoff: Backoff,
}

impl Firehose {
    /// Publishes through `client`, whose own retries are switched off. `stream_prefix` is
    /// [`Settings::stream_prefix`](crate::Settings::stream_prefix).
    pub fn new(client: &Client, stream_prefix: impl Into<String>) -> Self {
        let config = client
            .config()
            .to_builder()
            .retry_config(sdk::no_retries())
            .timeout_config(sdk::attempt_timeout())
            .build();
        Self {
            client: Client::from_conf(config),
            stream_prefix: stream_prefix.into(),
            backoff: Backoff::default(),
        }
    }

    /// The same, waiting otherwise between tries.
    #[must_use]
    pub fn with_backoff(self, backoff: Backoff) -> Self {
        Self { backoff, ..self }
    }

    /// The delivery stream that a dataset's records go to.
    pub fn stream_name(&self, dataset: &DatasetName) -> String {
        format!("{}-{dataset}", self.stream_prefix)
    }

    /// Asks whether a dataset's delivery stream is there and takes records.
    ///
    /// # Errors
    /// What a caller can do if not; the details are logged.
    pub async fn probe(&self, dataset: &DatasetName, deadline: Instant) -> Result<(), Failure> {
        let name = self.stream_name(dataset);
        let request = self.client.describe_delivery_stream().delivery_stream_name(&name);
        let output = timeout_at(deadline, request.send())
            .await
            .map_err(|_| Failure::TooLate)?
            .map_err(|error| sdk::failure(&name, &error))?;
        match output
            .delivery_stream_description
            .map(|stream| stream.delivery_stream_status)
        {
            Some(DeliveryStreamStatus::Active) => Ok(()),
            Some(DeliveryStreamStatus::Creating) | None => Err(Failure::Unavailable),
            Some(status) => {
                tracing::error!(
                    stream = name,
                    status = status.as_str(),
                    "the delivery stream takes no records"
                );
                Err(Failure::Refused)
            }
        }
    }
}

#[async_trait]
impl Publisher for Firehose {
    type Receipt = Receipt;

    fn admit(&self, record: Record) -> Result<Record, Unfit> {
        let data = line::one_line(record.data).map_err(Unfit::Invalid)?;
        let bytes = line::ended(&data);
        if bytes > MAX_LINE_BYTES {
            return Err(Unfit::TooLarge {
                bytes,
                limit: MAX_LINE_BYTES,
            });
        }
        Ok(Record { data, ..record })
    }

    async fn publish(
        &self,
        dataset: &DatasetName,
        records: Vec<Record>,
        deadline: Instant,
    ) -> Vec<Result<Receipt, Failure>> {
        let stream = Stream {
            client: &self.client,
            name: self.stream_name(dataset),
        };
        deliver(&stream, &records, CHUNK, self.backoff, deadline).await
    }
}

/// One delivery stream, as the retry loop sees it.
struct Stream<'a> {
    client: &'a Client,
    name: String,
}

#[async_trait]
impl Wire for Stream<'_> {
    type Receipt = Receipt;

    fn size_bytes(&self, record: &Record) -> usize {
        line::ended(&record.data)
    }

    async fn put(&self, records: &[&Record]) -> Result<Vec<Answer<Receipt>>, Failure> {
        let entries = records
            .iter()
            .map(|record| entry(record))
            .collect::<Option<Vec<_>>>()
            .ok_or(Failure::Refused)?;
        let request = self
            .client
            .put_record_batch()
            .delivery_stream_name(&self.name)
            .set_records(Some(entries));
        match request.send().await {
            Ok(output) => {
                let answers: Vec<_> = output.request_responses().iter().map(answer).collect();
                let code = output
                    .request_responses()
                    .iter()
                    .find_map(PutRecordBatchResponseEntry::error_code);
                sdk::log_partial_failure(&self.name, &answers, code);
                Ok(answers)
            }
            Err(error) => Err(sdk::failure(&self.name, &error)),
        }
    }
}

fn entry(record: &Record) -> Option<types::Record> {
    types::Record::builder()
        .data(Blob::new(line::end(&record.data)))
        .build()
        .ok()
}

fn answer(entry: &PutRecordBatchResponseEntry) -> Answer<Receipt> {
    match (entry.record_id(), entry.error_code()) {
        (Some(record_id), None) => Ok(Receipt {
            record_id: record_id.to_owned(),
        }),
        (_, code) => Err(sdk::by_code(code.unwrap_or_default(), None)),
    }
}
