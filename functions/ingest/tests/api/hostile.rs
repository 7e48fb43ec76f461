//! Whatever a client sends, it gets an answer that is no 500, and the next client is served.

use std::time::Duration;

use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use pinlake_ingest::{Bounds, Settings};

use crate::support::Api;

const DOORS: [(&str, &str, &str); 6] = [
    ("PUT", "/streams/user/record", "application/json"),
    ("PUT", "/streams/pin/records", "application/json"),
    ("PUT", "/streams/geo/records", "application/x-ndjson"),
    ("POST", "/topics/user", "application/vnd.kafka.json.v2+json"),
    ("POST", "/topics/pin", "application/vnd.kafka.binary.v2+json"),
    ("POST", "/dev/topics/geo", "application/json"),
];

async fn is_answered(api: &Api, body: &[u8], gzip: bool) {
    for (method, path, media_type) in DOORS {
        let mut request = api.http.request(method.parse().unwrap(), format!("{}{path}", api.url));
        request = request.header("content-type", media_type).body(body.to_vec());
        if gzip {
            request = request.header("content-encoding", "gzip");
        }
        let status = request.send().await.unwrap().status().as_u16();
        assert!(
            status < 500,
            "{status} from {path} to {:?}",
            String::from_utf8_lossy(&body[..body.len().min(300)])
        );
    }
}

#[tokio::test]
async fn absurd_bodies() {
    let api = Api::start().await;
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(100_000), close.repeat(100_000));
    let wrap =
        |value: &str| format!(r#"{{"Data":{value},"records":[{{"data":{value},"value":{value},"key":{value}}}]}}"#);
    let mut bodies: Vec<Vec<u8>> = vec![
        b"\xff\xfe".to_vec(),
        b"\0".to_vec(),
        b"null".to_vec(),
        "{\"records\":[{\"value\":\"\\ud800\",\"data\":\"\\ud800\",\"key\":\"\\ud800\"}],\"Data\":\"\\ud800\"}".into(),
        "\u{feff}{}".into(),
        format!(
            "{{{}}}",
            (0..50_000).map(|n| format!("\"f{n}\":1")).collect::<Vec<_>>().join(",")
        )
        .into_bytes(),
        format!("{{\"records\":[{}]}}", vec!["{}"; 10_000].join(",")).into_bytes(),
        "\n".repeat(1_000_000).into_bytes(),
    ];
    for value in [
        deep("[", "]"),
        deep("{\"a\":", "}"),
        "1e999999".into(),
        "-".into(),
        "\"=\"".into(),
        "9".repeat(100_000),
    ] {
        bodies.push(value.clone().into_bytes());
        bodies.push(wrap(&value).into_bytes());
    }
    for body in &bodies {
        is_answered(&api, body, false).await;
        is_answered(&api, body, true).await;
    }
}

/// Bodies near the real ones: their pieces, put together in any way.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ":",
            ",",
            "\"",
            "\\",
            "null",
            "true",
            "1",
            "-",
            "1e5",
            "\"records\":[",
            "\"Records\"",
            "\"data\":{\"ind\":1}",
            "\"Data\":",
            "\"value\":",
            "\"key\":",
            "\"partition-key\":\"k\"",
            "\"ind\":",
            "\"age\":\"x\"",
            "\"timestamp\":\"2020-01-01 00:00:00\"",
            " ",
            "\n",
            "\u{0}",
            "\"é\"",
            "\"aw==\"",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

#[tokio::test]
async fn random_bodies() {
    let api = Api::start().await;
    let mut runner = TestRunner::new(Config::default());
    for _ in 0..150 {
        let body = pieces().new_tree(&mut runner).unwrap().current();
        is_answered(&api, &body, false).await;
    }
}

#[tokio::test]
async fn odd_requests_on_the_wire() {
    let api = Api::start().await;
    let requests = [
        "GET /streams/../health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        "GET http://elsewhere.example/dev/health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        "GET //health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        "PUT /streams/user/record HTTP/1.1\r\nhost: x\r\ncontent-type: \u{e9}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        "PUT /streams/user/record HTTP/1.1\r\nhost: x\r\ncontent-encoding: gzip\r\ncontent-encoding: gzip\r\ncontent-length: 1\r\nconnection: close\r\n\r\nx",
        "BREW /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    ];
    for request in requests {
        let mut socket = TcpStream::connect(api.url.strip_prefix("http://").unwrap())
            .await
            .unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 ") && !answer.starts_with("HTTP/1.1 5"),
            "{request:?}: {answer}"
        );
    }
}

#[tokio::test]
async fn a_body_that_does_not_end_is_408() {
    let bounds = Bounds {
        request_timeout: Duration::from_millis(200),
        ..Bounds::default()
    };
    let api = Api::with(Settings {
        bounds,
        ..Settings::default()
    })
    .await;
    for (path, part) in [
        ("/streams/user/record", "RequestTimeoutException"),
        ("/topics/user", "40801"),
    ] {
        let mut socket = TcpStream::connect(api.url.strip_prefix("http://").unwrap())
            .await
            .unwrap();
        let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\nconnection: close\r\n\r\n{{");
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 408") && answer.contains(part), "{answer}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_harms_nobody() {
    let api = Api::start().await;
    let mut socket = TcpStream::connect(api.url.strip_prefix("http://").unwrap())
        .await
        .unwrap();
    let head = "PUT /streams/user/record HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"Dat\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    drop(socket);
    let (status, _) = api
        .json("PUT", "/streams/user/record", &json!({"Data": {"ind": 1}}))
        .await;
    assert_eq!(status, 200);
    assert_eq!(api.far_end.payloads(), [r#"{"ind":1}"#]);
}
