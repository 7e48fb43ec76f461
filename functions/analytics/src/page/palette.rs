//! The colours of charts, each in a light and a dark form.
//!
//! A chart is drawn once, in the light colours. On a dark screen a style sheet made from the same list
//! ([`dark_style`]) repaints what carries one of them, so a page holds no chart twice and print stays light.
//!
//! # Invariants
//! - Marks stand out from the ground by 3:1, text by 4.5:1, in both forms (`everything_stands_out`).
//! - The series' colours differ in lightness, not in hue alone, so that they can be told apart by people who see some
//!   colours alike; each series has a mark of its own or a name beside it, too (`series_can_be_told_apart`).

use std::fmt::Write;

/// A colour in its two forms, as `#RRGGBB`. The light form names it in a chart, so it stands here once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Paint {
    pub(super) light: &'static str,
    pub(super) dark: &'static str,
}

const fn paint(light: &'static str, dark: &'static str) -> Paint {
    Paint { light, dark }
}

/// Names and values.
pub(super) const INK: Paint = paint("#1F2933", "#E6EAF0");
/// Ticks of an axis, and names of what is not in the foreground.
pub(super) const QUIET: Paint = paint("#52606D", "#A3B0BF");
/// The line that bars stand on.
pub(super) const BASE: Paint = paint("#7B8794", "#7C8896");
/// Lines across the ground. They carry no meaning of their own, the ticks do.
pub(super) const GRID: Paint = paint("#E4E7EB", "#2A313B");
/// The bar or bars that the answer is about.
pub(super) const STRONG: Paint = paint("#0B5CAD", "#5AA9F5");
/// All other bars.
pub(super) const SOFT: Paint = paint("#5B8FC4", "#3F73A8");
/// Lines in the background.
pub(super) const FAINT: Paint = paint("#8792A0", "#66727F");

/// Series, in the order in which they are given out.
pub(super) const SERIES: [Paint; 6] = [
    paint("#1172EE", "#81C6FB"),
    paint("#727D03", "#F0D63F"),
    paint("#CE378D", "#EE418B"),
    paint("#0C413D", "#DAEEEB"),
    paint("#52108E", "#A065F9"),
    paint("#5A3005", "#B27940"),
];

fn all() -> impl Iterator<Item = Paint> {
    [INK, QUIET, BASE, GRID, STRONG, SOFT, FAINT].into_iter().chain(SERIES)
}

/// The style sheet for dark screens: whatever is painted in a light form gets the dark one.
pub(super) fn dark_style() -> String {
    let mut style = String::from("@media screen and (prefers-color-scheme: dark) {\n");
    for Paint { light, dark } in all() {
        for property in ["fill", "stroke"] {
            // Writing to a String cannot fail.
            let _ = writeln!(style, ".chart [{property}=\"{light}\"] {{ {property}: {dark} }}");
        }
    }
    style + "}\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The grounds that charts stand on, as `templates/report.css` has them.
    const LIGHT_GROUND: &str = "#FFFFFF";
    const DARK_GROUND: &str = "#171B21";

    /// sRGB to linear light.
    fn linear(colour: &str) -> [f64; 3] {
        [1, 3, 5].map(|at| {
            let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
            if value <= 0.040_45 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        })
    }

    fn luminance([red, green, blue]: [f64; 3]) -> f64 {
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    /// The contrast of WCAG 2.
    fn contrast(one: &str, other: &str) -> f64 {
        let (one, other) = (luminance(linear(one)), luminance(linear(other)));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    /// CIELAB, in which a distance is about how different two colours look.
    fn lab(rgb: [f64; 3]) -> [f64; 3] {
        let [red, green, blue] = rgb.map(|value| value.clamp(0.0, 1.0));
        let f = |value: f64| {
            if value > 0.008_856 {
                value.cbrt()
            } else {
                7.787 * value + 16.0 / 116.0
            }
        };
        let x = f((0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.950_47);
        let y = f(luminance([red, green, blue]));
        let z = f((0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.088_83);
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }

    /// What is left of linear light for people without one kind of cones (Machado, Oliveira, Fernandes 2009, severity 1).
    const SIGHTS: [(&str, [[f64; 3]; 3]); 4] = [
        ("all", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
        (
            "protan",
            [
                [0.152_286, 1.052_583, -0.204_868],
                [0.114_503, 0.786_281, 0.099_216],
                [-0.003_882, -0.048_116, 1.051_998],
            ],
        ),
        (
            "deutan",
            [
                [0.367_322, 0.860_646, -0.227_968],
                [0.280_085, 0.672_501, 0.047_413],
                [-0.011_820, 0.042_940, 0.968_881],
            ],
        ),
        (
            "tritan",
            [
                [1.255_528, -0.076_749, -0.178_779],
                [-0.078_411, 0.930_809, 0.147_602],
                [0.004_733, 0.691_367, 0.303_900],
            ],
        ),
    ];

    #[test]
    fn everything_stands_out() {
        let text = [INK, QUIET].into_iter().chain(SERIES).map(|paint| (paint, 4.5));
        let marks = [STRONG, SOFT, FAINT, BASE].map(|paint| (paint, 3.0));
        for (paint, least) in text.chain(marks) {
            for (form, ground) in [(paint.light, LIGHT_GROUND), (paint.dark, DARK_GROUND)] {
                let contrast = contrast(form, ground);
                assert!(contrast >= least, "{form} on {ground}: {contrast:.2}");
            }
        }
        let css = include_str!("../../templates/report.css").to_uppercase();
        assert!(
            css.contains(LIGHT_GROUND) && css.contains(DARK_GROUND),
            "the grounds moved"
        );
    }

    #[test]
    fn series_can_be_told_apart() {
        let forms: [fn(Paint) -> &'static str; 2] = [|paint| paint.light, |paint| paint.dark];
        for form in forms {
            for (sight, matrix) in SIGHTS {
                let seen = SERIES.map(|paint| {
                    let light = linear(form(paint));
                    lab(matrix.map(|row| (0..3).map(|at| row[at] * light[at]).sum()))
                });
                for (at, one) in seen.iter().enumerate() {
                    for other in &seen[..at] {
                        let distance = (0..3).map(|axis| (one[axis] - other[axis]).powi(2)).sum::<f64>().sqrt();
                        // A difference of 2 to 3 is just seen side by side; across a page it takes several times that.
                        assert!(distance > 20.0, "{sight}: {distance:.1} in {SERIES:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn each_colour_has_one_dark_form() {
        let mut light: Vec<_> = all().map(|paint| paint.light).collect();
        light.sort_unstable();
        let count = light.len();
        light.dedup();
        assert_eq!(light.len(), count);
        assert!(
            light.iter().all(|form| form.to_uppercase() == *form),
            "charts write capitals"
        );
    }
}
