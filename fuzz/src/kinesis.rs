//! Events of Kinesis.
//!
//! An input is a byte and an event as it is, or, if that byte is odd, records separated by the byte 0x1E: each a byte that
//! says where it is from and how it is wrapped, and its payload.

use serde_json::{Value, json};

use super::{
    delivery::{is_stored_as_it_is, is_stored_once, lake, quarantined},
    kpl::packed,
};

const STREAMS: [&str; 3] = ["pinlake-user", "streaming-0afff2eeb7e3-pin", "geo"];
const SEPARATOR: u8 = 0x1e;
/// More records tell nothing new, and take their time.
const MOST: usize = 12;

/// Holds for any event: see [`is_stored_once`]; and a record that looks like one of the Kinesis Producer Library is in the
/// quarantine as it came, in one piece.
pub fn check(data: &[u8]) {
    let Some((kind, content)) = data.split_first() else {
        return;
    };
    let lake = lake();
    if kind & 1 == 0 {
        return is_stored_as_it_is(&lake, content, |event| Some(event["Records"].as_array()?.len() as u64));
    }
    let mut packed_ones: Vec<(&str, Vec<u8>)> = Vec::new();
    let mut records = Vec::new();
    for (number, record) in content.split(|byte| *byte == SEPARATOR).take(MOST).enumerate() {
        let (how, payload) = record.split_first().unwrap_or((&0, &[]));
        let stream = STREAMS[usize::from(*how) % STREAMS.len()];
        let data = match how / 6 % 4 {
            0 => String::from_utf8_lossy(payload).into_owned(),
            1 => {
                let payload = packed(payload);
                let data = base64_simd::STANDARD.encode_to_string(&payload);
                packed_ones.push((stream, payload));
                data
            }
            _ => base64_simd::STANDARD.encode_to_string(payload),
        };
        records.push(kinesis_record(stream, how / 3 % 2, number, *how, &data));
    }
    let sent = records.len() as u64;
    let event = json!({ "Records": records }).to_string();
    assert_eq!(is_stored_once(&lake, event.as_bytes()), Some(sent));
    for stream in STREAMS {
        let mut expected: Vec<_> = packed_ones
            .iter()
            .filter(|(of, _)| *of == stream)
            .map(|(_, payload)| payload)
            .collect();
        if expected.is_empty() {
            continue;
        }
        let quarantined = quarantined(&lake, stream);
        let mut found: Vec<_> = quarantined
            .iter()
            .filter(|payload| expected.contains(payload))
            .collect();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "a packed record is not in the quarantine as it came");
    }
}

fn kinesis_record(stream: &str, shard: u8, number: usize, how: u8, data: &str) -> Value {
    let number = format!("4959033827149025660855969253836157{:022}", number + 1);
    json!({
        "kinesis": {
            "kinesisSchemaVersion": "1.0", "partitionKey": "p", "sequenceNumber": number, "data": data,
            "approximateArrivalTimestamp": f64::from(how).mul_add(86_400.5, 1_545_084_650.987),
        },
        "eventSource": "aws:kinesis", "eventVersion": "1.0", "eventName": "aws:kinesis:record",
        "eventID": format!("shardId-{shard:012}:{number}"),
        "eventSourceARN": format!("arn:aws:kinesis:eu-west-1:000000000000:stream/{stream}"), "awsRegion": "eu-west-1",
    })
}
