//! Where a function's dataset definitions come from: compiled in, or a folder.
//!
//! `crates/dataset` is pure and takes texts; this crate reads them, once, when a function starts. What else a function is
//! told by files, as reports, is read the same way: [`read_files`]. How they come from S3 is `crates/host`'s business:
//! an S3 client is a quarter of what `ingest` may weigh, so it has none, and a folder of a layer serves as well.

mod files;

use pinlake_dataset::{Catalog, DefinitionError};

pub use files::{FilesError, read_files};

/// Why there are no definitions to work with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A definition is wrong; every mistake is told as `file:line: reason`.
    #[error("the dataset definitions in `{from}` are wrong:\n{source}")]
    Definition {
        /// Where the definitions came from.
        from: String,
        /// The mistakes.
        source: DefinitionError,
    },
    /// There is no `*.toml` file.
    #[error("`{from}` holds no dataset definition (`<dataset>.toml`)")]
    Empty {
        /// Where they were looked for.
        from: String,
    },
    /// The files cannot be had.
    #[error(transparent)]
    Files(#[from] FilesError),
}

/// What the name of a definition's file ends with.
pub const EXTENSION: &str = "toml";

/// Loads the definitions: those compiled in when `from` is `None`, else all `*.toml` files directly in a folder.
///
/// # Errors
/// The files cannot be read, there is none, or one is wrong.
pub fn load(from: Option<&str>) -> Result<Catalog, Error> {
    from.map_or_else(|| Ok(Catalog::built_in()), load_path)
}

/// Loads all `*.toml` files directly in a folder, or one such file.
///
/// # Errors
/// The files cannot be read, there is none, or one is wrong.
pub fn load_path(path: &str) -> Result<Catalog, Error> {
    parse(path, &read_files(path, EXTENSION)?)
}

/// Parses definitions, given as names and texts.
///
/// # Errors
/// There is none, or one is wrong.
pub fn parse(from: &str, files: &[(String, String)]) -> Result<Catalog, Error> {
    if files.is_empty() {
        return Err(Error::Empty { from: from.to_owned() });
    }
    let pairs = files.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    Catalog::from_files(pairs).map_err(|source| Error::Definition {
        from: from.to_owned(),
        source,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const TEXT: &str = "key = [\"a\"]\n[[column]]\nname = \"a\"\ntype = \"int32\"\nrequired = true\n";

    #[test]
    fn a_folder_gives_its_toml_files() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("one.toml"), TEXT).unwrap();
        std::fs::write(folder.path().join("two.toml"), TEXT).unwrap();
        std::fs::write(folder.path().join("notes.md"), "no definition").unwrap();
        let catalog = load_path(folder.path().to_str().unwrap()).unwrap();
        assert_eq!(
            catalog.iter().map(|d| d.name().as_str()).collect::<Vec<_>>(),
            ["one", "two"]
        );
    }

    #[test]
    fn one_file_is_enough() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("one.toml");
        std::fs::write(&file, TEXT).unwrap();
        assert_eq!(load_path(file.to_str().unwrap()).unwrap().iter().count(), 1);
    }

    #[test]
    fn faults_name_the_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        assert!(
            load_path(path)
                .unwrap_err()
                .to_string()
                .contains("holds no dataset definition")
        );
        let missing = folder.path().join("missing");
        let error = load_path(missing.to_str().unwrap()).unwrap_err().to_string();
        assert!(error.contains("could not read") && error.contains("missing"), "{error}");
        std::fs::write(folder.path().join("bad.toml"), "key = [\"a\"]\ncolumn = []\n").unwrap();
        let error = load_path(path).unwrap_err().to_string();
        assert!(error.contains("bad.toml:"), "{error}");
    }
}
