//! The way that the local run goes: the API before the embedded Kinesis and Firehose, read back.

use std::{
    io::Read,
    sync::{Arc, Mutex},
};

use aws_sdk_kinesis::types::ShardIteratorType;
use bytes::Bytes;
use pinlake_dataset::Catalog;
use pinlake_ingest::{App, Firehose, Kinesis, Settings, router};
use pinlake_local::{Destination, firehose, kinesis::Options};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::support::{firehose_sdk, sdk, serve, user};

#[tokio::test]
async fn records_can_be_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint =
        pinlake_local::kinesis::Kinesis::open(folder.path().join("kinesis.redb"), Options::default()).unwrap();
    endpoint.ensure_stream("pinlake-user", 1).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = endpoint.serve(listener, CancellationToken::new()).unwrap();
    let client = sdk(&server.url());
    let kinesis = Kinesis::new(&client, "pinlake");
    let firehose = Firehose::new(&firehose_sdk(&server.url()), "pinlake");
    let app = App::new(Settings::default(), Catalog::built_in(), kinesis, firehose);
    let url = serve(router(app)).await;
    let http = reqwest::Client::new();

    let body = json!({"records": [{"data": user(1)}, {"data": {"age": 1}}, {"data": user(2)}]});
    let response = http
        .put(format!("{url}/dev/streams/x-user/records"))
        .json(&body)
        .send()
        .await
        .unwrap();
    let answer: serde_json::Value = response.json().await.unwrap();
    assert_eq!(answer["FailedRecordCount"], 1, "{answer}");

    let iterator = client
        .get_shard_iterator()
        .stream_name("pinlake-user")
        .shard_id(answer["Records"][0]["ShardId"].as_str().unwrap())
        .shard_iterator_type(ShardIteratorType::TrimHorizon)
        .send()
        .await
        .unwrap();
    let read = client
        .get_records()
        .shard_iterator(iterator.shard_iterator().unwrap())
        .send()
        .await
        .unwrap();
    for (record, (ind, place)) in read.records().iter().zip([(1, 0), (2, 2)]) {
        assert_eq!(record.data().as_ref(), user(ind).to_string().as_bytes());
        assert_eq!(record.partition_key(), Some(ind.to_string().as_str()));
        assert_eq!(
            Some(record.sequence_number()),
            answer["Records"][place]["SequenceNumber"].as_str()
        );
    }
    assert_eq!(read.records().len(), 2);

    let described: serde_json::Value = http
        .get(format!("{url}/streams/user"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(
        described["StreamDescription"]["StreamName"], "pinlake-user",
        "{described}"
    );
    // There is a dataset `geo`, but its stream is not there: no fault of the caller.
    let geo = json!({"Data": {"ind": 1, "latitude": 1.5, "longitude": 2.5, "country": "Albania", "timestamp": "2020-08-28 03:52:47"}});
    let missing = http
        .put(format!("{url}/streams/geo/record"))
        .json(&geo)
        .send()
        .await
        .unwrap();
    assert_eq!(missing.status(), 500);
}

/// A bucket in memory.
#[derive(Default)]
struct Bucket(Mutex<Vec<(String, Bytes)>>);

#[async_trait::async_trait]
impl Destination for Bucket {
    async fn put(&self, key: &str, object: Bytes) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.0.lock().unwrap().push((key.into(), object));
        Ok(())
    }
}

#[tokio::test]
async fn topics_become_lines_of_raw_objects() {
    let folder = tempfile::tempdir().unwrap();
    // A tenth of what comes is refused at first: the API sends it again.
    let options = firehose::Options {
        faults: firehose::Faults {
            seed: 1,
            refused: 0.1,
            ..firehose::Faults::default()
        },
        ..firehose::Options::default()
    };
    let endpoint = firehose::Firehose::open(folder.path().join("firehose.redb"), options).unwrap();
    let settings = firehose::Settings {
        compression: firehose::Compression::Gzip,
        ..firehose::Settings::new("pinlake-user", "lake")
    };
    endpoint.ensure_stream(settings).unwrap();
    let (bucket, cancel) = (Arc::new(Bucket::default()), CancellationToken::new());
    let delivery = firehose::Delivery::start(&endpoint, bucket.clone(), cancel.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = endpoint.serve(listener, cancel).unwrap();
    let kinesis = Kinesis::new(&sdk(&server.url()), "pinlake");
    let firehose = Firehose::new(&firehose_sdk(&server.url()), "pinlake");
    let app = App::new(Settings::default(), Catalog::built_in(), kinesis, firehose);
    let url = serve(router(app)).await;
    let http = reqwest::Client::new();

    // The first as people write JSON; the second is no user.
    let first = serde_json::to_string_pretty(&user(0)).unwrap();
    let rest: Vec<_> = (1..1_000).map(|ind| user(ind).to_string()).collect();
    let values = [first, r#"{"age":1}"#.into()].into_iter().chain(rest.clone());
    let records: Vec<_> = values.map(|value| format!(r#"{{"value":{value}}}"#)).collect();
    let body = format!(r#"{{"records":[{}]}}"#, records.join(","));
    let post = http.post(format!("{url}/topics/user")).body(body);
    let answer: serde_json::Value = post.send().await.unwrap().json().await.unwrap();
    let codes: Vec<_> = answer["offsets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|offset| &offset["error_code"])
        .collect();
    assert_eq!(codes.len(), 1_001);
    assert!(
        codes
            .iter()
            .enumerate()
            .all(|(place, code)| code.is_null() != (place == 1)),
        "{answer}"
    );

    delivery.flush().await;
    let mut lines = Vec::new();
    for (key, object) in bucket.0.lock().unwrap().iter() {
        assert!(key.ends_with(".gz"), "{key}");
        let mut text = String::new();
        flate2::read::MultiGzDecoder::new(&object[..])
            .read_to_string(&mut text)
            .unwrap();
        assert!(text.ends_with('\n'));
        lines.extend(text.lines().map(str::to_owned));
    }
    let mut expected = rest;
    expected.push(serde_json::to_string_pretty(&user(0)).unwrap().replace('\n', " "));
    // What was refused at first comes after its neighbours.
    lines.sort_unstable();
    expected.sort_unstable();
    assert_eq!(lines, expected);

    for (topic, status) in [("user", 200), ("geo", 500)] {
        let described = http.get(format!("{url}/topics/{topic}")).send().await.unwrap();
        assert_eq!(described.status(), status, "{topic}");
    }
}
