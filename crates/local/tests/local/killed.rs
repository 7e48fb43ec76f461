//! SIGKILL: what was answered is there afterwards, and nothing is there by half.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use aws_sdk_kinesis::{primitives::Blob, types::ShardIteratorType};
use pinlake_local::kinesis::Options;
use tokio_util::sync::CancellationToken;

use crate::support::{BUCKET, Streams, kinesis_client, s3_client, serve_s3};

const STREAM: &str = "pinlake-pin";
const STATE: &str = "PINLAKE_TEST_STATE";

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
    writeln!(std::io::stdout(), "serving {} {}", s3.url(), streams.server.url()).unwrap();
    std::future::pending::<()>().await;
}

fn spawn(folder: &Path) -> (Child, String, String) {
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
            let (s3, kinesis) = urls.split_once(' ').unwrap();
            return (child, s3.to_owned(), kinesis.to_owned());
        }
    }
    let ended = child.wait().unwrap();
    panic!("the child served nothing and ended with {ended}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_outlives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let (mut child, s3_url, kinesis_url) = spawn(folder.path());

    // Writers that write until they get no answer any more.
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..4_u8 {
        let (s3, kinesis) = (s3_client(&s3_url), kinesis_client(&kinesis_url));
        writers.spawn(async move {
            let (mut objects, mut numbers) = (Vec::new(), Vec::new());
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
            }
            (objects, numbers)
        });
    }
    tokio::time::sleep(Duration::from_millis(700)).await;
    child.kill().unwrap();
    child.wait().unwrap();
    let (mut objects, mut numbers) = (Vec::new(), Vec::new());
    for (written, appended) in writers.join_all().await {
        objects.extend(written);
        numbers.extend(appended);
    }
    assert!(!objects.is_empty() && !numbers.is_empty());

    let cancel = CancellationToken::new();
    let s3 = s3_client(&serve_s3(&folder.path().join("s3"), &cancel).await.url());
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
                .all(|object| object.size() == Some(200_000))
        );
    }

    let streams = Streams::open(folder.path(), Options::default()).await;
    let get = streams
        .client
        .get_shard_iterator()
        .stream_name(STREAM)
        .shard_id("shardId-000000000000");
    let iterator = get
        .shard_iterator_type(ShardIteratorType::TrimHorizon)
        .send()
        .await
        .unwrap()
        .shard_iterator
        .unwrap();
    let records = streams
        .client
        .get_records()
        .shard_iterator(iterator)
        .send()
        .await
        .unwrap()
        .records;
    for number in numbers {
        assert!(
            records.iter().any(|record| record.sequence_number() == number),
            "{number} was answered"
        );
    }
    cancel.cancel();
}
