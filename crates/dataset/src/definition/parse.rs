//! From the text of a definition file to a [`Definition`], telling every mistake with its file, line and reason.

use std::{collections::HashSet, path::Path};

use toml::Spanned;

use super::{
    Column, Definition, RESERVED_COLUMNS,
    file::File,
    mistake::{DefinitionError, Source},
    schema,
    told::told,
};
use crate::DatasetName;

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

impl Source<'_> {
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
}
