//! Reading a request's envelope: the fields around the records, each value as the exact text that was sent.
//!
//! Records are forwarded byte for byte, so their values stay raw. Every complaint names the field it is about, as in
//! `records[3].partition-key must be text`. Names that nobody asks for are ignored, as AWS and Kafka clients expect.

use std::{borrow::Cow, fmt};

use bytes::Bytes;
use serde::{
    Deserialize,
    de::{Deserializer, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::refusal::Refusal;

/// The fields of one JSON object, in order, borrowed from its text.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    /// What errors call the object: empty for the body itself, else as in `records[3]`.
    at: String,
    fields: Vec<(Name<'a>, &'a RawValue)>,
}

/// One field that was found: what errors call it, and its value.
#[derive(Debug)]
pub(crate) struct Field<'a> {
    at: String,
    value: &'a RawValue,
}

impl<'a> Fields<'a> {
    /// Reads a whole body.
    pub(crate) fn of_body(body: &'a [u8]) -> Result<Self, Refusal> {
        let text = std::str::from_utf8(body).map_err(|_| Refusal::malformed("the body is no UTF-8 text"))?;
        if text.trim_ascii().is_empty() {
            return Err(Refusal::malformed("the body is empty"));
        }
        if !text.trim_ascii_start().starts_with('{') {
            return Err(Refusal::malformed("the body must be a JSON object"));
        }
        Self::parse(String::new(), text).map_err(|error| Refusal::malformed(format!("the body is no JSON: {error}")))
    }

    /// Reads one record of a list.
    pub(crate) fn of(field: &Field<'a>) -> Result<Self, Refusal> {
        if !field.value.get().starts_with('{') {
            return Err(field.must("be an object"));
        }
        Self::parse(field.at.clone(), field.value.get()).map_err(|_| field.must("be an object"))
    }

    fn parse(at: String, text: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str::<RawFields<'a>>(text).map(|RawFields(fields)| Self { at, fields })
    }

    /// The field of one of these names; `null` counts as absent.
    pub(crate) fn get(&self, names: &[&str]) -> Result<Option<Field<'a>>, Refusal> {
        Ok(self.get_any(names)?.filter(|field| field.value.get() != "null"))
    }

    /// The field of one of these names, `null` or not.
    pub(crate) fn get_any(&self, names: &[&str]) -> Result<Option<Field<'a>>, Refusal> {
        let mut found = self.fields.iter().filter(|(name, _)| names.contains(&&*name.0));
        let Some((name, value)) = found.next() else {
            return Ok(None);
        };
        let field = Field {
            at: self.path(&name.0),
            value,
        };
        match found.next() {
            None => Ok(Some(field)),
            Some(_) => Err(Refusal::malformed(format!("{} is given twice", field.at))),
        }
    }

    /// Like [`get_any`](Self::get_any), for a field that must be there; the first name is the one asked for.
    pub(crate) fn require(&self, names: &[&str]) -> Result<Field<'a>, Refusal> {
        self.get_any(names)?.ok_or_else(|| {
            Refusal::malformed(format!(
                "{} is missing",
                self.path(names.first().copied().unwrap_or_default())
            ))
        })
    }

    fn path(&self, name: &str) -> String {
        if self.at.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.at)
        }
    }
}

impl<'a> Field<'a> {
    /// The value's exact text.
    pub(crate) fn raw(&self) -> &'a str {
        self.value.get()
    }

    /// The value, if it is JSON text.
    pub(crate) fn as_text(&self) -> Option<String> {
        if self.is_text() {
            serde_json::from_str(self.raw()).ok()
        } else {
            None
        }
    }

    pub(crate) fn is_text(&self) -> bool {
        self.raw().starts_with('"')
    }

    /// The value, which must be JSON text.
    pub(crate) fn text(&self) -> Result<String, Refusal> {
        self.as_text().ok_or_else(|| self.must("be text"))
    }

    /// The bytes of a base64 text; `None` if it is none.
    pub(crate) fn base64(&self) -> Option<Bytes> {
        base64_simd::STANDARD
            .decode_to_vec(self.as_text()?)
            .ok()
            .map(Bytes::from)
    }

    /// The value, which must be a list that is not empty.
    pub(crate) fn list(&self) -> Result<Vec<Field<'a>>, Refusal> {
        let values: Vec<&'a RawValue> = if self.raw().starts_with('[') {
            serde_json::from_str(self.raw()).map_err(|_| self.must("be a list"))?
        } else {
            return Err(self.must("be a list"));
        };
        if values.is_empty() {
            return Err(self.must("not be empty"));
        }
        let field = |(index, value)| Field {
            at: format!("{}[{index}]", self.at),
            value,
        };
        Ok(values.into_iter().enumerate().map(field).collect())
    }

    /// A complaint about this field, as in `records[3].partition-key must be text`.
    pub(crate) fn must(&self, what: &str) -> Refusal {
        Refusal::malformed(format!("{} must {what}", self.at))
    }
}

/// A JSON value without the white space between its tokens; otherwise as it was sent.
pub(crate) fn compact(raw: &str) -> String {
    let (mut in_text, mut escaped) = (false, false);
    let mut keep = |character: char| {
        if in_text {
            in_text = escaped || character != '"';
            escaped = !escaped && character == '\\';
            return true;
        }
        in_text = character == '"';
        !character.is_ascii_whitespace()
    };
    raw.chars().filter(|&character| keep(character)).collect()
}

#[derive(Debug, Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

struct RawFields<'a>(Vec<(Name<'a>, &'a RawValue)>);

impl<'de> Deserialize<'de> for RawFields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = RawFields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    fields.push(entry);
                }
                Ok(RawFields(fields))
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compact_touches_nothing_inside_texts() {
        let cases = [
            (r#"{ "a" : [ 1 , 2 ] }"#, r#"{"a":[1,2]}"#),
            (r#"{"a b" : "c \" d\\" , "e" : 1}"#, r#"{"a b":"c \" d\\","e":1}"#),
            ("12", "12"),
        ];
        for (raw, expected) in cases {
            assert_eq!(compact(raw), expected);
        }
    }

    #[test]
    fn absurd_nesting_breaks_nothing() {
        let deep = format!("{{\"records\":{}{}}}", "[".repeat(200_000), "]".repeat(200_000));
        let fields = Fields::of_body(deep.as_bytes()).unwrap();
        assert_eq!(fields.require(&["records"]).unwrap().list().unwrap().len(), 1);
    }
}
