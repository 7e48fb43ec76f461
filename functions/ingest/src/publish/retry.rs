//! Sending until every record is settled: only failed records go again, with backoff, inside the deadline.
//!
//! Order: chunks go one after another, so without failures the stream holds the records in the order given. A record
//! that is sent again comes after those that got through, as with any PutRecords client.
//!
//! # Invariants
//! - Every record gets one answer, in order (`every_record_gets_one_answer`).
//! - A settled record is never sent again (`only_failed_records_go_again`).

use async_trait::async_trait;
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    Backoff, Failure, Record,
    chunk::{ChunkLimits, chunks},
};

/// What became of one record.
pub(super) type Answer<R> = Result<R, Failure>;

/// One request on the wire, without any retry of its own.
#[async_trait]
pub(super) trait Wire: Sync {
    /// What the service answers for a record that it has stored.
    type Receipt: Clone + Send;

    /// What a record counts against the service's limits, in bytes.
    fn size_bytes(&self, record: &Record) -> usize;

    /// Sends a chunk: an answer per record, in order, or one failure for all.
    async fn put(&self, records: &[&Record]) -> Result<Vec<Answer<Self::Receipt>>, Failure>;
}

/// Sends the records and answers for each, in order.
pub(super) async fn deliver<W: Wire>(
    wire: &W,
    records: &[Record],
    limits: ChunkLimits,
    backoff: Backoff,
    deadline: Instant,
) -> Vec<Answer<W::Receipt>> {
    let mut answers: Vec<Answer<W::Receipt>> = vec![Err(Failure::TooLate); records.len()];
    let mut pending: Vec<usize> = (0..records.len()).collect();
    let mut most = backoff.first;
    loop {
        send_once(wire, records, &pending, limits, deadline, &mut answers).await;
        pending.retain(|&index| matches!(answers[index], Err(failure) if failure.is_transient()));
        let wait = most.mul_f64(rand::random::<f64>());
        if pending.is_empty() || Instant::now() + wait >= deadline {
            return answers;
        }
        sleep(wait).await;
        most = most.saturating_mul(2).min(backoff.most);
    }
}

/// Sends each pending record once, chunk after chunk. What the deadline cuts off keeps its earlier answer: why the
/// last try failed says more than that there was no time for another.
async fn send_once<W: Wire>(
    wire: &W,
    records: &[Record],
    pending: &[usize],
    limits: ChunkLimits,
    deadline: Instant,
    answers: &mut [Answer<W::Receipt>],
) {
    let sizes: Vec<usize> = pending.iter().map(|&index| wire.size_bytes(&records[index])).collect();
    for chunk in chunks(&sizes, limits) {
        let indices = &pending[chunk];
        let batch: Vec<&Record> = indices.iter().map(|&index| &records[index]).collect();
        let Ok(outcome) = timeout_at(deadline, wire.put(&batch)).await else {
            return;
        };
        match outcome {
            Ok(settled) => {
                // A service that answers for fewer records than it was given has said nothing about the rest.
                let settled = settled.into_iter().chain(std::iter::repeat(Err(Failure::Unavailable)));
                for (&index, answer) in indices.iter().zip(settled) {
                    answers[index] = answer;
                }
            }
            Err(failure) => indices.iter().for_each(|&index| answers[index] = Err(failure)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, sync::Mutex, time::Duration};

    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    const BACKOFF: Backoff = Backoff {
        first: Duration::from_micros(50),
        most: Duration::from_micros(200),
    };

    /// A far end that fails as its script says: what happens at the n-th try of a record, then success.
    #[derive(Default)]
    struct Scripted {
        records: HashMap<Bytes, Vec<Failure>>,
        whole_requests: Mutex<Vec<Failure>>,
        sent: Mutex<Vec<Vec<Bytes>>>,
    }

    #[async_trait]
    impl Wire for Scripted {
        type Receipt = Bytes;

        fn size_bytes(&self, record: &Record) -> usize {
            record.data.len()
        }

        async fn put(&self, records: &[&Record]) -> Result<Vec<Answer<Bytes>>, Failure> {
            let mut sent = self.sent.lock().unwrap();
            sent.push(records.iter().map(|record| record.data.clone()).collect());
            if let Some(failure) = self.whole_requests.lock().unwrap().pop() {
                return Err(failure);
            }
            let tries = |data: &Bytes| sent.iter().flatten().filter(|sent| *sent == data).count();
            Ok(records
                .iter()
                .map(|record| {
                    match self
                        .records
                        .get(&record.data)
                        .and_then(|plan| plan.get(tries(&record.data) - 1))
                    {
                        Some(failure) => Err(*failure),
                        None => Ok(record.data.clone()),
                    }
                })
                .collect())
        }
    }

    fn records(count: usize) -> Vec<Record> {
        (0..count)
            .map(|index| Record {
                data: Bytes::from(format!("record {index}")),
                partition_key: "k".into(),
                explicit_hash_key: None,
            })
            .collect()
    }

    async fn run(wire: &Scripted, records: &[Record], within: Duration) -> Vec<Answer<Bytes>> {
        let limits = ChunkLimits { records: 3, bytes: 100 };
        deliver(wire, records, limits, BACKOFF, Instant::now() + within).await
    }

    #[tokio::test]
    async fn only_failed_records_go_again() {
        let records = records(3);
        let plan = HashMap::from([(records[1].data.clone(), vec![Failure::Throttled, Failure::Unavailable])]);
        let wire = Scripted {
            records: plan,
            ..Scripted::default()
        };
        let answers = run(&wire, &records, Duration::from_secs(5)).await;
        assert!(answers.iter().all(Result::is_ok));
        let sent = wire.sent.into_inner().unwrap();
        assert_eq!(sent[0].len(), 3);
        assert_eq!(
            sent[1..],
            [vec![records[1].data.clone()], vec![records[1].data.clone()]]
        );
    }

    #[tokio::test]
    async fn a_whole_request_that_fails_goes_again() {
        let wire = Scripted {
            whole_requests: Mutex::new(vec![Failure::Unavailable; 2]),
            ..Scripted::default()
        };
        let answers = run(&wire, &records(2), Duration::from_secs(5)).await;
        assert!(answers.iter().all(Result::is_ok));
        assert_eq!(wire.sent.into_inner().unwrap().len(), 3);
    }

    #[tokio::test]
    async fn a_refusal_is_final() {
        let wire = Scripted {
            whole_requests: Mutex::new(vec![Failure::Refused]),
            ..Scripted::default()
        };
        assert_eq!(
            run(&wire, &records(1), Duration::from_secs(5)).await,
            [Err(Failure::Refused)]
        );
        assert_eq!(wire.sent.into_inner().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn the_deadline_ends_it_and_the_last_failure_is_told() {
        let records = records(2);
        let plan = HashMap::from([(records[0].data.clone(), vec![Failure::Throttled; 1_000_000])]);
        let wire = Scripted {
            records: plan,
            ..Scripted::default()
        };
        let start = Instant::now();
        let answers = run(&wire, &records, Duration::from_millis(30)).await;
        assert_eq!(answers[0], Err(Failure::Throttled));
        assert!(answers[1].is_ok());
        assert!(start.elapsed() < Duration::from_secs(5), "it goes on past its deadline");
    }

    #[tokio::test]
    async fn a_far_end_that_hangs_is_left_at_the_deadline() {
        struct Hanging;
        #[async_trait]
        impl Wire for Hanging {
            type Receipt = ();

            fn size_bytes(&self, _: &Record) -> usize {
                1
            }

            async fn put(&self, _: &[&Record]) -> Result<Vec<Answer<()>>, Failure> {
                std::future::pending().await
            }
        }
        let deadline = Instant::now() + Duration::from_millis(20);
        let limits = ChunkLimits { records: 3, bytes: 100 };
        let answers = deliver(&Hanging, &records(4), limits, BACKOFF, deadline).await;
        assert_eq!(answers, vec![Err(Failure::TooLate); 4]);
    }

    fn failure() -> impl Strategy<Value = Failure> {
        prop_oneof![
            Just(Failure::Throttled),
            Just(Failure::Unavailable),
            Just(Failure::Refused)
        ]
    }

    proptest! {
        #[test]
        fn every_record_gets_one_answer(
            plans in prop::collection::vec(prop::collection::vec(failure(), 0..4), 0..12),
            whole_requests in prop::collection::vec(prop_oneof![Just(Failure::Throttled), Just(Failure::Unavailable)], 0..3),
        ) {
            let records = records(plans.len());
            let plan = records.iter().map(|record| record.data.clone()).zip(plans.clone()).collect();
            let wire = Scripted { records: plan, whole_requests: Mutex::new(whole_requests), ..Scripted::default() };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let answers = runtime.block_on(run(&wire, &records, Duration::from_secs(20)));

            prop_assert_eq!(answers.len(), records.len());
            let sent = wire.sent.into_inner().unwrap();
            for (record, answer) in records.iter().zip(&answers) {
                // Right answer at the right place: receipts carry the record's own payload.
                let refused = Err(Failure::Refused);
                prop_assert!(*answer == Ok(record.data.clone()) || *answer == refused);
                prop_assert!(sent.iter().flatten().any(|data| *data == record.data));
            }
            for batch in &sent {
                prop_assert!(batch.len() <= 3);
            }
        }
    }
}
