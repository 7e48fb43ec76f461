//! Delivery: what is buffered goes to the destination, object by object.
//!
//! ```text
//! journal ─► wait: size, interval or flush ─► object (GZIP, key) ─► destination ─► forget in the journal
//!                                                                       └─ failed: again, for as long as it takes
//! ```
//!
//! Real Firehose gives up on S3 after 24 hours, and what it held is lost then; this one does not give up.

use std::{io, sync::Arc};

use chrono::{DateTime, Utc};
use tokio::{task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    Firehose,
    object::{self, Object},
    store::{Record, Store, StoreError},
    stream::{Configuration, Position, Stream},
};
use crate::{Destination, mapping::Backoff};

/// The running delivery of a file's streams.
#[derive(Debug)]
pub struct Delivery {
    streams: Vec<Arc<Stream>>,
    workers: JoinSet<()>,
    cancel: CancellationToken,
}

impl Delivery {
    /// Starts delivering what is in the streams, and what will come, until `cancel` is cancelled. One delivery at a time
    /// may run; streams that are made after it has started wait for the next.
    pub fn start(firehose: &Firehose, destination: Arc<dyn Destination>, cancel: CancellationToken) -> Self {
        let streams = firehose.store.streams();
        let mut workers = JoinSet::new();
        for stream in &streams {
            let worker = Worker {
                firehose: firehose.clone(),
                stream: Arc::clone(stream),
                destination: Arc::clone(&destination),
                cancel: cancel.clone(),
            };
            workers.spawn(worker.run());
        }
        Self {
            streams,
            workers,
            cancel,
        }
    }

    /// Delivers all that is buffered now, however little it is, and waits for it; returns at once when the delivery is
    /// being stopped. AWS has no such call: there one waits for the interval.
    pub async fn flush(&self) {
        let ends: Vec<_> = self
            .streams
            .iter()
            .map(|stream| stream.appended.borrow().index)
            .collect();
        for (stream, end) in self.streams.iter().zip(&ends) {
            stream.flush.send_replace(*end);
        }
        for (stream, end) in self.streams.iter().zip(ends) {
            self.until(stream, |delivered| delivered.index >= end).await;
        }
    }

    /// Waits until every accepted record has been delivered, each in its buffer's time; returns at once when the
    /// delivery is being stopped.
    pub async fn drained(&self) {
        for stream in &self.streams {
            self.until(stream, |_| stream.behind() == 0).await;
        }
    }

    /// How many accepted records are still to be delivered.
    pub fn behind(&self) -> u64 {
        self.streams.iter().map(|stream| stream.behind()).sum()
    }

    /// Waits until the delivery has stopped, which it does when its token is cancelled: an object that is under way is
    /// finished, all else stays for the next start.
    pub async fn stopped(mut self) {
        while let Some(ended) = self.workers.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "the delivery of a stream ended badly");
            }
        }
    }

    async fn until(&self, stream: &Stream, is_there: impl FnMut(&Position) -> bool) {
        let mut delivered = stream.delivered.subscribe();
        tokio::select! {
            () = self.cancel.cancelled() => {}
            // The sender lives as long as the stream.
            _ = delivered.wait_for(is_there) => {}
        }
    }
}

/// Delivers one stream.
struct Worker {
    firehose: Firehose,
    stream: Arc<Stream>,
    destination: Arc<dyn Destination>,
    cancel: CancellationToken,
}

/// The delivery is being stopped: what is not delivered is left for the next start.
struct Stopping;

impl Worker {
    async fn run(self) {
        loop {
            let step = async {
                self.due().await?;
                self.deliver().await
            };
            if step.await.is_err() {
                return;
            }
        }
    }

    /// Waits until what is buffered is to be delivered.
    async fn due(&self) -> Result<(), Stopping> {
        let (mut appended, mut flush) = (self.stream.appended.subscribe(), self.stream.flush.subscribe());
        let delivered = *self.stream.delivered.borrow();
        // Errors say that a sender is gone, and all of them live as long as the stream.
        self.or_stopping(appended.wait_for(|end| end.index > delivered.index))
            .await?
            .map_err(|_| Stopping)?;
        let interval = self.stream.configuration().settings.buffer_interval;
        let buffer_bytes = self.stream.configuration().settings.buffer_bytes();
        let oldest = self
            .on_store(move |store, stream| store.arrival(stream, delivered.index))
            .await?;
        // A clock that has stepped back makes no record wait for longer than the interval.
        let age = oldest.map_or(0, |arrived_ms| self.firehose.now().timestamp_millis() - arrived_ms);
        let age = std::time::Duration::from_millis(u64::try_from(age).unwrap_or_default());
        let deadline = Instant::now() + interval.saturating_sub(age);
        tokio::select! {
            () = self.cancel.cancelled() => return Err(Stopping),
            () = tokio::time::sleep_until(deadline) => {}
            _ = appended.wait_for(|end| end.bytes - delivered.bytes >= buffer_bytes) => {}
            _ = flush.wait_for(|before| *before > delivered.index) => {}
        }
        Ok(())
    }

    /// Delivers one buffer.
    async fn deliver(&self) -> Result<(), Stopping> {
        let delivered = *self.stream.delivered.borrow();
        let configuration = self.stream.configuration();
        let buffer_bytes = configuration.settings.buffer_bytes();
        let records = self
            .on_store(move |store, stream| store.read(stream, delivered.index, buffer_bytes))
            .await?;
        let Some(end) = records.last().map(|record| record.index + 1) else {
            return Ok(());
        };
        let bytes = records.iter().map(|record| record.data.len() as u64).sum::<u64>();
        let Some(objects) = self.pack(configuration, records).await else {
            // They are still in the journal, and due.
            return self.or_stopping(tokio::time::sleep(Backoff::default().wait(0))).await;
        };
        for object in objects {
            self.put(object).await?;
        }
        self.on_store(move |store, stream| store.remove(stream, end)).await?;
        self.stream.delivered.send_replace(Position {
            index: end,
            bytes: delivered.bytes + bytes,
        });
        Ok(())
    }

    /// Makes the objects of a buffer: its records, and those whose processing failed. None if that failed, which writing
    /// into memory does by a fault of our own only.
    async fn pack(&self, configuration: Arc<Configuration>, records: Vec<Record>) -> Option<Vec<Object>> {
        let (firehose, stream) = (self.firehose.clone(), Arc::clone(&self.stream));
        let packed = tokio::task::spawn_blocking(move || {
            let oldest_ms = records.iter().map(|record| record.arrived_ms).min().unwrap_or_default();
            let at = DateTime::<Utc>::from_timestamp_millis(oldest_ms).unwrap_or_default();
            let (failed, sound): (Vec<_>, Vec<_>) = records
                .into_iter()
                .partition(|record| firehose.lots.fails_processing(stream.id, record.index));
            let mut objects = Vec::new();
            if !sound.is_empty() {
                objects.push(object::of_records(&configuration, at, &sound)?);
            }
            if !failed.is_empty() {
                let function = firehose.function_arn();
                let failures = object::of_failures(&configuration, at, firehose.now(), &function, &failed)?;
                objects.push(failures);
            }
            Ok::<_, io::Error>(objects)
        });
        packed
            .await
            .map_err(io::Error::other)
            .flatten()
            .inspect_err(|error| tracing::error!(%error, stream = self.stream.name, "could not make an object"))
            .ok()
    }

    /// Puts an object; tries again until it is there.
    async fn put(&self, Object { key, body }: Object) -> Result<(), Stopping> {
        let mut retry = 0;
        loop {
            match self.destination.put(&key, body.clone()).await {
                Ok(()) => {
                    tracing::debug!(
                        stream = self.stream.name,
                        key,
                        size_bytes = body.len(),
                        "delivered an object"
                    );
                    return Ok(());
                }
                Err(error) => tracing::error!(
                    error = &*error as &dyn std::error::Error,
                    stream = self.stream.name,
                    key,
                    "could not deliver an object; it is tried again"
                ),
            }
            self.or_stopping(tokio::time::sleep(Backoff::default().wait(retry)))
                .await?;
            retry += 1;
        }
    }

    /// Waits for something, unless the delivery is stopped first.
    async fn or_stopping<T>(&self, work: impl Future<Output = T>) -> Result<T, Stopping> {
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
            let (store, stream, work) = (Arc::clone(&self.firehose.store), Arc::clone(&self.stream), work.clone());
            match tokio::task::spawn_blocking(move || store.mending(|store| work(store, &stream))).await {
                Ok(Ok(done)) => return Ok(done),
                Ok(Err(error)) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(
                        error,
                        stream = self.stream.name,
                        "could not use the delivery streams' store"
                    );
                }
                // The runtime is shutting down.
                Err(_) => return Err(Stopping),
            }
            self.or_stopping(tokio::time::sleep(Backoff::default().wait(retry)))
                .await?;
            retry += 1;
        }
    }
}
