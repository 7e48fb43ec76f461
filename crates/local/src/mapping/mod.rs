//! Lambda's event source mapping: from a stream to a function, a shard at a time.
//!
//! ```text
//! shard ─► batch: by count, size, window ─► invoke ─┬─ done ─────────────────────────► checkpoint ─► next batch
//!            ▲                                      └─ failed from a record on
//!            │                                            │ cut in two, or wait and try again
//!            └────────────────────────────────────────────┤
//!                                                         └─ too often or too old ─► destination ─► checkpoint
//! ```
//!
//! Shards go on independently of each other; within a shard one batch is under way at a time (`ParallelizationFactor`
//! 1, which per-shard watermarks need). A shard that came by a split or a merge waits until its parents are closed and
//! all their records are settled.
//!
//! # Invariants
//! - Every record is delivered at least once or is at the destination, if there is one (`nothing_is_lost`).
//! - Records of a shard are delivered in order; a record comes again only with all that follow it in its batch
//!   (`nothing_is_lost`). So are those of a partition key, whatever is split and merged
//!   (`resharding_keeps_the_order_of_each_key`).
//! - The checkpoint never passes a record that is neither done nor at the destination (`a_restart_goes_on`).
//! - Stopping lets the running invocation end, and counts it (`stopping_finishes_the_invocation`).

mod crew;
mod destination;
mod event;
mod outcome;
mod settings;
mod settle;
mod stream;
mod worker;

use std::{fmt, sync::Arc};

use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

use self::{
    crew::Crew,
    stream::{ByApi, InStore, Shard, Stream, StreamError},
};
pub use self::{
    settings::{Backoff, Settings, Start},
    stream::Remote,
};
pub use crate::Destination;
use crate::{
    Function,
    kinesis::{self, Kinesis, SequenceNumber},
};

/// Why a mapping cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The stream does not exist, or cannot be read.
    #[error(transparent)]
    Stream(#[from] kinesis::Error),
    /// A stream cannot be used by its API.
    #[error("could not use stream `{stream}`")]
    Api {
        /// Its name.
        stream: String,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file with the checkpoints of streams that are read by their API cannot be used.
    #[error("the checkpoints cannot be used")]
    Checkpoints(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    fn api(stream: &str, source: impl Into<StreamError>) -> Self {
        Self::Api {
            stream: stream.to_owned(),
            source: source.into(),
        }
    }
}

/// A running event source mapping.
pub struct Mapping {
    stream: Arc<dyn Stream>,
    progress: watch::Receiver<Vec<Progress>>,
    /// The crew's one task, which ends with the mapping, also when that is dropped.
    crew: JoinSet<()>,
}

impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mapping")
            .field("stream", &self.stream.arn())
            .field("progress", &self.progress)
            .finish_non_exhaustive()
    }
}

/// How far a mapping is in one shard.
#[derive(Clone, Debug)]
struct Progress {
    shard_id: String,
    /// The index of the next record to be settled.
    next: u64,
    /// The shard is closed and all its records are settled.
    is_done: bool,
    position: Option<SequenceNumber>,
    iterator_age_ms: Option<i64>,
    last_error: Option<String>,
}

impl Progress {
    fn at(shard_id: &str, next: u64) -> Self {
        Self {
            shard_id: shard_id.to_owned(),
            next,
            is_done: false,
            position: None,
            iterator_age_ms: None,
            last_error: None,
        }
    }

    fn behind(&self, shard: &dyn Shard) -> u64 {
        // What has been trimmed away will never come.
        shard.tail().saturating_sub(self.next.max(shard.head()))
    }
}

/// How far a mapping is in one shard, for people and for alarms.
#[derive(Clone, Debug)]
pub struct ShardStatus {
    /// The shard's id.
    pub shard_id: String,
    /// The last record that was settled since the start.
    pub position: Option<SequenceNumber>,
    /// How many records are still to be settled.
    pub behind: u64,
    /// Whether the shard is closed and all its records are settled, so that its children's turn has come.
    pub is_done: bool,
    /// How old the last record of the last batch was when the function got it, in milliseconds: Lambda's `IteratorAge`.
    pub iterator_age_ms: Option<i64>,
    /// Why the last invocation failed; none if it did not.
    pub last_error: Option<String>,
}

impl Mapping {
    /// Starts delivering a stream's records to a function, from where the mapping of this id has stopped, until `cancel`
    /// is cancelled. Records that are given up on go to `destination`; without one they are dropped, as on AWS.
    ///
    /// # Errors
    /// [`Error::Stream`] when the stream does not exist or cannot be read.
    pub async fn start(
        kinesis: &Kinesis,
        settings: Settings,
        function: Arc<dyn Function>,
        destination: Option<Arc<dyn Destination>>,
        cancel: CancellationToken,
    ) -> Result<Self, Error> {
        let settings = Arc::new(settings);
        let stream = Arc::new(InStore::open(kinesis, &settings)?);
        let begun = Self::begin(stream, settings, function, destination, cancel).await;
        begun.map_err(|error| Error::Stream(kinesis::Error::Store(error)))
    }

    /// As [`start`](Self::start), with a stream that is read by its API.
    ///
    /// # Errors
    /// [`Error::Api`] when the stream does not exist or cannot be read.
    pub async fn start_by_api(
        remote: &Remote,
        settings: Settings,
        function: Arc<dyn Function>,
        destination: Option<Arc<dyn Destination>>,
        cancel: CancellationToken,
    ) -> Result<Self, Error> {
        let (name, settings) = (settings.stream.clone(), Arc::new(settings));
        let begun = async {
            let stream = Arc::new(ByApi::open(remote, &settings).await?);
            Self::begin(stream, settings, function, destination, cancel).await
        };
        begun.await.map_err(|error| Error::api(&name, error))
    }

    async fn begin(
        stream: Arc<dyn Stream>,
        settings: Arc<Settings>,
        function: Arc<dyn Function>,
        destination: Option<Arc<dyn Destination>>,
        cancel: CancellationToken,
    ) -> Result<Self, StreamError> {
        let shards = stream.shards();
        let starts = stream.starts().await?;
        let progress = shards
            .iter()
            .zip(starts)
            .map(|(shard, next)| Progress::at(shard.id(), next));
        let (progress, receiver) = watch::channel(progress.collect::<Vec<_>>());
        tracing::info!(
            mapping = settings.id,
            stream = settings.stream,
            shards = shards.len(),
            "started a mapping"
        );
        let members = Crew {
            stream: Arc::clone(&stream),
            settings,
            function,
            destination,
            progress: Arc::new(progress),
            cancel,
        };
        let mut crew = JoinSet::new();
        crew.spawn(members.run());
        Ok(Self {
            stream,
            progress: receiver,
            crew,
        })
    }

    /// How far the mapping is, by shard. Closed shards stay in the list.
    pub fn status(&self) -> Vec<ShardStatus> {
        let progress = self.progress.borrow();
        let shards = self.stream.shards().into_iter().enumerate();
        let status = shards.map(|(place, shard)| {
            let progress = progress.get(place).cloned();
            // A shard that has just been opened has no progress yet.
            let progress = progress.unwrap_or_else(|| Progress::at(shard.id(), shard.head()));
            ShardStatus {
                behind: progress.behind(&*shard),
                shard_id: progress.shard_id,
                position: progress.position,
                is_done: progress.is_done,
                iterator_age_ms: progress.iterator_age_ms,
                last_error: progress.last_error,
            }
        });
        status.collect()
    }

    /// How many records of the stream are still to be settled. Of a stream that is read by its API, how many are known.
    pub fn behind(&self) -> u64 {
        self.status().iter().map(|shard| shard.behind).sum()
    }

    /// Waits until every record that is in the stream has been settled: delivered, or given up on. Returns at once when
    /// the mapping has been stopped.
    pub async fn drained(&self) {
        let (mut progress, mut stopped) = (self.progress.clone(), self.progress.clone());
        tokio::select! {
            () = self.stream.is_known() => {}
            // Only when all workers have stopped: nothing more will be settled.
            _ = stopped.wait_for(|_| false) => return,
        }
        while self.behind() > 0 && progress.changed().await.is_ok() {}
    }

    /// Waits until the mapping has stopped, which it does when its token is cancelled.
    pub async fn stopped(mut self) {
        while let Some(ended) = self.crew.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, stream = self.stream.arn(), "a mapping ended badly");
            }
        }
    }
}
