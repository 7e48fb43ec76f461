//! What a function logs. A process of its own: where tests share one, the first to reach a line decides for all whether
//! it is ever logged.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[allow(dead_code)]
mod support;

use pinlake_host::{Lines, LogFormat, Logging};
use serde_json::json;
use support::{TestLake, base64, invoke, metrics_to, record, store::Fault, user};
use tracing::Instrument as _;

/// As on Lambda, with all that our own crates log.
#[tokio::test]
async fn lines_tell_their_invocation_and_no_payload() {
    const MARK: &str = "payload-7f3a";
    let (place, told, logged) = (TestLake::in_memory(), Lines::default(), Lines::default());
    let handler = place.handler().with_metrics(metrics_to(&told));
    let output = logged.clone();
    let logging = Logging {
        format: LogFormat::Json,
        filter: "info,pinlake_dataset=trace,pinlake_lake=trace,pinlake_stream=trace".to_owned(),
    };
    let _logging = tracing::dispatcher::set_default(&logging.to(move || output.clone()));
    let mut context = lambda_runtime::Context::default();
    context.request_id = "5f2c".to_owned();
    let span = lambda_runtime::layers::trace::request_span(&context);
    let payloads = [
        user(1).replace("Zoë", MARK),
        json!({"ind": MARK, "first_name": MARK, MARK: MARK}).to_string(),
        format!("{{\"ind\": 3, \"first_name\": \"{MARK}"),
        MARK.to_owned(),
    ];
    let mut records: Vec<_> = payloads
        .iter()
        .zip(1..)
        .map(|(payload, number)| record("user", number, &base64(payload)))
        .collect();
    records.push(record("user", 5, &format!("%{MARK}%")));
    let stored = invoke(&handler, json!({ "Records": records }))
        .instrument(span.clone())
        .await;
    assert_eq!(stored.unwrap(), [0_u128; 0]);
    place.store.fail("tables/user/ingest_date", Fault::Refuse);
    let again = json!({"Records": [record("user", 6, &base64(&payloads[0]))]});
    assert_eq!(invoke(&handler, again).instrument(span).await.unwrap(), [6]);

    let lines = [told.json().unwrap(), logged.json().unwrap()].concat();
    for message in ["batch stored", "batch not stored"] {
        assert!(lines.iter().any(|line| line["message"] == message), "{lines:#?}");
    }
    for line in &lines {
        assert_eq!(line["request_id"], "5f2c", "{line}");
        assert!(!line.to_string().contains(MARK), "{line}");
    }
}
