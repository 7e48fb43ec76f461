//! The most memory that one full event takes: 6 MB of JSON, as much as Lambda delivers, through a handler into a table.
//!
//! ```text
//! cargo run --profile bench -p pinlake-stream --example peak_memory
//! ```
//!
//! Linux only: reads `VmHWM`, the kernel's own high-water mark, in `/proc/self/status`. Target: at most 96 MiB.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

#[path = "../benches/pins.rs"]
mod pins;

use pinlake_dataset::Catalog;
use pinlake_lake::{Lake, S3Options};
use pinlake_stream::{Handler, Settings};

/// What Lambda takes in one synchronous call, in bytes.
const EVENT_BYTES: usize = 6 << 20;

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let uri = format!("file://{}", folder.path().display());
    let lake = Lake::open(&uri, &S3Options::default()).unwrap();
    let settings = Settings::from_lookup(|name| (name == "LAKE_URI").then(|| uri.clone())).unwrap();
    let handler = Handler::new(Catalog::built_in(), &lake, &settings).unwrap();

    // The generator needs memory of its own, so it runs in another process and the event comes in through a file.
    let file = folder.path().join("event.json");
    if std::env::args().nth(1).as_deref() == Some("--generate") {
        let path = std::env::args().nth(2).expect("a path");
        let mut records = 4_000;
        while pins::kinesis_event(records + 50, 7).len() <= EVENT_BYTES {
            records += 50;
        }
        std::fs::write(path, pins::kinesis_event(records, 7)).unwrap();
        return;
    }
    let this = std::env::current_exe().unwrap();
    let generated = std::process::Command::new(this)
        .arg("--generate")
        .arg(&file)
        .status()
        .unwrap();
    assert!(generated.success());

    let baseline = high_water_mark();
    let event = std::fs::read(&file).unwrap();
    let answer = handler.invoke(&event).await.unwrap();
    assert_eq!(answer, b"{\"batchItemFailures\":[]}");
    let peak = high_water_mark();
    println!("event        {:>7.1} MiB", mebibytes(event.len() as u64));
    println!("baseline     {:>7.1} MiB (VmHWM, handler built)", mebibytes(baseline));
    println!("peak         {:>7.1} MiB (VmHWM, after the event)", mebibytes(peak));
    println!("by the event {:>7.1} MiB", mebibytes(peak - baseline));
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// In bytes.
fn high_water_mark() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("linux");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .expect("VmHWM");
    let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse().expect("a number");
    kibibytes * 1024
}
