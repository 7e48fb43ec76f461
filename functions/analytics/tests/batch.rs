//! A day's raw objects into the tables: over a lake in memory, with objects as Firehose makes them and as it does not.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{collections::BTreeSet, io::Write as _, sync::Arc};

use arrow::{
    array::{AsArray, RecordBatch},
    datatypes::{Int32Type, TimestampMicrosecondType},
};
use chrono::{DateTime, NaiveDate, Utc};
use flate2::{Compression, write::GzEncoder};
use object_store::{ObjectStoreExt as _, memory::InMemory};
use pinlake_analytics::{Batch, BatchError, BatchSettings, CleanedDay};
use pinlake_dataset::{Catalog, DatasetName, Limits};
use pinlake_lake::{INGEST_PATH, INGESTED_AT, Kind, Lake, ORIGIN, PAYLOAD, REASON, read_table};
use proptest::prelude::*;

/// A lake with one dataset's batch path.
struct Fixture {
    lake: Lake,
    batch: Batch,
}

fn name() -> DatasetName {
    DatasetName::parse("geo").unwrap()
}

fn day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, 23).unwrap()
}

fn now() -> DateTime<Utc> {
    "2026-11-24T02:00:00Z".parse().unwrap()
}

impl Fixture {
    fn new() -> Self {
        let lake = Lake::with_store(Arc::new(InMemory::new()), "memory:///some/prefix").unwrap();
        let settings = BatchSettings {
            limits: Limits::default(),
            file_bytes: 128 << 20,
            lake: pinlake_lake::Settings::default(),
        };
        let batch = Batch::new(&lake, Catalog::built_in().get(&name()).unwrap(), settings);
        Self { lake, batch }
    }

    fn key(name: &str) -> String {
        format!("raw/geo/date={}/{name}", day())
    }

    async fn put(&self, name: &str, body: Vec<u8>) {
        let key = self.lake.key(&Self::key(name));
        self.lake.store().put(&key, body.into()).await.unwrap();
    }

    async fn delete(&self, name: &str) {
        let key = self.lake.key(&Self::key(name));
        self.lake.store().delete(&key).await.unwrap();
    }

    async fn clean(&self) -> CleanedDay {
        self.batch.clean(day(), false, now()).await.unwrap().unwrap()
    }

    async fn rows(&self) -> Vec<RecordBatch> {
        read_table(&self.lake, Kind::Table, &name()).await.unwrap()
    }

    async fn inds(&self) -> Vec<i32> {
        let of = |batch: &RecordBatch| {
            let column = batch.column_by_name("ind").unwrap();
            column.as_primitive::<Int32Type>().values().to_vec()
        };
        let mut inds: Vec<i32> = self.rows().await.iter().flat_map(of).collect();
        inds.sort_unstable();
        inds
    }

    /// The values of a text or binary column, in the order stored.
    async fn texts(&self, kind: Kind, column: &str) -> Vec<String> {
        let mut texts = Vec::new();
        for batch in read_table(&self.lake, kind, &name()).await.unwrap() {
            let values = arrow::compute::cast(batch.column_by_name(column).unwrap(), &arrow::datatypes::DataType::Utf8);
            texts.extend(
                values
                    .unwrap()
                    .as_string::<i32>()
                    .iter()
                    .map(|text| text.unwrap().to_owned()),
            );
        }
        texts
    }
}

fn geo(ind: i32) -> String {
    format!(
        r#"{{"ind":{ind},"timestamp":"2020-08-28 03:52:47","latitude":-8.98,"longitude":17.29,"country":"Albania"}}"#
    )
}

/// Lines that do not pack too well.
fn lines(inds: impl IntoIterator<Item = i32>) -> String {
    inds.into_iter().map(|ind| geo(ind) + "\n").collect()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

const FIREHOSE: &str = "pinlake-geo-1-2026-11-23-14-05-33-5f0c.gz";

#[tokio::test]
async fn rows_and_rejects_say_where_and_when() {
    let fixture = Fixture::new();
    let body = format!("{}\nno json\n{}\n", geo(1), geo(2));
    fixture.put(FIREHOSE, gzip(&body)).await;
    let cleaned = fixture.clean().await;
    assert_eq!(
        (cleaned.objects, cleaned.table.rows, cleaned.quarantine.rows),
        (1, 2, 1)
    );
    assert!(cleaned.damage.is_empty());
    let key = Fixture::key(FIREHOSE);
    assert_eq!(
        fixture.texts(Kind::Table, ORIGIN).await,
        [format!("{key}#000000001"), format!("{key}#000000003")]
    );
    assert_eq!(
        fixture.texts(Kind::Quarantine, ORIGIN).await,
        [format!("{key}#000000002")]
    );
    assert_eq!(fixture.texts(Kind::Quarantine, PAYLOAD).await, ["no json"]);
    assert_eq!(fixture.texts(Kind::Table, INGEST_PATH).await, ["batch", "batch"]);
    let rows = fixture.rows().await;
    let arrived = rows[0]
        .column_by_name(INGESTED_AT)
        .unwrap()
        .as_primitive::<TimestampMicrosecondType>();
    let expected: DateTime<Utc> = "2026-11-23T14:05:33Z".parse().unwrap();
    assert_eq!(arrived.value(0), expected.timestamp_micros());
}

#[tokio::test]
async fn objects_of_any_make_are_read() {
    let fixture = Fixture::new();
    fixture.put("a-plain.json", lines([1, 2]).into_bytes()).await;
    fixture.put("b-no-last-end.gz", gzip(lines([3, 4]).trim_end())).await;
    let members = [gzip(&lines([5])), gzip(&lines([6]))].concat();
    fixture.put("c-members.gz", members).await;
    fixture.put("d-empty", Vec::new()).await;
    fixture.put("e-nothing.gz", gzip("")).await;
    fixture.put("f-blank.gz", gzip("\n \r\n")).await;
    fixture.put("g-crlf.gz", gzip(&format!("{}\r\n", geo(7)))).await;
    // Another day's, and another dataset's.
    for other in [
        "raw/geo/date=2026-11-22/x",
        "raw/pin/date=2026-11-23/x",
        "raw/geo/date=2026-11-231/x",
    ] {
        let key = fixture.lake.key(other);
        fixture.lake.store().put(&key, lines([99]).into()).await.unwrap();
    }
    let cleaned = fixture.clean().await;
    assert_eq!(
        (cleaned.objects, cleaned.quarantine.rows),
        (6, 0),
        "the empty one is none"
    );
    assert_eq!(fixture.inds().await, [1, 2, 3, 4, 5, 6, 7]);
}

#[tokio::test]
async fn a_day_cleaned_twice_is_the_same() {
    let fixture = Fixture::new();
    fixture.put(FIREHOSE, gzip(&format!("{}bad\n", lines(0..50)))).await;
    let first = fixture.clean().await;
    let rows = fixture.rows().await;
    assert!(!fixture.batch.has_changed(day()).await.unwrap());
    let again = fixture.clean().await;
    assert_eq!(
        (again.table.rows, again.table.removed_files),
        (first.table.rows, first.table.files)
    );
    assert_eq!(fixture.rows().await, rows);
    assert_eq!(fixture.texts(Kind::Quarantine, PAYLOAD).await, ["bad"]);
}

#[tokio::test]
async fn late_objects_are_noticed_and_come_in() {
    let fixture = Fixture::new();
    assert!(!fixture.batch.has_changed(day()).await.unwrap(), "nothing yet");
    fixture.put(FIREHOSE, gzip(&lines([1]))).await;
    assert!(fixture.batch.has_changed(day()).await.unwrap(), "never cleaned");
    fixture.clean().await;
    fixture
        .put("pinlake-geo-1-2026-11-23-23-59-59-77aa.gz", gzip(&lines([2])))
        .await;
    assert!(fixture.batch.has_changed(day()).await.unwrap(), "one more");
    fixture.clean().await;
    assert_eq!(fixture.inds().await, [1, 2]);
    fixture.put(FIREHOSE, gzip(&lines([3]))).await;
    assert!(fixture.batch.has_changed(day()).await.unwrap(), "another content");
}

#[tokio::test]
async fn a_day_without_objects_is_nothing() {
    let fixture = Fixture::new();
    assert_eq!(fixture.batch.clean(day(), false, now()).await.unwrap(), None);
    assert!(fixture.rows().await.is_empty());
}

#[tokio::test]
async fn a_day_of_rejects_only_is_remembered() {
    let fixture = Fixture::new();
    fixture.put(FIREHOSE, gzip("bad\nworse\n")).await;
    let cleaned = fixture.clean().await;
    assert_eq!((cleaned.table.rows, cleaned.quarantine.rows), (0, 2));
    assert!(!fixture.batch.has_changed(day()).await.unwrap());
    // Mended at the source: the quarantine's rows of the day go.
    fixture.put(FIREHOSE, gzip(&lines([1]))).await;
    let cleaned = fixture.clean().await;
    assert_eq!(
        (
            cleaned.table.rows,
            cleaned.quarantine.rows,
            cleaned.quarantine.removed_files
        ),
        (1, 0, 1)
    );
    assert!(fixture.texts(Kind::Quarantine, PAYLOAD).await.is_empty());
}

#[tokio::test]
async fn a_day_that_lost_objects_is_left_alone() {
    let fixture = Fixture::new();
    fixture.put("a.gz", gzip(&lines([1]))).await;
    fixture.put("b.gz", gzip(&lines([2]))).await;
    fixture.clean().await;
    fixture.delete("a.gz").await;
    let error = fixture.batch.clean(day(), false, now()).await.unwrap_err();
    assert!(matches!(error, BatchError::Shrunk { before: 2, now: 1, .. }), "{error}");
    assert_eq!(fixture.inds().await, [1, 2]);
    fixture.batch.clean(day(), true, now()).await.unwrap();
    assert_eq!(fixture.inds().await, [2]);
}

#[tokio::test]
async fn damage_costs_only_what_it_hit() {
    let fixture = Fixture::new();
    let truncated = gzip(&lines(0..20_000));
    fixture
        .put("a-truncated.gz", truncated[..truncated.len() / 2].to_vec())
        .await;
    fixture.put("b-whole.gz", gzip(&lines(100_000..100_010))).await;
    let mut corrupt = gzip(&lines(200_000..230_000));
    let middle = corrupt.len() / 2;
    corrupt[middle..middle + 8].fill(0xff);
    corrupt.extend(gzip(&lines(300_000..300_005)));
    fixture.put("c-corrupt.gz", corrupt).await;

    let cleaned = fixture.clean().await;
    let damaged: Vec<_> = cleaned.damage.iter().map(|damage| damage.object.as_str()).collect();
    assert_eq!(damaged, [Fixture::key("a-truncated.gz"), Fixture::key("c-corrupt.gz")]);
    let first = cleaned.damage[0].to_string();
    assert!(first.contains("ends in the middle"), "{first}");
    let inds = fixture.inds().await;
    let of = |from: i32, to: i32| inds.iter().filter(|ind| (from..to).contains(*ind)).count();
    assert!(
        of(0, 20_000) > 8_000,
        "of the truncated one only {} came in",
        of(0, 20_000)
    );
    assert_eq!(of(100_000, 100_010), 10);
    assert!(
        of(200_000, 230_000) > 12_000,
        "before the damage only {} came in",
        of(200_000, 230_000)
    );
    assert_eq!(of(300_000, 300_005), 5, "the member after the damage is read");
    // What was cut through is kept with its reason.
    let reasons = fixture.texts(Kind::Quarantine, REASON).await;
    assert!(reasons.iter().any(|reason| reason.contains("damaged")), "{reasons:?}");
}

#[tokio::test]
async fn a_line_without_end_is_kept_in_parts() {
    let fixture = Fixture::new();
    let long = "x".repeat((8 << 20) + 5);
    fixture.put("a.gz", gzip(&format!("{long}\n{}\n", geo(1)))).await;
    let cleaned = fixture.clean().await;
    assert_eq!((cleaned.table.rows, cleaned.quarantine.rows), (1, 2));
    let origins: BTreeSet<_> = fixture.texts(Kind::Quarantine, ORIGIN).await.into_iter().collect();
    let expected = ["a.gz#000000001", "a.gz#000000001.1"].map(Fixture::key);
    assert_eq!(origins, BTreeSet::from(expected));
    let kept = fixture.texts(Kind::Quarantine, PAYLOAD).await.concat();
    assert_eq!(kept.len(), long.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn every_line_is_a_row_or_a_reject(objects in prop::collection::vec(prop::collection::vec(prop_oneof![
        (0..1000_i32).prop_map(geo), "[a-z{}\":]{1,30}", Just("{\"ind\":\"x\"}".to_owned())
    ], 0..30), 0..5)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let fixture = Fixture::new();
            for (index, object) in objects.iter().enumerate() {
                fixture.put(&format!("{index}.gz"), gzip(&object.join("\n"))).await;
            }
            let total = objects.iter().flatten().count() as u64;
            match fixture.batch.clean(day(), false, now()).await.unwrap() {
                None => assert!(objects.is_empty()),
                Some(cleaned) => assert_eq!(cleaned.table.rows + cleaned.quarantine.rows, total),
            }
            let in_table = fixture.texts(Kind::Table, ORIGIN).await;
            let in_quarantine = fixture.texts(Kind::Quarantine, ORIGIN).await;
            let origins: BTreeSet<_> = in_table.into_iter().chain(in_quarantine).collect();
            assert_eq!(origins.len() as u64, total, "each line has an origin of its own");
        });
    }
}
