//! One value of the database as JSON, as the predecessor's emulator posts it.
//!
//! Both databases hand out values as text of their own writing; what a column's type says is only whether that text is a
//! number, a truth or a text in JSON. So no digit is lost on the way.

use std::borrow::Cow;

use serde_json::value::RawValue;

/// How a column's text becomes JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// A whole number, digit by digit.
    Whole,
    /// A number with decimals, digit by digit.
    Number,
    /// A single-precision number, widened by the database: the fewest digits that name it.
    Single,
    /// `t` or `f`.
    Truth,
    /// Text as it is.
    Text,
    /// `YYYY-MM-DD HH:MM:SS`, in UTC if it has a zone, with decimals of the second only if they say something.
    Moment,
    /// JSON as it is.
    Json,
}

/// Appends a value. The error says why the value has no place in JSON, without repeating it.
pub(super) fn write(reading: Reading, text: &str, json: &mut Vec<u8>) -> Result<(), &'static str> {
    match reading {
        Reading::Whole | Reading::Number => json.extend_from_slice(number(text)?.as_bytes()),
        Reading::Single => {
            let number: f64 = text.parse().map_err(|_| NO_NUMBER)?;
            let number = number as f32;
            if !number.is_finite() {
                return Err(NO_NUMBER);
            }
            append(json, &number);
        }
        Reading::Truth => match text {
            "t" => json.extend_from_slice(b"true"),
            "f" => json.extend_from_slice(b"false"),
            _ => return Err("neither true nor false"),
        },
        Reading::Text => append(json, text),
        Reading::Moment => append(json, moment(text)),
        Reading::Json => {
            let value: &RawValue = serde_json::from_str(text).map_err(|_| "no JSON")?;
            // A line break between tokens would end the row early where rows are lines.
            json.extend(
                value
                    .get()
                    .bytes()
                    .map(|byte| if byte == b'\n' || byte == b'\r' { b' ' } else { byte }),
            );
        }
    }
    Ok(())
}

const NO_NUMBER: &str = "no number that JSON can hold";

/// Appends a text or number. Writing into memory cannot fail, and these two cannot be without a JSON form.
pub(super) fn append<T: serde::Serialize + ?Sized>(json: &mut Vec<u8>, value: &T) {
    let _ = serde_json::to_writer(json, value);
}

/// A number's own digits; only zeros in front (MySQL's ZEROFILL) go. `NaN` and `Infinity` are no numbers in JSON.
fn number(text: &str) -> Result<Cow<'_, str>, &'static str> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text),
    };
    let zeros = digits.bytes().take_while(|&digit| digit == b'0').count();
    let rest = &digits[zeros..];
    // The zero before the point, the exponent or the end stays.
    let spare = if rest.starts_with(|next: char| next.is_ascii_digit()) {
        zeros
    } else {
        zeros.saturating_sub(1)
    };
    let stripped = &digits[spare..];
    let starts_as_number = stripped.starts_with(|first: char| first.is_ascii_digit());
    if !starts_as_number || serde_json::from_str::<&RawValue>(stripped).is_err() {
        return Err(NO_NUMBER);
    }
    if spare == 0 {
        return Ok(Cow::Borrowed(text));
    }
    Ok(Cow::Owned(format!("{sign}{stripped}")))
}

/// Without the zone, which is UTC (the connection's), and without zeros at the end of the decimals.
fn moment(text: &str) -> &str {
    let text = text.strip_suffix("+00").unwrap_or(text);
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(reading: Reading, text: &str) -> Result<String, &'static str> {
        let mut json = Vec::new();
        write(reading, text, &mut json)?;
        Ok(String::from_utf8(json).unwrap())
    }

    #[test]
    fn values_keep_what_they_say() {
        for (reading, text, expected) in [
            (Reading::Whole, "7528", "7528"),
            (Reading::Whole, "-9223372036854775808", "-9223372036854775808"),
            (Reading::Whole, "18446744073709551615", "18446744073709551615"),
            (Reading::Whole, "00042", "42"),
            (Reading::Whole, "000", "0"),
            (Reading::Number, "-0012.50", "-12.50"),
            (Reading::Number, "0.10", "0.10"),
            (Reading::Number, "00.5", "0.5"),
            (
                Reading::Number,
                "123456789012345678901234567890.123456789",
                "123456789012345678901234567890.123456789",
            ),
            (Reading::Number, "1e+300", "1e+300"),
            (Reading::Number, "-1.5e-7", "-1.5e-7"),
            (Reading::Single, "0.10000000149011612", "0.1"),
            (Reading::Single, "-89.97869873046875", "-89.9787"),
            (Reading::Truth, "t", "true"),
            (Reading::Truth, "f", "false"),
            (
                Reading::Text,
                "O'Neil says \"ja\\nein\"\n",
                r#""O'Neil says \"ja\\nein\"\n""#,
            ),
            (Reading::Text, "Åland \u{a0}😀", "\"Åland \u{a0}😀\""),
            (Reading::Text, "", "\"\""),
            (Reading::Moment, "2020-08-28 03:52:47", "\"2020-08-28 03:52:47\""),
            (Reading::Moment, "2020-08-28 03:52:47.000000", "\"2020-08-28 03:52:47\""),
            (
                Reading::Moment,
                "2020-08-28 03:52:40.250000",
                "\"2020-08-28 03:52:40.25\"",
            ),
            (
                Reading::Moment,
                "2020-08-28 03:52:47.25+00",
                "\"2020-08-28 03:52:47.25\"",
            ),
            (Reading::Moment, "2020-08-28", "\"2020-08-28\""),
            (Reading::Json, "{\"a\":\n[1.50]}", "{\"a\": [1.50]}"),
        ] {
            assert_eq!(json(reading, text).as_deref(), Ok(expected), "{reading:?} {text}");
        }
    }

    #[test]
    fn what_json_cannot_hold_is_refused() {
        for (reading, text) in [
            (Reading::Number, "NaN"),
            (Reading::Number, "Infinity"),
            (Reading::Number, "-Infinity"),
            (Reading::Number, ""),
            (Reading::Number, "-"),
            (Reading::Number, "1.5x"),
            (Reading::Single, "1e39"),
            (Reading::Single, "x"),
            (Reading::Truth, "1"),
            (Reading::Json, "{"),
        ] {
            assert!(json(reading, text).is_err(), "{reading:?} {text}");
        }
    }
}
