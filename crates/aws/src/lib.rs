//! What a function has of AWS by way of the SDK's configuration: the lake, and files below an S3 prefix.
//!
//! For the functions that work on the lake. `ingest` stays without it: an S3 client is a quarter of what it may weigh.

mod files;

use aws_config::SdkConfig;
use pinlake_host::{SettingsError, Variables};
use pinlake_lake::{Lake, S3Options};

pub use files::{CatalogError, FilesError, load_catalog, read_files};

/// The lake at an address, reached as the SDK's configuration says: its region, endpoint and credentials. Makes no
/// request.
///
/// # Errors
/// [`pinlake_lake::Error::Location`] if the address cannot be used.
pub fn open_lake(uri: &str, aws: &SdkConfig) -> Result<Lake, Box<pinlake_lake::Error>> {
    let s3 = S3Options {
        region: aws.region().map(ToString::to_string),
        endpoint: aws.endpoint_url().map(str::to_owned),
        credentials: aws.credentials_provider(),
    };
    Lake::open(uri, &s3).map_err(Box::new)
}

/// `LAKE_COMMIT_TRIES` and `LAKE_STALE_SECONDS`: how tables are committed to.
///
/// # Errors
/// One of them cannot be used.
pub fn lake_settings(
    variables: &Variables<impl Fn(&str) -> Option<String>>,
) -> Result<pinlake_lake::Settings, SettingsError> {
    pinlake_lake::Settings::from_lookup(|variable| variables.text(variable)).map_err(|error| SettingsError {
        variable: error.variable,
        reason: error.reason,
    })
}
