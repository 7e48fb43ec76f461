//! What stands on top of the page: the run's facts.

use super::words;
use crate::{
    facts::{DatasetFacts, Facts},
    report::{NotAsked, Outcome},
};

/// The facts as the template sets them.
pub(super) struct Summary {
    /// The day that the run is about.
    pub(super) day: String,
    /// When the run began.
    pub(super) started: String,
    /// How long it took.
    pub(super) took: String,
    /// Large figures.
    pub(super) tiles: Vec<Tile>,
    /// What could not be read.
    pub(super) damage: Vec<String>,
    /// What failed before the questions.
    pub(super) failures: Vec<String>,
    /// Questions, and those that failed: their numbers and titles.
    pub(super) questions: usize,
    pub(super) failed: Vec<(usize, String)>,
    /// Questions that were not asked: their titles, and why.
    pub(super) not_asked: Vec<(String, String)>,
    /// A row for each dataset.
    pub(super) datasets: Vec<Dataset>,
    /// Why records were quarantined.
    pub(super) reasons: Vec<Reason>,
}

/// A large figure, what it counts and what it goes with.
pub(super) struct Tile {
    pub(super) name: &'static str,
    pub(super) figure: String,
    pub(super) detail: String,
    /// Whether it should worry the reader.
    pub(super) bad: bool,
}

/// A dataset's figures.
pub(super) struct Dataset {
    pub(super) name: String,
    pub(super) rows: String,
    pub(super) keys: String,
    pub(super) new_rows: String,
    pub(super) quarantined: String,
    /// When the newest row arrived, and how old it was at the run; `None` if there is no row.
    pub(super) newest: Option<(String, String)>,
}

/// A line about the reasons of a dataset.
pub(super) struct Reason {
    pub(super) dataset: String,
    pub(super) told: Told,
}

pub(super) enum Told {
    /// A reason, and how many records it kept out.
    One {
        /// `None` when the record as a whole is at fault.
        field: Option<String>,
        reason: String,
        count: String,
    },
    /// What is not told one by one: `and 3 more reasons, 17 records`.
    More(String),
}

impl Summary {
    pub(super) fn of(facts: &Facts, outcomes: &[Outcome]) -> Self {
        let failed = outcomes
            .iter()
            .enumerate()
            .filter(|(_, outcome)| outcome.answer.is_err());
        let failed: Vec<_> = failed
            .map(|(index, outcome)| (index + 1, outcome.report.title.clone()))
            .collect();
        Self {
            day: words::day(facts.run_date),
            started: words::moment(facts.started_at),
            took: words::duration(facts.took),
            tiles: tiles(facts, outcomes.len(), failed.len()),
            damage: facts.damage.clone(),
            failures: facts.failures.clone(),
            questions: outcomes.len(),
            failed,
            not_asked: facts
                .not_asked
                .iter()
                .map(|NotAsked { report, reason }| (report.title.clone(), reason.clone()))
                .collect(),
            datasets: facts.datasets.iter().map(|dataset| row(dataset, facts)).collect(),
            reasons: facts.datasets.iter().flat_map(reasons).collect(),
        }
    }
}

impl Summary {
    /// Said if there were questions and none failed.
    pub(super) fn all_well(&self) -> Option<String> {
        match self.questions {
            _ if !self.failed.is_empty() => None,
            0 => None,
            1 => Some("The question was answered.".to_owned()),
            all => Some(format!("All {all} questions were answered.")),
        }
    }
}

fn tiles(facts: &Facts, questions: usize, failed: usize) -> Vec<Tile> {
    let sum = |count: fn(&DatasetFacts) -> u64| -> u64 { facts.datasets.iter().map(count).sum() };
    let (rows, keys) = (sum(|dataset| dataset.rows), sum(|dataset| dataset.keys));
    let (new, quarantined) = (sum(|dataset| dataset.new_rows), sum(|dataset| dataset.quarantined));
    // The dataset that has waited longest is the one to ask about.
    let stalest = facts
        .datasets
        .iter()
        .filter_map(|dataset| Some((dataset.newest?, &dataset.name)))
        .min();
    let (freshness, of) = match stalest {
        Some((newest, name)) => (
            words::age(newest, facts.started_at),
            format!("since the newest row of {name}; no other table waited longer"),
        ),
        None => ("no rows".to_owned(), "in any table yet".to_owned()),
    };
    vec![
        Tile {
            name: "New rows",
            figure: words::count(new),
            detail: format!("of {}", words::day(facts.run_date)),
            bad: false,
        },
        Tile {
            name: "Quarantined",
            figure: words::count(quarantined),
            detail: format!("{} of the day's records", words::share(quarantined, new + quarantined)),
            bad: false,
        },
        Tile {
            name: "Rows in all tables",
            figure: words::count(rows),
            detail: format!("{} distinct keys", words::count(keys)),
            bad: false,
        },
        Tile {
            name: "Freshness",
            figure: freshness,
            detail: of,
            bad: false,
        },
        Tile {
            name: "Questions answered",
            figure: format!("{} of {questions}", questions - failed),
            detail: match (failed, facts.not_asked.len()) {
                (0, 0) => "none failed".to_owned(),
                (0, others) => format!("none failed; {others} not asked"),
                (failed, 0) => format!("{failed} failed"),
                (failed, others) => format!("{failed} failed; {others} not asked"),
            },
            bad: failed > 0,
        },
        Tile {
            name: "Duration",
            figure: words::duration(facts.took),
            detail: "from raw objects to this page".to_owned(),
            bad: false,
        },
    ]
}

fn row(dataset: &DatasetFacts, facts: &Facts) -> Dataset {
    Dataset {
        name: dataset.name.to_string(),
        rows: words::count(dataset.rows),
        keys: words::count(dataset.keys),
        new_rows: words::count(dataset.new_rows),
        quarantined: words::count(dataset.quarantined),
        newest: dataset
            .newest
            .map(|newest| (words::moment(newest), words::age(newest, facts.started_at))),
    }
}

fn reasons(dataset: &DatasetFacts) -> impl Iterator<Item = Reason> {
    let ones = dataset.reasons.iter().map(|reason| Told::One {
        field: reason.field.clone(),
        reason: reason.reason.clone(),
        count: words::count(reason.count),
    });
    let told: u64 = dataset.reasons.iter().map(|reason| reason.count).sum();
    let more = (dataset.more_reasons > 0).then(|| {
        let reasons = words::counted(dataset.more_reasons, "more reason");
        let records = words::counted(dataset.quarantined.saturating_sub(told), "record");
        Told::More(format!("and {reasons}, {records}"))
    });
    ones.chain(more).map(|told| Reason {
        dataset: dataset.name.to_string(),
        told,
    })
}
