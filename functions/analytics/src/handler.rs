//! The handler: an event in; days cleaned, questions answered, a page written; a summary out.
//!
//! What fails stops nothing that does not need it: a day that cannot be cleaned stays as it was, the reports are asked all
//! the same, and a report that fails is shown as such on the page. At the end the run fails if anything did, so that it is
//! tried again and somebody is told.
//!
//! # Invariants
//! - A run can be repeated, and broken off anywhere and repeated, with the same outcome (`a_run_repeated_is_the_same`,
//!   `a_run_broken_off_is_mended_by_the_next`).
//! - A failure never hides another (`a_failing_report_fails_the_run_at_the_end`).
//! - A report about a dataset that is not defined is no failure (`reports_about_other_datasets_are_not_asked`).

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, NaiveDate, Utc};
use lambda_runtime::Diagnostic;
use object_store::ObjectStoreExt as _;
use pinlake_dataset::{Catalog, Definition};
use pinlake_host::{
    chain,
    metrics::{self, Metrics, Teller},
};
use pinlake_lake::Lake;
use serde_json::value::RawValue;

use crate::{
    batch::{Batch, BatchSettings, CleanedDay},
    event::{EventError, Order},
    facts::{self, Facts},
    page::{self, DataLinks},
    query::{QuerySettings, Session, run_reports},
    report::{NotAsked, Outcome, Report},
    reports::Reports,
    results,
    settings::Settings,
    summary::{DaySummary, ReportSummary, Summary, millis},
};

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The event says nothing that can be done. Nothing was.
    #[error(transparent)]
    Event(#[from] EventError),
    /// Something in it failed. The rest is done, as the summary says.
    #[error("{} of the run for {} failed: {}", count(&.0.failures), .0.run_date, .0.failures.join("; "))]
    Run(Box<Summary>),
    /// The answer cannot be written as JSON.
    #[error("could not write the answer")]
    Answer(#[source] serde_json::Error),
}

fn count(failures: &[String]) -> String {
    match failures.len() {
        1 => "a part".to_owned(),
        parts => format!("{parts} parts"),
    }
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        let error_type = match &error {
            Error::Event(_) => "Event",
            Error::Run(_) => "Run",
            Error::Answer(_) => "Answer",
        };
        Self {
            error_type: error_type.to_owned(),
            error_message: chain(&error),
        }
    }
}

/// Handles events.
#[derive(Debug)]
pub struct Handler {
    catalog: Catalog,
    reports: Reports,
    lake: Lake,
    batch: BatchSettings,
    query: QuerySettings,
    lookback_days: u32,
    metrics: Metrics,
}

/// What a run has come to so far.
#[derive(Default)]
struct Progress {
    cleaned: Vec<DaySummary>,
    damage: Vec<String>,
    failures: Vec<String>,
}

impl Handler {
    /// A handler for the catalog's datasets and these reports. Makes no request.
    pub fn new(catalog: Catalog, reports: Reports, lake: &Lake, settings: &Settings) -> Self {
        Self {
            catalog,
            reports,
            lake: lake.clone(),
            batch: settings.batch,
            query: settings.query.clone(),
            lookback_days: settings.lookback_days,
            metrics: Metrics::silent(Teller::Analytics),
        }
    }

    /// The same handler, telling its metrics. Without this it tells none.
    #[must_use]
    pub fn with_metrics(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
    }

    /// Handles an event as Lambda gives it: see [`Order`].
    ///
    /// # Errors
    /// The event is wrong, or a part of the run failed.
    pub async fn handle(&self, event: Box<RawValue>) -> Result<Summary, Error> {
        self.run(event.get().as_bytes(), Utc::now()).await
    }

    /// Handles an event given as JSON bytes and answers in JSON bytes: the local runner's way.
    ///
    /// # Errors
    /// As [`handle`](Self::handle).
    pub async fn invoke(&self, event: &[u8]) -> Result<Vec<u8>, Error> {
        let summary = self.run(event, Utc::now()).await?;
        serde_json::to_vec(&summary).map_err(Error::Answer)
    }

    /// Runs what the event asks for.
    ///
    /// # Errors
    /// As [`handle`](Self::handle).
    pub async fn run(&self, event: &[u8], now: DateTime<Utc>) -> Result<Summary, Error> {
        let started = Instant::now();
        let order = Order::read(event, now)?;
        let mut progress = Progress::default();
        for definition in self.catalog.iter() {
            self.clean(&order, definition, now, &mut progress).await;
        }
        let summary = self.report(&order, progress, now, started).await;
        tracing::info!(
            run_date = %summary.run_date,
            days = summary.cleaned.len(),
            rows = summary.cleaned.iter().map(|day| day.rows).sum::<u64>(),
            quarantined = summary.cleaned.iter().map(|day| day.quarantined).sum::<u64>(),
            reports = summary.reports.len(),
            not_asked = summary.not_asked.len(),
            damaged = summary.damage.len(),
            failures = summary.failures.len(),
            took_ms = summary.took_ms,
            "run ended"
        );
        let reported = u64::from(summary.failures.is_empty());
        self.metrics.tell(None, &[], &[(metrics::DAYS_REPORTED, reported)]);
        if summary.failures.is_empty() {
            Ok(summary)
        } else {
            Err(Error::Run(Box::new(summary)))
        }
    }

    /// The ordered days of one dataset, and the earlier ones if objects have come late.
    async fn clean(&self, order: &Order, definition: &Arc<Definition>, now: DateTime<Utc>, progress: &mut Progress) {
        let batch = Batch::new(&self.lake, definition, self.batch);
        let mut days: BTreeMap<NaiveDate, bool> = BTreeMap::new();
        for day in order.lookback(self.lookback_days) {
            match batch.has_changed(day).await {
                Ok(true) => drop(days.insert(day, true)),
                Ok(false) => {}
                Err(error) => progress.fail(&format!("{day} of `{}`", definition.name()), &error),
            }
        }
        days.extend(order.days.iter().map(|day| (*day, false)));
        for (day, late) in days {
            let began = Instant::now();
            // Boxed because it is large and awaited once a day.
            match Box::pin(batch.clean(day, order.force, now)).await {
                Ok(None) => {}
                Ok(Some(cleaned)) => {
                    progress.damage.extend(cleaned.damage.iter().map(ToString::to_string));
                    let date = ("date", day.to_string());
                    self.metrics
                        .tell(Some(definition.name()), &[date], &values(&cleaned, began.elapsed()));
                    let day = DaySummary::new(definition.name(), day, late, &cleaned);
                    tracing::info!(
                        dataset = day.dataset, date = %day.date, late, objects = day.objects, size_bytes = day.size_bytes,
                        written = day.rows, quarantined = day.quarantined, files = day.files, "day cleaned"
                    );
                    progress.cleaned.push(day);
                }
                Err(error) => progress.fail(&format!("{day} of `{}`", definition.name()), &error),
            }
        }
    }

    /// Asks the questions that are for the catalog's datasets, keeps the answers, writes the page.
    async fn report(&self, order: &Order, mut progress: Progress, now: DateTime<Utc>, started: Instant) -> Summary {
        let run_date = order.days.last().copied().unwrap_or_default();
        let (mut outcomes, mut datasets) = (Vec::new(), Vec::new());
        let (asked, not_asked) = self.reports.over(&self.catalog);
        let told = not_asked.iter().map(|NotAsked { report, reason }| {
            tracing::info!(report = report.name, reason, "report not asked");
            format!("{} {reason}", report.name)
        });
        let told = told.collect();
        match Session::open_readable(&self.lake, &self.catalog, self.query.clone()).await {
            Ok((session, faults)) => {
                for fault in faults {
                    progress.fail("the reports", &fault);
                }
                outcomes = run_reports(&session, &asked).await;
                match facts::collect(&session, run_date).await {
                    Ok(collected) => datasets = collected,
                    Err(error) => progress.fail("the facts", &error),
                }
            }
            Err(error) => progress.fail("the reports", &error),
        }
        let failures_before = progress.failures.clone();
        for outcome in &mut outcomes {
            self.keep(outcome, run_date, &mut progress).await;
        }
        let facts = Facts {
            run_date,
            started_at: now,
            took: started.elapsed(),
            datasets,
            damage: progress.damage.clone(),
            failures: failures_before,
            not_asked,
        };
        let page = page_key(run_date);
        if let Err(error) = self.write_page(&facts, &outcomes, &page).await {
            progress.fail("the page", error.as_ref());
        }
        Summary {
            run_date,
            cleaned: progress.cleaned,
            reports: outcomes.iter().map(ReportSummary::new).collect(),
            not_asked: told,
            page,
            took_ms: millis(started.elapsed()),
            failures: progress.failures,
            damage: progress.damage,
        }
    }

    /// Keeps an answer. One that cannot be kept is no answer.
    async fn keep(&self, outcome: &mut Outcome, run_date: NaiveDate, progress: &mut Progress) {
        let report = Arc::clone(&outcome.report);
        let reason = match &outcome.answer {
            Err(reason) => reason.clone(),
            Ok(answer) => match results::write(&self.lake, &report, run_date, answer).await {
                Ok(()) => return,
                Err(error) => chain(&error),
            },
        };
        progress.failures.push(format!("report {}: {reason}", report.name));
        outcome.answer = Err(reason);
    }

    async fn write_page(
        &self,
        facts: &Facts,
        outcomes: &[Outcome],
        page: &str,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let html = page::render(facts, outcomes, |report| links(report, facts.run_date))?;
        self.lake.store().put(&self.lake.key(page), html.into()).await?;
        Ok(())
    }
}

impl Progress {
    fn fail(&mut self, what: &str, error: &dyn std::error::Error) {
        let line = format!("{what}: {}", chain(error));
        tracing::error!(failure = line, "a part of the run failed");
        self.failures.push(line);
    }
}

/// A cleaned day as metrics. What was delivered is counted as lines are read, what became of it in the commits; a day is
/// replaced as a whole, so nothing of it is skipped.
fn values(day: &CleanedDay, took: Duration) -> [(metrics::Metric, u64); 7] {
    let (written, quarantined) = (day.table.rows, day.quarantine.rows);
    [
        (metrics::RECORDS_DELIVERED, day.lines),
        (metrics::ROWS_WRITTEN, written),
        (metrics::RECORDS_SKIPPED, 0),
        (metrics::ROWS_QUARANTINED, quarantined),
        (metrics::RECONCILIATION_GAP, day.lines.abs_diff(written + quarantined)),
        (metrics::COMMIT_TIME, millis(took)),
        (
            metrics::COMMIT_CONFLICTS,
            u64::from(day.table.conflicts + day.quarantine.conflicts),
        ),
    ]
}

/// The page of a day, below the lake's root.
pub fn page_key(run_date: NaiveDate) -> String {
    format!("results/run_date={run_date}/report.html")
}

/// Where the page finds an answer.
fn links(report: &Report, run_date: NaiveDate) -> DataLinks {
    let folder = results::folder(&report.name, run_date);
    // The page lies two folders deep, as the results do: `results/run_date=…/report.html`.
    let folder = folder.strip_prefix("results/").unwrap_or(&folder);
    DataLinks {
        json: format!("../{folder}/{}", results::RESULT_JSON),
        parquet: format!("../{folder}/{}", results::RESULT_PARQUET),
    }
}
