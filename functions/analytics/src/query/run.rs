//! A run: every report asked, whatever becomes of the others.

use std::{collections::HashSet, error::Error, sync::Arc, time::Instant};

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
            Err(error) => Err(one_line(&error)),
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

/// The error and its causes in one line. The engine's errors quote their causes; what has been said is not said again.
pub(crate) fn one_line(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use datafusion::error::DataFusionError;

    use super::*;
    use crate::query::QueryError;

    #[test]
    fn an_error_is_told_in_one_line_and_once() {
        let cause = DataFusionError::Execution("first\n  second".to_owned());
        let error = QueryError::Failed(Box::new(cause.context("reading")));
        let text = one_line(&error);
        assert!(
            text.starts_with("the question could not be answered: reading"),
            "{text}"
        );
        assert_eq!(text.matches("first second").count(), 1, "{text}");
    }
}
