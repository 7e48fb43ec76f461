//! The whole run: raw objects in a lake, an event, and what it leaves behind.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use arrow::{array::AsArray, datatypes::Int32Type};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::TryStreamExt as _;
use object_store::{ObjectStore, ObjectStoreExt as _, memory::InMemory, path::Path};
use pinlake_analytics::{Error, Handler, Reports, Settings, Summary, page_key};
use pinlake_dataset::{Catalog, DatasetName};
use pinlake_lake::{Kind, Lake, read_table};
use serde_json::Value;

/// A lake with raw objects and a handler for it.
struct Fixture {
    lake: Lake,
    handler: Handler,
}

const DAY: &str = "2026-11-23";
/// What EventBridge sends; `sam local invoke` sends the same.
const SCHEDULE: &[u8] = include_bytes!("../../../events/analytics-daily.json");

fn now() -> DateTime<Utc> {
    "2026-11-24T02:00:05Z".parse().unwrap()
}

impl Fixture {
    fn new() -> Self {
        Self::with(Arc::new(InMemory::new()), Reports::built_in())
    }

    fn with(store: Arc<dyn ObjectStore>, reports: Reports) -> Self {
        Self::of(store, Catalog::built_in(), reports)
    }

    fn of(store: Arc<dyn ObjectStore>, catalog: Catalog, reports: Reports) -> Self {
        let lake = Lake::with_store(store, "memory:///a").unwrap();
        let settings = Settings::from_lookup(|name| (name == "LAKE_URI").then(|| "memory:///a".to_owned())).unwrap();
        Self {
            handler: Handler::new(catalog, reports, &lake, &settings),
            lake,
        }
    }

    async fn put(&self, dataset: &str, day: &str, name: &str, rows: &[String]) {
        let key = self.lake.key(&format!("raw/{dataset}/date={day}/{name}"));
        self.lake.store().put(&key, rows.join("\n").into()).await.unwrap();
    }

    /// Posts, places and people with these numbers, all of one day.
    async fn put_all(&self, day: &str, name: &str, inds: std::ops::Range<i32>) {
        let rows = |row: fn(i32) -> String| inds.clone().map(row).collect::<Vec<_>>();
        self.put("pin", day, name, &rows(pin)).await;
        self.put("geo", day, name, &rows(geo)).await;
        self.put("user", day, name, &rows(user)).await;
    }

    async fn run(&self, event: &[u8]) -> Result<Summary, Error> {
        self.handler.run(event, now()).await
    }

    async fn text(&self, path: &str) -> String {
        let found = self.lake.store().get(&self.lake.key(path)).await.unwrap();
        String::from_utf8(found.bytes().await.unwrap().to_vec()).unwrap()
    }

    /// The rows of an answer, as JSON.
    async fn answer(&self, report: &str) -> Value {
        let path = format!("results/{report}/run_date={DAY}/_result.json");
        serde_json::from_str::<Value>(&self.text(&path).await).unwrap()["rows"].clone()
    }

    async fn inds(&self, dataset: &str) -> Vec<i32> {
        let name = DatasetName::parse(dataset).unwrap();
        let mut inds = Vec::new();
        for batch in read_table(&self.lake, Kind::Table, &name).await.unwrap() {
            inds.extend_from_slice(
                batch
                    .column_by_name("ind")
                    .unwrap()
                    .as_primitive::<Int32Type>()
                    .values(),
            );
        }
        inds.sort_unstable();
        inds
    }

    /// Every answer's bytes, by key; of the page only that it is there, for it tells how long it took.
    async fn results(&self) -> BTreeMap<String, Bytes> {
        let folder = self.lake.key("results");
        let found: Vec<_> = self.lake.store().list(Some(&folder)).try_collect().await.unwrap();
        let mut results = BTreeMap::new();
        for object in found {
            let body = self
                .lake
                .store()
                .get(&object.location)
                .await
                .unwrap()
                .bytes()
                .await
                .unwrap();
            let is_page = object.location.as_ref().ends_with(".html");
            results.insert(object.location.to_string(), if is_page { Bytes::new() } else { body });
        }
        results
    }
}

fn pin(ind: i32) -> String {
    let category = ["art", "travel", "travel"][ind.unsigned_abs() as usize % 3];
    format!(
        r#"{{"index":{ind},"unique_id":"fbe53c66-3442-4773-b19e-d3ec6f54dddf","title":"t","description":"d","poster_name":"p{ind}","follower_count":"{ind}k","tag_list":"a,b","is_image_or_video":"image","image_src":"x","save_location":"Local save in /data","category":"{category}"}}"#
    )
}

fn geo(ind: i32) -> String {
    format!(
        r#"{{"ind":{ind},"timestamp":"2020-08-28 03:52:47","latitude":-8.98,"longitude":17.29,"country":"Albania"}}"#
    )
}

fn user(ind: i32) -> String {
    format!(
        r#"{{"ind":{ind},"first_name":"A{ind}","last_name":"B","age":{},"date_joined":"2016-02-24 12:13:37"}}"#,
        18 + ind % 40
    )
}

#[tokio::test]
async fn a_day_becomes_tables_answers_and_a_page() {
    let fixture = Fixture::new();
    fixture.put_all(DAY, "a", 0..9).await;
    fixture.put("pin", DAY, "b", &["no json".to_owned()]).await;
    let summary = fixture.run(SCHEDULE).await.unwrap();

    let cleaned: Vec<_> = summary
        .cleaned
        .iter()
        .map(|day| (day.dataset.as_str(), day.rows, day.quarantined, day.late))
        .collect();
    assert_eq!(
        cleaned,
        [("geo", 9, 0, false), ("pin", 9, 1, false), ("user", 9, 0, false)]
    );
    assert_eq!(summary.run_date.to_string(), DAY);
    assert_eq!(summary.reports.len(), 10);
    assert!(summary.reports.iter().all(|report| report.rows.is_some()));
    // Of nine posts of one country three are art (0, 3, 6) and six are travel.
    let names: Vec<_> = summary.reports.iter().map(|report| report.report.clone()).collect();
    assert_eq!(
        fixture.answer(&names[0]).await,
        serde_json::json!([{"country": "Albania", "category": "travel", "category_count": 6}])
    );
    let page = fixture.text(&summary.page).await;
    assert_eq!(summary.page, page_key(summary.run_date));
    for expected in ["Albania", "travel", "is not JSON"] {
        assert!(page.contains(expected), "{expected}");
    }
}

#[tokio::test]
async fn a_run_repeated_is_the_same() {
    let fixture = Fixture::new();
    fixture.put_all(DAY, "a", 0..20).await;
    fixture.run(SCHEDULE).await.unwrap();
    let (rows, results) = (fixture.inds("pin").await, fixture.results().await);
    assert_eq!(results.len(), 21, "two files an answer, and the page");
    let again = fixture.run(br#"{"date":"2026-11-23"}"#).await.unwrap();
    assert_eq!(again.cleaned[0].replaced_files, 1);
    assert_eq!((fixture.inds("pin").await, fixture.results().await), (rows, results));
}

#[tokio::test]
async fn late_objects_bring_the_day_before_again() {
    let fixture = Fixture::new();
    fixture.put_all("2026-11-22", "a", 0..5).await;
    fixture.run(br#"{"time":"2026-11-23T02:00:00Z"}"#).await.unwrap();
    fixture.put("geo", "2026-11-22", "late", &[geo(77)]).await;
    fixture.put_all(DAY, "a", 100..105).await;
    let summary = fixture.run(SCHEDULE).await.unwrap();
    let late: Vec<_> = summary
        .cleaned
        .iter()
        .filter(|day| day.late)
        .map(|day| (day.dataset.as_str(), day.date.to_string()))
        .collect();
    assert_eq!(
        late,
        [("geo", "2026-11-22".to_owned())],
        "only what has changed is done again"
    );
    assert_eq!(fixture.inds("geo").await, [0, 1, 2, 3, 4, 77, 100, 101, 102, 103, 104]);
    // Once is enough.
    let summary = fixture.run(SCHEDULE).await.unwrap();
    assert!(summary.cleaned.iter().all(|day| !day.late));
}

#[tokio::test]
async fn a_backfill_does_its_days_and_reports_the_last() {
    let fixture = Fixture::new();
    for (day, from) in [
        ("2026-11-19", 0),
        ("2026-11-20", 10),
        ("2026-11-21", 20),
        ("2026-11-22", 30),
    ] {
        fixture.put("geo", day, "a", &[geo(from)]).await;
    }
    let summary = fixture
        .run(br#"{"from":"2026-11-20","to":"2026-11-21"}"#)
        .await
        .unwrap();
    assert_eq!(fixture.inds("geo").await, [10, 20]);
    assert_eq!(summary.page, "results/run_date=2026-11-21/report.html");
}

#[tokio::test]
async fn sample_events_are_understood() {
    let fixture = Fixture::new();
    for (event, day) in [
        (
            &include_bytes!("../../../events/analytics-rerun.json")[..],
            "2026-11-21",
        ),
        (include_bytes!("../../../events/analytics-backfill.json"), "2026-11-07"),
    ] {
        assert_eq!(fixture.run(event).await.unwrap().run_date.to_string(), day);
    }
}

#[tokio::test]
async fn nothing_at_all_is_an_empty_report() {
    let summary = Fixture::new().run(SCHEDULE).await.unwrap();
    assert!(summary.cleaned.is_empty());
    assert!(
        summary.reports.iter().all(|report| report.rows == Some(0)),
        "{:?}",
        summary.reports
    );
}

#[tokio::test]
async fn a_failing_report_fails_the_run_at_the_end() {
    let header = "-- title: T\n-- question: Q?\n-- chart: bars x=country y=posts\n";
    let good = format!("{header}SELECT country, COUNT(*) AS posts FROM geo GROUP BY country\n");
    let bad = format!("{header}SELECT country, COUNT(*) AS posts FROM nowhere GROUP BY country\n");
    let reports = Reports::from_files([("01_bad.sql", bad.as_str()), ("02_good.sql", good.as_str())]).unwrap();
    let fixture = Fixture::with(Arc::new(InMemory::new()), reports);
    fixture.put("geo", DAY, "a", &[geo(1)]).await;
    fixture.put("user", DAY, "a", &[user(1)]).await;
    fixture.run(SCHEDULE).await.unwrap_err();
    // A day that cannot be cleaned is told beside it.
    fixture.put("user", DAY, "b", &[user(2)]).await;
    fixture.run(SCHEDULE).await.unwrap_err();
    let lost = fixture.lake.key(&format!("raw/user/date={DAY}/a"));
    fixture.lake.store().delete(&lost).await.unwrap();
    let Error::Run(summary) = fixture.run(SCHEDULE).await.unwrap_err() else {
        panic!("not the run's error")
    };
    assert_eq!(summary.failures.len(), 2, "{:?}", summary.failures);
    assert!(summary.failures[0].contains("`user`") && summary.failures[0].contains("only 1 are left"));
    assert!(summary.failures[1].contains("01_bad") && summary.failures[1].contains("nowhere"));
    assert_eq!(
        fixture.answer("02_good").await,
        serde_json::json!([{"country": "Albania", "posts": 1}])
    );
    assert!(fixture.text(&summary.page).await.contains("nowhere"));
}

#[tokio::test]
async fn reports_about_other_datasets_are_not_asked() {
    let orders = "key = [\"ind\"]\n[[column]]\nname = \"ind\"\ntype = \"int32\"\nrequired = true\n";
    // Beside one's own dataset there is `geo`, which nobody has sent yet.
    let geo = include_str!("../../../datasets/geo.toml");
    let catalog = Catalog::from_files([("orders.toml", orders), ("geo.toml", geo)]).unwrap();
    let header = "-- title: T\n-- question: Q?\n-- chart: bars x=ind y=orders\n";
    let sql = |inputs: &str, from: &str| {
        format!("{header}-- inputs: {inputs}\nSELECT ind, COUNT(*) AS orders FROM {from} GROUP BY ind\n")
    };
    let files = [
        ("01_own.sql", sql("orders", "orders")),
        ("02_other.sql", sql("orders, pin", "pin")),
        ("03_empty.sql", sql("geo", "geo")),
    ];
    let reports = Reports::from_files(files.iter().map(|(name, text)| (*name, text.as_str()))).unwrap();
    let fixture = Fixture::of(Arc::new(InMemory::new()), catalog, reports);
    fixture.put("orders", DAY, "a", &[r#"{"ind":7}"#.to_owned()]).await;

    let summary = fixture.run(SCHEDULE).await.unwrap();
    let asked: Vec<_> = summary
        .reports
        .iter()
        .map(|report| (report.report.as_str(), report.rows))
        .collect();
    assert_eq!(asked, [("01_own", Some(1)), ("03_empty", Some(0))]);
    assert_eq!(summary.not_asked, ["02_other reads `pin`, which is not defined"]);
    assert!(fixture.results().await.keys().all(|key| !key.contains("02_other")));
    let page = fixture.text(&summary.page).await;
    assert!(page.contains("which is not defined") && !page.contains("class=\"alert\""));

    // What a report does not tell cannot be known before it is asked.
    let reports = Reports::from_files([("04_silent.sql", sql("orders", "pin").as_str())]).unwrap();
    let orders = Catalog::from_files([("orders.toml", orders)]).unwrap();
    let fixture = Fixture::of(Arc::new(InMemory::new()), orders, reports);
    fixture.run(SCHEDULE).await.unwrap_err();
}

#[tokio::test]
async fn a_table_that_cannot_be_read_fails_the_reports_about_it() {
    let fixture = Fixture::new();
    fixture.put_all(DAY, "a", 0..3).await;
    fixture.run(SCHEDULE).await.unwrap();
    let log = fixture.lake.key("tables/user/_delta_log/00000000000000000001.json");
    fixture.lake.store().put(&log, "no commit".into()).await.unwrap();
    let Error::Run(summary) = fixture.run(SCHEDULE).await.unwrap_err() else {
        panic!("not the run's error")
    };
    for report in &summary.reports {
        let about_users = ["06", "07", "08", "09", "10"]
            .iter()
            .any(|number| report.report.starts_with(number));
        assert_eq!(report.rows.is_none(), about_users, "{}", report.report);
    }
    assert!(
        summary
            .failures
            .iter()
            .any(|failure| failure.contains("the tables of `user`"))
    );
    let page = fixture.text(&summary.page).await;
    assert!(page.contains("The run is not complete") && page.contains("5 of 10 questions failed"));
}

#[tokio::test]
async fn a_wrong_event_does_nothing() {
    let fixture = Fixture::new();
    fixture.put_all(DAY, "a", 0..3).await;
    let error = fixture.run(br#"{"date":"2026-11-99"}"#).await.unwrap_err();
    assert!(matches!(error, Error::Event(_)), "{error}");
    assert!(fixture.inds("pin").await.is_empty() && fixture.results().await.is_empty());
}

#[tokio::test]
async fn a_run_broken_off_is_mended_by_the_next() {
    // However often the store lets the run go on before it dies: then once more, and all is as if nothing had been.
    let header = "-- title: T\n-- question: Q?\n-- chart: bars x=country y=posts\n";
    let sql = format!("{header}SELECT country, COUNT(*) AS posts FROM geo GROUP BY country\n");
    let reports = || Reports::from_files([("01_posts.sql", sql.as_str()), ("02_again.sql", sql.as_str())]).unwrap();
    let expected = {
        let fixture = Fixture::with(Arc::new(InMemory::new()), reports());
        fixture.put_all(DAY, "a", 0..12).await;
        fixture.put("pin", DAY, "b", &["no json".to_owned()]).await;
        fixture.run(SCHEDULE).await.unwrap();
        (
            fixture.inds("pin").await,
            fixture.inds("geo").await,
            fixture.results().await,
        )
    };
    let mut deaths = BTreeSet::new();
    for puts in 0.. {
        let store = Arc::new(dying::Dying::new(puts));
        let fixture = Fixture::with(Arc::clone(&store) as _, reports());
        store.live();
        fixture.put_all(DAY, "a", 0..12).await;
        fixture.put("pin", DAY, "b", &["no json".to_owned()]).await;
        store.mortal();
        let run = fixture.run(SCHEDULE);
        // A kill is a future that is never polled again.
        let died = tokio::select! {
            biased;
            () = store.dead() => true,
            outcome = run => { outcome.unwrap(); false }
        };
        store.live();
        let summary = fixture.run(SCHEDULE).await.unwrap();
        assert_eq!(summary.cleaned.len(), 3);
        let found = (
            fixture.inds("pin").await,
            fixture.inds("geo").await,
            fixture.results().await,
        );
        assert_eq!(found, expected, "killed at put {puts}");
        if !died {
            break;
        }
        deaths.insert(puts);
    }
    // A table is created, written and committed for each of three datasets and one quarantine; two answers, a page.
    assert_eq!(deaths.len(), 4 * 3 + 2 * 2 + 1);
}

#[tokio::test]
async fn a_run_broken_off_under_another_definition_is_mended() {
    // What the new definition takes was quarantined by the old one. Between its two commits it is in neither table, and the
    // day's objects are the same as ever: the schedule of the next day has to see it all the same.
    let define = |required: bool| {
        let text = format!(
            "key = [\"ind\"]\n[[column]]\nname = \"ind\"\ntype = \"int32\"\nrequired = true\n\
             [[column]]\nname = \"title\"\ntype = \"string\"\nrequired = {required}\n"
        );
        Catalog::from_files([("note.toml", text.as_str())]).unwrap()
    };
    let lines = |inds: std::ops::Range<i32>| inds.map(|ind| format!(r#"{{"ind":{ind}}}"#)).collect::<Vec<_>>();
    let note = DatasetName::parse("note").unwrap();
    let mut taken = BTreeSet::new();
    for puts in 0.. {
        let store = Arc::new(dying::Dying::new(puts));
        store.live();
        let under = |required| {
            Fixture::of(
                Arc::clone(&store) as _,
                define(required),
                Reports::from_files([("", ""); 0]).unwrap(),
            )
        };
        let (old, new) = (under(true), under(false));
        old.put("note", DAY, "a", &lines(0..3)).await;
        old.put("note", DAY, "b", &[r#"{"ind":3,"title":"t"}"#.to_owned()])
            .await;
        old.run(SCHEDULE).await.unwrap();
        assert_eq!(old.inds("note").await, [3]);
        store.mortal();
        let run = new.run(br#"{"date":"2026-11-23"}"#);
        let died = tokio::select! {
            biased;
            () = store.dead() => true,
            outcome = run => { outcome.unwrap(); false }
        };
        store.live();
        let next = br#"{"time":"2026-11-25T02:00:00Z"}"#;
        new.handler.run(next, now() + chrono::TimeDelta::days(1)).await.unwrap();
        let quarantine = read_table(&new.lake, Kind::Quarantine, &note).await.unwrap();
        let quarantined: usize = quarantine.iter().map(arrow::array::RecordBatch::num_rows).sum();
        match new.inds("note").await.as_slice() {
            // Nothing was committed: the day stays as it was.
            [3] => assert_eq!(quarantined, 3, "killed at put {puts}"),
            [0, 1, 2, 3] => {
                assert_eq!(quarantined, 0, "killed at put {puts}");
                taken.insert(puts);
            }
            other => panic!("{other:?}, killed at put {puts}"),
        }
        if !died {
            break;
        }
    }
    assert!(
        taken.len() > 2,
        "{taken:?}: between the commits, after them, and not at all"
    );
}

/// A store that dies at a put: the put is carried out or not, by turns, and its answer never comes.
mod dying {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use async_trait::async_trait;
    use futures::stream::BoxStream;
    use object_store::{
        CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, PutMultipartOptions, PutOptions,
        PutPayload, PutResult, Result,
    };
    use tokio::sync::Notify;

    use super::{InMemory, ObjectStore, Path};

    #[derive(Debug)]
    pub(crate) struct Dying {
        inner: InMemory,
        puts: AtomicUsize,
        at: usize,
        mortal: AtomicBool,
        dead: Notify,
    }

    impl Dying {
        /// Dies at put number `at`, from 0.
        pub(crate) fn new(at: usize) -> Self {
            Self {
                inner: InMemory::new(),
                puts: AtomicUsize::new(0),
                at,
                mortal: AtomicBool::new(false),
                dead: Notify::new(),
            }
        }

        pub(crate) fn live(&self) {
            self.mortal.store(false, Ordering::SeqCst);
        }

        pub(crate) fn mortal(&self) {
            self.mortal.store(true, Ordering::SeqCst);
        }

        /// Ends when the store has died.
        pub(crate) async fn dead(&self) {
            self.dead.notified().await;
        }
    }

    impl std::fmt::Display for Dying {
        fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            out.write_str("Dying")
        }
    }

    #[async_trait]
    impl ObjectStore for Dying {
        async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
            let dies = self.mortal.load(Ordering::SeqCst) && self.puts.fetch_add(1, Ordering::SeqCst) == self.at;
            if dies && self.at.is_multiple_of(2) {
                self.dead.notify_one();
                return std::future::pending().await;
            }
            let answer = self.inner.put_opts(location, payload, opts).await;
            if dies {
                self.dead.notify_one();
                return std::future::pending().await;
            }
            answer
        }

        async fn put_multipart_opts(
            &self,
            location: &Path,
            opts: PutMultipartOptions,
        ) -> Result<Box<dyn MultipartUpload>> {
            self.inner.put_multipart_opts(location, opts).await
        }

        async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
            self.inner.get_opts(location, options).await
        }

        fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
            self.inner.delete_stream(locations)
        }

        fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
            self.inner.list(prefix)
        }

        async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
            self.inner.list_with_delimiter(prefix).await
        }

        async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
            self.inner.copy_opts(from, to, options).await
        }
    }
}
