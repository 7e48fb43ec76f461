//! Kinesis and Firehose failing in part, as a whole, slowly, for good; through the unmodified SDKs.

use std::time::Duration;

use pinlake_ingest::{Bounds, Settings};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{Api, Step, user};

const THROTTLED: &str = "ProvisionedThroughputExceededException";
/// What Firehose says when a delivery stream's throughput is exceeded.
const SLOW_DOWN: &str = "ServiceUnavailableException";

async fn short() -> Api {
    let bounds = Bounds {
        // Time for an answer of the far end, however busy the machine is: without one nobody knows of any throttling.
        request_timeout: Duration::from_secs(2),
        ..Bounds::default()
    };
    Api::with(Settings {
        bounds,
        ..Settings::default()
    })
    .await
}

fn three() -> Value {
    json!({"records": [{"data": user(0)}, {"data": user(1)}, {"data": user(2)}]})
}

/// The codes of the entries; empty for a stored record.
fn codes(answer: &Value) -> Vec<&str> {
    let entries = answer["Records"].as_array().unwrap();
    entries
        .iter()
        .map(|entry| entry["ErrorCode"].as_str().unwrap_or_default())
        .collect()
}

#[tokio::test]
async fn only_what_failed_goes_again() {
    let api = Api::start().await;
    api.far_end
        .then(Step::Some(vec![(0, THROTTLED), (2, "InternalFailure")]))
        .then(Step::Some(vec![(1, THROTTLED)]));
    let (status, answer) = api.json("PUT", "/streams/user/records", &three()).await;
    assert_eq!((status, codes(&answer)), (200, vec!["", "", ""]));
    assert_eq!(api.far_end.requests(), [3, 2, 1]);
    // Each answer stands at its record's place, although the records were stored in another order.
    let stored = api.far_end.payloads();
    assert_eq!(stored, [user(1), user(0), user(2)].map(|user| user.to_string()));
    let sequence = |index: usize| answer["Records"][index]["SequenceNumber"].as_str().unwrap().to_owned();
    assert!(sequence(1) < sequence(0) && sequence(0) < sequence(2));
}

#[tokio::test]
async fn whole_requests_go_again() {
    let api = Api::start().await;
    api.far_end
        .then(Step::Whole(500, "InternalFailure"))
        .then(Step::Whole(400, THROTTLED))
        .then(Step::Whole(503, "ServiceUnavailable"));
    let (status, _) = api.json("PUT", "/streams/user/record", &json!({"Data": user(1)})).await;
    assert_eq!(status, 200);
    assert_eq!(api.far_end.requests(), [1, 1, 1, 1]);
}

#[tokio::test]
async fn what_still_fails_at_the_deadline_is_told_per_record() {
    let api = short().await;
    api.far_end
        .then(Step::Some(vec![(1, THROTTLED), (2, "InternalFailure")]));
    api.far_end
        .always(Step::Some(vec![(0, THROTTLED), (1, "InternalFailure")]));
    let (status, answer) = api.json("PUT", "/streams/user/records", &three()).await;
    assert_eq!(status, 200);
    assert_eq!(codes(&answer), ["", THROTTLED, "InternalFailure"]);
    assert_eq!(answer["FailedRecordCount"], 2);
}

#[tokio::test]
async fn nothing_through_is_429_or_503_with_retry_after() {
    let (unavailable, broken) = ("ServiceUnavailableException", "InternalFailureException");
    let cases: [Refusal; 9] = [
        (Step::Whole(400, THROTTLED), 429, Some("1"), THROTTLED, 429),
        (Step::Some(vec![(0, THROTTLED)]), 429, Some("1"), THROTTLED, 429),
        (Step::Whole(503, SLOW_DOWN), 429, Some("1"), THROTTLED, 429),
        (Step::Some(vec![(0, SLOW_DOWN)]), 429, Some("1"), THROTTLED, 429),
        (Step::Whole(500, "InternalFailure"), 503, Some("5"), unavailable, 50003),
        (Step::Short(0), 503, Some("5"), unavailable, 50003),
        (Step::Hang(Duration::from_secs(600)), 503, Some("5"), unavailable, 50003),
        (Step::Whole(400, "ResourceNotFoundException"), 500, None, broken, 50002),
        (Step::Whole(400, "AccessDeniedException"), 500, None, broken, 50002),
    ];
    // At once, as each of them waits for its deadline.
    let mut cases: JoinSet<()> = cases.into_iter().map(refused_on_every_route).collect();
    while let Some(case) = cases.join_next().await {
        case.unwrap();
    }
}

/// What the far end does, and what is answered then: the status, when to come again, and the error's kind in both APIs.
type Refusal = (Step, u16, Option<&'static str>, &'static str, i32);

async fn refused_on_every_route((step, status, retry_after, kind, kafka_code): Refusal) {
    let api = short().await;
    api.far_end.always(step.clone());
    let requests = [
        ("PUT", "/streams/user/record", json!({"Data": user(1)})),
        ("PUT", "/streams/user/records", json!({"records": [{"data": user(1)}]})),
        ("POST", "/topics/user", json!({"records": [{"value": user(1)}]})),
    ];
    for (method, path, body) in requests {
        let request = api.http.request(method.parse().unwrap(), format!("{}{path}", api.url));
        let answered = tokio::time::timeout(Duration::from_secs(60), request.json(&body).send()).await;
        let response = answered
            .unwrap_or_else(|_| panic!("{step:?} {path}: the deadline is not kept"))
            .unwrap();
        assert_eq!(response.status().as_u16(), status, "{step:?} {path}");
        let header = response
            .headers()
            .get("retry-after")
            .map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header.as_deref(), retry_after, "{step:?} {path}");
        let text = response.text().await.unwrap();
        assert!(
            !text.contains("secret") && !text.contains("127.0.0.1"),
            "{step:?} {path}: {text}"
        );
        let answer: Value = serde_json::from_str(&text).unwrap();
        if path.starts_with("/topics") {
            assert_eq!(answer["error_code"], kafka_code, "{step:?}: {answer}");
            assert!(answer["offsets"][0]["error_code"].is_i64(), "{answer}");
        } else {
            assert_eq!(answer["__type"], kind, "{step:?} {path}: {answer}");
        }
    }
}

#[tokio::test]
async fn invalid_and_throttled_together_say_come_again() {
    let api = short().await;
    api.far_end.always(Step::Whole(400, THROTTLED));
    let body = json!({"records": [{"data": {"age": 1}}, {"data": user(1)}]});
    let (status, answer) = api.json("PUT", "/streams/user/records", &body).await;
    assert_eq!((status, codes(&answer)), (429, vec!["InvalidRecord", THROTTLED]));
}

#[tokio::test]
async fn an_endpoint_that_cannot_be_reached_is_503() {
    let settings = Settings {
        bounds: Bounds {
            request_timeout: Duration::from_millis(300),
            ..Bounds::default()
        },
        ..Settings::default()
    };
    let nowhere = "http://127.0.0.1:9";
    let kinesis = pinlake_ingest::Kinesis::new(&crate::support::sdk(nowhere), "pinlake");
    let firehose = pinlake_ingest::Firehose::new(&crate::support::firehose_sdk(nowhere), "pinlake");
    let app = pinlake_ingest::App::new(settings, pinlake_dataset::Catalog::built_in(), kinesis, firehose);
    let url = crate::support::serve(pinlake_ingest::router(app)).await;
    let http = reqwest::Client::new();
    for path in ["/streams/user", "/topics/user"] {
        assert_eq!(
            http.get(format!("{url}{path}")).send().await.unwrap().status(),
            503,
            "{path}"
        );
    }
    let response = http
        .put(format!("{url}/streams/user/record"))
        .json(&json!({"Data": user(1)}))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 503);
}

/// The error codes of a produce answer's entries.
fn kafka_codes(answer: &Value) -> Vec<Option<i64>> {
    let offsets = answer["offsets"].as_array().unwrap();
    offsets.iter().map(|offset| offset["error_code"].as_i64()).collect()
}

fn three_values() -> Value {
    json!({"records": [{"value": user(0)}, {"value": user(1)}, {"value": user(2)}]})
}

#[tokio::test]
async fn only_what_failed_goes_to_firehose_again() {
    let api = Api::start().await;
    api.far_end
        .then(Step::Some(vec![(0, SLOW_DOWN), (2, "InternalFailure")]))
        .then(Step::Some(vec![(1, SLOW_DOWN)]));
    let (status, answer) = api.json("POST", "/topics/user", &three_values()).await;
    assert_eq!((status, kafka_codes(&answer)), (200, vec![None; 3]));
    assert_eq!(api.far_end.requests(), [3, 2, 1]);
    let lines = [user(1), user(0), user(2)].map(|user| format!("{user}\n"));
    assert_eq!(api.far_end.raw(), lines.concat());
    let mut offsets: Vec<i64> = (0..3)
        .map(|index| answer["offsets"][index]["offset"].as_i64().unwrap())
        .collect();
    offsets.sort_unstable();
    offsets.dedup();
    assert!(offsets.len() == 3 && offsets[0] >= 0, "{answer}");
}

#[tokio::test]
async fn whole_requests_go_to_firehose_again() {
    let api = Api::start().await;
    api.far_end
        .then(Step::Whole(503, SLOW_DOWN))
        .then(Step::Whole(500, "InternalFailure"))
        .then(Step::Short(1));
    let (status, answer) = api.json("POST", "/topics/user", &three_values()).await;
    assert_eq!((status, kafka_codes(&answer)), (200, vec![None; 3]));
    // The third answer tells of one record only; nothing is known of the other two.
    assert_eq!(api.far_end.requests(), [3, 3, 3, 2]);
}

#[tokio::test]
async fn what_firehose_still_refuses_at_the_deadline_is_told_per_record() {
    let api = short().await;
    api.far_end
        .then(Step::Some(vec![(1, SLOW_DOWN), (2, "InternalFailure")]));
    api.far_end
        .always(Step::Some(vec![(0, SLOW_DOWN), (1, "InternalFailure")]));
    let (status, answer) = api.json("POST", "/topics/user", &three_values()).await;
    assert_eq!(
        (status, kafka_codes(&answer)),
        (200, vec![None, Some(50003), Some(50003)])
    );
    assert_eq!(api.far_end.raw(), format!("{}\n", user(0)));
}
