//! What goes wrong goes wrong for one table.

use bytes::Bytes;
use chrono::Utc;
use object_store::ObjectStoreExt as _;
use pinlake_lake::Kind;
use pinlake_maintain::{Error, Failure};

use crate::support::{AN_HOUR, TestLake, handler, name, small_files};

#[tokio::test]
async fn a_broken_table_fails_alone() {
    let lake = TestLake::in_memory();
    small_files(&lake, "pin", 3).await;
    small_files(&lake, "geo", 3).await;
    let log = lake.lake.folder(Kind::Table, &name("pin")).join("_delta_log");
    let torn = log.join("00000000000000000003.json");
    lake.lake
        .store()
        .put(&torn, Bytes::from_static(b"{\"add\":").into())
        .await
        .unwrap();

    let error = handler(&lake.lake, &[])
        .run(Utc::now(), Utc::now() + AN_HOUR)
        .await
        .unwrap_err();
    let Error::Tables { failures, summary } = error else {
        panic!("{error}");
    };
    let [Failure { table, reason }] = &failures[..] else {
        panic!("{failures:?}");
    };
    assert_eq!(table, "tables/pin");
    assert!(
        reason.starts_with("could not read the log of table `tables/pin`: "),
        "{reason}"
    );
    assert_eq!(summary.tables.len(), 4);
    for (kind, dataset) in [
        (Kind::Table, "geo"),
        (Kind::Quarantine, "geo"),
        (Kind::Quarantine, "pin"),
    ] {
        assert_eq!(lake.describe(kind, dataset).await.files, 1, "{kind:?} {dataset}");
    }
}

#[tokio::test]
async fn a_missing_file_fails_its_table_alone() {
    let lake = TestLake::in_memory();
    small_files(&lake, "pin", 3).await;
    small_files(&lake, "geo", 2).await;
    let keys = lake.keys().await;
    let file = keys
        .iter()
        .find(|key| key.starts_with("tables/pin/ingest_date"))
        .unwrap();
    lake.lake.store().delete(&file.as_str().into()).await.unwrap();

    let error = handler(&lake.lake, &[])
        .run(Utc::now(), Utc::now() + AN_HOUR)
        .await
        .unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains(&format!("tables/pin: could not read `{file}`")),
        "{message}"
    );
    assert_eq!(
        lake.describe(Kind::Table, "pin").await.version,
        3,
        "nothing was committed"
    );
    assert_eq!(lake.describe(Kind::Table, "geo").await.files, 1);
}

#[tokio::test]
async fn a_table_that_is_not_ours_is_refused() {
    let lake = TestLake::in_memory();
    small_files(&lake, "pin", 2).await;
    let log = lake.lake.folder(Kind::Table, &name("pin")).join("_delta_log");
    let upgrade = br#"{"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["deletionVectors"],"writerFeatures":["deletionVectors"]}}"#;
    let version = log.join("00000000000000000003.json");
    lake.lake
        .store()
        .put(&version, Bytes::from_static(upgrade).into())
        .await
        .unwrap();
    let error = handler(&lake.lake, &[])
        .run(Utc::now(), Utc::now() + AN_HOUR)
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("tables/pin: table `tables/pin` requires feature `deletionVectors`"),
        "{error}"
    );
    assert_eq!(lake.describe(Kind::Table, "pin").await.files, 2);
}
