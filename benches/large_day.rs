//! How much memory a large day takes: raw objects of so many bytes of JSON, cleaned, or the whole daily run.
//!
//! ```text
//! large_day make FOLDER BYTES     a lake in a folder, with a day's raw objects of all three datasets
//! large_day clean FOLDER          cleans the day, and tells the peak of memory
//! large_day run FOLDER            runs the day as a schedule would, reports and all, and tells the peak of memory
//! ```
//!
//! `benches/large_day.sh` makes a day and does one of the others under a limit. Linux only: reads `VmHWM`, the kernel's own high-water mark.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::{fs, io::Write, path::Path, time::Instant};

use chrono::{DateTime, NaiveDate, Utc};
use flate2::{Compression, write::GzEncoder};
use pinlake::rows::{DATASETS, Rows};
use pinlake_analytics::{Batch, Handler, Reports, Settings};
use pinlake_dataset::Catalog;
use pinlake_lake::{Lake, S3Options};

/// JSON in one raw object, as Firehose is set to gather.
const OBJECT_BYTES: usize = 64 << 20;

#[tokio::main]
async fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["make", folder, bytes] => make(Path::new(folder), bytes.parse().expect("a number of bytes")),
        ["clean", folder] => clean(&Day::open(folder)).await,
        ["run", folder] => run(&Day::open(folder)).await,
        _ => panic!("large_day make FOLDER BYTES | large_day clean FOLDER | large_day run FOLDER"),
    }
}

fn day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, 23).expect("a date")
}

/// As many rows of each dataset, until there are so many bytes.
fn make(folder: &Path, bytes: usize) {
    let mut rows = DATASETS.map(|dataset| (dataset, Rows::new(dataset, 1), Vec::new(), 0));
    let (mut made, mut count) = (0, 0_u64);
    while made < bytes {
        for (dataset, rows, object, objects) in &mut rows {
            let row = rows.next().expect("rows have no end");
            made += row.len() + 1;
            count += 1;
            object.extend_from_slice(&row);
            object.push(b'\n');
            if object.len() >= OBJECT_BYTES {
                file(folder, dataset, *objects, object);
                *objects += 1;
                object.clear();
            }
        }
    }
    for (dataset, _, object, objects) in rows {
        file(folder, dataset, objects, &object);
    }
    println!("made {count} rows, {:.2} GB of JSON", made as f64 / 1e9);
}

fn file(folder: &Path, dataset: &str, number: usize, object: &[u8]) {
    let folder = folder.join(format!("raw/{dataset}/date={}", day()));
    fs::create_dir_all(&folder).expect("a folder");
    let name = format!(
        "pinlake-{dataset}-1-{}-12-{:02}-{:02}-x.gz",
        day(),
        number / 60,
        number % 60
    );
    let mut packed = GzEncoder::new(
        fs::File::create(folder.join(name)).expect("a file"),
        Compression::fast(),
    );
    packed.write_all(object).expect("room");
    packed.finish().expect("room");
}

/// The lake, and the settings of the function from the same variables.
struct Day {
    lake: Lake,
    settings: Settings,
    now: DateTime<Utc>,
}

impl Day {
    fn open(folder: &str) -> Self {
        let uri = format!("file://{}", fs::canonicalize(folder).expect("a lake").display());
        let lookup = |name: &str| match name {
            "LAKE_URI" => Some(uri.clone()),
            name => std::env::var(name).ok(),
        };
        println!("before         {:>6.0} MiB", high_water_mark());
        Self {
            lake: Lake::open(&uri, &S3Options::default()).unwrap(),
            settings: Settings::from_lookup(lookup).unwrap(),
            now: "2026-11-24T02:00:00Z".parse().unwrap(),
        }
    }
}

async fn clean(Day { lake, settings, now }: &Day) {
    let started = Instant::now();
    let (mut rows, mut quarantined) = (0, 0);
    for definition in Catalog::built_in().iter() {
        let batch = Batch::new(lake, definition, settings.batch);
        let day = batch.clean(day(), false, *now).await.unwrap().expect("raw objects");
        rows += day.table.rows;
        quarantined += day.quarantine.rows;
    }
    println!(
        "cleaned        {:>6.0} MiB   {rows} rows, {quarantined} quarantined, {:.0} s",
        high_water_mark(),
        started.elapsed().as_secs_f64()
    );
}

async fn run(Day { lake, settings, now }: &Day) {
    let started = Instant::now();
    let handler = Handler::new(Catalog::built_in(), Reports::built_in(), lake, settings);
    let summary = handler.run(br#"{"time":"2026-11-24T02:00:00Z"}"#, *now).await.unwrap();
    println!(
        "the whole run  {:>6.0} MiB   {} reports, {:.0} s",
        high_water_mark(),
        summary.reports.len(),
        started.elapsed().as_secs_f64()
    );
}

/// The most memory that this process has had, in MiB.
fn high_water_mark() -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("linux");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .expect("VmHWM");
    let kibibytes: f64 = line.trim().trim_end_matches("kB").trim().parse().expect("a number");
    kibibytes / 1024.0
}
