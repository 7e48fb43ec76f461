//! From the text of a report file to a [`Report`], telling every mistake with its file, line and reason.
//!
//! ```sql
//! -- title: Most popular category in each country
//! -- question: Which category has the most posts in each country? If several have equally many, all of
//! --     them are shown.
//! -- chart: ranked x=country y=category_count label=category
//! -- inputs: pin, geo
//! -- columns: country, category, category_count
//! -- grain: a country and one of its most popular categories
//! SELECT …
//! ```
//!
//! The header is the comment that the file begins with. A line of it starts with a key, or goes on with the one above if it
//! is indented. `title`, `question` and `chart` are required. `inputs` are names of datasets: a report is asked where all of them are
//! defined. The others are for people, but a chart's columns must be among `columns`.

use std::{collections::BTreeMap, path::Path};

use pinlake_dataset::{DatasetName, Mistake};

use crate::report::{Chart, ChartKind, Report};

/// Every mistake found, one line each: `file:line: reason`.
#[derive(Debug, thiserror::Error)]
#[error("{}", .mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ReportError {
    mistakes: Vec<Mistake>,
}

impl ReportError {
    pub(super) fn new(mistakes: Vec<Mistake>) -> Self {
        Self { mistakes }
    }

    /// The mistakes, in the order of the files and lines.
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }
}

const KEYS: [&str; 6] = ["title", "question", "chart", "inputs", "columns", "grain"];

/// Parses a report; answers its number, too.
pub(super) fn parse(file: &str, text: &str) -> Result<(u64, Report), Vec<Mistake>> {
    let mut source = Source {
        file,
        mistakes: Vec::new(),
    };
    let stem = Path::new(file)
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let number = number(&stem);
    if number.is_none() {
        source.mistake(
            1,
            format!("`{stem}` is no name of a report: it needs a number, `_`, then lowercase letters, digits or `_`"),
        );
    }
    let (header, sql, sql_line) = source.header(text);
    let title = source.required(&header, "title");
    let question = source.required(&header, "question");
    let chart = source.required(&header, "chart");
    let chart = chart.and_then(|(line, value)| source.chart(line, value, header.get("columns")));
    let inputs = source.inputs(&header);
    if sql.is_empty() {
        source.mistake(sql_line, "there is no SQL below the header".to_owned());
    }
    match (number, title, question, chart) {
        (Some(number), Some((_, title)), Some((_, question)), Some(chart)) if source.mistakes.is_empty() => {
            let report = Report {
                name: stem,
                title: title.clone(),
                question: question.clone(),
                chart,
                inputs,
                sql,
            };
            Ok((number, report))
        }
        _ => {
            source.mistakes.sort_by_key(|mistake| mistake.line);
            Err(source.mistakes)
        }
    }
}

/// A report's name becomes a folder of the results, so nothing else is let in.
fn number(stem: &str) -> Option<u64> {
    let (number, rest) = stem.split_once('_')?;
    let named = !rest.is_empty()
        && rest
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    (named && number.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| number.parse().ok())
        .flatten()
}

/// Values by key, each with the line of the key.
type Header = BTreeMap<&'static str, (usize, String)>;

/// The file being parsed, and what is wrong with it so far.
struct Source<'a> {
    file: &'a str,
    mistakes: Vec<Mistake>,
}

impl Source<'_> {
    fn mistake(&mut self, line: usize, reason: String) {
        self.mistakes.push(Mistake {
            file: self.file.to_owned(),
            line,
            reason,
        });
    }

    /// Divides the text into the header and the SQL below, which begins at the line answered.
    fn header(&mut self, text: &str) -> (Header, String, usize) {
        let mut header = Header::new();
        let mut current = None;
        let mut line = 1;
        // An editor's byte order mark is neither comment nor SQL.
        let mut rest = text.trim_start_matches('\u{feff}');
        while let Some(comment) = rest.strip_prefix("--") {
            let (comment, below) = comment.split_once('\n').unwrap_or((comment, ""));
            current = self.header_line(&mut header, current, line, comment.trim_end());
            rest = below;
            line += 1;
        }
        (header, rest.trim().to_owned(), line)
    }

    /// Reads one line of the header; answers the key that the next line may go on with.
    fn header_line(
        &mut self,
        header: &mut Header,
        current: Option<&'static str>,
        line: usize,
        comment: &str,
    ) -> Option<&'static str> {
        if comment.starts_with("  ") || comment.starts_with('\t') {
            match current.and_then(|key| header.get_mut(key)) {
                Some((_, value)) => {
                    value.push(' ');
                    value.push_str(comment.trim());
                }
                None => self.mistake(
                    line,
                    "there is nothing above that this line could go on with".to_owned(),
                ),
            }
            return current;
        }
        let Some((key, value)) = comment.trim().split_once(':') else {
            self.mistake(
                line,
                "the header has neither `key: value` here nor an indented line".to_owned(),
            );
            return None;
        };
        let Some(key) = KEYS.into_iter().find(|known| *known == key) else {
            self.mistake(line, format!("`{key}` is not one of {}", KEYS.join(", ")));
            return None;
        };
        if header.insert(key, (line, value.trim().to_owned())).is_some() {
            self.mistake(line, format!("`{key}` stands there twice"));
        }
        Some(key)
    }

    fn required<'h>(&mut self, header: &'h Header, key: &str) -> Option<(usize, &'h String)> {
        match header.get(key) {
            Some((line, value)) if value.is_empty() => {
                self.mistake(*line, format!("`{key}` is empty"));
                None
            }
            Some((line, value)) => Some((*line, value)),
            None => {
                self.mistake(1, format!("there is no `-- {key}: …` in the header"));
                None
            }
        }
    }

    /// Parses `pin, geo`.
    fn inputs(&mut self, header: &Header) -> Vec<DatasetName> {
        let Some((line, text)) = header.get("inputs") else {
            return Vec::new();
        };
        let mut inputs = Vec::new();
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            match DatasetName::parse(name) {
                Ok(input) => inputs.push(input),
                Err(error) => self.mistake(*line, error.to_string()),
            }
        }
        inputs
    }

    /// Parses `ranked x=country y=category_count label=category`.
    fn chart(&mut self, line: usize, text: &str, columns: Option<&(usize, String)>) -> Option<Chart> {
        let before = self.mistakes.len();
        let mut words = text.split_whitespace();
        let word = words.next().unwrap_or_default();
        let kind = ChartKind::ALL.into_iter().find(|kind| kind.name() == word);
        if kind.is_none() {
            let known = ChartKind::ALL.map(ChartKind::name).join(", ");
            self.mistake(line, format!("`{word}` is no kind of chart: there are {known}"));
        }
        let mut columns_of: BTreeMap<&str, String> = BTreeMap::new();
        for word in words {
            match word.split_once('=') {
                Some((role @ ("x" | "y" | "series" | "label"), column)) if !column.is_empty() => {
                    if columns_of.insert(role, column.to_owned()).is_some() {
                        self.mistake(line, format!("the chart has two columns for `{role}`"));
                    }
                }
                _ => self.mistake(line, format!("`{word}` is none of x=…, y=…, series=…, label=…")),
            }
        }
        for role in ["x", "y"] {
            if !columns_of.contains_key(role) {
                self.mistake(line, format!("the chart has no column for `{role}`"));
            }
        }
        if kind == Some(ChartKind::Grouped) && !columns_of.contains_key("series") {
            self.mistake(line, "a grouped chart needs a column for `series`".to_owned());
        }
        if let Some((_, columns)) = columns {
            let known: Vec<_> = columns.split(',').map(str::trim).collect();
            for column in columns_of.values().filter(|column| !known.contains(&column.as_str())) {
                self.mistake(line, format!("the chart's column `{column}` is not among `columns`"));
            }
        }
        if self.mistakes.len() > before {
            return None;
        }
        Some(Chart {
            kind: kind?,
            x: columns_of.remove("x")?,
            y: columns_of.remove("y")?,
            series: columns_of.remove("series"),
            label: columns_of.remove("label"),
        })
    }
}

impl ChartKind {
    const ALL: [Self; 4] = [Self::Bars, Self::Ranked, Self::Grouped, Self::Lines];

    fn name(self) -> &'static str {
        match self {
            Self::Bars => "bars",
            Self::Ranked => "ranked",
            Self::Grouped => "grouped",
            Self::Lines => "lines",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(file: &str, text: &str) -> Vec<String> {
        parse(file, text).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_header_says_it_all() {
        let text = "-- title: Posts: how many\n-- question: How many\n--     posts are there?\n-- chart: lines x=a y=b series=c\n\
                    -- inputs: pin, geo\n-- columns: a, b, c\n\n-- no header any more\nSELECT 1 AS a, 2 AS b, 3 AS c\n";
        let (number, report) = parse("some/folder/07_posts.sql", text).unwrap();
        assert_eq!((number, report.name.as_str()), (7, "07_posts"));
        assert_eq!(report.title, "Posts: how many");
        assert_eq!(report.question, "How many posts are there?");
        assert_eq!(report.sql, "-- no header any more\nSELECT 1 AS a, 2 AS b, 3 AS c");
        let chart = Chart {
            kind: ChartKind::Lines,
            x: "a".into(),
            y: "b".into(),
            series: Some("c".into()),
            label: None,
        };
        assert_eq!(report.chart, chart);
        let inputs: Vec<_> = report.inputs.iter().map(DatasetName::as_str).collect();
        assert_eq!(inputs, ["pin", "geo"]);
    }

    #[test]
    fn line_ends_of_another_system_change_nothing() {
        let text = "-- title: T\r\n-- question: Q?\r\n-- chart: bars x=a y=b\r\nSELECT 1\r\n";
        let (_, report) = parse("1_x.sql", text).unwrap();
        assert_eq!((report.title.as_str(), report.sql.as_str()), ("T", "SELECT 1"));
    }

    #[test]
    fn every_mistake_is_told_with_its_line() {
        assert_eq!(
            mistakes("1_x.sql", ""),
            [
                "1_x.sql:1: there is no `-- title: …` in the header",
                "1_x.sql:1: there is no `-- question: …` in the header",
                "1_x.sql:1: there is no `-- chart: …` in the header",
                "1_x.sql:1: there is no SQL below the header",
            ]
        );
        assert_eq!(
            mistakes(
                "1_x.sql",
                "--   lost\n-- title: \n-- question: Q?\n-- question: again\n-- author: me\n-- note\n-- chart: pie x=a x=b z=c\n"
            ),
            [
                "1_x.sql:1: there is nothing above that this line could go on with",
                "1_x.sql:2: `title` is empty",
                "1_x.sql:4: `question` stands there twice",
                "1_x.sql:5: `author` is not one of title, question, chart, inputs, columns, grain",
                "1_x.sql:6: the header has neither `key: value` here nor an indented line",
                "1_x.sql:7: `pie` is no kind of chart: there are bars, ranked, grouped, lines",
                "1_x.sql:7: the chart has two columns for `x`",
                "1_x.sql:7: `z=c` is none of x=…, y=…, series=…, label=…",
                "1_x.sql:7: the chart has no column for `y`",
                "1_x.sql:8: there is no SQL below the header",
            ]
        );
    }

    #[test]
    fn a_chart_fits_the_columns() {
        let header = "-- title: T\n-- question: Q?\n-- columns: a, b\n";
        assert_eq!(
            mistakes("1_x.sql", &format!("{header}-- chart: bars x=a y=c\nSELECT 1")),
            ["1_x.sql:4: the chart's column `c` is not among `columns`"]
        );
        assert_eq!(
            mistakes("1_x.sql", &format!("{header}-- chart: grouped x=a y=b\nSELECT 1")),
            ["1_x.sql:4: a grouped chart needs a column for `series`"]
        );
    }

    #[test]
    fn inputs_are_names_of_datasets() {
        let header = "-- title: T\n-- question: Q?\n-- chart: bars x=a y=b\n";
        assert_eq!(
            mistakes("1_x.sql", &format!("{header}-- inputs: pin, Posts, the geo\nSELECT 1")),
            [
                "1_x.sql:4: `Posts` is no dataset name: it must start with a lowercase letter",
                "1_x.sql:4: `the geo` is no dataset name: only lowercase letters, digits and `_` are allowed",
            ]
        );
        for none in ["", "-- inputs:\n"] {
            let (_, report) = parse("1_x.sql", &format!("{header}{none}SELECT 1")).unwrap();
            assert_eq!(report.inputs, []);
        }
    }

    #[test]
    fn a_name_is_fit_for_a_folder() {
        let text = "-- title: T\n-- question: Q?\n-- chart: bars x=a y=b\nSELECT 1";
        for file in [
            "x.sql",
            "_x.sql",
            "1.sql",
            "1_.sql",
            "1_X.sql",
            "1_a b.sql",
            "a1_x.sql",
            "1_é.sql",
        ] {
            let found = mistakes(file, text);
            assert!(
                found.len() == 1 && found[0].contains("is no name of a report"),
                "{found:?}"
            );
        }
    }
}
