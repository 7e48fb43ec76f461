//! Events of Kafka.
//!
//! An input is a byte and an event as it is, or, if that byte is odd, records separated by the byte 0x1E: each a byte that
//! says where it is from and how it is wrapped, and its value.

use serde_json::{Map, Value, json};

use super::delivery::{is_stored_as_it_is, is_stored_once, lake};

const TOPICS: [&str; 3] = ["0afff2eeb7e3.user", "pin", "x-geo"];
const SEPARATOR: u8 = 0x1e;
/// More records tell nothing new, and take their time.
const MOST: usize = 12;

/// Holds for any event: see [`is_stored_once`].
pub fn check(data: &[u8]) {
    let Some((kind, content)) = data.split_first() else {
        return;
    };
    let lake = lake();
    if kind & 1 == 0 {
        return is_stored_as_it_is(&lake, content, |event| {
            let partitions = event["records"].as_object()?.values();
            let records = partitions
                .filter_map(Value::as_array)
                .map(|records| records.len() as u64);
            Some(records.sum())
        });
    }
    let mut partitions: Map<String, Value> = Map::new();
    let mut sent = 0;
    for (offset, record) in content.split(|byte| *byte == SEPARATOR).take(MOST).enumerate() {
        let (how, value) = record.split_first().unwrap_or((&0, &[]));
        let (topic, partition) = (TOPICS[usize::from(*how) % TOPICS.len()], how / 3 % 2);
        let value = match how / 6 % 4 {
            0 => json!(String::from_utf8_lossy(value)),
            1 => Value::Null,
            _ => json!(base64_simd::STANDARD.encode_to_string(value)),
        };
        let records = partitions
            .entry(format!("{topic}-{partition}"))
            .or_insert_with(|| json!([]));
        if let Some(records) = records.as_array_mut() {
            records.push(json!({
                "topic": topic, "partition": partition, "offset": offset, "timestamp": 1_545_084_650_987_i64,
                "timestampType": "CREATE_TIME", "key": null, "value": value, "headers": [],
            }));
            sent += 1;
        }
    }
    let event = json!({"eventSource": "aws:kafka", "bootstrapServers": "b-1:9092", "records": partitions}).to_string();
    assert_eq!(is_stored_once(&lake, event.as_bytes()), Some(sent));
}
