//! Streams of this process, read where they are.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{Shard, Stream, StreamError};
use crate::{
    kinesis::{self, Kinesis, Record, Store, StoreError, shard_id},
    mapping::{
        event::MOST_EVENT_BYTES,
        settings::{Settings, Start},
    },
};

/// A stream in the store.
pub(in crate::mapping) struct InStore {
    kinesis: Kinesis,
    stream: Arc<kinesis::Stream>,
    arn: String,
    settings: Arc<Settings>,
}

struct InStoreShard {
    store: Arc<Store>,
    shard: Arc<kinesis::Shard>,
    id: String,
    parents: Vec<String>,
    settings: Arc<Settings>,
}

impl InStore {
    pub(in crate::mapping) fn open(kinesis: &Kinesis, settings: &Arc<Settings>) -> Result<Self, kinesis::Error> {
        Ok(Self {
            kinesis: kinesis.clone(),
            stream: kinesis.store().stream(&settings.stream)?,
            arn: kinesis.stream_arn(&settings.stream),
            settings: Arc::clone(settings),
        })
    }
}

#[async_trait::async_trait]
impl Stream for InStore {
    fn arn(&self) -> &str {
        &self.arn
    }

    fn now(&self) -> DateTime<Utc> {
        self.kinesis.now()
    }

    fn shards(&self) -> Vec<Arc<dyn Shard>> {
        let shards = self.stream.shards();
        let shards = shards.iter().map(|shard| -> Arc<dyn Shard> {
            Arc::new(InStoreShard {
                store: Arc::clone(self.kinesis.store()),
                shard: Arc::clone(shard),
                id: shard_id(shard.number),
                parents: shard.parents().iter().map(|parent| shard_id(*parent)).collect(),
                settings: Arc::clone(&self.settings),
            })
        });
        shards.collect()
    }

    async fn grows(&self, known: usize) {
        let mut shards = self.stream.subscribe();
        // The sender lives as long as the stream.
        let _ = shards.wait_for(|shards| shards.iter().count() > known).await;
    }

    async fn starts(&self) -> Result<Vec<u64>, StreamError> {
        let (store, stream, settings) = (
            Arc::clone(self.kinesis.store()),
            Arc::clone(&self.stream),
            Arc::clone(&self.settings),
        );
        Ok(tokio::task::spawn_blocking(move || starts(&store, &stream, &settings)).await??)
    }
}

#[async_trait::async_trait]
impl Shard for InStoreShard {
    fn id(&self) -> &str {
        &self.id
    }

    fn parents(&self) -> &[String] {
        &self.parents
    }

    fn head(&self) -> u64 {
        self.shard.head()
    }

    fn tail(&self) -> u64 {
        self.shard.tail()
    }

    fn ends_at(&self, index: u64) -> bool {
        self.shard.state().ends_at(index)
    }

    async fn reaches(&self, index: u64) {
        let mut state = self.shard.subscribe();
        // The sender lives as long as the shard.
        let _ = state.wait_for(|state| state.tail > index || state.ends_at(index)).await;
    }

    async fn read(&self, from: u64, most: usize) -> Result<Vec<Record>, StreamError> {
        let (store, shard) = (Arc::clone(&self.store), Arc::clone(&self.shard));
        let read = move || store.mending(|store| store.read(&shard, from, most, MOST_EVENT_BYTES));
        Ok(tokio::task::spawn_blocking(read).await??)
    }

    async fn save(&self, next: u64, _last: Option<&Record>) -> Result<(), StreamError> {
        let (store, shard, settings) = (
            Arc::clone(&self.store),
            Arc::clone(&self.shard),
            Arc::clone(&self.settings),
        );
        let save = move || store.mending(|store| store.save_checkpoints(&settings.id, [(&*shard, next)]));
        Ok(tokio::task::spawn_blocking(save).await??)
    }
}

/// Where a mapping goes on in each shard. A first start is remembered, so that one at `Latest` does not move; a shard
/// that was opened since then is read from its first record on, because that follows the last one of its parents.
fn starts(store: &Store, stream: &kinesis::Stream, settings: &Settings) -> Result<Vec<u64>, StoreError> {
    let shards = stream.shards();
    let checkpoints = shards.iter().map(|shard| store.checkpoint(&settings.id, shard));
    let checkpoints = checkpoints.collect::<Result<Vec<_>, _>>()?;
    let is_first = checkpoints.iter().all(Option::is_none);
    let begins = |shard: &kinesis::Shard| match settings.start {
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
