//! Answers, kept.

use chrono::NaiveDate;
use futures::TryStreamExt as _;
use object_store::ObjectStoreExt as _;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use pinlake_analytics::{Answer, Reports, results};
use pinlake_lake::Lake;

use crate::support::{append, definition, lake, rows, session};

fn day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, 3).unwrap()
}

async fn answer_and_keep(lake: &Lake) -> Answer {
    let reports = Reports::built_in();
    let report = reports.get("08_users_joined").unwrap();
    let answer = session(lake).await.ask(&report.sql).await.unwrap();
    results::write(lake, report, day(), &answer).await.unwrap();
    answer
}

async fn read(lake: &Lake, name: &str) -> bytes::Bytes {
    let path = lake.key(&format!("results/08_users_joined/run_date=2026-11-03/{name}"));
    lake.store().get(&path).await.unwrap().bytes().await.unwrap()
}

async fn keys(lake: &Lake) -> Vec<String> {
    let objects: Vec<_> = lake
        .store()
        .list(Some(&lake.key("results")))
        .try_collect()
        .await
        .unwrap();
    let mut keys: Vec<_> = objects.into_iter().map(|object| object.location.to_string()).collect();
    keys.sort();
    keys
}

#[tokio::test]
async fn a_second_run_replaces_the_first() {
    let lake = lake();
    let empty = answer_and_keep(&lake).await;
    assert_eq!(empty.rows.num_rows(), 0);
    let text = read(&lake, results::RESULT_JSON).await;
    let json: serde_json::Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(json["rows"], serde_json::json!([]));

    let joined = r#"{ ind = 1, user_name = "Zoë", date_joined = "2016-01-01 00:00:00" }"#;
    append(&lake, &definition("user"), &rows(joined)).await;
    for _ in 0..2 {
        let answer = answer_and_keep(&lake).await;
        let text = read(&lake, results::RESULT_JSON).await;
        let json: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(json["report"], "08_users_joined");
        assert_eq!(json["title"], "People who joined in each year");
        assert_eq!(json["run_date"], "2026-11-03");
        assert_eq!(json["columns"], serde_json::json!(["post_year", "number_users_joined"]));
        assert_eq!(
            json["rows"],
            serde_json::json!([{"post_year": 2016, "number_users_joined": 1}])
        );

        let file = read(&lake, results::RESULT_PARQUET).await;
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
        let batches: Vec<_> = reader.map(Result::unwrap).collect();
        assert_eq!(batches, [answer.rows]);

        let folder = format!("some/prefix/{}", results::folder("08_users_joined", day()));
        let expected = [results::RESULT_JSON, results::RESULT_PARQUET].map(|name| format!("{folder}/{name}"));
        assert_eq!(keys(&lake).await, expected);
    }
}
