//! The adapter to Kinesis Data Streams.
//!
//! PutRecords takes up to 500 records and 10 MiB, keys included.

mod describe;

use async_trait::async_trait;
use aws_sdk_kinesis::{
    Client,
    primitives::Blob,
    types::{PutRecordsRequestEntry, PutRecordsResultEntry},
};
use pinlake_dataset::DatasetName;
use tokio::time::Instant;

use super::{
    Backoff, Failure, Publisher, Record,
    chunk::ChunkLimits,
    retry::{Answer, Wire, deliver},
    sdk,
};

pub use describe::{Description, HashKeyRange, SequenceNumberRange, Shard};

/// Half of the bytes that the service takes today: it is what older emulators take, and less is sent again when a
/// request fails as a whole.
const CHUNK: ChunkLimits = ChunkLimits {
    records: 500,
    bytes: 5 << 20,
};

/// Where a record went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Decimal digits, growing within a shard; about 56 in practice, so no integer type holds it.
    pub sequence_number: String,
    /// As in `shardId-000000000003`.
    pub shard_id: String,
}

/// The datasets' streams, named `<prefix>-<dataset>`.
#[derive(Debug, Clone)]
pub struct Kinesis {
    client: Client,
    stream_prefix: String,
    backoff: Backoff,
}

impl Kinesis {
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

    /// The stream that a dataset's records go to.
    pub fn stream_name(&self, dataset: &DatasetName) -> String {
        format!("{}-{dataset}", self.stream_prefix)
    }
}

#[async_trait]
impl Publisher for Kinesis {
    type Receipt = Receipt;

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

/// One stream, as the retry loop sees it.
struct Stream<'a> {
    client: &'a Client,
    name: String,
}

#[async_trait]
impl Wire for Stream<'_> {
    type Receipt = Receipt;

    fn size_bytes(&self, record: &Record) -> usize {
        record.data.len() + record.partition_key.len()
    }

    async fn put(&self, records: &[&Record]) -> Result<Vec<Answer<Receipt>>, Failure> {
        let entries = records
            .iter()
            .map(|record| entry(record))
            .collect::<Option<Vec<_>>>()
            .ok_or(Failure::Refused)?;
        let request = self
            .client
            .put_records()
            .stream_name(&self.name)
            .set_records(Some(entries));
        match request.send().await {
            Ok(output) => {
                let answers: Vec<_> = output.records().iter().map(answer).collect();
                let code = output.records().iter().find_map(PutRecordsResultEntry::error_code);
                sdk::log_partial_failure(&self.name, &answers, code);
                Ok(answers)
            }
            Err(error) => Err(sdk::failure(&self.name, &error)),
        }
    }
}

fn entry(record: &Record) -> Option<PutRecordsRequestEntry> {
    PutRecordsRequestEntry::builder()
        .data(Blob::new(record.data.as_ref()))
        .partition_key(&record.partition_key)
        .set_explicit_hash_key(record.explicit_hash_key.clone())
        .build()
        .ok()
}

fn answer(entry: &PutRecordsResultEntry) -> Answer<Receipt> {
    match (entry.sequence_number(), entry.shard_id(), entry.error_code()) {
        (Some(sequence_number), Some(shard_id), None) => Ok(Receipt {
            sequence_number: sequence_number.to_owned(),
            shard_id: shard_id.to_owned(),
        }),
        (_, _, code) => Err(sdk::by_code(code.unwrap_or_default(), None)),
    }
}
