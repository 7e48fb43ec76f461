//! A table whose columns, or obligations, change.

use crate::support::{TestLake, append, conformance, definition, handle, name, noon, number, rows};
use futures::future::join_all;
use pinlake_lake::{Error, Kind, Settings, Settled, Source, Table, read_table};

conformance!(
    a_column_is_added,
    writers_with_different_definitions_race,
    a_changed_type_is_refused,
    a_table_that_asks_too_much_is_refused,
);

async fn a_column_is_added(lake: TestLake) {
    append(&mut handle(&lake), 1..=2).await.unwrap();
    let wider = definition(&[("ind", "int32"), ("title", "string"), ("likes", "int64")]);
    let mut wide = Table::clean(&lake.lake, &wider, Settings::default()).unwrap();
    append(&mut wide, 3..=4).await.unwrap();
    append(&mut wide, 5..=6).await.unwrap();

    let batches = read_table(&lake.lake, Kind::Table, &name()).await.unwrap();
    let schema = batches[0].schema();
    let columns: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(columns[..4], ["ind", "title", "likes", "_rescued"]);
    assert_eq!(
        batches
            .iter()
            .map(|batch| batch.column_by_name("likes").unwrap().null_count())
            .sum::<usize>(),
        6
    );

    // A definition without the column writes null into it.
    append(&mut handle(&lake), 7..=8).await.unwrap();
    assert_eq!(lake.numbers(Kind::Table).await, (1..=8).collect::<Vec<_>>());
}

async fn writers_with_different_definitions_race(lake: TestLake) {
    let definitions = [
        definition(&[("ind", "int32"), ("title", "string")]),
        definition(&[("ind", "int32"), ("title", "string"), ("likes", "int64")]),
        definition(&[("ind", "int32"), ("title", "string"), ("board", "string")]),
    ];
    append(&mut handle(&lake), 1..=1).await.unwrap();
    let writers = definitions.iter().enumerate().map(|(writer, definition)| {
        let mut table = Table::clean(&lake.lake, definition, Settings::default()).unwrap();
        async move {
            table.open(noon()).await.unwrap();
            let source = Source::kinesis("s", &writer.to_string());
            for value in 1..=4 {
                let append = table.append(&source, rows([value]), number(value), Settled::ByWatermark, noon());
                assert_eq!(append.await.unwrap().written, 1);
            }
        }
    });
    join_all(writers).await;
    let batches = read_table(&lake.lake, Kind::Table, &name()).await.unwrap();
    assert_eq!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 13);
    for column in ["likes", "board"] {
        assert!(batches[0].column_by_name(column).is_some(), "{column}");
    }
}

async fn a_changed_type_is_refused(lake: TestLake) {
    append(&mut handle(&lake), 1..=2).await.unwrap();
    let retyped = definition(&[("ind", "int64"), ("title", "string")]);
    let mut other = Table::clean(&lake.lake, &retyped, Settings::default()).unwrap();
    let error = append(&mut other, 3..=4).await.unwrap_err();
    assert!(
        matches!(&error, Error::Schema { column, .. } if column == "ind"),
        "{error}"
    );
    assert_eq!(lake.parquet_files(Kind::Table).await, 1, "nothing was written");
}

async fn a_table_that_asks_too_much_is_refused(lake: TestLake) {
    use object_store::ObjectStoreExt as _;

    append(&mut handle(&lake), 1..=2).await.unwrap();
    let mut warm = handle(&lake);
    append(&mut warm, 3..=4).await.unwrap();
    let upgrade = concat!(
        r#"{"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["deletionVectors"],"#,
        r#""writerFeatures":["deletionVectors"]}}"#,
    );
    let log = lake.lake.folder(Kind::Table, &name()).join("_delta_log");
    lake.lake
        .store()
        .put(&log.join("00000000000000000003.json"), upgrade.into())
        .await
        .unwrap();
    for handle in [&mut warm, &mut handle(&lake)] {
        let error = append(handle, 5..=6).await.unwrap_err();
        assert!(
            matches!(&error, Error::Unsupported { requirement, .. } if requirement.contains("deletionVectors")),
            "{error}"
        );
    }
    assert_eq!(lake.parquet_files(Kind::Table).await, 2, "nothing stays behind");
}
