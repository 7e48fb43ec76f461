//! Amazon Data Firehose with S3 as its destination: the JSON 1.1 protocol over a file, and the delivery.
//!
//! ```text
//! request ─► operations: what AWS would refuse ─► append (redb) ─► answer
//!                                                     │
//!                            delivery: by size, by time, flush ─► object (prefix, GZIP) ─► destination
//! ```
//!
//! | file | idea |
//! |---|---|
//! | `settings`, `prefix`, `time` | what a delivery stream is set to, and its keys' expressions |
//! | `operations`, `wire` | the API |
//! | `store`, `append`, `stream` | records that wait, on disk and in memory |
//! | `delivery`, `object` | from records to objects |
//! | `throttle` | what a stream takes in a second |
//! | `faults` | what goes wrong, from a seed |
//!
//! # Invariants
//! - What was answered is delivered, across restarts and after a SIGKILL (`what_was_answered_outlives_a_kill`): a record
//!   is in the journal before it is answered and until its object has been put. A crash between the put and the
//!   forgetting delivers again, under the same name (`what_is_delivered_again_takes_its_own_place`).
//! - The records that come out are those that went in, in order (`records_come_out_as_they_went_in`).
//! - A buffer is delivered once it has its size or its oldest record its age (`a_full_buffer_is_delivered`,
//!   `an_old_buffer_is_delivered`).
//! - Objects are named as AWS names them, by the arrival of the buffer's oldest record (`objects_are_named_by_their_oldest_record`,
//!   and in `prefix`).
//!
//! # Limits
//! Streams are active at once and made by the host ([`Firehose::ensure_stream`]). The one destination is S3, so the one
//! reason for error output is a failed processing, and there is no processing here but the fault of it ([`Faults`]):
//! objects that cannot be put are tried again, which AWS does too, though for 24 hours only. Whether AWS compresses
//! error output is not documented; here it is as all objects of its stream. Dynamic partitioning, format conversion,
//! time zones and encryption do not exist here.

mod append;
mod delivery;
mod faults;
mod object;
mod operations;
mod prefix;
mod settings;
mod store;
mod stream;
mod throttle;
mod time;
mod wire;

use std::{fmt, path::Path, sync::Arc};

use chrono::{DateTime, Utc};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use self::{
    delivery::Delivery,
    faults::Faults,
    prefix::PrefixError,
    settings::{Compression, Settings, SettingsError},
    throttle::Throughput,
    time::PatternError,
};
use self::{
    faults::Lots,
    store::{Store, StoreError},
    throttle::Throttle,
};
use crate::{
    Credentials,
    calls::Calls,
    kinesis::Clock,
    protocol,
    server::{self, ServeError, Server},
};

/// What delivery streams are opened with.
#[derive(Clone)]
pub struct Options {
    /// The region in ARNs. Default: `us-east-1`.
    pub region: String,
    /// The account in ARNs and messages. Default: `000000000000`.
    pub account: String,
    /// How much a stream takes. Default: all that comes.
    pub throughput: Throughput,
    /// What goes wrong. Default: nothing.
    pub faults: Faults,
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
            faults: Faults::default(),
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
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}

/// Why delivery streams cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be opened, or reading and writing it fails.
    #[error("the delivery streams cannot be used")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A stream cannot be as it is set.
    #[error("delivery stream `{stream}` cannot be as it is set")]
    Settings {
        /// Its name.
        stream: String,
        /// Why.
        source: SettingsError,
    },
    /// The endpoint cannot be served.
    #[error(transparent)]
    Serve(#[from] ServeError),
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Settings { stream, source } => Self::Settings { stream, source },
            error => Self::Store(Box::new(error)),
        }
    }
}

/// Delivery streams in a file. Cheap to clone: clones are the same streams.
#[derive(Clone)]
pub struct Firehose {
    store: Arc<Store>,
    options: Arc<Options>,
    throttle: Arc<Throttle>,
    lots: Arc<Lots>,
}

impl fmt::Debug for Firehose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Firehose")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Firehose {
    /// Opens the delivery streams in the file at `path`, which is made if it is missing.
    ///
    /// # Errors
    /// [`Error::Store`] when the file cannot be opened, also because another process has it open.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<Self, Error> {
        Ok(Self {
            store: Arc::new(Store::open(path.as_ref())?),
            throttle: Arc::new(Throttle::new(options.throughput)),
            lots: Arc::new(Lots::new(options.faults)),
            options: Arc::new(options),
        })
    }

    /// Makes a delivery stream, or gives the one of that name new settings; what it buffers is delivered by those then.
    ///
    /// # Errors
    /// [`Error::Settings`] when AWS would not take the settings, [`Error::Store`] when the file cannot be written.
    pub fn ensure_stream(&self, settings: Settings) -> Result<(), Error> {
        Ok(self.store.ensure_stream(settings, self.now().timestamp_millis())?)
    }

    /// Serves the streams on `listener` until `cancel` is cancelled. [`Delivery`] empties them.
    ///
    /// # Errors
    /// [`Error::Serve`] when the listener is not on loopback.
    pub fn serve(&self, listener: TcpListener, cancel: CancellationToken) -> Result<Server, Error> {
        let service = hyper_util::service::TowerToHyperService::new(self.service());
        Ok(server::serve(listener, service, cancel)?)
    }

    /// The endpoint without a socket: what [`serve`](Self::serve) serves.
    pub fn service(&self) -> axum::Router {
        protocol::router(self.clone())
    }

    /// The ARN of a delivery stream.
    pub fn stream_arn(&self, stream: &str) -> String {
        let Options { region, account, .. } = &*self.options;
        format!("arn:aws:firehose:{region}:{account}:deliverystream/{stream}")
    }

    /// The ARN of the function that a failed processing is put down to.
    fn function_arn(&self) -> String {
        let Options { region, account, .. } = &*self.options;
        format!("arn:aws:lambda:{region}:{account}:function:faults:$LATEST")
    }

    fn now(&self) -> DateTime<Utc> {
        (self.options.clock)()
    }
}
