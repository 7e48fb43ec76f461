//! Text files directly in a folder or below an S3 prefix, and the definitions among them.

use aws_config::SdkConfig;
use aws_sdk_s3::{Client, error::DisplayErrorContext};
use pinlake_dataset::Catalog;

/// Why files cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// A folder or file cannot be read.
    #[error(transparent)]
    Read(#[from] pinlake_catalog::FilesError),
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

/// Why there are no definitions to work with.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The files cannot be had.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// There is none, or one is wrong.
    #[error(transparent)]
    Definitions(#[from] pinlake_catalog::Error),
}

/// Loads the definitions: those compiled in when `from` is `None`, else all `*.toml` files directly in a folder or below
/// `s3://bucket/prefix/`.
///
/// # Errors
/// The files cannot be had, there is none, or one is wrong.
pub async fn load_catalog(from: Option<&str>, aws: &SdkConfig) -> Result<Catalog, CatalogError> {
    let Some(uri) = from else {
        return Ok(Catalog::built_in());
    };
    let files = read_files(uri, pinlake_catalog::EXTENSION, aws).await?;
    Ok(pinlake_catalog::parse(uri, &files)?)
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
        Ok(pinlake_catalog::read_files(from, extension)?)
    }
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
