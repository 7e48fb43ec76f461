//! The workers of a mapping: one for each shard, also for those that a split or a merge opens while it runs.

use std::sync::Arc;

use tokio::{
    sync::watch,
    task::{JoinError, JoinSet},
};
use tokio_util::sync::CancellationToken;

use super::{
    Progress,
    event::Source,
    settings::Settings,
    stream::{Shard, Stream},
    worker::Worker,
};
use crate::{Destination, Function};

/// What workers are made of, and whose they are.
pub(super) struct Crew {
    pub(super) stream: Arc<dyn Stream>,
    pub(super) settings: Arc<Settings>,
    pub(super) function: Arc<dyn Function>,
    pub(super) destination: Option<Arc<dyn Destination>>,
    pub(super) progress: Arc<watch::Sender<Vec<Progress>>>,
    pub(super) cancel: CancellationToken,
}

impl Crew {
    /// Has all shards worked on until the mapping is stopped. The first ones have their progress already.
    pub(super) async fn run(self) {
        let mut workers = JoinSet::new();
        let mut at_work = 0;
        loop {
            for shard in self.stream.shards().into_iter().skip(at_work) {
                let next = self.next(at_work, &*shard);
                workers.spawn(self.worker(at_work, shard).run(next));
                at_work += 1;
            }
            tokio::select! {
                () = self.cancel.cancelled() => break,
                () = self.stream.grows(at_work) => {}
                Some(ended) = workers.join_next() => self.look_at(ended),
            }
        }
        while let Some(ended) = workers.join_next().await {
            self.look_at(ended);
        }
    }

    /// Where the work on a shard begins. What has been opened since the start is read from its first record on: that
    /// follows the last one of its parents.
    fn next(&self, place: usize, shard: &dyn Shard) -> u64 {
        if let Some(known) = self.progress.borrow().get(place) {
            return known.next;
        }
        let next = shard.head();
        self.progress
            .send_modify(|progress| progress.push(Progress::at(shard.id(), next)));
        next
    }

    fn worker(&self, place: usize, shard: Arc<dyn Shard>) -> Worker {
        let source = Source {
            region: self.stream.region().to_owned(),
            shard_id: shard.id().to_owned(),
            stream_arn: self.stream.arn().to_owned(),
            role_arn: format!("arn:aws:iam::{}:role/{}", self.stream.account(), self.settings.function),
        };
        Worker {
            stream: Arc::clone(&self.stream),
            shard,
            place,
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
            tracing::error!(%error, mapping = self.settings.id, "a shard's worker ended badly");
        }
    }
}
