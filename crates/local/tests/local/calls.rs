//! What the endpoints note of the calls that unmodified SDKs make.

use std::time::Duration;

use aws_sdk_firehose::types::Record;
use aws_sdk_kinesis::types::ShardIteratorType;
use aws_sdk_s3::{
    presigning::PresigningConfig,
    primitives::ByteStream,
    types::{Delete, ObjectIdentifier},
};
use pinlake_local::{Calls, firehose, kinesis, s3};
use tokio_util::sync::CancellationToken;

use crate::support::{BUCKET, entries, firehose_client, kinesis_client, listener, s3_client};

/// What was noted, as `caller action resource [prefix]`.
fn told(calls: &Calls) -> Vec<String> {
    let call = |call: pinlake_local::Call| {
        let prefix = call.prefix.map(|prefix| format!(" [{prefix}]")).unwrap_or_default();
        format!("{} {} {}{prefix}", call.caller, call.action, call.resource)
    };
    calls.seen().into_iter().map(call).collect()
}

#[tokio::test]
async fn calls_to_s3_are_noted_with_what_iam_would_be_asked() {
    let (folder, cancel, calls) = (tempfile::tempdir().unwrap(), CancellationToken::new(), Calls::default());
    let options = s3::Options {
        buckets: vec![BUCKET.into()],
        calls: calls.clone(),
        ..s3::Options::default()
    };
    let url = s3::serve(listener().await, folder.path(), &options, cancel.clone())
        .unwrap()
        .url();
    let client = s3_client(&url);
    for key in ["tables/pin/1", "tables/pin/_delta_log/2", "top"] {
        let body = ByteStream::from_static(b"x");
        client
            .put_object()
            .bucket(BUCKET)
            .key(key)
            .body(body)
            .send()
            .await
            .unwrap();
    }
    client.head_object().bucket(BUCKET).key("top").send().await.unwrap();
    let copy = client.copy_object().bucket(BUCKET).key("copies/a/b");
    copy.copy_source(format!("{BUCKET}/tables/pin/1")).send().await.unwrap();
    client
        .list_objects_v2()
        .bucket(BUCKET)
        .prefix("raw/pin/date=2026-11-24/")
        .send()
        .await
        .unwrap();
    let doomed = ["copies/a/b", "tables/pin/1"].map(|key| ObjectIdentifier::builder().key(key).build().unwrap());
    let doomed = Delete::builder().set_objects(Some(doomed.into())).build().unwrap();
    client
        .delete_objects()
        .bucket(BUCKET)
        .delete(doomed)
        .send()
        .await
        .unwrap();
    let upload = client.create_multipart_upload().bucket(BUCKET).key("big/one/1");
    let id = upload.send().await.unwrap().upload_id.unwrap();
    let abort = client.abort_multipart_upload().bucket(BUCKET).key("big/one/1");
    abort.upload_id(id).send().await.unwrap();
    let expected = [
        "pinlake s3:AbortMultipartUpload arn:aws:s3:::lake/big/one/*",
        "pinlake s3:DeleteObject arn:aws:s3:::lake/copies/a/*",
        "pinlake s3:DeleteObject arn:aws:s3:::lake/tables/pin/*",
        "pinlake s3:GetObject arn:aws:s3:::lake/tables/pin/*",
        "pinlake s3:GetObject arn:aws:s3:::lake/top",
        "pinlake s3:ListBucket arn:aws:s3:::lake [raw/pin/*]",
        "pinlake s3:PutObject arn:aws:s3:::lake/big/one/*",
        "pinlake s3:PutObject arn:aws:s3:::lake/copies/a/*",
        "pinlake s3:PutObject arn:aws:s3:::lake/tables/pin/*",
        "pinlake s3:PutObject arn:aws:s3:::lake/top",
    ];
    assert_eq!(told(&calls), expected);

    // To be told that something is not there, one must be allowed to list.
    let get = client.get_object().bucket(BUCKET).key("tables/pin/none");
    get.send().await.unwrap_err();
    let told = told(&calls);
    assert!(
        told.contains(&"pinlake s3:ListBucket arn:aws:s3:::lake".to_owned()),
        "{told:?}"
    );
    assert_eq!(told.len(), expected.len() + 1);
}

#[tokio::test]
async fn callers_are_told_apart_and_strangers_are_not_noted() {
    let (folder, cancel, calls) = (tempfile::tempdir().unwrap(), CancellationToken::new(), Calls::default());
    let options = s3::Options {
        buckets: vec![BUCKET.into()],
        credentials: ["pinlake", "pinlake-ingest"].map(s3::Credentials::of).into(),
        calls: calls.clone(),
    };
    let url = s3::serve(listener().await, folder.path(), &options, cancel.clone())
        .unwrap()
        .url();
    let named = |name: &str, secret: &str| {
        let keys = aws_sdk_s3::config::Credentials::new(name, secret, None, None, "test");
        let config = s3_client(&url).config().to_builder().credentials_provider(keys);
        aws_sdk_s3::Client::from_conf(config.build())
    };
    let list = |client: aws_sdk_s3::Client| async move { client.list_objects_v2().bucket(BUCKET).send().await.is_ok() };
    assert!(list(named("pinlake-ingest", "pinlake-local")).await);
    assert!(!list(named("pinlake", "wrong")).await);
    assert!(!list(named("stranger", "pinlake-local")).await);
    assert_eq!(told(&calls), ["pinlake-ingest s3:ListBucket arn:aws:s3:::lake"]);

    // A presigned URL is its signer's call.
    let signed = named("pinlake", "pinlake-local")
        .get_object()
        .bucket(BUCKET)
        .key("a/b/c");
    let signing = PresigningConfig::expires_in(Duration::from_secs(60)).unwrap();
    let signed = signed.presigned(signing).await.unwrap();
    let answer = plain_get(&url, signed.uri()).await;
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    assert!(told(&calls).contains(&"pinlake s3:GetObject arn:aws:s3:::lake/a/b/*".to_owned()));
}

/// An HTTP request without a client's headers.
async fn plain_get(base: &str, uri: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (host, path) = (base.strip_prefix("http://").unwrap(), uri.strip_prefix(base).unwrap());
    let mut stream = tokio::net::TcpStream::connect(host).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn calls_to_streams_are_noted_with_the_stream() {
    let (folder, cancel, calls) = (tempfile::tempdir().unwrap(), CancellationToken::new(), Calls::default());
    let options = kinesis::Options {
        calls: calls.clone(),
        ..kinesis::Options::default()
    };
    let streams = kinesis::Kinesis::open(folder.path().join("streams"), options).unwrap();
    streams.ensure_stream("shop-pin", 1).unwrap();
    let server = streams.serve(listener().await, cancel.clone()).unwrap();
    let client = kinesis_client(&server.url());
    let put = client.put_records().stream_name("shop-pin");
    put.set_records(Some(entries(["x".to_owned()]))).send().await.unwrap();
    let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/shop-pin";
    client.describe_stream().stream_arn(arn).send().await.unwrap();
    client.list_streams().send().await.unwrap();
    let iterator = client.get_shard_iterator().stream_name("shop-pin");
    let iterator = iterator
        .shard_id("shardId-000000000000")
        .shard_iterator_type(ShardIteratorType::Latest);
    let iterator = iterator.send().await.unwrap().shard_iterator.unwrap();
    client.get_records().shard_iterator(iterator).send().await.unwrap();
    // Whether there is such a stream is asked after the permission.
    client.describe_stream().stream_name("none").send().await.unwrap_err();

    let options = firehose::Options {
        calls: calls.clone(),
        ..firehose::Options::default()
    };
    let deliveries = firehose::Firehose::open(folder.path().join("deliveries"), options).unwrap();
    let settings = firehose::Settings::new("shop-pin", "lake");
    deliveries.ensure_stream(settings).unwrap();
    let server = deliveries.serve(listener().await, cancel.clone()).unwrap();
    let record = Record::builder()
        .data(aws_sdk_firehose::primitives::Blob::new("x"))
        .build();
    let put = firehose_client(&server.url()).put_record_batch();
    let put = put.delivery_stream_name("shop-pin").records(record.unwrap());
    put.send().await.unwrap();
    firehose_client(&server.url())
        .list_delivery_streams()
        .send()
        .await
        .unwrap();
    let none = arn.replace("shop-pin", "none");
    assert_eq!(
        told(&calls),
        [
            "pinlake firehose:ListDeliveryStreams *".to_owned(),
            "pinlake firehose:PutRecordBatch arn:aws:firehose:us-east-1:000000000000:deliverystream/shop-pin"
                .to_owned(),
            format!("pinlake kinesis:DescribeStream {none}"),
            format!("pinlake kinesis:DescribeStream {arn}"),
            format!("pinlake kinesis:GetRecords {arn}"),
            format!("pinlake kinesis:GetShardIterator {arn}"),
            "pinlake kinesis:ListStreams *".to_owned(),
            format!("pinlake kinesis:PutRecords {arn}"),
        ]
    );
    cancel.cancel();
}
