//! The whole pipeline on this machine: the deployed handlers, between local endpoints.
//!
//! ```text
//! client ─► ingest's router ─┬─► Kinesis endpoint ──► mappings ─► stream's handler ─┐
//!                            │                                                      ├─► S3 endpoint ─► <state>/s3/pinlake
//!                            └─► Firehose endpoint ─► delivery: raw objects ────────┤
//!                                            schedules ─► analytics, maintain ──────┘
//! ```
//!
//! | file | idea |
//! |---|---|
//! | `claim` | whose a state folder is |
//! | `endpoints` | S3 and Kinesis: of this process, or others' by their addresses |
//! | `functions` | the handlers, as triggers see them |
//! | `triggers` | mappings, schedules and deliveries, set as in `template.yaml` |
//! | `front` | what is served beside the API: the report, Lambda's Invoke |
//!
//! The handlers get what they get on AWS: SDK clients and a lake, here with loopback addresses. Each signs with keys of its
//! own, where on AWS it has a role of its own, so that the endpoints know who calls ([`Pipeline::calls`]). Those check all
//! signatures; the API does so if it is asked to ([`Auth`]). All state is in one
//! folder: `s3/` (objects as plain files), `kinesis.redb` (streams and how far each mapping is) and `firehose.redb`
//! (records that are not yet in a raw object). Where S3 or Kinesis is another's, theirs is the state; how far each mapping
//! is in a Kinesis of others is in `checkpoints.redb`.

mod claim;
mod endpoints;
mod front;
pub mod functions;
mod triggers;

use std::{
    collections::BTreeSet,
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result};
use aws_sdk_kinesis::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use clap::ValueEnum;
use pinlake_analytics::Reports;
use pinlake_dataset::Catalog;
use pinlake_host::{
    Lines,
    metrics::{Metrics, Teller},
};
use pinlake_lake::{Lake, S3Options};
use pinlake_local::{
    Call, Calls, Destination, Server,
    firehose::{self, Delivery, Firehose},
    gateway, kinesis,
    mapping::Mapping,
    s3,
    schedule::Schedule,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use url::Url;

pub use self::{
    claim::Claim,
    endpoints::loopback,
    functions::MAINTAIN_TIME,
    triggers::{Bucket, delivery_settings, mapping_settings, schedule_settings},
};
use self::{
    endpoints::{Store, Streams},
    functions::Functions,
};
use crate::fit::fit;

/// What a pipeline makes in its state folder.
pub const STATE: [&str; 4] = ["s3", "kinesis.redb", "firehose.redb", "checkpoints.redb"];
/// The bucket that holds the lake.
pub const BUCKET: &str = "pinlake";
/// Kinesis and delivery streams are named `<prefix>-<dataset>`, as a stack's are.
const STREAM_PREFIX: &str = "pinlake";
/// The region that everything is in, and that requests are signed for.
pub const REGION: &str = "us-east-1";
/// What Firehose signs with, as it has a role of its own on AWS.
const DELIVERY: &str = "delivery";
/// Two, so that what holds for several shards is seen here too.
const SHARDS: u32 = 2;
/// How long a stop waits for the last raw objects.
const LAST_DELIVERY: Duration = Duration::from_secs(10);

/// How to run the pipeline.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder that keeps everything; made if it is missing.
    pub state: PathBuf,
    /// The API's port; S3, Kinesis and Firehose take the three after it. 0: any free ports.
    pub port: u16,
    /// A folder of dataset definitions; those compiled in when `None`.
    pub datasets: Option<String>,
    /// Whether the edge refuses records that their definition refuses.
    pub validate: bool,
    /// How long the stream's mappings gather a batch.
    pub window: Duration,
    /// How long delivery streams gather a raw object, 0 to 900 whole seconds.
    pub raw_interval: Duration,
    /// Who may call the API.
    pub auth: Auth,
    /// Whether shards and delivery streams take no more than they do on AWS, instead of all that comes.
    pub aws_limits: bool,
    /// Where the functions tell their metrics; nowhere when `None`.
    pub metrics: Option<Lines>,
    /// The S3 that the lake is in, an address of this machine; one of this pipeline's own when `None`.
    pub s3_endpoint: Option<Url>,
    /// The Kinesis that the streams are in, an address of this machine; one of this pipeline's own when `None`.
    pub kinesis_endpoint: Option<Url>,
}

/// Who may call the API, as the parameter `ApiAuth` of a stack says it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Auth {
    /// Everybody on this machine.
    #[default]
    None,
    /// Who signs requests by Signature Version 4 with the keys of the local run.
    AwsIam,
}

impl Options {
    /// Default settings on any free ports.
    pub fn anywhere(state: &Path) -> Self {
        Self {
            state: state.to_owned(),
            port: 0,
            datasets: None,
            validate: true,
            window: Duration::from_secs(1),
            raw_interval: Duration::from_secs(5),
            auth: Auth::None,
            aws_limits: false,
            metrics: None,
            s3_endpoint: None,
            kinesis_endpoint: None,
        }
    }

    /// The definitions.
    fn catalog(&self) -> Result<Catalog> {
        Ok(match &self.datasets {
            None => Catalog::built_in(),
            Some(folder) => pinlake_catalog::load_path(folder)?,
        })
    }

    /// Where a function tells its metrics.
    fn metrics(&self, teller: Teller) -> Metrics {
        match self.metrics.clone() {
            None => Metrics::silent(teller),
            Some(lines) => Metrics::to(teller, "Pinlake", move || lines.clone()),
        }
    }
}

/// A running pipeline.
#[derive(Debug)]
pub struct Pipeline {
    url: Url,
    s3: Store,
    streams: Streams,
    firehose: Server,
    lake: Lake,
    api: Server,
    functions: Functions,
    mappings: Vec<Mapping>,
    schedules: Vec<Schedule>,
    delivery: Delivery,
    calls: Calls,
    /// Stops the API, then the triggers and the delivery, then what they stand on.
    stops: [CancellationToken; 3],
    _claim: Claim,
}

impl Pipeline {
    /// Starts everything. When this returns, requests are answered.
    ///
    /// # Errors
    /// The state folder is another's or damaged, a port is taken, or a definition is wrong or does not fit its table.
    pub async fn start(options: Options) -> Result<Self> {
        // Before the claim, which makes the folder.
        let catalog = options.catalog()?;
        Self::begin(Claim::on(&options.state)?, catalog, options).await
    }

    /// The same on a state folder that is claimed already.
    pub async fn start_on(claim: Claim, options: Options) -> Result<Self> {
        let catalog = options.catalog()?;
        Self::begin(claim, catalog, options).await
    }

    async fn begin(claim: Claim, catalog: Catalog, options: Options) -> Result<Self> {
        let api_listener = listen(options.port, 0).await?;
        let firehose_listener = listen(options.port, 3).await?;
        let stops: [CancellationToken; 3] = Default::default();
        let [api_stop, mapping_stop, endpoint_stop] = &stops;

        let calls = Calls::default();
        let callers = functions::NAMES.into_iter().chain([DELIVERY]).map(keys);
        let callers: Vec<_> = callers.chain([s3::Credentials::default()]).collect();
        let (of_shards, of_deliveries) = if options.aws_limits {
            (kinesis::Throughput::Provisioned, firehose::Throughput::Quota)
        } else {
            Default::default()
        };
        let (port, state) = (options.port, options.state.as_path());
        let s3_options = s3::Options {
            buckets: vec![BUCKET.into()],
            credentials: callers.clone(),
            calls: calls.clone(),
        };
        let s3 = Store::open(options.s3_endpoint.as_ref(), port, state, &s3_options, endpoint_stop).await?;
        let stream_options = kinesis::Options {
            throughput: of_shards,
            calls: calls.clone(),
            credentials: callers.clone(),
            ..kinesis::Options::default()
        };
        let at = options.kinesis_endpoint.as_ref();
        let streams = Streams::open(at, port, state, stream_options, endpoint_stop).await?;
        let delivery_options = firehose::Options {
            throughput: of_deliveries,
            calls: calls.clone(),
            credentials: callers.clone(),
            ..firehose::Options::default()
        };
        let delivery_streams = Firehose::open(options.state.join("firehose.redb"), delivery_options)?;
        let firehose = delivery_streams.serve(firehose_listener, endpoint_stop.clone())?;

        let s3_url = s3.url();
        let lake_of = |keys| open_lake(&s3_url, keys);
        let lake = lake_of(s3::Credentials::default())?;
        // Batches of such a dataset would fail for as long as they are kept.
        for definition in catalog.iter() {
            fit(&lake, definition).await?;
        }
        let functions = Functions::new(
            &catalog,
            Reports::built_in(),
            |function| lake_of(keys(function)),
            |teller| options.metrics(teller),
        )?;
        // A mapping acts with the role of its function.
        let given_up: Arc<dyn Destination> = Arc::new(Bucket(lake_of(keys(functions::STREAM))?));
        let dead_letters: Arc<dyn Destination> = Arc::new(Bucket(lake.clone()));
        let delivered: Arc<dyn Destination> = Arc::new(Bucket(lake_of(keys(DELIVERY))?));
        let (to_kinesis, to_firehose) = publishers(&streams.url(), &firehose.url(), signing(keys(functions::INGEST)));
        let mappings = triggers::map(
            &streams,
            &to_kinesis,
            &catalog,
            functions
                .get(functions::STREAM)
                .context("a pipeline without its stream function")?,
            &given_up,
            options.window,
            mapping_stop,
        )
        .await?;
        let schedules = triggers::schedule(&functions, &dead_letters, mapping_stop);
        let delivery = triggers::deliver(
            &delivery_streams,
            &to_firehose,
            &catalog,
            &delivered,
            options.raw_interval,
            mapping_stop,
        )?;
        let app = pinlake_ingest::App::new(
            pinlake_ingest::Settings {
                stream_prefix: STREAM_PREFIX.into(),
                validation: options.validate,
                ..pinlake_ingest::Settings::default()
            },
            catalog,
            to_kinesis,
            to_firehose,
        )
        .with_metrics(options.metrics(Teller::Ingest));
        let api = match options.auth {
            Auth::None => pinlake_ingest::router(app),
            Auth::AwsIam => gateway::signed(pinlake_ingest::router(app), &callers, REGION),
        };
        let router = front::router(api, lake.clone(), functions.clone());
        let api = gateway::serve(api_listener, router, api_stop.clone())?;
        Ok(Self {
            url: Url::parse(&format!("{}/", api.url()))?,
            s3,
            streams,
            firehose,
            lake,
            api,
            functions,
            mappings,
            schedules,
            delivery,
            calls,
            stops,
            _claim: claim,
        })
    }

    /// The API's address.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The S3 endpoint's address.
    pub fn s3_url(&self) -> String {
        self.s3.url()
    }

    /// The Kinesis endpoint's address.
    pub fn kinesis_url(&self) -> String {
        self.streams.url()
    }

    /// The Firehose endpoint's address.
    pub fn firehose_url(&self) -> String {
        self.firehose.url()
    }

    /// The lake, by way of the S3 endpoint.
    pub fn lake(&self) -> &Lake {
        &self.lake
    }

    /// The lake of a state folder as plain files, whether a pipeline runs on it or not.
    pub fn lake_on_disk(state: &Path) -> Result<Lake> {
        lake_in(&state.join("s3").join(BUCKET))
    }

    /// Waits until every record accepted by `/streams` has been stored or given up on.
    pub async fn drained(&self) {
        futures::future::join_all(self.mappings.iter().map(Mapping::drained)).await;
    }

    /// Waits until every record accepted by `/topics` is in a raw object, which is not put off until it is large or old.
    pub async fn deliver_raw(&self) {
        self.delivery.flush().await;
    }

    /// Invokes a function with an event, as its trigger would.
    ///
    /// # Errors
    /// There is no such function, or it failed.
    pub async fn invoke(&self, function: &str, event: &serde_json::Value) -> Result<serde_json::Value> {
        let found = self.functions.get(function);
        let found = found.with_context(|| format!("there is no function `{function}`"))?;
        let answer = found.invoke(event.to_string().into()).await?;
        serde_json::from_slice(&answer).with_context(|| format!("{function} answered something else than JSON"))
    }

    /// Which functions have made which calls until now, each kind once; Firehose's are those of `pinlake-delivery`. The
    /// triggers read the streams where they are, so of that there is nothing here.
    pub fn calls(&self) -> BTreeSet<Call> {
        self.calls.seen()
    }

    /// Accepted records that are still to be stored, put into a raw object, or given up on.
    pub fn behind(&self) -> u64 {
        self.mappings.iter().map(Mapping::behind).sum::<u64>() + self.delivery.behind()
    }

    /// Stops: answers the requests under way, finishes the running batches, puts what is buffered into raw objects, then
    /// closes the endpoints. What is still in the streams goes on with the next start.
    pub async fn stop(self) {
        let [api_stop, mapping_stop, endpoint_stop] = self.stops;
        api_stop.cancel();
        self.api.stopped().await;
        // What cannot be delivered by then is still in the journal at the next start.
        if tokio::time::timeout(LAST_DELIVERY, self.delivery.flush())
            .await
            .is_err()
        {
            tracing::warn!("raw records are left for the next start");
        }
        mapping_stop.cancel();
        futures::future::join_all(self.mappings.into_iter().map(Mapping::stopped)).await;
        futures::future::join_all(self.schedules.into_iter().map(Schedule::stopped)).await;
        self.delivery.stopped().await;
        endpoint_stop.cancel();
        futures::future::join3(self.s3.stopped(), self.streams.stopped(), self.firehose.stopped()).await;
    }
}

/// The lake in a folder of plain files.
pub(crate) fn lake_in(folder: &Path) -> Result<Lake> {
    let folder = fs::canonicalize(folder).with_context(|| format!("there is no lake in {}", folder.display()))?;
    let url = Url::from_directory_path(&folder).map_err(|()| anyhow::anyhow!("{} is no path", folder.display()))?;
    Ok(Lake::open(url.as_str(), &S3Options::default())?)
}

/// What a function signs with: `<prefix>-<function>`, which is its name on AWS.
pub fn keys(function: &str) -> s3::Credentials {
    s3::Credentials::of(format!("{STREAM_PREFIX}-{function}"))
}

fn signing(keys: s3::Credentials) -> Credentials {
    Credentials::new(keys.access_key_id, keys.secret_access_key, None, None, "pinlake")
}

/// The lake behind the S3 endpoint, for one caller.
fn open_lake(s3_url: &str, keys: s3::Credentials) -> Result<Lake> {
    let options = S3Options {
        region: Some(REGION.into()),
        endpoint: Some(s3_url.to_owned()),
        credentials: Some(SharedCredentialsProvider::new(signing(keys))),
    };
    Ok(Lake::open(&format!("s3://{BUCKET}"), &options)?)
}

fn kinesis_client(url: &str, credentials: Credentials) -> aws_sdk_kinesis::Client {
    let config = aws_sdk_kinesis::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static(REGION))
        .endpoint_url(url)
        .credentials_provider(credentials)
        .build();
    aws_sdk_kinesis::Client::from_conf(config)
}

/// What ingest publishes with.
fn publishers(
    kinesis_url: &str,
    firehose_url: &str,
    credentials: Credentials,
) -> (pinlake_ingest::Kinesis, pinlake_ingest::Firehose) {
    let kinesis = kinesis_client(kinesis_url, credentials.clone());
    let firehose = aws_sdk_firehose::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static(REGION))
        .endpoint_url(firehose_url)
        .credentials_provider(credentials)
        .build();
    (
        pinlake_ingest::Kinesis::new(&kinesis, STREAM_PREFIX),
        pinlake_ingest::Firehose::new(&aws_sdk_firehose::Client::from_conf(firehose), STREAM_PREFIX),
    )
}

async fn listen(port: u16, offset: u16) -> Result<TcpListener> {
    let port = if port == 0 { 0 } else { port + offset };
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .with_context(|| format!("could not listen on port {port}; choose others with --port"))
}
