//! Where a lake and its streams are: the options that commands about a whole lake share.

use std::{
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use clap::Args;
use pinlake_dataset::Catalog;
use pinlake_lake::Lake;
use pinlake_local::{Server, kinesis, s3};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::pipeline::{BUCKET, Pipeline, lake_in};

/// Where a local pipeline keeps everything, unless told otherwise.
const STATE: &str = ".pinlake";
/// How many ports above the API a local pipeline has S3 and Kinesis.
const S3: u16 = 1;
const KINESIS: u16 = 2;
/// How long an endpoint of this machine may take to let somebody in.
const PATIENCE: Duration = Duration::from_secs(5);

/// Which lake.
#[derive(Debug, Args)]
pub struct LakeAt {
    /// A lake elsewhere, `s3://bucket[/prefix]` or a folder, instead of that of --state.
    #[arg(long, value_name = "URI")]
    lake: Option<String>,
    /// With --lake s3://…: another S3 than AWS's, as that of a running `pinlake up`.
    #[arg(long, value_name = "URL", requires = "lake")]
    s3_endpoint: Option<String>,
    /// Where the local pipeline keeps everything. Default: `.pinlake`.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

/// Which streams.
#[derive(Debug, Args)]
pub struct StreamsAt {
    /// Another Kinesis than AWS's, as that of a running `pinlake up`.
    #[arg(long, value_name = "URL")]
    kinesis_endpoint: Option<String>,
    /// The API of a running `pinlake up`: its Kinesis has the port two above. The lake is that of its S3, one port above,
    /// unless --lake or --state names one.
    #[arg(long, value_name = "URL", conflicts_with = "kinesis_endpoint")]
    at: Option<String>,
}

/// A way to read streams, for as long as this lives.
pub(crate) struct Streams {
    pub(crate) client: aws_sdk_kinesis::Client,
    /// The endpoint of streams that no pipeline is running on.
    own: Option<(Server, CancellationToken)>,
}

impl LakeAt {
    /// Opens the lake.
    pub(crate) async fn open(&self) -> Result<Lake> {
        match &self.lake {
            None => Pipeline::lake_on_disk(self.state()),
            Some(uri) => lake(uri, self.s3_endpoint.as_deref()).await,
        }
    }

    /// Opens the lake that is fed by streams: that of a running pipeline if no other is named.
    pub(crate) async fn open_beside(&self, at: &StreamsAt) -> Result<Lake> {
        match (&self.lake, &self.state, &at.at) {
            (None, None, Some(api)) => lake(&format!("s3://{BUCKET}"), Some(&beside(api, S3)?)).await,
            _ => self.open().await,
        }
    }

    fn state(&self) -> &Path {
        self.state.as_deref().unwrap_or(STATE.as_ref())
    }

    /// Finds the streams that feed the lake.
    pub(crate) async fn streams(&self, at: &StreamsAt) -> Result<Streams> {
        let endpoint = match (&at.kinesis_endpoint, &at.at) {
            (Some(endpoint), _) => Some(endpoint.clone()),
            (None, Some(api)) => Some(beside(api, KINESIS)?),
            (None, None) => None,
        };
        if let Some(endpoint) = &endpoint {
            answers(endpoint).await?;
        }
        let on_aws = self.s3_endpoint.is_none() && self.lake.as_ref().is_some_and(|uri| uri.starts_with("s3://"));
        match endpoint {
            None if self.lake.is_none() => self.kept().await,
            None if !on_aws => bail!("where the streams of this lake are is not known: --kinesis-endpoint names it"),
            endpoint => Ok(Streams {
                client: aws_sdk_kinesis::Client::new(&aws(endpoint.as_deref()).await),
                own: None,
            }),
        }
    }

    /// The streams of a state folder that no pipeline is running on.
    async fn kept(&self) -> Result<Streams> {
        let state = self.state();
        let file = state.join("kinesis.redb");
        if !file.exists() {
            bail!("there are no streams in {}", state.display());
        }
        let streams = kinesis::Kinesis::open(file, kinesis::Options::default()).with_context(|| {
            format!(
                "the streams in {} cannot be opened; if a pipeline is running there, --at or --kinesis-endpoint says where",
                state.display()
            )
        })?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let stop = CancellationToken::new();
        let server = streams.serve(listener, stop.clone())?;
        Ok(Streams {
            client: aws_sdk_kinesis::Client::new(&aws(Some(&server.url())).await),
            own: Some((server, stop)),
        })
    }
}

impl Streams {
    /// Closes what was opened for it.
    pub(crate) async fn close(self) {
        if let Some((server, stop)) = self.own {
            stop.cancel();
            server.stopped().await;
        }
    }
}

/// The lake at `s3://bucket[/prefix]`, of AWS's S3 unless another is named, or in a folder.
pub(crate) async fn lake(uri: &str, s3_endpoint: Option<&str>) -> Result<Lake> {
    if !uri.contains("://") {
        return lake_in(Path::new(uri));
    }
    if let Some(endpoint) = s3_endpoint {
        answers(endpoint).await?;
    }
    Ok(pinlake_aws::open_lake(uri, &aws(s3_endpoint).await)?)
}

/// The definitions of a folder, or those compiled in.
pub(crate) fn catalog(folder: Option<&str>) -> Result<Catalog> {
    Ok(pinlake_catalog::load(folder)?)
}

/// The endpoint of a local pipeline that has a port so many above its API's.
fn beside(api: &str, above: u16) -> Result<String> {
    let port = |url: &Url| url.port_or_known_default()?.checked_add(above);
    let endpoint = Url::parse(api).ok().and_then(|mut url| {
        let port = port(&url)?;
        url.set_port(Some(port)).ok()?;
        url.set_path("");
        Some(url.to_string())
    });
    endpoint.with_context(|| format!("`{api}` is no address like http://127.0.0.1:3000"))
}

/// Makes sure that an endpoint of this machine is there: the SDKs would try for a minute.
async fn answers(endpoint: &str) -> Result<()> {
    let address = Url::parse(endpoint).ok().filter(|_| is_here(endpoint));
    let Some(addresses) = address.and_then(|url| url.socket_addrs(|| None).ok()) else {
        return Ok(());
    };
    match tokio::time::timeout(PATIENCE, TcpStream::connect(&addresses[..])).await {
        Ok(Ok(_)) => Ok(()),
        _ => bail!("nothing answers at {endpoint}; `pinlake up` starts a pipeline, and says at which addresses"),
    }
}

/// The SDK's configuration, from its usual places. An endpoint of this machine is one of `pinlake up`, unless the
/// environment says who calls; that takes the keys that it is known to take.
async fn aws(endpoint: Option<&str>) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest());
    if let Some(endpoint) = endpoint {
        loader = loader.endpoint_url(endpoint);
        let named = |variable| std::env::var_os(variable).is_some_and(|value| !value.is_empty());
        if is_here(endpoint) && !named("AWS_ACCESS_KEY_ID") && !named("AWS_PROFILE") {
            let keys = s3::Credentials::default();
            let keys = Credentials::new(keys.access_key_id, keys.secret_access_key, None, None, "pinlake");
            loader = loader
                .credentials_provider(SharedCredentialsProvider::new(keys))
                .region(Region::from_static("us-east-1"));
        }
    }
    loader.load().await
}

fn is_here(endpoint: &str) -> bool {
    let Ok(url) = Url::parse(endpoint) else { return false };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_some_ports_above_the_api() {
        let api = "http://127.0.0.1:3000/dev";
        assert_eq!(beside(api, S3).unwrap(), "http://127.0.0.1:3001/");
        assert_eq!(beside(api, KINESIS).unwrap(), "http://127.0.0.1:3002/");
        for wrong in ["3000", "http://127.0.0.1:65535"] {
            assert!(beside(wrong, KINESIS).is_err(), "{wrong}");
        }
    }

    #[test]
    fn this_machine_is_known() {
        for (endpoint, here) in [
            ("http://127.0.0.1:3002", true),
            ("http://[::1]:3002", true),
            ("http://localhost:4567", true),
            ("https://kinesis.eu-west-1.amazonaws.com", false),
            ("nonsense", false),
        ] {
            assert_eq!(is_here(endpoint), here, "{endpoint}");
        }
    }
}
