//! `pinlake send`: what it sends again, what it refuses, what it never shows. None of this needs a database.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::tempdir;

use crate::{
    scripted::{Answer, Server},
    support::pinlake,
};

/// Exit code, standard output, standard error.
fn run(command: &mut Command, input: &str) -> (i32, String, String) {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that fails early does not read.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn send(to: &str, arguments: &[&str], input: &str) -> (i32, String, String) {
    run(
        pinlake()
            .args(["send", "--to", to, "--dataset", "pin", "-"])
            .args(arguments),
        input,
    )
}

/// An answer of the Kinesis proxy: per record an error code, or none.
fn records(codes: &[Option<&str>]) -> Answer {
    let records: Vec<_> = codes
        .iter()
        .map(|code| match code {
            None => r#"{"SequenceNumber":"1","ShardId":"shardId-000000000000"}"#.to_owned(),
            Some(code) => format!(r#"{{"ErrorCode":"{code}","ErrorMessage":"told {code}"}}"#),
        })
        .collect();
    let failed = codes.iter().flatten().count();
    Answer::Http(
        200,
        "content-type: application/json\r\n",
        format!(r#"{{"FailedRecordCount":{failed},"Records":[{}]}}"#, records.join(",")),
    )
}

fn busy(status: u16, headers: &'static str) -> Answer {
    Answer::Http(status, headers, r#"{"message":"come back later"}"#.into())
}

const THREE_ROWS: &str = "{\"index\":1}\n{\"index\":2}\n{\"index\":3}\n";

#[test]
fn only_what_failed_is_sent_again() {
    let throttled = Some("ProvisionedThroughputExceededException");
    let server = Server::start(vec![
        records(&[None, throttled, Some("ValidationException")]),
        records(&[throttled]),
        records(&[None]),
    ]);
    let (code, out, err) = send(&server.url, &[], THREE_ROWS);
    assert_eq!(server.requests(), [THREE_ROWS, "{\"index\":2}\n", "{\"index\":2}\n"]);
    assert_eq!(code, 1, "{out}{err}");
    assert!(out.contains("line 3 rejected: told ValidationException"), "{out}");
    assert!(out.contains("3 requests (2 repeated)"), "{out}");
    assert!(out.ends_with("3 sent: 2 accepted, 1 rejected, 0 failed\n"), "{out}");
}

#[test]
fn what_breaks_on_the_way_is_sent_again() {
    let server = Server::start(vec![
        Answer::Silence,
        busy(503, ""),
        busy(429, "retry-after: 0\r\n"),
        records(&[None, None, None]),
    ]);
    let (code, out, err) = send(&server.url, &[], THREE_ROWS);
    assert_eq!(server.requests(), [THREE_ROWS; 4]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.ends_with("3 sent: 3 accepted, 0 rejected, 0 failed\n"), "{out}");
}

#[test]
fn the_service_says_how_long_to_wait() {
    let server = Server::start(vec![busy(429, "retry-after: 1\r\n"), records(&[None, None, None])]);
    let started = Instant::now();
    let (code, out, _) = send(&server.url, &[], THREE_ROWS);
    assert_eq!((code, server.requests().len()), (0, 2), "{out}");
    assert!(started.elapsed() >= Duration::from_secs(1));
}

#[test]
fn tries_and_patience_end() {
    for (arguments, tries) in [(["--tries", "3"], 3), (["--patience", "5"], 1)] {
        let server = Server::start((0..9).map(|_| busy(503, "retry-after: 0\r\n")).collect());
        // A wish beyond all patience ends it at once; the number of tries would not.
        let impatient = Server::start((0..9).map(|_| busy(503, "retry-after: 3600\r\n")).collect());
        let server = if tries == 1 { impatient } else { server };
        let (code, out, err) = send(&server.url, &arguments, THREE_ROWS);
        assert_eq!((code, server.requests().len()), (1, tries), "{arguments:?}: {out}{err}");
        let given_up = format!("line 1 failed: come back later (given up after {tries} tries)");
        assert!(out.contains(&given_up), "{arguments:?}: {out}");
        assert!(
            out.ends_with("3 sent: 0 accepted, 0 rejected, 3 failed\n"),
            "{arguments:?}: {out}"
        );
    }
}

#[test]
fn the_rest_is_not_sent_where_nobody_answers() {
    // Two requests' worth of rows; the second is never tried, and what the first one's came to is still told.
    let rows: String = (0..501).map(|index| format!("{{\"index\":{index}}}\n")).collect();
    let (code, out, err) = send("http://127.0.0.1:1", &["--tries", "2"], &rows);
    assert_eq!(code, 1);
    assert!(err.starts_with("error: given up after 2 tries: "), "{err}");
    assert!(out.contains("2 requests (1 repeated)"), "{out}");
    assert!(
        out.ends_with("500 sent: 0 accepted, 0 rejected, 500 failed\nwhat comes after these rows was not sent\n"),
        "{out}"
    );
}

#[test]
fn an_interrupt_ends_a_file_after_what_was_read() {
    let server = Server::start((0..1_000).map(|_| records(&[None, None])).collect());
    let folder = tempdir().unwrap();
    let file = folder.path().join("rows.jsonl");
    fs::write(&file, "{\"index\":1}\n".repeat(2_000)).unwrap();
    let child = pinlake()
        .args(["send", "--to", &server.url, "--dataset", "pin", "--rate", "20"])
        .arg(&file)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while server.requests().is_empty() {
        std::thread::sleep(Duration::from_millis(10));
    }
    let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(interrupted.unwrap().success());
    let output = child.wait_with_output().unwrap();
    let (out, err) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    let sent = 2 * server.requests().len();
    assert_eq!(output.status.code(), Some(1));
    assert!(err.contains("stopped before the last row"), "{err}");
    assert!(
        out.ends_with(&format!("{sent} sent: {sent} accepted, 0 rejected, 0 failed\n")),
        "{out}"
    );
}

#[test]
fn a_count_and_a_rate_shape_the_requests() {
    let server = Server::start((0..9).map(|_| records(&[None, None])).collect());
    let rows = THREE_ROWS.repeat(3);
    // Twenty a second go out in rounds of two.
    let (code, out, err) = send(&server.url, &["--count", "6", "--rate", "20"], &rows);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.ends_with("6 sent: 6 accepted, 0 rejected, 0 failed\n"), "{out}");
    assert_eq!(
        server.requests(),
        [
            "{\"index\":1}\n{\"index\":2}\n",
            "{\"index\":3}\n{\"index\":1}\n",
            "{\"index\":2}\n{\"index\":3}\n"
        ]
    );
}

/// Reads from a database, as far as one gets without one. No variable of the caller's gets in.
fn from(url: &str, arguments: &[&str]) -> (i32, String, String) {
    let mut command = pinlake();
    for variable in [
        "PINLAKE_DB_USER",
        "PINLAKE_DB_PASSWORD",
        "MYSQL_PWD",
        "PGPASSWORD",
        "PGUSER",
    ] {
        command.env_remove(variable);
    }
    command
        .args(["send", "--to", "http://127.0.0.1:1", "--from", url])
        .args(arguments);
    run(&mut command, "")
}

#[test]
fn a_password_in_the_url_is_refused_and_not_repeated() {
    for url in [
        "mysql://reader:hunter2@127.0.0.1:1/pins",
        "postgres://reader@127.0.0.1:1/pins?password=hunter2",
        "postgres://reader:12/hunter2@127.0.0.1:1/pins",
        "mysql://reader:hunter2:x@127.0.0.1:y/pins",
    ] {
        let (code, out, err) = from(url, &[]);
        assert_eq!((code, out.as_str()), (1, ""), "{url}");
        assert!(
            err.contains("PINLAKE_DB_PASSWORD") && err.contains("--credentials"),
            "{err}"
        );
        assert!(!err.contains("hunter2"), "{err}");
    }
}

#[test]
fn a_login_that_fails_does_not_show_the_password() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("credentials.toml");
    fs::write(&file, "user = \"reader\"\npassword = \"hunter2\"\n").unwrap();
    let credentials = file.to_str().unwrap();
    for url in ["mysql://127.0.0.1:1/pins", "postgres://127.0.0.1:1/pins"] {
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let mut command = pinlake();
        command.env("RUST_LOG", "trace").args([
            "send",
            "--to",
            "http://127.0.0.1:1",
            "--from",
            url,
            "--credentials",
            credentials,
        ]);
        let (code, out, err) = run(&mut command, "");
        assert_eq!(code, 1, "{err}");
        assert!(err.contains(&format!("error: could not log in to {url}: ")), "{err}");
        assert!(!out.contains("hunter2") && !err.contains("hunter2"), "{out}{err}");

        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let (code, _, err) = from(url, &["--credentials", credentials]);
        assert_eq!(code, 1);
        assert!(
            err.contains("others may read the credentials") && !err.contains("hunter2"),
            "{err}"
        );
    }
}

#[test]
fn calls_that_cannot_be_meant_are_explained() {
    let database = "postgres://reader@127.0.0.1:1/pins";
    for (url, arguments, code, told) in [
        ("sqlite://rows.db", vec![], 1, "mysql://USER@HOST:PORT/DATABASE"),
        ("mysql://127.0.0.1:1/pins", vec![], 1, "no user to log in with"),
        (database, vec!["--dataset", "board"], 1, "--table board=TABLE"),
        (
            database,
            vec!["--dataset", "pin", "--table", "geo=places"],
            1,
            "leaves out",
        ),
        (database, vec!["--table", "places"], 2, "DATASET=TABLE"),
        (database, vec!["--seed", "1"], 2, "--random"),
        (database, vec!["--rate", "0"], 2, "rows a second"),
        (database, vec!["rows.jsonl"], 2, "cannot be used with"),
        (
            database,
            vec!["--credentials", "no-such-file"],
            1,
            "could not read the credentials in no-such-file",
        ),
    ] {
        let (found, out, err) = from(url, &arguments);
        assert_eq!((found, out.as_str()), (code, ""), "{arguments:?}: {err}");
        assert!(err.contains(told), "{arguments:?}: {err}");
    }
    let (code, _, err) = send("http://127.0.0.1:1", &["--dataset", "geo"], "");
    assert_eq!(code, 1);
    assert!(err.contains("--dataset names 2"), "{err}");
}
