//! The built command, running on a folder of its own.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use arrow::{
    array::{Array, AsArray, RecordBatch},
    util::display::{ArrayFormatter, FormatOptions},
};
use flate2::read::MultiGzDecoder;
use futures::TryStreamExt as _;
use object_store::ObjectStoreExt as _;
use pinlake::{
    client::{Client, Outcome, ROWS_PER_REQUEST, Via},
    pipeline::Pipeline,
};
use pinlake_dataset::{Catalog, Cleaner, DatasetName, Limits};
use pinlake_lake::{Kind, Lake, PAYLOAD, describe, read_table};

/// The command, not started.
pub(crate) fn pinlake() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pinlake"));
    command.env_remove("RUST_LOG").env_remove("RUST_BACKTRACE");
    command
}

/// Exit code, standard output, standard error.
pub(crate) fn run(command: &mut Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// A running `pinlake up`. Killed when dropped.
pub(crate) struct Up {
    process: Child,
    pub(crate) url: String,
    /// Where its S3 and its Kinesis listen.
    pub(crate) s3: String,
    pub(crate) kinesis: String,
}

impl Up {
    /// Starts it on any free ports and waits until it says where it listens.
    pub(crate) fn start(state: &Path, arguments: &[&str]) -> Self {
        Self::start_as(pinlake(), state, arguments)
    }

    /// The same, by a command that may have variables and outputs of its own.
    pub(crate) fn start_as(mut command: Command, state: &Path, arguments: &[&str]) -> Self {
        let mut process = command
            .args(["up", "--port", "0", "--window", "100", "--state"])
            .arg(state)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        // They are told in this order.
        let [url, s3, kinesis] = ["API", "S3", "Kinesis"].map(|what| {
            loop {
                let line = lines.next().expect("`up` ended before it listened").unwrap();
                if let Some(rest) = line.trim().strip_prefix(what) {
                    break rest.split_whitespace().next().unwrap().to_owned();
                }
            }
        });
        // Whoever stops reading a pipe stops its writer too.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            process,
            url,
            s3,
            kinesis,
        }
    }

    /// Sends it a signal by name, as in `INT`, and waits for its end.
    pub(crate) fn end_with(mut self, signal: &str) -> ExitStatus {
        let sent = Command::new("kill")
            .args([&format!("-{signal}"), &self.process.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
        self.process.wait().unwrap()
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // Already ended is fine.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// How often each thing is there.
pub(crate) type Tally<T> = BTreeMap<T, usize>;

fn tally<T: Ord>(things: impl IntoIterator<Item = T>) -> Tally<T> {
    let mut tally = Tally::new();
    for thing in things {
        *tally.entry(thing).or_default() += 1;
    }
    tally
}

/// What must be in a dataset's tables after these records: rows as text, and payloads in quarantine.
pub(crate) fn expected(dataset: &str, records: &[Vec<u8>]) -> (Tally<String>, Tally<Vec<u8>>) {
    let definition = Arc::clone(Catalog::built_in().route(dataset).unwrap());
    let mut cleaner = Cleaner::new(definition, Limits::default());
    records.iter().for_each(|record| cleaner.push(record));
    let cleaned = cleaner.finish();
    let columns = cleaned.rows.num_columns();
    (
        tally(as_text(&cleaned.rows, columns)),
        tally(cleaned.rejected.into_iter().map(|rejected| rejected.payload)),
    )
}

/// What is in a dataset's tables, in the same form.
pub(crate) async fn found(state: &Path, dataset: &str) -> (Tally<String>, Tally<Vec<u8>>) {
    let lake = Pipeline::lake_on_disk(state).unwrap();
    let name = DatasetName::parse(dataset).unwrap();
    let columns = Catalog::built_in().get(&name).unwrap().schema().fields().len();
    let rows = read_table(&lake, Kind::Table, &name).await.unwrap();
    let quarantined = read_table(&lake, Kind::Quarantine, &name).await.unwrap();
    let payloads = quarantined.iter().flat_map(|batch| {
        let payloads = batch.column_by_name(PAYLOAD).unwrap().as_binary::<i32>();
        payloads
            .iter()
            .map(|payload| payload.unwrap().to_vec())
            .collect::<Vec<_>>()
    });
    (
        tally(rows.iter().flat_map(|batch| as_text(batch, columns))),
        tally(payloads),
    )
}

/// Compares, and shows only what differs: how often a thing is there, and how often it should be.
pub(crate) fn assert_same<T: Ord + Clone + std::fmt::Debug>(found: &Tally<T>, expected: &Tally<T>, what: &str) {
    let count = |tally: &Tally<T>, thing: &T| tally.get(thing).copied().unwrap_or_default();
    let different: Vec<_> = found
        .keys()
        .chain(expected.keys())
        .map(|thing| (thing, count(found, thing), count(expected, thing)))
        .filter(|(_, found, expected)| found != expected)
        .collect();
    let shown: Vec<_> = different.iter().take(5).collect();
    assert!(
        different.is_empty(),
        "{what}: {} things differ (thing, found, expected): {shown:#?}",
        different.len()
    );
}

/// Asserts that a dataset's tables hold what these records make, each thing as often as it was sent.
pub(crate) async fn assert_stored(state: &Path, dataset: &str, records: &[Vec<u8>]) {
    let (rows, payloads) = found(state, dataset).await;
    let (clean, rejected) = expected(dataset, records);
    assert_same(&rows, &clean, &format!("tables/{dataset}"));
    assert_same(&payloads, &rejected, &format!("quarantine/{dataset}"));
}

/// All records in a dataset's raw objects, in no particular order.
async fn raw_records(lake: &Lake, dataset: &DatasetName) -> Vec<Vec<u8>> {
    let folder = lake.key(&format!("raw/{dataset}"));
    let objects: Vec<_> = lake.store().list(Some(&folder)).try_collect().await.unwrap();
    let mut records = Vec::new();
    for object in objects {
        let packed = lake.store().get(&object.location).await.unwrap().bytes().await.unwrap();
        let mut lines = Vec::new();
        MultiGzDecoder::new(&packed[..]).read_to_end(&mut lines).unwrap();
        let lines = lines.split(|byte| *byte == b'\n');
        records.extend(lines.filter(|line| !line.is_empty()).map(<[u8]>::to_vec));
    }
    records
}

/// Waits until there are as many records in a dataset's raw objects as there should be, and compares them.
pub(crate) async fn assert_raw(state: &Path, dataset: &str, records: &[Vec<u8>]) {
    let name = DatasetName::parse(dataset).unwrap();
    let started = Instant::now();
    let filed = loop {
        let filed = match Pipeline::lake_on_disk(state) {
            Ok(lake) => raw_records(&lake, &name).await,
            Err(_) => Vec::new(),
        };
        if filed.len() >= records.len() || started.elapsed() > Duration::from_secs(60) {
            break filed;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let text = |record: &Vec<u8>| String::from_utf8_lossy(record).into_owned();
    let (filed, sent) = (filed.iter().map(text), records.iter().map(text));
    assert_same(&tally(filed), &tally(sent), &format!("raw/{dataset}"));
}

/// Posts records, all of which must be accepted.
pub(crate) async fn post(url: &str, via: Via, dataset: &str, records: &[Vec<u8>]) {
    let client = Client::new(url).unwrap();
    for chunk in records.chunks(ROWS_PER_REQUEST) {
        let outcomes = client.post(via, dataset, chunk).await.unwrap();
        assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Accepted));
    }
}

/// Waits until a dataset's tables hold so many rows together.
pub(crate) async fn arrival(state: &Path, dataset: &str, rows: u64) {
    let name = DatasetName::parse(dataset).unwrap();
    let started = Instant::now();
    loop {
        let mut stored = 0;
        if let Ok(lake) = Pipeline::lake_on_disk(state) {
            for kind in [Kind::Table, Kind::Quarantine] {
                stored += describe(&lake, kind, &name)
                    .await
                    .unwrap()
                    .map_or(0, |table| table.rows);
            }
        }
        if stored >= rows {
            return;
        }
        assert!(
            started.elapsed() < Duration::from_secs(120),
            "{dataset}: {stored} of {rows} rows after two minutes"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The first columns of each row as one text.
fn as_text(batch: &RecordBatch, columns: usize) -> Vec<String> {
    let options = FormatOptions::default().with_null("∅");
    let row = |row: usize| {
        let cell = |column: &Arc<dyn Array>| {
            ArrayFormatter::try_new(column.as_ref(), &options)
                .unwrap()
                .value(row)
                .to_string()
        };
        batch.columns()[..columns]
            .iter()
            .map(cell)
            .collect::<Vec<_>>()
            .join(" | ")
    };
    (0..batch.num_rows()).map(row).collect()
}
