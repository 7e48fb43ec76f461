//! A lake, a handler over it, and events as Lambda makes them.

#[path = "../../../../crates/lake/tests/lake/support/store.rs"]
#[allow(dead_code)]
pub(crate) mod store;

use arrow::array::{AsArray, RecordBatch};
use pinlake_dataset::{Catalog, DatasetName};
use pinlake_host::{
    Lines,
    metrics::{Metrics, Teller},
};
use pinlake_lake::{Kind, ORIGIN, read_table};
use pinlake_stream::{Error, Handler, Settings};
use serde_json::{Value, json, value::RawValue};

pub(crate) use store::TestLake;

pub(crate) const NUMBER: u128 = 49_590_338_271_490_256_608_559_692;

impl TestLake {
    /// A handler as a fresh function has it.
    pub(crate) fn handler(&self) -> Handler {
        let settings = Settings::from_lookup(|name| match name {
            "LAKE_URI" => Some(self.lake.url().to_string()),
            _ => None,
        });
        Handler::new(Catalog::built_in(), &self.lake, &settings.unwrap()).unwrap()
    }

    pub(crate) async fn rows(&self, kind: Kind, dataset: &str) -> Vec<RecordBatch> {
        read_table(&self.lake, kind, &DatasetName::parse(dataset).unwrap())
            .await
            .unwrap()
    }

    /// The last four digits of each row's origin, sorted.
    pub(crate) async fn numbers(&self, kind: Kind, dataset: &str) -> Vec<u128> {
        let mut numbers: Vec<u128> = texts(&self.rows(kind, dataset).await, ORIGIN)
            .iter()
            .map(|origin| origin.rsplit('/').next().unwrap().parse::<u128>().unwrap() % 10_000)
            .collect();
        numbers.sort_unstable();
        numbers
    }
}

/// Metrics that are told to lines.
pub(crate) fn metrics_to(lines: &Lines) -> Metrics {
    let output = lines.clone();
    Metrics::to(Teller::Stream, "Pinlake", move || output.clone())
}

pub(crate) fn texts(batches: &[RecordBatch], column: &str) -> Vec<String> {
    let texts = |batch: &RecordBatch| -> Vec<String> {
        let column = batch.column_by_name(column).unwrap().as_string::<i32>();
        column.iter().map(|text| text.unwrap_or("null").to_owned()).collect()
    };
    batches.iter().flat_map(texts).collect()
}

pub(crate) fn base64(text: &str) -> String {
    base64_simd::STANDARD.encode_to_string(text)
}

/// A user row, or something that is none: every third record.
pub(crate) fn user(number: u128) -> String {
    match number % 3 {
        0 => format!("{{\"ind\": \"no number {number}\"}}"),
        _ => json!({"ind": number, "first_name": "Zoë", "last_name": "Sørensen", "age": 20 + number % 40,
                    "date_joined": "2016-02-24 12:13:37"})
        .to_string(),
    }
}

pub(crate) fn is_bad(number: u128) -> bool {
    number.is_multiple_of(3)
}

pub(crate) fn record(stream: &str, number: u128, data: &str) -> Value {
    json!({
        "kinesis": {
            "kinesisSchemaVersion": "1.0", "partitionKey": "p", "sequenceNumber": (NUMBER * 10_000 + number).to_string(),
            "data": data, "approximateArrivalTimestamp": 1_545_084_650.987,
        },
        "eventSource": "aws:kinesis", "eventVersion": "1.0", "eventName": "aws:kinesis:record",
        "eventID": format!("shardId-000000000000:{}", NUMBER * 10_000 + number),
        "eventSourceARN": format!("arn:aws:kinesis:eu-west-1:000000000000:stream/{stream}"), "awsRegion": "eu-west-1",
    })
}

pub(crate) fn event(numbers: impl IntoIterator<Item = u128>) -> Value {
    let records = numbers
        .into_iter()
        .map(|number| record("pinlake-user", number, &base64(&user(number))));
    json!({"Records": records.collect::<Vec<_>>()})
}

/// What Lambda does: event in, answer out, the failed numbers' last four digits.
pub(crate) async fn invoke(handler: &Handler, event: Value) -> Result<Vec<u128>, Error> {
    let event: Box<RawValue> = serde_json::from_str(&event.to_string()).unwrap();
    let answer = handler.handle(event).await?;
    let failures = answer.batch_item_failures.into_iter();
    Ok(failures
        .map(|failure| failure.item_identifier.unwrap().parse::<u128>().unwrap() % 10_000)
        .collect())
}
