//! One table: what every object store must give, in memory and on disk.

use std::num::NonZeroU32;

use crate::support::{
    TestLake, append, conformance, handle, ints, later, name, noon, number, pins, rows, source, store::Fault, texts,
};
use futures::future::join_all;
use pinlake_lake::{Error, INGEST_DATE, INGEST_PATH, Kind, Settings, Settled, Source, Table, describe, read_table};

conformance!(
    rows_come_back_as_they_went_in,
    a_redelivery_changes_nothing,
    a_batch_cut_anew_adds_only_what_is_missing,
    sources_have_watermarks_of_their_own,
    racing_creators_make_one_table,
    races_store_every_row_once,
    a_lost_answer_is_no_second_commit,
    a_late_put_finds_its_file,
    a_refused_put_leaves_nothing_behind,
    a_warm_commit_takes_two_requests,
    a_watermark_survives_a_checkpoint,
    a_stale_handle_looks_before_it_commits,
    a_look_at_nothing_is_no_look,
    a_cleaned_up_log_is_read_anew,
    midnight_makes_two_partitions,
    an_old_number_never_comes_back,
);

async fn rows_come_back_as_they_went_in(lake: TestLake) {
    let appended = append(&mut handle(&lake), [1, 2, 3]).await.unwrap();
    assert_eq!((appended.written, appended.skipped, appended.version), (3, 0, Some(1)));

    let batches = read_table(&lake.lake, Kind::Table, &name()).await.unwrap();
    assert_eq!(ints(&batches, "ind"), [Some(1), Some(2), Some(3)]);
    assert_eq!(
        texts(&batches, "title"),
        [Some("title 1".into()), Some("title 2".into()), None]
    );
    assert_eq!(
        texts(&batches, "_origin")[0].as_deref(),
        Some("kinesis/pinlake-pin/shardId-000000000000/1")
    );
    assert_eq!(texts(&batches, INGEST_PATH), vec![Some("stream".to_owned()); 3]);
    let schema = batches[0].schema();
    let columns: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(
        columns,
        [
            "ind",
            "title",
            "_rescued",
            "_ingested_at",
            "_origin",
            INGEST_DATE,
            INGEST_PATH
        ]
    );

    let description = describe(&lake.lake, Kind::Table, &name()).await.unwrap().unwrap();
    assert_eq!((description.version, description.files, description.rows), (1, 1, 3));
    assert_eq!(description.size_bytes, appended.size_bytes);
    assert_eq!(description.watermarks, [(source(), number(3))]);
    assert_eq!(describe(&lake.lake, Kind::Quarantine, &name()).await.unwrap(), None);
}

async fn a_redelivery_changes_nothing(lake: TestLake) {
    let mut warm = handle(&lake);
    append(&mut warm, 1..=5).await.unwrap();
    for handle in [&mut warm, &mut handle(&lake)] {
        let again = append(handle, 1..=5).await.unwrap();
        assert_eq!((again.written, again.skipped, again.version), (0, 5, None));
    }
    assert_eq!(lake.numbers(Kind::Table).await, [1, 2, 3, 4, 5]);
    assert_eq!(lake.parquet_files(Kind::Table).await, 1);
}

async fn a_batch_cut_anew_adds_only_what_is_missing(lake: TestLake) {
    let mut table = handle(&lake);
    for numbers in [1..=3, 2..=5, 1..=4, 5..=9, 9..=9] {
        append(&mut table, numbers).await.unwrap();
    }
    assert_eq!(lake.numbers(Kind::Table).await, (1..=9).collect::<Vec<_>>());
}

async fn sources_have_watermarks_of_their_own(lake: TestLake) {
    let mut table = handle(&lake);
    for shard in ["a", "b"] {
        let source = Source::kinesis("s", shard);
        let appended = table
            .append(&source, rows(1..=2), number(2), Settled::ByWatermark, noon())
            .await
            .unwrap();
        assert_eq!(appended.written, 2);
    }
    assert_eq!(lake.numbers(Kind::Table).await, [1, 1, 2, 2]);
}

async fn racing_creators_make_one_table(lake: TestLake) {
    let mut handles: Vec<Table> = (0..16).map(|_| handle(&lake)).collect();
    join_all(
        handles
            .iter_mut()
            .map(|handle| async { handle.open(noon()).await.unwrap() }),
    )
    .await;
    let description = describe(&lake.lake, Kind::Table, &name()).await.unwrap().unwrap();
    assert_eq!((description.version, description.rows), (0, 0));
}

async fn races_store_every_row_once(lake: TestLake) {
    let handlers = 4;
    let tasks = (0..handlers).map(|handler| {
        let mut table = handle(&lake);
        async move {
            let source = Source::kinesis("s", &format!("shard-{handler}"));
            let mut conflicts = 0;
            for batch in 0..5 {
                let numbers = batch * 10 + 1..=batch * 10 + 10;
                let highest = number(*numbers.end());
                let append = table
                    .append(&source, rows(numbers), highest, Settled::ByWatermark, noon())
                    .await;
                conflicts += append.unwrap().conflicts;
            }
            conflicts
        }
    });
    join_all(tasks).await;
    let expected: Vec<u64> = (1..=50).flat_map(|number| vec![number; handlers]).collect();
    assert_eq!(lake.numbers(Kind::Table).await, expected);
    assert_eq!(lake.parquet_files(Kind::Table).await, 20);

    // The same batch by several handlers at once: one of them stores it.
    let same = (0..handlers).map(|_| {
        let mut table = handle(&lake);
        async move { append(&mut table, 100..=120).await.unwrap().written }
    });
    assert_eq!(join_all(same).await.into_iter().sum::<usize>(), 21);
    let description = describe(&lake.lake, Kind::Table, &name()).await.unwrap().unwrap();
    assert_eq!((description.version, description.rows), (21, 50 * handlers as u64 + 21));
    assert_eq!(lake.parquet_files(Kind::Table).await, 21, "a loser's file is deleted");
}

async fn a_lost_answer_is_no_second_commit(lake: TestLake) {
    let mut table = handle(&lake);
    lake.store
        .fail("_delta_log/00000000000000000000.json", Fault::LoseAnswer);
    lake.store
        .fail("_delta_log/00000000000000000001.json", Fault::LoseAnswer);
    let appended = append(&mut table, 1..=3).await.unwrap();
    assert_eq!(
        (appended.written, appended.version, appended.conflicts),
        (3, Some(1), 1)
    );
    append(&mut table, 4..=5).await.unwrap();
    assert_eq!(lake.numbers(Kind::Table).await, [1, 2, 3, 4, 5]);
    assert_eq!(lake.parquet_files(Kind::Table).await, 2);
}

/// The append has failed by then, and its file must be there all the same.
async fn a_late_put_finds_its_file(lake: TestLake) {
    let once = Settings {
        commit_tries: NonZeroU32::MIN,
        ..Settings::default()
    };
    let mut table = Table::clean(&lake.lake, &pins(), once).unwrap();
    append(&mut table, 1..=1).await.unwrap();
    lake.store.fail("_delta_log/00000000000000000002.json", Fault::Late);
    append(&mut table, 2..=3).await.unwrap_err();
    assert_eq!(lake.numbers(Kind::Table).await, [1]);
    lake.store.arrive().await;
    assert_eq!(lake.numbers(Kind::Table).await, [1, 2, 3]);
    assert_eq!(append(&mut table, 2..=4).await.unwrap().written, 1);
    assert_eq!(lake.numbers(Kind::Table).await, [1, 2, 3, 4]);
}

async fn a_refused_put_leaves_nothing_behind(lake: TestLake) {
    let once = Settings {
        commit_tries: NonZeroU32::MIN,
        ..Settings::default()
    };
    let mut table = Table::clean(&lake.lake, &pins(), once).unwrap();
    lake.store.fail(".parquet", Fault::Refuse);
    assert!(matches!(
        append(&mut table, 1..=3).await,
        Err(Error::Store { action: "write", .. })
    ));
    assert_eq!(lake.numbers(Kind::Table).await, [0_u64; 0]);
    assert_eq!(append(&mut table, 1..=3).await.unwrap().written, 3);

    // Of a version without an answer nobody knows, so its file stays; the next append finds the rows missing.
    lake.store.fail("_delta_log/", Fault::Refuse);
    assert!(matches!(
        append(&mut table, 4..=5).await,
        Err(Error::Store { action: "write", .. })
    ));
    assert_eq!(append(&mut table, 4..=5).await.unwrap().written, 2);
    assert_eq!(lake.numbers(Kind::Table).await, [1, 2, 3, 4, 5]);
}

async fn a_warm_commit_takes_two_requests(lake: TestLake) {
    let mut table = handle(&lake);
    append(&mut table, 1..=3).await.unwrap();
    lake.store.take_requests();
    for batch in 1..5_u64 {
        append(&mut table, batch * 10..batch * 10 + 5).await.unwrap();
        assert_eq!(lake.store.take_requests(), 2);
    }
    append(&mut table, 1..=3).await.unwrap();
    assert_eq!(lake.store.take_requests(), 0, "a redelivery costs no request");
}

async fn a_watermark_survives_a_checkpoint(lake: TestLake) {
    let text = "49590338271490256608559692538361571095921575989136588898";
    let mut table = handle(&lake);
    append(&mut table, 1..=2).await.unwrap();
    let highest = text.parse().unwrap();
    table
        .append(&source(), rows(3..=4), highest, Settled::ByWatermark, noon())
        .await
        .unwrap();

    let mut delta = lake.lake.delta(Kind::Table, &name()).unwrap();
    delta.load().await.unwrap();
    deltalake_core::checkpoints::create_checkpoint(&delta, None)
        .await
        .unwrap();

    for further in 0..2 {
        let mut cold = handle(&lake);
        cold.open(noon()).await.unwrap();
        assert_eq!(cold.watermark(&source()), Some(highest));
        let other = Source::kinesis("other", "0");
        cold.append(
            &other,
            rows([further + 1]),
            number(further + 1),
            Settled::ByWatermark,
            noon(),
        )
        .await
        .unwrap();
    }
    let description = describe(&lake.lake, Kind::Table, &name()).await.unwrap().unwrap();
    assert_eq!(
        (description.version, description.rows, description.watermarks.len()),
        (4, 6, 2)
    );
}

async fn a_stale_handle_looks_before_it_commits(lake: TestLake) {
    let mut first = handle(&lake);
    append(&mut first, 1..=2).await.unwrap();
    append(&mut handle(&lake), 3..=4).await.unwrap();
    lake.store.take_requests();
    let stale = later(601);
    let appended = first
        .append(&source(), rows(1..=6), number(6), Settled::ByWatermark, stale)
        .await
        .unwrap();
    assert_eq!((appended.written, appended.skipped, appended.conflicts), (2, 4, 0));
    // One listing, the other's commit, the absent one after it, the file and the version.
    assert_eq!(lake.store.take_requests(), 5);
    let appended = first
        .append(&source(), rows([7]), number(7), Settled::ByWatermark, later(602))
        .await
        .unwrap();
    assert_eq!((appended.written, lake.store.take_requests()), (1, 2));
}

async fn a_look_at_nothing_is_no_look(lake: TestLake) {
    let mut first = handle(&lake);
    append(&mut first, 1..=2).await.unwrap();
    append(&mut handle(&lake), 3..=4).await.unwrap();
    lake.store.take_requests();
    // Repeats cost no request, so they must not make the handle look younger than it is.
    for seconds in [300, 599] {
        first.open(later(seconds)).await.unwrap();
        let (source, now) = (source(), later(seconds));
        let again = first
            .append(&source, rows(1..=2), number(2), Settled::ByWatermark, now)
            .await;
        assert_eq!((again.unwrap().written, lake.store.take_requests()), (0, 0));
    }
    let appended = first
        .append(&source(), rows(1..=4), number(4), Settled::ByWatermark, later(601))
        .await
        .unwrap();
    assert_eq!((appended.written, appended.conflicts), (0, 0));
}

async fn a_cleaned_up_log_is_read_anew(lake: TestLake) {
    use object_store::ObjectStoreExt as _;

    let mut first = handle(&lake);
    append(&mut first, 1..=2).await.unwrap();
    let mut second = handle(&lake);
    append(&mut second, 3..=4).await.unwrap();
    append(&mut second, 5..=6).await.unwrap();
    let mut delta = lake.lake.delta(Kind::Table, &name()).unwrap();
    delta.load().await.unwrap();
    deltalake_core::checkpoints::create_checkpoint(&delta, None)
        .await
        .unwrap();
    let log = lake.lake.folder(Kind::Table, &name()).join("_delta_log");
    for version in 0..3 {
        lake.lake
            .store()
            .delete(&log.clone().join(format!("{version:020}.json")))
            .await
            .unwrap();
    }

    // Version 2 is writable again as far as the store is concerned; the handle must not take it.
    let appended = first
        .append(&source(), rows(1..=8), number(8), Settled::ByWatermark, later(700))
        .await
        .unwrap();
    assert_eq!((appended.written, appended.version), (2, Some(4)));
    assert_eq!(lake.numbers(Kind::Table).await, (1..=8).collect::<Vec<_>>());
}

async fn midnight_makes_two_partitions(lake: TestLake) {
    let day = 86_400_000_000;
    let records = arrow::array::RecordBatch::try_from_iter([(
        "ind",
        std::sync::Arc::new(arrow::array::Int32Array::from(vec![1, 2, 3])) as arrow::array::ArrayRef,
    )])
    .unwrap();
    let rows = pinlake_lake::Rows::new(
        records,
        vec![number(1), number(2), number(3)],
        vec![day - 1, day, day + 1],
    )
    .unwrap();
    let appended = handle(&lake)
        .append(&source(), rows, number(3), Settled::ByWatermark, noon())
        .await
        .unwrap();
    assert_eq!(appended.written, 3);
    let description = describe(&lake.lake, Kind::Table, &name()).await.unwrap().unwrap();
    assert_eq!((description.version, description.files, description.rows), (1, 2, 3));
    let batches = read_table(&lake.lake, Kind::Table, &name()).await.unwrap();
    let mut days: Vec<i32> = batches
        .iter()
        .flat_map(|batch| {
            use arrow::{array::AsArray, datatypes::Date32Type};
            batch
                .column_by_name(INGEST_DATE)
                .unwrap()
                .as_primitive::<Date32Type>()
                .values()
                .to_vec()
        })
        .collect();
    days.sort_unstable();
    assert_eq!(days, [0, 1, 1]);
}

async fn an_old_number_never_comes_back(lake: TestLake) {
    let mut table = handle(&lake);
    append(&mut table, 10..=20).await.unwrap();
    // A batch's highest number can be below the watermark when only a part of it is new to this table.
    let appended = table
        .append(&source(), rows([21]), number(5), Settled::ByWatermark, noon())
        .await
        .unwrap();
    assert_eq!(appended.written, 1);
    assert!(table.watermark(&source()) >= Some(number(20)));
    assert_eq!(append(&mut table, 10..=20).await.unwrap().written, 0);
}
