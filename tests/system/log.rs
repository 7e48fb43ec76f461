//! What the log holds, and what it must never hold.

use std::{fs::File, path::Path};

use crate::support::{Up, arrival, pinlake, run};
use serde_json::json;
use tempfile::tempdir;

/// What the rows and the keys of the caller have in them.
const MARK: &str = "xq7zmarked";

/// All that we can log, and what libraries say by default.
const EVERYTHING_OF_OURS: &str = "info,pinlake=trace,pinlake_analytics=trace,pinlake_catalog=trace,\
    pinlake_dataset=trace,pinlake_host=trace,pinlake_ingest=trace,pinlake_lake=trace,pinlake_local=trace,\
    pinlake_maintain=trace,pinlake_stream=trace";

fn logged(state: &Path) -> String {
    std::fs::read_to_string(state.join("log")).unwrap()
}

/// Rows that are taken, rows that are refused at the edge, and rows that nobody can read; by both APIs.
async fn post(up: &Up) {
    let http = reqwest::Client::new();
    let good = json!({"ind": 1, "first_name": MARK, "last_name": "a", "age": 30, "date_joined": "2017-01-01 00:00:00"});
    let bad = json!({"ind": 2, "first_name": "b", "last_name": MARK, "age": MARK, "date_joined": MARK});
    let foreign = json!({"ind": MARK, MARK: MARK});
    let broken = format!("{{\"ind\": 3, \"first_name\": \"{MARK}");
    let lines = format!("{good}\n{bad}\n{foreign}\n{broken}\n");
    let records =
        json!({"records": [{"value": good}, {"value": bad}, {"value": foreign}, {"value": MARK}]}).to_string();
    for (path, media_type, body) in [
        ("streams/shop-user/records", "application/x-ndjson", lines),
        (
            "streams/shop-user/record",
            "application/json",
            json!({ "Data": bad }).to_string(),
        ),
        (
            "streams/shop-user/record",
            "application/json",
            format!(r#"{{"Data":{{"ind":4,"{MARK}":1,"{MARK}":2}}}}"#),
        ),
        ("topics/shop.user", "application/vnd.kafka.json.v2+json", records),
        ("topics/shop.user", "application/vnd.kafka.json.v2+json", broken),
    ] {
        let request = http
            .post(format!("{}{path}?key={MARK}", up.url))
            .header("content-type", media_type)
            .header("x-api-key", MARK)
            .header(
                "authorization",
                format!("AWS4-HMAC-SHA256 Credential={MARK}/x, Signature={MARK}"),
            )
            .body(body);
        let status = request.send().await.unwrap().status();
        assert!(status.as_u16() < 500, "{path}: {status}");
    }
}

#[tokio::test]
async fn neither_payloads_nor_secrets_are_logged() {
    for arguments in [&[][..], &["--no-validation"]] {
        let state = tempdir().unwrap();
        let log = File::create(state.path().join("log")).unwrap();
        let mut command = pinlake();
        command.env("RUST_LOG", EVERYTHING_OF_OURS).stderr(log);
        let up = Up::start_as(command, state.path(), arguments);
        post(&up).await;
        // With validation one row in four gets so far.
        let stored = if arguments.is_empty() { 1 } else { 6 };
        arrival(state.path(), "user", stored).await;
        for function in ["analytics", "maintain"] {
            let (code, _, error) = run(pinlake().args(["run", function, "--at", &up.url]));
            assert_eq!(code, 0, "{error}");
        }
        assert!(up.end_with("INT").success());
        let log = logged(state.path());
        for told in ["batch stored", "answered a request", "run ended"] {
            assert!(
                log.contains(told),
                "`{told}` is not in the log, which shows nothing then: {log}"
            );
        }
        let leaks: Vec<_> = log.lines().filter(|line| line.contains(MARK)).collect();
        assert!(leaks.is_empty(), "{leaks:#?}");
    }
}
