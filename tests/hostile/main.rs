//! What fuzzing kept: every input below `fuzz/regressions` again, through the very properties that it was fuzzed with.
//! Those of raw objects are tried in `functions/analytics`.
//!
//! A file that begins with the name of a mistake is the input that found it; the others are a small selection of those
//! that lead to different places in the code.

#![allow(missing_docs, unreachable_pub)]

#[path = "../../fuzz/src/cleaning.rs"]
mod cleaning;
#[path = "../../fuzz/src/definitions.rs"]
mod definitions;
#[path = "../../fuzz/src/delivery.rs"]
mod delivery;
#[path = "../../fuzz/src/door.rs"]
mod door;
#[allow(dead_code, clippy::unwrap_used, clippy::expect_used)]
#[path = "../../functions/ingest/tests/api/far_end.rs"]
mod far_end;
#[path = "../../fuzz/src/gzip.rs"]
mod gzip;
#[path = "../../fuzz/src/kafka.rs"]
mod kafka;
#[path = "../../fuzz/src/kinesis.rs"]
mod kinesis;
#[path = "../../fuzz/src/kpl.rs"]
mod kpl;
#[path = "../../fuzz/src/routes.rs"]
mod routes;

use std::{fs, panic, path::Path};

/// Tries every input of a target, and names the file of one that does not hold.
fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/regressions")
        .join(target);
    let mut count = 0;
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for file in files.map(|file| file.map(|file| file.path())) {
        let read = file.and_then(|file| Ok((fs::read(&file)?, file)));
        let (input, file) = read.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        if panic::catch_unwind(|| check(&input)).is_err() {
            panic!("{} does not hold: see above", file.display());
        }
        count += 1;
    }
    assert!(count > 0, "there is no input in {}", folder.display());
}

#[test]
fn cleaning_holds() {
    replay("cleaning", cleaning::check);
}

#[test]
fn definitions_hold() {
    replay("definitions", definitions::check);
}

#[test]
fn kpl_holds() {
    replay("kpl", kpl::check);
}

#[test]
fn routes_hold() {
    replay("routes", routes::check);
}

#[test]
fn gzip_holds() {
    replay("gzip", gzip::check);
}

#[test]
fn kinesis_holds() {
    replay("kinesis", kinesis::check);
}

#[test]
fn kafka_holds() {
    replay("kafka", kafka::check);
}
