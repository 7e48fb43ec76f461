//! `pinlake replay`: cleans quarantined records anew, and moves those that pass now to the table.
//!
//! ```text
//! quarantine/<dataset> ─► --where ─► parts of a partition ─► Cleaner ─┬─ pass ─► pinlake_lake::Replay ─► tables/<dataset>
//! aws/lambda/… ─► --given-up ─► events ─────────────────────────────┘ └─ stay
//! ```
//!
//! | file | idea |
//! |---|---|
//! | `quarantined` | rows of the quarantine, asked for in SQL |
//! | `given_up` | batches that a mapping gave up on |
//! | `judge` | records to rows, with their origins |
//! | `tally` | what became of them, by reason |
//!
//! What makes it safe to break off and to repeat is in [`pinlake_lake::Replay`].

mod given_up;
mod judge;
mod quarantined;
mod tally;

use std::{
    io::{self, IsTerminal},
    sync::Arc,
};

use anyhow::{Context, Result};
use clap::Args;
use indicatif::ProgressBar;
use pinlake_dataset::{Cleaner, DatasetName, Definition, Limits};

use self::tally::Tally;
use crate::{
    place::{LakeAt, catalog},
    terminal::bar,
};

/// Cleans quarantined records anew, once their cause is mended, and moves those that pass now to the table.
///
/// The others stay. A row keeps its origin and its arrival. Beside whatever else is running, and broken off at any point and
/// repeated, each record is in the table once in the end; while it runs a row may be in both for a moment.
#[derive(Debug, Args)]
pub struct Replay {
    /// The dataset.
    #[arg(long, value_name = "NAME")]
    dataset: String,
    /// Only rows for which this condition holds.
    ///
    /// Columns are payload, reason, field, _origin, _ingested_at, ingest_date and ingest_path, as in
    /// "field = 'age' and ingest_date >= '2026-11-01'".
    #[arg(long = "where", value_name = "SQL", conflicts_with = "given_up")]
    condition: Option<String>,
    /// Store what mappings gave up on, below aws/lambda/ in the bucket, instead of what is quarantined.
    ///
    /// What passes goes to the table, the rest to the quarantine, each unless it is in one of the two; then the object is
    /// deleted.
    #[arg(long)]
    given_up: bool,
    /// What a record may have, in bytes: the functions' MAX_RECORD_BYTES, where a stack has another than its template.
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20, value_parser = clap::value_parser!(u32).range(1..=10 << 20))]
    max_record_bytes: u32,
    /// Only say how many rows would move and why the others would stay.
    #[arg(long)]
    dry_run: bool,
    /// A folder of dataset definitions to use instead of those compiled in.
    #[arg(long, value_name = "DIR")]
    datasets: Option<String>,
    #[command(flatten)]
    lake: LakeAt,
}

impl Replay {
    /// Runs the command.
    pub async fn run(&self) -> Result<()> {
        let catalog = catalog(self.datasets.as_deref())?;
        let definition = DatasetName::parse(&self.dataset)
            .ok()
            .and_then(|name| catalog.get(&name).cloned());
        let definition: Arc<Definition> = definition.with_context(|| {
            format!(
                "`{}` is no dataset that is defined; --datasets names other definitions",
                self.dataset
            )
        })?;
        let lake = self.lake.open().await?;
        let limits = Limits {
            record_bytes: self.max_record_bytes as usize,
            ..Limits::default()
        };
        let cleaner = Cleaner::new(Arc::clone(&definition), limits);
        let mut tally = Tally::new(self.dry_run);
        let outcome = if self.given_up {
            given_up::replay(&lake, &catalog, &definition, cleaner, self.dry_run, &mut tally).await
        } else {
            let condition = self.condition.as_deref();
            quarantined::replay(
                &lake,
                &catalog,
                &definition,
                cleaner,
                condition,
                self.dry_run,
                &mut tally,
            )
            .await
        };
        // What was done is told, also if the rest could not be.
        if outcome.is_ok() || !tally.is_empty() {
            tally.show(&definition);
        }
        outcome
    }
}

/// A bar for somebody who watches.
fn progress(length: u64, what: &'static str) -> ProgressBar {
    if io::stderr().is_terminal() {
        bar(length, what)
    } else {
        ProgressBar::hidden()
    }
}
