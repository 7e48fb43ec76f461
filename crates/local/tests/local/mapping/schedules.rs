//! Arbitrary schedules of failures.

use super::*;

/// What a function does in one invocation, as an arbitrary schedule has it.
#[derive(Clone, Debug)]
enum Fate {
    Done,
    Fails,
    Reports(usize),
    Nonsense,
}

fn fates() -> impl Strategy<Value = Vec<Fate>> {
    let fate = prop_oneof![
        2 => Just(Fate::Done),
        2 => Just(Fate::Fails),
        2 => (0_usize..20).prop_map(Fate::Reports),
        1 => Just(Fate::Nonsense),
    ];
    proptest::collection::vec(fate, 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever the function does, every record is done or at the destination, and each shard's order is kept.
    #[test]
    fn nothing_is_lost(
        fates in fates(),
        records in 1_usize..60,
        batch_size in 1_usize..25,
        bisects: bool,
        most_retries in 0_u32..3,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let streams = streams(folder.path(), 2).await;
            put(&streams, numbered(records)).await;
            let done = Arc::new(Mutex::new(Vec::<(String, String)>::new()));
            let noted = Arc::clone(&done);
            let function = Recorder::new(move |seen, invocation| {
                let fate = fates[invocation % fates.len()].clone();
                let count = match fate {
                    Fate::Done => seen.data.len(),
                    Fate::Reports(at) if at < seen.data.len() => at,
                    Fate::Reports(_) => seen.data.len(),
                    Fate::Fails | Fate::Nonsense => 0,
                };
                noted.lock().unwrap().extend(seen.data[..count].iter().map(|data| (seen.shard.clone(), data.clone())));
                match fate {
                    Fate::Fails => Err(InvokeError::new("E", "m")),
                    Fate::Nonsense => Ok(json!({ "batchItemFailures": "?" })),
                    Fate::Reports(at) if at < seen.data.len() => {
                        Ok(json!({ "batchItemFailures": [{ "itemIdentifier": seen.numbers[at] }] }))
                    }
                    Fate::Done | Fate::Reports(_) => Ok(Value::Null),
                }
            });
            let settings = Settings { batch_size, bisects, most_retries: Some(most_retries), ..settings() };
            let shelf = run(&streams, settings, &function).await;

            let done = done.lock().unwrap().clone();
            let mut everything: Vec<_> = done.iter().map(|(_, data)| data.clone()).chain(shelf.data()).collect();
            everything.sort();
            let mut expected = numbered(records);
            expected.sort();
            assert_eq!(everything, expected, "each record once: done, or at the destination");

            let position: HashMap<_, _> = numbered(records).into_iter().zip(0..).collect();
            let mut last = HashMap::<String, usize>::new();
            for (shard, data) in done {
                let (now, before) = (position[&data], last.insert(shard, position[&data]));
                assert!(before.is_none_or(|before| before < now), "the order of a shard is kept");
            }
        });
    }
}
