//! Whatever a client sends, it gets an answer that is no 500, and the next client is served.

use std::{io::Write as _, time::Duration};

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

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// A body that is taken, and has so many bytes.
fn padded(bytes: usize) -> Vec<u8> {
    let row = br#"{"Data":{"ind":1}}"#;
    [&b" ".repeat(bytes - row.len())[..], row].concat()
}

async fn status(api: &Api, path: &str, media_type: &str, encoding: &str, body: Vec<u8>) -> u16 {
    let request = api.http.put(format!("{}{path}", api.url)).body(body);
    let request = request
        .header("content-type", media_type)
        .header("content-encoding", encoding);
    request.send().await.unwrap().status().as_u16()
}

/// What is at a limit is taken, and what is one beyond it is not, with the limits that are deployed.
#[tokio::test]
async fn limits_hold_to_the_byte() {
    let api = Api::start().await;
    let Bounds {
        body_bytes,
        decompressed_bytes,
        records,
        batch_records,
        record_bytes,
        ..
    } = Bounds::default();
    for (beyond, expected) in [(0, 200), (1, 413)] {
        let plain = padded(body_bytes + beyond);
        assert_eq!(
            status(&api, "/streams/user/record", "", "identity", plain).await,
            expected
        );

        let text = padded(decompressed_bytes + beyond);
        let packed = gzip(&text);
        assert_eq!(status(&api, "/streams/user/record", "", "gzip", packed).await, expected);
        // A limit of each member would be none of all of them.
        let members = text.chunks(1 << 20).flat_map(gzip).collect();
        assert_eq!(
            status(&api, "/streams/user/record", "", "gzip", members).await,
            expected
        );

        let list = vec![r#"{"data":{"ind":1}}"#; records + beyond].join(",");
        let list = format!("{{\"records\":[{list}]}}").into_bytes();
        assert_eq!(
            status(&api, "/streams/user/records", "", "identity", list).await,
            expected
        );
        let lines = b"{\"ind\":1}\n".repeat(batch_records + beyond);
        let answer = status(&api, "/streams/user/records", "application/x-ndjson", "identity", lines).await;
        assert_eq!(answer, expected);

        let frame = r#"{"ind":1,"x":""}"#.len();
        // The partition key is the row's own, `1`.
        let row = format!(
            r#"{{"Data":{{"ind":1,"x":"{}"}}}}"#,
            "x".repeat(record_bytes + beyond - 1 - frame)
        );
        assert_eq!(
            status(&api, "/streams/user/record", "", "identity", row.into_bytes()).await,
            expected
        );
    }
    // The record itself is the first level.
    for (levels, expected) in [(31, 200), (32, 422)] {
        let row = format!(
            r#"{{"Data":{{"ind":1,"x":{}{}}}}}"#,
            "[".repeat(levels),
            "]".repeat(levels)
        );
        assert_eq!(
            status(&api, "/streams/user/record", "", "identity", row.into_bytes()).await,
            expected
        );
    }
}

#[tokio::test]
async fn only_gzip_is_unpacked_and_only_once() {
    let api = Api::start().await;
    let packed = gzip(&padded(100));
    for (encoding, body, expected) in [
        ("gzip", packed.clone(), 200),
        ("X-GZIP", packed.clone(), 200),
        ("gzip", gzip(&packed), 400),
        ("gzip, gzip", gzip(&packed), 415),
        ("identity, gzip", packed.clone(), 415),
        ("deflate", packed.clone(), 415),
        ("br", packed.clone(), 415),
        ("zstd", packed.clone(), 415),
        ("gzip", packed[..packed.len() - 1].to_vec(), 400),
        ("gzip", [&packed[..], b"x"].concat(), 400),
    ] {
        let found = status(&api, "/streams/user/record", "application/json", encoding, body).await;
        assert_eq!(found, expected, "{encoding}");
    }
    assert_eq!(api.far_end.payloads().len(), 2);
}

/// What the Kinesis Producer Library packs into one record is refused whole; unjudged, it goes on as it came.
#[tokio::test]
async fn a_packed_record_does_not_come_apart() {
    let packed = [
        &b"\xf3\x89\x9a\xc2\x0a\x01k\x1a\x0d\x08\x00\x1a\x09{\"ind\":1}"[..],
        &[7; 16],
    ]
    .concat();
    let body = json!({"Data": base64_simd::STANDARD.encode_to_string(&packed), "PartitionKey": "k"});
    let judging = Api::start().await;
    let (status, answer) = judging.json("PUT", "/streams/user/record", &body).await;
    assert_eq!((status, &answer["reason"]), (422, &json!("is not UTF-8 at byte 0")));
    assert!(judging.far_end.stored().is_empty());

    let settings = Settings {
        validation: false,
        ..Settings::default()
    };
    let passing = Api::with(settings).await;
    assert_eq!(passing.json("PUT", "/streams/user/record", &body).await.0, 200);
    let stored: Vec<_> = passing.far_end.stored().into_iter().map(|put| put.data).collect();
    assert_eq!(stored, [packed]);
}
