//! One shard's worker: takes batches from the stream, one after the other, and sees each one settled.

use std::sync::Arc;

use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    Progress,
    event::{ENVELOPE_BYTES, MOST_EVENT_BYTES, Source},
    settings::Settings,
    stream::{Shard, Stream, StreamError},
};
use crate::{Destination, Function, kinesis::Record};

/// A worker and all that it works with.
pub(super) struct Worker {
    pub(super) stream: Arc<dyn Stream>,
    pub(super) shard: Arc<dyn Shard>,
    /// The shard's place in the progress.
    pub(super) place: usize,
    pub(super) source: Source,
    pub(super) settings: Arc<Settings>,
    pub(super) function: Arc<dyn Function>,
    pub(super) destination: Option<Arc<dyn Destination>>,
    pub(super) progress: Arc<watch::Sender<Vec<Progress>>>,
    pub(super) cancel: CancellationToken,
}

/// The mapping is being stopped: what is not settled is left for the next start.
pub(super) struct Stopping;

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
            self.shard.parents().iter().all(|parent| {
                let parent = progress.iter().find(|shard| shard.shard_id == *parent);
                // One that is not listed any more has no records any more.
                parent.is_none_or(|parent| parent.is_done)
            })
        };
        // The sender lives as long as this worker.
        self.or_stopping(async { drop(progress.wait_for(is_done).await) }).await
    }

    /// Takes the next batch: as many records as fit, or as come within the window. None at the end of a closed shard.
    async fn collect(&self, next: u64) -> Result<Option<Vec<Record>>, Stopping> {
        self.or_stopping(self.shard.reaches(next)).await?;
        if self.shard.ends_at(next) {
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
            if is_full || batch.is_empty() || self.shard.ends_at(end) || Instant::now() >= deadline {
                return Ok(Some(batch));
            }
            tokio::select! {
                () = self.cancel.cancelled() => return Err(Stopping),
                () = tokio::time::sleep_until(deadline) => {}
                () = self.shard.reaches(end) => {}
            }
        }
    }

    /// Reads records; tries again for as long as that fails.
    async fn read(&self, from: u64, most: usize) -> Result<Vec<Record>, Stopping> {
        let most = most.min(self.settings.batch_size).max(1);
        self.until_done(|| self.shard.read(from, most)).await
    }

    /// Everything before `next` is settled: remembers it, and says so.
    pub(super) async fn checkpoint(&self, next: u64, last: Option<&Record>) -> Result<(), Stopping> {
        self.until_done(|| self.shard.save(next, last)).await?;
        let position = last.map(|record| record.sequence_number);
        self.report(|progress| {
            progress.next = next;
            progress.position = position.or(progress.position);
        });
        Ok(())
    }

    /// Changes what the mapping says about this shard.
    pub(super) fn report(&self, change: impl FnOnce(&mut Progress)) {
        self.progress.send_modify(|progress| change(&mut progress[self.place]));
    }

    /// Waits for something, unless the mapping is stopped first.
    pub(super) async fn or_stopping<T>(&self, work: impl Future<Output = T>) -> Result<T, Stopping> {
        tokio::select! {
            () = self.cancel.cancelled() => Err(Stopping),
            done = work => Ok(done),
        }
    }

    /// Does something until it succeeds: a disk that is full now may not be so later.
    async fn until_done<T, F>(&self, work: impl Fn() -> F) -> Result<T, Stopping>
    where
        F: Future<Output = Result<T, StreamError>>,
    {
        let mut retry = 0;
        loop {
            // Not interrupted by a stop: what has been settled is remembered.
            match work().await {
                Ok(done) => return Ok(done),
                Err(error) => {
                    let (mapping, shard_id) = (&self.settings.id, self.shard.id());
                    tracing::error!(error = &*error, mapping, shard_id, "could not use the stream");
                }
            }
            self.or_stopping(tokio::time::sleep(self.settings.backoff.wait(retry)))
                .await?;
            retry += 1;
        }
    }
}
