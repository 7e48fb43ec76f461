//! What the pipeline stands on: the S3 and the Kinesis of this process, or others' on this machine, by their addresses.
//!
//! Others' are used by their APIs alone, as AWS's are: the bucket and the streams are made there if they are missing,
//! and a mapping reads a stream as every consumer does.

use std::{path::Path, sync::Arc};

use anyhow::{Context, Result, bail};
use aws_sdk_s3::{
    config::{BehaviorVersion, Region},
    error::{DisplayErrorContext, SdkError},
};
use pinlake_local::{
    Destination, Function, Server,
    kinesis::{self, Kinesis},
    mapping::{self, Mapping, Remote},
    s3,
};
use tokio_util::sync::CancellationToken;
use url::{Host, Url};

use super::{BUCKET, REGION, SHARDS, functions, keys, listen, signing};

/// Reads the address of an endpoint of this machine.
///
/// # Errors
/// Says what is wrong with it: nothing but loopback is taken, because nobody but this pipeline is to see its records.
pub fn loopback(address: &str) -> Result<Url> {
    let url = Url::parse(address).with_context(|| format!("`{address}` is no address like http://127.0.0.1:4567"))?;
    let is_loopback = match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    if !is_loopback {
        bail!("`{address}` is not on this machine: only loopback addresses are used, such as http://127.0.0.1:4567");
    }
    if url.scheme() != "http" || url.path() != "/" || url.query().is_some() || !url.username().is_empty() {
        bail!("`{address}` is more than http, a host and a port, such as http://127.0.0.1:4567");
    }
    Ok(url)
}

/// The SDKs' form of an address: without the slash at its end.
fn endpoint(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

/// The S3 that the lake is in.
#[derive(Debug)]
pub(super) enum Store {
    Ours(Server),
    Theirs(String),
}

impl Store {
    /// S3 over a folder of the state, or by its address; with the bucket.
    pub(super) async fn open(
        address: Option<&Url>,
        port: u16,
        state: &Path,
        options: &s3::Options,
        stop: &CancellationToken,
    ) -> Result<Self> {
        if let Some(url) = address {
            let url = endpoint(url);
            ensure_bucket(&url).await?;
            return Ok(Self::Theirs(url));
        }
        let server = s3::serve(listen(port, 1).await?, state.join("s3"), options, stop.clone())?;
        Ok(Self::Ours(server))
    }

    pub(super) fn url(&self) -> String {
        match self {
            Self::Ours(server) => server.url(),
            Self::Theirs(url) => url.clone(),
        }
    }

    pub(super) async fn stopped(self) {
        if let Self::Ours(server) = self {
            server.stopped().await;
        }
    }
}

async fn ensure_bucket(url: &str) -> Result<()> {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static(REGION))
        .endpoint_url(url)
        .force_path_style(true)
        .credentials_provider(signing(s3::Credentials::default()))
        .build();
    let made = aws_sdk_s3::Client::from_conf(config)
        .create_bucket()
        .bucket(BUCKET)
        .send();
    match made.await.map_err(SdkError::into_service_error) {
        Ok(_) => Ok(()),
        Err(error) if error.is_bucket_already_owned_by_you() || error.is_bucket_already_exists() => Ok(()),
        Err(error) => bail!(
            "could not make the bucket {BUCKET} at {url}: {}",
            DisplayErrorContext(error)
        ),
    }
}

/// The Kinesis that the streams are in.
#[derive(Debug)]
pub(super) enum Streams {
    Ours { kinesis: Kinesis, server: Server },
    Theirs { remote: Remote, url: String },
}

impl Streams {
    /// Kinesis over a file of the state, or by its address.
    pub(super) async fn open(
        address: Option<&Url>,
        port: u16,
        state: &Path,
        options: kinesis::Options,
        stop: &CancellationToken,
    ) -> Result<Self> {
        if let Some(url) = address {
            let url = endpoint(url);
            // Lambda reads a stream with the role of the function that it invokes.
            let client = super::kinesis_client(&url, signing(keys(functions::STREAM)));
            let remote = Remote::open(client, state.join("checkpoints.redb"))?;
            return Ok(Self::Theirs { remote, url });
        }
        let kinesis = Kinesis::open(state.join("kinesis.redb"), options)?;
        let server = kinesis.serve(listen(port, 2).await?, stop.clone())?;
        Ok(Self::Ours { kinesis, server })
    }

    pub(super) fn url(&self) -> String {
        match self {
            Self::Ours { server, .. } => server.url(),
            Self::Theirs { url, .. } => url.clone(),
        }
    }

    /// Maps a stream, which is made if it is missing, to a function.
    pub(super) async fn map(
        &self,
        settings: mapping::Settings,
        function: Arc<dyn Function>,
        destination: Arc<dyn Destination>,
        stop: CancellationToken,
    ) -> Result<Mapping> {
        let destination = Some(destination);
        let mapping = match self {
            Self::Ours { kinesis, .. } => {
                kinesis.ensure_stream(&settings.stream, SHARDS)?;
                Mapping::start(kinesis, settings, function, destination, stop).await?
            }
            Self::Theirs { remote, url } => {
                let at = || format!("the Kinesis at {url} cannot be used");
                remote.ensure_stream(&settings.stream, SHARDS).await.with_context(at)?;
                let mapping = Mapping::start_by_api(remote, settings, function, destination, stop).await;
                mapping.with_context(at)?
            }
        };
        Ok(mapping)
    }

    pub(super) async fn stopped(self) {
        if let Self::Ours { server, .. } = self {
            server.stopped().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_this_machine_are_taken() {
        for (address, is_taken) in [
            ("http://127.0.0.1:4567", true),
            ("http://127.0.0.1:4567/", true),
            ("http://127.8.9.10:1", true),
            ("http://localhost:4567", true),
            ("http://[::1]:4567", true),
            ("http://10.0.0.1:4567", false),
            ("http://0.0.0.0:4567", false),
            ("http://[::ffff:10.0.0.1]:4567", false),
            ("http://localhost.example.com:4567", false),
            ("http://example.com@127.0.0.1:4567", false),
            ("http://127.0.0.1@example.com:4567", false),
            ("https://kinesis.us-east-1.amazonaws.com", false),
            ("https://127.0.0.1:4567", false),
            ("http://127.0.0.1:4567/path", false),
            ("file:///tmp", false),
            ("127.0.0.1:4567", false),
            ("", false),
        ] {
            assert_eq!(loopback(address).is_ok(), is_taken, "{address}");
        }
        assert_eq!(
            endpoint(&loopback("http://localhost:4567").unwrap()),
            "http://localhost:4567"
        );
    }
}
