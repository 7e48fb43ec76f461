//! Text files directly in a folder or below an S3 prefix.

use std::path::Path;

use aws_config::SdkConfig;
use aws_sdk_s3::{Client, error::DisplayErrorContext};

/// Why files cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// A folder or file cannot be read.
    #[error("could not read `{path}`")]
    Read {
        /// The folder or file.
        path: String,
        /// What the file system answered.
        source: std::io::Error,
    },
    /// S3 did not give the files.
    #[error("could not fetch `{uri}`: {reason}")]
    Fetch {
        /// The prefix or object.
        uri: String,
        /// What S3 answered, with its causes.
        reason: String,
    },
    /// The address is no folder and no S3 prefix.
    #[error("`{uri}` is no S3 prefix: it needs a bucket, as in `s3://bucket/folder/`")]
    NoBucket {
        /// The address.
        uri: String,
    },
}

/// Reads all files with an extension, such as `toml`, directly in a folder or below `s3://bucket/prefix/`; or the one file
/// that a path names. Answers names and texts, by name. An S3 client is built only when it is needed: building one costs a
/// cold start.
///
/// # Errors
/// The folder, the bucket or one of the files cannot be read, or a file is not UTF-8.
pub async fn read_files(from: &str, extension: &str, aws: &SdkConfig) -> Result<Vec<(String, String)>, FilesError> {
    if from.starts_with("s3://") {
        read_prefix(from, extension, &Client::new(aws)).await
    } else {
        read_files_at(from, extension)
    }
}

/// As [`read_files`], on this machine only.
///
/// # Errors
/// The folder or one of the files cannot be read, or a file is not UTF-8.
pub fn read_files_at(path: &str, extension: &str) -> Result<Vec<(String, String)>, FilesError> {
    let fault = |path: &Path| {
        let path = path.display().to_string();
        |source| FilesError::Read { path, source }
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
    let read = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(&path).map_err(fault(&path))?;
        Ok((path.display().to_string(), text))
    };
    paths.into_iter().map(read).collect()
}

async fn read_prefix(uri: &str, extension: &str, client: &Client) -> Result<Vec<(String, String)>, FilesError> {
    let (bucket, prefix) = uri
        .trim_start_matches("s3://")
        .split_once('/')
        .unwrap_or((uri.trim_start_matches("s3://"), ""));
    if bucket.is_empty() {
        return Err(FilesError::NoBucket { uri: uri.to_owned() });
    }
    let folder = match prefix.trim_matches('/') {
        "" => String::new(),
        prefix => format!("{prefix}/"),
    };
    let ending = format!(".{extension}");
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
            .filter(|key| key.ends_with(&ending))
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

fn fetch_error<E: std::error::Error>(uri: &str, error: &E) -> FilesError {
    FilesError::Fetch {
        uri: uri.to_owned(),
        reason: DisplayErrorContext(error).to_string(),
    }
}
