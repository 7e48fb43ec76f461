//! Checked numbers: exact, within bounds, also when sent as text.

use std::fmt::Display;

use serde_json::value::RawValue;

use super::text::unescape;
use crate::definition::{Bounds, Kind};

/// Up to here a double holds every whole number.
const EXACT_IN_DOUBLE: f64 = 9_007_199_254_740_992.0;

/// A whole number. `true` and `false` are 1 and 0; `6.0` and `1e3` are the whole numbers they equal; empty text is no
/// value.
pub(super) fn whole(raw: &RawValue, kind: Kind, bounds: Bounds<i64>) -> Result<Option<i64>, String> {
    let value = match raw.get() {
        "true" => 1,
        "false" => 0,
        _ => {
            let Some(text) = numeral(raw)? else { return Ok(None) };
            match text.parse::<i64>() {
                Ok(value) => value,
                Err(_) => match double(&text) {
                    Some(value) if value.fract() != 0.0 => return Err(format!("is no {kind}: it has a fraction")),
                    // In range and exact: the cast changes nothing.
                    Some(value) if value.abs() <= EXACT_IN_DOUBLE => value as i64,
                    Some(_) => return Err(format!("is out of range for {kind}")),
                    None => return Err(format!("is no {kind}")),
                },
            }
        }
    };
    bounds.check(value)?;
    if kind == Kind::Int32 && i32::try_from(value).is_err() {
        return Err(format!("is out of range for {kind}"));
    }
    Ok(Some(value))
}

/// A finite double. Empty text is no value.
pub(super) fn float(raw: &RawValue, bounds: Bounds<f64>) -> Result<Option<f64>, String> {
    let Some(text) = numeral(raw)? else { return Ok(None) };
    let value = double(&text).ok_or("is no number")?;
    if !value.is_finite() {
        return Err("is out of range for float64".to_owned());
    }
    bounds.check(value)?;
    Ok(Some(value))
}

impl<T: PartialOrd + Display + Copy> Bounds<T> {
    /// Tells the bounds that the definition gives, and no others.
    fn check(self, value: T) -> Result<(), String> {
        let below = self.min.is_some_and(|min| value < min);
        let above = self.max.is_some_and(|max| value > max);
        if !below && !above {
            return Ok(());
        }
        Err(match (self.min, self.max) {
            (Some(min), Some(max)) => format!("is not within {min} to {max}"),
            (Some(min), None) => format!("is below {min}"),
            (None, Some(max)) => format!("is above {max}"),
            (None, None) => return Ok(()),
        })
    }
}

/// `true`, `false`, 0, 1, or one of these as text in any case. Empty text is no value.
pub(super) fn bool(raw: &RawValue) -> Result<Option<bool>, String> {
    let text = unescape(raw)?;
    let text = text.as_deref().unwrap_or(raw.get()).trim();
    match text {
        "" => Ok(None),
        "1" => Ok(Some(true)),
        "0" => Ok(Some(false)),
        _ if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
        _ if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
        _ => Err("is no bool".to_owned()),
    }
}

/// The text of a number, sent as a number or as text; `None` for empty text.
fn numeral(raw: &RawValue) -> Result<Option<String>, String> {
    let text = unescape(raw)?;
    let text = text.as_deref().unwrap_or(raw.get()).trim();
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// The double nearest to a decimal numeral. Words such as `inf` and `NaN` are none.
fn double(text: &str) -> Option<f64> {
    let decimal = text
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    if decimal { text.parse().ok() } else { None }
}
