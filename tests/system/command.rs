//! The command's messages and exit codes, on good and on wrong input.

use std::{fs, io::Write, process::Stdio};

use crate::support::{Up, pinlake, run};
use tempfile::tempdir;

#[test]
fn wrong_calls_are_explained() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("precious"), "mine").unwrap();
    let folder = folder.path().to_str().unwrap();
    for (arguments, told) in [
        (vec!["check", "no/such/folder"], "could not read `no/such/folder`"),
        (vec!["check", folder], "holds no dataset definition"),
        (vec!["demo", "--state", folder], "holds something that is no demo's"),
        (
            vec!["send", "--to", "nowhere", "--dataset", "pin", "-"],
            "`nowhere` is no URL",
        ),
        (
            vec!["send", "--to", "ftp://host", "--dataset", "pin", "-"],
            "is no http or https URL",
        ),
        (
            vec!["send", "--to", "http://127.0.0.1:1", "--dataset", "pin", "no-such-file"],
            "could not open no-such-file",
        ),
    ] {
        let (code, _, err) = run(pinlake().args(&arguments).stdin(Stdio::null()));
        assert_eq!(code, 1, "{arguments:?}: {err}");
        assert!(err.starts_with("error: ") && err.contains(told), "{arguments:?}: {err}");
    }
    assert_eq!(fs::read_to_string(format!("{folder}/precious")).unwrap(), "mine");
}

#[test]
fn send_tells_what_became_of_each_row() {
    let state = tempdir().unwrap();
    let up = Up::start(state.path(), &[]);
    let send = |dataset: &str, via: &str, rows: &str| {
        let mut child = pinlake()
            .args(["send", "--to", &up.url, "--dataset", dataset, "--via", via, "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(rows.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    for via in ["streams", "topics"] {
        let (code, out, _) = send("pin", via, "{\"index\":1}\n\n{\"index\":2}");
        assert_eq!(code, 0, "{via}: {out}");
        assert!(out.starts_with("1 request (0 repeated) in "), "{via}: {out}");
        assert!(
            out.ends_with("\n2 sent: 2 accepted, 0 rejected, 0 failed\n"),
            "{via}: {out}"
        );

        let (code, out, err) = send("x.user", via, "{\"ind\":1}\n{\"ind\":2,\"age\":200}\nnonsense\n");
        assert_eq!(code, 1, "{via}: {out}{err}");
        assert!(out.contains("line 2 rejected: ") && out.contains("age"), "{via}: {out}");
        assert!(
            out.contains("line 3 rejected: ") && out.contains("not JSON"),
            "{via}: {out}"
        );
        assert!(
            out.ends_with("3 sent: 1 accepted, 2 rejected, 0 failed\n"),
            "{via}: {out}"
        );
        assert!(err.contains("2 rows were not accepted"), "{via}: {err}");

        let (code, _, err) = send("unknown", via, "{\"ind\":1}\n");
        assert_eq!(code, 1);
        assert!(err.contains("404") && err.contains("unknown"), "{via}: {err}");
    }
}

#[test]
fn a_demo_takes_nothing_from_a_pipeline_that_runs() {
    let state = tempdir().unwrap();
    // As a demo leaves it, with something beside it that is no demo's.
    fs::create_dir_all(state.path().join("demo/sent")).unwrap();
    fs::write(state.path().join("letter.txt"), "dear").unwrap();
    let up = Up::start(state.path(), &[]);
    let demo = || run(pinlake().args(["demo", "--rows", "10", "--state"]).arg(state.path()));
    let (code, _, err) = demo();
    assert_eq!(code, 1);
    assert!(err.contains("another process"), "{err}");
    assert!(state.path().join("s3/pinlake").is_dir(), "its lake is gone");
    drop(up);
    assert_eq!(demo().0, 0);
    assert_eq!(fs::read_to_string(state.path().join("letter.txt")).unwrap(), "dear");
}

#[test]
fn two_on_one_state_are_refused() {
    let state = tempdir().unwrap();
    let _up = Up::start(state.path(), &[]);
    let (code, _, err) = run(pinlake().args(["up", "--port", "0", "--state"]).arg(state.path()));
    assert_eq!(code, 1);
    assert!(err.contains("another process"), "{err}");
}
