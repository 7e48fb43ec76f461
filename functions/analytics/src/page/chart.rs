//! Charts, drawn to SVG by charts-rs.
//!
//! The library places and escapes everything; what is decided here is which of its charts is taken, how much room names
//! get, and which colours are used: those of the palette only, so that a dark screen can repaint them
//! (`only_the_palette_is_used`).

mod bars;
mod lines;

use charts_rs::{Align, ChartBase, Color, DEFAULT_FONT_FAMILY, FontConfig, Symbol, YAxisConfig};

use super::{
    axis::ValueAxis,
    marks::Marks,
    palette::{self, Paint},
};
use crate::report::ChartKind;

/// A chart as SVG, and what it does not show.
#[derive(Debug)]
pub(super) struct Drawn {
    /// The SVG element.
    pub(super) svg: String,
    /// What the chart leaves out, a sentence each.
    pub(super) left_out: Vec<String>,
}

/// How much room a chart has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// A page on a desk, or printed.
    Wide,
    /// A phone, held upright.
    Narrow,
}

impl Room {
    /// In CSS pixels.
    fn width(self) -> f32 {
        match self {
            Self::Wide => 820.0,
            Self::Narrow => 326.0,
        }
    }
}

/// In CSS pixels. Nothing in a chart is written smaller.
const FONT_SIZE: f32 = 12.0;

/// Draws the marks, of which there must be one.
pub(super) fn draw(kind: ChartKind, marks: &Marks, room: Room) -> charts_rs::Result<Drawn> {
    match kind {
        ChartKind::Ranked => bars::ranked(marks, room),
        ChartKind::Bars => bars::upright(marks, room),
        ChartKind::Grouped => bars::grouped(marks, room),
        // One point makes no line.
        ChartKind::Lines if marks.xs.len() == 1 => match marks.series().as_slice() {
            [""] => bars::upright(marks, room),
            _ => bars::grouped(marks, room),
        },
        ChartKind::Lines => lines::lines(marks, room),
    }
}

fn colour(paint: Paint) -> Color {
    Color::parse(paint.light).unwrap_or_else(Color::black)
}

fn font(paint: Paint) -> FontConfig {
    FontConfig {
        size: FONT_SIZE,
        color: colour(paint),
        weight: None,
    }
}

/// What all charts share: no frame, no ground, no title (the page has them), one font, quiet lines.
fn dress(base: &mut ChartBase, room: Room, height: f32) {
    base.width = room.width();
    base.height = height;
    base.margin = (4.0, 12.0, 4.0, 4.0).into();
    base.background_color = Color::transparent();
    base.font_family = DEFAULT_FONT_FAMILY.to_owned();
    base.is_light = true;
    base.legend.show = Some(false);
    base.legend.font = font(palette::INK);
    base.legend.align = Align::Left;
    base.x_axis.font = font(palette::INK);
    base.x_axis.stroke_color = colour(palette::BASE);
    base.grid.stroke_color = colour(palette::GRID);
    base.grid.stroke_width = 1.0;
    base.series.label.font = font(palette::INK);
    base.series.stroke_width = 2.0;
    base.series.symbol = Some(Symbol::None);
}

/// The values' axis with its ticks.
fn value_axis(axis: &ValueAxis) -> YAxisConfig {
    YAxisConfig {
        font: font(palette::QUIET),
        stroke_color: Color::transparent(),
        split_number: axis.intervals,
        name_gap: 8.0,
        // `{c}` is the tick.
        formatter: Some(format!("{{c}}{}", axis.suffix)),
        min: Some(axis.low as f32),
        max: Some(axis.high as f32),
        ..YAxisConfig::default()
    }
}

/// A value in the axis' unit, in the library's precision.
fn scaled(value: f64, axis: &ValueAxis) -> f32 {
    (value / axis.unit) as f32
}

/// How wide a text will be. The font that measures knows Latin letters; others are taken to be as wide as high.
fn width_of(text: &str) -> f32 {
    let (latin, other): (String, String) = text.chars().partition(|letter| *letter < '\u{1100}');
    let latin = charts_rs::measure_text_width_family(DEFAULT_FONT_FAMILY, FONT_SIZE, &latin);
    latin.map_or(0.0, |measured| measured.width()) + other.chars().count() as f32 * FONT_SIZE
}

/// The text, cut with an ellipsis if it is wider than allowed.
fn fitted(text: &str, width: f32) -> String {
    if width_of(text) <= width {
        return text.to_owned();
    }
    let mut cut: Vec<char> = text.chars().collect();
    while cut.pop().is_some() {
        let shorter = cut.iter().collect::<String>();
        let shorter = format!("{}…", shorter.trim_end());
        if width_of(&shorter) <= width {
            return shorter;
        }
    }
    String::new()
}

/// A text as a label of the library, which would take `{a}` to `{t}` in it for places to fill.
fn literal(text: &str) -> String {
    text.replace('{', "{\u{2060}")
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::page::marks::Mark;

    pub(super) fn mark(x: &str, series: Option<&str>, label: Option<&str>, value: f64) -> Mark {
        Mark {
            x: x.to_owned(),
            series: series.map(str::to_owned),
            label: label.map(str::to_owned),
            value,
            shown: value.to_string(),
        }
    }

    pub(super) fn marks(marks: Vec<Mark>) -> Marks {
        let mut xs: Vec<String> = Vec::new();
        for mark in &marks {
            if !xs.contains(&mark.x) {
                xs.push(mark.x.clone());
            }
        }
        Marks {
            marks,
            xs,
            without_value: 0,
        }
    }

    /// How often the SVG has a mark: they carry the data, axes and legends do not.
    pub(super) fn drawn_bars(svg: &str) -> usize {
        svg.matches("data-value=").count()
    }

    const KINDS: [ChartKind; 4] = [ChartKind::Bars, ChartKind::Ranked, ChartKind::Grouped, ChartKind::Lines];

    #[test]
    fn only_the_palette_is_used() {
        let style = palette::dark_style();
        let several = marks(
            (0..40)
                .map(|at| {
                    let series = format!("series {}", at % 9);
                    mark(&format!("x{}", at / 9), Some(&series), Some("label"), f64::from(at))
                })
                .collect(),
        );
        for kind in KINDS {
            for room in [Room::Wide, Room::Narrow] {
                let svg = draw(kind, &several, room).unwrap().svg;
                for property in ["fill", "stroke"] {
                    let start = format!("{property}=\"");
                    let written = svg.split(&start).skip(1);
                    for colour in written.map(|rest| rest.split('"').next().unwrap()) {
                        let known = colour == "none" || style.contains(&format!("[{property}=\"{colour}\"]"));
                        assert!(known, "{kind:?} has {property} {colour}");
                    }
                }
                assert!(!svg.contains("<style") && !svg.contains("style="), "{kind:?}");
            }
        }
    }

    #[test]
    fn texts_are_escaped_and_braces_stay() {
        let hostile = "<script>alert('x')</script> & \"{c}\"";
        let one = marks(vec![
            mark(hostile, Some(hostile), Some(hostile), 3.0),
            mark("b", Some("t"), None, 2.0),
        ]);
        for kind in KINDS {
            for room in [Room::Wide, Room::Narrow] {
                let svg = draw(kind, &one, room).unwrap().svg;
                assert!(!svg.contains("<script"), "{kind:?}: {svg}");
                assert!(
                    svg.contains("&lt;script&gt;") || svg.contains("&lt;scri"),
                    "{kind:?}: {svg}"
                );
                assert!(!svg.contains("\"3\"}") && !svg.contains("& "), "{kind:?}: {svg}");
            }
        }
    }

    #[test]
    fn lines_of_one_point_each_are_bars() {
        let alone = marks(vec![mark("2018", None, None, 3.0)]);
        let several = ["art", "travel"].map(|series| mark("2018", Some(series), None, 3.0));
        for (marks, bars) in [(alone, 1), (marks(several.into()), 2)] {
            let svg = draw(ChartKind::Lines, &marks, Room::Wide).unwrap().svg;
            assert_eq!(drawn_bars(&svg), bars, "{svg}");
        }
    }

    proptest! {
        #[test]
        fn whatever_the_values_each_bar_is_drawn_in_finite_places(
            values in vec((0..6_u8, 0..5_u8, -1e15..1e15_f64), 1..12)
        ) {
            let all = values.iter().map(|(x, series, value)| {
                mark(&format!("x{x}"), Some(&format!("s{series}")), Some("label"), *value)
            });
            let all = marks(all.collect());
            for kind in KINDS {
                for room in [Room::Wide, Room::Narrow] {
                    let svg = draw(kind, &all, room).unwrap().svg;
                    prop_assert!(!svg.contains("NaN") && !svg.contains("inf"), "{}", svg);
                    if matches!(kind, ChartKind::Bars | ChartKind::Ranked) {
                        prop_assert_eq!(drawn_bars(&svg), values.len());
                    }
                }
            }
        }
    }

    #[test]
    fn a_text_is_cut_to_fit() {
        let long = "South Georgia and the South Sandwich Islands";
        let cut = fitted(long, 120.0);
        assert!(
            cut.ends_with('…') && long.starts_with(cut.trim_end_matches('…')),
            "{cut}"
        );
        assert!(width_of(&cut) <= 120.0);
        assert_eq!(fitted("Chad", 120.0), "Chad");
        assert!(width_of("日本") >= 2.0 * FONT_SIZE);
    }
}
