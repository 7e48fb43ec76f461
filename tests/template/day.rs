//! A day of the whole pipeline on this machine, and the calls that its functions make: rows of every dataset by both APIs,
//! bad ones among them, every other request that the API takes, the daily run and its repeat, and upkeep that finds
//! something to do.

use std::{collections::BTreeSet, sync::LazyLock, time::Duration};

use aws_sdk_kinesis::config::{Credentials, SharedCredentialsProvider};
use chrono::{DateTime, TimeDelta, Utc};
use pinlake::{
    client::{Client, Outcome, Via},
    pipeline::{BUCKET, Options, Pipeline, keys},
    rows::{DATASETS, Rows},
};
use pinlake_dataset::Catalog;
use pinlake_host::Lines;
use pinlake_lake::{Lake, S3Options};
use pinlake_local::{Call, s3};
use serde_json::{Value, json};

/// What a day leaves to be looked at.
pub(crate) struct Day {
    /// The functions' calls, and Firehose's.
    pub(crate) calls: BTreeSet<Call>,
    /// The metrics that the functions told, a line each, as CloudWatch reads them.
    pub(crate) metrics: Vec<Value>,
}

/// The day is run once, for all tests.
pub(crate) fn day() -> &'static Day {
    static DAY: LazyLock<Day> = LazyLock::new(|| {
        // A test may be in a runtime already.
        let run = || tokio::runtime::Runtime::new().unwrap().block_on(run());
        std::thread::spawn(run).join().unwrap()
    });
    &DAY
}

async fn run() -> Day {
    let state = tempfile::tempdir().unwrap();
    let lines = Lines::default();
    let pipeline = Pipeline::start(Options {
        // What is bad is to reach the quarantine.
        validate: false,
        window: Duration::from_millis(50),
        metrics: Some(lines.clone()),
        ..Options::anywhere(state.path())
    })
    .await
    .unwrap();
    let begun = Utc::now();
    // Twice, so that there are small files to pack and a day to replace.
    for seed in 0..2 {
        post(&pipeline, seed).await;
        let days = json!({"from": begun.date_naive(), "to": Utc::now().date_naive()});
        pipeline.invoke("analytics", &days).await.unwrap();
    }
    pipeline
        .invoke("analytics", &json!({ "time": Utc::now() }))
        .await
        .unwrap();
    pipeline
        .invoke("maintain", &json!({ "time": Utc::now() }))
        .await
        .unwrap();
    clean_up(&pipeline, begun).await;
    look_around(&pipeline).await;
    let calls = pipeline.calls();
    pipeline.stop().await;
    // Nobody's: whoever sits at this machine.
    let person = s3::Credentials::default().access_key_id;
    Day {
        calls: calls.into_iter().filter(|call| call.caller != person).collect(),
        metrics: lines.json().unwrap(),
    }
}

fn signing(function: &str) -> SharedCredentialsProvider {
    let keys = keys(function);
    let keys = Credentials::new(keys.access_key_id, keys.secret_access_key, None, None, "test");
    SharedCredentialsProvider::new(keys)
}

/// Rows of each dataset by each API, each until it is stored.
async fn post(pipeline: &Pipeline, seed: u64) {
    let client = Client::new(pipeline.url().as_str()).unwrap();
    for dataset in DATASETS {
        let rows: Vec<_> = Rows::new(dataset, seed).take(300).collect();
        for via in [Via::Streams, Via::Topics] {
            let outcomes = client.post(via, dataset, &rows).await.unwrap();
            assert!(
                outcomes.iter().all(|outcome| *outcome == Outcome::Accepted),
                "{dataset}"
            );
        }
    }
    pipeline.drained().await;
    pipeline.deliver_raw().await;
}

/// Upkeep in a week, by which what is dead now may be deleted.
async fn clean_up(pipeline: &Pipeline, begun: DateTime<Utc>) {
    let lookup = |name: &str| {
        let values = [
            ("LAKE_URI", "s3://pinlake"),
            ("ALLOW_SHORT_RETENTION", "true"),
            ("VACUUM_RETENTION_HOURS", "0"),
            ("LOG_RETENTION_HOURS", "0"),
            ("CHECKPOINT_COMMITS", "1"),
        ];
        values
            .iter()
            .find(|(set, _)| *set == name)
            .map(|(_, value)| (*value).to_owned())
    };
    let s3 = S3Options {
        region: None,
        endpoint: Some(pipeline.s3_url()),
        credentials: Some(signing("maintain")),
    };
    let lake = Lake::open(&format!("s3://{BUCKET}"), &s3).unwrap();
    let settings = pinlake_maintain::Settings::from_lookup(lookup).unwrap();
    let handler = pinlake_maintain::Handler::new(&Catalog::built_in(), &lake, &settings).unwrap();
    let deadline = begun + TimeDelta::minutes(10);
    handler.run(Utc::now(), deadline).await.unwrap();
}

/// Every request that the API takes and that posts nothing.
async fn look_around(pipeline: &Pipeline) {
    for dataset in DATASETS {
        for path in ["streams", "topics"].map(|api| format!("{api}/{dataset}")) {
            get(pipeline, &path).await;
        }
    }
    for path in ["streams", "topics", "health", "openapi.json"] {
        get(pipeline, path).await;
    }
}

async fn get(pipeline: &Pipeline, path: &str) {
    let answer = reqwest::get(pipeline.url().join(path).unwrap()).await.unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
}
