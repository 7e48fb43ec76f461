//! Decoding: the bytes of one record in, its JSON fields out, each as the exact text that was sent.
//!
//! Values stay raw until a reader asks for them, so that numbers keep every digit, fields nobody asks for cost
//! nothing, and what cannot be read can be kept as it came. The parser was chosen by measurement: see
//! `benches/parsers` in the repository.

use std::{borrow::Cow, collections::HashSet, fmt};

use serde::de::{self, DeserializeSeed, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::Definition;

/// What one record may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest record, in bytes. Kinesis takes 1 MiB by default.
    pub record_bytes: usize,
    /// Deepest nesting of objects and arrays; the record itself is level 1.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            record_bytes: 1 << 20,
            depth: 32,
        }
    }
}

/// As much of an unknown field's name is told, in bytes as an answer of Lambda writes them: JSON text within JSON text,
/// in which an ASCII control character takes 7 (`\\u0000`), a quote or a backslash 4 and is counted as 7, too.
///
/// An answer of Lambda has at most 6 MiB, 6,291,456 bytes, and a request has at most 10,000 lines, if not set otherwise.
/// A refused one's entry has 170 bytes besides the name, and the name twice, each with the 3 bytes of `…`: at most
/// 10,000 × (170 + 2 × (128 + 3)) = 4,320,000 bytes.
const UNKNOWN_NAME_BYTES: usize = 128;

/// Why a record cannot become a row.
///
/// The reason is a predicate without the value ("is no int32"): equal faults have equal reasons, and neither a log nor
/// an answer made from it shows what a customer sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The JSON field at fault; `None` when the record as a whole is. A name that the definition does not know is
    /// cut.
    pub field: Option<String>,
    /// What is wrong with it.
    pub reason: String,
}

impl Rejection {
    pub(crate) fn record(reason: impl Into<String>) -> Self {
        Self {
            field: None,
            reason: reason.into(),
        }
    }

    pub(crate) fn field(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            field: Some(field.into()),
            reason: reason.into(),
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.field {
            Some(field) => write!(f, "field `{field}` {}", self.reason),
            None => write!(f, "the record {}", self.reason),
        }
    }
}

/// The fields of one record, borrowed from its bytes.
#[derive(Debug)]
pub(crate) struct Fields<'de> {
    /// By position in [`Definition::fields`]. Absent and `null` are the same: there is no value.
    pub(crate) known: Vec<Option<&'de RawValue>>,
    /// In the order sent.
    pub(crate) unknown: Vec<(Cow<'de, str>, &'de RawValue)>,
}

/// Decodes one record, or says why it is none.
pub(crate) fn decode<'de>(
    definition: &Definition,
    limits: Limits,
    payload: &'de [u8],
) -> Result<Fields<'de>, Rejection> {
    if payload.len() > limits.record_bytes {
        return Err(Rejection::record(format!(
            "is larger than {} bytes",
            limits.record_bytes
        )));
    }
    let text = std::str::from_utf8(payload)
        .map_err(|error| Rejection::record(format!("is not UTF-8 at byte {}", error.valid_up_to())))?;
    let content = text.trim_start_matches([' ', '\t', '\n', '\r']);
    if content.is_empty() {
        return Err(Rejection::record("is empty"));
    }
    if !content.starts_with('{') {
        return Err(match serde_json::from_str::<&RawValue>(content) {
            Ok(_) => Rejection::record("is no JSON object"),
            Err(error) => Rejection::record(format!("is not JSON: {error}")),
        });
    }

    let mut fault = None;
    let mut json = serde_json::Deserializer::from_str(text);
    let fields = Object {
        definition,
        limits,
        fault: &mut fault,
    }
    .deserialize(&mut json)
    .and_then(|fields| json.end().map(|()| fields));
    // The parser's own messages quote no values here: every value is taken raw, so only the grammar can fail.
    fields.map_err(|error| fault.unwrap_or_else(|| Rejection::record(format!("is not JSON: {error}"))))
}

/// The record's outermost object. A fault that is ours and not the grammar's is left in `fault`.
struct Object<'a> {
    definition: &'a Definition,
    limits: Limits,
    fault: &'a mut Option<Rejection>,
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = Fields<'de>;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let names = &self.definition.fields;
        let mut known = vec![None; names.len()];
        let mut seen = vec![false; names.len()];
        let mut unknown: Vec<(Cow<'de, str>, &'de RawValue)> = Vec::new();
        let mut unknown_names = HashSet::new();
        // Producers send fields in a steady order, mostly the definition's: look there first.
        let mut expected = 0;
        while let Some(Key(key)) = map.next_key()? {
            let position = match names.get(expected) {
                Some(name) if *name == *key => Some(expected),
                _ => names.iter().position(|name| *name == *key),
            };
            let value: &'de RawValue = map.next_value()?;
            let fault = if deeper_than(value.get(), self.limits.depth.saturating_sub(1)) {
                Some(format!("is nested deeper than {} levels", self.limits.depth))
            } else {
                let first = match position {
                    Some(position) => !std::mem::replace(&mut seen[position], true),
                    None => unknown_names.insert(key.clone()),
                };
                (!first).then(|| "stands there twice".to_owned())
            };
            if let Some(reason) = fault {
                let field = if position.is_some() { key } else { cut(key) };
                *self.fault = Some(Rejection::field(field, reason));
                return Err(de::Error::custom("not a record"));
            }
            match position {
                Some(position) => {
                    known[position] = (value.get() != "null").then_some(value);
                    expected = position + 1;
                }
                None => unknown.push((key, value)),
            }
        }
        Ok(Fields { known, unknown })
    }
}

/// An unknown field's name as it is told.
fn cut(name: Cow<'_, str>) -> Cow<'_, str> {
    let mut bytes = 0;
    let end = name.char_indices().find_map(|(at, character)| {
        bytes += match character {
            '"' | '\\' => 7,
            _ if character.is_ascii_control() => 7,
            _ => character.len_utf8(),
        };
        (bytes > UNKNOWN_NAME_BYTES).then_some(at)
    });
    match end {
        Some(end) => Cow::Owned(format!("{}…", &name[..end])),
        None => name,
    }
}

/// An object's key, borrowed unless it has escapes.
struct Key<'de>(Cow<'de, str>);

impl<'de> de::Deserialize<'de> for Key<'de> {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a field name")
            }

            fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Borrowed(key)))
            }

            fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Owned(key.to_owned())))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}

/// True when the JSON value nests more than `limit` levels of objects and arrays. Not recursive: depth costs no stack.
fn deeper_than(json: &str, limit: usize) -> bool {
    if !json.starts_with(['{', '[']) {
        return false;
    }
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                depth += 1;
                if depth > limit {
                    return true;
                }
            }
            b'}' | b']' if !in_text => depth -= 1,
            _ => {}
        }
    }
    false
}
