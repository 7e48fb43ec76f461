//! Bars: lying, upright, in groups.

use charts_rs::{BarChart, Color, HorizontalBarChart, LegendCategory, Series};

use super::{Drawn, Room, colour, dress, fitted, literal, scaled, value_axis, width_of};
use crate::page::{
    axis::ValueAxis,
    marks::{Mark, Marks},
    palette, words,
};

/// Lying bars that a screen holds.
const MOST_LYING: usize = 20;
/// Upright bars that are still told apart.
const MOST_UPRIGHT: usize = 12;
/// The height of a lying bar with the space around it.
const ROW: f32 = 27.0;
/// The height of a chart of upright bars.
const HEIGHT: f32 = 300.0;
/// What the names and labels of two upright bars keep between them.
const BETWEEN: f32 = 8.0;
/// What the axis of values takes of the width, at most.
const VALUE_AXIS: f32 = 60.0;

/// Lying bars in the order of the marks, which is by size: the largest on top.
pub(super) fn ranked(marks: &Marks, room: Room) -> charts_rs::Result<Drawn> {
    let all = marks.marks.len();
    let left_out = (all > MOST_LYING).then(|| {
        format!(
            "The {MOST_LYING} highest of {} are drawn; {} more are in the data.",
            words::count(all as u64),
            words::count((all - MOST_LYING) as u64)
        )
    });
    lying(marks, room, left_out.into_iter().collect())
}

/// Upright bars, one for each mark, if their names and labels fit; else the same, lying.
pub(super) fn upright(marks: &Marks, room: Room) -> charts_rs::Result<Drawn> {
    let all = marks.marks.len();
    let slot = (room.width() - VALUE_AXIS) / all.max(1) as f32 - BETWEEN;
    let fits = |mark: &Mark| width_of(&mark.x) <= slot && width_of(&beside(mark)) <= slot;
    if all > MOST_UPRIGHT || !marks.marks.iter().all(fits) {
        let left_out = (all > MOST_LYING).then(|| {
            format!(
                "The first {MOST_LYING} of {} are drawn; {} more are in the data.",
                words::count(all as u64),
                words::count((all - MOST_LYING) as u64)
            )
        });
        return lying(marks, room, left_out.into_iter().collect());
    }
    let axis = ValueAxis::over(marks.marks.iter().map(|mark| mark.value));
    let names = marks.marks.iter().map(|mark| mark.x.clone()).collect();
    let mut chart = BarChart::new(each_its_own(&marks.marks, &axis, f32::MAX), names);
    dress(&mut chart.base, room, HEIGHT);
    chart.y_axis_configs = vec![value_axis(&axis)];
    chart.series.colors = paints(&marks.marks, marks.largest());
    chart.series.label.formatter = "{a}".to_owned();
    // Labels stand above the bars.
    chart.margin.top = 24.0;
    chart.radius = Some(2.0);
    Ok(Drawn {
        svg: chart.svg()?,
        left_out: Vec::new(),
    })
}

/// A group for each category, in it a bar for each series.
pub(super) fn grouped(marks: &Marks, room: Room) -> charts_rs::Result<Drawn> {
    let mut names = marks.series();
    let mut left_out = Vec::new();
    if names.len() > palette::SERIES.len() {
        left_out.push(format!(
            "The first {} of {} groups are drawn; the others are in the data.",
            palette::SERIES.len(),
            names.len()
        ));
        names.truncate(palette::SERIES.len());
    }
    let drawn = marks
        .marks
        .iter()
        .filter(|mark| names.contains(&mark.series.as_deref().unwrap_or_default()));
    let axis = ValueAxis::over(drawn.map(|mark| mark.value));
    let series = names.iter().map(|name| {
        let values = marks.along(name).into_iter();
        let values = values.map(|value| value.map(|value| scaled(value, &axis)));
        // Two hard spaces keep the names of the legend apart.
        let name = fitted(name, room.width() / 2.0) + "\u{a0}\u{a0}";
        Series::new_nullable(name, values.collect())
    });
    let mut chart = BarChart::new(series.collect(), marks.xs.clone());
    dress(&mut chart.base, room, HEIGHT + 30.0);
    chart.y_axis_configs = vec![value_axis(&axis)];
    chart.series.colors = palette::SERIES.map(colour).to_vec();
    chart.legend.show = Some(true);
    chart.legend.category = LegendCategory::Rect;
    // One line is kept free between the names and the highest bar.
    chart.legend.margin = Some((0.0, 0.0, 0.0, 18.0).into());
    chart.radius = Some(1.0);
    Ok(Drawn {
        svg: chart.svg()?,
        left_out,
    })
}

/// Lying bars, the first on top, each with its value and label behind it; so no axis of values is needed.
fn lying(marks: &Marks, room: Room, left_out: Vec<String>) -> charts_rs::Result<Drawn> {
    // The library begins below.
    let drawn: Vec<Mark> = marks.marks.iter().take(MOST_LYING).rev().cloned().collect();
    let axis = ValueAxis::over(drawn.iter().map(|mark| mark.value));
    let (for_names, for_labels) = (room.width() * 0.34, room.width() * 0.42);
    let names: Vec<_> = drawn.iter().map(|mark| fitted(&mark.x, for_names)).collect();
    let widest = names.iter().map(|name| width_of(name)).fold(0.0, f32::max);

    let mut chart = HorizontalBarChart::new(each_its_own(&drawn, &axis, for_labels), names);
    dress(&mut chart.base, room, drawn.len() as f32 * ROW + 8.0);
    let mut value_axis = value_axis(&axis);
    // The longest bar takes the whole width: there are no ticks that would have to be round.
    let ends = drawn.iter().map(|mark| mark.value);
    value_axis.max = Some(scaled(ends.clone().fold(0.0, f64::max), &axis));
    value_axis.min = Some(scaled(ends.fold(0.0, f64::min), &axis));
    chart.y_axis_configs = vec![value_axis];
    chart.series.colors = paints(&drawn, marks.largest());
    chart.series.label.formatter = "{a}".to_owned();
    chart.x_axis.hidden = true;
    chart.x_axis.stroke_color = Color::transparent();
    chart.x_axis.name_gap = 8.0;
    chart.grid.stroke_width = 0.0;
    chart.grid.stroke_color = Color::transparent();
    // A name is measured in one font and shown in the reader's, which may be wider.
    chart.margin.left = 10.0;
    let labels = drawn.iter().map(|mark| width_of(&fitted(&beside(mark), for_labels)));
    chart.margin.right = labels.fold(0.0, f32::max) * 1.06 + 8.0;
    Ok(Drawn {
        svg: flush_right(&chart.svg()?, widest),
        left_out,
    })
}

/// Lets names end where the bars begin, in whatever font they are shown: the library places the beginning of each, by
/// the width that it has in the font that measures. Labels have a distance (`dx`) from their bars, names have none.
fn flush_right(svg: &str, widest: f32) -> String {
    const TEXT: &str = "<text ";
    let name = |text: &str| -> Option<(String, f32, String)> {
        let (attributes, content) = text.split_once('>')?;
        let (before, from) = attributes.split_once(" x=\"")?;
        let (x, after) = from.split_once('"')?;
        let is_name = !after.contains(" dx=");
        is_name.then_some((before.to_owned(), x.parse().ok()?, format!("{after}>{content}")))
    };
    let texts: Vec<_> = svg.split(TEXT).collect();
    // The widest begins furthest to the left.
    let leftmost = texts.iter().skip(1).filter_map(|text| Some(name(text)?.1));
    let end = leftmost.fold(f32::INFINITY, f32::min) + widest;
    let texts = texts.iter().enumerate().map(|(place, text)| match name(text) {
        Some((before, _, after)) if place > 0 => format!("{before} text-anchor=\"end\" x=\"{end:.1}\"{after}"),
        _ => (*text).to_owned(),
    });
    texts.collect::<Vec<_>>().join(TEXT)
}

/// A series for each mark, in a place of its own, because a series' name is what the library can write beside a bar
/// letter by letter: a value of its own would pass through 32 bits.
fn each_its_own(marks: &[Mark], axis: &ValueAxis, for_labels: f32) -> Vec<Series> {
    let series = marks.iter().enumerate().map(|(place, mark)| Series {
        name: literal(&fitted(&beside(mark), for_labels)),
        data: vec![Some(scaled(mark.value, axis))],
        start_index: place,
        // In one stack, the bars do not make room for each other.
        stack: Some("all".to_owned()),
        label_show: true,
        ..Series::default()
    });
    series.collect()
}

/// What is written beside a bar.
fn beside(mark: &Mark) -> String {
    match &mark.label {
        Some(label) => format!("{} · {label}", mark.shown),
        None => mark.shown.clone(),
    }
}

/// The largest stand out.
fn paints(marks: &[Mark], largest: Option<f64>) -> Vec<Color> {
    let paints = marks.iter().map(|mark| {
        let strong = Some(mark.value) == largest;
        colour(if strong { palette::STRONG } else { palette::SOFT })
    });
    paints.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::chart::tests::{drawn_bars, mark, marks};

    #[test]
    fn each_row_is_a_bar_with_its_value_and_label() {
        let few = marks(vec![
            mark("2018", None, Some("art"), 12.0),
            mark("2019", None, Some("travel"), 34.0),
            mark("2019", None, Some("quotes"), 34.0),
        ]);
        for room in [Room::Wide, Room::Narrow] {
            let drawn = upright(&few, room).unwrap();
            assert_eq!(drawn_bars(&drawn.svg), 3, "{}", drawn.svg);
            assert!(drawn.svg.contains("34 · travel") && drawn.svg.contains("34 · quotes"));
            assert_eq!(drawn.svg.matches(palette::STRONG.light).count(), 2, "both of the tie");
            assert!(drawn.left_out.is_empty());
        }
    }

    #[test]
    fn bars_whose_labels_do_not_fit_lie() {
        let labelled: Vec<_> = (2015..2021)
            .map(|year| mark(&year.to_string(), None, Some("diy-and-crafts"), 1.0))
            .collect();
        let labelled = marks(labelled);
        let (wide, narrow) = (upright(&labelled, Room::Wide), upright(&labelled, Room::Narrow));
        // Only upright bars have an axis of values, whose ticks begin at 0.
        assert!(wide.unwrap().svg.contains("\n0\n"));
        assert!(!narrow.unwrap().svg.contains("\n0\n"));
    }

    #[test]
    fn the_ranked_are_cut_and_say_so() {
        let countries = (0..217_u32).map(|at| mark(&format!("country {at}"), None, None, f64::from(300 - at)));
        let drawn = ranked(&marks(countries.collect()), Room::Wide).unwrap();
        assert_eq!(drawn_bars(&drawn.svg), 20);
        assert_eq!(
            drawn.left_out,
            ["The 20 highest of 217 are drawn; 197 more are in the data."]
        );
        assert!(drawn.svg.contains("country 19\n") && !drawn.svg.contains("country 20\n"));
        let top = |name: &str| {
            let bar = drawn
                .svg
                .split("<rect")
                .find(|bar| bar.contains(&format!("data-category=\"{name}\"")));
            let top = bar.and_then(|bar| bar.split(" y=\"").nth(1)?.split('"').next()?.parse::<f32>().ok());
            top.expect(name)
        };
        assert!(top("country 0") < top("country 1"), "the largest is on top");
    }

    #[test]
    fn names_of_lying_bars_end_at_one_place() {
        let countries = ["Chad", "Bosnia & Herzegovina", "日本", "Å"];
        let all = countries.map(|country| mark(country, None, Some("a label"), 1.0));
        for room in [Room::Wide, Room::Narrow] {
            let svg = ranked(&marks(all.to_vec()), room).unwrap().svg;
            let ends: Vec<_> = svg
                .split("<text ")
                .filter(|text| text.contains("text-anchor=\"end\""))
                .map(|text| text.split(" x=\"").nth(1).unwrap().split('"').next().unwrap())
                .collect();
            assert_eq!(ends.len(), countries.len(), "{svg}");
            assert!(ends.iter().all(|end| *end == ends[0]), "{ends:?}");
            // The bars begin a little behind.
            let bar: f32 = svg
                .split("<rect x=\"")
                .nth(1)
                .unwrap()
                .split('"')
                .next()
                .unwrap()
                .parse()
                .unwrap();
            let gap = bar - ends[0].parse::<f32>().unwrap();
            assert!((4.0..16.0).contains(&gap), "{gap}");
        }
    }

    #[test]
    fn a_large_value_keeps_every_digit() {
        let mut one = mark("a", None, None, 123_456_789.0);
        one.shown = "123,456,789".to_owned();
        let drawn = ranked(&marks(vec![one]), Room::Narrow).unwrap();
        assert!(drawn.svg.contains("123,456,789"), "{}", drawn.svg);
    }

    #[test]
    fn a_group_has_a_bar_for_each_series_that_has_a_value() {
        let ages = [("18-24", 3.0), ("25-35", 2.0), ("36-50", 1.0)];
        let mut all: Vec<_> = ["2015", "2016"]
            .iter()
            .flat_map(|year| ages.map(|(age, value)| mark(year, Some(age), None, value)))
            .collect();
        all.pop();
        let drawn = grouped(&marks(all), Room::Wide).unwrap();
        assert_eq!(drawn_bars(&drawn.svg), 5);
        for age in ["18-24", "25-35", "36-50"] {
            assert!(
                drawn.svg.contains(&format!("\n{age}\u{a0}\u{a0}\n")),
                "the legend names {age}"
            );
        }
    }
}
