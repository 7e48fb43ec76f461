//! `pinlake audit`: compares what was delivered with table and quarantine, and names every record that is not in one of
//! the two, once.
//!
//! ```text
//! Kinesis, every shard from its oldest record ─┐
//! aws/lambda/…, what mappings gave up on ──────┼─► windows of origins ─► counted in table and quarantine ─► Findings
//! raw objects, every line ─────────────────────┘
//! ```
//!
//! | file | idea |
//! |---|---|
//! | `window` | origins, counted in both tables |
//! | `stream`, `raw`, `given_up` | what was delivered |
//! | `compare` | one dataset |
//! | `findings` | what came of it, for programs and for people |
//!
//! # What is due
//! A record of the stream must be in a table if the table's watermark covers it, or if it arrived before `settled_before`.
//! A line of a raw object must be if another line of it is in a table (an object is read as a whole), if its day was cleaned
//! from the objects that are there now, or if the object was put there before `raw_settled_before`. What is younger and in no
//! table is *not yet*. What mappings gave up on is always due.
//!
//! What the stream does not keep any more, and raw objects that were expired, cannot be compared: their rows are *not
//! compared*, and never *unexpected*.
//!
//! # Invariants
//! - Each record that is lost or doubled is named, and no other (`audits_name_what_was_done_to_the_tables`).
//! - A row that is moved while the audit runs is neither missing nor doubled: what looks so is looked at again.
//! - Memory is bounded by a window of origins and the origins that are to be named.

mod compare;
mod findings;
mod given_up;
mod raw;
mod stream;
mod window;

use std::{ops::RangeInclusive, process::ExitCode, sync::Arc};

use anyhow::{Context, Result, bail};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use clap::Args;
use pinlake_dataset::{Catalog, DatasetName, Definition};

pub use self::{
    compare::{Order, audit},
    findings::{Doubled, Findings, GivenUp},
};
pub(crate) use given_up::{InvocationRecord, folder as given_up_folder};
pub use given_up::{Kept, KeptRecord, find as find_given_up};

use crate::{
    client::Via,
    place::{LakeAt, StreamsAt, catalog},
    terminal::say,
};

/// How old a record of a stream is by then, unless told otherwise: a batch window of five minutes, an invocation, a retry.
const STREAM_GRACE: TimeDelta = TimeDelta::minutes(10);
/// The same of a raw object: the daily run of the day after, at whatever hour.
const RAW_GRACE: TimeDelta = TimeDelta::hours(48);
/// Of each kind so many records are named on the terminal.
const SHOWN: usize = 20;

/// Compares what was delivered with table and quarantine, and names every record that is missing or there twice.
///
/// Delivered is what the stream still keeps, what mappings gave up on, and the lines of the raw objects that are still there.
/// The exit code is 0 if every record that is due is in one table, once; 1 if one is not; 2 if no audit was made.
#[derive(Debug, Args)]
pub struct Audit {
    /// The dataset; may be given several times. Default: all that are defined.
    #[arg(long, value_name = "NAME")]
    dataset: Vec<String>,
    /// Audit this stream only. Default: that of each dataset, `<prefix>-<dataset>`, and the raw objects.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["stream_prefix", "via"])]
    stream: Option<String>,
    /// What the streams' names begin with: the name of the stack.
    #[arg(long, value_name = "NAME", default_value = "pinlake")]
    stream_prefix: String,
    /// Audit one of the two ways in only.
    #[arg(long, value_enum)]
    via: Option<Via>,
    /// Only records that arrived on this day, UTC.
    #[arg(long, value_name = "YYYY-MM-DD", conflicts_with_all = ["from", "to"])]
    day: Option<NaiveDate>,
    /// The first day of several.
    #[arg(long, value_name = "YYYY-MM-DD", requires = "to")]
    from: Option<NaiveDate>,
    /// The last day of several.
    #[arg(long, value_name = "YYYY-MM-DD", requires = "from")]
    to: Option<NaiveDate>,
    /// What arrived before must be stored: `now`, or a time as in 2026-11-24T02:00:00Z.
    ///
    /// Default: ten minutes ago for streams, 48 hours ago for raw objects. What the table's watermark covers, and the raw
    /// objects that were cleaned, are due in any case.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    settled_before: Option<Moment>,
    /// Answer in JSON, a line for each dataset.
    #[arg(long)]
    json: bool,
    /// Name every record, however many they are.
    #[arg(long)]
    all: bool,
    /// A folder of dataset definitions to use instead of those compiled in.
    #[arg(long, value_name = "DIR")]
    datasets: Option<String>,
    #[command(flatten)]
    lake: LakeAt,
    #[command(flatten)]
    streams: StreamsAt,
}

/// A time, or the time at which the audit begins.
#[derive(Debug, Clone, Copy)]
struct Moment(Option<DateTime<Utc>>);

fn moment(text: &str) -> Result<Moment, String> {
    if text == "now" {
        return Ok(Moment(None));
    }
    let time = DateTime::parse_from_rfc3339(text);
    time.map(|time| Moment(Some(time.to_utc())))
        .map_err(|_| "it is neither `now` nor a time as in 2026-11-24T02:00:00Z".to_owned())
}

impl Audit {
    /// Runs the command, and gives its exit code.
    pub async fn run(&self) -> Result<ExitCode> {
        let started = Utc::now();
        let catalog = catalog(self.datasets.as_deref())?;
        let definitions = self.definitions(&catalog)?;
        let lake = self.lake.open_beside(&self.streams).await?;
        let (by_streams, by_topics) = (self.via != Some(Via::Topics), self.via != Some(Via::Streams));
        let streams = match by_streams {
            true => Some(self.lake.streams(&self.streams).await?),
            false => None,
        };
        let audits = async {
            let given_up = match by_streams {
                true => given_up::find(&lake).await?,
                false => given_up::Kept::new(),
            };
            let mut all = Vec::new();
            for definition in definitions {
                let of_prefix = || format!("{}-{}", self.stream_prefix, definition.name());
                let findings = audit(&Order {
                    lake: &lake,
                    definition: &definition,
                    stream: streams
                        .as_ref()
                        .map(|streams| (&streams.client, self.stream.clone().unwrap_or_else(of_prefix))),
                    given_up: &given_up,
                    raw: by_topics && self.stream.is_none(),
                    days: self.days()?,
                    started,
                    settled_before: self.settled_before(started, STREAM_GRACE),
                    raw_settled_before: self.settled_before(started, RAW_GRACE),
                })
                .await
                .with_context(|| format!("{} could not be audited", definition.name()))?;
                if self.json {
                    say(format_args!("{}", serde_json::to_string(&findings)?));
                }
                all.push(findings);
            }
            anyhow::Ok(all)
        };
        let all = audits.await;
        if let Some(streams) = streams {
            streams.close().await;
        }
        let all = all?;
        if !self.json {
            self.show(&all);
        }
        Ok(ExitCode::from(u8::from(!all.iter().all(Findings::is_clean))))
    }

    /// What is to be audited.
    fn definitions(&self, catalog: &Catalog) -> Result<Vec<Arc<Definition>>> {
        let defined = |name: &str| {
            let found = DatasetName::parse(name)
                .ok()
                .and_then(|name| catalog.get(&name).cloned());
            found.with_context(|| format!("`{name}` is no dataset that is defined; --datasets names other definitions"))
        };
        match (&self.stream, &self.dataset[..]) {
            (None, []) => Ok(catalog.iter().cloned().collect()),
            (Some(stream), []) => {
                let found = catalog.route(stream).cloned();
                let found = found.with_context(|| format!("`{stream}` leads to no dataset; --dataset names it"))?;
                Ok(vec![found])
            }
            (Some(_), [_, _, ..]) => bail!("a stream is of one dataset, but --dataset names {}", self.dataset.len()),
            (_, names) => names.iter().map(|name| defined(name)).collect(),
        }
    }

    fn days(&self) -> Result<Option<RangeInclusive<NaiveDate>>> {
        match (self.day, self.from, self.to) {
            (Some(day), ..) => Ok(Some(day..=day)),
            (None, Some(from), Some(to)) if to < from => bail!("--to {to} lies before --from {from}"),
            (None, Some(from), Some(to)) => Ok(Some(from..=to)),
            _ => Ok(None),
        }
    }

    fn settled_before(&self, started: DateTime<Utc>, grace: TimeDelta) -> DateTime<Utc> {
        match self.settled_before {
            Some(Moment(time)) => time.unwrap_or(started),
            None => started - grace,
        }
    }

    fn show(&self, all: &[Findings]) {
        let most = if self.all { usize::MAX } else { SHOWN };
        say(format_args!("{}", findings::counts(all)));
        for findings in all {
            findings::name_each(findings, most);
        }
        if all.iter().all(Findings::is_nothing) {
            say(format_args!("no record was delivered, as far as is still known"));
        } else if all.iter().all(Findings::is_clean) {
            say(format_args!("every record that is due is stored once"));
        }
        if all.iter().any(|findings| !findings.given_up.is_empty()) {
            say(format_args!("`pinlake replay --given-up` stores what was given up"));
        }
    }
}
