//! Writes a report page from made-up rows, for looking at it.
//!
//! ```text
//! cargo run -p pinlake-analytics --example page -- FOLDER
//! ```
//!
//! FOLDER gets `results/run_date=2026-11-21/report.html` and, beside it, the files that the page links to.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod sample;

use std::{fs, path::PathBuf};

use pinlake_analytics::page::{self, DataLinks};

fn main() {
    let folder = std::env::args_os().nth(1).expect("a folder to write to");
    let results = PathBuf::from(folder).join("results");
    let (facts, outcomes) = sample::run();
    let partition = format!("run_date={}", facts.run_date);
    let html = page::render(&facts, &outcomes, |report| DataLinks {
        json: format!("../{}/{partition}/_result.json", report.name),
        parquet: format!("../{}/{partition}/result.parquet", report.name),
    })
    .unwrap();

    for outcome in outcomes.iter().filter(|outcome| outcome.answer.is_ok()) {
        let data = results.join(&outcome.report.name).join(&partition);
        fs::create_dir_all(&data).unwrap();
        // The links lead somewhere; what is there is not the page's business.
        fs::write(data.join("_result.json"), "[]\n").unwrap();
        fs::write(data.join("result.parquet"), "").unwrap();
    }
    let page = results.join(&partition).join("report.html");
    fs::create_dir_all(page.parent().unwrap()).unwrap();
    fs::write(&page, html).unwrap();
    println!("{}", page.display());
}
