//! From the text of a definition file to a [`Definition`], telling every mistake with its file, line and reason.

use std::{collections::HashSet, fmt, ops::Range, path::Path};

use serde::Deserialize;
use toml::Spanned;

use super::{Bounds, Column, Definition, Kind, Otherwise, RESERVED_COLUMNS, Reader, schema, told::told};
use crate::{DatasetName, read::TimeFormat};

/// Every mistake found, one line each: `file:line: reason`.
#[derive(Debug, thiserror::Error)]
#[error("{}", .mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct DefinitionError {
    mistakes: Vec<Mistake>,
}

/// One mistake in a file of declarations: a dataset's definition, a report's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The file's name as given.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.reason)
    }
}

impl DefinitionError {
    pub(crate) fn new(mistakes: Vec<Mistake>) -> Self {
        Self { mistakes }
    }

    pub(crate) fn at_line(file: &str, line: usize, reason: String) -> Self {
        Self::new(vec![Mistake {
            file: file.to_owned(),
            line,
            reason,
        }])
    }

    /// The mistakes, in the order of the files and lines.
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }

    pub(crate) fn into_mistakes(self) -> Vec<Mistake> {
        self.mistakes
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    key: Spanned<Vec<Spanned<String>>>,
    #[serde(default)]
    drop: Vec<Spanned<String>>,
    #[serde(default)]
    placeholders: Vec<Spanned<String>>,
    column: Vec<Spanned<RawColumn>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawColumn {
    name: Spanned<String>,
    from: Option<Spanned<OneOrMore<String>>>,
    r#type: Spanned<String>,
    read: Option<Spanned<String>>,
    #[serde(default)]
    required: bool,
    otherwise: Option<Spanned<String>>,
    placeholders: Option<Spanned<bool>>,
    strip_prefix: Option<Spanned<String>>,
    separator: Option<Spanned<String>>,
    format: Option<Spanned<OneOrMore<String>>>,
    min: Option<Spanned<OneOrMore<f64>>>,
    max: Option<Spanned<OneOrMore<f64>>>,
}

#[derive(Deserialize, Clone)]
#[serde(untagged)]
enum OneOrMore<T> {
    One(T),
    More(Vec<T>),
}

impl<T: Clone> OneOrMore<T> {
    fn to_vec(&self) -> Vec<T> {
        match self {
            OneOrMore::One(one) => vec![one.clone()],
            OneOrMore::More(more) => more.clone(),
        }
    }
}

pub(super) fn parse(file: &str, text: &str) -> Result<Definition, DefinitionError> {
    let mut source = Source {
        file,
        text,
        mistakes: Vec::new(),
    };
    let path = Path::new(file);
    if path.extension().is_none_or(|extension| extension != "toml") {
        let reason = "a definition is a `.toml` file, named as its dataset";
        return Err(DefinitionError::at_line(file, 1, reason.into()));
    }
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or(file);
    let name = DatasetName::parse(stem).map_err(|error| DefinitionError::at_line(file, 1, error.to_string()))?;
    let raw: File = match toml::from_str(text) {
        Ok(raw) => raw,
        Err(error) => {
            source.mistake(error.span().unwrap_or(0..0), told(text, &error));
            return Err(DefinitionError::new(source.mistakes));
        }
    };

    let mut fields = Vec::new();
    let columns: Vec<Column> = raw
        .column
        .iter()
        .filter_map(|column| source.column(column.get_ref(), &mut fields))
        .collect();
    source.names(&raw);
    source.key(&raw);
    source.dropped(&raw, &mut fields);
    if raw.column.is_empty() {
        source.mistake(0..0, "there is no [[column]]".into());
    }
    if !source.mistakes.is_empty() {
        source.mistakes.sort_by_key(|mistake| mistake.line);
        return Err(DefinitionError::new(source.mistakes));
    }
    Ok(Definition {
        name,
        key: raw.key.into_inner().into_iter().map(Spanned::into_inner).collect(),
        schema: schema(&columns),
        columns,
        fields,
        placeholders: raw
            .placeholders
            .into_iter()
            .map(|text| text.into_inner().trim().to_owned())
            .collect(),
    })
}

/// The file being read, and what was found wrong in it so far.
struct Source<'a> {
    file: &'a str,
    text: &'a str,
    mistakes: Vec<Mistake>,
}

impl Source<'_> {
    fn mistake(&mut self, span: Range<usize>, reason: String) {
        let before = self.text.as_bytes().get(..span.start).unwrap_or_default();
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        self.mistakes.push(Mistake {
            file: self.file.to_owned(),
            line,
            reason,
        });
    }

    /// Column names: well-formed, not taken, distinct also for engines that ignore case.
    fn names(&mut self, raw: &File) {
        let mut seen = HashSet::new();
        for name in raw.column.iter().map(|column| &column.get_ref().name) {
            let text = name.get_ref();
            if !text.starts_with(|c: char| c.is_ascii_alphabetic())
                || !text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            {
                let reason = format!("column name `{text}` must be a letter followed by letters, digits or `_`");
                self.mistake(name.span(), reason);
            }
            if RESERVED_COLUMNS
                .iter()
                .any(|reserved| reserved.eq_ignore_ascii_case(text))
            {
                self.mistake(
                    name.span(),
                    format!("column name `{text}` is one that every table has already"),
                );
            }
            if !seen.insert(text.to_ascii_lowercase()) {
                self.mistake(name.span(), format!("column `{text}` is defined twice"));
            }
        }
    }

    fn key(&mut self, raw: &File) {
        if raw.key.get_ref().is_empty() {
            self.mistake(raw.key.span(), "the key names no column".into());
        }
        let mut seen = HashSet::new();
        for name in raw.key.get_ref() {
            let text = name.get_ref();
            if !seen.insert(text) {
                self.mistake(name.span(), format!("the key names column `{text}` twice"));
            }
            match raw
                .column
                .iter()
                .map(Spanned::get_ref)
                .find(|column| column.name.get_ref() == text)
            {
                None => self.mistake(
                    name.span(),
                    format!("the key names column `{text}`, which is not defined"),
                ),
                Some(column) if !column.required => {
                    let reason = format!("key column `{text}` needs `required = true`: it identifies the row");
                    self.mistake(column.name.span(), reason);
                }
                Some(_) => {}
            }
        }
    }

    fn dropped(&mut self, raw: &File, fields: &mut Vec<String>) {
        for name in &raw.drop {
            let text = name.get_ref();
            if fields.contains(text) {
                self.mistake(
                    name.span(),
                    format!("field `{text}` is dropped, but used by a column or dropped before"),
                );
            } else {
                fields.push(text.clone());
            }
        }
        for text in &raw.placeholders {
            if text.get_ref().trim().is_empty() {
                self.mistake(
                    text.span(),
                    "an empty placeholder is not needed: empty text is always null".into(),
                );
            }
        }
    }

    /// Reads one column. `None` when a mistake leaves nothing to go on with.
    fn column(&mut self, raw: &RawColumn, fields: &mut Vec<String>) -> Option<Column> {
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

    fn whole(&mut self, raw: &RawColumn, kind: Kind, least: i64, most: i64) -> Reader {
        let mut bound = |option: &Option<Spanned<OneOrMore<f64>>>, name: &str| {
            let bound = option.as_ref()?;
            match bound.get_ref() {
                // Within 2^53 a double holds every whole number, so the conversion is exact.
                OneOrMore::One(value) if value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0 => {
                    Some(*value as i64)
                }
                _ => {
                    self.mistake(bound.span(), format!("`{name}` must be one whole number within ±2^53"));
                    None
                }
            }
        };
        let bounds = Bounds {
            min: bound(&raw.min, "min"),
            max: bound(&raw.max, "max"),
        };
        self.some_value_fits(raw, kind, bounds, least, most);
        Reader::Whole(bounds)
    }

    /// One pair of bounds per field. An infinite bound is none: so one field of several can do without.
    fn bounds(&mut self, raw: &RawColumn, kind: Kind, fields: usize) -> Vec<Bounds<f64>> {
        let mut side = |option: &Option<Spanned<OneOrMore<f64>>>, name: &str, open: f64| {
            let Some(given) = option else {
                return vec![None; fields];
            };
            let values = match given.get_ref() {
                OneOrMore::One(value) => vec![*value; fields],
                OneOrMore::More(values) => values.clone(),
            };
            if values.len() != fields || values.iter().any(|value| value.is_nan()) {
                self.mistake(
                    given.span(),
                    format!("`{name}` needs one number, or one per field ({fields})"),
                );
                return vec![None; fields];
            }
            values
                .into_iter()
                .map(|value| (value != open).then_some(value))
                .collect()
        };
        let mins = side(&raw.min, "min", f64::NEG_INFINITY);
        let maxs = side(&raw.max, "max", f64::INFINITY);
        let bounds: Vec<_> = mins
            .into_iter()
            .zip(maxs)
            .map(|(min, max)| Bounds { min, max })
            .collect();
        for bounds in &bounds {
            self.some_value_fits(raw, kind, *bounds, f64::MIN, f64::MAX);
        }
        bounds
    }

    /// Bounds that leave no value between them, or none that the type can hold, are a mistake.
    fn some_value_fits<T>(&mut self, raw: &RawColumn, kind: Kind, bounds: Bounds<T>, least: T, most: T)
    where
        T: PartialOrd + fmt::Display,
    {
        let why = match (bounds.min, bounds.max) {
            (Some(min), Some(max)) if min > max => format!("`min` {min} is above `max` {max}"),
            (Some(min), _) if min > most => format!("`min` {min} is above every `{kind}`"),
            (_, Some(max)) if max < least => format!("`max` {max} is below every `{kind}`"),
            _ => return,
        };
        self.mistake(raw.name.span(), format!("no value fits: {why}"));
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
