//! Numbers, times and column names as people read them.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};

/// A number's digits with a comma between thousands; what is no plain decimal number comes back as it is.
///
/// It works on text, so that no digit of a large count or a decimal is lost.
pub(super) fn grouped(number: &str) -> String {
    let (sign, rest) = match number.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", number),
    };
    let (whole, fraction) = match rest.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (rest, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !fraction.is_none_or(digits) {
        return number.to_owned();
    }
    let mut out = String::from(sign);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(fraction) = fraction {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// A whole number with a comma between thousands.
pub(super) fn count(number: impl Into<u64>) -> String {
    grouped(&number.into().to_string())
}

/// `1 row`, `2,000 rows`.
pub(super) fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(number))
}

/// A fraction to two decimals, as far as it has them; one that would vanish so keeps its digits.
pub(super) fn fraction(number: f64) -> String {
    if !number.is_finite() || (number != 0.0 && number.abs() < 0.005) {
        return number.to_string();
    }
    let text = format!("{number:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    grouped(if text == "-0" { "0" } else { text })
}

/// A share of a whole in per cent: `0 %`, `under 0.1 %`, `2.5 %`.
pub(super) fn share(part: u64, whole: u64) -> String {
    if part == 0 || whole == 0 {
        return "0 %".to_owned();
    }
    let tenths = (u128::from(part) * 2_000 / u128::from(whole)).div_ceil(2);
    match tenths {
        0 => "under 0.1 %".to_owned(),
        tenths if tenths.is_multiple_of(10) => format!("{} %", tenths / 10),
        tenths => format!("{}.{} %", tenths / 10, tenths % 10),
    }
}

/// A column's name as words: `category_count` is `category count`.
pub(super) fn column(name: &str) -> String {
    let words: Vec<&str> = name.split('_').filter(|word| !word.is_empty()).collect();
    if words.is_empty() {
        name.to_owned()
    } else {
        words.join(" ")
    }
}

/// How long something took: `85 ms`, `4.2 s`, `3 min 20 s`, `1 h 5 min`.
pub(super) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if duration.as_millis() < 1_000 {
        format!("{} ms", duration.as_millis())
    } else if seconds < 60 {
        format!("{}.{} s", seconds, duration.subsec_millis() / 100)
    } else if seconds < 3_600 {
        format!("{} min {} s", seconds / 60, seconds % 60)
    } else {
        format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60)
    }
}

/// How old something was at a moment, in the largest unit that fits: `under a minute`, `5 minutes`, `3 hours`, `2 days`.
pub(super) fn age(of: DateTime<Utc>, at: DateTime<Utc>) -> String {
    let minutes = u64::try_from((at - of).num_minutes()).unwrap_or_default();
    match minutes {
        0 => "under a minute".to_owned(),
        minutes if minutes < 120 => counted(minutes, "minute"),
        minutes if minutes < 48 * 60 => counted(minutes / 60, "hour"),
        minutes => counted(minutes / (24 * 60), "day"),
    }
}

/// `21 November 2026`.
pub(super) fn day(date: NaiveDate) -> String {
    date.format("%-d %B %Y").to_string()
}

/// `2026-11-21 04:00 UTC`.
pub(super) fn moment(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_and_nothing_else_is_touched() {
        for (number, expected) in [
            ("0", "0"),
            ("999", "999"),
            ("1000", "1,000"),
            ("-1234567", "-1,234,567"),
            ("123456", "123,456"),
            ("18446744073709551615", "18,446,744,073,709,551,615"),
            ("57000.5", "57,000.5"),
            ("1234.0050", "1,234.0050"),
            ("NaN", "NaN"),
            ("1e21", "1e21"),
            ("-", "-"),
            ("", ""),
        ] {
            assert_eq!(grouped(number), expected, "{number}");
        }
    }

    #[test]
    fn fractions_keep_what_matters() {
        for (number, expected) in [
            (0.0, "0"),
            (-0.0, "0"),
            (57_000.0, "57,000"),
            (57_000.5, "57,000.5"),
            (0.333_333, "0.33"),
            (0.001, "0.001"),
            (-2.5, "-2.5"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(fraction(number), expected, "{number}");
        }
    }

    #[test]
    fn shares_are_rounded_and_never_to_nothing() {
        for (part, whole, expected) in [
            (0, 0, "0 %"),
            (0, 10, "0 %"),
            (1, 1_000_000, "under 0.1 %"),
            (1, 40, "2.5 %"),
            (1, 2, "50 %"),
            (1, 3, "33.3 %"),
            (2, 3, "66.7 %"),
            (7, 7, "100 %"),
        ] {
            assert_eq!(share(part, whole), expected, "{part} of {whole}");
        }
    }

    #[test]
    fn times_are_said_in_the_unit_that_fits() {
        for (millis, expected) in [
            (85, "85 ms"),
            (4_290, "4.2 s"),
            (200_000, "3 min 20 s"),
            (3_900_000, "1 h 5 min"),
        ] {
            assert_eq!(duration(Duration::from_millis(millis)), expected);
        }
        let at = DateTime::UNIX_EPOCH + chrono::Duration::days(100);
        for (minutes, expected) in [
            (-5, "under a minute"),
            (0, "under a minute"),
            (1, "1 minute"),
            (119, "119 minutes"),
            (120, "2 hours"),
            (48 * 60, "2 days"),
        ] {
            assert_eq!(age(at - chrono::Duration::minutes(minutes), at), expected);
        }
    }
}
