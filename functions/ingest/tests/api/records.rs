//! What reaches the stream: payloads, keys, chunks.

use pinlake_ingest::{Bounds, Settings};
use serde_json::json;

use crate::support::{Api, user};

#[tokio::test]
async fn payloads_are_forwarded_as_sent() {
    let api = Api::start().await;
    // Digits that no float holds, spacing, escapes, the order of names, a name that nobody knows.
    let row =
        r#"{ "extra":123456789012345678901234567890.10 , "first_name":"\u0041\/" ,"ind" : 10,"z":{"b":1,"a":[ ]}}"#;
    let body = format!(r#"{{"records":[{{"data":{row}}}]}}"#);
    let (status, answer) = api.send("PUT", "/streams/user/records", "application/json", body).await;
    let (kafka_status, _) = api
        .send(
            "POST",
            "/topics/user",
            "application/json",
            format!(r#"{{"records":[{{"value":{row}}}]}}"#),
        )
        .await;
    let (line_status, _) = api
        .send("PUT", "/streams/user/records", "application/x-ndjson", row)
        .await;
    assert_eq!((status, kafka_status, line_status), (200, 200, 200), "{answer}");
    assert_eq!(api.far_end.payloads(), [row, row, row]);
}

#[tokio::test]
async fn a_record_without_a_key_gets_its_row_s() {
    let api = Api::start().await;
    let records = json!({"records": [
        {"data": user(17)},
        {"data": user(17), "partition-key": "mine"},
        {"data": user(18), "explicit-hash-key": "170141183460469231731687303715884105728"},
    ]});
    assert_eq!(api.json("PUT", "/streams/user/records", &records).await.0, 200);
    let stored = api.far_end.stored();
    let keys: Vec<&str> = stored.iter().map(|put| put.partition_key.as_str()).collect();
    assert_eq!(keys, ["17", "mine", "18"]);
    assert_eq!(
        stored[2].explicit_hash_key.as_deref(),
        Some("170141183460469231731687303715884105728")
    );
}

#[tokio::test]
async fn a_kafka_key_becomes_the_partition_key() {
    let api = Api::start().await;
    let long = "k".repeat(300);
    let records = json!({"records": [
        {"key": "text", "value": user(1)},
        {"key": {"a": [1, 2]}, "value": user(2)},
        {"key": null, "value": user(3)},
        {"key": "", "value": user(4)},
        {"key": long, "value": user(5)},
        {"key": long, "value": user(6)},
    ]});
    assert_eq!(api.json("POST", "/topics/user", &records).await.0, 200);
    let keys: Vec<String> = api.far_end.stored().into_iter().map(|put| put.partition_key).collect();
    assert_eq!(keys[..4], ["text", r#"{"a":[1,2]}"#, "3", "4"]);
    assert_eq!(keys[4], keys[5]);
    assert_eq!(keys[4].len(), 16, "a key that Kinesis does not take is hashed");
}

#[tokio::test]
async fn what_gives_no_key_is_spread_by_its_hash() {
    let api = Api::with(Settings {
        validation: false,
        ..Settings::default()
    })
    .await;
    let (status, _) = api
        .send("PUT", "/streams/user/records", "application/x-ndjson", "a\nb\na\n")
        .await;
    assert_eq!(status, 200);
    let keys: Vec<String> = api.far_end.stored().into_iter().map(|put| put.partition_key).collect();
    assert_eq!(keys[0], keys[2]);
    assert_ne!(keys[0], keys[1]);
}

#[tokio::test]
async fn many_records_go_in_chunks_and_keep_their_order() {
    let api = Api::start().await;
    let lines: Vec<String> = (0..1_201).map(|ind| user(ind).to_string()).collect();
    let (status, answer) = api
        .send("PUT", "/streams/user/records", "application/x-ndjson", lines.join("\n"))
        .await;
    assert_eq!((status, answer["FailedRecordCount"].as_u64()), (200, Some(0)));
    assert_eq!(answer["Records"].as_array().unwrap().len(), 1_201);
    assert_eq!(api.far_end.requests(), [500, 500, 201]);
    assert_eq!(api.far_end.payloads(), lines);
}

#[tokio::test]
async fn chunks_stay_below_the_bytes_that_a_request_may_hold() {
    let bounds = Bounds {
        body_bytes: 20 << 20,
        ..Bounds::default()
    };
    let api = Api::with(Settings {
        bounds,
        ..Settings::default()
    })
    .await;
    let lines: Vec<String> = (0..12)
        .map(|ind| json!({"ind": ind, "first_name": "x".repeat(900_000)}).to_string())
        .collect();
    let (status, _) = api
        .send("PUT", "/streams/user/records", "application/x-ndjson", lines.join("\n"))
        .await;
    assert_eq!(status, 200);
    assert_eq!(api.far_end.requests(), [5, 5, 2]);
}
