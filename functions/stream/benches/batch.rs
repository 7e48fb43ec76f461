//! What a Kinesis event of 10,000 pin records costs, in parts and as a whole.
//!
//! The parts are the least that each step can cost with the tools at hand; the whole is what the function does. Target: the
//! whole costs at most one and a half times the sum of its parts.
//!
//! ```text
//! cargo bench -p pinlake-stream --bench batch
//! ```

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

#[path = "pins.rs"]
mod pins;

use std::{hint::black_box, sync::Arc};

use arrow::{
    array::RecordBatch,
    compute::cast,
    datatypes::{DataType, Field, Schema},
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use object_store::memory::InMemory;
use parquet::arrow::ArrowWriter;
use pinlake_dataset::{Catalog, Cleaner, Limits};
use pinlake_lake::{Lake, parquet_properties};
use pinlake_stream::{Handler, Settings};
use serde::Deserialize;

const RECORDS: usize = 10_000;

/// The envelope, read for what is used and no more, and the payloads out of their base64.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "Records", borrow)]
    records: Vec<Record<'a>>,
}

#[derive(Deserialize)]
struct Record<'a> {
    #[serde(borrow)]
    kinesis: Data<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    sequence_number: &'a str,
    data: &'a str,
    approximate_arrival_timestamp: f64,
}

fn decode_envelope(event: &[u8]) -> Vec<Vec<u8>> {
    let envelope: Envelope<'_> = serde_json::from_slice(event).unwrap();
    let decode = |record: &Record<'_>| {
        black_box((
            record.kinesis.sequence_number,
            record.kinesis.approximate_arrival_timestamp,
        ));
        base64_simd::STANDARD.decode_to_vec(record.kinesis.data).unwrap()
    };
    envelope.records.iter().map(decode).collect()
}

/// The fields as they are sent, each in the type that JSON gives it.
fn raw_schema() -> Schema {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let number = |name: &str| Field::new(name, DataType::Int64, true);
    Schema::new(vec![
        number("index"),
        text("unique_id"),
        text("title"),
        text("description"),
        text("poster_name"),
        text("follower_count"),
        text("tag_list"),
        text("is_image_or_video"),
        text("image_src"),
        number("downloaded"),
        text("save_location"),
        text("category"),
    ])
}

fn to_arrow(decoder: &mut arrow_json::reader::Decoder, payloads: &[Vec<u8>]) -> RecordBatch {
    for payload in payloads {
        let mut rest = payload.as_slice();
        while !rest.is_empty() {
            let read = decoder.decode(rest).unwrap();
            rest = &rest[read..];
        }
    }
    decoder.flush().unwrap().unwrap()
}

/// The cleaning as kernels over whole columns: trim, null placeholders, counts, a prefix.
fn clean_kernels(raw: &RecordBatch) -> Vec<arrow::array::ArrayRef> {
    use arrow::array::{AsArray, Int64Array, StringArray};
    let texts = |column: &str| raw.column_by_name(column).unwrap().as_string::<i32>().clone();
    let cleaned = |column: &str| -> Arc<dyn arrow::array::Array> {
        let keep = |text: &str| {
            let text = text.trim();
            !text.is_empty() && !["null", "N/A", "none", "User Info Error", "Image src error."].contains(&text)
        };
        Arc::new(
            texts(column)
                .iter()
                .map(|text| text.map(str::trim).filter(|text| keep(text)))
                .collect::<StringArray>(),
        )
    };
    let count = |text: &str| -> Option<i64> {
        let (digits, unit) = match text.as_bytes().last()? {
            b'k' => (&text[..text.len() - 1], 1_000),
            b'M' => (&text[..text.len() - 1], 1_000_000),
            _ => (text, 1),
        };
        digits.parse::<i64>().ok()?.checked_mul(unit)
    };
    let mut columns: Vec<arrow::array::ArrayRef> = [
        "unique_id",
        "title",
        "description",
        "poster_name",
        "tag_list",
        "is_image_or_video",
        "image_src",
        "category",
    ]
    .map(cleaned)
    .to_vec();
    columns.push(Arc::new(
        texts("follower_count")
            .iter()
            .map(|text| count(text?))
            .collect::<Int64Array>(),
    ));
    columns.push(Arc::new(
        texts("save_location")
            .iter()
            .map(|text| text.map(|text| text.trim_start_matches("Local save in ")))
            .collect::<StringArray>(),
    ));
    columns.push(cast(raw.column_by_name("index").unwrap(), &DataType::Int32).unwrap());
    columns
}

fn encode(rows: &RecordBatch) -> Vec<u8> {
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut file, rows.schema(), Some(parquet_properties().unwrap())).unwrap();
    writer.write(rows).unwrap();
    writer.close().unwrap();
    file
}

fn batch(criterion: &mut Criterion) {
    let event = pins::kinesis_event(RECORDS, 7);
    let payloads = decode_envelope(&event);
    let mut decoder = arrow_json::ReaderBuilder::new(Arc::new(raw_schema()))
        .with_batch_size(RECORDS)
        .build_decoder()
        .unwrap();
    let raw = to_arrow(&mut decoder, &payloads);
    let definition = Arc::clone(Catalog::built_in().route("pin").unwrap());
    let mut cleaner = Cleaner::new(definition, Limits::default());
    payloads.iter().for_each(|payload| cleaner.push(payload));
    let cleaned = cleaner.finish();
    assert_eq!(cleaned.rows.num_rows(), RECORDS, "the generator makes clean rows");

    let mut group = criterion.benchmark_group("batch of 10,000 pins");
    group.throughput(Throughput::Elements(RECORDS as u64)).sample_size(30);
    group.bench_function("part 1: envelope and base64", |bencher| {
        bencher.iter(|| decode_envelope(black_box(&event)))
    });
    group.bench_function("part 2: json to arrow", |bencher| {
        bencher.iter(|| to_arrow(&mut decoder, black_box(&payloads)))
    });
    group.bench_function("part 3: cleaning kernels", |bencher| {
        bencher.iter(|| clean_kernels(black_box(&raw)))
    });
    group.bench_function("part 4: parquet zstd(1)", |bencher| {
        bencher.iter(|| encode(black_box(&cleaned.rows)))
    });

    // How the work is really divided: `Cleaner` reads JSON and cleans in one pass.
    group.bench_function("parts 2 and 3 as Cleaner does them", |bencher| {
        bencher.iter(|| {
            payloads.iter().for_each(|payload| cleaner.push(black_box(payload)));
            cleaner.finish()
        });
    });

    // The whole: the event through the handler, into a table in memory. A handler and a lake for each event, so that its
    // records are new; opening the empty table and committing to it are included.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let settings = Settings::from_lookup(|name| (name == "LAKE_URI").then(|| "memory:///".to_owned())).unwrap();
    group.bench_function("whole: event to table", |bencher| {
        bencher.iter_batched(
            || {
                let lake = Lake::with_store(Arc::new(InMemory::new()), "memory:///").unwrap();
                Handler::new(Catalog::built_in(), &lake, &settings).unwrap()
            },
            |handler| {
                let answer = runtime.block_on(handler.invoke(black_box(&event))).unwrap();
                assert_eq!(answer, b"{\"batchItemFailures\":[]}");
            },
            criterion::BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, batch);
criterion_main!(benches);
