//! The datasets that a function serves.

use std::{collections::BTreeMap, sync::Arc};

use crate::{DatasetName, Definition, DefinitionError};

/// Definitions by name.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    definitions: BTreeMap<DatasetName, Arc<Definition>>,
}

/// `(path, text)` of every file in `datasets/`, listed by the build script.
const BUILT_IN: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/files.rs"));

impl Catalog {
    /// The definitions compiled in from `datasets/`.
    pub fn built_in() -> Self {
        match Self::from_files(BUILT_IN.iter().copied()) {
            Ok(catalog) => catalog,
            // Held by the test below: a mistake in `datasets/` cannot get past it.
            Err(error) => unreachable!("the built-in definitions are wrong:\n{error}"),
        }
    }

    /// Parses `(file name, text)` pairs. The file's stem is the dataset's name; all mistakes of all files are told
    /// together.
    pub fn from_files<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, DefinitionError> {
        let mut definitions = BTreeMap::new();
        let mut mistakes = Vec::new();
        for (file, text) in files {
            match Definition::parse(file, text) {
                Ok(definition) => {
                    if let Some(other) = definitions.insert(definition.name().clone(), Arc::new(definition)) {
                        mistakes.extend(
                            DefinitionError::at_line(file, 1, format!("dataset `{}` is defined twice", other.name()))
                                .into_mistakes(),
                        );
                    }
                }
                Err(error) => mistakes.extend(error.into_mistakes()),
            }
        }
        if mistakes.is_empty() {
            Ok(Self { definitions })
        } else {
            Err(DefinitionError::new(mistakes))
        }
    }

    /// The definition of a dataset.
    pub fn get(&self, name: &DatasetName) -> Option<&Arc<Definition>> {
        self.definitions.get(name)
    }

    /// The definition that a topic or stream name leads to, see [`DatasetName::from_route`].
    pub fn route(&self, route: &str) -> Option<&Arc<Definition>> {
        self.get(&DatasetName::from_route(route).ok()?)
    }

    /// All definitions, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Definition>> {
        self.definitions.values()
    }

    /// True when there is no dataset at all.
    pub fn is_empty(&self) -> bool {
        self.definitions.is_empty()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_definitions_are_sound() {
        let names: Vec<_> = Catalog::built_in().iter().map(|d| d.name().to_string()).collect();
        for name in ["geo", "pin", "user"] {
            assert!(names.iter().any(|n| n == name), "{names:?}");
        }
    }

    #[test]
    fn a_dataset_defined_twice_is_refused() {
        let text = "key = [\"a\"]\n[[column]]\nname = \"a\"\ntype = \"int32\"\nrequired = true\n";
        let error = Catalog::from_files([("one/x.toml", text), ("two/x.toml", text)]).unwrap_err();
        assert_eq!(error.to_string(), "two/x.toml:1: dataset `x` is defined twice");
    }
}
