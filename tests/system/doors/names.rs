//! Names that would lead somewhere else: by raw HTTP, since clients tidy paths up, and as arguments of the command.

use std::{collections::BTreeMap, fs, path::Path};

use pinlake::pipeline::Auth;
use tempfile::tempdir;

use super::{Raw, Signing, beside, pipeline};
use crate::support::{pinlake, run};

/// What no answer may hold: the content of a file outside.
const SECRET: &str = "xq7zoutside";

/// Names that mean another place to somebody who takes them for a path, as they stand in a URL.
fn names() -> Vec<String> {
    let mut names: Vec<String> = [
        "..",
        ".",
        "%2e%2e",
        ".%2E",
        "%252e%252e",
        "..%00",
        "a%00b",
        "%c0%ae%c0%ae",
        "%ef%bc%8e%ef%bc%8e",
        "%e2%80%a5",
        "%e2%88%95etc%e2%88%95passwd",
        "..%0a",
        "%ff%fe",
        ".s3",
        ".s3-folder",
        "~",
    ]
    .map(str::to_owned)
    .into();
    for up in [
        "../",
        "..%2f",
        "%2e%2e/",
        "%2e%2e%2f",
        "..%5c",
        "..%255c",
        "./../",
        "a/../../",
        ".s3/../",
        "%2e%2e%5C/",
    ] {
        for times in 1..=4 {
            names.push(format!("{}secret.txt", up.repeat(times)));
        }
    }
    names.push("/etc/passwd".into());
    names.push("%2fetc%2fpasswd".into());
    names.push("//etc//passwd".into());
    names.push("x".repeat(5000));
    names.push("x/".repeat(2000));
    names
}

/// All files and folders below one, but for the lake's, with what they hold.
fn outside(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.to_str().unwrap().to_owned();
            if name.ends_with("/s3/pinlake") || name.contains("/s3/.s3/") || name.ends_with(".redb") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
                found.insert(name, Vec::new());
            } else {
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_name_leads_out_of_the_state_folder() {
    let folder = tempdir().unwrap();
    let state = folder.path().join("a").join("state");
    fs::create_dir_all(&state).unwrap();
    for place in [folder.path().to_owned(), folder.path().join("a"), state.clone()] {
        fs::write(place.join("secret.txt"), SECRET).unwrap();
    }
    let pipeline = pipeline(&state, Auth::None).await;
    let before = outside(folder.path());
    assert_eq!(
        before.values().filter(|content| *content == SECRET.as_bytes()).count(),
        3
    );
    let (api, s3, kinesis) = (pipeline.url().to_string(), pipeline.s3_url(), pipeline.kinesis_url());
    let firehose = pipeline.firehose_url();
    beside(move || {
        // A bucket that is not empty cannot be deleted.
        let keep = Raw::new("PUT", "/pinlake/keep").signed(&s3, &Signing::of("s3"));
        assert_eq!(keep.send(&s3).0, 200);
        for name in names() {
            for target in [
                format!("/{name}"),
                format!("/results/{name}"),
                format!("/results/{name}/result.parquet"),
                format!("/report/{name}"),
                format!("/topics/{name}"),
                format!("/topics/{name}.pin"),
                format!("/streams/{name}"),
                format!("/dev/streams/{name}/records"),
                format!("/{name}/streams/pin/records"),
                format!("/2015-03-31/functions/{name}/invocations"),
            ] {
                for method in ["GET", "PUT", "POST"] {
                    let (status, answer) = Raw::new(method, &target).body("{}").send(&api);
                    assert!(!answer.contains(SECRET), "{method} {target}: {answer}");
                    // A topic that is named `….pin` is pin's, whatever stands before; it names no file.
                    assert!(status >= 400 || target.contains(".pin"), "{method} {target}: {answer}");
                }
            }
            for target in [
                format!("/{name}"),
                format!("/{name}/key"),
                format!("/pinlake/{name}"),
                format!("/pinlake/tables/{name}"),
                format!("/pinlake/key?uploadId={name}&partNumber=1"),
                format!("/pinlake?list-type=2&prefix={name}"),
                format!("/pinlake?list-type=2&continuation-token={name}"),
            ] {
                for method in ["GET", "PUT", "DELETE", "HEAD"] {
                    let request = Raw::new(method, &target).body("hello");
                    let signed = request.signed(&s3, &Signing::of("s3"));
                    let (_, answer) = signed.send(&s3);
                    assert!(!answer.contains(SECRET), "{method} {target}: {answer}");
                }
            }
            for source in [format!("pinlake/{name}"), format!("/{name}/secret.txt"), name.clone()] {
                let request = Raw::new("PUT", "/pinlake/copy").header("x-amz-copy-source", source);
                let (status, answer) = request.signed(&s3, &Signing::of("s3")).send(&s3);
                assert!(status != 200 || answer.contains("<Error>"), "{name}: {answer}");
            }
            // Names in a body: here the bytes that the escapes stand for count.
            let text = url::form_urlencoded::parse(format!("n={}", name.replace('+', "%2B")).as_bytes())
                .next()
                .map(|(_, value)| value.into_owned())
                .unwrap();
            for (url, service, operation, field) in [
                (&kinesis, "kinesis", "Kinesis_20131202.CreateStream", "StreamName"),
                (
                    &kinesis,
                    "kinesis",
                    "Kinesis_20131202.DescribeStreamSummary",
                    "StreamName",
                ),
                (
                    &kinesis,
                    "kinesis",
                    "Kinesis_20131202.DescribeStreamSummary",
                    "StreamARN",
                ),
                (
                    &firehose,
                    "firehose",
                    "Firehose_20150804.DescribeDeliveryStream",
                    "DeliveryStreamName",
                ),
            ] {
                let body = serde_json::json!({field: text, "ShardCount": 1}).to_string();
                let request = Raw::new("POST", "/").header("x-amz-target", operation).body(body);
                let (status, answer) = request.signed(url, &Signing::of(service)).send(url);
                // A stream may be named `..`: it is a key of a database then, and no path.
                let is_a_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
                let is_named = text.len() <= 128 && text.bytes().all(is_a_name);
                assert!(status >= 400 || is_named, "{operation} {text}: {answer}");
                assert!(!answer.contains(SECRET), "{operation} {text}: {answer}");
            }
        }
    })
    .await;
    pipeline.stop().await;
    assert_eq!(outside(folder.path()), before);
}

#[test]
fn no_argument_leads_out_of_the_state_folder() {
    let folder = tempdir().unwrap();
    let definitions = folder.path().join("definitions");
    fs::create_dir(&definitions).unwrap();
    let definition = "key = [\"id\"]\n[[column]]\nname = \"id\"\ntype = \"int32\"\nrequired = true\n";
    for name in [
        "..toml",
        "...toml",
        "a.b.toml",
        "A.toml",
        "a b.toml",
        "..%2fa.toml",
        "ü.toml",
    ] {
        let file = definitions.join(name);
        fs::write(&file, definition).unwrap();
        for arguments in [
            vec!["check", definitions.to_str().unwrap()],
            vec![
                "up",
                "--port",
                "0",
                "--datasets",
                definitions.to_str().unwrap(),
                "--state",
                "never-made",
            ],
        ] {
            let (code, out, err) = run(pinlake().args(&arguments).current_dir(folder.path()));
            assert_eq!(code, 1, "{name}: {out}{err}");
            assert!(err.contains(name), "{name}: {err}");
        }
        fs::remove_file(file).unwrap();
    }
    for day in ["../../secret", "2026-11-24/..", "..", ""] {
        for arguments in [
            ["report", "--date", day].as_slice(),
            &["run", "analytics", "--date", day],
        ] {
            let (code, _, err) = run(pinlake().args(arguments).current_dir(folder.path()));
            assert_eq!(code, 2, "{day}: {err}");
        }
    }
    assert!(!folder.path().join("never-made").exists());
}
