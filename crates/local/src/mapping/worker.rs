//! One shard's worker: takes batches from the stream, one after the other, and sees each one settled.

use std::sync::Arc;

use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    Progress,
    event::{ENVELOPE_BYTES, MOST_EVENT_BYTES, Source},
    settings::{Settings, Start},
};
use crate::{
    Destination, Function,
    kinesis::{Kinesis, Record, Shard, State, Store, StoreError, Stream},
};

/// A worker and all that it works with.
pub(super) struct Worker {
    pub(super) kinesis: Kinesis,
    pub(super) shard: Arc<Shard>,
    pub(super) source: Source,
    pub(super) settings: Arc<Settings>,
    pub(super) function: Arc<dyn Function>,
    pub(super) destination: Option<Arc<dyn Destination>>,
    pub(super) progress: Arc<watch::Sender<Vec<Progress>>>,
    pub(super) cancel: CancellationToken,
}

/// The mapping is being stopped: what is not settled is left for the next start.
pub(super) struct Stopping;

/// Where a mapping goes on in each shard. A first start is remembered, so that one at `Latest` does not move; a shard that
/// was opened since then is read from its first record on, because that follows the last one of its parents.
pub(super) fn starts(store: &Store, stream: &Stream, settings: &Settings) -> Result<Vec<u64>, StoreError> {
    let shards = stream.shards();
    let checkpoints = shards.iter().map(|shard| store.checkpoint(&settings.id, shard));
    let checkpoints = checkpoints.collect::<Result<Vec<_>, _>>()?;
    let is_first = checkpoints.iter().all(Option::is_none);
    let begins = |shard: &Shard| match settings.start {
        Start::Latest if is_first => shard.tail(),
        Start::Latest | Start::TrimHorizon => shard.head(),
    };
    let starts = shards.iter().zip(checkpoints);
    let starts: Vec<u64> = starts
        .map(|(shard, next)| next.unwrap_or_else(|| begins(shard)))
        .collect();
    if is_first {
        let checkpoints = shards.iter().map(|shard| &**shard).zip(starts.iter().copied());
        store.save_checkpoints(&settings.id, checkpoints)?;
    }
    Ok(starts)
}

impl Worker {
    /// Works until the shard has ended or the mapping is stopped.
    pub(super) async fn run(self, next: u64) {
        // What a stop leaves is for the next start.
        if let Ok(()) = self.work(next).await {
            self.report(|progress| progress.is_done = true);
        }
    }

    async fn work(&self, mut next: u64) -> Result<(), Stopping> {
        self.parents_are_done().await?;
        while let Some(batch) = self.collect(next).await? {
            match batch.last().map(|record| record.index + 1) {
                Some(end) => {
                    self.settle(batch).await?;
                    next = end;
                }
                // All that was to come has been trimmed away.
                None => self.checkpoint(self.shard.head(), None).await?,
            }
            next = next.max(self.shard.head());
        }
        Ok(())
    }

    /// Waits until all records of the shards are settled whose hash keys this one took over.
    async fn parents_are_done(&self) -> Result<(), Stopping> {
        let mut progress = self.progress.subscribe();
        let is_done = |progress: &Vec<Progress>| {
            let mut parents = self.shard.parents().iter();
            parents.all(|parent| progress.get(*parent as usize).is_some_and(|parent| parent.is_done))
        };
        // The sender lives as long as this worker.
        self.or_stopping(async { drop(progress.wait_for(is_done).await) }).await
    }

    /// Takes the next batch: as many records as fit, or as come within the window. None at the end of a closed shard.
    async fn collect(&self, next: u64) -> Result<Option<Vec<Record>>, Stopping> {
        let mut state = self.shard.subscribe();
        self.or_stopping(reaches(&mut state, next)).await?;
        if self.shard.state().ends_at(next) {
            return Ok(None);
        }
        let deadline = Instant::now() + self.settings.batch_window;
        let (mut batch, mut bytes) = (Vec::new(), ENVELOPE_BYTES);
        loop {
            let from = batch.last().map_or(next, |record: &Record| record.index + 1);
            for record in self.read(from, self.settings.batch_size - batch.len()).await? {
                let more = self.source.record_bytes(&record);
                // A record that is too big alone goes alone.
                if bytes + more > MOST_EVENT_BYTES && !batch.is_empty() {
                    return Ok(Some(batch));
                }
                bytes += more;
                batch.push(record);
            }
            let end = batch.last().map_or(next, |record| record.index + 1);
            let is_full = batch.len() >= self.settings.batch_size;
            if is_full || batch.is_empty() || self.shard.state().ends_at(end) || Instant::now() >= deadline {
                return Ok(Some(batch));
            }
            tokio::select! {
                () = self.cancel.cancelled() => return Err(Stopping),
                () = tokio::time::sleep_until(deadline) => {}
                () = reaches(&mut state, end) => {}
            }
        }
    }

    /// Reads records; tries again for as long as that fails.
    async fn read(&self, from: u64, most: usize) -> Result<Vec<Record>, Stopping> {
        let settings = Arc::clone(&self.settings);
        let most = most.min(settings.batch_size).max(1);
        self.on_store(move |store, shard| store.read(shard, from, most, MOST_EVENT_BYTES))
            .await
    }

    /// Everything before `next` is settled: remembers it, and says so.
    pub(super) async fn checkpoint(&self, next: u64, last: Option<&Record>) -> Result<(), Stopping> {
        let settings = Arc::clone(&self.settings);
        self.on_store(move |store, shard| store.save_checkpoints(&settings.id, [(shard, next)]))
            .await?;
        let position = last.map(|record| record.sequence_number);
        self.report(|progress| {
            progress.next = next;
            progress.position = position.or(progress.position);
        });
        Ok(())
    }

    /// Changes what the mapping says about this shard.
    pub(super) fn report(&self, change: impl FnOnce(&mut Progress)) {
        self.progress
            .send_modify(|progress| change(&mut progress[self.shard.number as usize]));
    }

    /// Waits for something, unless the mapping is stopped first.
    pub(super) async fn or_stopping<T>(&self, work: impl Future<Output = T>) -> Result<T, Stopping> {
        tokio::select! {
            () = self.cancel.cancelled() => Err(Stopping),
            done = work => Ok(done),
        }
    }

    /// Works on the store until it succeeds: a disk that is full now may not be so later.
    async fn on_store<T: Send + 'static>(
        &self,
        work: impl Fn(&Store, &Shard) -> Result<T, StoreError> + Clone + Send + 'static,
    ) -> Result<T, Stopping> {
        let mut retry = 0;
        loop {
            let (store, shard, work) = (Arc::clone(self.kinesis.store()), Arc::clone(&self.shard), work.clone());
            match tokio::task::spawn_blocking(move || store.mending(|store| work(store, &shard))).await {
                Ok(Ok(done)) => return Ok(done),
                Ok(Err(error)) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(error, mapping = self.settings.id, "could not use the stream store");
                }
                // The runtime is shutting down.
                Err(_) => return Err(Stopping),
            }
            self.or_stopping(tokio::time::sleep(self.settings.backoff.wait(retry)))
                .await?;
            retry += 1;
        }
    }
}

/// Waits until a shard has a record of this index, or will never have one.
async fn reaches(state: &mut watch::Receiver<State>, index: u64) {
    // The sender lives as long as the shard, which the worker holds.
    let _ = state.wait_for(|state| state.tail > index || state.ends_at(index)).await;
}
