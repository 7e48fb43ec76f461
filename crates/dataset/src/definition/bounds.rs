//! The bounds of a column's numbers, as its definition gives them.

use std::fmt;

use toml::Spanned;

use super::{
    Bounds, Kind, Reader,
    file::{OneOrMore, RawColumn},
    mistake::Source,
};

impl Source<'_> {
    /// The reader of whole numbers, of which the type holds those from `least` to `most`.
    pub(super) fn whole(&mut self, raw: &RawColumn, kind: Kind, least: i64, most: i64) -> Reader {
        let mut bound = |option: &Option<Spanned<OneOrMore<f64>>>, name: &str| {
            let bound = option.as_ref()?;
            match bound.get_ref() {
                // Within 2^53 a double holds every whole number, so the conversion is exact.
                OneOrMore::One(value) if value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0 => {
                    Some(*value as i64)
                }
                _ => {
                    self.mistake(bound.span(), format!("`{name}` must be one whole number within ±2^53"));
                    None
                }
            }
        };
        let bounds = Bounds {
            min: bound(&raw.min, "min"),
            max: bound(&raw.max, "max"),
        };
        self.some_value_fits(raw, kind, bounds, least, most);
        Reader::Whole(bounds)
    }

    /// One pair of bounds per field. An infinite bound is none: so one field of several can do without.
    pub(super) fn bounds(&mut self, raw: &RawColumn, kind: Kind, fields: usize) -> Vec<Bounds<f64>> {
        let mut side = |option: &Option<Spanned<OneOrMore<f64>>>, name: &str, open: f64| {
            let Some(given) = option else {
                return vec![None; fields];
            };
            let values = match given.get_ref() {
                OneOrMore::One(value) => vec![*value; fields],
                OneOrMore::More(values) => values.clone(),
            };
            if values.len() != fields || values.iter().any(|value| value.is_nan()) {
                self.mistake(
                    given.span(),
                    format!("`{name}` needs one number, or one per field ({fields})"),
                );
                return vec![None; fields];
            }
            values
                .into_iter()
                .map(|value| (value != open).then_some(value))
                .collect()
        };
        let mins = side(&raw.min, "min", f64::NEG_INFINITY);
        let maxs = side(&raw.max, "max", f64::INFINITY);
        let bounds: Vec<_> = mins
            .into_iter()
            .zip(maxs)
            .map(|(min, max)| Bounds { min, max })
            .collect();
        for bounds in &bounds {
            self.some_value_fits(raw, kind, *bounds, f64::MIN, f64::MAX);
        }
        bounds
    }

    /// Bounds that leave no value between them, or none that the type can hold, are a mistake.
    fn some_value_fits<T>(&mut self, raw: &RawColumn, kind: Kind, bounds: Bounds<T>, least: T, most: T)
    where
        T: PartialOrd + fmt::Display,
    {
        let why = match (bounds.min, bounds.max) {
            (Some(min), Some(max)) if min > max => format!("`min` {min} is above `max` {max}"),
            (Some(min), _) if min > most => format!("`min` {min} is above every `{kind}`"),
            (_, Some(max)) if max < least => format!("`max` {max} is below every `{kind}`"),
            _ => return,
        };
        self.mistake(raw.name.span(), format!("no value fits: {why}"));
    }
}
