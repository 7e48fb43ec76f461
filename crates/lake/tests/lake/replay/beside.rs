//! Replays beside all else that is done to a table, by seeds.

use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use pinlake_lake::{Kind, RunId, Upkeep};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};

use super::{cleared, cleared_raw, compact, day_of, deliver, even, lake_numbers, landing, numbers, run, stored};
use crate::support::{TestLake, name};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn replays_beside_everything_else_lose_and_double_nothing() {
    let first: u64 = std::env::var("SEED").map_or(1, |seed| seed.parse().unwrap());
    let rounds: u64 = std::env::var("ROUNDS").map_or(6, |rounds| rounds.parse().unwrap());
    for seed in first..first + rounds {
        println!("seed {seed}; again: SEED={seed} ROUNDS=1 cargo test --workspace --test lake replays_beside");
        beside_everything_else(seed).await;
    }
}

/// A stream whose batches come twice, a day of raw objects that is cleaned again, compactions, and replays of whatever is in
/// quarantine: numbers up to 60 of the stream, from 1001 to 1020 of raw lines.
async fn beside_everything_else(seed: u64) {
    let lake = Arc::new(TestLake::in_memory());
    lake.store.hesitate();
    let mut random = StdRng::seed_from_u64(seed);
    let good: Vec<u64> = (1001..=1020).filter(|number| !even(*number)).collect();
    let bad: Vec<u64> = (1001..=1020).filter(|number| even(*number)).collect();
    day_of(&lake, RunId::new(), &good, &bad).await;
    let mut tasks = Vec::new();
    let mut starts: Vec<u64> = (0..12).map(|batch| batch * 5 + 1).collect();
    if random.random_bool(0.5) {
        // Batches of one source come in order; those of late repeats do not.
        let repeats: Vec<_> = starts.clone();
        starts.extend(repeats);
    }
    let streaming = Arc::clone(&lake);
    tasks.push(tokio::spawn(async move {
        let mut landing = landing(&streaming);
        for start in starts {
            deliver(&mut landing, start..=start + 4, even).await;
        }
    }));
    for _ in 0..2 {
        let (cleaning, good, bad) = (Arc::clone(&lake), good.clone(), bad.clone());
        let again = random.random_range(1..4);
        tasks.push(tokio::spawn(async move {
            for _ in 0..again {
                day_of(&cleaning, RunId::new(), &good, &bad).await;
            }
        }));
    }
    let keeping = Arc::clone(&lake);
    tasks.push(tokio::spawn(async move {
        for _ in 0..4 {
            compact(&keeping, Kind::Table).await;
            compact(&keeping, Kind::Quarantine).await;
        }
    }));
    for _ in 0..3 {
        let replaying = Arc::clone(&lake);
        let seed = random.random();
        tasks.push(tokio::spawn(async move {
            let mut random = StdRng::seed_from_u64(seed);
            for _ in 0..4 {
                replay_some(&replaying, &mut random).await;
            }
        }));
    }
    tasks.shuffle(&mut random);
    for task in tasks {
        task.await.unwrap();
    }
    // What is left goes through now that it is quiet.
    run(&lake, &cleared((1..=60).filter(|number| even(*number)))).await;
    run(&lake, &cleared_raw((1001..=1020).filter(|number| even(*number)))).await;
    let all = numbers((1..=60).chain(1001..=1020));
    assert_eq!(stored(&lake).await, (all.clone(), vec![]), "seed {seed}");
    // Every file that a version names is kept.
    for kind in [Kind::Table, Kind::Quarantine] {
        let upkeep = Upkeep::new(&lake.lake, kind, &name()).unwrap();
        let far = Utc::now() + TimeDelta::days(30);
        upkeep.vacuum(TimeDelta::days(7), far, false).await.unwrap();
    }
    assert_eq!(stored(&lake).await, (all, vec![]), "seed {seed}");
}

/// Some of what is in quarantine, or was a moment ago.
async fn replay_some(lake: &TestLake, random: &mut StdRng) {
    let mut found = lake_numbers(lake, Kind::Quarantine).await;
    found.shuffle(random);
    found.truncate(random.random_range(1..40));
    let (of_stream, of_raw): (Vec<_>, Vec<_>) = found.into_iter().partition(|number| *number < 1000);
    run(lake, &cleared(of_stream)).await;
    run(lake, &cleared_raw(of_raw)).await;
}
