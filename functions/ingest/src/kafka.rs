//! The wire format of Kafka REST Proxy v2: what a produce request holds and how it is answered.
//!
//! Error codes are that API's: the HTTP status, or the status × 100 + a subcode. Of a record: 42201 too large, 42203
//! does not fit its dataset's definition (where the proxy's schema would not take it), 50002 refused for good, 50003
//! try again.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{intake::Fate, publish::Failure, refusal::Refusal};

/// What this API answers with.
pub(crate) const MEDIA_TYPE: &str = "application/vnd.kafka.v2+json";

const TOPIC_NOT_FOUND: i32 = 40401;
const TIMEOUT: i32 = 40801;
const RECORD_TOO_LARGE: i32 = 42201;
const RECORD_INVALID: i32 = 42203;
const KAFKA_ERROR: i32 = 50002;
const RETRIABLE_KAFKA_ERROR: i32 = 50003;

/// How the values of a produce request are embedded in its JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Values are JSON.
    Json,
    /// Values are base64 text.
    Binary,
}

impl Format {
    /// By the request's media type; no media type means JSON.
    pub(crate) fn of(media_type: &str) -> Result<Self, Refusal> {
        match media_type {
            "" | "application/json" | "application/vnd.kafka.json.v2+json" | MEDIA_TYPE => Ok(Self::Json),
            "application/vnd.kafka.binary.v2+json" => Ok(Self::Binary),
            _ => Err(Refusal::MediaType(
                "the content type must be application/vnd.kafka.json.v2+json or application/vnd.kafka.binary.v2+json"
                    .into(),
            )),
        }
    }
}

/// A failed request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = KafkaError)]
pub(crate) struct Error {
    /// The HTTP status, or the status × 100 + a subcode.
    #[schema(example = 40401)]
    pub(crate) error_code: i32,
    /// What is wrong, for a person.
    pub(crate) message: String,
}

/// A produce request.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "the shape for the OpenAPI document; bodies are read field by field, see `json`"
)]
pub(crate) struct ProduceRequest {
    /// 1 to 10,000 records.
    #[schema(min_items = 1)]
    records: Vec<ProduceRecord>,
    /// Ignored.
    key_schema_id: Option<i32>,
    /// Ignored.
    value_schema_id: Option<i32>,
}

/// One record to produce.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "the shape for the OpenAPI document; bodies are read field by field, see `json`"
)]
pub(crate) struct ProduceRecord {
    /// Becomes the partition key: JSON text as it is, other JSON in its compact form, base64 decoded. The row's own key
    /// if there is none.
    key: Option<serde_json::Value>,
    /// The row: a JSON object, or base64 text in the binary format.
    #[schema(example = json!({"index": 7528, "category": "travel"}))]
    value: serde_json::Value,
    /// Taken and ignored: the key decides.
    partition: Option<i32>,
}

/// The answer to a produce request: an entry per record, in order.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProduceAnswer {
    /// Only if no record was stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error_code: Option<i32>,
    /// Only if no record was stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
    /// An entry per record, in order.
    pub(crate) offsets: Vec<Offset>,
    /// Always null: there are no schema ids here.
    pub(crate) key_schema_id: Option<i32>,
    /// Always null: there are no schema ids here.
    pub(crate) value_schema_id: Option<i32>,
}

/// What became of one record.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Offset {
    /// The number of the shard that holds the record.
    pub(crate) partition: Option<i32>,
    /// The last 18 digits of the record's sequence number: they tell records apart, but do not order them.
    pub(crate) offset: Option<i64>,
    /// 42201 too large, 42203 not as its definition says, 50002 refused, 50003 try again.
    pub(crate) error_code: Option<i32>,
    /// What is wrong, for a person.
    pub(crate) error: Option<String>,
}

/// A topic.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Topic {
    /// As it was asked for.
    pub(crate) name: String,
    /// Always empty.
    pub(crate) configs: serde_json::Map<String, serde_json::Value>,
    /// One per open shard.
    pub(crate) partitions: Vec<Partition>,
}

/// A partition of a topic.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Partition {
    /// Its number.
    pub(crate) partition: usize,
    /// Always 0: brokers are not ours to tell.
    pub(crate) leader: i32,
    /// Always one.
    pub(crate) replicas: Vec<Replica>,
}

/// Where a partition is kept.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Replica {
    /// Always 0.
    pub(crate) broker: i32,
    /// Always true.
    pub(crate) leader: bool,
    /// Always true.
    pub(crate) in_sync: bool,
}

impl Topic {
    pub(crate) fn new(name: String, partitions: usize) -> Self {
        let partition = |partition| Partition {
            partition,
            leader: 0,
            replicas: vec![Replica {
                broker: 0,
                leader: true,
                in_sync: true,
            }],
        };
        Self {
            name,
            configs: serde_json::Map::new(),
            partitions: (0..partitions).map(partition).collect(),
        }
    }
}

impl ProduceAnswer {
    /// `refusal` is the verdict on the whole request.
    pub(crate) fn new(fates: &[Fate], refusal: Option<&Refusal>) -> Self {
        let error = refusal.map(Error::from);
        Self {
            error_code: error.as_ref().map(|error| error.error_code),
            message: error.map(|error| error.message),
            offsets: fates.iter().map(Offset::from).collect(),
            key_schema_id: None,
            value_schema_id: None,
        }
    }
}

impl From<&Fate> for Offset {
    fn from(fate: &Fate) -> Self {
        let error_code = match fate {
            Fate::Stored(receipt) => {
                return Self {
                    partition: Some(shard_number(&receipt.shard_id)),
                    offset: Some(offset(&receipt.sequence_number)),
                    error_code: None,
                    error: None,
                };
            }
            Fate::TooLarge { .. } => RECORD_TOO_LARGE,
            Fate::Invalid(_) => RECORD_INVALID,
            Fate::Failed(Failure::Refused) => KAFKA_ERROR,
            Fate::Failed(_) => RETRIABLE_KAFKA_ERROR,
        };
        Self {
            partition: None,
            offset: None,
            error_code: Some(error_code),
            error: fate.complaint(),
        }
    }
}

impl From<&Refusal> for Error {
    fn from(refusal: &Refusal) -> Self {
        let error_code = match refusal {
            Refusal::UnknownStream(_) | Refusal::UnknownTopic(_) => TOPIC_NOT_FOUND,
            Refusal::Slow => TIMEOUT,
            Refusal::Invalid(_) | Refusal::NoneValid { .. } => RECORD_INVALID,
            Refusal::Failed(Failure::Refused) => KAFKA_ERROR,
            Refusal::Failed(Failure::Unavailable | Failure::TooLate) => RETRIABLE_KAFKA_ERROR,
            other => i32::from(other.status().as_u16()),
        };
        Self {
            error_code,
            message: refusal.to_string(),
        }
    }
}

/// `shardId-000000000003` is 3.
fn shard_number(shard_id: &str) -> i32 {
    shard_id
        .rsplit('-')
        .next()
        .and_then(|digits| digits.parse().ok())
        .unwrap_or_default()
}

/// Kafka clients read an i64, and a sequence number does not fit one.
fn offset(sequence_number: &str) -> i64 {
    let start = sequence_number.len().saturating_sub(18);
    sequence_number
        .get(start..)
        .and_then(|digits| digits.parse().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_the_low_digits() {
        assert_eq!(
            offset("49590338271490256608559692538361571095921575989136588898"),
            921_575_989_136_588_898
        );
        assert_eq!(offset("12"), 12);
        assert_eq!(offset("no number at all, and long"), 0);
        assert_eq!(shard_number("shardId-000000000012"), 12);
        assert_eq!(shard_number("?"), 0);
    }
}
