//! Which JSON parser? The same job for each: all fields of 10,000 pin records as text, checked as JSON, in one run.
//!
//! `cargo bench --manifest-path benches/parsers/Cargo.toml`
#![allow(missing_docs, clippy::unwrap_used)]

use std::{borrow::Cow, hint::black_box, sync::Arc};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pinlake_dataset::{Catalog, Cleaner, Limits};
use serde::Deserialize;
use sonic_rs::LazyValue;

const RECORDS: usize = 10_000;

#[derive(Deserialize)]
#[allow(dead_code)]
struct Pin<'a> {
    index: i64,
    #[serde(borrow)]
    unique_id: Cow<'a, str>,
    #[serde(borrow)]
    title: Cow<'a, str>,
    #[serde(borrow)]
    description: Cow<'a, str>,
    #[serde(borrow)]
    poster_name: Cow<'a, str>,
    #[serde(borrow)]
    follower_count: Cow<'a, str>,
    #[serde(borrow)]
    tag_list: Cow<'a, str>,
    #[serde(borrow)]
    image_src: Cow<'a, str>,
    #[serde(borrow)]
    category: Cow<'a, str>,
}

fn records() -> Vec<Vec<u8>> {
    let record = |index: usize| {
        let title = if index % 2 == 0 {
            "Déjà vu: thirty ways to set a table\u{a0}"
        } else {
            "Paint your own \\\"mugs\\\""
        };
        format!(
            r#"{{"index": {index}, "unique_id": "fbe53c66-3442-4773-b19e-{index:012}", "title": "{title}", "description": "{}", "poster_name": "Olive et Oriel", "follower_count": "{}k", "tag_list": "Mugs,Paint,Craft Ideas,Weekend Projects,Gifts For Friends,Pottery", "is_image_or_video": "image", "image_src": "https://i.example.org/originals/b5/7f/21/{index:032}.jpg", "downloaded": 1, "save_location": "Local save in /data/diy-and-crafts", "category": "diy-and-crafts"}}"#,
            "A quiet afternoon, a few colours and a plain cup are all it takes. ".repeat(2 + index % 3),
            index % 500,
        )
        .into_bytes()
    };
    (0..RECORDS).map(record).collect()
}

fn parsers(c: &mut Criterion) {
    let records = records();
    let bytes = records.iter().map(Vec::len).sum::<usize>();
    let mut group = c.benchmark_group("parser");
    group.throughput(Throughput::Bytes(bytes as u64)).sample_size(20);
    group.bench_function("serde_json, struct", |b| {
        b.iter(|| {
            records
                .iter()
                .for_each(|r| drop(black_box(serde_json::from_slice::<Pin<'_>>(r).unwrap())))
        });
    });
    group.bench_function("sonic-rs, struct", |b| {
        b.iter(|| {
            records
                .iter()
                .for_each(|r| drop(black_box(sonic_rs::from_slice::<Pin<'_>>(r).unwrap())))
        });
    });
    group.bench_function("sonic-rs, lazy fields", |b| {
        b.iter(|| {
            for record in &records {
                for field in sonic_rs::to_object_iter(record.as_slice()) {
                    let (key, value): (_, LazyValue<'_>) = field.unwrap();
                    black_box((key, value));
                }
            }
        });
    });
    group.bench_function("simd-json, struct", |b| {
        let mut buffer = Vec::new();
        b.iter(|| {
            for record in &records {
                // It parses in place, so a record that may have to be kept as it came has to be copied first.
                buffer.clear();
                buffer.extend_from_slice(record);
                let pin: Pin<'_> = simd_json::from_slice(&mut buffer).unwrap();
                black_box(&pin);
            }
        });
    });
    let definition = Arc::clone(Catalog::built_in().route("pin").unwrap());
    group.bench_function("pinlake: serde_json, raw fields, read, cleaned, into Arrow", |b| {
        let mut cleaner = Cleaner::new(Arc::clone(&definition), Limits::default());
        b.iter(|| {
            records.iter().for_each(|record| cleaner.push(record));
            black_box(cleaner.finish());
        });
    });
    group.finish();
}

criterion_group!(benches, parsers);
criterion_main!(benches);
