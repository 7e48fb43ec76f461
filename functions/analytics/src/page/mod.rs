//! The report page: one self-contained HTML file that says what a run found.
//!
//! ```text
//! facts ────────────────────────────► on top: damage, failures, rows, new rows, quarantine, freshness
//! outcomes ─► columns ─┬─► table ───► the first rows of each answer
//!                      └─► marks ─► figure ─► chart (charts-rs) ─► SVG for a desk and for a phone
//! ```
//!
//! # Invariants
//! - The page asks for nothing: no script, no font, no image, no style from elsewhere (`the_page_is_self_contained`).
//! - Text from data is text, wherever it stands (`nothing_from_data_becomes_markup`). Only the charts and the style
//!   sheets are set as they are; charts-rs escapes what it writes.
//! - A question without an answer is a section like the others, and says why (`a_failed_question_…`, `an_empty_answer_…`).

mod axis;
mod chart;
mod columns;
mod figure;
mod filters;
mod marks;
mod palette;
mod summary;
mod table;
mod words;

use arrow::error::ArrowError;
use askama::Template;

use self::{
    columns::Column,
    figure::Figure,
    marks::Marks,
    summary::{Summary, Told},
    table::Table,
};
use crate::{
    facts::Facts,
    report::{Answer, Outcome, Report},
};

/// Where the whole answer of a report is, as URLs relative to the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataLinks {
    /// The answer as JSON.
    pub json: String,
    /// The answer as Parquet.
    pub parquet: String,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// A value of an answer has no text.
    #[error("could not write the rows of report `{report}` as text")]
    Rows {
        /// The report.
        report: String,
        /// The cause.
        source: ArrowError,
    },
    /// The charting library refused.
    #[error("could not draw the chart of report `{report}`")]
    Chart {
        /// The report.
        report: String,
        /// The cause.
        source: charts_rs::Error,
    },
    /// The template could not be filled.
    #[error("could not fill the page's template")]
    Template(#[from] askama::Error),
}

/// The page of a run, as HTML. `links` says where the data of a report is; it is asked for those that were answered.
///
/// # Errors
///
/// Only what is no report's fault. A chart that asks for a column which the answer does not have is none: a sentence
/// that says so takes its place.
pub fn render(facts: &Facts, outcomes: &[Outcome], links: impl Fn(&Report) -> DataLinks) -> Result<String, PageError> {
    let sections = outcomes
        .iter()
        .enumerate()
        .map(|(index, outcome)| Section::of(index + 1, outcome, &links))
        .collect::<Result<Vec<_>, _>>()?;
    let page = Page {
        summary: Summary::of(facts, outcomes),
        dark_style: palette::dark_style(),
        sections,
    };
    Ok(page.render()?)
}

#[derive(Template)]
#[template(path = "report.html")]
struct Page {
    summary: Summary,
    sections: Vec<Section>,
    dark_style: String,
}

/// A question and what became of it.
struct Section {
    number: usize,
    title: String,
    question: String,
    sql: String,
    took: String,
    body: Body,
}

enum Body {
    /// The reason, a line for people.
    Failed(String),
    /// No row.
    Empty(DataLinks),
    /// Rows, and their chart or why there is none.
    Answered {
        figure: Result<Figure, String>,
        table: Table,
        links: DataLinks,
    },
}

impl Section {
    fn of(number: usize, outcome: &Outcome, links: &impl Fn(&Report) -> DataLinks) -> Result<Self, PageError> {
        let report = &outcome.report;
        let body = match &outcome.answer {
            Err(reason) => Body::Failed(reason.clone()),
            Ok(answer) if answer.rows.num_rows() == 0 => Body::Empty(links(report)),
            Ok(answer) => answered(report, answer, links(report))?,
        };
        Ok(Self {
            number,
            title: report.title.clone(),
            question: report.question.clone(),
            sql: report.sql.trim().to_owned(),
            took: words::duration(outcome.took),
            body,
        })
    }

    /// Said in the table of contents, if it is not a plain answer: the class of the remark, and its text.
    fn remark(&self) -> Option<(&'static str, &'static str)> {
        match self.body {
            Body::Failed(_) => Some(("bad", "failed")),
            Body::Empty(_) => Some(("empty", "no rows")),
            Body::Answered { .. } => None,
        }
    }
}

fn answered(report: &Report, answer: &Answer, links: DataLinks) -> Result<Body, PageError> {
    let total = answer.rows.num_rows();
    let columns = Column::all(&answer.rows);
    let table = Table::of(&columns, total).map_err(|source| PageError::Rows {
        report: report.name.clone(),
        source,
    })?;
    let figure = match Marks::of(&columns, total, &report.chart) {
        Err(reason) => Err(format!("There is no chart: {reason}.")),
        Ok(marks) => Figure::of(&report.title, &report.chart, &marks)
            .map_err(|source| PageError::Chart {
                report: report.name.clone(),
                source,
            })?
            .ok_or_else(|| "There is nothing to draw: no row has a value.".to_owned()),
    };
    Ok(Body::Answered { figure, table, links })
}

#[cfg(test)]
mod tests;
