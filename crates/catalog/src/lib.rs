//! Where a function's dataset definitions come from: compiled in, a folder, or an S3 prefix.
//!
//! `crates/dataset` is pure and takes texts; this crate fetches them, once, when a function starts.

use std::path::Path;

use aws_config::SdkConfig;
use aws_sdk_s3::{Client, error::DisplayErrorContext};
use pinlake_dataset::{Catalog, DefinitionError};

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
    /// A folder or file cannot be read.
    #[error("could not read `{path}`")]
    Read {
        /// The folder or file.
        path: String,
        /// What the file system answered.
        source: std::io::Error,
    },
    /// S3 did not give the definitions.
    #[error("could not fetch `{uri}`: {reason}")]
    Fetch {
        /// The prefix or object.
        uri: String,
        /// What S3 answered, with its causes.
        reason: String,
    },
    /// The setting is no folder and no S3 prefix.
    #[error("`{uri}` is no S3 prefix: it needs a bucket, as in `s3://bucket/datasets/`")]
    NoBucket {
        /// The setting's value.
        uri: String,
    },
}

/// Loads the definitions: those compiled in when `from` is `None`, else all `*.toml` files directly in a folder or below
/// `s3://bucket/prefix/`. An S3 client is built only when it is needed: building one costs a cold start.
pub async fn load(from: Option<&str>, aws: &SdkConfig) -> Result<Catalog, Error> {
    match from {
        None => Ok(Catalog::built_in()),
        Some(uri) if uri.starts_with("s3://") => parse(uri, read_prefix(uri, &Client::new(aws)).await?),
        Some(path) => load_path(path),
    }
}

/// Loads all `*.toml` files directly in a folder, or one such file.
pub fn load_path(path: &str) -> Result<Catalog, Error> {
    parse(path, read_path(path)?)
}

fn parse(from: &str, files: Vec<(String, String)>) -> Result<Catalog, Error> {
    if files.is_empty() {
        return Err(Error::Empty { from: from.to_owned() });
    }
    let pairs = files.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    Catalog::from_files(pairs).map_err(|source| Error::Definition {
        from: from.to_owned(),
        source,
    })
}

fn read_path(path: &str) -> Result<Vec<(String, String)>, Error> {
    let fault = |path: &Path| {
        let path = path.display().to_string();
        |source| Error::Read { path, source }
    };
    let root = Path::new(path);
    let mut paths = vec![root.to_owned()];
    if root.is_dir() {
        let entries = std::fs::read_dir(root).map_err(fault(root))?;
        paths = entries
            .map(|entry| entry.map(|entry| entry.path()).map_err(fault(root)))
            .collect::<Result<_, _>>()?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        paths.sort();
    }
    let read = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(&path).map_err(fault(&path))?;
        Ok((path.display().to_string(), text))
    };
    paths.into_iter().map(read).collect()
}

async fn read_prefix(uri: &str, client: &Client) -> Result<Vec<(String, String)>, Error> {
    let (bucket, prefix) = uri
        .trim_start_matches("s3://")
        .split_once('/')
        .unwrap_or((uri.trim_start_matches("s3://"), ""));
    if bucket.is_empty() {
        return Err(Error::NoBucket { uri: uri.to_owned() });
    }
    let folder = match prefix.trim_matches('/') {
        "" => String::new(),
        prefix => format!("{prefix}/"),
    };
    let mut pages = client
        .list_objects_v2()
        .bucket(bucket)
        .prefix(&folder)
        .delimiter("/")
        .into_paginator()
        .send();
    let mut files = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| fetch_error(uri, &error))?;
        for key in page
            .contents()
            .iter()
            .filter_map(|object| object.key())
            .filter(|key| key.ends_with(".toml"))
        {
            let object = format!("s3://{bucket}/{key}");
            let answer = client.get_object().bucket(bucket).key(key).send().await;
            let body = answer
                .map_err(|error| fetch_error(&object, &error))?
                .body
                .collect()
                .await;
            let bytes = body.map_err(|error| fetch_error(&object, &error))?.to_vec();
            let text = String::from_utf8(bytes).map_err(|error| fetch_error(&object, &error))?;
            files.push((object, text));
        }
    }
    Ok(files)
}

fn fetch_error<E: std::error::Error>(uri: &str, error: &E) -> Error {
    Error::Fetch {
        uri: uri.to_owned(),
        reason: DisplayErrorContext(error).to_string(),
    }
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
