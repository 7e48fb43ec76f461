//! Whatever comes, and whenever it is flushed or stopped: it comes out as it went in.

use proptest::prelude::*;

use super::*;

/// What may happen to a stream.
#[derive(Clone, Debug)]
enum Step {
    /// Records of these sizes, in one request.
    Put(Vec<usize>),
    Flush,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::collection::vec(prop_oneof![3 => 0..200_usize, 1 => 100_000..400_000_usize], 1..8).prop_map(Step::Put),
        1 => Just(Step::Flush),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn records_come_out_as_they_went_in(steps in prop::collection::vec(step(), 1..10), gzip in any::<bool>()) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (sent, bucket) = runtime.block_on(run(&steps, gzip));
        let came_out = bucket.content("raw/");
        prop_assert!(came_out == sent, "{} bytes came out of {}", came_out.len(), sent.len());
        // No object has more than a full buffer and the record that filled it.
        let objects = bucket.objects.lock().unwrap();
        let largest = objects.iter().map(|(key, object)| unpacked(key, object).len()).max();
        prop_assert!(largest.unwrap_or_default() < (1 << 20) + 400_000, "{largest:?}");
    }
}

async fn run(steps: &[Step], gzip: bool) -> (Vec<u8>, Arc<Bucket>) {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        compression: if gzip { Compression::Gzip } else { Compression::None },
        ..settings()
    };
    let mut running = Running::start(folder.path(), Options::default(), settings.clone()).await;
    let (mut sent, mut number) = (Vec::new(), 0_u8);
    for step in steps {
        match step {
            Step::Put(sizes) => {
                let mut record = |size: &usize| {
                    number = number.wrapping_add(1);
                    vec![number; *size]
                };
                let records: Vec<_> = sizes.iter().map(&mut record).collect();
                sent.extend(records.concat());
                running.put_batch(records).await;
            }
            Step::Flush => running.delivery.flush().await,
            Step::Restart => {
                let bucket = running.stop().await;
                running = Running::start_before(folder.path(), Options::default(), settings.clone(), bucket).await;
            }
        }
    }
    running.delivery.flush().await;
    (sent, running.stop().await)
}
