//! The records of an event that was kept because a mapping gave up on it.

use crate::{
    clean::NO_BASE64,
    envelope::{EnvelopeError, Event, decode},
};

/// A record of a kept event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The stream's or topic's name, which leads to the dataset.
    pub route: String,
    /// The `_origin` of its row.
    pub origin: String,
    /// When it arrived, in microseconds since 1970, UTC.
    pub arrived_at: i64,
    /// The record, or the text that should have been its base64.
    pub payload: Vec<u8>,
    /// Why it cannot be cleaned, whatever the definition says.
    pub reason: Option<&'static str>,
}

/// The records of an event, as [`Handler`](crate::Handler) would read them.
///
/// # Errors
/// The event cannot be read.
pub fn kept(event: &[u8]) -> Result<Vec<Kept>, EnvelopeError> {
    let (Event::Kinesis(portions) | Event::Kafka(portions)) = decode(event)?;
    let mut records = Vec::new();
    for portion in &portions {
        for record in &portion.records {
            let mut payload = Vec::new();
            let decoded = record.payload(&mut payload).map_err(<[u8]>::to_vec);
            records.push(Kept {
                route: portion.route.clone(),
                origin: portion.source.origin(&record.number),
                arrived_at: record.arrived_at,
                reason: decoded.is_err().then_some(NO_BASE64),
                payload: decoded.err().unwrap_or(payload),
            });
        }
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_named_as_their_rows_are() {
        let record = |number: &str, data: &str| {
            serde_json::json!({
                "eventID": format!("shardId-000000000006:{number}"),
                "eventSourceARN": "arn:aws:kinesis:eu-west-1:0:stream/pinlake-pin",
                "kinesis": {"sequenceNumber": number, "data": data, "approximateArrivalTimestamp": 1.5},
            })
        };
        let event = serde_json::json!({"Records": [record("7", "e30="), record("8", "no base64")]}).to_string();
        let kept = kept(event.as_bytes()).unwrap();
        let told: Vec<_> = kept
            .iter()
            .map(|kept| (kept.origin.as_str(), kept.payload.as_slice(), kept.reason))
            .collect();
        let of_shard = "kinesis/pinlake-pin/shardId-000000000006";
        assert_eq!(
            told,
            [
                (format!("{of_shard}/7").as_str(), b"{}".as_slice(), None),
                (format!("{of_shard}/8").as_str(), b"no base64", Some("is no base64")),
            ]
        );
        assert_eq!((kept[0].route.as_str(), kept[0].arrived_at), ("pinlake-pin", 1_500_000));
    }
}
