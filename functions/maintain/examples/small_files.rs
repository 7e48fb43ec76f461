//! Makes a lake of many small files and keeps it up: what that takes of time and, on Linux, of memory.
//!
//! ```text
//! cargo run --profile bench -p pinlake-maintain --example small_files -- [FOLDER [FILES [ROWS]]]
//! ```
//!
//! The lake in FOLDER (a temporary one by default) is then for other readers: `tests/outside/maintained.py FOLDER`.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::{path::PathBuf, sync::Arc};

use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray};
use chrono::{TimeDelta, Utc};
use pinlake_dataset::{Catalog, DatasetName};
use pinlake_lake::{Lake, Rows, S3Options, SequenceNumber, Settled, Source, Table};
use pinlake_maintain::{Handler, Settings};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

const DEFINITION: &str = "key = [\"ind\"]\n\
    [[column]]\nname = \"ind\"\ntype = \"int32\"\nrequired = true\n\
    [[column]]\nname = \"title\"\ntype = \"string\"\n\
    [[column]]\nname = \"description\"\ntype = \"string\"\n";

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1).peekable();
    let writing = arguments.next_if(|argument| argument == "--write").is_some();
    let temporary = tempfile::tempdir().unwrap();
    let folder = arguments.next().map_or(temporary.path().to_owned(), PathBuf::from);
    let files: u64 = arguments.next().map_or(200, |files| files.parse().unwrap());
    let rows: u64 = arguments.next().map_or(2_000, |rows| rows.parse().unwrap());

    let uri = format!("file://{}", std::path::absolute(&folder).unwrap().display());
    let lake = Lake::open(&uri, &S3Options::default()).unwrap();
    let catalog = Catalog::from_files([("pin.toml", DEFINITION)]).unwrap();
    if writing {
        return write(&lake, &catalog, files, rows).await;
    }
    // The generator needs memory of its own, so it runs in another process.
    let generated = std::process::Command::new(std::env::current_exe().unwrap())
        .arg("--write")
        .arg(&folder)
        .args([files.to_string(), rows.to_string()])
        .status();
    assert!(generated.unwrap().success());

    let settings = Settings::from_lookup(|name| (name == "LAKE_URI").then(|| uri.clone())).unwrap();
    let handler = Handler::new(&catalog, &lake, &settings).unwrap();
    let baseline = high_water_mark();
    let now = Utc::now();
    let summary = handler.run(now, now + TimeDelta::minutes(15)).await.unwrap();
    println!("{}", serde_json::to_string_pretty(&summary).unwrap());
    if let (Some(baseline), Some(peak)) = (baseline, high_water_mark()) {
        println!(
            "memory at the start {:>7.1} MiB, at the peak {:>7.1} MiB",
            mebibytes(baseline),
            mebibytes(peak)
        );
    }
}

/// A commit for each file, with texts that compress as prose does: words at random from a few hundred.
async fn write(lake: &Lake, catalog: &Catalog, files: u64, rows: u64) {
    let definition = catalog.get(&DatasetName::parse("pin").unwrap()).unwrap();
    let mut table = Table::clean(lake, definition, pinlake_lake::Settings::default()).unwrap();
    let source = Source::kinesis("pinlake-pin", "shardId-000000000000");
    let mut random = StdRng::seed_from_u64(7);
    let words: Vec<String> = (0..500)
        .map(|_| {
            (0..random.random_range(2..9))
                .map(|_| random.random_range('a'..='z'))
                .collect()
        })
        .collect();
    let mut text = |most: usize| {
        let words = (0..random.random_range(1..most)).map(|_| words[random.random_range(0..words.len())].as_str());
        words.collect::<Vec<_>>().join(" ")
    };
    for file in 0..files {
        let numbers = file * rows + 1..=(file + 1) * rows;
        let columns: [(&str, ArrayRef); 3] = [
            (
                "ind",
                Arc::new(Int32Array::from_iter_values(
                    numbers.clone().map(|number| number as i32),
                )),
            ),
            (
                "title",
                Arc::new(StringArray::from_iter_values(numbers.clone().map(|_| text(12)))),
            ),
            (
                "description",
                Arc::new(StringArray::from_iter_values(numbers.clone().map(|_| text(60)))),
            ),
        ];
        let arrivals = vec![Utc::now().timestamp_micros(); columns[0].1.len()];
        let sequence = numbers.map(SequenceNumber::from).collect();
        let batch = Rows::new(RecordBatch::try_from_iter(columns).unwrap(), sequence, arrivals).unwrap();
        let highest = SequenceNumber::from((file + 1) * rows);
        table
            .append(&source, batch, highest, Settled::ByWatermark, Utc::now())
            .await
            .unwrap();
    }
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// The kernel's own high-water mark, in bytes.
fn high_water_mark() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kibibytes * 1024)
}
