//! Kinesis Data Streams: the JSON 1.1 protocol over a file.
//!
//! ```text
//! request ─► endpoint: X-Amz-Target ─► operations ─┬─ limits    what AWS would refuse
//!                                                  ├─ hash      which hash key
//!                                                  ├─ shards    which shard; splits and merges
//!                                                  ├─ throttle  what a shard takes
//!                                                  └─ store     append, read, trim, reshard (redb)
//! ```
//!
//! # Invariants
//! - What was answered is stored, in the order of its sequence numbers, across restarts (`what_was_answered_survives`).
//! - A record goes to the one open shard whose range its hash key is in (`each_hash_key_has_one_open_shard`), also when
//!   shards are split and merged meanwhile (`resharding_under_puts_loses_nothing`).
//!
//! # Limits
//! Streams are active at once, new ones and resharded ones, so an operation never finds one that is being changed.
//! How often a stream is resharded is not limited. Consumers with enhanced fan-out, tags,
//! encryption and changes of mode or retention do not exist here and are answered with `UnknownOperationException`.

mod append;
mod describing;
mod endpoint;
mod error;
mod hash;
mod iterator;
mod limits;
mod operations;
mod reading;
mod reshard;
mod sequence;
mod shards;
mod store;
mod stream;
mod throttle;
mod wire;

use std::{fmt, path::Path, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use self::{
    sequence::{ParseSequenceNumberError, SequenceNumber},
    shards::ReshardError,
    throttle::Throughput,
};
pub(crate) use self::{
    store::{Record, Store, StoreError},
    stream::{Shard, Stream},
};
use crate::{
    Credentials,
    calls::Calls,
    protocol,
    server::{self, ServeError, Server},
};

/// What time it is. An argument, so that a test can let a clock step back.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// How often records that are older than their stream's retention are removed.
const TRIM_EVERY: Duration = Duration::from_secs(60);

/// What streams are opened with.
#[derive(Clone)]
pub struct Options {
    /// The region in ARNs and events. Default: `us-east-1`.
    pub region: String,
    /// The account in ARNs and messages. Default: `000000000000`.
    pub account: String,
    /// How much a shard takes. Default: all that comes.
    pub throughput: Throughput,
    /// How long new streams keep records, in hours. Default: 24, as on AWS.
    pub retention_hours: u32,
    /// The clock. Default: the system's.
    pub clock: Clock,
    /// Where calls are noted.
    pub calls: Calls,
    /// The pairs of keys that requests may be signed with. Default: none, and then signatures are not checked.
    pub credentials: Vec<Credentials>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            region: "us-east-1".into(),
            account: "000000000000".into(),
            throughput: Throughput::default(),
            retention_hours: 24,
            clock: Arc::new(Utc::now),
            calls: Calls::default(),
            credentials: Vec::new(),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("region", &self.region)
            .field("account", &self.account)
            .field("throughput", &self.throughput)
            .field("retention_hours", &self.retention_hours)
            .finish_non_exhaustive()
    }
}

/// Why streams cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be opened, or reading and writing it fails.
    #[error("the streams cannot be used")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No such stream.
    #[error("there is no stream `{stream}`")]
    NoStream {
        /// Its name.
        stream: String,
    },
    /// Shards cannot be split or merged so.
    #[error("could not reshard stream `{stream}`")]
    Reshard {
        /// The stream's name.
        stream: String,
        /// What speaks against it.
        source: ReshardError,
    },
    /// The endpoint cannot be served.
    #[error(transparent)]
    Serve(#[from] ServeError),
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NoStream { stream } => Self::NoStream { stream },
            StoreError::Reshard { stream, source } => Self::Reshard { stream, source },
            error => Self::Store(Box::new(error)),
        }
    }
}

/// Streams in a file. Cheap to clone: clones are the same streams.
#[derive(Clone)]
pub struct Kinesis {
    store: Arc<Store>,
    options: Arc<Options>,
    throttle: Arc<throttle::Throttle>,
}

impl fmt::Debug for Kinesis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kinesis")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Kinesis {
    /// Opens the streams in the file at `path`, which is made if it is missing.
    ///
    /// # Errors
    /// [`Error::Store`] when the file cannot be opened, also because another process has it open.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<Self, Error> {
        let throttle = Arc::new(throttle::Throttle::new(options.throughput));
        Ok(Self {
            store: Arc::new(Store::open(path.as_ref())?),
            options: Arc::new(options),
            throttle,
        })
    }

    /// Makes a stream of `shards` shards unless there is one of that name.
    ///
    /// # Errors
    /// [`Error::Store`] when the file cannot be written.
    pub fn ensure_stream(&self, name: &str, shards: u32) -> Result<(), Error> {
        let hours = self.options.retention_hours;
        match self
            .store
            .create_stream(name, shards.max(1), false, hours, self.now_ms())
        {
            Ok(()) | Err(StoreError::StreamExists { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Serves the streams on `listener` until `cancel` is cancelled, and trims them meanwhile.
    ///
    /// # Errors
    /// [`Error::Serve`] when the listener is not on loopback.
    pub fn serve(&self, listener: TcpListener, cancel: CancellationToken) -> Result<Server, Error> {
        let service = hyper_util::service::TowerToHyperService::new(self.service());
        let server = server::serve(listener, service, cancel.clone())?;
        // Held weakly: when the last clone of these streams is gone, the file is closed at once.
        let (store, clock) = (Arc::downgrade(&self.store), Arc::clone(&self.options.clock));
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = cancel.cancelled() => return,
                    () = tokio::time::sleep(TRIM_EVERY) => {}
                }
                let Some(store) = store.upgrade() else { return };
                trim(store, clock().timestamp_millis()).await;
            }
        });
        Ok(server)
    }

    /// The endpoint without a socket: what [`serve`](Self::serve) serves.
    pub fn service(&self) -> axum::Router {
        protocol::router(self.clone())
    }

    /// Removes records that are older than their stream's retention. [`serve`](Self::serve) does it every minute.
    pub async fn trim(&self) {
        trim(Arc::clone(&self.store), self.now_ms()).await;
    }

    /// The ARN of a stream.
    pub fn stream_arn(&self, stream: &str) -> String {
        let Options { region, account, .. } = &*self.options;
        format!("arn:aws:kinesis:{region}:{account}:stream/{stream}")
    }

    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.store
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        (self.options.clock)()
    }

    fn now_ms(&self) -> i64 {
        self.now().timestamp_millis()
    }
}

/// A shard's name.
pub(crate) fn shard_id(shard: u32) -> String {
    format!("shardId-{shard:012}")
}

async fn trim(store: Arc<Store>, now_ms: i64) {
    match tokio::task::spawn_blocking(move || store.trim(now_ms)).await {
        Ok(Ok(0)) | Err(_) => {}
        Ok(Ok(records)) => tracing::info!(records, "trimmed records older than their stream's retention"),
        Ok(Err(error)) => {
            tracing::error!(error = &error as &dyn std::error::Error, "could not trim the streams");
        }
    }
}
