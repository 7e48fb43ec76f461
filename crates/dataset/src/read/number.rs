//! Checked numbers: exact, within bounds, also when sent as text.

use serde_json::value::RawValue;

use super::text::unescape;
use crate::definition::{Bounds, Kind};

/// Up to here a double holds every whole number.
const EXACT_IN_DOUBLE: f64 = 9_007_199_254_740_992.0;

/// A whole number. `true` and `false` are 1 and 0; `6.0` and `1e3` are the whole numbers they equal; empty text is no
/// value.
pub(super) fn whole(raw: &RawValue, kind: Kind, min: i64, max: i64) -> Result<Option<i64>, String> {
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
    if (min..=max).contains(&value) {
        return Ok(Some(value));
    }
    let natural = match kind {
        Kind::Int32 => (i32::MIN.into(), i32::MAX.into()),
        _ => (i64::MIN, i64::MAX),
    };
    Err(if (min, max) == natural {
        format!("is out of range for {kind}")
    } else {
        format!("is not within {min} to {max}")
    })
}

/// A finite double. Empty text is no value.
pub(super) fn float(raw: &RawValue, bounds: Bounds) -> Result<Option<f64>, String> {
    let Some(text) = numeral(raw)? else { return Ok(None) };
    let value = double(&text).ok_or("is no number")?;
    if !value.is_finite() {
        return Err("is out of range for float64".to_owned());
    }
    if value < bounds.min || value > bounds.max {
        return Err(format!("is not within {} to {}", bounds.min, bounds.max));
    }
    Ok(Some(value))
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
