//! The adapter to Kinesis Data Streams.
//!
//! The SDK's own retries are off: PutRecords fails in parts, which the SDK cannot see, so one loop (`retry`) does all
//! the sending again, for parts and for whole requests, and keeps to one deadline.

mod describe;

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_kinesis::{
    Client,
    config::{retry::RetryConfig, timeout::TimeoutConfig},
    error::{DisplayErrorContext, ProvideErrorMetadata, SdkError},
    primitives::Blob,
    types::{PutRecordsRequestEntry, PutRecordsResultEntry},
};
use pinlake_dataset::DatasetName;
use tokio::time::Instant;

use super::{
    Backoff, Failure, Publisher, Receipt, Record,
    chunk::ChunkLimits,
    retry::{Answer, Wire, deliver},
};

pub use describe::{Description, HashKeyRange, SequenceNumberRange, Shard};

/// One try of a request. A connection that hangs is given up while there is time for another.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);

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
            .retry_config(RetryConfig::disabled())
            .timeout_config(
                TimeoutConfig::builder()
                    .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                    .build(),
            )
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
        deliver(&stream, &records, ChunkLimits::default(), self.backoff, deadline).await
    }
}

/// One stream, as the retry loop sees it.
struct Stream<'a> {
    client: &'a Client,
    name: String,
}

#[async_trait]
impl Wire for Stream<'_> {
    async fn put(&self, records: &[&Record]) -> Result<Vec<Answer>, Failure> {
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
                let answers: Vec<Answer> = output.records().iter().map(answer).collect();
                if let Some(code) = output.records().iter().find_map(PutRecordsResultEntry::error_code) {
                    let failed_records = answers.iter().filter(|answer| answer.is_err()).count();
                    tracing::warn!(
                        stream = self.name,
                        failed_records,
                        code,
                        "the stream took only a part of a request"
                    );
                }
                Ok(answers)
            }
            Err(error) => Err(failure(&self.name, &error)),
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

fn answer(entry: &PutRecordsResultEntry) -> Answer {
    match (entry.sequence_number(), entry.shard_id(), entry.error_code()) {
        (Some(sequence_number), Some(shard_id), None) => Ok(Receipt {
            sequence_number: sequence_number.to_owned(),
            shard_id: shard_id.to_owned(),
        }),
        (_, _, code) => Err(by_code(code.unwrap_or_default(), None)),
    }
}

/// What a failed request means for the caller; its details are logged here and go no further.
fn failure<E>(stream: &str, error: &SdkError<E>) -> Failure
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let failure = match error {
        SdkError::ConstructionFailure(_) => Failure::Refused,
        SdkError::ServiceError(service) => by_code(
            service.err().code().unwrap_or_default(),
            Some(service.raw().status().as_u16()),
        ),
        _ => Failure::Unavailable,
    };
    let code = error.code();
    let error = DisplayErrorContext(error);
    match failure {
        Failure::Refused => tracing::error!(stream, code, %error, "the stream refuses requests"),
        _ => tracing::warn!(stream, code, %error, "a request to the stream failed"),
    }
    failure
}

/// Sorts the error codes of Kinesis, which come per record in a 200 answer (`status` is none then) or for a whole
/// request. An unknown code is judged by its status: 4xx is our fault and stays so, all else may pass.
fn by_code(code: &str, status: Option<u16>) -> Failure {
    match code {
        "ProvisionedThroughputExceededException"
        | "ThrottlingException"
        | "Throttling"
        | "LimitExceededException"
        | "KMSThrottlingException"
        | "RequestLimitExceeded" => Failure::Throttled,
        "InternalFailure" | "InternalFailureException" | "ServiceUnavailable" | "RequestTimeout" => {
            Failure::Unavailable
        }
        _ => match status {
            Some(429) => Failure::Throttled,
            Some(400..=499) => Failure::Refused,
            _ => Failure::Unavailable,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted_by_what_a_caller_can_do() {
        let cases = [
            ("ProvisionedThroughputExceededException", None, Failure::Throttled),
            ("KMSThrottlingException", Some(400), Failure::Throttled),
            ("InternalFailure", None, Failure::Unavailable),
            ("InternalFailure", Some(500), Failure::Unavailable),
            ("ResourceNotFoundException", Some(400), Failure::Refused),
            ("AccessDeniedException", Some(400), Failure::Refused),
            ("ValidationException", Some(400), Failure::Refused),
            ("SomethingNew", Some(503), Failure::Unavailable),
            ("", None, Failure::Unavailable),
        ];
        for (code, status, failure) in cases {
            assert_eq!(by_code(code, status), failure, "{code} {status:?}");
        }
    }
}
