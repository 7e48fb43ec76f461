//! `pinlake audit` from outside: every record that is lost or doubled is named, and nothing else is.

use std::path::Path;

use arrow::{
    array::{Array, AsArray, BooleanArray, RecordBatch},
    compute::filter_record_batch,
};
use chrono::{NaiveDate, Utc};
use pinlake::{client::Via, pipeline::Pipeline, rows::Rows};
use pinlake_dataset::{Catalog, DatasetName};
use pinlake_lake::{INGEST_DATE, Kind, Lake, ORIGIN, Replacement, read_table};
use serde_json::Value;
use tempfile::tempdir;

use crate::support::{Up, arrival, assert_raw, pinlake, post, run};

/// Raw objects at once, and no refusals at the door.
const ARGUMENTS: [&str; 3] = ["--no-validation", "--raw-interval", "0"];

/// An audit of a state folder: exit code and what it found, by dataset.
pub(crate) fn audit(state: &Path, arguments: &[&str]) -> (i32, Vec<Value>) {
    let mut command = pinlake();
    let command = command.args(["audit", "--json", "--state"]).arg(state).args(arguments);
    let (code, out, err) = run(command);
    assert_eq!(err, "", "{out}");
    (
        code,
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
    )
}

fn count(findings: &Value, what: &str) -> u64 {
    match &findings[what] {
        Value::Array(named) => named.len() as u64,
        number => number.as_u64().unwrap(),
    }
}

fn assert_counts(findings: &Value, expected: &[(&str, u64)]) {
    for (what, number) in expected {
        assert_eq!(count(findings, what), *number, "{what} in {findings:#}");
    }
}

#[tokio::test]
async fn audits_name_what_was_done_to_the_tables() {
    let (state, first) = (tempdir().unwrap(), Utc::now().date_naive());
    let up = Up::start(state.path(), &ARGUMENTS);
    let streamed: Vec<_> = Rows::new("pin", 31).take(400).collect();
    let filed: Vec<_> = Rows::new("pin", 32).take(300).collect();
    post(&up.url, Via::Streams, "pin", &streamed).await;
    post(&up.url, Via::Topics, "pin", &filed).await;
    arrival(state.path(), "pin", 400).await;
    assert_raw(state.path(), "pin", &filed).await;

    // While the pipeline runs its streams are its own; they are read by way of its endpoint.
    let (code, out, err) = run(pinlake().args(["audit", "--state"]).arg(state.path()));
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.contains("--at or --kinesis-endpoint"), "{err}");

    let (from, to) = (first.to_string(), Utc::now().date_naive().to_string());
    up.end_with("INT");
    let (code, found) = audit(state.path(), &["--dataset", "pin"]);
    assert_eq!(code, 0);
    // The stream's rows are stored, and its watermark proves that they are due; no run has cleaned the raw objects.
    assert_counts(
        &found[0],
        &[("delivered", 700), ("pending", 300), ("missing", 0), ("uncompared", 0)],
    );
    assert_eq!(count(&found[0], "table") + count(&found[0], "quarantine"), 400);
    let (code, found) = audit(state.path(), &["--dataset", "pin", "--settled-before", "now"]);
    assert_eq!(code, 1);
    assert_counts(&found[0], &[("pending", 0), ("missing", 300), ("doubled", 0)]);

    let up = Up::start(state.path(), &ARGUMENTS);
    let (code, _, err) = run(pinlake().args(["run", "analytics", "--at", &up.url, "--from", &from, "--to", &to]));
    assert_eq!((code, err.as_str()), (0, ""));
    up.end_with("INT");
    let (code, found) = audit(state.path(), &["--settled-before", "now"]);
    assert_eq!(code, 0, "{found:#?}");
    let named: Vec<_> = found
        .iter()
        .map(|findings| findings["dataset"].as_str().unwrap())
        .collect();
    assert_eq!(named, ["geo", "pin", "user"]);
    let clean = [
        ("missing", 0),
        ("doubled", 0),
        ("unexpected", 0),
        ("given_up", 0),
        ("uncompared", 0),
    ];
    assert_counts(&found[1], &clean);
    assert_eq!(count(&found[1], "table") + count(&found[1], "quarantine"), 700);
    assert_counts(&found[0], &[("delivered", 0)]);

    // Somebody takes two rows of the day out of the table and puts one in twice, and one that never came.
    let lake = Pipeline::lake_on_disk(state.path()).unwrap();
    let [lost, doubled, invented] = vandalise(&lake).await;
    for arguments in [&["--dataset", "pin", "--via", "topics"][..], &["--dataset", "pin"]] {
        let (code, found) = audit(state.path(), arguments);
        assert_eq!(code, 1);
        assert_eq!(found[0]["missing"], serde_json::json!([lost]), "{arguments:?}");
        assert_eq!(
            found[0]["doubled"],
            serde_json::json!([{"origin": doubled, "table": 2, "quarantine": 0}])
        );
        assert_eq!(found[0]["unexpected"], serde_json::json!([invented]));
    }
    // Other days have nothing of it, and neither has the stream.
    for arguments in [
        &["--day", "2020-01-01"][..],
        &["--stream", "pinlake-pin"],
        &["--via", "streams"],
    ] {
        let (code, found) = audit(state.path(), arguments);
        assert_eq!(code, 0, "{arguments:?}: {found:#?}");
    }
    let (code, out, _) = run(pinlake()
        .args(["audit", "--dataset", "pin", "--state"])
        .arg(state.path()));
    assert_eq!(code, 1);
    for named in [&lost, &doubled, &invented] {
        assert!(out.contains(named.as_str()), "{named} in\n{out}");
    }
}

/// Replaces the first day of the batch path that has rows: without its first row, with its second twice, and with a line
/// that its raw object does not have in the place of the first.
async fn vandalise(lake: &Lake) -> [String; 3] {
    let name = DatasetName::parse("pin").unwrap();
    let batches = read_table(lake, Kind::Table, &name).await.unwrap();
    let rows = arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap();
    let origins = rows.column_by_name(ORIGIN).unwrap().as_string::<i32>().clone();
    let days = rows.column_by_name(INGEST_DATE).unwrap();
    let days = days.as_primitive::<arrow::datatypes::Date32Type>().clone();
    let is_raw = |row: usize| origins.value(row).starts_with("raw/");
    let first = (0..rows.num_rows()).find(|row| is_raw(*row)).unwrap();
    let day = NaiveDate::from_epoch_days(days.value(first)).unwrap();
    let of_day = |row: usize| is_raw(row) && days.value(row) == days.value(first);
    let second = (first + 1..rows.num_rows()).find(|row| of_day(*row)).unwrap();
    let keep = |keep: &dyn Fn(usize) -> bool| -> RecordBatch {
        let mask: BooleanArray = (0..rows.num_rows()).map(|row| Some(keep(row))).collect();
        filter_record_batch(&rows, &mask).unwrap()
    };
    let mut replacement = Replacement::new(
        lake,
        Kind::Table,
        Catalog::built_in().get(&name).unwrap(),
        day,
        1 << 20,
        pinlake_lake::Settings::default(),
        Utc::now(),
    )
    .unwrap();
    replacement
        .write(&keep(&|row| of_day(row) && row != first))
        .await
        .unwrap();
    replacement.write(&keep(&|row| row == second)).await.unwrap();
    let object = origins.value(first).rsplit_once('#').unwrap().0.to_owned();
    let invented = format!("{object}#999999999");
    let one = keep(&|row| row == first);
    let mut columns = one.columns().to_vec();
    let place = one.schema().index_of(ORIGIN).unwrap();
    columns[place] = std::sync::Arc::new(arrow::array::StringArray::from(vec![invented.clone()]));
    let one = RecordBatch::try_new(one.schema(), columns).unwrap();
    replacement.write(&one).await.unwrap();
    // The inputs stay those that the day was cleaned from.
    replacement.commit(None).await.unwrap();
    assert!(!origins.is_null(first));
    [
        origins.value(first).to_owned(),
        origins.value(second).to_owned(),
        invented,
    ]
}

#[tokio::test]
async fn a_running_pipeline_is_audited_by_its_endpoint() {
    let state = tempdir().unwrap();
    let up = Up::start(state.path(), &ARGUMENTS);
    let rows: Vec<_> = Rows::new("geo", 33).take(250).collect();
    post(&up.url, Via::Streams, "geo", &rows).await;
    arrival(state.path(), "geo", 250).await;
    for place in [
        &["--kinesis-endpoint", &up.kinesis][..],
        &[
            "--kinesis-endpoint",
            &up.kinesis,
            "--lake",
            "s3://pinlake",
            "--s3-endpoint",
            &up.s3,
        ],
    ] {
        let (code, found) = audit(
            state.path(),
            &[place, &["--dataset", "geo", "--settled-before", "now"]].concat(),
        );
        assert_eq!(code, 0, "{place:?}: {found:#?}");
        assert_counts(
            &found[0],
            &[("delivered", 250), ("missing", 0), ("doubled", 0), ("uncompared", 0)],
        );
    }
}

#[test]
fn where_nothing_answers_is_said_at_once() {
    let folder = tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join(".pinlake/s3/pinlake")).unwrap();
    for option in ["--at", "--kinesis-endpoint"] {
        let audit = ["audit", option, "http://127.0.0.1:1"];
        let (code, out, err) = run(pinlake().args(audit).current_dir(folder.path()));
        assert_eq!((code, out.as_str()), (2, ""), "{option}");
        assert!(err.contains("nothing answers at http://127.0.0.1:"), "{option}: {err}");
    }
}

#[test]
fn a_day_of_nothing_is_no_success() {
    let state = tempdir().unwrap();
    std::fs::create_dir_all(state.path().join("s3/pinlake")).unwrap();
    let (code, out, _) = run(pinlake()
        .args(["audit", "--via", "topics", "--day", "2020-01-01", "--state"])
        .arg(state.path()));
    assert_eq!(code, 0);
    assert!(
        out.ends_with("no record was delivered, as far as is still known\n"),
        "{out}"
    );
}

#[test]
fn wrong_calls_are_explained() {
    let state = tempdir().unwrap();
    std::fs::create_dir_all(state.path().join("s3/pinlake")).unwrap();
    for (arguments, told) in [
        (&["--dataset", "nothing"][..], "`nothing` is no dataset"),
        (&["--stream", "pinlake-nothing"], "leads to no dataset"),
        (
            &["--from", "2026-01-02", "--to", "2026-01-01", "--via", "topics"],
            "lies before",
        ),
        (&["--settled-before", "soon"], "neither `now` nor a time"),
        (&["--day", "2026-13-01"], "invalid value"),
        (&["--lake", "/tmp"], "--kinesis-endpoint"),
        (&[], "there are no streams in"),
    ] {
        let (code, out, err) = run(pinlake().args(["audit", "--state"]).arg(state.path()).args(arguments));
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}");
        assert!(err.contains(told), "{arguments:?}: {err}");
    }
}
