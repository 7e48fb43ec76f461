//! A chart on the page: drawn for two widths, with what it says in words.

use super::{
    chart::{self, Room},
    marks::{Mark, Marks},
    words,
};
use crate::report::{Chart, ChartKind};

/// A chart as the template sets it.
pub(super) struct Figure {
    /// SVG for a desk.
    pub(super) wide: String,
    /// SVG for a phone; the same data.
    pub(super) narrow: String,
    /// For those who do not see it: what it is, and what it says.
    pub(super) alternative: String,
    /// The main finding, in a line.
    pub(super) finding: String,
    /// What the wide chart leaves out.
    pub(super) notes: Vec<String>,
    /// What the narrow chart leaves out, if that is something else.
    pub(super) narrow_notes: Vec<String>,
}

/// Equals that a finding names.
const MOST_NAMED: usize = 3;

impl Figure {
    /// The figure of the marks; `None` if there is nothing to draw.
    pub(super) fn of(title: &str, chart: &Chart, marks: &Marks) -> charts_rs::Result<Option<Self>> {
        let Some(finding) = finding(marks) else {
            return Ok(None);
        };
        let wide = chart::draw(chart.kind, marks, Room::Wide)?;
        let narrow = chart::draw(chart.kind, marks, Room::Narrow)?;
        let gap = (marks.without_value > 0).then(|| {
            let rows = words::counted(marks.without_value as u64, "row");
            let verb = if marks.without_value == 1 { "has" } else { "have" };
            format!("{rows} {verb} no value to draw.")
        });
        let notes: Vec<_> = wide.left_out.into_iter().chain(gap.clone()).collect();
        let narrow_notes: Vec<_> = narrow.left_out.into_iter().chain(gap).collect();
        Ok(Some(Self {
            alternative: format!(
                "{} of {} by {}: {title}. {finding}. The table below has the values.",
                kind(chart.kind),
                words::column(&chart.y),
                by(chart)
            ),
            wide: wide.svg,
            narrow: narrow.svg,
            finding,
            notes,
            narrow_notes,
        }))
    }
}

fn kind(kind: ChartKind) -> &'static str {
    match kind {
        ChartKind::Bars | ChartKind::Ranked => "Bar chart",
        ChartKind::Grouped => "Grouped bar chart",
        ChartKind::Lines => "Line chart",
    }
}

fn by(chart: &Chart) -> String {
    let x = words::column(&chart.x);
    match &chart.series {
        Some(series) => format!("{x} and {}", words::column(series)),
        None => x,
    }
}

/// `Highest: Tuvalu (tattoos), with 34`. Equals are named together.
fn finding(marks: &Marks) -> Option<String> {
    let largest = marks.largest()?;
    let all: Vec<&Mark> = marks.marks.iter().filter(|mark| mark.value == largest).collect();
    let shown = &all.first()?.shown;
    let mut named: Vec<String> = all.iter().take(MOST_NAMED).map(|mark| name(mark)).collect();
    if all.len() > MOST_NAMED {
        named.push(format!("{} more", words::count((all.len() - MOST_NAMED) as u64)));
    }
    let names = match named.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => return None,
    };
    let each = if all.len() > 1 { " each" } else { "" };
    Some(format!("Highest: {names}, with {shown}{each}"))
}

/// A mark by name: `Tuvalu (tattoos)`.
fn name(mark: &Mark) -> String {
    let besides: Vec<&str> = [&mark.series, &mark.label]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect();
    if besides.is_empty() {
        mark.x.clone()
    } else {
        format!("{} ({})", mark.x, besides.join(", "))
    }
}
