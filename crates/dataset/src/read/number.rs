//! Checked numbers: exact, within bounds, also when sent as text.

use std::fmt::Display;

use serde_json::value::RawValue;

use super::text::unescape;
use crate::definition::{Bounds, Kind};

/// A whole number, decided by the digits that were sent: a double would lose some. `true` and `false` are 1 and 0;
/// `6.0` and `1e3` are the whole numbers they equal; empty text is no value.
pub(super) fn whole(raw: &RawValue, kind: Kind, bounds: Bounds<i64>) -> Result<Option<i64>, String> {
    let value = match raw.get() {
        "true" => 1,
        "false" => 0,
        _ => {
            let Some(text) = numeral(raw)? else { return Ok(None) };
            exact(&text).map_err(|unfit| match unfit {
                Unfit::NoNumber => format!("is no {kind}"),
                Unfit::Fraction => format!("is no {kind}: it has a fraction"),
                Unfit::Range => format!("is out of range for {kind}"),
            })?
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

/// Why a numeral is no whole number of 64 bits.
enum Unfit {
    NoNumber,
    Fraction,
    Range,
}

/// The whole number that a decimal numeral equals. It takes no more time than the numeral is long, whatever its exponent.
fn exact(text: &str) -> Result<i64, Unfit> {
    if let Ok(value) = text.parse() {
        return Ok(value);
    }
    let Numeral {
        negative,
        whole,
        decimals,
        exponent,
    } = Numeral::of(text).ok_or(Unfit::NoNumber)?;
    // The digits up to the last that is no zero, on whichever side of the point that is.
    let decimals = decimals.trim_end_matches('0');
    let digits = if decimals.is_empty() {
        whole.trim_end_matches('0')
    } else {
        whole
    };
    if digits.is_empty() && decimals.is_empty() {
        return Ok(0);
    }
    // How many zeros follow on them before the point. Where this saturates, the answer is the same long before.
    let length = |length: usize| i64::try_from(length).unwrap_or(i64::MAX);
    let zeros = exponent.saturating_add(length(whole.len() - digits.len()) - length(decimals.len()));
    if zeros < 0 {
        return Err(Unfit::Fraction);
    }
    // What overflows does so within twenty of the zeros: the digits are not all zero.
    digits
        .bytes()
        .chain(decimals.bytes())
        .chain(std::iter::repeat_n(b'0', usize::try_from(zeros).unwrap_or(usize::MAX)))
        .try_fold(0_i64, |value, digit| {
            let digit = i64::from(digit - b'0');
            let value = value.checked_mul(10)?;
            // The least number has no positive counterpart.
            if negative {
                value.checked_sub(digit)
            } else {
                value.checked_add(digit)
            }
        })
        .ok_or(Unfit::Range)
}

/// The parts of a decimal numeral, `[+-]whole.decimals[eE]exponent`. Of whole and decimals one may be empty.
struct Numeral<'a> {
    negative: bool,
    whole: &'a str,
    decimals: &'a str,
    /// 0 if there is none; saturated.
    exponent: i64,
}

impl<'a> Numeral<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let (negative, text) = sign(text);
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            None => (text, 0),
            Some((mantissa, exponent)) => {
                let (negative, digits) = sign(exponent);
                if digits.is_empty() || !are_digits(digits) {
                    return None;
                }
                match (digits.parse::<i64>(), negative) {
                    (Ok(exponent), false) => (mantissa, exponent),
                    (Ok(exponent), true) => (mantissa, -exponent),
                    (Err(_), false) => (mantissa, i64::MAX),
                    (Err(_), true) => (mantissa, i64::MIN),
                }
            }
        };
        let (whole, decimals) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let sound = whole.len() + decimals.len() > 0 && are_digits(whole) && are_digits(decimals);
        sound.then_some(Self {
            negative,
            whole,
            decimals,
            exponent,
        })
    }
}

/// Whether a minus is in front, and what follows on the sign.
fn sign(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

fn are_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The double nearest to a decimal numeral. Words such as `inf` and `NaN` are none.
fn double(text: &str) -> Option<f64> {
    let decimal = text
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    if decimal { text.parse().ok() } else { None }
}
