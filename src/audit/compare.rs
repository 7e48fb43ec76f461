//! The audit of one dataset: everything that was delivered against everything that is stored.

use std::{
    collections::{HashMap, HashSet},
    ops::RangeInclusive,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result};
use aws_sdk_kinesis::Client;
use chrono::{DateTime, NaiveDate, Utc};
use pinlake_dataset::Definition;
use pinlake_lake::{Lake, SequenceNumber, Source};

use super::{
    findings::{self, Doubled, Findings},
    given_up::Kept,
    raw,
    stream::Stream,
    window::{Due, Seen, Tables, Window},
};

/// A row that is on its way from one table to the other is in both, or in neither, for a moment.
const MOMENT: Duration = Duration::from_secs(2);

/// What is to be audited.
pub struct Order<'a> {
    /// Where the tables and the raw objects are.
    pub lake: &'a Lake,
    /// The dataset.
    pub definition: &'a Arc<Definition>,
    /// Its stream, and who reads it. `None`: only raw objects are audited.
    pub stream: Option<(&'a Client, String)>,
    /// What mappings gave up on.
    pub given_up: &'a Kept,
    /// Whether raw objects are audited.
    pub raw: bool,
    /// Only records that arrived on these days, UTC.
    pub days: Option<RangeInclusive<NaiveDate>>,
    /// The stream is read up to this time.
    pub started: DateTime<Utc>,
    /// What arrived in the stream before must be stored.
    pub settled_before: DateTime<Utc>,
    /// Raw objects that were put before must be stored, line by line.
    pub raw_settled_before: DateTime<Utc>,
}

impl Order<'_> {
    /// Whether a day was asked about.
    pub(super) fn asks_about(&self, day: NaiveDate) -> bool {
        self.days.as_ref().is_none_or(|days| days.contains(&day))
    }
}

/// An audit under way.
pub(super) struct Comparison {
    tables: Tables,
    pub(super) window: Window,
    pub(super) findings: Findings,
    /// What looks missing or doubled.
    suspects: HashMap<String, Seen>,
}

/// Audits a dataset.
///
/// # Errors
/// Something cannot be read, or there is no such stream.
pub async fn audit(order: &Order<'_>) -> Result<Findings> {
    // Before anything is read: whatever is in these versions was delivered by then.
    let tables = Tables::open(order.lake, order.definition.name()).await?;
    let rows = tables.rows();
    let mut comparison = Comparison {
        tables,
        window: Window::default(),
        findings: Findings {
            dataset: order.definition.name().to_string(),
            ..Findings::default()
        },
        suspects: HashMap::new(),
    };
    if let Some((client, name)) = &order.stream {
        comparison.stream(order, client, name).await?;
    }
    if order.raw {
        raw::compare(order, &mut comparison).await?;
    }
    comparison.look_again(order).await?;
    let mut findings = comparison.findings;
    if let Some((_, name)) = &order.stream {
        tell_given_up(&mut findings, order.given_up, name);
    }
    let compared = findings.table + findings.quarantine + findings.unexpected.len() as u64;
    findings.uncompared = rows.saturating_sub(compared);
    findings.missing.sort_unstable();
    findings.unexpected.sort_unstable();
    findings
        .doubled
        .sort_unstable_by(|left, right| left.origin.cmp(&right.origin));
    Ok(findings)
}

impl Comparison {
    /// What the stream keeps, and what was given up of it and is not kept any more.
    async fn stream(&mut self, order: &Order<'_>, client: &Client, name: &str) -> Result<()> {
        let stream = Stream::new(client, name);
        let shards = stream.shards().await?;
        let shards = shards.with_context(|| format!("there is no stream `{name}`"))?;
        let mut given_up = order.given_up.get(name).cloned().unwrap_or_default();
        for shard in shards {
            let table = self.tables.table.as_ref();
            let watermark = table.and_then(|table| table.watermark(&Source::kinesis(name, &shard)));
            stream
                .read(&shard, order.started, async |origin, arrived| {
                    let due = if arrived.is_some_and(|arrived| !order.asks_about(arrived.date_naive())) {
                        Due::Aside
                    } else if given_up.remove(&origin).is_some()
                        || arrived.is_some_and(|arrived| arrived < order.settled_before)
                        || is_covered(&origin, watermark)
                    {
                        Due::Yes
                    } else {
                        Due::NotYet
                    };
                    self.window.add(origin, due);
                    self.count_if_full().await
                })
                .await?;
            tracing::info!(stream = name, shard, "shard read");
        }
        self.count().await?;
        for (origin, kept) in given_up {
            let is_asked = order.asks_about(kept.arrived.date_naive());
            let due = if is_asked { Due::Yes } else { Due::Aside };
            self.window.add_alone(origin, due);
            self.count_if_full().await?;
        }
        self.count().await
    }

    pub(super) async fn count_if_full(&mut self) -> Result<()> {
        match self.window.is_full() {
            true => self.count().await,
            false => Ok(()),
        }
    }

    /// Counts what is in the window, and takes it into the findings.
    pub(super) async fn count(&mut self) -> Result<()> {
        self.window.count(&self.tables).await?;
        let mut window = std::mem::take(&mut self.window);
        self.findings.unexpected.append(&mut window.unexpected);
        // A raw object is read as a whole, and all that comes of it is stored at once: where a line of it is, all are due.
        let objects: HashSet<_> = window
            .seen
            .iter()
            .filter_map(stored_object)
            .map(str::to_owned)
            .collect();
        for (origin, mut seen) in window.seen.drain() {
            if seen.due == Due::NotYet && object(&origin).is_some_and(|object| objects.contains(object)) {
                seen.due = Due::Yes;
            }
            self.take(origin, seen);
        }
        self.window = window.following();
        Ok(())
    }

    fn take(&mut self, origin: String, seen: Seen) {
        if seen.due == Due::Aside {
            return;
        }
        self.findings.delivered += 1;
        match seen.table + seen.quarantine {
            0 if seen.due == Due::NotYet => self.findings.pending += 1,
            1 => {
                self.findings.table += u64::from(seen.table);
                self.findings.quarantine += u64::from(seen.quarantine);
            }
            _ => {
                self.suspects.insert(origin, seen);
            }
        }
    }

    /// Looks at the suspects once more, in newer versions: what was moved meanwhile is where it belongs by then.
    async fn look_again(&mut self, order: &Order<'_>) -> Result<()> {
        if self.suspects.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(MOMENT).await;
        let tables = Tables::open(order.lake, order.definition.name()).await?;
        let mut suspects = std::mem::take(&mut self.suspects).into_iter().peekable();
        while suspects.peek().is_some() {
            let mut window = Window::default();
            while let Some((origin, seen)) = suspects.next_if(|_| !window.is_full()) {
                window.add_alone(origin, seen.due);
            }
            window.count(&tables).await?;
            for (origin, Seen { table, quarantine, .. }) in window.seen {
                self.findings.table += u64::from(table);
                self.findings.quarantine += u64::from(quarantine);
                match table + quarantine {
                    0 => self.findings.missing.push(origin),
                    1 => {}
                    _ => self.findings.doubled.push(Doubled {
                        origin,
                        table,
                        quarantine,
                    }),
                }
            }
        }
        Ok(())
    }
}

/// The raw object that a record is a line of.
fn object(origin: &str) -> Option<&str> {
    Some(origin.rsplit_once('#')?.0)
}

/// The same, of a record that was found.
fn stored_object<'a>((origin, seen): (&'a String, &Seen)) -> Option<&'a str> {
    (seen.table + seen.quarantine > 0).then(|| object(origin)).flatten()
}

/// Whether the table's watermark proves that the record was stored in one of the two.
fn is_covered(origin: &str, watermark: Option<SequenceNumber>) -> bool {
    let number = origin
        .rsplit('/')
        .next()
        .and_then(|number| number.parse::<SequenceNumber>().ok());
    number.is_some() && number <= watermark
}

/// Takes what was given up from what is missing.
fn tell_given_up(findings: &mut Findings, given_up: &Kept, stream: &str) {
    let Some(objects) = given_up.get(stream) else { return };
    let missing = std::mem::take(&mut findings.missing);
    for origin in missing {
        match objects.get(&origin) {
            None => findings.missing.push(origin),
            Some(kept) => findings.given_up.push(findings::GivenUp {
                origin,
                object: kept.object.clone(),
            }),
        }
    }
    findings
        .given_up
        .sort_unstable_by(|left, right| left.origin.cmp(&right.origin));
}
