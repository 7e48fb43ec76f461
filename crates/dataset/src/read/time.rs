//! Timestamps and dates in named formats. Always UTC: a session's time zone has no say.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime};
use serde_json::value::RawValue;

use super::text::unescape;

/// A format that a definition can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeFormat {
    /// `2019-04-07 11:03:21`, with up to six decimals of a second, UTC.
    Datetime,
    /// `2019-04-07T11:03:21Z` or with an offset, RFC 3339.
    Rfc3339,
    /// Whole seconds since 1970-01-01T00:00:00Z.
    EpochSeconds,
    /// Whole milliseconds since 1970-01-01T00:00:00Z.
    EpochMillis,
}

impl TimeFormat {
    pub(crate) const ALL: [(&'static str, TimeFormat); 4] = [
        ("datetime", TimeFormat::Datetime),
        ("rfc3339", TimeFormat::Rfc3339),
        ("epoch_seconds", TimeFormat::EpochSeconds),
        ("epoch_millis", TimeFormat::EpochMillis),
    ];

    /// What a reader of an error would write to get it right.
    fn example(self) -> &'static str {
        match self {
            TimeFormat::Datetime => "YYYY-MM-DD HH:MM:SS",
            TimeFormat::Rfc3339 => "YYYY-MM-DDTHH:MM:SSZ",
            TimeFormat::EpochSeconds => "seconds since 1970",
            TimeFormat::EpochMillis => "milliseconds since 1970",
        }
    }

    fn parse(self, text: &str, number: bool) -> Option<i64> {
        match self {
            TimeFormat::Datetime if !number => datetime(text),
            TimeFormat::Rfc3339 if !number => micros(DateTime::parse_from_rfc3339(text).ok()?.naive_utc()),
            TimeFormat::EpochSeconds => within(text.parse::<i64>().ok()?.checked_mul(1_000_000)?),
            TimeFormat::EpochMillis => within(text.parse::<i64>().ok()?.checked_mul(1_000)?),
            _ => None,
        }
    }
}

/// A timestamp in the first format that fits, as microseconds since 1970-01-01T00:00:00Z. Empty text is no value.
pub(super) fn timestamp(raw: &RawValue, formats: &[TimeFormat]) -> Result<Option<i64>, String> {
    let text = unescape(raw)?;
    let number = text.is_none();
    let text = text.as_deref().unwrap_or(raw.get()).trim();
    if text.is_empty() {
        return Ok(None);
    }
    let found = formats.iter().find_map(|format| format.parse(text, number));
    found.map(Some).ok_or_else(|| {
        let examples = formats
            .iter()
            .map(|format| format!("`{}`", format.example()))
            .collect::<Vec<_>>();
        format!("is no timestamp such as {}", examples.join(" or "))
    })
}

/// A date `2019-04-07`, as days since 1970-01-01. Empty text is no value.
pub(super) fn date(raw: &RawValue) -> Result<Option<i32>, String> {
    let text = unescape(raw)?.ok_or("is no date such as `YYYY-MM-DD`")?;
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let date = ymd(text).ok_or("is no date such as `YYYY-MM-DD`")?;
    Ok(Some(date.to_epoch_days()))
}

fn datetime(text: &str) -> Option<i64> {
    let (date, time) = (text.get(..10)?, text.get(11..)?);
    if text.as_bytes()[10] != b' ' {
        return None;
    }
    let (clock, fraction) = match time.split_once('.') {
        None => (time, 0),
        Some((clock, decimals)) if decimals.len() <= 6 => {
            (clock, digits(decimals)? * 10_u32.pow(6 - decimals.len() as u32))
        }
        Some(_) => return None,
    };
    let [h1, h2, b':', m1, m2, b':', s1, s2] = *clock.as_bytes() else {
        return None;
    };
    let two = |a: u8, b: u8| digits(std::str::from_utf8(&[a, b]).ok()?);
    micros(ymd(date)?.and_hms_micro_opt(two(h1, h2)?, two(m1, m2)?, two(s1, s2)?, fraction)?)
}

fn ymd(text: &str) -> Option<NaiveDate> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let year = i32::try_from(digits(text.get(..4)?)?).ok()?;
    let date = NaiveDate::from_ymd_opt(year, digits(text.get(5..7)?)?, digits(text.get(8..)?)?)?;
    (year >= 1).then_some(date)
}

/// Decimal digits only: no sign, no space.
fn digits(text: &str) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

fn micros(time: NaiveDateTime) -> Option<i64> {
    within(time.and_utc().timestamp_micros())
}

/// Years 1 to 9999: what every engine that reads the tables can show.
fn within(micros: i64) -> Option<i64> {
    let year = DateTime::from_timestamp_micros(micros)?.year();
    (1..=9999).contains(&year).then_some(micros)
}
