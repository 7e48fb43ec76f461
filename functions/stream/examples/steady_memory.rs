//! Whether a warm function keeps anything of a batch that it has stored: its memory after each of many small batches.
//!
//! ```text
//! cargo run --profile bench -p pinlake-stream --example steady_memory [BATCHES]
//! ```
//!
//! Linux only: reads `VmRSS` in `/proc/self/status`. After the first batches the numbers should stand still.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use pinlake_dataset::Catalog;
use pinlake_lake::{Lake, S3Options};
use pinlake_stream::{Handler, Settings};
use serde_json::json;

/// Records of a batch.
const RECORDS: u128 = 20;
/// How often the memory is told.
const TOLD: u128 = 10;

#[tokio::main]
async fn main() {
    let batches: u128 = std::env::args()
        .nth(1)
        .map_or(6_000, |batches| batches.parse().expect("a number of batches"));
    let folder = tempfile::tempdir().unwrap();
    let uri = format!("file://{}", folder.path().display());
    let lake = Lake::open(&uri, &S3Options::default()).unwrap();
    let settings = Settings::from_lookup(|name| (name == "LAKE_URI").then(|| uri.clone())).unwrap();
    let handler = Handler::new(Catalog::built_in(), &lake, &settings).unwrap();
    for batch in 0..batches {
        let answer = handler.invoke(event(batch).as_bytes()).await.unwrap();
        assert_eq!(answer, b"{\"batchItemFailures\":[]}");
        if batch % batches.div_ceil(TOLD) == 0 || batch + 1 == batches {
            println!("after batch {:>6} {:>7.1} MiB", batch + 1, resident_mebibytes());
        }
    }
}

/// The next records of one shard.
fn event(batch: u128) -> String {
    let records: Vec<_> = (0..RECORDS)
        .map(|index| {
            let sequence_number = 49_590_338_271_490_256_608_559_692 + batch * RECORDS + index;
            let user = json!({"ind": index, "first_name": "Zoë", "last_name": "Sørensen", "age": 30,
                              "date_joined": "2016-02-24 12:13:37"});
            json!({
                "kinesis": {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": "1",
                    "sequenceNumber": sequence_number.to_string(),
                    "data": base64_simd::STANDARD.encode_to_string(user.to_string()),
                    "approximateArrivalTimestamp": 1_700_000_000.5,
                },
                "eventSource": "aws:kinesis",
                "eventVersion": "1.0",
                "eventID": format!("shardId-000000000000:{sequence_number}"),
                "eventName": "aws:kinesis:record",
                "invokeIdentityArn": "arn:aws:iam::123456789012:role/pinlake-stream",
                "awsRegion": "us-east-1",
                "eventSourceARN": "arn:aws:kinesis:us-east-1:123456789012:stream/pinlake-user",
            })
        })
        .collect();
    json!({ "Records": records }).to_string()
}

fn resident_mebibytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let line = line.expect("VmRSS").trim().trim_end_matches("kB").trim();
    line.parse::<f64>().expect("a number") / 1024.0
}
