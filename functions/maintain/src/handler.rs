//! The handler: a schedule's event in, tables in shape, a summary out.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use pinlake_dataset::{Catalog, DatasetName};
use pinlake_host::{
    chain,
    metrics::{self, Metrics, Teller},
};
use pinlake_lake::{Bin, Compaction, Error as LakeError, Kind, Lake, State, Upkeep};
use serde_json::value::RawValue;

use crate::{
    budget::{Budget, Pace},
    error::{Error, Failure},
    request::{Request, names},
    settings::Settings,
    summary::{Summary, TableSummary},
};

/// Keeps the tables of a catalog in shape. Remembers nothing from run to run.
#[derive(Debug)]
pub struct Handler {
    datasets: Vec<DatasetName>,
    tables: Vec<(DatasetName, Upkeep)>,
    settings: Settings,
    metrics: Metrics,
}

/// One table in the course of a run.
struct Work<'a> {
    upkeep: &'a Upkeep,
    state: State,
    /// The version that was found.
    found: u64,
    /// What is to be compacted.
    bins: Vec<Bin>,
    summary: TableSummary,
}

/// What became of a step that had so much time and no more.
enum Step<T> {
    Done(T),
    Failed(LakeError),
    /// It was dropped, or not even begun.
    OutOfTime,
}

impl Handler {
    /// A handler for the tables and quarantines of the catalog's datasets. Makes no request.
    ///
    /// # Errors
    /// [`Error::Lake`] if the lake's address cannot hold tables.
    pub fn new(catalog: &Catalog, lake: &Lake, settings: &Settings) -> Result<Self, Error> {
        let datasets = names(catalog);
        let mut tables = Vec::new();
        for kind in [Kind::Table, Kind::Quarantine] {
            for dataset in &datasets {
                let upkeep = Upkeep::new(lake, kind, dataset).map_err(Box::new)?;
                tables.push((dataset.clone(), upkeep));
            }
        }
        Ok(Self {
            datasets,
            tables,
            settings: settings.clone(),
            metrics: Metrics::silent(Teller::Maintain),
        })
    }

    /// The same handler, telling its metrics. Without this it tells none.
    #[must_use]
    pub fn with_metrics(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
    }

    /// Handles an event as Lambda gives it, and ends before `deadline`.
    ///
    /// # Errors
    /// As [`run_as`](Self::run_as), and if the event cannot be read.
    pub async fn handle(&self, event: Box<RawValue>, deadline: DateTime<Utc>) -> Result<Summary, Error> {
        let request = Request::parse(event.get().as_bytes())?;
        self.run_as(&request, Utc::now(), deadline).await
    }

    /// Handles an event given as JSON bytes and answers in JSON bytes: the local runner's way.
    ///
    /// # Errors
    /// As [`handle`](Self::handle).
    pub async fn invoke(&self, event: &[u8], deadline: DateTime<Utc>) -> Result<Vec<u8>, Error> {
        let summary = self.run_as(&Request::parse(event)?, Utc::now(), deadline).await?;
        serde_json::to_vec(&summary).map_err(Error::Answer)
    }

    /// Keeps every table up. It is `now`, and everything ends before `deadline`.
    ///
    /// # Errors
    /// As [`run_as`](Self::run_as).
    pub async fn run(&self, now: DateTime<Utc>, deadline: DateTime<Utc>) -> Result<Summary, Error> {
        self.run_as(&Request::default(), now, deadline).await
    }

    /// Keeps the tables up that are asked for. A table that does not exist yet is passed over.
    ///
    /// # Errors
    /// [`Error::Tables`] names the tables that failed, after all others have had their upkeep; [`Error::NoDataset`] if
    /// there is no such dataset.
    pub async fn run_as(
        &self,
        request: &Request,
        now: DateTime<Utc>,
        deadline: DateTime<Utc>,
    ) -> Result<Summary, Error> {
        request.check(&self.datasets)?;
        let budget = Budget::new(now, deadline);
        let mut summaries = Vec::new();
        let mut works = Vec::new();
        for (dataset, upkeep) in &self.tables {
            if request.asks_for(dataset) {
                match self.look(upkeep, &budget).await {
                    Ok(work) => works.extend(work),
                    Err(failed) => summaries.push(failed),
                }
            }
        }
        if request.dry_run {
            self.foretell(&mut works, &budget).await;
        } else {
            self.compact(&mut works, &budget).await;
            self.checkpoint(&mut works, &budget).await;
            self.vacuum(&mut works, &budget, false).await;
            self.clean_logs(&mut works, &budget).await;
            look_again(&mut works, &budget).await;
        }
        summaries.extend(works.into_iter().map(|work| work.summary));
        summaries.sort_by(|left, right| left.table.cmp(&right.table));
        summaries.iter().for_each(report);
        if !request.dry_run {
            summaries.iter().for_each(|table| self.tell(table));
        }
        conclude(Summary {
            started_at: now,
            took_ms: u64::try_from(budget.spent().as_millis()).unwrap_or(u64::MAX),
            dry_run: request.dry_run,
            tables: summaries,
        })
    }

    /// Tells a table's upkeep as metrics.
    fn tell(&self, table: &TableSummary) {
        let of = self.tables.iter().find(|(_, upkeep)| upkeep.name() == table.table);
        let name = ("table", table.table.clone());
        self.metrics
            .tell(of.map(|(dataset, _)| dataset), &[name], &values(table));
    }

    /// What there is to do to a table; nothing if there is none. `Err` is the summary of one that cannot be read.
    async fn look<'a>(&self, upkeep: &'a Upkeep, budget: &Budget) -> Result<Option<Work<'a>>, TableSummary> {
        let mut summary = TableSummary {
            table: upkeep.name().to_owned(),
            ..TableSummary::default()
        };
        match within(budget.left(), upkeep.look()).await {
            Step::Done(None) => Ok(None),
            Step::Done(Some(state)) => {
                summary.before = state.totals().into();
                summary.after = summary.before;
                Ok(Some(Work {
                    upkeep,
                    found: state.version(),
                    bins: state.bins(self.settings.target_bytes),
                    state,
                    summary,
                }))
            }
            Step::Failed(error) => {
                summary.failure = Some(chain(&error));
                Err(summary)
            }
            Step::OutOfTime => {
                summary.failure = Some("there was no time to look at it".to_owned());
                Err(summary)
            }
        }
    }

    /// A dry run: what the others would find to do.
    async fn foretell(&self, works: &mut [Work<'_>], budget: &Budget) {
        for work in works.iter_mut() {
            work.summary.left = work.bins.len();
        }
        self.vacuum(works, budget, true).await;
    }

    /// Compacts bins, of all tables, the one that saves most files first.
    async fn compact(&self, works: &mut [Work<'_>], budget: &Budget) {
        let mut pace = Pace::default();
        loop {
            let left = budget.left_to_compaction();
            let Some((work, bin)) = next_bin(works, |bin| pace.fits(bin.size_bytes(), left)) else {
                break;
            };
            let began = Instant::now();
            let compaction = work
                .upkeep
                .compact(&mut work.state, &bin, self.settings.lake.commit_tries, budget.now());
            match within(left, compaction).await {
                Step::Done(Compaction::Done {
                    version,
                    size_bytes,
                    conflicts,
                }) => {
                    pace.measured(bin.size_bytes(), began.elapsed());
                    work.summary.compacted(&bin, conflicts);
                    tracing::debug!(
                        table = work.summary.table,
                        partition = bin.partition(),
                        files = bin.files(),
                        bytes_before = bin.size_bytes(),
                        bytes_after = size_bytes,
                        version,
                        "files compacted"
                    );
                }
                Step::Done(Compaction::Refused) | Step::Failed(LakeError::Contention { .. }) => {
                    work.summary.given_up += 1;
                }
                Step::Failed(error) => work.fail(&error),
                // It was slower than thought.
                Step::OutOfTime => {
                    work.summary.left += 1;
                    break;
                }
            }
        }
        for work in works {
            work.summary.left += work.bins.len();
        }
    }

    async fn checkpoint(&self, works: &mut [Work<'_>], budget: &Budget) {
        for work in going_on(works) {
            if work.state.commits_since_checkpoint() < self.settings.checkpoint_commits {
                continue;
            }
            let step = within(budget.left(), work.upkeep.checkpoint()).await;
            work.summary.checkpoint = work.settle("checkpoint", step);
        }
    }

    async fn vacuum(&self, works: &mut [Work<'_>], budget: &Budget, dry_run: bool) {
        let retention = self.settings.vacuum_retention;
        for work in going_on(works) {
            let step = within(budget.left(), work.upkeep.vacuum(retention, budget.now(), dry_run)).await;
            work.summary.vacuumed_files = work.settle("vacuum", step).unwrap_or_default();
        }
    }

    async fn clean_logs(&self, works: &mut [Work<'_>], budget: &Budget) {
        let retention = self.settings.log_retention;
        for work in going_on(works) {
            let cleaning = work.upkeep.clean_log(&work.state, retention, budget.now());
            let step = within(budget.left(), cleaning).await;
            work.summary.log_files_deleted = work.settle("clean log", step).unwrap_or_default();
        }
    }
}

/// The tables that nothing has gone wrong with so far.
fn going_on<'w, 'a>(works: &'w mut [Work<'a>]) -> Vec<&'w mut Work<'a>> {
    works.iter_mut().filter(|work| work.goes_on()).collect()
}

/// Takes the bin with most files out of those that fit.
fn next_bin<'w, 'a>(works: &'w mut [Work<'a>], fits: impl Fn(&Bin) -> bool) -> Option<(&'w mut Work<'a>, Bin)> {
    let going_on = works.iter().enumerate().filter(|(_, work)| work.goes_on());
    let bins = going_on.flat_map(|(table, work)| {
        let bins = work.bins.iter().enumerate().filter(|(_, bin)| fits(bin));
        bins.map(move |(index, bin)| (bin.files(), table, index))
    });
    let (_, table, index) = bins.max_by_key(|(files, ..)| *files)?;
    let work = works.get_mut(table)?;
    let bin = work.bins.remove(index);
    Some((work, bin))
}

/// What the compacted tables hold now, and whether it is what they held before.
async fn look_again(works: &mut [Work<'_>], budget: &Budget) {
    for work in works.iter_mut() {
        if work.summary.compactions == 0 {
            continue;
        }
        let step = within(budget.left(), work.upkeep.look()).await;
        let Some(Some(after)) = work.settle("look again", step) else {
            continue;
        };
        work.summary.after = after.totals().into();
        let (before, rows) = (work.summary.before.rows, work.summary.after.rows);
        // Nobody but us has committed, so the rows are the same. They are: each commit was checked.
        if after.version() == work.found + work.summary.compactions as u64 && rows != before {
            work.summary.failure = Some(format!("{before} rows have become {rows}"));
        }
    }
}

impl Work<'_> {
    fn goes_on(&self) -> bool {
        self.summary.failure.is_none()
    }

    fn fail(&mut self, error: &LakeError) {
        self.summary.failure = Some(chain(error));
    }

    /// Notes what became of a step, and gives back what it came to.
    fn settle<T>(&mut self, name: &'static str, step: Step<T>) -> Option<T> {
        match step {
            Step::Done(done) => return Some(done),
            Step::Failed(error) => self.fail(&error),
            Step::OutOfTime => self.summary.skipped.push(name),
        }
        None
    }
}

impl TableSummary {
    fn compacted(&mut self, bin: &Bin, conflicts: u32) {
        self.compactions += 1;
        self.compacted_files += bin.files();
        self.compacted_bytes += bin.size_bytes();
        self.lost_races += conflicts;
    }
}

/// Runs a step, and drops it when the time is up. Without any time it is not begun.
async fn within<T>(left: Duration, step: impl Future<Output = Result<T, LakeError>> + Send) -> Step<T> {
    if left.is_zero() {
        return Step::OutOfTime;
    }
    // Boxed because the steps are large, and awaited a few times a run.
    match tokio::time::timeout(left, Box::pin(step)).await {
        Ok(Ok(done)) => Step::Done(done),
        Ok(Err(error)) => Step::Failed(error),
        Err(_) => Step::OutOfTime,
    }
}

/// A table's upkeep as metrics.
fn values(table: &TableSummary) -> [(metrics::Metric, u64); 4] {
    [
        (metrics::TABLES_FAILED, u64::from(table.failure.is_some())),
        (metrics::FILES_COMPACTED, table.compacted_files as u64),
        (
            metrics::FILES_REMOVED,
            (table.vacuumed_files + table.log_files_deleted) as u64,
        ),
        (metrics::COMMIT_CONFLICTS, u64::from(table.lost_races)),
    ]
}

/// One line per table.
fn report(table: &TableSummary) {
    tracing::info!(
        table = table.table,
        files_before = table.before.files,
        files_after = table.after.files,
        bytes_before = table.before.size_bytes,
        bytes_after = table.after.size_bytes,
        rows_before = table.before.rows,
        rows_after = table.after.rows,
        compactions = table.compactions,
        compacted_files = table.compacted_files,
        lost_races = table.lost_races,
        given_up = table.given_up,
        left = table.left,
        checkpoint = table.checkpoint,
        vacuumed_files = table.vacuumed_files,
        log_files_deleted = table.log_files_deleted,
        skipped = ?table.skipped,
        "table kept up"
    );
    if let Some(reason) = &table.failure {
        tracing::error!(table = table.table, error = reason, "upkeep of a table failed");
    }
}

/// A run is as good as its worst table.
fn conclude(summary: Summary) -> Result<Summary, Error> {
    let failures: Vec<_> = summary
        .tables
        .iter()
        .filter_map(|table| {
            Some(Failure {
                table: table.table.clone(),
                reason: table.failure.clone()?,
            })
        })
        .collect();
    if failures.is_empty() {
        return Ok(summary);
    }
    let summary = Box::new(summary);
    Err(Error::Tables { failures, summary })
}
