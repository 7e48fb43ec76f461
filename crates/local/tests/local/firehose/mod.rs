//! The Firehose endpoint, through the SDK, and what it delivers.

mod api;
mod delivery;
mod properties;

use std::{
    io::Read,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use aws_sdk_firehose::{Client, primitives::Blob, types::Record};
use bytes::Bytes;
use pinlake_local::{
    Destination, Server,
    firehose::{Compression, Delivery, Faults, Firehose, Options, Settings},
};
use tokio_util::sync::CancellationToken;

use crate::support::{firehose_client, listener};

const STREAM: &str = "pinlake-pin";

/// A bucket in memory.
#[derive(Default)]
struct Bucket {
    objects: Mutex<Vec<(String, Bytes)>>,
    /// So many puts fail before one succeeds.
    failures: AtomicUsize,
}

#[async_trait::async_trait]
impl Destination for Bucket {
    async fn put(&self, key: &str, object: Bytes) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let failing = |left: usize| left.checked_sub(1);
        if self
            .failures
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, failing)
            .is_ok()
        {
            return Err("the bucket is not there".into());
        }
        self.objects.lock().unwrap().push((key.to_owned(), object));
        Ok(())
    }
}

impl Bucket {
    /// The keys, in the order in which they were put.
    fn keys(&self) -> Vec<String> {
        let objects = self.objects.lock().unwrap();
        objects.iter().map(|(key, _)| key.clone()).collect()
    }

    /// The contents of all objects whose key begins so, one after the other, unpacked.
    fn content(&self, prefix: &str) -> Vec<u8> {
        let objects = self.objects.lock().unwrap();
        let mut content = Vec::new();
        for (key, object) in objects.iter().filter(|(key, _)| key.starts_with(prefix)) {
            content.extend(unpacked(key, object));
        }
        content
    }
}

/// An object's content.
pub(crate) fn unpacked(key: &str, object: &[u8]) -> Vec<u8> {
    if !key.ends_with(".gz") {
        return object.to_vec();
    }
    let mut content = Vec::new();
    flate2::read::MultiGzDecoder::new(object)
        .read_to_end(&mut content)
        .unwrap();
    content
}

/// Delivery streams, their endpoint, a client and a bucket.
struct Running {
    firehose: Firehose,
    server: Server,
    client: Client,
    delivery: Delivery,
    bucket: Arc<Bucket>,
    cancel: CancellationToken,
}

/// As the pipeline sets its streams, with the smallest buffer and no interval to speak of.
fn settings() -> Settings {
    Settings {
        prefix: "raw/pin/date=!{timestamp:yyyy-MM-dd}/".into(),
        error_prefix: Some("raw-errors/pin/!{firehose:error-output-type}/date=!{timestamp:yyyy-MM-dd}/".into()),
        buffer_mib: 1,
        buffer_interval: Duration::from_secs(900),
        compression: Compression::Gzip,
        ..Settings::new(STREAM, "lake")
    }
}

impl Running {
    async fn start(folder: &Path, options: Options, settings: Settings) -> Self {
        Self::start_before(folder, options, settings, Arc::default()).await
    }

    async fn start_before(folder: &Path, options: Options, settings: Settings, bucket: Arc<Bucket>) -> Self {
        let firehose = Firehose::open(folder.join("firehose.redb"), options).unwrap();
        firehose.ensure_stream(settings).unwrap();
        let cancel = CancellationToken::new();
        let server = firehose.serve(listener().await, cancel.clone()).unwrap();
        let client = firehose_client(&server.url());
        let delivery = Delivery::start(&firehose, bucket.clone(), cancel.clone());
        Self {
            firehose,
            server,
            client,
            delivery,
            bucket,
            cancel,
        }
    }

    /// Stops everything and closes the file.
    async fn stop(self) -> Arc<Bucket> {
        self.cancel.cancel();
        drop(self.client);
        self.server.stopped().await;
        self.delivery.stopped().await;
        drop(self.firehose);
        self.bucket
    }

    async fn put(&self, data: impl Into<Vec<u8>>) {
        let put = self
            .client
            .put_record()
            .delivery_stream_name(STREAM)
            .record(record(data));
        put.send().await.unwrap();
    }

    /// Puts many at once, none of which may be refused.
    async fn put_batch(&self, data: impl IntoIterator<Item = Vec<u8>>) {
        let put = batch(&self.client, data.into_iter().map(record).collect())
            .await
            .unwrap();
        assert_eq!(put.failed_put_count(), 0);
    }
}

pub(crate) fn record(data: impl Into<Vec<u8>>) -> Record {
    Record::builder().data(Blob::new(data)).build().unwrap()
}

type BatchResult = Result<
    aws_sdk_firehose::operation::put_record_batch::PutRecordBatchOutput,
    aws_sdk_firehose::error::SdkError<aws_sdk_firehose::operation::put_record_batch::PutRecordBatchError>,
>;

async fn batch(client: &Client, records: Vec<Record>) -> BatchResult {
    let put = client.put_record_batch().delivery_stream_name(STREAM);
    put.set_records(Some(records)).send().await
}
