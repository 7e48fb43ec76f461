//! From a `[[column]]` of a definition file to a [`Column`].

use std::collections::HashSet;

use toml::Spanned;

use super::{Column, Kind, Otherwise, Reader, file::RawColumn, mistake::Source};
use crate::read::TimeFormat;

impl Source<'_> {
    /// Reads one column. `None` when a mistake leaves nothing to go on with.
    pub(super) fn column(&mut self, raw: &RawColumn, fields: &mut Vec<String>) -> Option<Column> {
        let before = self.mistakes.len();
        let from = match &raw.from {
            None => vec![raw.name.get_ref().clone()],
            Some(from) => from.get_ref().to_vec(),
        };
        let from_span = raw.from.as_ref().map_or(raw.name.span(), Spanned::span);
        if from.is_empty() || from.iter().any(String::is_empty) {
            self.mistake(from_span.clone(), "`from` names no field".into());
        }
        if from.iter().collect::<HashSet<_>>().len() < from.len() {
            self.mistake(from_span.clone(), "`from` names a field twice".into());
        }

        let kind = self.kind(&raw.r#type)?;
        let reader = self.reader(raw, kind, from.len())?;
        let takes_many = matches!(reader, Reader::Concat { .. } | Reader::Array(_));
        if from.len() > 1 && !takes_many {
            self.mistake(
                from_span,
                format!("`from` names {} fields, but type `{kind}` reads one", from.len()),
            );
        }
        let otherwise = self.otherwise(raw)?;
        self.stray_options(raw, &reader);
        if self.mistakes.len() > before {
            return None;
        }
        let from = from
            .into_iter()
            .map(|field| {
                fields.iter().position(|known| *known == field).unwrap_or_else(|| {
                    fields.push(field);
                    fields.len() - 1
                })
            })
            .collect();
        Some(Column {
            name: raw.name.get_ref().clone(),
            from,
            kind,
            reader,
            required: raw.required,
            otherwise,
        })
    }

    fn kind(&mut self, raw: &Spanned<String>) -> Option<Kind> {
        let found = Kind::ALL.into_iter().find(|(name, _)| name == raw.get_ref());
        if found.is_none() {
            let names = Kind::ALL.map(|(name, _)| format!("`{name}`")).join(", ");
            self.mistake(
                raw.span(),
                format!("type `{}` is unknown; there are {names}", raw.get_ref()),
            );
        }
        found.map(|(_, kind)| kind)
    }

    fn reader(&mut self, raw: &RawColumn, kind: Kind, fields: usize) -> Option<Reader> {
        let placeholders = raw.placeholders.as_ref().is_some_and(|flag| *flag.get_ref());
        let default = match kind {
            Kind::Floats => "array",
            _ => "value",
        };
        let read = raw.read.as_ref().map_or(default, |read| read.get_ref().as_str());
        Some(match (read, kind) {
            ("value", Kind::Bool) => Reader::Bool,
            ("value", Kind::Int32) => self.whole(raw, kind, i32::MIN.into(), i32::MAX.into()),
            ("value", Kind::Int64) => self.whole(raw, kind, i64::MIN, i64::MAX),
            ("value", Kind::Float64) => Reader::Float(*self.bounds(raw, kind, 1).first()?),
            ("value", Kind::Text) => Reader::Text {
                placeholders,
                strip_prefix: raw.strip_prefix.as_ref().map(|prefix| prefix.get_ref().clone()),
            },
            ("value", Kind::Date) => Reader::Date,
            ("value", Kind::Timestamp) => Reader::Timestamp(self.formats(raw)),
            ("count", Kind::Int64) => Reader::Count,
            ("concat", Kind::Text) => Reader::Concat {
                placeholders,
                separator: raw
                    .separator
                    .as_ref()
                    .map_or_else(|| " ".into(), |text| text.get_ref().clone()),
            },
            ("array", Kind::Floats) => Reader::Array(self.bounds(raw, kind, fields)),
            (read, kind) => {
                let span = raw.read.as_ref().map_or(raw.r#type.span(), Spanned::span);
                let reason = match read {
                    "count" => format!("`read = \"count\"` needs type `int64`, not `{kind}`"),
                    "concat" => format!("`read = \"concat\"` needs type `string`, not `{kind}`"),
                    "array" => format!("`read = \"array\"` needs type `list<float64>`, not `{kind}`"),
                    "value" => format!("type `{kind}` is read as an array"),
                    other => format!("reader `{other}` is unknown; there are `value`, `count`, `concat`, `array`"),
                };
                self.mistake(span, reason);
                return None;
            }
        })
    }

    fn formats(&mut self, raw: &RawColumn) -> Vec<TimeFormat> {
        let Some(given) = &raw.format else {
            return vec![TimeFormat::Datetime, TimeFormat::Rfc3339];
        };
        let names = given.get_ref().to_vec();
        if names.is_empty() {
            self.mistake(given.span(), "`format` names no format".into());
        }
        let mut formats = Vec::new();
        for name in names {
            match TimeFormat::ALL.into_iter().find(|(known, _)| *known == name) {
                Some((_, format)) => formats.push(format),
                None => {
                    let known = TimeFormat::ALL.map(|(name, _)| format!("`{name}`")).join(", ");
                    self.mistake(given.span(), format!("format `{name}` is unknown; there are {known}"));
                }
            }
        }
        formats
    }

    fn otherwise(&mut self, raw: &RawColumn) -> Option<Otherwise> {
        let Some(given) = &raw.otherwise else {
            return Some(Otherwise::Reject);
        };
        match given.get_ref().as_str() {
            "reject" => Some(Otherwise::Reject),
            "null" if raw.required => {
                self.mistake(
                    given.span(),
                    "a required column cannot be null: drop `otherwise` or `required`".into(),
                );
                None
            }
            "null" => Some(Otherwise::Null),
            other => {
                self.mistake(
                    given.span(),
                    format!("`otherwise` is `reject` or `null`, not `{other}`"),
                );
                None
            }
        }
    }

    /// An option that the reader does not use would be silently ignored, so it is a mistake.
    fn stray_options(&mut self, raw: &RawColumn, reader: &Reader) {
        let text = matches!(reader, Reader::Text { .. });
        let concat = matches!(reader, Reader::Concat { .. });
        let numbers = matches!(reader, Reader::Whole(_) | Reader::Float(_) | Reader::Array(_));
        let timestamp = matches!(reader, Reader::Timestamp(_));
        let stray = [
            (
                raw.placeholders.as_ref().map(Spanned::span),
                text || concat,
                "placeholders",
                "text",
            ),
            (
                raw.strip_prefix.as_ref().map(Spanned::span),
                text,
                "strip_prefix",
                "text from one field",
            ),
            (
                raw.separator.as_ref().map(Spanned::span),
                concat,
                "separator",
                "`read = \"concat\"`",
            ),
            (
                raw.format.as_ref().map(Spanned::span),
                timestamp,
                "format",
                "type `timestamp`",
            ),
            (raw.min.as_ref().map(Spanned::span), numbers, "min", "numbers"),
            (raw.max.as_ref().map(Spanned::span), numbers, "max", "numbers"),
        ];
        for (span, used, option, what) in stray {
            if let (Some(span), false) = (span, used) {
                self.mistake(span, format!("`{option}` is for {what}; this column does not use it"));
            }
        }
    }
}
