//! Text: unescaped, trimmed, freed of placeholders.

use std::borrow::Cow;

use serde_json::value::RawValue;

/// The text of a JSON string; `None` when the value is something else.
pub(super) fn unescape<'de>(raw: &'de RawValue) -> Result<Option<Cow<'de, str>>, String> {
    let Some(inner) = raw.get().strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return Ok(None);
    };
    if !inner.as_bytes().contains(&b'\\') {
        return Ok(Some(Cow::Borrowed(inner)));
    }
    // The grammar was checked when the value was taken; what is left to fail is half a surrogate pair.
    serde_json::from_str(raw.get())
        .map(|text: String| Some(Cow::Owned(text)))
        .map_err(|_| "has an escape that is no character".to_owned())
}

/// Text without white space at its edges (Unicode's, so U+00A0 too) and without the prefix; `None` when nothing is left
/// or only a placeholder.
pub(super) fn clean<'de>(
    raw: &'de RawValue,
    placeholders: &[String],
    strip_prefix: Option<&str>,
) -> Result<Option<Cow<'de, str>>, String> {
    let text = unescape(raw)?.ok_or("is no text")?;
    let text = narrow(text, str::trim);
    if text.is_empty()
        || placeholders
            .iter()
            .any(|placeholder| placeholder.eq_ignore_ascii_case(&text))
    {
        return Ok(None);
    }
    let Some(prefix) = strip_prefix else {
        return Ok(Some(text));
    };
    let text = narrow(text, |text| text.strip_prefix(prefix).unwrap_or(text).trim());
    Ok((!text.is_empty()).then_some(text))
}

/// A part of the text, without copying it where it is borrowed or whole.
fn narrow<'de>(text: Cow<'de, str>, part: impl Fn(&str) -> &str) -> Cow<'de, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(part(text)),
        Cow::Owned(text) => {
            let narrowed = part(&text);
            if narrowed.len() == text.len() {
                Cow::Owned(text)
            } else {
                Cow::Owned(narrowed.to_owned())
            }
        }
    }
}
