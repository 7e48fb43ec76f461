//! The wire format of Kinesis PutRecord, PutRecords, ListStreams and DescribeStream, as an HTTP proxy gives them.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    intake::Fate,
    publish::{
        Failure,
        kinesis::{Description, Receipt},
    },
    refusal::Refusal,
    voice::AwsError,
};

/// One record to put.
#[derive(ToSchema)]
#[schema(rename_all = "PascalCase")]
#[expect(
    dead_code,
    reason = "the shape for the OpenAPI document; bodies are read field by field, see `json`"
)]
pub(crate) struct PutRecordRequest {
    /// Must be of the dataset that the path names, if it is given.
    #[schema(example = "streaming-0afff2eeb7e3-pin")]
    stream_name: Option<String>,
    /// The row: a JSON object, or base64 text.
    #[schema(example = json!({"index": 7528, "category": "travel"}))]
    data: serde_json::Value,
    /// 1 to 256 characters; the row's own key if there is none.
    #[schema(example = "partition-1", min_length = 1, max_length = 256)]
    partition_key: Option<String>,
    /// A decimal number below 2^128 that chooses the shard in the key's place.
    #[schema(pattern = "^(0|[1-9][0-9]{0,38})$")]
    explicit_hash_key: Option<String>,
}

/// Records to put. The names of Kinesis itself (`Records`, `Data`, `PartitionKey`) are understood too.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "the shape for the OpenAPI document; bodies are read field by field, see `json`"
)]
pub(crate) struct PutRecordsRequest {
    /// 1 to 500 records.
    #[schema(min_items = 1, max_items = 500)]
    records: Vec<PutRecordsRequestRecord>,
}

/// Records to put, one a line; at least one line is not blank.
#[derive(ToSchema)]
#[schema(
    pattern = "[^ \\t\\n\\f\\r]",
    example = "{\"ind\":1,\"age\":20}\n{\"ind\":2,\"age\":21}\n"
)]
#[expect(dead_code, reason = "the shape for the OpenAPI document; lines are read one by one")]
pub(crate) struct RecordLines(String);

/// One of many records to put.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
#[expect(
    dead_code,
    reason = "the shape for the OpenAPI document; bodies are read field by field, see `json`"
)]
pub(crate) struct PutRecordsRequestRecord {
    /// The row: a JSON object, or base64 text.
    #[schema(example = json!({"index": 7528, "category": "travel"}))]
    data: serde_json::Value,
    /// 1 to 256 characters; the row's own key if there is none.
    #[schema(min_length = 1, max_length = 256)]
    partition_key: Option<String>,
    /// A decimal number below 2^128 that chooses the shard in the key's place.
    #[schema(pattern = "^(0|[1-9][0-9]{0,38})$")]
    explicit_hash_key: Option<String>,
}

/// Where the record is stored.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PutRecordAnswer {
    /// Decimal digits, growing within a shard.
    #[schema(example = "49590338271490256608559692538361571095921575989136588898")]
    pub(crate) sequence_number: String,
    /// The shard.
    #[schema(example = "shardId-000000000000")]
    pub(crate) shard_id: String,
}

/// What became of the records: an entry per record, in order.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PutRecordsAnswer {
    /// The kind of error; only if no record was stored.
    #[serde(rename = "__type", skip_serializing_if = "Option::is_none")]
    #[schema(rename = "__type")]
    pub(crate) kind: Option<String>,
    /// What is wrong, for a person; only if no record was stored.
    #[serde(rename = "message", skip_serializing_if = "Option::is_none")]
    #[schema(rename = "message")]
    pub(crate) message: Option<String>,
    /// How many records were not stored.
    pub(crate) failed_record_count: usize,
    /// An entry per record, in order.
    pub(crate) records: Vec<PutRecordsEntry>,
}

/// What became of one record: a place, or an error.
#[derive(Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PutRecordsEntry {
    /// Decimal digits, growing within a shard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sequence_number: Option<String>,
    /// The shard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) shard_id: Option<String>,
    /// `InvalidRecord`, `RecordTooLarge` and `RecordRefused` are final; send the record again after
    /// `ProvisionedThroughputExceededException` and `InternalFailure`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error_code: Option<String>,
    /// What is wrong, for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error_message: Option<String>,
    /// The field that the dataset's definition does not take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) field: Option<String>,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// The streams that there are.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct StreamList {
    /// One per dataset.
    pub(crate) stream_names: Vec<String>,
    /// Always false.
    pub(crate) has_more_streams: bool,
}

/// A stream.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct StreamAnswer {
    /// As Kinesis describes it.
    pub(crate) stream_description: Description,
}

impl From<Receipt> for PutRecordAnswer {
    fn from(
        Receipt {
            sequence_number,
            shard_id,
        }: Receipt,
    ) -> Self {
        Self {
            sequence_number,
            shard_id,
        }
    }
}

impl PutRecordsAnswer {
    /// `lines` are the records' line numbers, where they came as lines; `refusal` is the verdict on the whole request.
    pub(crate) fn new(fates: &[Fate<Receipt>], lines: Option<&[usize]>, refusal: Option<&Refusal>) -> Self {
        let error = refusal.map(AwsError::from);
        let line = |index: usize| lines.and_then(|lines| lines.get(index)).copied();
        Self {
            kind: error.as_ref().map(|error| error.kind.clone()),
            message: error.map(|error| error.message),
            failed_record_count: fates.iter().filter(|fate| !matches!(fate, Fate::Stored(_))).count(),
            records: fates
                .iter()
                .enumerate()
                .map(|(index, fate)| PutRecordsEntry::new(fate, line(index)))
                .collect(),
        }
    }
}

impl PutRecordsEntry {
    fn new(fate: &Fate<Receipt>, line: Option<usize>) -> Self {
        let error_code = match fate {
            Fate::Stored(receipt) => {
                return Self {
                    sequence_number: Some(receipt.sequence_number.clone()),
                    shard_id: Some(receipt.shard_id.clone()),
                    ..Self::default()
                };
            }
            Fate::Invalid(_) => "InvalidRecord",
            Fate::TooLarge { .. } => "RecordTooLarge",
            Fate::Failed(Failure::Throttled) => "ProvisionedThroughputExceededException",
            Fate::Failed(Failure::Unavailable | Failure::TooLate) => "InternalFailure",
            Fate::Failed(Failure::Refused) => "RecordRefused",
        };
        let rejection = match fate {
            Fate::Invalid(rejection) => Some(rejection.clone()),
            _ => None,
        };
        let complaint = fate.complaint();
        Self {
            error_code: Some(error_code.to_owned()),
            error_message: match line {
                Some(line) => complaint.map(|complaint| format!("line {line}: {complaint}")),
                None => complaint,
            },
            field: rejection.as_ref().and_then(|rejection| rejection.field.clone()),
            reason: rejection.map(|rejection| rejection.reason),
            ..Self::default()
        }
    }
}
