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
    kinesis::{Kinesis, Record, Store, StoreError, Stream},
};

/// A worker and all that it works with.
pub(super) struct Worker {
    pub(super) kinesis: Kinesis,
    pub(super) stream: Arc<Stream>,
    pub(super) shard: u32,
    pub(super) source: Source,
    pub(super) settings: Arc<Settings>,
    pub(super) function: Arc<dyn Function>,
    pub(super) destination: Option<Arc<dyn Destination>>,
    pub(super) progress: Arc<watch::Sender<Vec<Progress>>>,
    pub(super) cancel: CancellationToken,
}

/// The mapping is being stopped: what is not settled is left for the next start.
pub(super) struct Stopping;

/// Where a mapping begins in each shard. A first start is remembered, so that one at `Latest` does not move.
pub(super) fn starts(store: &Store, stream: &Stream, settings: &Settings) -> Result<Vec<u64>, StoreError> {
    (0_u32..)
        .zip(&stream.shards)
        .map(|(shard, state)| {
            if let Some(next) = store.checkpoint(&settings.id, stream, shard)? {
                return Ok(next);
            }
            let next = match settings.start {
                Start::TrimHorizon => state.head(),
                Start::Latest => state.tail(),
            };
            store.save_checkpoint(&settings.id, stream, shard, next)?;
            Ok(next)
        })
        .collect()
}

impl Worker {
    /// Works until the mapping is stopped.
    pub(super) async fn run(self, mut next: u64) {
        loop {
            let Ok(batch) = self.collect(next).await else { return };
            let end = batch.last().map(|record| record.index + 1);
            let settled = match end {
                Some(_) => self.settle(batch).await,
                // All that was to come has been trimmed away.
                None => self.checkpoint(self.shard_state().head(), None).await,
            };
            match settled {
                Ok(()) => next = end.unwrap_or(next).max(self.shard_state().head()),
                Err(Stopping) => return,
            }
        }
    }

    /// Takes the next batch: as many records as fit, or as come within the window.
    async fn collect(&self, next: u64) -> Result<Vec<Record>, Stopping> {
        let mut tail = self.shard_state().subscribe();
        self.or_stopping(reaches(&mut tail, next)).await?;
        let deadline = Instant::now() + self.settings.batch_window;
        let (mut batch, mut bytes) = (Vec::new(), ENVELOPE_BYTES);
        loop {
            let from = batch.last().map_or(next, |record: &Record| record.index + 1);
            for record in self.read(from, self.settings.batch_size - batch.len()).await? {
                let more = self.source.record_bytes(&record);
                // A record that is too big alone goes alone.
                if bytes + more > MOST_EVENT_BYTES && !batch.is_empty() {
                    return Ok(batch);
                }
                bytes += more;
                batch.push(record);
            }
            let end = batch.last().map_or(next, |record| record.index + 1);
            if batch.len() >= self.settings.batch_size || batch.is_empty() || Instant::now() >= deadline {
                return Ok(batch);
            }
            tokio::select! {
                () = self.cancel.cancelled() => return Err(Stopping),
                () = tokio::time::sleep_until(deadline) => {}
                () = reaches(&mut tail, end) => {}
            }
        }
    }

    /// Reads records; tries again for as long as that fails.
    async fn read(&self, from: u64, most: usize) -> Result<Vec<Record>, Stopping> {
        let (shard, settings) = (self.shard, Arc::clone(&self.settings));
        let most = most.min(settings.batch_size).max(1);
        self.on_store(move |store, stream| store.read(stream, shard, from, most, MOST_EVENT_BYTES))
            .await
    }

    /// Everything before `next` is settled: remembers it, and says so.
    pub(super) async fn checkpoint(&self, next: u64, last: Option<&Record>) -> Result<(), Stopping> {
        let (shard, settings) = (self.shard, Arc::clone(&self.settings));
        self.on_store(move |store, stream| store.save_checkpoint(&settings.id, stream, shard, next))
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
            .send_modify(|progress| change(&mut progress[self.shard as usize]));
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
        work: impl Fn(&Store, &Stream) -> Result<T, StoreError> + Clone + Send + 'static,
    ) -> Result<T, Stopping> {
        let mut retry = 0;
        loop {
            let (store, stream, work) = (Arc::clone(self.kinesis.store()), Arc::clone(&self.stream), work.clone());
            match tokio::task::spawn_blocking(move || store.mending(|store| work(store, &stream))).await {
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

    fn shard_state(&self) -> &crate::kinesis::Shard {
        &self.stream.shards[self.shard as usize]
    }
}

/// Waits until a shard has a record of this index.
async fn reaches(tail: &mut watch::Receiver<u64>, index: u64) {
    // The sender lives as long as the stream, which the worker holds.
    let _ = tail.wait_for(|tail| *tail > index).await;
}
