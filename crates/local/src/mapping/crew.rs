//! The workers of a mapping: one for each shard, also for those that a split or a merge opens while it runs.

use std::sync::Arc;

use tokio::{
    sync::watch,
    task::{JoinError, JoinSet},
};
use tokio_util::sync::CancellationToken;

use super::{Progress, event::Source, settings::Settings, worker::Worker};
use crate::{
    Destination, Function,
    kinesis::{Kinesis, Shard, Stream, shard_id},
};

/// What workers are made of, and whose they are.
pub(super) struct Crew {
    pub(super) kinesis: Kinesis,
    pub(super) stream: Arc<Stream>,
    pub(super) settings: Arc<Settings>,
    pub(super) function: Arc<dyn Function>,
    pub(super) destination: Option<Arc<dyn Destination>>,
    pub(super) progress: Arc<watch::Sender<Vec<Progress>>>,
    pub(super) cancel: CancellationToken,
}

impl Crew {
    /// Has all shards worked on until the mapping is stopped. Progress is there for the first ones, by their numbers.
    pub(super) async fn run(self) {
        let mut shards = self.stream.subscribe();
        let mut workers = JoinSet::new();
        let mut at_work = 0;
        loop {
            let known = Arc::clone(&shards.borrow_and_update());
            for shard in known.iter().skip(at_work) {
                let next = self.next(shard);
                workers.spawn(self.worker(shard).run(next));
                at_work += 1;
            }
            tokio::select! {
                () = self.cancel.cancelled() => break,
                // The sender lives as long as the stream.
                _ = shards.changed() => {}
                Some(ended) = workers.join_next() => self.look_at(ended),
            }
        }
        while let Some(ended) = workers.join_next().await {
            self.look_at(ended);
        }
    }

    /// Where the work on a shard begins. What has been opened since the start is read from its first record on: that
    /// follows the last one of its parents.
    fn next(&self, shard: &Shard) -> u64 {
        let mut next = shard.head();
        self.progress
            .send_if_modified(|progress| match progress.get(shard.number as usize) {
                Some(known) => {
                    next = known.next;
                    false
                }
                None => {
                    progress.push(Progress::at(next));
                    true
                }
            });
        next
    }

    fn worker(&self, shard: &Arc<Shard>) -> Worker {
        let source = Source {
            region: self.kinesis.region().to_owned(),
            shard_id: shard_id(shard.number),
            stream_arn: self.kinesis.stream_arn(&self.stream.name),
            role_arn: self.kinesis.role_arn(&self.settings.function),
        };
        Worker {
            kinesis: self.kinesis.clone(),
            shard: Arc::clone(shard),
            source,
            settings: Arc::clone(&self.settings),
            function: Arc::clone(&self.function),
            destination: self.destination.clone(),
            progress: Arc::clone(&self.progress),
            cancel: self.cancel.clone(),
        }
    }

    fn look_at(&self, ended: Result<(), JoinError>) {
        if let Err(error) = ended {
            tracing::error!(%error, stream = self.stream.name, "a shard's worker ended badly");
        }
    }
}
