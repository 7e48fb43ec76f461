//! The wire format of Kafka REST Proxy v2: what a produce request holds and how it is answered.
//!
//! Error codes are that API's: the HTTP status, or the status × 100 + a subcode. Of a record: 42201 too large, 42203
//! does not fit its dataset's definition (where the proxy's schema would not take it), 50002 refused for good, 50003
//! try again.
//!
//! Behind a topic is a delivery stream, which has neither partitions nor offsets. So a topic has one partition, 0, and
//! a record's offset is a number made from the delivery stream's name for it.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    hash::fnv1a,
    intake::Fate,
    publish::{Failure, firehose::Receipt},
    refusal::Refusal,
};

/// What this API answers with.
pub(crate) const MEDIA_TYPE: &str = "application/vnd.kafka.v2+json";

const TOPIC_NOT_FOUND: i32 = 40401;
const TIMEOUT: i32 = 40801;
const RECORD_TOO_LARGE: i32 = 42201;
const RECORD_INVALID: i32 = 42203;
const KAFKA_ERROR: i32 = 50002;
const RETRIABLE_KAFKA_ERROR: i32 = 50003;

/// The one partition of a topic.
const PARTITION: i32 = 0;

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
    #[schema(min_items = 1, max_items = 10_000)]
    records: Vec<ProduceRecord>,
    /// Ignored.
    key_schema_id: Option<serde_json::Value>,
    /// Ignored.
    value_schema_id: Option<serde_json::Value>,
}

/// A produce request in the binary format.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "the shape for the OpenAPI document; bodies are read field by field, see `json`"
)]
pub(crate) struct BinaryProduceRequest {
    /// 1 to 10,000 records.
    #[schema(min_items = 1, max_items = 10_000)]
    records: Vec<BinaryProduceRecord>,
    /// Ignored.
    key_schema_id: Option<serde_json::Value>,
    /// Ignored.
    value_schema_id: Option<serde_json::Value>,
}

/// One record to produce.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "the shape for the OpenAPI document; bodies are read field by field, see `json`"
)]
pub(crate) struct ProduceRecord {
    /// Taken and not kept.
    key: Option<serde_json::Value>,
    /// The row: a JSON object. It becomes one line of a raw object, so line breaks between the tokens of its JSON become
    /// blanks. A record without one has its entry in the answer say so.
    #[schema(example = json!({"index": 7528, "category": "travel"}))]
    value: Option<serde_json::Value>,
    /// Taken and ignored: there is one.
    #[schema(minimum = 0, maximum = 2_147_483_647)]
    partition: Option<i32>,
}

/// One record to produce in the binary format.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "the shape for the OpenAPI document; bodies are read field by field, see `json`"
)]
pub(crate) struct BinaryProduceRecord {
    /// Taken and not kept: base64 text.
    #[schema(
        example = "aw==",
        pattern = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$"
    )]
    key: Option<String>,
    /// The row: the base64 text of a JSON object. A record without one, or with one that is something else, has its entry
    /// in the answer say so.
    #[schema(example = "eyJpbmRleCI6NzUyOH0=")]
    value: Option<serde_json::Value>,
    /// Taken and ignored: there is one.
    #[schema(minimum = 0, maximum = 2_147_483_647)]
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
    /// Always 0 for a record that is stored.
    pub(crate) partition: Option<i32>,
    /// A number of 63 bits made from the record's id in the delivery stream: it tells records apart, but does not order
    /// them.
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
    /// Always one: a delivery stream has no partitions.
    pub(crate) partitions: Vec<Partition>,
}

/// A partition of a topic.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Partition {
    /// Its number, 0.
    pub(crate) partition: i32,
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
    pub(crate) fn new(name: String) -> Self {
        let partition = Partition {
            partition: PARTITION,
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
            partitions: vec![partition],
        }
    }
}

impl ProduceAnswer {
    /// `refusal` is the verdict on the whole request.
    pub(crate) fn new(fates: &[Fate<Receipt>], refusal: Option<&Refusal>) -> Self {
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

impl From<&Fate<Receipt>> for Offset {
    fn from(fate: &Fate<Receipt>) -> Self {
        let error_code = match fate {
            Fate::Stored(receipt) => {
                return Self {
                    partition: Some(PARTITION),
                    offset: Some(offset(&receipt.record_id)),
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

/// Kafka clients read an i64 that is not negative; a record's id is text.
fn offset(record_id: &str) -> i64 {
    // Without its top bit any hash fits.
    (fnv1a(record_id.as_bytes()) & (u64::MAX >> 1)).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_hashes_without_the_sign() {
        assert_eq!(offset("a"), 0x2f63_dc4c_8601_ec8c);
        assert_eq!(offset("foobar"), 0x0594_4171_f739_67e8);
        assert_ne!(offset("record 1"), offset("record 2"));
    }
}
