//! The batch path and the daily run, from outside: `up`, `run`, `report`, and what a browser gets.

use std::{path::Path, time::Duration};

use chrono::{NaiveDate, Utc};
use pinlake::{
    client::Via,
    rows::{DATASETS, Rows},
};
use serde_json::Value;
use tempfile::tempdir;

use crate::support::{Up, arrival, assert_raw, assert_same, assert_stored, expected, found, pinlake, post, run};

/// Raw objects at once, and no refusals at the door.
const ARGUMENTS: [&str; 3] = ["--no-validation", "--raw-interval", "0"];

/// The days that may be today's, should midnight pass.
fn analytics(url: &str, first: NaiveDate) -> (i32, String, String) {
    let (from, to) = (first.to_string(), Utc::now().date_naive().to_string());
    run(pinlake().args(["run", "analytics", "--at", url, "--from", &from, "--to", &to]))
}

fn report(state: &Path, arguments: &[&str]) -> (i32, String, String) {
    run(pinlake().args(["report", "--state"]).arg(state).args(arguments))
}

#[tokio::test]
async fn topics_reach_the_tables_and_the_report() {
    let (state, first) = (tempdir().unwrap(), Utc::now().date_naive());
    let up = Up::start(state.path(), &ARGUMENTS);
    let (code, _, err) = report(state.path(), &[]);
    assert_eq!(code, 1);
    assert!(err.contains("there is no report in"), "{err}");
    for dataset in DATASETS {
        let rows: Vec<_> = Rows::new(dataset, 21).take(700).collect();
        post(&up.url, Via::Topics, dataset, &rows).await;
        assert_raw(state.path(), dataset, &rows).await;
    }
    // Twice, as a schedule may.
    for _ in 0..2 {
        let (code, out, err) = analytics(&up.url, first);
        assert_eq!((code, err.as_str()), (0, ""));
        for told in ["geo", "pin", "user", "01_", "report.html"] {
            assert!(out.contains(told), "{told} in\n{out}");
        }
        for dataset in DATASETS {
            let rows: Vec<_> = Rows::new(dataset, 21).take(700).collect();
            assert_stored(state.path(), dataset, &rows).await;
        }
    }

    let (code, out, _) = report(state.path(), &[]);
    assert_eq!(code, 0);
    let on_disk = std::fs::read_to_string(out.trim()).unwrap();
    let http = reqwest::Client::new();
    let served = http.get(format!("{}report", up.url)).send().await.unwrap();
    let address = served.url().clone();
    assert!(address.path().starts_with("/results/run_date="), "{address}");
    assert_eq!(served.text().await.unwrap(), on_disk);
    // The page's links lead to data.
    let link = on_disk.split("href=\"").find(|link| link.starts_with("../")).unwrap();
    let link = address.join(link.split('"').next().unwrap()).unwrap();
    assert!(http.get(link).send().await.unwrap().status().is_success());
    for nowhere in [
        "results/",
        "results/none.json",
        "results/..%2f..%2fx",
        "results/%2e%2e/tables",
    ] {
        let answer = http.get(format!("{}{nowhere}", up.url)).send().await.unwrap();
        assert_eq!(answer.status(), 404, "{nowhere}");
    }
}

#[tokio::test]
async fn a_run_beside_the_stream_takes_nothing_from_it() {
    let (state, first) = (tempdir().unwrap(), Utc::now().date_naive());
    let up = Up::start(state.path(), &ARGUMENTS);
    let rows: Vec<_> = Rows::new("pin", 22).take(8000).collect();
    let (by_topics, by_streams) = rows.split_at(2000);
    post(&up.url, Via::Topics, "pin", by_topics).await;
    assert_raw(state.path(), "pin", by_topics).await;
    let streaming = async {
        for part in by_streams.chunks(500) {
            post(&up.url, Via::Streams, "pin", part).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let url = up.url.clone();
    let running = tokio::task::spawn_blocking(move || {
        for function in ["analytics", "maintain", "analytics", "maintain", "analytics"] {
            let (code, _, err) = match function {
                "analytics" => analytics(&url, first),
                other => run(pinlake().args(["run", other, "--at", &url])),
            };
            assert_eq!((code, err.as_str()), (0, ""), "{function}");
        }
    });
    let ((), ended) = tokio::join!(streaming, running);
    ended.unwrap();
    arrival(state.path(), "pin", rows.len() as u64).await;
    let (stored, quarantined) = found(state.path(), "pin").await;
    let (clean, rejected) = expected("pin", &rows);
    assert_same(&stored, &clean, "tables/pin");
    assert_same(&quarantined, &rejected, "quarantine/pin");
}

#[tokio::test]
async fn a_question_of_ones_own_is_answered() {
    let state = tempdir().unwrap();
    let up = Up::start(state.path(), &ARGUMENTS);
    let rows: Vec<_> = (0..5_u8)
        .map(|ind| {
            let country = ["Chile", "Türkiye"][usize::from(ind % 2)];
            format!(
                r#"{{"ind":{ind},"timestamp":"2020-08-28 03:52:47","latitude":1,"longitude":2,"country":"{country}"}}"#
            )
            .into_bytes()
        })
        .collect();
    post(&up.url, Via::Streams, "geo", &rows).await;
    arrival(state.path(), "geo", 5).await;
    let ask = |sql: &str| {
        let file = state.path().join("question.sql");
        std::fs::write(&file, sql).unwrap();
        report(state.path(), &["--sql", file.to_str().unwrap()])
    };
    let (code, out, err) = ask("SELECT country, COUNT(*) AS posts FROM geo GROUP BY country ORDER BY posts DESC;\n");
    assert_eq!((code, err.as_str()), (0, ""));
    let lines: Vec<_> = out.lines().filter(|line| line.contains('┆')).collect();
    let cells = |line: &str| {
        let cells = line.split(['│', '┆']).map(|cell| cell.trim().to_owned());
        cells.filter(|cell| !cell.is_empty()).collect::<Vec<_>>()
    };
    assert_eq!(
        lines.iter().map(|line| cells(line)).collect::<Vec<_>>(),
        [["country", "posts"], ["Chile", "3"], ["Türkiye", "2"]]
    );
    assert!(out.ends_with("2 rows\n"), "{out}");
    for (sql, told) in [
        ("SELECT nothing FROM geo", "nothing"),
        ("SELEC 1", "could not be understood"),
        ("DROP TABLE geo", "only"),
        ("", "only one question"),
    ] {
        let (code, out, err) = ask(sql);
        assert_eq!((code, out.as_str()), (1, ""), "{sql}");
        assert!(
            err.contains(told) || err.contains("cannot be understood"),
            "{sql}: {err}"
        );
    }
}

#[tokio::test]
async fn wrong_runs_are_explained() {
    let state = tempdir().unwrap();
    let up = Up::start(state.path(), &ARGUMENTS);
    for (arguments, told) in [
        (vec!["analytics", "--date", "2999-01-01"], "has not begun"),
        (
            vec!["analytics", "--from", "2026-01-02", "--to", "2026-01-01"],
            "lies before",
        ),
        (vec!["maintain", "--date", "2026-01-01"], "only `analytics` knows days"),
    ] {
        let (code, out, err) = run(pinlake().arg("run").args(&arguments).args(["--at", &up.url]));
        assert_eq!((code, out.as_str()), (1, ""), "{arguments:?}");
        assert!(err.contains(told), "{arguments:?}: {err}");
    }
    let (code, _, err) = run(pinlake().args(["run", "analytics", "--at", "http://127.0.0.1:1"]));
    assert_eq!(code, 1);
    assert!(err.contains("no pipeline answers at http://127.0.0.1:1"), "{err}");
    // Lambda's own words for what is not there.
    let answer = reqwest::Client::new()
        .post(format!("{}2015-03-31/functions/nonsense/invocations", up.url))
        .body("{}")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 404);
    let body: Value = answer.json().await.unwrap();
    assert!(body["Message"].as_str().unwrap().contains("no function `nonsense`"));
}
