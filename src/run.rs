//! `pinlake run`: invokes a function of a running pipeline now, instead of at its time.

use anyhow::{Context, Result, bail};
use chrono::{NaiveDate, Utc};
use clap::{Args, ValueEnum};
use pinlake_analytics::Summary;
use serde_json::{Value, json};
use url::Url;

use crate::terminal::{say, table};

/// Invokes a function of a running `pinlake up` now.
#[derive(Debug, Args)]
pub struct Run {
    /// The function.
    #[arg(value_enum)]
    function: Name,
    /// analytics: the day to clean and to report on, UTC. Default: today.
    #[arg(long, value_name = "YYYY-MM-DD", conflicts_with_all = ["from", "to"])]
    date: Option<NaiveDate>,
    /// analytics: the first day of several.
    #[arg(long, value_name = "YYYY-MM-DD", requires = "to")]
    from: Option<NaiveDate>,
    /// analytics: the last day of several.
    #[arg(long, value_name = "YYYY-MM-DD", requires = "from")]
    to: Option<NaiveDate>,
    /// analytics: clean a day even if it has lost raw objects since the last time.
    #[arg(long)]
    force: bool,
    /// Where the pipeline listens: the API's address.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:3000")]
    at: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    /// The day's raw objects cleaned into the tables, and the reports.
    Analytics,
    /// The upkeep of the tables.
    Maintain,
}

impl Name {
    fn as_str(self) -> &'static str {
        match self {
            Self::Analytics => "analytics",
            Self::Maintain => "maintain",
        }
    }
}

impl Run {
    /// Runs the command. An error when the function failed.
    pub async fn run(&self) -> Result<()> {
        let days = self.date.is_some() || self.from.is_some() || self.force;
        if self.function != Name::Analytics && days {
            bail!("only `analytics` knows days; {} takes none", self.function.as_str());
        }
        let answer = invoke(&self.at, self.function.as_str(), &self.event()).await?;
        match self.function {
            Name::Analytics => show_analytics(&serde_json::from_value(answer).context("an answer of another version")?),
            Name::Maintain => show_maintain(&answer),
        }
        Ok(())
    }

    fn event(&self) -> Value {
        let now = Utc::now();
        let mut event = match (self.function, self.from, self.to) {
            // What the schedule sends.
            (Name::Maintain, ..) => return json!({ "time": now }),
            (_, Some(from), Some(to)) => json!({"from": from, "to": to}),
            _ => json!({"date": self.date.unwrap_or(now.date_naive())}),
        };
        if self.force {
            event["force"] = true.into();
        }
        event
    }
}

/// Lambda's Invoke at a local pipeline.
async fn invoke(at: &str, function: &str, event: &Value) -> Result<Value> {
    let url = Url::parse(at)
        .and_then(|url| url.join(&format!("/2015-03-31/functions/{function}/invocations")))
        .with_context(|| format!("`{at}` is no address like http://127.0.0.1:3000"))?;
    let sent = reqwest::Client::new().post(url).json(event).send().await;
    let answer = sent.with_context(|| format!("no pipeline answers at {at}; `pinlake up` starts one"))?;
    let (status, failed) = (answer.status(), answer.headers().contains_key("x-amz-function-error"));
    let body: Value = answer
        .json()
        .await
        .with_context(|| format!("{at} is no local pipeline: it answers {status}"))?;
    let text = |field: &str| body[field].as_str().unwrap_or_default().to_owned();
    if !status.is_success() {
        bail!("{}", text("Message"));
    }
    if failed {
        bail!("{function} failed: {}", text("errorMessage"));
    }
    Ok(body)
}

/// What analytics did, for people.
pub(crate) fn show_analytics(summary: &Summary) {
    for part in analytics(summary) {
        say(format_args!("{part}"));
    }
}

/// The parts that [`show_analytics`] says, one below the other.
fn analytics(summary: &Summary) -> Vec<String> {
    let mut parts = Vec::new();
    if summary.cleaned.is_empty() {
        parts.push(
            "no raw objects to clean; what was posted to /topics is one --raw-interval of `pinlake up` later"
                .to_owned(),
        );
    } else {
        let mut days = table(&["day", "dataset", "raw objects", "rows", "quarantined", "files"]);
        for day in &summary.cleaned {
            let late = if day.late { " (late objects)" } else { "" };
            days.add_row([
                format!("{}{late}", day.date),
                day.dataset.clone(),
                day.objects.to_string(),
                day.rows.to_string(),
                day.quarantined.to_string(),
                day.files.to_string(),
            ]);
        }
        parts.push(days.to_string());
    }
    parts.extend(summary.damage.iter().map(|damage| format!("damaged: {damage}")));
    if !summary.reports.is_empty() {
        let mut reports = table(&["report", "rows", "ms"]);
        for report in &summary.reports {
            reports.add_row([
                report.report.clone(),
                report.rows.map_or_else(|| "failed".to_owned(), |rows| rows.to_string()),
                report.took_ms.to_string(),
            ]);
        }
        parts.push(reports.to_string());
    }
    parts.extend(summary.not_asked.iter().map(|report| format!("not asked: {report}")));
    parts.push(format!("{} in {} ms", summary.page, summary.took_ms));
    parts
}

/// What maintain did, for people.
pub(crate) fn show_maintain(summary: &Value) {
    let mut tables = table(&["table", "files", "bytes", "rows", "deleted files", "checkpoint"]);
    let change = |table: &Value, what: &str| {
        let (before, after) = (&table["before"][what], &table["after"][what]);
        if before == after {
            after.to_string()
        } else {
            format!("{before} → {after}")
        }
    };
    for row in summary["tables"].as_array().into_iter().flatten() {
        tables.add_row([
            row["table"].as_str().unwrap_or_default().to_owned(),
            change(row, "files"),
            change(row, "size_bytes"),
            change(row, "rows"),
            row["vacuumed_files"].to_string(),
            match &row["checkpoint"] {
                Value::Null => "–".to_owned(),
                version => version.to_string(),
            },
        ]);
    }
    say(format_args!("{tables}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing() -> Summary {
        Summary {
            run_date: NaiveDate::from_ymd_opt(2026, 11, 23).unwrap(),
            cleaned: vec![],
            reports: vec![],
            not_asked: vec![],
            page: "results/run_date=2026-11-23/report.html".to_owned(),
            took_ms: 12,
            failures: vec![],
            damage: vec![],
        }
    }

    #[test]
    fn reports_that_were_not_asked_are_said() {
        let mut summary = nothing();
        summary.not_asked = vec!["01_x reads `pin`, which is not defined".to_owned()];
        assert_eq!(
            analytics(&summary)[1..],
            [
                "not asked: 01_x reads `pin`, which is not defined",
                "results/run_date=2026-11-23/report.html in 12 ms",
            ]
        );
    }
}
