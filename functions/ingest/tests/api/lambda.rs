//! The same router behind `lambda_http`: events of API Gateway in, its answers out.

use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use lambda_http::{Adapter, Context, LambdaEvent, Service, request::LambdaRequest};
use pinlake_ingest::{Settings, router};
use serde_json::{Value, json};

use crate::support::{FarEnd, Step, app, user};

/// Invokes the function as Lambda does, with so much time left.
async fn invoke_within(event: &Value, left: Duration, prepare: impl FnOnce(&FarEnd)) -> (Value, FarEnd) {
    let (app, far_end) = app(Settings::default()).await;
    prepare(&far_end);
    let mut function = Adapter::from(router(app));
    let request: LambdaRequest = serde_json::from_value(event.clone()).unwrap();
    let mut context = Context::default();
    let end = SystemTime::now() + left;
    context.deadline = u64::try_from(end.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let response = function.call(LambdaEvent::new(request, context)).await.unwrap();
    (serde_json::to_value(response).unwrap(), far_end)
}

async fn invoke(event: &Value) -> (Value, FarEnd) {
    invoke_within(event, Duration::from_secs(20), |_| {}).await
}

fn rest(path: &str, stage: &str, body: &str) -> Value {
    json!({
        "resource": "/{proxy+}", "path": path, "httpMethod": "PUT",
        "headers": {"Content-Type": "application/json", "Host": "id.execute-api.us-east-1.amazonaws.com"},
        "multiValueHeaders": {"Content-Type": ["application/json"], "Host": ["id.execute-api.us-east-1.amazonaws.com"]},
        "queryStringParameters": null, "multiValueQueryStringParameters": null,
        "pathParameters": {"proxy": path}, "stageVariables": null,
        "requestContext": {
            "accountId": "123456789012", "resourceId": "r", "apiId": "id", "stage": stage, "requestId": "q",
            "path": format!("/{stage}{path}"), "protocol": "HTTP/1.1", "httpMethod": "PUT",
            "identity": {"sourceIp": "127.0.0.1"}, "resourcePath": "/{proxy+}",
        },
        "body": body, "isBase64Encoded": false,
    })
}

fn http(path: &str, stage: &str, body: &str) -> Value {
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "",
        "headers": {"content-type": "application/json", "host": "id.execute-api.us-east-1.amazonaws.com"},
        "requestContext": {
            "accountId": "123456789012", "apiId": "id", "domainName": "id.execute-api.us-east-1.amazonaws.com",
            "http": {"method": "PUT", "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "x"},
            "requestId": "q", "routeKey": "$default", "stage": stage,
            "time": "12/Mar/2020:19:03:58 +0000", "timeEpoch": 1_583_348_638_390_u64,
        },
        "body": body, "isBase64Encoded": false,
    })
}

#[tokio::test]
async fn events_of_both_kinds_and_all_ways_to_give_a_stage() {
    let body = json!({"Data": user(1), "PartitionKey": "k"}).to_string();
    let path = "/streams/streaming-x-user/record";
    let events = [
        rest(path, "dev", &body),
        rest(path, "$default", &body),
        rest(&format!("/dev{path}"), "dev", &body),
        rest(&format!("/base{path}"), "dev", &body),
        http(path, "$default", &body),
        http(path, "dev", &body),
        http(&format!("/dev{path}"), "dev", &body),
    ];
    for event in events {
        let (response, far_end) = invoke(&event).await;
        assert_eq!(response["statusCode"], 200, "{event}\n{response}");
        assert_eq!(response["isBase64Encoded"], false, "{response}");
        let answer: Value = serde_json::from_str(response["body"].as_str().unwrap()).unwrap();
        assert_eq!(answer["ShardId"], "shardId-000000000003");
        assert_eq!(far_end.payloads(), [user(1).to_string()]);
    }
}

#[tokio::test]
async fn a_base64_body_is_what_it_encodes() {
    let body = json!({"records": [{"value": user(1)}]}).to_string();
    let mut event = rest("/topics/x.user", "dev", &base64_simd::STANDARD.encode_to_string(&body));
    event["httpMethod"] = "POST".into();
    event["isBase64Encoded"] = true.into();
    let (response, far_end) = invoke(&event).await;
    assert_eq!(response["statusCode"], 200, "{response}");
    assert_eq!(
        response["isBase64Encoded"], false,
        "the Kafka media type must count as text: {response}"
    );
    assert_eq!(far_end.raw(), format!("{}\n", user(1)));
}

#[tokio::test]
async fn refusals_keep_status_and_headers() {
    let mut event = rest("/streams/user/record", "dev", "");
    event["httpMethod"] = "DELETE".into();
    let (response, _) = invoke(&event).await;
    assert_eq!(response["statusCode"], 405);
    assert!(
        response["body"].as_str().unwrap().contains("MethodNotAllowedException"),
        "{response}"
    );
}

#[tokio::test]
async fn the_end_of_the_invocation_is_the_deadline() {
    let body = json!({"Data": user(1)}).to_string();
    let mut start = SystemTime::now();
    let hang = |far_end: &FarEnd| {
        far_end.always(Step::Hang(Duration::from_secs(60)));
        start = SystemTime::now();
    };
    let (response, _) = invoke_within(
        &rest("/streams/user/record", "dev", &body),
        Duration::from_millis(900),
        hang,
    )
    .await;
    assert_eq!(response["statusCode"], 503, "{response}");
    assert!(
        start.elapsed().unwrap() < Duration::from_millis(900),
        "Lambda would have stopped the function"
    );
}

/// The events that `sam local invoke` is fed with: one for each route, in the form of a REST API and of an HTTP API.
#[tokio::test]
async fn sample_events_are_answered() {
    // What is in the answer, and how many records are stored.
    let cases = [
        ("list-topics", "\"pin\"", 0),
        ("describe-topic", "0afff2eeb7e3.pin", 0),
        ("produce", "\"offsets\"", 2),
        ("list-streams", "\"pinlake-pin\"", 0),
        ("describe-stream", "\"StreamStatus\"", 0),
        ("put-record", "\"SequenceNumber\"", 1),
        ("put-records", "\"FailedRecordCount\"", 1),
        ("health", "\"ok\"", 0),
        ("openapi", "\"openapi\"", 0),
    ];
    let (mut routes, mut paths) = (BTreeSet::new(), BTreeSet::new());
    for (name, expected, stored) in cases {
        for shape in ["rest", "http"] {
            let event = event(shape, name);
            // The HTTP API's batch is of two good pins; the REST API's second geo lies beyond the pole.
            let stored = if (shape, name) == ("http", "put-records") {
                2
            } else {
                stored
            };
            let (response, far_end) = invoke(&event).await;
            assert_eq!(response["statusCode"], 200, "{shape} {name}: {response}");
            let body = response["body"].as_str().unwrap();
            assert!(body.contains(expected), "{shape} {name}: {body}");
            let arrived = far_end.stored().len() + far_end.lines().len();
            assert_eq!(arrived, stored, "{shape} {name}: {response}");
            routes.extend(event["resource"].as_str().map(str::to_owned));
            if name == "openapi" {
                let document: Value = serde_json::from_str(body).unwrap();
                paths = document["paths"].as_object().unwrap().keys().cloned().collect();
            }
        }
    }
    paths.insert("/openapi.json".to_owned());
    assert_eq!(routes, paths, "there is an event for each route");
    let files = fs::read_dir(EVENTS).unwrap().filter(|file| {
        let name = file.as_ref().unwrap().file_name();
        name.to_string_lossy().starts_with("ingest-")
    });
    assert_eq!(files.count(), 2 * cases.len(), "an event that is in no case");
}

const EVENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../events");

fn event(shape: &str, name: &str) -> Value {
    serde_json::from_slice(&fs::read(format!("{EVENTS}/ingest-{shape}-{name}.json")).unwrap()).unwrap()
}

/// API Gateway hands binary bodies over as base64.
#[tokio::test]
async fn a_gzip_body_is_unpacked() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder
        .write_all(json!({"Data": user(1)}).to_string().as_bytes())
        .unwrap();
    let body = base64_simd::STANDARD.encode_to_string(encoder.finish().unwrap());
    let mut event = rest("/streams/user/record", "dev", &body);
    event["isBase64Encoded"] = true.into();
    event["headers"]["Content-Encoding"] = "gzip".into();
    event["multiValueHeaders"]["Content-Encoding"] = json!(["gzip"]);
    let (response, far_end) = invoke(&event).await;
    assert_eq!(response["statusCode"], 200, "{response}");
    assert_eq!(far_end.payloads(), [user(1).to_string()]);
}
