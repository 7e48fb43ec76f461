//! Rows in over HTTP, tables out: the built command, its tables read back from disk.

use crate::support::{Up, arrival, assert_raw, assert_same, assert_stored, expected, found};
use pinlake::{
    client::{Client, Outcome, ROWS_PER_REQUEST, Via},
    rows::{DATASETS, Rows},
};
use tempfile::tempdir;

async fn post(url: &str, via: Via, dataset: &str, rows: &[Vec<u8>]) -> Vec<Outcome> {
    let client = Client::new(url).unwrap();
    let mut outcomes = Vec::new();
    for chunk in rows.chunks(ROWS_PER_REQUEST) {
        outcomes.extend(
            client
                .post(via, &format!("streaming-test-{dataset}"), chunk)
                .await
                .unwrap(),
        );
    }
    outcomes
}

#[tokio::test]
async fn what_is_accepted_is_stored_once_clean_or_in_quarantine() {
    let state = tempdir().unwrap();
    let up = Up::start(state.path(), &["--no-validation"]);
    for dataset in DATASETS {
        let rows: Vec<_> = Rows::new(dataset, 11).take(1200).collect();
        let (topics, streams) = rows.split_at(600);
        let mut outcomes = post(&up.url, Via::Topics, dataset, topics).await;
        outcomes.extend(post(&up.url, Via::Streams, dataset, streams).await);
        assert_eq!(outcomes, vec![Outcome::Accepted; rows.len()]);
        arrival(state.path(), dataset, streams.len() as u64).await;
        let (clean, quarantined) = expected(dataset, streams);
        assert!(
            clean.len() > 400 && !quarantined.is_empty(),
            "{dataset}: rows that show nothing"
        );
        assert_stored(state.path(), dataset, streams).await;
    }
    // An end puts what is buffered into raw objects.
    assert!(up.end_with("INT").success());
    for dataset in DATASETS {
        let topics: Vec<_> = Rows::new(dataset, 11).take(600).collect();
        assert_raw(state.path(), dataset, &topics).await;
    }
}

#[tokio::test]
async fn the_edge_refuses_what_the_stream_would_quarantine() {
    let state = tempdir().unwrap();
    let up = Up::start(state.path(), &[]);
    for (dataset, via) in DATASETS.into_iter().zip([Via::Streams, Via::Topics, Via::Streams]) {
        let rows: Vec<_> = Rows::new(dataset, 12).take(600).collect();
        let outcomes = post(&up.url, via, dataset, &rows).await;
        let (clean, quarantined) = expected(dataset, &rows);
        let refused: Vec<_> = rows
            .iter()
            .zip(&outcomes)
            .filter(|(_, outcome)| matches!(outcome, Outcome::Rejected(_)))
            .map(|(row, _)| row)
            .collect();
        assert_eq!(refused.len(), quarantined.values().sum::<usize>(), "{dataset}");
        assert!(
            !refused.is_empty() && refused.iter().all(|row| quarantined.contains_key(*row)),
            "{dataset}"
        );
        if via == Via::Topics {
            let taken: Vec<_> = rows
                .iter()
                .filter(|row| !quarantined.contains_key(*row))
                .cloned()
                .collect();
            assert_raw(state.path(), dataset, &taken).await;
            continue;
        }
        arrival(state.path(), dataset, (rows.len() - refused.len()) as u64).await;
        let (stored, in_quarantine) = found(state.path(), dataset).await;
        assert_same(&stored, &clean, dataset);
        assert!(in_quarantine.is_empty(), "{dataset}");
    }
}

#[tokio::test]
async fn what_topics_accepted_outlives_a_kill() {
    let state = tempdir().unwrap();
    // So long that no object is under way when it is killed: that one would come twice.
    let arguments = ["--no-validation", "--raw-interval", "900"];
    let rows: Vec<_> = Rows::new("user", 14).take(1500).collect();
    for part in rows.chunks(500) {
        let up = Up::start(state.path(), &arguments);
        let outcomes = post(&up.url, Via::Topics, "user", part).await;
        assert_eq!(outcomes, vec![Outcome::Accepted; part.len()]);
        assert!(!up.end_with("KILL").success());
    }
    let up = Up::start(state.path(), &arguments);
    assert!(up.end_with("TERM").success());
    assert_raw(state.path(), "user", &rows).await;
}

#[tokio::test]
async fn a_restart_goes_on_where_a_kill_stopped() {
    let state = tempdir().unwrap();
    let rows: Vec<_> = Rows::new("pin", 13).take(6000).collect();
    for part in rows.chunks(1500) {
        let up = Up::start(state.path(), &["--no-validation"]);
        let outcomes = post(&up.url, Via::Streams, "pin", part).await;
        assert_eq!(outcomes, vec![Outcome::Accepted; part.len()]);
        // In the middle of whatever it does with the rows it has just accepted.
        assert!(!up.end_with("KILL").success());
    }
    let up = Up::start(state.path(), &["--no-validation"]);
    arrival(state.path(), "pin", rows.len() as u64).await;
    assert!(up.end_with("TERM").success());
    assert_stored(state.path(), "pin", &rows).await;
}
