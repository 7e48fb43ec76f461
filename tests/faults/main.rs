//! Fault schedules: the deployed handlers between the local services, while whatever can go wrong does.
//!
//! ```text
//! producers ─► ingest ─► Kinesis ─► mapping ─► stream ────┐
//!                  └───► Firehose ─► raw objects ─► analytics ─► tables, quarantine ─► verdict
//!                                                   maintain ────┘
//! ```
//!
//! Between a function and a service lies a [`network`], and a function runs in a [`sandbox`]: what they do to it is drawn
//! from a seed. When all is calm again, the [`verdict`] is reached: every record of a stream and every raw line is in the
//! table or in the quarantine, exactly once, each where it belongs, and every acknowledged record is among them.
//!
//! A run takes the seeds 0 to 199; `FAULT_SEEDS=0..5000` takes others, and `FAULT_SEEDS=17` one:
//!
//! ```text
//! FAULT_SEEDS=0..5000 cargo test --workspace --test faults
//! ```
//!
//! A seed decides what is posted, what goes wrong, and where. Waits have a jitter of their own and threads their own
//! order, so a seed that has failed may have to be run more than once: `FAULT_SEEDS=17 FAULT_TIMES=50`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod network;
mod producer;
mod sandbox;
mod transport;
mod verdict;
mod world;

use std::{collections::BTreeMap, panic::AssertUnwindSafe, time::Instant};

use futures::{FutureExt as _, StreamExt as _};

/// How many seeds are under way at once: most of the time they wait.
const AT_ONCE: usize = 6;

#[test]
fn nothing_is_lost_and_nothing_is_doubled() {
    let (seeds, times) = asked();
    let began = Instant::now();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let runs = seeds
        .clone()
        .into_iter()
        .flat_map(|seed| std::iter::repeat_n(seed, times));
    let outcomes = futures::stream::iter(runs)
        .map(|seed| async move { (seed, AssertUnwindSafe(world::run(seed)).catch_unwind().await) })
        .buffer_unordered(AT_ONCE);
    let (mut failures, mut injected, mut records) = (Vec::new(), BTreeMap::new(), 0);
    runtime.block_on(outcomes.for_each(|(seed, outcome)| {
        match outcome {
            Ok(Ok(survived)) => {
                records += survived.records;
                for (what, times) in survived.injected {
                    *injected.entry(what).or_insert(0_u64) += times;
                }
            }
            Ok(Err(story)) => failures.push((seed, story)),
            Err(panic) => failures.push((seed, format!("{:?}", panic.downcast_ref::<String>()))),
        }
        std::future::ready(())
    }));
    println!("{} runs, {records} records, {:?}", seeds.len() * times, began.elapsed());
    for (what, times) in &injected {
        println!("{times:>9}  {what}");
    }
    for (seed, story) in &failures {
        println!(
            "\nseed {seed}: {story}\nagain: FAULT_SEEDS={seed} FAULT_TIMES=50 cargo test --workspace --test faults"
        );
    }
    assert!(
        failures.is_empty(),
        "{} runs failed, the first by seed {}",
        failures.len(),
        failures[0].0
    );
    // A schedule without faults proves nothing.
    assert!(times * seeds.len() < 100 || injected.len() > 15, "{injected:?}");
}

/// The seeds to run, and how often each.
fn asked() -> (Vec<u64>, usize) {
    let number = |text: &str| {
        text.trim()
            .parse::<u64>()
            .expect("FAULT_SEEDS is a number, or two as in 0..5000")
    };
    let seeds = match std::env::var("FAULT_SEEDS") {
        Err(_) => (0..200).collect(),
        Ok(text) => match text.split_once("..") {
            Some((from, to)) => (number(from)..number(to)).collect(),
            None => vec![number(&text)],
        },
    };
    let times = std::env::var("FAULT_TIMES").map_or(1, |text| text.parse().expect("FAULT_TIMES is a number"));
    (seeds, times)
}
