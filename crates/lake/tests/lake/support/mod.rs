//! What the tests of the lake share: lakes to write to, rows to write, and how to read them back.

pub(crate) mod store;

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, BinaryArray, Int32Array, RecordBatch, StringArray},
    datatypes::Int32Type,
};
use chrono::{DateTime, TimeDelta, Utc};
use pinlake_dataset::{Catalog, DatasetName, Definition};
use pinlake_lake::{
    Appended, Error, Kind, ORIGIN, Rows, SequenceNumber, Settings, Settled, Source, Table, quarantine_rows_schema,
    read_table,
};

pub(crate) use store::TestLake;

/// Runs each case on every kind of store.
macro_rules! conformance {
    ($($case:ident),* $(,)?) => {
        mod in_memory {
            $(#[tokio::test] async fn $case() { super::$case($crate::support::TestLake::in_memory()).await; })*
        }
        mod in_folder {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() { super::$case($crate::support::TestLake::in_folder()).await; })*
        }
    };
}
pub(crate) use conformance;

impl TestLake {
    /// `_origin`'s last word of every row in a table, sorted: the sequence numbers.
    pub(crate) async fn numbers(&self, kind: Kind) -> Vec<u64> {
        let mut numbers = Vec::new();
        for batch in read_table(&self.lake, kind, &name()).await.unwrap() {
            for origin in batch.column_by_name(ORIGIN).unwrap().as_string::<i32>() {
                numbers.push(origin.unwrap().rsplit('/').next().unwrap().parse().unwrap());
            }
        }
        numbers.sort_unstable();
        numbers
    }

    /// Names of the Parquet files in a table's folder, whether a commit names them or not.
    pub(crate) async fn parquet_files(&self, kind: Kind) -> usize {
        use futures::TryStreamExt as _;
        let objects: Vec<_> = self
            .lake
            .store()
            .list(Some(&self.lake.folder(kind, &name())))
            .try_collect()
            .await
            .unwrap();
        objects
            .iter()
            .filter(|object| object.location.as_ref().ends_with(".zstd.parquet"))
            .count()
    }
}

pub(crate) fn name() -> DatasetName {
    DatasetName::parse("pin").unwrap()
}

/// A definition with these `name = type` columns; the first is the key.
pub(crate) fn definition(columns: &[(&str, &str)]) -> Arc<Definition> {
    let key = columns[0].0;
    let mut text = format!("key = [\"{key}\"]\n");
    for (name, kind) in columns {
        let required = *name == key;
        text.push_str(&format!(
            "[[column]]\nname = \"{name}\"\ntype = \"{kind}\"\nrequired = {required}\n"
        ));
    }
    let catalog = Catalog::from_files([("pin.toml", text.as_str())]).unwrap();
    Arc::clone(catalog.get(&name()).unwrap())
}

pub(crate) fn pins() -> Arc<Definition> {
    definition(&[("ind", "int32"), ("title", "string")])
}

pub(crate) fn source() -> Source {
    Source::kinesis("pinlake-pin", "shardId-000000000000")
}

pub(crate) fn number(value: u64) -> SequenceNumber {
    SequenceNumber::from(value)
}

pub(crate) fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000, 0).unwrap()
}

pub(crate) fn later(seconds: i64) -> DateTime<Utc> {
    noon() + TimeDelta::seconds(seconds)
}

/// A row for each number, in the columns of [`pins`].
pub(crate) fn rows(numbers: impl IntoIterator<Item = u64>) -> Rows {
    let numbers: Vec<u64> = numbers.into_iter().collect();
    rows_of(rows_batch(numbers.iter().copied()), &numbers)
}

/// The values of [`rows`].
pub(crate) fn rows_batch(numbers: impl IntoIterator<Item = u64>) -> RecordBatch {
    let numbers: Vec<u64> = numbers.into_iter().collect();
    let ind = Int32Array::from_iter_values(numbers.iter().map(|number| i32::try_from(*number).unwrap()));
    let title = StringArray::from_iter(
        numbers
            .iter()
            .map(|number| (number % 3 != 0).then(|| format!("title {number}"))),
    );
    let columns = [("ind", Arc::new(ind) as ArrayRef), ("title", Arc::new(title))];
    RecordBatch::try_from_iter(columns).unwrap()
}

/// A rejected record for each number.
pub(crate) fn rejected(numbers: impl IntoIterator<Item = u64>) -> Rows {
    let numbers: Vec<u64> = numbers.into_iter().collect();
    let payload = BinaryArray::from_iter_values(numbers.iter().map(|number| format!("bad {number}").into_bytes()));
    let reason = StringArray::from_iter_values(numbers.iter().map(|_| "is no int32"));
    let field = StringArray::from_iter(numbers.iter().map(|number| (number % 2 == 0).then_some("index")));
    let columns: Vec<ArrayRef> = vec![Arc::new(payload), Arc::new(reason), Arc::new(field)];
    rows_of(
        RecordBatch::try_new(quarantine_rows_schema(), columns).unwrap(),
        &numbers,
    )
}

pub(crate) fn rows_of(records: RecordBatch, numbers: &[u64]) -> Rows {
    let ingested_at = vec![noon().timestamp_micros(); numbers.len()];
    Rows::new(records, numbers.iter().copied().map(number).collect(), ingested_at).unwrap()
}

/// The values of an int32 column, over all batches.
pub(crate) fn ints(batches: &[RecordBatch], column: &str) -> Vec<Option<i32>> {
    batches
        .iter()
        .flat_map(|batch| {
            batch
                .column_by_name(column)
                .unwrap()
                .as_primitive::<Int32Type>()
                .iter()
                .collect::<Vec<_>>()
        })
        .collect()
}

/// The values of a text column, over all batches.
pub(crate) fn texts(batches: &[RecordBatch], column: &str) -> Vec<Option<String>> {
    let texts = |batch: &RecordBatch| {
        let column = batch.column_by_name(column).unwrap();
        let values: Vec<_> = column
            .as_string::<i32>()
            .iter()
            .map(|text| text.map(str::to_owned))
            .collect();
        assert_eq!(values.len(), column.len());
        values
    };
    batches.iter().flat_map(texts).collect()
}

/// A cold handle on the table of [`pins`].
pub(crate) fn handle(lake: &TestLake) -> Table {
    Table::clean(&lake.lake, &pins(), Settings::default()).unwrap()
}

/// Appends rows with these numbers.
pub(crate) async fn append(table: &mut Table, numbers: impl IntoIterator<Item = u64>) -> Result<Appended, Error> {
    let numbers: Vec<u64> = numbers.into_iter().collect();
    let highest = number(*numbers.iter().max().unwrap());
    table
        .append(&source(), rows(numbers), highest, Settled::ByWatermark, noon())
        .await
}
