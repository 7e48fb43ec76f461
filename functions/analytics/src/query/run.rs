//! A run: every report asked, whatever becomes of the others.

use std::{collections::HashSet, sync::Arc, time::Instant};

use pinlake_host::chain;

use super::Session;
use crate::{
    report::{Answer, Outcome, Report},
    reports::Reports,
};

/// Asks all reports, one after the other so that each has the whole memory. A report that fails stops none of the others.
pub async fn run_reports(session: &Session, reports: &Reports) -> Vec<Outcome> {
    let mut outcomes = Vec::with_capacity(reports.iter().len());
    for report in reports.iter() {
        let start = Instant::now();
        let answer = match session.ask(&report.sql).await {
            Ok(answer) => fit(report, answer),
            Err(error) => Err(chain(&error)),
        };
        let took = start.elapsed();
        match &answer {
            Ok(answer) => tracing::info!(
                report = report.name,
                rows = answer.rows.num_rows(),
                took_ms = took.as_millis(),
                "report answered"
            ),
            Err(reason) => tracing::error!(report = report.name, reason, "report failed"),
        }
        outcomes.push(Outcome {
            report: Arc::clone(report),
            answer,
            took,
        });
    }
    outcomes
}

/// The answer, if it has what its chart and its results need: the chart's columns, and each name once.
fn fit(report: &Report, answer: Answer) -> Result<Answer, String> {
    let schema = answer.rows.schema();
    let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let mut seen = HashSet::new();
    if let Some(name) = names.iter().find(|name| !seen.insert(**name)) {
        return Err(format!("the answer has two columns called `{name}`"));
    }
    let chart = &report.chart;
    let wanted = [
        Some(&chart.x),
        Some(&chart.y),
        chart.series.as_ref(),
        chart.label.as_ref(),
    ];
    match wanted
        .into_iter()
        .flatten()
        .find(|column| !seen.contains(column.as_str()))
    {
        None => Ok(answer),
        Some(column) => Err(format!(
            "the chart's column `{column}` is not in the answer, which has {}",
            names.join(", ")
        )),
    }
}
