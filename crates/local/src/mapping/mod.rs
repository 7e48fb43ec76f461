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
mod worker;

use std::sync::Arc;

use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

use self::crew::Crew;
pub use self::settings::{Backoff, Settings, Start};
pub use crate::Destination;
use crate::{
    Function,
    kinesis::{self, Kinesis, SequenceNumber, Shard, Stream, shard_id},
};

/// Why a mapping cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The stream does not exist, or cannot be read.
    #[error(transparent)]
    Stream(#[from] kinesis::Error),
}

/// A running event source mapping.
#[derive(Debug)]
pub struct Mapping {
    stream: Arc<Stream>,
    progress: watch::Receiver<Vec<Progress>>,
    /// The crew's one task, which ends with the mapping, also when that is dropped.
    crew: JoinSet<()>,
}

/// How far a mapping is in one shard.
#[derive(Clone, Debug, Default)]
struct Progress {
    /// The index of the next record to be settled.
    next: u64,
    /// The shard is closed and all its records are settled.
    is_done: bool,
    position: Option<SequenceNumber>,
    iterator_age_ms: Option<i64>,
    last_error: Option<String>,
}

impl Progress {
    fn at(next: u64) -> Self {
        Self {
            next,
            ..Self::default()
        }
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
        let stream = kinesis.store().stream(&settings.stream).map_err(kinesis::Error::from)?;
        let settings = Arc::new(settings);
        let starts = {
            let (store, stream, settings) = (Arc::clone(kinesis.store()), Arc::clone(&stream), Arc::clone(&settings));
            let starts = tokio::task::spawn_blocking(move || worker::starts(&store, &stream, &settings)).await;
            starts
                .map_err(|error| kinesis::Error::Store(Box::new(error)))?
                .map_err(kinesis::Error::from)?
        };
        let (progress, receiver) = watch::channel(starts.into_iter().map(Progress::at).collect::<Vec<_>>());
        tracing::info!(
            mapping = settings.id,
            stream = stream.name,
            shards = receiver.borrow().len(),
            "started a mapping"
        );
        let members = Crew {
            kinesis: kinesis.clone(),
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
        let (shards, progress) = (self.stream.shards(), self.progress.borrow());
        let status = shards.iter().map(|shard| {
            let progress = progress.get(shard.number as usize).cloned().unwrap_or_default();
            ShardStatus {
                shard_id: shard_id(shard.number),
                behind: behind(shard, &progress),
                position: progress.position,
                is_done: progress.is_done,
                iterator_age_ms: progress.iterator_age_ms,
                last_error: progress.last_error,
            }
        });
        status.collect()
    }

    /// How many records of the stream are still to be settled.
    pub fn behind(&self) -> u64 {
        total_behind(&self.stream, &self.progress.borrow())
    }

    /// Waits until every record that is in the stream has been settled: delivered, or given up on. Returns at once when
    /// the mapping has been stopped.
    pub async fn drained(&self) {
        let mut progress = self.progress.clone();
        // An error says that all workers have stopped: nothing more will be settled.
        let _ = progress
            .wait_for(|progress| total_behind(&self.stream, progress) == 0)
            .await;
    }

    /// Waits until the mapping has stopped, which it does when its token is cancelled.
    pub async fn stopped(mut self) {
        while let Some(ended) = self.crew.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, stream = self.stream.name, "a mapping ended badly");
            }
        }
    }
}

fn total_behind(stream: &Stream, progress: &[Progress]) -> u64 {
    let nothing = Progress::default();
    let shards = stream.shards();
    let behind = shards.iter().map(|shard| {
        // A shard that has just been opened has no progress yet.
        behind(shard, progress.get(shard.number as usize).unwrap_or(&nothing))
    });
    behind.sum()
}

fn behind(shard: &Shard, progress: &Progress) -> u64 {
    // What has been trimmed away will never come.
    shard.tail().saturating_sub(progress.next.max(shard.head()))
}
