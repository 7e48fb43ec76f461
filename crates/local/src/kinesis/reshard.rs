//! Splitting and merging shards: parents are closed and children opened in one transaction.
//!
//! A reader of a closed shard comes to its end and goes on in its children; a put goes to whichever shard is open when
//! it is written. So a split or a merge loses nothing and keeps the order of each partition key, also across a crash
//! (`resharding_under_puts_loses_nothing`).

use std::sync::{Arc, PoisonError};

use redb::WriteTransaction;
use serde_json::{Value, json};

use super::{
    Error, Kinesis,
    error::ApiError,
    limits,
    operations::shard_number,
    shards::{MOST_OPEN, Reshard, ReshardError, Step},
    store::{CHILDREN, CLOSED, SHARDS, Store, StoreError},
    wire::{MergeShards, SplitShard, UpdateShardCount},
};
use crate::protocol;

impl Store {
    /// Splits or merges shards and returns the numbers of those that were opened.
    fn reshard(&self, stream: &str, step: Step, now_ms: i64) -> Result<Vec<u32>, StoreError> {
        // Puts wait meanwhile, and are then written to the new shards.
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let stream = self.stream(stream)?;
        let refused = |source| StoreError::Reshard {
            stream: stream.name.clone(),
            source,
        };
        if stream.is_on_demand {
            return Err(refused(ReshardError::OnDemand));
        }
        let shards = stream.shards();
        let reshard = shards.plan(step, now_ms).map_err(refused)?;
        let transaction = self.database.begin_write()?;
        reshard.write(&transaction)?;
        transaction.commit()?;
        // The children first: who sees that a shard is closed can see where it goes on.
        stream.replace_shards(shards.after(&reshard));
        for parent in &reshard.closed {
            parent.close(reshard.at_ms);
        }
        tracing::info!(
            stream = stream.name,
            closed = reshard.closed.len(),
            opened = reshard.opened.len(),
            "resharded a stream"
        );
        Ok(reshard.opened.iter().map(|shard| shard.number).collect())
    }

    /// Divides the hash keys evenly among so many shards, and returns how many there were. One split or merge after the
    /// other, as on AWS, so that short-lived shards come and go.
    fn scale(&self, stream: &str, target: u32, now_ms: i64) -> Result<usize, StoreError> {
        let current = self.stream(stream)?.shards().open().len();
        if target as usize > current * 2 || (target as usize) < current.div_ceil(2) {
            return Err(StoreError::Reshard {
                stream: stream.to_owned(),
                source: ReshardError::TooFar { current, target },
            });
        }
        while let Some(step) = self.stream(stream)?.shards().next_step(target) {
            self.reshard(stream, step, now_ms)?;
        }
        Ok(current)
    }
}

impl Reshard {
    fn write(&self, transaction: &WriteTransaction) -> Result<(), StoreError> {
        let mut closed = transaction.open_table(CLOSED)?;
        for shard in &self.closed {
            closed.insert((shard.stream, shard.number), self.at_ms)?;
        }
        let mut children = transaction.open_table(CHILDREN)?;
        let mut states = transaction.open_table(SHARDS)?;
        for shard in &self.opened {
            let (key, birth, state) = ((shard.stream, shard.number), &shard.birth, shard.state());
            let [parent, adjacent @ ..] = birth.parents.as_slice() else {
                continue;
            };
            let (start, end) = birth.hash_keys.clone().into_inner();
            children.insert(key, (birth.made_ms, *parent, adjacent.first().copied(), start, end))?;
            states.insert(key, (state.tail, state.last_arrival_ms))?;
        }
        Ok(())
    }
}

impl Kinesis {
    /// The numbers of a stream's open shards, in the order of their hash keys: neighbours can be merged.
    ///
    /// # Errors
    /// [`Error::NoStream`].
    pub fn open_shards(&self, stream: &str) -> Result<Vec<u32>, Error> {
        let shards = self.store.stream(stream)?.shards();
        Ok(shards.open().iter().map(|shard| shard.number).collect())
    }

    /// Splits a shard in the middle of its hash keys and returns the numbers of its children, that with the lower hash
    /// keys first.
    ///
    /// # Errors
    /// [`Error::Reshard`] when the shard is not open or too narrow; [`Error::NoStream`]; [`Error::Store`].
    pub fn split_shard(&self, stream: &str, shard: u32) -> Result<Vec<u32>, Error> {
        let step = Step::Split { shard, at: None };
        Ok(self.store.reshard(stream, step, self.now_ms())?)
    }

    /// Merges two shards, of which the second has the hash keys that follow the first one's, and returns the number of
    /// their child.
    ///
    /// # Errors
    /// [`Error::Reshard`] when a shard is not open or they are not adjacent; [`Error::NoStream`]; [`Error::Store`].
    pub fn merge_shards(&self, stream: &str, first: u32, second: u32) -> Result<Vec<u32>, Error> {
        let step = Step::Merge { first, second };
        Ok(self.store.reshard(stream, step, self.now_ms())?)
    }

    /// Splits and merges until a stream's hash keys are divided evenly among so many shards: at most twice as many as
    /// there are, at least half.
    ///
    /// # Errors
    /// [`Error::Reshard`] when that is not so; [`Error::NoStream`]; [`Error::Store`].
    pub fn update_shard_count(&self, stream: &str, target: u32) -> Result<(), Error> {
        self.store.scale(stream, target, self.now_ms())?;
        Ok(())
    }

    pub(super) async fn answer_split_shard(&self, request: SplitShard) -> Result<Value, ApiError> {
        let shard = request
            .shard_to_split
            .ok_or_else(|| ApiError::missing("shardToSplit"))?;
        let at = request
            .new_starting_hash_key
            .ok_or_else(|| ApiError::missing("newStartingHashKey"))?;
        // One that is beyond all hash keys is refused as the last one is.
        let at = limits::hash_key(&at, "newStartingHashKey")?.unwrap_or(u128::MAX);
        let step = Step::Split {
            shard: shard_number(&shard)?,
            at: Some(at),
        };
        self.answer_step(limits::stream_name(request.stream)?, step).await
    }

    pub(super) async fn answer_merge_shards(&self, request: MergeShards) -> Result<Value, ApiError> {
        let first = request
            .shard_to_merge
            .ok_or_else(|| ApiError::missing("shardToMerge"))?;
        let second = request
            .adjacent_shard_to_merge
            .ok_or_else(|| ApiError::missing("adjacentShardToMerge"))?;
        let step = Step::Merge {
            first: shard_number(&first)?,
            second: shard_number(&second)?,
        };
        self.answer_step(limits::stream_name(request.stream)?, step).await
    }

    async fn answer_step(&self, stream: String, step: Step) -> Result<Value, ApiError> {
        let (store, now_ms) = (Arc::clone(&self.store), self.now_ms());
        self.blocking(move || store.reshard(&stream, step, now_ms)).await?;
        Ok(Value::Null)
    }

    pub(super) async fn answer_update_shard_count(&self, request: UpdateShardCount) -> Result<Value, ApiError> {
        match request.scaling_type.as_deref() {
            None => return Err(ApiError::missing("scalingType")),
            Some("UNIFORM_SCALING") => {}
            Some(other) => {
                return Err(ApiError::constraint(
                    other,
                    "scalingType",
                    "satisfy enum value set: [UNIFORM_SCALING]",
                ));
            }
        }
        if request.target_shard_count.is_none() {
            return Err(ApiError::missing("targetShardCount"));
        }
        let most = MOST_OPEN as usize;
        let target = protocol::count(request.target_shard_count, "targetShardCount", 1, most)? as u32;
        let name = limits::stream_name(request.stream)?;
        let (store, stream, now_ms) = (Arc::clone(&self.store), name.clone(), self.now_ms());
        let current = self.blocking(move || store.scale(&stream, target, now_ms)).await?;
        Ok(json!({
            "StreamName": name,
            "StreamARN": self.stream_arn(&name),
            "CurrentShardCount": current,
            "TargetShardCount": target,
        }))
    }
}
