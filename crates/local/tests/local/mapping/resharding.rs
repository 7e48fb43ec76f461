//! Shards split and merged under a mapping.

use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_kinesis::{primitives::Blob, types::PutRecordsRequestEntry};

use super::*;

fn id(shard: u32) -> String {
    format!("shardId-{shard:012}")
}

/// Puts records of a partition key, numbered on from `next`.
async fn put_keyed(streams: &Streams, key: usize, numbers: std::ops::Range<usize>) {
    let entry = |number| {
        let entry = PutRecordsRequestEntry::builder().partition_key(format!("key {key}"));
        entry.data(Blob::new(format!("{key}/{number}"))).build().unwrap()
    };
    let put = streams.client.put_records().stream_name(STREAM);
    let put = put
        .set_records(Some(numbers.map(entry).collect()))
        .send()
        .await
        .unwrap();
    assert_eq!(put.failed_record_count(), Some(0));
}

#[tokio::test]
async fn a_child_waits_until_its_parents_are_done() {
    let folder = tempfile::tempdir().unwrap();
    let streams = streams(folder.path(), 2).await;
    let is_broken = Arc::new(AtomicBool::new(true));
    let broken = Arc::clone(&is_broken);
    // The first shard fails until it is mended.
    let function = Recorder::new(
        move |seen, _| match seen.shard == id(0) && broken.load(Ordering::SeqCst) {
            true => Err(InvokeError::new("Down", "no")),
            false => Ok(Value::Null),
        },
    );
    let mapping = start(&streams, settings(), &function, &Arc::default()).await;
    put(&streams, numbered(40)).await;
    eventually("the second shard is done", || mapping.status()[1].behind == 0).await;
    // 0 becomes 2 and 3, and 3 is merged with 1, which has long been settled.
    streams.kinesis.split_shard(STREAM, 0).unwrap();
    streams.kinesis.merge_shards(STREAM, 3, 1).unwrap();
    put(&streams, numbered(80).drain(40..)).await;
    eventually("all shards are known", || mapping.status().len() == 5).await;
    eventually("the second shard has ended", || mapping.status()[1].is_done).await;
    let tried = function.seen().len();
    eventually("the first shard is tried again", || function.seen().len() > tried + 3).await;
    let seen: BTreeSet<_> = function.seen().into_iter().map(|seen| seen.shard).collect();
    assert_eq!(seen, [id(0), id(1)].into(), "what came after the split waits");
    let status = mapping.status();
    let behind: u64 = status.iter().map(|shard| shard.behind).sum();
    assert_eq!(mapping.behind(), behind);
    assert!(behind > 40, "the records of the children count: {behind}");
    assert!(!status[0].is_done && !status[2].is_done);

    is_broken.store(false, Ordering::SeqCst);
    tokio::time::timeout(Duration::from_secs(30), mapping.drained())
        .await
        .unwrap();
    let seen = function.seen();
    let last_of_parent = seen.iter().rposition(|seen| seen.shard == id(0)).unwrap();
    let first_of_child = seen
        .iter()
        .position(|seen| seen.shard == id(2) || seen.shard == id(4))
        .unwrap();
    assert!(last_of_parent < first_of_child);
    let delivered: BTreeSet<_> = data_of(&seen).into_iter().collect();
    assert_eq!(delivered, numbered(80).into_iter().collect());
    let done: Vec<_> = mapping.status().iter().map(|shard| shard.is_done).collect();
    eventually("what is closed is done", || mapping.status()[3].is_done).await;
    assert_eq!((done[0], done[1], done[2], done[4]), (true, true, false, false));
}

#[tokio::test]
async fn children_are_read_from_their_first_record_on() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        start: Start::Latest,
        ..settings()
    };
    let first = streams(folder.path(), 1).await;
    put(&first, ["from before the mapping".into()]).await;
    let function = Recorder::ok();
    let mapping = start(&first, settings.clone(), &function, &Arc::default()).await;
    // While it runs.
    first.kinesis.split_shard(STREAM, 0).unwrap();
    put(&first, ["while it runs".into()]).await;
    tokio::time::timeout(Duration::from_secs(30), mapping.drained())
        .await
        .unwrap();
    first.cancel.cancel();
    mapping.stopped().await;
    // While it is stopped.
    first.kinesis.merge_shards(STREAM, 1, 2).unwrap();
    let again = {
        first.close().await;
        streams(folder.path(), 1).await
    };
    put(&again, ["while it is stopped".into()]).await;
    run(&again, settings, &function).await;
    assert_eq!(data_of(&function.seen()), ["while it runs", "while it is stopped"]);
}

#[tokio::test]
async fn the_last_batch_of_a_closed_shard_does_not_wait() {
    let folder = tempfile::tempdir().unwrap();
    let streams = streams(folder.path(), 1).await;
    let window = Duration::from_secs(20);
    let settings = Settings {
        batch_window: window,
        ..settings()
    };
    let function = Recorder::ok();
    let mapping = start(&streams, settings, &function, &Arc::default()).await;
    put(&streams, ["last".into()]).await;
    let begun = Instant::now();
    tokio::time::sleep(Duration::from_millis(100)).await;
    streams.kinesis.split_shard(STREAM, 0).unwrap();
    mapping.drained().await;
    assert!(begun.elapsed() < window);
    assert_eq!(function.sizes(), [1]);
}

/// What happens to a stream under a mapping.
#[derive(Clone, Debug)]
enum Step {
    Put {
        key: usize,
        records: usize,
    },
    Split(prop::sample::Index),
    Merge(prop::sample::Index),
    /// The mapping and the streams are closed and opened again.
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0_usize..6, 1_usize..20).prop_map(|(key, records)| Step::Put { key, records }),
        2 => any::<prop::sample::Index>().prop_map(Step::Split),
        2 => any::<prop::sample::Index>().prop_map(Step::Merge),
        1 => Just(Step::Restart),
    ];
    proptest::collection::vec(step, 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever is split and merged, and whenever it is restarted, each key's records are done once and in order.
    #[test]
    fn resharding_keeps_the_order_of_each_key(
        steps in steps(),
        // Every so many invocations one fails.
        fails in 2_usize..5,
        batch_size in 1_usize..25,
        bisects: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let done = Arc::new(Mutex::new(HashMap::<String, Vec<String>>::new()));
            let noted = Arc::clone(&done);
            let function = Recorder::new(move |seen, invocation| {
                if invocation % fails == 0 {
                    return Err(InvokeError::new("E", "m"));
                }
                for data in &seen.data {
                    let key = data.split_once('/').unwrap().0;
                    noted.lock().unwrap().entry(key.to_owned()).or_default().push(data.clone());
                }
                Ok(Value::Null)
            });
            let settings = Settings { batch_size, bisects, ..settings() };
            let mut sent = [0; 6];
            let mut streams = streams(folder.path(), 2).await;
            let mut mapping = start(&streams, settings.clone(), &function, &Arc::default()).await;
            for step in steps {
                let open = streams.kinesis.open_shards(STREAM).unwrap();
                match step {
                    Step::Put { key, records } => {
                        put_keyed(&streams, key, sent[key]..sent[key] + records).await;
                        sent[key] += records;
                    }
                    Step::Split(at) => drop(streams.kinesis.split_shard(STREAM, *at.get(&open)).unwrap()),
                    Step::Merge(at) if open.len() > 1 => {
                        let at = at.index(open.len() - 1);
                        streams.kinesis.merge_shards(STREAM, open[at], open[at + 1]).unwrap();
                    }
                    Step::Merge(_) => {}
                    Step::Restart => {
                        streams.cancel.cancel();
                        mapping.stopped().await;
                        streams.close().await;
                        streams = super::streams(folder.path(), 2).await;
                        mapping = start(&streams, settings.clone(), &function, &Arc::default()).await;
                    }
                }
            }
            tokio::time::timeout(Duration::from_secs(30), mapping.drained()).await.unwrap();
            assert_eq!(mapping.behind(), 0);
            let done = done.lock().unwrap().clone();
            for (key, records) in sent.into_iter().enumerate() {
                let expected: Vec<_> = (0..records).map(|number| format!("{key}/{number}")).collect();
                assert_eq!(done.get(&key.to_string()).cloned().unwrap_or_default(), expected);
            }
        });
    }
}
