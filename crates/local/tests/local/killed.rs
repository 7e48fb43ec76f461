//! SIGKILL: what was answered is there afterwards, and nothing is there by half.

use std::{
    collections::HashSet,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use aws_sdk_kinesis::{
    primitives::Blob,
    types::{ShardFilter, ShardFilterType, ShardIteratorType},
};
use bytes::Bytes;
use pinlake_local::{
    Destination,
    firehose::{self, Compression, Delivery, Firehose, Settings},
    kinesis::Options,
};
use tokio_util::sync::CancellationToken;

use crate::{
    firehose::unpacked,
    support::{BUCKET, Streams, eventually, firehose_client, kinesis_client, listener, s3_client, serve_s3},
};

const STREAM: &str = "pinlake-pin";
const STATE: &str = "PINLAKE_TEST_STATE";

/// Delivers to S3.
struct ToS3(aws_sdk_s3::Client);

#[async_trait::async_trait]
impl Destination for ToS3 {
    async fn put(&self, key: &str, object: Bytes) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let put = self.0.put_object().bucket(BUCKET).key(key).body(object.into());
        put.send().await?;
        Ok(())
    }
}

/// A delivery stream in the folder that delivers to S3 all the time.
fn deliver(folder: &Path, s3_url: &str, cancel: &CancellationToken) -> (Firehose, Delivery) {
    let firehose = Firehose::open(folder.join("firehose.redb"), firehose::Options::default()).unwrap();
    let settings = Settings {
        prefix: "raw/".into(),
        buffer_interval: Duration::ZERO,
        compression: Compression::Gzip,
        ..Settings::new(STREAM, BUCKET)
    };
    firehose.ensure_stream(settings).unwrap();
    let delivery = Delivery::start(&firehose, Arc::new(ToS3(s3_client(s3_url))), cancel.clone());
    (firehose, delivery)
}

/// Not a test: the process that the test below kills.
#[tokio::test]
#[ignore = "run as a child process only"]
async fn serve_until_killed() {
    let Some(folder) = std::env::var_os(STATE).map(PathBuf::from) else {
        return;
    };
    let cancel = CancellationToken::new();
    let s3 = serve_s3(&folder.join("s3"), &cancel).await;
    let streams = Streams::open(&folder, Options::default()).await;
    streams.kinesis.ensure_stream(STREAM, 1).unwrap();
    let (firehose, _delivery) = deliver(&folder, &s3.url(), &cancel);
    let firehose = firehose.serve(listener().await, cancel).unwrap();
    let urls = format!("{} {} {}", s3.url(), streams.server.url(), firehose.url());
    writeln!(std::io::stdout(), "serving {urls}").unwrap();
    std::future::pending::<()>().await;
}

fn spawn(folder: &Path) -> (Child, [String; 3]) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed::serve_until_killed", "--ignored", "--nocapture"])
        .env(STATE, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in lines {
        // The test harness may have begun the line.
        if let Some((_, urls)) = line.unwrap().split_once("serving ") {
            let urls: Vec<_> = urls.split(' ').map(str::to_owned).collect();
            return (child, urls.try_into().unwrap());
        }
    }
    let ended = child.wait().unwrap();
    panic!("the child served nothing and ended with {ended}");
}

/// Splits a stream's one shard and merges the two again, until there is no answer any more. Returns how many there were.
async fn split_and_merge(kinesis: aws_sdk_kinesis::Client, answered: Arc<AtomicUsize>) -> usize {
    for step in 0.. {
        answered.store(step, Ordering::SeqCst);
        let open = ShardFilter::builder()
            .r#type(ShardFilterType::AtLatest)
            .build()
            .unwrap();
        let listed = kinesis
            .list_shards()
            .stream_name(STREAM)
            .shard_filter(open)
            .send()
            .await;
        let Ok(listed) = listed else { return step };
        let is_answered = match listed.shards() {
            [one] => {
                let split = kinesis.split_shard().stream_name(STREAM).shard_to_split(one.shard_id());
                let split = split.new_starting_hash_key((1_u128 << 127).to_string());
                split.send().await.is_ok()
            }
            // The one with the lower hash keys was opened first.
            [first, second] => {
                let merge = kinesis.merge_shards().stream_name(STREAM);
                let merge = merge.shard_to_merge(first.shard_id());
                merge.adjacent_shard_to_merge(second.shard_id()).send().await.is_ok()
            }
            open => panic!("{open:?}"),
        };
        if !is_answered {
            return step;
        }
    }
    unreachable!("it is killed before")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_outlives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let (mut child, [s3_url, kinesis_url, firehose_url]) = spawn(folder.path());

    // Writers that write until they get no answer any more.
    let (rounds, steps) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..4_u8 {
        let (s3, kinesis) = (s3_client(&s3_url), kinesis_client(&kinesis_url));
        let (firehose, rounds) = (firehose_client(&firehose_url), Arc::clone(&rounds));
        writers.spawn(async move {
            let (mut objects, mut numbers, mut lines) = (Vec::new(), Vec::new(), Vec::new());
            for round in 0.. {
                let key = format!("{writer}/{round}");
                let put = s3
                    .put_object()
                    .bucket(BUCKET)
                    .key(&key)
                    .body(vec![writer; 200_000].into())
                    .send()
                    .await;
                let Ok(put) = put else { break };
                objects.push((key, put.e_tag.unwrap()));
                let put = kinesis
                    .put_record()
                    .stream_name(STREAM)
                    .partition_key("k")
                    .data(Blob::new("x"))
                    .send()
                    .await;
                let Ok(put) = put else { break };
                numbers.push(put.sequence_number);
                // Several, so that an object could hold a put by half.
                let line = |part: usize| format!("{writer}/{round}/{part} {}", "x".repeat(2_000));
                let record = |part| crate::firehose::record(line(part) + "\n");
                let put = firehose
                    .put_record_batch()
                    .delivery_stream_name(STREAM)
                    .set_records(Some((0..5).map(record).collect()))
                    .send()
                    .await;
                let Ok(put) = put else { break };
                assert_eq!(put.failed_put_count(), 0);
                lines.extend((0..5).map(line));
                rounds.fetch_add(1, Ordering::SeqCst);
            }
            (objects, numbers, lines)
        });
    }
    let resharder = tokio::spawn(split_and_merge(kinesis_client(&kinesis_url), Arc::clone(&steps)));
    tokio::time::sleep(Duration::from_millis(700)).await;
    let enough = || rounds.load(Ordering::SeqCst) > 0 && steps.load(Ordering::SeqCst) > 1;
    eventually("enough was answered", enough).await;
    child.kill().unwrap();
    child.wait().unwrap();
    let (mut objects, mut numbers, mut lines) = (Vec::new(), Vec::new(), Vec::new());
    for (written, appended, sent) in writers.join_all().await {
        objects.extend(written);
        numbers.extend(appended);
        lines.extend(sent);
    }
    assert!(!objects.is_empty() && !numbers.is_empty() && !lines.is_empty());
    let resharded = resharder.await.unwrap();
    assert!(resharded > 1);

    let cancel = CancellationToken::new();
    let s3_url = serve_s3(&folder.path().join("s3"), &cancel).await.url();
    let s3 = s3_client(&s3_url);
    for (key, etag) in &objects {
        let head = s3.head_object().bucket(BUCKET).key(key).send().await.unwrap();
        assert_eq!(
            (head.content_length(), head.e_tag()),
            (Some(200_000), Some(etag.as_str())),
            "{key}"
        );
    }
    let mut pages = s3.list_objects_v2().bucket(BUCKET).into_paginator().send();
    while let Some(page) = pages.next().await {
        // Also what was written but not answered is whole.
        assert!(
            page.unwrap()
                .contents()
                .iter()
                .filter(|object| !object.key().unwrap().starts_with("raw/"))
                .all(|object| object.size() == Some(200_000))
        );
    }

    let streams = Streams::open(folder.path(), Options::default()).await;
    let (mut records, mut open) = (Vec::new(), 0);
    let listed = streams.client.list_shards().stream_name(STREAM).send().await.unwrap();
    for shard in listed.shards() {
        let get = streams.client.get_shard_iterator().stream_name(STREAM);
        let get = get
            .shard_id(shard.shard_id())
            .shard_iterator_type(ShardIteratorType::TrimHorizon);
        let iterator = get.send().await.unwrap().shard_iterator.unwrap();
        let get = streams.client.get_records().shard_iterator(iterator);
        records.extend(get.send().await.unwrap().records);
        let numbers = shard.sequence_number_range().unwrap();
        open += usize::from(numbers.ending_sequence_number().is_none());
    }
    // Each step of the resharder opens two shards or one; the last may have been cut off before its answer.
    assert!((1..=2).contains(&open), "{open} open shards");
    assert!(listed.shards().len() > resharded, "{resharded} steps were answered");
    for number in numbers {
        assert!(
            records.iter().any(|record| record.sequence_number() == number),
            "{number} was answered"
        );
    }

    let (_firehose, delivery) = deliver(folder.path(), &s3_url, &cancel);
    delivery.flush().await;
    let mut delivered = HashSet::new();
    let mut pages = s3
        .list_objects_v2()
        .bucket(BUCKET)
        .prefix("raw/")
        .into_paginator()
        .send();
    while let Some(page) = pages.next().await {
        for object in page.unwrap().contents() {
            let key = object.key().unwrap();
            let get = s3.get_object().bucket(BUCKET).key(key).send().await.unwrap();
            let body = get.body.collect().await.unwrap().into_bytes();
            let text = String::from_utf8(unpacked(key, &body)).unwrap();
            assert!(text.ends_with('\n'), "{key} ends in the middle of a record");
            delivered.extend(text.lines().map(str::to_owned));
        }
    }
    for line in lines {
        assert!(delivered.contains(&line), "{line} was answered");
    }
    cancel.cancel();
}
