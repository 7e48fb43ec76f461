//! A report: a question, its SQL, and the chart that fits the answer.

use std::{sync::Arc, time::Duration};

use arrow::array::RecordBatch;
use pinlake_dataset::DatasetName;

/// One file of `reports/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The file's stem, e.g. `01_category_by_country`. It names the folder of the results and orders the page.
    pub name: String,
    /// In plain words, e.g. `Most popular category in each country`.
    pub title: String,
    /// What is asked, in a sentence or two: what is counted, over what, and what happens with ties and gaps.
    pub question: String,
    /// How the answer is drawn.
    pub chart: Chart,
    /// The datasets that it reads, as far as its header tells.
    pub inputs: Vec<DatasetName>,
    /// The file's text, without its header.
    pub sql: String,
}

/// How an answer is drawn; columns are named as the answer names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chart {
    /// The kind.
    pub kind: ChartKind,
    /// The column of categories: along the axis, or down it if the bars are ranked.
    pub x: String,
    /// The column of values.
    pub y: String,
    /// The column that tells lines, or bars of a group, apart.
    pub series: Option<String>,
    /// A column that is written beside each bar.
    pub label: Option<String>,
}

/// The kind of a chart, as a report's header names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChartKind {
    /// `bars`: upright, one for each row, in the answer's order.
    Bars,
    /// `ranked`: lying, the largest first, cut to what a screen shows.
    Ranked,
    /// `grouped`: upright, a group for each x, a bar for each series.
    Grouped,
    /// `lines`: one for each series, along x.
    Lines,
}

/// The rows of an answer, in the report's order.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// All rows in one batch; it has the columns even if there is no row.
    pub rows: RecordBatch,
}

/// A report that is not for the datasets of this lake.
#[derive(Debug, Clone)]
pub struct NotAsked {
    /// The report.
    pub report: Arc<Report>,
    /// Why, as a predicate: `reads \`pin\`, which is not defined`.
    pub reason: String,
}

/// What became of a report in one run.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The report.
    pub report: Arc<Report>,
    /// Its answer, or why there is none: one line for people, causes included.
    pub answer: Result<Answer, String>,
    /// How long the question took.
    pub took: Duration,
}
