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
//! 1, which per-shard watermarks need).
//!
//! # Invariants
//! - Every record is delivered at least once or is at the destination, if there is one (`nothing_is_lost`).
//! - Records of a shard are delivered in order; a record comes again only with all that follow it in its batch
//!   (`nothing_is_lost`).
//! - The checkpoint never passes a record that is neither done nor at the destination (`a_restart_goes_on`).
//! - Stopping lets the running invocation end, and counts it (`stopping_finishes_the_invocation`).

mod destination;
mod event;
mod outcome;
mod settings;
mod settle;
mod worker;

use std::sync::Arc;

use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

pub use self::settings::{Backoff, Settings, Start};
use self::{event::Source, worker::Worker};
pub use crate::Destination;
use crate::{
    Function,
    kinesis::{self, Kinesis, SequenceNumber, Stream, shard_id},
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
    workers: JoinSet<()>,
}

/// How far a mapping is in one shard.
#[derive(Clone, Debug, Default)]
struct Progress {
    /// The index of the next record to be settled.
    next: u64,
    position: Option<SequenceNumber>,
    iterator_age_ms: Option<i64>,
    last_error: Option<String>,
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
        let progress = starts
            .iter()
            .map(|next| Progress {
                next: *next,
                ..Progress::default()
            })
            .collect();
        let (progress, receiver) = watch::channel(progress);
        let progress = Arc::new(progress);
        let mut workers = JoinSet::new();
        for (shard, next) in (0_u32..).zip(starts) {
            let source = Source {
                region: kinesis.region().to_owned(),
                shard_id: shard_id(shard),
                stream_arn: kinesis.stream_arn(&stream.name),
                role_arn: kinesis.role_arn(&settings.function),
            };
            let worker = Worker {
                kinesis: kinesis.clone(),
                stream: Arc::clone(&stream),
                shard,
                source,
                settings: Arc::clone(&settings),
                function: Arc::clone(&function),
                destination: destination.clone(),
                progress: Arc::clone(&progress),
                cancel: cancel.clone(),
            };
            workers.spawn(worker.run(next));
        }
        tracing::info!(
            mapping = settings.id,
            stream = stream.name,
            shards = stream.shards.len(),
            "started a mapping"
        );
        Ok(Self {
            stream,
            progress: receiver,
            workers,
        })
    }

    /// How far the mapping is, by shard.
    pub fn status(&self) -> Vec<ShardStatus> {
        let progress = self.progress.borrow();
        let status = (0_u32..).zip(progress.iter()).map(|(shard, progress)| ShardStatus {
            shard_id: shard_id(shard),
            position: progress.position,
            behind: behind(&self.stream, shard, progress),
            iterator_age_ms: progress.iterator_age_ms,
            last_error: progress.last_error.clone(),
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
        while let Some(ended) = self.workers.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, stream = self.stream.name, "a shard's worker ended badly");
            }
        }
    }
}

fn total_behind(stream: &Stream, progress: &[Progress]) -> u64 {
    (0_u32..)
        .zip(progress)
        .map(|(shard, progress)| behind(stream, shard, progress))
        .sum()
}

fn behind(stream: &Stream, shard: u32, progress: &Progress) -> u64 {
    let shard = &stream.shards[shard as usize];
    // What has been trimmed away will never come.
    shard.tail().saturating_sub(progress.next.max(shard.head()))
}
