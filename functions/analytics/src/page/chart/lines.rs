//! Lines: one for each series, named where it ends.
//!
//! More lines than people can follow are not all given a colour: the largest stand in front, the others are drawn faint
//! behind them, and keep their names as long as there is room.

use charts_rs::{LineChart, Series, Symbol, TextConfig};

use super::{Drawn, FONT_SIZE, Room, colour, dress, fitted, font, scaled, value_axis, width_of};
use crate::page::{
    axis::ValueAxis,
    marks::Marks,
    palette::{self, Paint},
};

/// The height of the axis of categories.
const X_AXIS: f32 = 30.0;
/// From one name to the next.
const LINE_HEIGHT: f32 = FONT_SIZE + 3.0;
/// Between the end of a line and its name.
const GAP: f32 = 9.0;
/// Above and below the plot.
const MARGIN: f32 = 10.0;

/// A line in the making.
struct Line<'a> {
    name: &'a str,
    values: Vec<Option<f64>>,
    paint: Paint,
    symbol: Symbol,
}

/// The lines of the marks along their categories.
pub(super) fn lines(marks: &Marks, room: Room) -> charts_rs::Result<Drawn> {
    let axis = ValueAxis::over(marks.marks.iter().map(|mark| mark.value));
    let (lines, mut left_out) = painted(marks);
    let height = match room {
        Room::Wide => 400.0,
        Room::Narrow => 360.0,
    };
    let for_names = room.width() * 0.34;
    let plot = height - X_AXIS - 2.0 * MARGIN;

    // The faint first, so that the others lie over them.
    let series = lines.iter().rev().map(|line| Series {
        name: line.name.to_owned(),
        data: line
            .values
            .iter()
            .map(|value| value.map(|value| scaled(value, &axis)))
            .collect(),
        symbol: Some(line.symbol.clone()),
        ..Series::default()
    });
    let mut chart = LineChart::new(series.collect(), marks.xs.clone());
    dress(&mut chart.base, room, height);
    chart.y_axis_configs = vec![value_axis(&axis)];
    chart.series.colors = lines.iter().rev().map(|line| colour(line.paint)).collect();
    chart.x_axis.boundary_gap = Some(false);
    chart.x_axis.height = X_AXIS;
    chart.x_axis.font = font(palette::QUIET);
    chart.margin.top = MARGIN;
    chart.margin.bottom = MARGIN;

    if lines.len() > 1 || lines.iter().any(|line| !line.name.is_empty()) {
        let names: Vec<String> = lines.iter().map(|line| fitted(line.name, for_names)).collect();
        let widest = names.iter().map(|name| width_of(name)).fold(0.0, f32::max);
        chart.margin.right = widest * 1.06 + GAP + 2.0;
        let ends: Vec<f32> = lines
            .iter()
            .map(|line| {
                let last = line.values.iter().rev().find_map(|value| *value);
                MARGIN + plot * (1.0 - axis.place(last.unwrap_or_default()) as f32)
            })
            .collect();
        let room_for = (plot / LINE_HEIGHT) as usize + 1;
        if lines.len() > room_for {
            left_out.push(format!(
                "{} faint lines have no room for their names.",
                lines.len() - room_for
            ));
        }
        let named = spread(&ends[..lines.len().min(room_for)], MARGIN, MARGIN + plot);
        let right = chart.width - chart.margin.right + GAP;
        chart.texts = lines
            .iter()
            .zip(&names)
            .zip(named)
            .map(|((line, name), middle)| TextConfig {
                text: name.clone(),
                left: Some(right),
                top: Some(middle - FONT_SIZE / 2.0),
                font: font(if line.paint == palette::FAINT {
                    palette::QUIET
                } else {
                    line.paint
                }),
                ..TextConfig::default()
            })
            .collect();
    }
    Ok(Drawn {
        svg: chart.svg()?,
        left_out,
    })
}

/// The lines, the largest in all first, with their colours and symbols; and what is to be said of that.
fn painted(marks: &Marks) -> (Vec<Line<'_>>, Vec<String>) {
    let mut lines: Vec<(f64, Line<'_>)> = marks
        .series()
        .into_iter()
        .map(|name| {
            let values = marks.along(name);
            let sum = values.iter().flatten().sum();
            let line = Line {
                name,
                values,
                paint: palette::FAINT,
                symbol: Symbol::Circle(1.5, Some(colour(palette::FAINT))),
            };
            (sum, line)
        })
        .collect();
    lines.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    let mut lines: Vec<_> = lines.into_iter().map(|(_, line)| line).collect();
    for (at, (line, paint)) in lines.iter_mut().zip(palette::SERIES).enumerate() {
        let fill = Some(colour(paint));
        line.paint = paint;
        line.symbol = match at % 4 {
            0 => Symbol::Circle(3.5, fill),
            1 => Symbol::Rect(3.5, fill),
            2 => Symbol::Triangle(4.5, fill),
            _ => Symbol::Diamond(4.5, fill),
        };
    }
    let note = (lines.len() > palette::SERIES.len()).then(|| {
        format!(
            "The {} largest lines, all points taken together, are in colour; the other {} are grey.",
            palette::SERIES.len(),
            lines.len() - palette::SERIES.len()
        )
    });
    (lines, note.into_iter().collect())
}

/// Moves the middles of names apart, as little as needed, so that none is over another and all stay inside.
fn spread(middles: &[f32], top: f32, bottom: f32) -> Vec<f32> {
    let mut order: Vec<usize> = (0..middles.len()).collect();
    order.sort_by(|one, other| middles[*one].total_cmp(&middles[*other]));
    // Neighbours that touch become a block around the mean of where its names want to be.
    let mut blocks: Vec<(f32, Vec<usize>)> = Vec::new();
    for at in order {
        let mut block = (middles[at], vec![at]);
        while let Some((middle, names)) = blocks.pop() {
            let needed = (names.len() + block.1.len()) as f32 / 2.0 * LINE_HEIGHT;
            if block.0 - middle >= needed {
                blocks.push((middle, names));
                break;
            }
            let names: Vec<usize> = names.into_iter().chain(block.1).collect();
            let mean = names.iter().map(|at| middles[*at]).sum::<f32>() / names.len() as f32;
            let half = (names.len() - 1) as f32 / 2.0 * LINE_HEIGHT;
            let mean = mean.min(bottom - half).max(top + half);
            block = (mean, names);
        }
        blocks.push(block);
    }
    let mut placed = vec![0.0; middles.len()];
    for (middle, names) in blocks {
        let first = middle - (names.len() - 1) as f32 / 2.0 * LINE_HEIGHT;
        for (line, at) in names.into_iter().enumerate() {
            placed[at] = first + line as f32 * LINE_HEIGHT;
        }
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::chart::tests::{mark, marks};

    fn categories(count: u32) -> Marks {
        let years = ["2018", "2019", "2020"];
        let all = (0..count)
            .flat_map(|at| years.map(|year| mark(year, Some(&format!("category {at:02}")), None, f64::from(100 - at))));
        marks(all.collect())
    }

    #[test]
    fn each_series_is_a_line_with_its_name_at_the_end() {
        for room in [Room::Wide, Room::Narrow] {
            let drawn = lines(&categories(13), room).unwrap();
            assert_eq!(drawn_lines(&drawn.svg), 13, "{}", drawn.svg);
            for at in 0..13 {
                assert!(drawn.svg.contains(&format!("category {at:02}")), "{at} in {room:?}");
            }
            assert_eq!(
                drawn.left_out,
                ["The 6 largest lines, all points taken together, are in colour; the other 7 are grey."]
            );
        }
    }

    /// Paths that are stroked; symbols are filled.
    fn drawn_lines(svg: &str) -> usize {
        let paths = svg.split("<path").skip(1).filter_map(|path| path.split('>').next());
        paths
            .filter(|path| path.contains("fill=\"none\"") && path.contains("stroke=\"#"))
            .count()
    }

    #[test]
    fn more_lines_than_there_is_room_for_lose_their_names_only() {
        let drawn = lines(&categories(40), Room::Narrow).unwrap();
        assert_eq!(drawn.left_out.len(), 2, "{:?}", drawn.left_out);
        assert!(drawn.svg.contains("category 00") && !drawn.svg.contains("category 39"));
    }

    #[test]
    fn names_are_moved_apart_and_stay_inside() {
        for middles in [
            vec![],
            vec![50.0],
            vec![50.0, 50.0, 50.0],
            vec![10.0, 12.0, 290.0, 300.0],
            (0..18).map(|at| at as f32).collect(),
        ] {
            let mut placed = spread(&middles, 10.0, 300.0);
            assert!(placed.iter().all(|middle| (9.9..=300.1).contains(middle)), "{placed:?}");
            placed.sort_by(f32::total_cmp);
            let apart = |pair: &[f32]| pair[1] - pair[0] > LINE_HEIGHT - 0.01;
            assert!(placed.windows(2).all(apart), "{placed:?}");
        }
    }

    #[test]
    fn a_name_that_is_free_stays_where_its_line_ends() {
        assert_eq!(spread(&[20.0, 200.0], 10.0, 300.0), [20.0, 200.0]);
    }
}
