//! Text files directly in a folder.

use std::path::{Path, PathBuf};

/// A folder or file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("could not read `{path}`")]
pub struct FilesError {
    /// The folder or file.
    pub path: String,
    /// What the file system answered.
    pub source: std::io::Error,
}

/// Reads all files with an extension, such as `toml`, directly in a folder; or the one file that a path names. Answers names
/// and texts, by name.
///
/// # Errors
/// The folder or one of the files cannot be read, or a file is not UTF-8.
pub fn read_files(path: &str, extension: &str) -> Result<Vec<(String, String)>, FilesError> {
    let fault = |path: &Path| {
        let path = path.display().to_string();
        |source| FilesError { path, source }
    };
    let root = Path::new(path);
    let mut paths = vec![root.to_owned()];
    if root.is_dir() {
        let entries = std::fs::read_dir(root).map_err(fault(root))?;
        paths = entries
            .map(|entry| entry.map(|entry| entry.path()).map_err(fault(root)))
            .collect::<Result<_, _>>()?;
        paths.retain(|path| path.extension().is_some_and(|found| found == extension));
        paths.sort();
    }
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).map_err(fault(&path))?;
        Ok((path.display().to_string(), text))
    };
    paths.into_iter().map(read).collect()
}
