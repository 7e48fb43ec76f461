//! Two tables: each record in exactly one of them, once.

use crate::support::{TestLake, name, noon, number, pins, rejected, rows, source, store::Fault, texts};
use arrow::array::AsArray;
use pinlake_lake::{Batch, Kind, Landed, Landing, NotLanded, PAYLOAD, Settings, read_table};
use proptest::prelude::*;

fn landing(lake: &TestLake) -> Landing {
    // One try: a refused put is a broken-off attempt, as when a function is killed.
    let settings = Settings {
        commit_tries: std::num::NonZeroU32::MIN.saturating_add(30),
        ..Settings::default()
    };
    Landing::new(&lake.lake, &pins(), settings).unwrap()
}

/// A batch of the numbers, rejected where `bad` says so.
fn batch(numbers: impl Iterator<Item = u64> + Clone, bad: impl Fn(u64) -> bool) -> Batch {
    Batch {
        rows: rows(numbers.clone().filter(|number| !bad(*number))),
        rejected: rejected(numbers.clone().filter(|number| bad(*number))),
        highest: number(numbers.max().unwrap()),
    }
}

async fn store(
    landing: &mut Landing,
    numbers: std::ops::RangeInclusive<u64>,
    bad: impl Fn(u64) -> bool,
) -> Result<Landed, NotLanded> {
    landing.store(&source(), batch(numbers, bad), noon()).await
}

fn even(number: u64) -> bool {
    number.is_multiple_of(2)
}

#[tokio::test]
async fn each_record_goes_to_its_table() {
    let lake = TestLake::in_memory();
    let landed = store(&mut landing(&lake), 1..=5, even).await.unwrap();
    assert_eq!((landed.table.written, landed.quarantine.written), (3, 2));
    assert_eq!(lake.numbers(Kind::Table).await, [1, 3, 5]);
    assert_eq!(lake.numbers(Kind::Quarantine).await, [2, 4]);

    let batches = read_table(&lake.lake, Kind::Quarantine, &name()).await.unwrap();
    assert_eq!(
        batches[0].column_by_name(PAYLOAD).unwrap().as_binary::<i32>().value(0),
        b"bad 2"
    );
    assert_eq!(texts(&batches, "reason"), vec![Some("is no int32".to_owned()); 2]);
    assert_eq!(texts(&batches, "field"), vec![Some("index".to_owned()); 2]);
}

#[tokio::test]
async fn a_table_without_rows_is_not_touched() {
    let lake = TestLake::in_memory();
    store(&mut landing(&lake), 1..=3, |_| false).await.unwrap();
    assert!(
        read_table(&lake.lake, Kind::Quarantine, &name())
            .await
            .unwrap()
            .is_empty()
    );
    let landed = store(&mut landing(&lake), 4..=6, |_| true).await.unwrap();
    assert_eq!((landed.table.version, landed.quarantine.version), (None, Some(1)));
}

#[tokio::test]
async fn a_warm_batch_for_both_tables_takes_four_requests() {
    let lake = TestLake::in_memory();
    let mut landing = landing(&lake);
    store(&mut landing, 1..=4, even).await.unwrap();
    lake.store.take_requests();
    store(&mut landing, 5..=8, even).await.unwrap();
    assert_eq!(lake.store.take_requests(), 4);
    store(&mut landing, 5..=8, even).await.unwrap();
    assert_eq!(lake.store.take_requests(), 0, "a redelivery costs no request");
}

#[tokio::test]
async fn the_lowest_record_that_is_not_stored_is_named() {
    let lake = TestLake::in_memory();
    lake.store.fail("quarantine/pin/ingest_date", Fault::Refuse);
    let error = store(&mut landing(&lake), 2..=5, even).await.unwrap_err();
    assert_eq!(error.lowest, number(2));
    lake.store.fail("tables/pin/ingest_date", Fault::Refuse);
    let error = store(&mut landing(&lake), 2..=5, even).await.unwrap_err();
    assert_eq!((error.lowest, error.origin), (number(3), source()));
}

/// Between the quarantine's commit and the table's the function dies and comes back with another definition.
#[tokio::test]
async fn a_changed_definition_loses_nothing() {
    let lake = TestLake::in_memory();
    lake.store.fail("tables/pin/ingest_date", Fault::Refuse);
    store(&mut landing(&lake), 1..=6, even).await.unwrap_err();
    assert_eq!(lake.numbers(Kind::Quarantine).await, [2, 4, 6]);

    // Now 3 is bad too, and 4 has become good.
    let landed = store(&mut landing(&lake), 1..=6, |number| [2, 3, 6].contains(&number))
        .await
        .unwrap();
    assert_eq!((landed.quarantine.written, landed.quarantine.skipped), (1, 2));
    assert_eq!(lake.numbers(Kind::Quarantine).await, [2, 3, 4, 6]);
    assert_eq!(
        lake.numbers(Kind::Table).await,
        [1, 4, 5],
        "4 is in both: doubled, not lost"
    );
}

/// What happens to a delivery.
#[derive(Debug, Clone)]
enum Event {
    /// The batch from `back` before the first record not yet done, `length` long, is given to a handler.
    Deliver { back: u64, length: u64, handler: usize },
    /// The same, but the put of a key with this text goes wrong.
    Break {
        back: u64,
        length: u64,
        handler: usize,
        at: &'static str,
        fault: Fault,
    },
    /// The same batch is given to both handlers at once.
    Race { back: u64, length: u64 },
    /// A handler is lost with all that it remembers.
    Restart { handler: usize },
}

fn event() -> impl Strategy<Value = Event> {
    let keys = prop::sample::select(vec![
        "tables/pin/ingest",
        "tables/pin/_delta",
        "quarantine/pin/ingest",
        "quarantine/pin/_delta",
    ]);
    let fault = prop::sample::select(vec![Fault::Refuse, Fault::LoseAnswer]);
    prop_oneof![
        4 => (0..6_u64, 1..8_u64, 0..2_usize).prop_map(|(back, length, handler)| Event::Deliver { back, length, handler }),
        4 => (0..6_u64, 1..8_u64, 0..2_usize, keys, fault)
            .prop_map(|(back, length, handler, at, fault)| Event::Break { back, length, handler, at, fault }),
        2 => (0..6_u64, 1..8_u64).prop_map(|(back, length)| Event::Race { back, length }),
        1 => (0..2_usize).prop_map(|handler| Event::Restart { handler }),
    ]
}

/// Records 1, 2, … of which the `bad` ones are rejected, through two handlers that live and die.
async fn play(events: Vec<Event>, bad: Vec<bool>) {
    const RECORDS: u64 = 24;
    let bad = |number: u64| bad[usize::try_from(number).unwrap() % bad.len()];
    let lake = TestLake::in_memory();
    let mut handlers = [landing(&lake), landing(&lake)];
    let mut done = 0;
    let range = |done: u64, back: u64, length: u64| {
        let first = (done + 1).saturating_sub(back).clamp(1, RECORDS);
        first..=(first + length - 1).min(RECORDS)
    };
    for event in events {
        match event {
            Event::Deliver { back, length, handler } => {
                let numbers = range(done, back, length);
                store(&mut handlers[handler], numbers.clone(), bad).await.unwrap();
                done = done.max(*numbers.end());
            }
            Event::Break {
                back,
                length,
                handler,
                at,
                fault,
            } => {
                lake.store.fail(at, fault);
                let numbers = range(done, back, length);
                if store(&mut handlers[handler], numbers.clone(), bad).await.is_ok() {
                    done = done.max(*numbers.end());
                }
                lake.store.heal();
            }
            Event::Race { back, length } => {
                let numbers = range(done, back, length);
                let [left, right] = &mut handlers;
                let (left, right) =
                    futures::join!(store(left, numbers.clone(), bad), store(right, numbers.clone(), bad));
                left.unwrap();
                right.unwrap();
                done = done.max(*numbers.end());
            }
            Event::Restart { handler } => handlers[handler] = landing(&lake),
        }
    }
    store(&mut handlers[0], 1..=RECORDS, bad).await.unwrap();
    let expected = |kind: bool| (1..=RECORDS).filter(|number| bad(*number) == kind).collect::<Vec<_>>();
    assert_eq!(lake.numbers(Kind::Table).await, expected(false));
    assert_eq!(lake.numbers(Kind::Quarantine).await, expected(true));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn records_land_exactly_once(
        events in prop::collection::vec(event(), 1..12),
        bad in prop::collection::vec(any::<bool>(), 7),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(play(events, bad));
    }
}
