//! How batches are cut.

use super::*;

#[tokio::test]
async fn batches_are_cut_by_count() {
    let folder = tempfile::tempdir().unwrap();
    let streams = streams(folder.path(), 1).await;
    put(&streams, numbered(250)).await;
    let function = Recorder::ok();
    run(&streams, settings(), &function).await;
    assert_eq!(function.sizes(), [100, 100, 50]);
    assert_eq!(data_of(&function.seen()), numbered(250));
}

#[tokio::test]
async fn batches_are_cut_by_size() {
    let folder = tempfile::tempdir().unwrap();
    let streams = streams(folder.path(), 1).await;
    // A record of 900 kB is 1.2 MB in an event: five fit into 6 MB.
    for n in 0..12 {
        put(&streams, [format!("{n}{}", "x".repeat(200))]).await;
        let data = aws_sdk_kinesis::primitives::Blob::new("y".repeat(900_000));
        let put = streams
            .client
            .put_record()
            .stream_name(STREAM)
            .partition_key("k")
            .data(data);
        put.send().await.unwrap();
    }
    let function = Recorder::ok();
    run(&streams, settings(), &function).await;
    let large: Vec<_> = function
        .seen()
        .iter()
        .map(|s| s.data.iter().filter(|d| d.starts_with('y')).count())
        .collect();
    assert_eq!(large, [5, 5, 2]);
}

#[tokio::test]
async fn a_batch_waits_for_its_window() {
    let folder = tempfile::tempdir().unwrap();
    let streams = streams(folder.path(), 1).await;
    let window = Duration::from_secs(3);
    let settings = Settings {
        batch_window: window,
        batch_size: 20,
        ..settings()
    };
    let (function, shelf) = (Recorder::ok(), Arc::default());
    let mapping = start(&streams, settings, &function, &shelf).await;
    let begun = Instant::now();
    for n in 0..5 {
        put(&streams, [format!("{n}")]).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    mapping.drained().await;
    assert!(begun.elapsed() >= window, "it waited for {:?}", begun.elapsed());
    assert_eq!(function.sizes(), [5]);
    // A full batch does not wait.
    let begun = Instant::now();
    put(&streams, numbered(20)).await;
    mapping.drained().await;
    assert!(begun.elapsed() < window);
    assert_eq!(function.sizes(), [5, 20]);
}

#[tokio::test(flavor = "multi_thread")]
async fn shards_go_on_independently() {
    let folder = tempfile::tempdir().unwrap();
    let streams = streams(folder.path(), 4).await;
    put(&streams, numbered(400)).await;
    // One shard fails for ever; the others must not wait for it.
    let function = Recorder::new(|seen, _| match seen.shard == "shardId-000000000002" {
        true => Err(InvokeError::new("Down", "no")),
        false => Ok(Value::Null),
    });
    let mapping = start(&streams, settings(), &function, &Arc::default()).await;
    eventually("three shards are done, and one has failed", || {
        let status = mapping.status();
        status[2].last_error.is_some() && status.iter().filter(|shard| shard.behind == 0).count() == 3
    })
    .await;
    let status = mapping.status();
    assert_eq!(status[2].shard_id, "shardId-000000000002");
    assert_eq!(status[2].behind, mapping.behind());
    assert_eq!(
        status[2].last_error.as_deref(),
        Some("the function failed with Down: no")
    );
    // One at a time in each shard: a batch is repeated before the next one comes.
    let of_shard: Vec<_> = function
        .seen()
        .into_iter()
        .filter(|seen| seen.shard == "shardId-000000000002")
        .collect();
    assert!(of_shard.windows(2).all(|pair| pair[0] == pair[1]));
}

#[tokio::test]
async fn a_mapping_can_start_at_the_newest_record() {
    let folder = tempfile::tempdir().unwrap();
    let streams = streams(folder.path(), 1).await;
    put(&streams, numbered(5)).await;
    let settings = Settings {
        start: Start::Latest,
        ..settings()
    };
    let function = Recorder::ok();
    let mapping = start(&streams, settings, &function, &Arc::default()).await;
    assert_eq!(mapping.behind(), 0);
    put(&streams, ["later".into()]).await;
    mapping.drained().await;
    assert_eq!(data_of(&function.seen()), ["later"]);
}
