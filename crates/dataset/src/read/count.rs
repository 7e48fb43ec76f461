//! Counts as people write them: `394`, `1,234`, `12k`, `1.5M`, `9k+`.

use serde_json::value::RawValue;

use super::text::unescape;

const NO_COUNT: &str = "is no count";

/// Reads a count exactly, as a number or text. Empty text is no value; anything that is no whole, unsigned count that
/// fits an int64 cannot be read.
pub(super) fn count(raw: &RawValue) -> Result<Option<i64>, String> {
    let text = unescape(raw)?;
    let text = text.as_deref().unwrap_or(raw.get()).trim();
    if text.is_empty() {
        return Ok(None);
    }
    parse(text).map(Some).ok_or_else(|| NO_COUNT.to_owned())
}

/// Digits with optional thousands commas and decimals, an optional suffix k, m or b in either case, an optional `+`.
fn parse(text: &str) -> Option<i64> {
    let text = text.strip_suffix('+').unwrap_or(text);
    let (number, scale) = match text.as_bytes().last()? {
        b'k' | b'K' => (&text[..text.len() - 1], 3),
        b'm' | b'M' => (&text[..text.len() - 1], 6),
        b'b' | b'B' => (&text[..text.len() - 1], 9),
        _ => (text, 0),
    };
    let (whole, decimals) = match number.split_once('.') {
        None => (number, ""),
        Some((whole, decimals)) if !decimals.is_empty() && decimals.bytes().all(|b| b.is_ascii_digit()) => {
            (whole, decimals.trim_end_matches('0'))
        }
        Some(_) => return None,
    };
    // 1.5k is 1500, but 1.5 is no count: more decimals than the suffix has zeros leave a fraction.
    if decimals.len() > scale {
        return None;
    }
    let mut value: i64 = 0;
    let digits = digits(whole)?
        .chain(decimals.bytes())
        .chain(std::iter::repeat_n(b'0', scale - decimals.len()));
    for digit in digits {
        value = value.checked_mul(10)?.checked_add(i64::from(digit - b'0'))?;
    }
    Some(value)
}

/// The digits of a whole number whose thousands may be set off by commas, all or none.
fn digits(whole: &str) -> Option<impl Iterator<Item = u8>> {
    let mut groups = whole.split(',');
    let first = groups.next()?;
    let grouped = whole.len() > first.len();
    let sound = !first.is_empty()
        && (!grouped || first.len() <= 3)
        && groups.all(|group| group.len() == 3)
        && whole.bytes().all(|byte| byte.is_ascii_digit() || byte == b',');
    sound.then(|| whole.bytes().filter(|&byte| byte != b','))
}
