//! What the tests of this crate have in common: endpoints on free ports and unmodified SDK clients for them.

use std::{path::Path, time::Duration};

use aws_sdk_kinesis::{
    config::{BehaviorVersion, Credentials, Region, retry::RetryConfig},
    primitives::Blob,
    types::PutRecordsRequestEntry,
};
use pinlake_local::{Server, kinesis, s3};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub(crate) const BUCKET: &str = "lake";

/// A free port on loopback.
pub(crate) async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// An S3 endpoint over a folder.
pub(crate) async fn serve_s3(folder: &Path, cancel: &CancellationToken) -> Server {
    let options = s3::Options {
        buckets: vec![BUCKET.into()],
        ..s3::Options::default()
    };
    s3::serve(listener().await, folder, &options, cancel.clone()).unwrap()
}

/// A client that does not retry: a test must see each answer. Each has connections of its own.
pub(crate) fn s3_client(url: &str) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("us-east-1"))
        .endpoint_url(url)
        .force_path_style(true)
        .credentials_provider(Credentials::new("pinlake", "pinlake-local", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .build();
    aws_sdk_s3::Client::from_conf(config)
}

/// A Kinesis client that does not retry.
pub(crate) fn kinesis_client(url: &str) -> aws_sdk_kinesis::Client {
    let config = aws_sdk_kinesis::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("us-east-1"))
        .endpoint_url(url)
        .credentials_provider(Credentials::new("pinlake", "pinlake-local", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .build();
    aws_sdk_kinesis::Client::from_conf(config)
}

/// A Firehose client that does not retry.
pub(crate) fn firehose_client(url: &str) -> aws_sdk_firehose::Client {
    let config = aws_sdk_firehose::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("us-east-1"))
        .endpoint_url(url)
        .credentials_provider(Credentials::new("pinlake", "pinlake-local", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .build();
    aws_sdk_firehose::Client::from_conf(config)
}

/// Streams, an endpoint for them, and a client.
pub(crate) struct Streams {
    pub(crate) kinesis: kinesis::Kinesis,
    pub(crate) client: aws_sdk_kinesis::Client,
    pub(crate) server: Server,
    pub(crate) cancel: CancellationToken,
}

impl Streams {
    pub(crate) async fn open(folder: &Path, options: kinesis::Options) -> Self {
        let kinesis = kinesis::Kinesis::open(folder.join("streams.redb"), options).unwrap();
        let cancel = CancellationToken::new();
        let server = kinesis.serve(listener().await, cancel.clone()).unwrap();
        let client = kinesis_client(&server.url());
        Self {
            kinesis,
            client,
            server,
            cancel,
        }
    }

    /// Stops the endpoint and closes the file.
    pub(crate) async fn close(self) {
        self.cancel.cancel();
        drop(self.client);
        self.server.stopped().await;
        drop(self.kinesis);
    }
}

/// Records with these data, spread over the shards.
pub(crate) fn entries(data: impl IntoIterator<Item = String>) -> Vec<PutRecordsRequestEntry> {
    let entry = |data: String| {
        let entry = PutRecordsRequestEntry::builder()
            .partition_key(data.clone())
            .data(Blob::new(data));
        entry.build().unwrap()
    };
    data.into_iter().map(entry).collect()
}

/// Waits, at most for ten seconds, until something is true.
pub(crate) async fn eventually(what: &str, mut is_true: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if is_true() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within ten seconds: {what}");
}
