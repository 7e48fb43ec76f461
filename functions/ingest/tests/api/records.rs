//! What reaches the streams: payloads, keys, chunks, lines.

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
    assert_eq!(api.far_end.payloads(), [row, row]);
    assert_eq!(api.far_end.raw(), format!("{row}\n"));
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

/// A delivery stream has no keys, but what a client may send in the place of one goes on as before.
#[tokio::test]
async fn any_kafka_key_is_taken() {
    let api = Api::start().await;
    let keys = [
        json!("text"),
        json!({"a": [1, 2]}),
        json!(null),
        json!(""),
        json!("k".repeat(300)),
    ];
    let records: Vec<_> = keys
        .iter()
        .enumerate()
        .map(|(ind, key)| json!({"key": key, "value": user(ind)}))
        .collect();
    let (status, answer) = api.json("POST", "/topics/user", &json!({"records": records})).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(api.far_end.lines().len(), keys.len());
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

#[tokio::test]
async fn firehose_gets_its_own_chunks_in_order() {
    let api = Api::start().await;
    let records: Vec<_> = (0..1_201).map(|ind| json!({"value": user(ind)})).collect();
    let (status, answer) = api.json("POST", "/topics/user", &json!({"records": records})).await;
    assert_eq!((status, answer["offsets"].as_array().unwrap().len()), (200, 1_201));
    assert_eq!(api.far_end.requests(), [500, 500, 201]);
    let lines: String = (0..1_201).map(|ind| format!("{}\n", user(ind))).collect();
    assert_eq!(api.far_end.raw(), lines);
    assert!(api.far_end.lines().iter().all(|line| line.stream == "pinlake-user"));
}

#[tokio::test]
async fn a_firehose_request_stays_below_4_mib() {
    let bounds = Bounds {
        body_bytes: 20 << 20,
        ..Bounds::default()
    };
    let api = Api::with(Settings {
        bounds,
        ..Settings::default()
    })
    .await;
    let records: Vec<_> = (0..8)
        .map(|ind| json!({"value": {"ind": ind, "first_name": "x".repeat(900_000)}}))
        .collect();
    let (status, _) = api.json("POST", "/topics/user", &json!({"records": records})).await;
    assert_eq!(status, 200);
    // Four have 3.6 million bytes, and 3.5 MiB are 3,670,016.
    assert_eq!(api.far_end.requests(), [4, 4]);
}

#[tokio::test]
async fn a_record_too_large_for_firehose_is_told_and_its_neighbours_go_on() {
    let api = Api::start().await;
    // With the end of its line 1,000 KiB, and a byte more; Kinesis takes both.
    let row = |ind: usize, bytes: usize| {
        let frame = json!({"ind": ind, "first_name": ""}).to_string().len();
        json!({"ind": ind, "first_name": "x".repeat(bytes - frame)})
    };
    let (fits, more) = (row(1, 1_023_999), row(2, 1_024_000));
    let records = json!({"records": [{"value": fits}, {"value": more}, {"value": user(3)}]});
    let (status, answer) = api.json("POST", "/topics/user", &records).await;
    assert_eq!(status, 200, "{answer}");
    let codes: Vec<_> = (0..3)
        .map(|index| answer["offsets"][index]["error_code"].as_i64())
        .collect();
    assert_eq!(codes, [None, Some(42201), None]);
    assert_eq!(
        answer["offsets"][1]["error"],
        "the record has 1024001 bytes, the end of its line included; at most 1024000 are taken"
    );
    assert_eq!(api.far_end.raw(), format!("{fits}\n{}\n", user(3)));
    let (status, answer) = api.json("PUT", "/streams/user/record", &json!({"Data": more})).await;
    assert_eq!(status, 200, "{answer}");
}
