//! The session: what can be asked about, and what cannot be asked.

use std::sync::Arc;

use arrow::{
    array::{Array, AsArray, Int32Array, Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, TimestampMicrosecondType},
};
use pinlake_analytics::{QueryError, QuerySettings, Reports, Session, run_reports};
use pinlake_dataset::{Catalog, Definition};
use pinlake_lake::{Lake, Rows, SequenceNumber, Settings, Settled, Source, Table};
use toml::Value;

use crate::support::{append, columns, definition, lake, noon, quarantine, rows, session, values};

/// A catalog with one dataset `thing`, of these `name = type` columns; the first ones are the key.
fn catalog(key: &[&str], columns: &[(&str, &str)]) -> Catalog {
    let mut text = format!("key = {key:?}\n");
    for (name, kind) in columns {
        let required = key.contains(name);
        text.push_str(&format!(
            "[[column]]\nname = \"{name}\"\ntype = \"{kind}\"\nrequired = {required}\n"
        ));
    }
    Catalog::from_files([("thing.toml", text.as_str())]).unwrap()
}

fn thing(catalog: &Catalog) -> Arc<Definition> {
    Arc::clone(catalog.iter().next().unwrap())
}

async fn open(lake: &Lake, catalog: &Catalog) -> Session {
    Session::open(lake, catalog, QuerySettings::default()).await.unwrap()
}

async fn ask(session: &Session, sql: &str) -> Vec<Vec<Value>> {
    let answer = session.ask(sql).await;
    values(&answer.unwrap_or_else(|error| panic!("{sql}: {error:?}")))
}

fn texts(rows: &[&[&str]]) -> Vec<Vec<Value>> {
    rows.iter()
        .map(|row| row.iter().map(|text| Value::from(*text)).collect())
        .collect()
}

#[tokio::test]
async fn the_latest_row_of_a_key_is_seen() {
    let catalog = catalog(&["a", "b"], &[("a", "int32"), ("b", "string"), ("word", "string")]);
    let lake = lake();
    let sent = rows(
        r#"
        { a = 1, b = "x", word = "former" },
        { a = 1, b = "x", word = "latest", at = 9 },
        { a = 1, b = "x", word = "late in the file, early in time", at = 3 },
        { a = 1, b = "y", word = "another key" },
        { a = 2, word = "a null in a key" },
        { a = 2, word = "the same null", at = 1 },
        { a = 3, b = "x", word = "in the same instant" },
        { a = 3, b = "x", word = "later origin" },
        "#,
    );
    append(&lake, &thing(&catalog), &sent).await;
    let session = open(&lake, &catalog).await;
    assert_eq!(
        ask(&session, "SELECT word FROM thing ORDER BY a, b NULLS FIRST").await,
        texts(&[&["latest"], &["another key"], &["the same null"], &["later origin"]])
    );
    assert_eq!(
        ask(&session, "SELECT COUNT(*) FROM thing_all").await,
        [[Value::from(8)]]
    );
    // A condition on what is no key looks at the latest rows, not for the latest of those that meet it.
    assert!(
        ask(&session, "SELECT a FROM thing WHERE word = 'former'")
            .await
            .is_empty()
    );
    assert_eq!(
        ask(&session, "SELECT word FROM thing WHERE a = 1 AND b = 'x'").await,
        texts(&[&["latest"]])
    );
}

#[tokio::test]
async fn a_lake_without_tables_is_empty_and_has_every_column() {
    let session = session(&lake()).await;
    for (name, wanted) in [
        (
            "geo",
            "ind, country, coordinates, timestamp, _rescued, _ingested_at, _origin, ingest_date, ingest_path",
        ),
        (
            "geo_all",
            "ind, country, coordinates, timestamp, _rescued, _ingested_at, _origin, ingest_date, ingest_path",
        ),
        (
            "user_quarantine",
            "payload, reason, field, _ingested_at, _origin, ingest_date, ingest_path",
        ),
    ] {
        let answer = session.ask(&format!("SELECT * FROM {name}")).await.unwrap();
        assert_eq!(answer.rows.num_rows(), 0);
        let schema = answer.rows.schema();
        let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(names.join(", "), wanted);
    }
}

#[tokio::test]
async fn a_table_is_seen_with_the_columns_of_its_definition() {
    let lake = lake();
    let old = catalog(&["a"], &[("a", "int32"), ("gone", "string")]);
    append(
        &lake,
        &thing(&old),
        &rows(r#"{ a = 1, gone = "still there" }, { a = 2 }"#),
    )
    .await;

    // The table has no `number` yet: nobody has written since it was added to the definition.
    let new = catalog(&["a"], &[("a", "int32"), ("number", "int64"), ("at_", "timestamp")]);
    let session = open(&lake, &new).await;
    let answer = session.ask("SELECT * FROM thing_all ORDER BY a").await.unwrap();
    assert_eq!(
        columns(&answer)[..4],
        ["a Int32", "number Int64", "at_ Timestamp(µs, \"UTC\")", "gone Utf8"]
    );
    assert_eq!(
        ask(&session, "SELECT gone, number FROM thing ORDER BY a").await,
        texts(&[&["still there", "∅"], &["∅", "∅"]])
    );
    assert_eq!(
        ask(&session, "SELECT a FROM thing WHERE number > 0 OR at_ IS NOT NULL")
            .await
            .len(),
        0
    );

    // Then somebody writes: the former file lacks the column, the table does not.
    append(
        &lake,
        &thing(&new),
        &rows("{ a = 3, at = 1 }, { a = 4 }, { a = 5 }, { a = 6 }, { a = 7, number = 70 }"),
    )
    .await;
    let session = open(&lake, &new).await;
    assert_eq!(
        ask(&session, "SELECT a, number FROM thing WHERE number > 0").await,
        [[Value::from(7), Value::from(70)]]
    );
    assert_eq!(
        ask(&session, "SELECT COUNT(*) FROM thing_all WHERE number IS NULL").await,
        [[Value::from(4)]]
    );
}

#[tokio::test]
async fn files_are_left_out_but_never_rows() {
    let lake = lake();
    let many: Vec<_> = (0..40)
        .map(|ind| format!("{{ ind = {ind}, country = \"c{ind:02}\", at = {ind} }}"))
        .collect();
    append(&lake, &definition("geo"), &rows(&many.join(","))).await;
    let session = session(&lake).await;
    for (condition, count) in [
        ("ind = 17", 1),
        ("ind BETWEEN 3 AND 8", 6),
        ("country = 'c39'", 1),
        ("country > 'c3'", 10),
        ("country IS NULL", 0),
        ("timestamp IS NULL", 40),
        // The log has milliseconds only; what is compared are microseconds.
        ("_ingested_at = TIMESTAMP '2026-11-23 12:00:07'", 1),
        ("_ingested_at > TIMESTAMP '2026-11-23 12:00:38.999999'", 1),
        ("ingest_date = DATE '2026-11-23'", 40),
        ("ingest_date < DATE '2026-11-23'", 0),
        ("ingest_path = 'stream'", 40),
        ("ingest_path IN ('batch', 'else')", 0),
    ] {
        let sql = format!("SELECT COUNT(*) FROM geo_all WHERE {condition}");
        assert_eq!(ask(&session, &sql).await, [[Value::from(count)]], "{condition}");
    }
    let answer = session
        .ask("EXPLAIN SELECT country FROM geo_all WHERE ind = 17")
        .await
        .unwrap();
    let plan = format!("{:?}", values(&answer));
    assert_eq!(plan.matches(".parquet").count(), 1, "{plan}");
}

#[tokio::test]
async fn the_last_microsecond_is_told() {
    let catalog = catalog(&["a"], &[("a", "int32")]);
    let lake = lake();
    let mut table = Table::clean(&lake, &thing(&catalog), Settings::default()).unwrap();
    let records = RecordBatch::try_from_iter([("a", Arc::new(Int32Array::from(vec![1])) as _)]).unwrap();
    let micros = noon().timestamp_micros() + 1;
    let arrived = Rows::new(records, vec![SequenceNumber::from(1)], vec![micros]).unwrap();
    let source = Source::kinesis("s", "0");
    table
        .append(&source, arrived, 1.into(), Settled::ByWatermark, noon())
        .await
        .unwrap();
    let answer = open(&lake, &catalog)
        .await
        .ask("SELECT MAX(_ingested_at), MIN(_ingested_at) FROM thing_all")
        .await;
    let rows = answer.unwrap().rows;
    for column in rows.columns() {
        assert_eq!(column.as_primitive::<TimestampMicrosecondType>().value(0), micros);
    }
}

#[tokio::test]
async fn answers_have_plain_types() {
    let lake = lake();
    append(
        &lake,
        &definition("geo"),
        &rows(r#"{ ind = 1, country = "Chad", coordinates = [1.5, 2.5] }"#),
    )
    .await;
    quarantine(&lake, &definition("geo"), &rows(r#"{ reason = "is empty" }"#)).await;
    let session = session(&lake).await;
    let sql = "SELECT country, ingest_path, coordinates, SUBSTR(country, 1, 2) AS start, UPPER(ingest_path) AS path, \
               ARRAY_AGG(country) OVER () AS list FROM geo";
    let answer = session.ask(sql).await.unwrap();
    assert_eq!(
        columns(&answer),
        [
            "country Utf8",
            "ingest_path Utf8",
            "coordinates List(Float64, field: 'element')",
            "start Utf8",
            "path Utf8",
            "list List(Utf8, field: 'element')",
        ]
    );
    let answer = session.ask("SELECT payload FROM geo_quarantine").await.unwrap();
    assert_eq!(answer.rows.column(0).data_type(), &DataType::Binary);
}

#[tokio::test]
async fn only_questions_are_answered() {
    let session = session(&lake()).await;
    for sql in [
        "CREATE TABLE x (a INT)",
        "CREATE VIEW x AS SELECT 1",
        "CREATE EXTERNAL TABLE x STORED AS PARQUET LOCATION '/tmp'",
        "SELECT 1 AS a INTO x",
        "DROP TABLE pin",
        "DROP VIEW pin",
        "INSERT INTO pin SELECT * FROM pin",
        "UPDATE pin_all SET ind = 1",
        "DELETE FROM pin_all",
        "COPY (SELECT 1) TO '/tmp/x.parquet'",
        "COPY pin TO 's3://elsewhere/x.parquet'",
        "SET datafusion.execution.time_zone = '+01:00'",
        "EXPLAIN DELETE FROM pin_all",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '/tmp/x.parquet'",
        "PREPARE x AS SELECT 1",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE pin",
        "",
        " -- nothing",
    ] {
        let error = session.ask(sql).await.unwrap_err();
        assert!(matches!(error, QueryError::Refused { .. }), "{sql}: {error:?}");
    }
    assert_eq!(ask(&session, "SELECT 1 AS a;").await, [[Value::from(1_i64)]]);
    // The names of files are no names of tables.
    let error = session.ask("SELECT * FROM '/etc/passwd'").await.unwrap_err();
    assert!(matches!(error, QueryError::Question(_)), "{error:?}");
    assert_eq!(ask(&session, "SELECT COUNT(*) FROM pin").await, [[Value::from(0)]]);
}

#[tokio::test]
async fn a_report_that_fails_stops_no_other() {
    let header = "-- title: T\n-- question: Q?\n-- chart: bars x=a y=b\n";
    let report = |sql: &str| format!("{header}{sql}\n");
    let files = [
        ("1_sound.sql", report("SELECT 1 AS a, 2 AS b")),
        ("2_wrong.sql", report("SELECT nothing AS a, 2 AS b FROM pin")),
        ("3_no_sql.sql", report("SELEKT")),
        ("4_no_chart.sql", report("SELECT 1 AS a, 2 AS c")),
        (
            "5_twice.sql",
            report("SELECT 1 AS a, 2 AS b, p.ind, q.ind FROM pin p JOIN pin q ON p.ind = q.ind"),
        ),
        (
            "6_failing.sql",
            report("SELECT 1 AS a, CAST('x' || ARRAY_LENGTH([1]) AS INT) AS b"),
        ),
        ("7_writing.sql", report("DROP TABLE pin")),
        ("8_sound.sql", report("SELECT 8 AS a, 2 AS b")),
    ];
    let reports = Reports::from_files(files.iter().map(|(name, text)| (*name, text.as_str()))).unwrap();
    let outcomes = run_reports(&session(&lake()).await, &reports).await;
    let told: Vec<_> = outcomes
        .iter()
        .map(|outcome| match &outcome.answer {
            Ok(answer) => format!("{:?}", values(answer)),
            Err(reason) => reason.clone(),
        })
        .collect();
    assert_eq!(told[0], "[[Integer(1), Integer(2)]]");
    assert!(
        told[1].starts_with("the question cannot be understood: ") && told[1].contains("nothing"),
        "{}",
        told[1]
    );
    assert!(
        told[2].starts_with("the question cannot be understood: "),
        "{}",
        told[2]
    );
    assert_eq!(told[3], "the chart's column `b` is not in the answer, which has a, c");
    assert_eq!(told[4], "the answer has two columns called `ind`");
    assert!(told[5].contains("Cannot cast"), "{}", told[5]);
    assert!(told[6].contains("more than read"), "{}", told[6]);
    assert_eq!(told[7], "[[Integer(8), Integer(2)]]");
    assert!(told.iter().all(|text| !text.contains('\n')));
}

/// A lake with `rows` pins and geos in files of 50,000, each key twice.
async fn large(rows: usize) -> Lake {
    let lake = lake();
    for (dataset, column, words) in [("pin", "category", 13), ("geo", "country", 217)] {
        let definition = definition(dataset);
        let mut table = Table::clean(&lake, &definition, Settings::default()).unwrap();
        for start in (0..2 * rows).step_by(50_000) {
            // Keys in no order, so that files overlap.
            let inds: Vec<_> = (start..start + 50_000).map(|row| (row * 7_919 % rows) as i32).collect();
            let text = inds.iter().map(|ind| format!("word {}", ind % words));
            let mut columns: Vec<(&str, arrow::array::ArrayRef)> = vec![
                ("ind", Arc::new(Int32Array::from(inds.clone()))),
                (column, Arc::new(StringArray::from_iter_values(text))),
            ];
            if dataset == "pin" {
                let text = inds.iter().map(|ind| format!("{ind:0200}"));
                columns.push(("description", Arc::new(StringArray::from_iter_values(text))));
                columns.push((
                    "follower_count",
                    Arc::new(Int64Array::from_iter_values(inds.iter().map(|ind| i64::from(*ind)))),
                ));
            }
            let numbers: Vec<_> = (start..start + 50_000)
                .map(|row| SequenceNumber::from(1_000_000_000 + row as u64))
                .collect();
            let highest = *numbers.last().unwrap();
            let arrivals = vec![noon().timestamp_micros() + start as i64; 50_000];
            let batch = Rows::new(RecordBatch::try_from_iter(columns).unwrap(), numbers, arrivals).unwrap();
            let source = Source::kinesis("s", "0");
            table
                .append(&source, batch, highest, Settled::ByWatermark, noon())
                .await
                .unwrap();
        }
    }
    lake
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_spills_instead_of_growing() {
    let rows = 200_000;
    let lake = large(rows).await;
    let folder = tempfile::tempdir().unwrap();
    let settings = QuerySettings {
        memory_bytes: 32 << 20,
        spill_folder: Some(folder.path().to_owned()),
        ..QuerySettings::default()
    };
    let catalog = Catalog::built_in();
    let small = Session::open(&lake, &catalog, settings.clone()).await.unwrap();
    let report = Arc::clone(Reports::built_in().get("01_category_by_country").unwrap());
    let answer = small.ask(&report.sql).await.unwrap();
    // Row i is of country i % 217 and category i % 13, which have no common factor: all 2,821 pairs come in turn, 70 or 71
    // times, the first 2,530 of them once more than the others. A country has 13 pairs; it wins with those that are 71.
    let pairs = 217 * 13;
    let more: std::collections::BTreeMap<usize, usize> =
        (0..pairs)
            .filter(|pair| *pair < rows % pairs)
            .fold(Default::default(), |mut more, pair| {
                *more.entry(pair % 217).or_default() += 1;
                more
            });
    let winners: usize = (0..217).map(|country| more.get(&country).copied().unwrap_or(13)).sum();
    assert_eq!(answer.rows.num_rows(), winners);
    assert_eq!(answer, open(&lake, &catalog).await.ask(&report.sql).await.unwrap());

    let analysed = small.ask(&format!("EXPLAIN ANALYZE {}", report.sql)).await.unwrap();
    let plan = format!("{:?}", values(&analysed));
    let spilled = plan.split("spill_count=").skip(1).any(|rest| !rest.starts_with('0'));
    assert!(spilled, "{plan}");

    // 160 MB of texts, in rows that are wide for so little memory.
    let wide = "SELECT COUNT(*), SUM(CHARACTER_LENGTH(description)), MAX(follower_count) FROM pin";
    let expected = [rows, 200 * rows, rows - 1].map(|count| Value::from(count as i64));
    assert_eq!(ask(&small, wide).await, [expected]);

    // Without a place to spill to, the bound is an error and no growth.
    let nowhere = QuerySettings {
        spill_bytes: 0,
        ..settings
    };
    let error = Session::open(&lake, &catalog, nowhere)
        .await
        .unwrap()
        .ask(&report.sql)
        .await
        .unwrap_err();
    assert!(matches!(error, QueryError::Failed(_)), "{error:?}");
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_refused() {
    let settings = QuerySettings {
        answer_bytes: 100_000,
        ..QuerySettings::default()
    };
    let session = Session::open(&lake(), &Catalog::built_in(), settings).await.unwrap();
    let numbers = |count| format!("SELECT value FROM generate_series(1, {count})");
    assert_eq!(session.ask(&numbers(10_000)).await.unwrap().rows.num_rows(), 10_000);
    let error = session.ask(&numbers(100_000)).await.unwrap_err();
    assert!(
        matches!(error, QueryError::TooLarge { limit_bytes: 100_000 }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_table_that_cannot_be_read_is_named() {
    use object_store::{ObjectStoreExt as _, PutPayload};

    let lake = lake();
    let log = lake.key("tables/geo/_delta_log/00000000000000000000.json");
    lake.store()
        .put(&log, PutPayload::from_static(b"no commit"))
        .await
        .unwrap();
    let error = Session::open(&lake, &Catalog::built_in(), QuerySettings::default())
        .await
        .err()
        .unwrap();
    assert_eq!(error.to_string(), "could not open the tables of `geo`");
}

#[tokio::test]
async fn time_is_utc() {
    let session = session(&lake()).await;
    let sql = "SELECT CAST(EXTRACT(HOUR FROM TIMESTAMP '2020-01-01 05:00:00+00:00') AS INT) AS a, \
               CAST(TIMESTAMP '2020-01-01 05:00:00' AS VARCHAR) AS b";
    assert_eq!(ask(&session, sql).await[0][0], Value::from(5));
    let list = session.ask("SHOW TABLES").await.unwrap();
    let names = list.rows.column_by_name("table_name").unwrap().as_string::<i32>();
    let names: Vec<_> = names.iter().flatten().collect();
    assert!(
        ["pin", "pin_all", "pin_quarantine"]
            .iter()
            .all(|name| names.contains(name)),
        "{names:?}"
    );
    assert!(list.rows.column(0).null_count() == 0);
}
