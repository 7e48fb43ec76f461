//! `pinlake up --auth aws-iam`, and the endpoints that always check signatures.

use std::{
    io::Write,
    process::Stdio,
    time::{Duration, SystemTime},
};

use pinlake::pipeline::Auth;
use tempfile::tempdir;

use super::{Raw, Signing, beside, pipeline};
use crate::support::{Up, pinlake, run};

const ROW: &str =
    "{\"ind\":1,\"first_name\":\"a\",\"last_name\":\"b\",\"age\":30,\"date_joined\":\"2017-01-01 00:00:00\"}\n";
const MISMATCH: &str = "The request signature we calculated does not match the signature you provided.";

/// Exit code and both outputs of `pinlake send`, with these variables.
fn send(to: &str, arguments: &[&str], variables: &[(&str, &str)]) -> (i32, String) {
    let mut command = pinlake();
    for name in [
        "AWS_PROFILE",
        "AWS_SESSION_TOKEN",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_REGION",
    ] {
        command.env_remove(name);
    }
    let mut child = command
        .args(["send", "--to", to, "--dataset", "user", "-"])
        .args(arguments)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/nonexistent")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
        // All that any library has to say.
        .env("RUST_LOG", "trace")
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _ = child.stdin.take().unwrap().write_all(ROW.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr]
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .concat();
    (output.status.code().unwrap(), text)
}

#[test]
fn the_command_signs_as_the_api_wants_it() {
    let state = tempdir().unwrap();
    let up = Up::start(state.path(), &["--auth", "aws-iam"]);
    let stage = format!("{}dev", up.url);
    let keys = [("AWS_ACCESS_KEY_ID", "pinlake"), ("AWS_REGION", "us-east-1")];
    let with = |secret, more: &[(&'static str, &'static str)]| {
        [&keys[..], &[("AWS_SECRET_ACCESS_KEY", secret)], more].concat()
    };
    for via in ["streams", "topics"] {
        let (code, told) = send(&stage, &["--sign", "--via", via], &with("pinlake-local", &[]));
        assert_eq!(code, 0, "{via}: {told}");
        let token = [("AWS_SESSION_TOKEN", "token-hunter2")];
        let (code, told) = send(&stage, &["--sign", "--via", via], &with("pinlake-local", &token));
        assert_eq!(code, 0, "{via}: {told}");
        assert!(!told.contains("hunter2") && !told.contains("pinlake-local"), "{told}");
    }
    for (arguments, variables, expected) in [
        (vec!["--sign"], with("wrong-hunter2", &[]), MISMATCH),
        (
            vec!["--sign"],
            with(
                "wrong-hunter2",
                &[
                    ("AWS_ACCESS_KEY_ID", "AKIDUNKNOWN"),
                    ("AWS_SESSION_TOKEN", "token-hunter2"),
                ],
            ),
            "The security token included in the request is invalid.",
        ),
        (
            vec!["--sign"],
            with("pinlake-local", &[("AWS_REGION", "eu-west-1")]),
            "Credential should be scoped to a valid region: 'us-east-1'.",
        ),
        (vec![], vec![], "Missing Authentication Token"),
        (
            vec![],
            vec![("PINLAKE_API_KEY", "key-hunter2")],
            "Missing Authentication Token",
        ),
    ] {
        let (code, told) = send(&stage, &arguments, &variables);
        assert_eq!(code, 1, "{variables:?}: {told}");
        assert!(
            told.contains("answered 403") && told.contains(expected),
            "{variables:?}: {told}"
        );
        assert!(!told.contains("hunter2"), "{variables:?}: {told}");
    }
    // What API Gateway would not serve needs no signature: this machine's own pages and commands.
    let (code, _, err) = run(pinlake().args(["run", "analytics", "--at", &up.url]));
    assert_eq!(code, 0, "{err}");
    let (status, answer) = Raw::new("GET", "/report").send(&up.url);
    assert_eq!(status, 302, "{answer}");
}

#[test]
fn what_is_signed_wrongly_is_refused_as_api_gateway_does() {
    let state = tempdir().unwrap();
    let up = Up::start(state.path(), &["--auth", "aws-iam"]);
    let put = Raw::new("PUT", "/dev/streams/shop-user/records?a=1")
        .header("content-type", "application/x-ndjson")
        .body(ROW);
    let good = put.signed(&up.url, &Signing::of("execute-api"));
    let (status, answer) = good.send(&up.url);
    assert_eq!(status, 200, "{answer}");
    let ago = |minutes: u64| Signing {
        time: SystemTime::now() - Duration::from_secs(60 * minutes),
        ..Signing::of("execute-api")
    };
    let mut other_body = good.clone();
    other_body.body = ROW.replace("30", "31");
    let mut other_path = good.clone();
    other_path.target = good.target.replace("shop-user", "shop-geo");
    let mut other_query = good.clone();
    other_query.target = good.target.replace("a=1", "a=2");
    let mut other_header = good.clone();
    for (name, value) in &mut other_header.headers {
        if name == "content-type" {
            *value = "application/json".into();
        }
    }
    let other_method = Raw {
        method: "POST",
        ..good.clone()
    };
    for (what, request, kind, told) in [
        ("body", other_body, "InvalidSignatureException", MISMATCH),
        ("path", other_path, "InvalidSignatureException", MISMATCH),
        ("query", other_query, "InvalidSignatureException", MISMATCH),
        ("header", other_header, "InvalidSignatureException", MISMATCH),
        ("method", other_method, "InvalidSignatureException", MISMATCH),
        (
            "stale",
            put.signed(&up.url, &ago(6)),
            "InvalidSignatureException",
            "Signature expired: ",
        ),
        (
            "missing",
            put.clone(),
            "MissingAuthenticationTokenException",
            "Missing Authentication Token",
        ),
        (
            "service",
            put.signed(&up.url, &Signing::of("kinesis")),
            "InvalidSignatureException",
            "Credential should be scoped to correct service: 'execute-api'.",
        ),
        (
            "another scheme",
            put.clone().header("authorization", "Bearer hunter2"),
            "IncompleteSignatureException",
            "Authorization header must begin with 'AWS4-HMAC-SHA256'.",
        ),
        (
            "a path that there is not",
            Raw::new("GET", "/secret"),
            "MissingAuthenticationTokenException",
            "Missing",
        ),
    ] {
        let (status, answer) = request.send(&up.url);
        assert_eq!(status, 403, "{what}: {answer}");
        assert!(
            answer.contains(&format!("x-amzn-errortype: {kind}")),
            "{what}: {answer}"
        );
        assert!(answer.contains(&format!("{{\"message\":\"{told}")), "{what}: {answer}");
        assert!(
            !answer.contains("hunter2") && !answer.contains("aws4_request"),
            "{what}: {answer}"
        );
    }
    // A clock that is off by less than five minutes is none of ours.
    let (status, answer) = put.signed(&up.url, &ago(4)).send(&up.url);
    assert_eq!(status, 200, "{answer}");
    let (status, _) = Raw::new("GET", "/health").send(&up.url);
    assert_eq!(status, 403, "every route is signed for");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_are_for_those_who_sign() {
    let state = tempdir().unwrap();
    let pipeline = pipeline(state.path(), Auth::None).await;
    let doors = [
        (pipeline.kinesis_url(), "kinesis", "Kinesis_20131202.ListStreams"),
        (
            pipeline.firehose_url(),
            "firehose",
            "Firehose_20150804.ListDeliveryStreams",
        ),
    ];
    beside(move || {
        for (url, service, operation) in doors {
            let list = Raw::new("POST", "/")
                .header("content-type", "application/x-amz-json-1.1")
                .header("x-amz-target", operation)
                .body("{}");
            let signing = Signing::of(service);
            let good = list.signed(&url, &signing);
            let (status, answer) = good.send(&url);
            assert_eq!(status, 200, "{answer}");
            let mut other = good.clone();
            for (name, value) in &mut other.headers {
                if name == "x-amz-target" {
                    *value = value.replace("List", "Describe");
                }
            }
            let stale = SystemTime::now() - Duration::from_secs(360);
            for (request, kind) in [
                (list.clone(), "MissingAuthenticationTokenException"),
                (
                    list.clone().header("authorization", "Bearer x"),
                    "IncompleteSignatureException",
                ),
                (
                    list.signed(
                        &url,
                        &Signing {
                            key_id: "AKIDUNKNOWN",
                            ..signing
                        },
                    ),
                    "UnrecognizedClientException",
                ),
                (
                    list.signed(
                        &url,
                        &Signing {
                            secret: "wrong",
                            ..signing
                        },
                    ),
                    "InvalidSignatureException",
                ),
                (
                    list.signed(&url, &Signing { time: stale, ..signing }),
                    "InvalidSignatureException",
                ),
                (list.signed(&url, &Signing::of("s3")), "InvalidSignatureException"),
                (other, "InvalidSignatureException"),
                (good.clone().body("{\"Limit\":1}"), "InvalidSignatureException"),
            ] {
                let (status, answer) = request.send(&url);
                assert_eq!(status, 400, "{service}, {kind}: {answer}");
                assert!(
                    answer.contains(&format!("\"__type\":\"{kind}\"")),
                    "{service}: {answer}"
                );
            }
        }
    })
    .await;
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_are_for_those_who_sign() {
    let state = tempdir().unwrap();
    let pipeline = pipeline(state.path(), Auth::None).await;
    let url = pipeline.s3_url();
    beside(move || {
        let put = Raw::new("PUT", "/pinlake/raw/a%20b").body("hello");
        let signing = Signing::of("s3");
        let good = put.signed(&url, &signing);
        let (status, answer) = good.send(&url);
        assert_eq!(status, 200, "{answer}");
        let mut elsewhere = good.clone();
        elsewhere.target = "/pinlake/raw/other".into();
        let hour_ago = SystemTime::now() - Duration::from_secs(3600);
        for (what, request) in [
            ("unsigned", put.clone()),
            ("unsigned, to read", Raw::new("GET", "/pinlake/raw/a%20b")),
            ("unsigned, to list", Raw::new("GET", "/pinlake?list-type=2")),
            (
                "unknown key",
                put.signed(
                    &url,
                    &Signing {
                        key_id: "AKIDUNKNOWN",
                        ..signing
                    },
                ),
            ),
            (
                "wrong secret",
                put.signed(
                    &url,
                    &Signing {
                        secret: "wrong",
                        ..signing
                    },
                ),
            ),
            (
                "stale",
                put.signed(
                    &url,
                    &Signing {
                        time: hour_ago,
                        ..signing
                    },
                ),
            ),
            ("another key", elsewhere),
        ] {
            let (status, answer) = request.send(&url);
            assert_eq!(status, 403, "{what}: {answer}");
            assert!(!answer.contains("hello"), "{what}: {answer}");
        }
        // The digest is signed; the body has to be the digest's.
        let (status, answer) = good.clone().body("other").send(&url);
        assert!(status >= 400, "{answer}");
        let (_, answer) = Raw::new("GET", "/pinlake/raw/a%20b").signed(&url, &signing).send(&url);
        assert!(answer.ends_with("hello"), "{answer}");
    })
    .await;
    pipeline.stop().await;
}
