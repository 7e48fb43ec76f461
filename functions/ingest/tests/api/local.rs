//! The way that the local run goes: the API before the embedded Kinesis, read back with the SDK.

use aws_sdk_kinesis::types::ShardIteratorType;
use pinlake_dataset::Catalog;
use pinlake_ingest::{App, Firehose, Kinesis, Settings, router};
use pinlake_local::kinesis::Options;
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
