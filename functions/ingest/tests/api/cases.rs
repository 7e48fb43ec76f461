//! The case files: a request and what must be in its answer, a line each.
//!
//! Of a case: `send` is the body as text, `json` as JSON, `gzip` text that is sent compressed; `answer` must be part
//! of the answer (a text that starts with `~` must be contained), `headers` likewise, `stored` is what must have
//! arrived at Kinesis, `raw` what at Firehose, records one after the other. The limits are those of `small_bounds`; `"validation": "off"` switches it off.

use std::{collections::BTreeMap, io::Write};

use pinlake_ingest::Settings;
use serde::Deserialize;
use serde_json::Value;

use crate::support::{Api, small_bounds};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    case: String,
    method: String,
    path: String,
    #[serde(rename = "type")]
    media_type: Option<String>,
    encoding: Option<String>,
    json: Option<Value>,
    send: Option<String>,
    gzip: Option<String>,
    /// Repeats the body so many times.
    times: Option<usize>,
    validation: Option<String>,
    status: u16,
    answer: Option<Value>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    stored: Option<Vec<String>>,
    raw: Option<String>,
}

#[tokio::test]
async fn streams() {
    run(include_str!("../../testdata/streams.jsonl")).await;
}

#[tokio::test]
async fn topics() {
    run(include_str!("../../testdata/topics.jsonl")).await;
}

#[tokio::test]
async fn service() {
    run(include_str!("../../testdata/service.jsonl")).await;
}

async fn run(cases: &str) {
    let with = |validation| {
        Api::with(Settings {
            bounds: small_bounds(),
            validation,
            ..Settings::default()
        })
    };
    let (on, off) = (with(true).await, with(false).await);
    for (line, text) in cases.lines().enumerate().filter(|(_, text)| !text.trim().is_empty()) {
        let case: Case = serde_json::from_str(text).unwrap_or_else(|error| panic!("line {}: {error}", line + 1));
        check(
            if case.validation.as_deref() == Some("off") {
                &off
            } else {
                &on
            },
            &case,
        )
        .await;
    }
}

async fn check(api: &Api, case: &Case) {
    api.far_end.forget();
    let mut request = api
        .http
        .request(case.method.parse().unwrap(), format!("{}{}", api.url, case.path));
    if let Some(media_type) = &case.media_type {
        request = request.header("content-type", media_type);
    }
    if let Some(encoding) = case.encoding.as_deref().or(case.gzip.as_ref().map(|_| "gzip")) {
        request = request.header("content-encoding", encoding);
    }
    let response = request.body(body(case)).send().await.unwrap();

    let name = &case.case;
    let status = response.status().as_u16();
    for (header, expected) in &case.headers {
        let value = response.headers().get(header).map(|value| value.to_str().unwrap());
        assert_eq!(value, Some(expected.as_str()), "{name}: header {header}");
    }
    let answer: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default();
    assert_eq!(status, case.status, "{name}: {answer}");
    if let Some(expected) = &case.answer {
        assert!(
            is_part(expected, &answer),
            "{name}:\nexpected {expected}\n  in     {answer}"
        );
    }
    if let Some(stored) = &case.stored {
        assert_eq!(&api.far_end.payloads(), stored, "{name}");
    }
    if let Some(raw) = &case.raw {
        assert_eq!(&api.far_end.raw(), raw, "{name}");
    }
}

fn body(case: &Case) -> Vec<u8> {
    let json = case.json.as_ref().map(Value::to_string);
    let text = json
        .as_ref()
        .or(case.send.as_ref())
        .or(case.gzip.as_ref())
        .cloned()
        .unwrap_or_default();
    let text = text.repeat(case.times.unwrap_or(1)).into_bytes();
    if case.gzip.is_none() {
        return text;
    }
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&text).unwrap();
    encoder.finish().unwrap()
}

/// Objects may hold more than is expected, lists not.
fn is_part(expected: &Value, actual: &Value) -> bool {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => expected
            .iter()
            .all(|(name, expected)| actual.get(name).is_some_and(|actual| is_part(expected, actual))),
        (Value::Array(expected), Value::Array(actual)) => {
            expected.len() == actual.len()
                && expected
                    .iter()
                    .zip(actual)
                    .all(|(expected, actual)| is_part(expected, actual))
        }
        (Value::String(expected), Value::String(actual)) => match expected.strip_prefix('~') {
            Some(expected) => actual.contains(expected),
            None => expected == actual,
        },
        (expected, actual) => expected == actual,
    }
}
