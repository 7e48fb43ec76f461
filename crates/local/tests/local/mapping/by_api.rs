//! A mapping that reads its stream by the API: what holds in the store holds here.

use pinlake_local::mapping::Remote;

use super::*;

fn remote(streams: &Streams, folder: &Path) -> Remote {
    Remote::open(streams.client.clone(), folder.join("checkpoints.redb")).unwrap()
}

async fn start(remote: &Remote, settings: Settings, function: &Arc<Recorder>, cancel: &CancellationToken) -> Mapping {
    Mapping::start_by_api(remote, settings, Arc::clone(function) as _, None, cancel.clone())
        .await
        .unwrap()
}

async fn drained(mapping: &Mapping) {
    tokio::time::timeout(Duration::from_secs(30), mapping.drained())
        .await
        .unwrap();
    assert_eq!(mapping.behind(), 0);
}

#[tokio::test]
async fn a_stream_is_read_by_its_api() {
    let folder = tempfile::tempdir().unwrap();
    let streams = streams(folder.path(), 2).await;
    let remote = remote(&streams, folder.path());
    put(&streams, numbered(700)).await;
    // One failure in between, so that records come again.
    let function = Recorder::new(|_, invocation| match invocation {
        1 => Err(InvokeError::new("Down", "no")),
        _ => Ok(Value::Null),
    });
    let mapping = start(&remote, settings(), &function, &streams.cancel).await;
    drained(&mapping).await;
    put(&streams, ["later".into()]).await;
    drained(&mapping).await;
    let delivered: BTreeSet<_> = data_of(&function.seen()).into_iter().collect();
    assert_eq!(delivered, numbered(700).into_iter().chain(["later".into()]).collect());
    assert!(function.sizes().iter().all(|size| *size <= 100));
    // A shard's records come in the order of their numbers, under the ids and numbers that the stream gave.
    for shard in mapping.status() {
        let seen = function.seen().into_iter().filter(|seen| seen.shard == shard.shard_id);
        let numbers: Vec<SequenceNumber> = seen
            .flat_map(|seen| seen.numbers)
            .map(|number| number.parse().unwrap())
            .collect();
        let mut once = numbers.clone();
        once.dedup();
        assert!(once.len() > 100);
        assert_eq!(shard.position, numbers.iter().max().copied());
    }
}

#[tokio::test]
async fn a_restart_goes_on_after_what_was_settled() {
    let folder = tempfile::tempdir().unwrap();
    let streams = streams(folder.path(), 1).await;
    put(&streams, numbered(60)).await;
    let settings = Settings {
        batch_size: 7,
        ..settings()
    };
    let mut delivered = Vec::new();
    for _ in 0..4 {
        let remote = remote(&streams, folder.path());
        // From the third batch on, nothing succeeds any more until the next start.
        let function = Recorder::new(|_, invocation| match invocation {
            0..2 => Ok(Value::Null),
            _ => Err(InvokeError::new("Down", "no")),
        });
        let cancel = CancellationToken::new();
        let mapping = start(&remote, settings.clone(), &function, &cancel).await;
        eventually("the third batch was tried", || function.seen().len() > 2).await;
        assert!(mapping.behind() > 0);
        delivered.extend(data_of(&function.seen()[..2]));
        cancel.cancel();
        mapping.drained().await;
        mapping.stopped().await;
    }
    assert_eq!(delivered, numbered(56));
    // A stream that is made anew is read from its beginning.
    streams.client.delete_stream().stream_name(STREAM).send().await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    let remote = remote(&streams, folder.path());
    remote.ensure_stream(STREAM, 1).await.unwrap();
    remote.ensure_stream(STREAM, 1).await.unwrap();
    put(&streams, ["anew".into()]).await;
    let function = Recorder::ok();
    let mapping = start(&remote, settings, &function, &streams.cancel).await;
    drained(&mapping).await;
    assert_eq!(data_of(&function.seen()), ["anew"]);
}

#[tokio::test]
async fn splits_and_merges_are_followed() {
    let folder = tempfile::tempdir().unwrap();
    let streams = streams(folder.path(), 1).await;
    let remote = remote(&streams, folder.path());
    let settings = Settings {
        start: Start::Latest,
        ..settings()
    };
    put(&streams, ["from before the mapping".into()]).await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    let function = Recorder::ok();
    let cancel = CancellationToken::new();
    let mapping = start(&remote, settings.clone(), &function, &cancel).await;
    put(&streams, numbered(10)).await;
    streams.kinesis.split_shard(STREAM, 0).unwrap();
    put(&streams, numbered(20).drain(10..)).await;
    drained(&mapping).await;
    assert_eq!(mapping.status().len(), 3);
    cancel.cancel();
    mapping.stopped().await;
    // While it is stopped.
    put(&streams, numbered(30).drain(20..)).await;
    streams.kinesis.merge_shards(STREAM, 1, 2).unwrap();
    put(&streams, numbered(40).drain(30..)).await;
    let mapping = start(&remote, settings, &function, &streams.cancel).await;
    drained(&mapping).await;

    let seen = function.seen();
    let mut data = data_of(&seen);
    // Generations follow each other: before the split, between, and after the merge.
    for (place, expected) in [(0..10, 0..10), (10..30, 10..30), (30..40, 30..40)] {
        let found: BTreeSet<_> = data[place].iter().cloned().collect();
        let expected: BTreeSet<_> = expected.map(|number| format!("record {number}")).collect();
        assert_eq!(found, expected);
    }
    data.sort();
    data.dedup();
    assert_eq!(data.len(), 40, "each once");
}
