//! What a chart draws: one mark for each row that has a value.

use super::columns::Column;
use crate::report::{Chart, ChartKind};

/// A bar, or a point of a line.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mark {
    /// The category.
    pub(super) x: String,
    /// The line, or the bar of a group.
    pub(super) series: Option<String>,
    /// What is written beside it.
    pub(super) label: Option<String>,
    /// Its size.
    pub(super) value: f64,
    /// Its size as the table shows it.
    pub(super) shown: String,
}

/// The marks of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Marks {
    /// In the order in which they are drawn.
    pub(super) marks: Vec<Mark>,
    /// The categories of all marks, along the axis.
    pub(super) xs: Vec<String>,
    /// Rows that have no value to draw.
    pub(super) without_value: usize,
}

/// How a null category is called.
const NO_NAME: &str = "(none)";

/// The most missing years that are given their place on the axis.
const LONGEST_SPAN: i64 = 100;

impl Marks {
    /// The marks of an answer. Fails, in words for people, if the answer does not have what the chart asks for.
    pub(super) fn of(columns: &[Column], rows: usize, chart: &Chart) -> Result<Self, String> {
        let find = |name: &str| {
            let found = columns.iter().find(|column| column.name == name);
            found.ok_or_else(|| format!("the answer has no column `{name}`"))
        };
        let texts = |column: &Column| {
            column
                .texts(rows)
                .map_err(|error| format!("column `{}`: {error}", column.name))
        };
        let named = |column: &Column| -> Result<Vec<String>, String> {
            let names = texts(column)?.into_iter();
            Ok(names.map(|name| name.unwrap_or_else(|| NO_NAME.to_owned())).collect())
        };
        let optional = |name: &Option<String>| name.as_deref().map(find).transpose();

        let x = find(&chart.x)?;
        let y = find(&chart.y)?;
        let values = y.numbers().map_err(|error| error.to_string())?;
        let shown = texts(y)?;
        let names = named(x)?;
        let series = optional(&chart.series)?.map(named).transpose()?;
        let labels = optional(&chart.label)?.map(texts).transpose()?;

        let drawn = values.iter().zip(shown).enumerate();
        let mut marks: Vec<(usize, Mark)> = drawn
            .filter_map(|(row, (value, shown))| {
                let mark = Mark {
                    x: names[row].clone(),
                    series: series.as_ref().map(|series| series[row].clone()),
                    label: labels.as_ref().and_then(|labels| labels[row].clone()),
                    value: (*value)?,
                    shown: shown?,
                };
                Some((row, mark))
            })
            .collect();
        if chart.kind == ChartKind::Ranked {
            // Stable: the answer's own order decides between equals.
            marks.sort_by(|(_, one), (_, other)| other.value.total_cmp(&one.value));
        }
        Ok(Self {
            without_value: rows - marks.len(),
            xs: along(x, &marks),
            marks: marks.into_iter().map(|(_, mark)| mark).collect(),
        })
    }

    /// The distinct series, in the order in which they first appear.
    pub(super) fn series(&self) -> Vec<&str> {
        let mut series: Vec<&str> = Vec::new();
        for mark in &self.marks {
            let name = mark.series.as_deref().unwrap_or_default();
            if !series.contains(&name) {
                series.push(name);
            }
        }
        series
    }

    /// The marks of a series by category; where several fall on one, the last.
    pub(super) fn along(&self, series: &str) -> Vec<Option<f64>> {
        let mut values = vec![None; self.xs.len()];
        for mark in &self.marks {
            let place = self.xs.iter().position(|x| *x == mark.x);
            if mark.series.as_deref().unwrap_or_default() == series
                && let Some(value) = place.and_then(|place| values.get_mut(place))
            {
                *value = Some(mark.value);
            }
        }
        values
    }

    /// The largest value.
    pub(super) fn largest(&self) -> Option<f64> {
        self.marks.iter().map(|mark| mark.value).max_by(f64::total_cmp)
    }
}

/// The categories along an axis: by size if they are numbers or times, else as they come. Years that no row has keep
/// their place, so that a step along the axis always is as long as another.
fn along(column: &Column, marks: &[(usize, Mark)]) -> Vec<String> {
    let mut places: Vec<(u32, &str)> = Vec::new();
    let ranks = column.ranks();
    for (row, mark) in marks {
        if !places.iter().any(|(_, x)| *x == mark.x) {
            let rank = ranks.as_ref().map_or(0, |ranks| ranks[*row]);
            places.push((rank, &mark.x));
        }
    }
    places.sort_by_key(|(rank, _)| *rank);
    let names: Vec<String> = places.into_iter().map(|(_, x)| x.to_owned()).collect();
    if column.years()
        && let (Some(Ok(first)), Some(Ok(last))) = (
            names.first().map(|year| year.parse::<i64>()),
            names.last().map(|year| year.parse::<i64>()),
        )
        && (1..=LONGEST_SPAN).contains(&(last - first))
    {
        return (first..=last).map(|year| year.to_string()).collect();
    }
    names
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int32Array, Int64Array, RecordBatch, StringArray};

    use super::*;

    fn chart(kind: ChartKind) -> Chart {
        Chart {
            kind,
            x: "post_year".to_owned(),
            y: "posts".to_owned(),
            series: Some("category".to_owned()),
            label: None,
        }
    }

    fn rows(rows: &[(Option<i32>, &str, Option<i64>)]) -> RecordBatch {
        let years: Int32Array = rows.iter().map(|row| row.0).collect();
        let categories: StringArray = rows.iter().map(|row| Some(row.1)).collect();
        let posts: Int64Array = rows.iter().map(|row| row.2).collect();
        RecordBatch::try_from_iter([
            ("post_year", Arc::new(years) as _),
            ("category", Arc::new(categories) as _),
            ("posts", Arc::new(posts) as _),
        ])
        .unwrap()
    }

    fn marks(kind: ChartKind, batch: &RecordBatch) -> Marks {
        Marks::of(&Column::all(batch), batch.num_rows(), &chart(kind)).unwrap()
    }

    #[test]
    fn years_are_in_order_and_without_holes_even_if_the_first_line_lacks_some() {
        let batch = rows(&[
            (Some(2019), "art", Some(3)),
            (Some(2022), "art", Some(5)),
            (Some(2018), "travel", Some(7)),
        ]);
        let marks = marks(ChartKind::Lines, &batch);
        assert_eq!(marks.xs, ["2018", "2019", "2020", "2021", "2022"]);
        assert_eq!(marks.along("art"), [None, Some(3.0), None, None, Some(5.0)]);
        assert_eq!(marks.along("travel"), [Some(7.0), None, None, None, None]);
    }

    #[test]
    fn a_row_without_value_is_counted_and_not_drawn() {
        let batch = rows(&[(Some(2018), "art", None), (None, "art", Some(1))]);
        let marks = marks(ChartKind::Ranked, &batch);
        assert_eq!(marks.without_value, 1);
        assert_eq!(marks.marks.len(), 1);
        assert_eq!(marks.marks[0].x, "(none)");
    }

    #[test]
    fn the_ranked_start_with_the_largest_and_keep_the_order_of_equals() {
        let batch = rows(&[
            (Some(1), "a", Some(1)),
            (Some(2), "b", Some(3)),
            (Some(3), "c", Some(3)),
            (Some(4), "d", Some(2)),
        ]);
        let order: Vec<_> = marks(ChartKind::Ranked, &batch).marks;
        let order: Vec<_> = order.iter().map(|mark| mark.x.as_str()).collect();
        assert_eq!(order, ["2", "3", "4", "1"]);
    }

    #[test]
    fn a_missing_column_is_named() {
        let batch = rows(&[]);
        let other = Chart {
            y: "pins".to_owned(),
            ..chart(ChartKind::Bars)
        };
        let fault = Marks::of(&Column::all(&batch), 0, &other).unwrap_err();
        assert_eq!(fault, "the answer has no column `pins`");
    }
}
