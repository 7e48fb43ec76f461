//! Where records go that a mapping gives up on: Lambda's invocation records, as it files them in S3.

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use super::event::Source;
use crate::kinesis::Record;

/// Why a mapping gave up on records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum Condition {
    RetryAttemptsExhausted,
    RecordAgeExceeded,
}

/// What a mapping gives up on, and after what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Discarded<'a> {
    pub(super) records: &'a [Record],
    pub(super) condition: Condition,
    /// How often the function was invoked with them.
    pub(super) invocations: u32,
    /// Whether the last of these invocations failed as a whole.
    pub(super) is_function_error: bool,
}

/// The key under which Lambda files an invocation record:
/// `aws/lambda/<mapping id>/<shard id>/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-<UUID>`.
pub(super) fn key(mapping_id: &str, shard_id: &str, now: DateTime<Utc>) -> String {
    let (day, second) = (now.format("%Y/%m/%d"), now.format("%Y-%m-%dT%H.%M.%S"));
    format!(
        "aws/lambda/{mapping_id}/{shard_id}/{day}/{second}-{}",
        uuid::Uuid::new_v4()
    )
}

impl Discarded<'_> {
    /// The invocation record. Its payload is the whole event, as text: that is what Lambda sends to S3.
    pub(super) fn invocation_record(
        &self,
        source: &Source,
        function_arn: &str,
        now: DateTime<Utc>,
    ) -> Result<Bytes, serde_json::Error> {
        let event = source.event(self.records)?;
        let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Millis, true);
        let arrival = |record: Option<&Record>| {
            let ms = record.map_or(0, |record| record.arrived_ms);
            time(DateTime::from_timestamp_millis(ms).unwrap_or_default())
        };
        let number = |record: Option<&Record>| record.map(|record| record.sequence_number.to_string());
        let record = InvocationRecord {
            request_context: RequestContext {
                request_id: uuid::Uuid::new_v4().to_string(),
                function_arn,
                condition: self.condition,
                approximate_invoke_count: self.invocations,
            },
            response_context: (self.invocations > 0).then(|| ResponseContext {
                status_code: 200,
                executed_version: "$LATEST",
                function_error: self.is_function_error.then_some("Unhandled"),
            }),
            version: "1.0",
            timestamp: time(now),
            kinesis_batch_info: KinesisBatchInfo {
                shard_id: &source.shard_id,
                start_sequence_number: number(self.records.first()),
                end_sequence_number: number(self.records.last()),
                approximate_arrival_of_first_record: arrival(self.records.first()),
                approximate_arrival_of_last_record: arrival(self.records.last()),
                batch_size: self.records.len(),
                stream_arn: &source.stream_arn,
            },
            payload: &String::from_utf8_lossy(&event),
        };
        serde_json::to_vec(&record).map(Bytes::from)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InvocationRecord<'a> {
    request_context: RequestContext<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_context: Option<ResponseContext>,
    version: &'static str,
    timestamp: String,
    #[serde(rename = "KinesisBatchInfo")]
    kinesis_batch_info: KinesisBatchInfo<'a>,
    payload: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    request_id: String,
    function_arn: &'a str,
    condition: Condition,
    approximate_invoke_count: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResponseContext {
    status_code: u16,
    executed_version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_error: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KinesisBatchInfo<'a> {
    shard_id: &'a str,
    start_sequence_number: Option<String>,
    end_sequence_number: Option<String>,
    approximate_arrival_of_first_record: String,
    approximate_arrival_of_last_record: String,
    batch_size: usize,
    stream_arn: &'a str,
}
