//! Appending: many puts at once, one transaction.
//!
//! A commit waits for the disk. While it does, other puts queue up; whoever gets the writer's lock next writes them all
//! in one transaction. So a lone put is as quick as the disk, and many at once share its time.
//!
//! Which shard a record goes to is decided in that turn, so a put that meets a split or a merge on its way is written to
//! a shard that is open then.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, PoisonError},
};

use bytes::Bytes;
use redb::ReadableTable;
use tokio::sync::oneshot;

use super::{
    sequence::SequenceNumber,
    store::{RECORDS, SHARDS, Store, StoreError, encode},
    stream::{Shard, Stream},
};

/// A record on its way in.
#[derive(Clone, Debug)]
pub(super) struct NewRecord {
    pub(super) hash_key: u128,
    pub(super) partition_key: String,
    pub(super) data: Bytes,
}

/// A put that waits for its transaction.
pub(super) struct Pending {
    stream: Arc<Stream>,
    records: Vec<NewRecord>,
    now_ms: i64,
    answer: oneshot::Sender<Result<Vec<SequenceNumber>, StoreError>>,
}

impl Store {
    /// Appends records, all or none, and returns their sequence numbers once they are on disk.
    pub(super) async fn append(
        self: &Arc<Self>,
        stream: Arc<Stream>,
        records: Vec<NewRecord>,
        now_ms: i64,
    ) -> Result<Vec<SequenceNumber>, StoreError> {
        let (answer, answered) = oneshot::channel();
        let put = Pending {
            stream,
            records,
            now_ms,
            answer,
        };
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).push(put);
        let store = Arc::clone(self);
        // Not awaited: another put's turn may write this one's records first, and the answer comes through the channel.
        drop(tokio::task::spawn_blocking(move || store.write_pending()));
        answered.await.map_err(|_| StoreError::NotStored)?
    }

    /// Writes all puts that wait.
    fn write_pending(&self) {
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let puts = std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner));
        if puts.is_empty() {
            return;
        }
        match self.mending(|store| store.write(&puts)) {
            Ok(written) => {
                for (put, numbers) in puts.into_iter().zip(written) {
                    // A client that has gone away needs no answer; its records are stored all the same.
                    let _ = put.answer.send(numbers);
                }
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    puts = puts.len(),
                    file = %self.database.path().display(),
                    "could not store records"
                );
                // Dropped, each tells its caller that nothing was stored.
                drop(puts);
            }
        }
    }

    /// Writes puts in one transaction; a put whose stream is gone is refused alone.
    fn write(&self, puts: &[Pending]) -> Result<Vec<Result<Vec<SequenceNumber>, StoreError>>, StoreError> {
        let transaction = self.database.begin_write()?;
        let mut states: HashMap<(u64, u32), Turn> = HashMap::new();
        let mut written = Vec::with_capacity(puts.len());
        {
            let mut table = transaction.open_table(RECORDS)?;
            let mut ends = transaction.open_table(SHARDS)?;
            for Pending {
                stream,
                records,
                now_ms,
                ..
            } in puts
            {
                // Asked again under the writer's lock: the stream may have been deleted, or made anew, since.
                if self.stream(&stream.name).is_ok_and(|current| current.id == stream.id) {
                    let shards = stream.shards();
                    let mut numbers = Vec::with_capacity(records.len());
                    for record in records {
                        let shard = shards.taking(record.hash_key);
                        let turn = match states.entry((stream.id, shard.number)) {
                            Entry::Occupied(turn) => turn.into_mut(),
                            Entry::Vacant(place) => place.insert(Turn::of(shard, &ends)?),
                        };
                        let (index, arrived_ms) = turn.take(*now_ms);
                        let value = encode(arrived_ms, &record.partition_key, &record.data);
                        table.insert((stream.id, shard.number, index), value.as_slice())?;
                        numbers.push(shard.sequence_number(index, arrived_ms));
                    }
                    written.push(Ok(numbers));
                } else {
                    written.push(Err(StoreError::NoStream {
                        stream: stream.name.clone(),
                    }));
                }
            }
            for (key, turn) in &states {
                ends.insert(*key, (turn.next, turn.arrived_ms))?;
            }
        }
        transaction.commit()?;
        for turn in states.into_values() {
            turn.shard.advance(turn.next, turn.arrived_ms);
        }
        Ok(written)
    }
}

/// What the next record of a shard gets.
struct Turn {
    shard: Arc<Shard>,
    next: u64,
    arrived_ms: i64,
}

impl Turn {
    /// As the file has it, not as memory has: a commit that was answered with an error may be there all the same.
    fn of(shard: &Arc<Shard>, ends: &impl ReadableTable<(u64, u32), (u64, i64)>) -> Result<Self, StoreError> {
        let end = ends.get((shard.stream, shard.number))?;
        let (next, arrived_ms) = end.map_or((0, shard.state().last_arrival_ms), |end| end.value());
        Ok(Self {
            shard: Arc::clone(shard),
            next,
            arrived_ms,
        })
    }

    /// An index, and an arrival that is no earlier than the one before, even if the clock has stepped back.
    fn take(&mut self, now_ms: i64) -> (u64, i64) {
        self.arrived_ms = self.arrived_ms.max(now_ms);
        self.next += 1;
        (self.next - 1, self.arrived_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_commit_that_was_taken_for_failed_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(&folder.path().join("kinesis.redb")).unwrap());
        store.create_stream("s", 1, false, 24, 0).unwrap();
        let stream = store.stream("s").unwrap();
        // As a commit leaves it whose success nobody was told of.
        let transaction = store.database.begin_write().unwrap();
        let value = encode(7, "k", b"first");
        transaction
            .open_table(RECORDS)
            .unwrap()
            .insert((stream.id, 0, 0), value.as_slice())
            .unwrap();
        transaction
            .open_table(SHARDS)
            .unwrap()
            .insert((stream.id, 0), (1, 7))
            .unwrap();
        transaction.commit().unwrap();

        let second = NewRecord {
            hash_key: 0,
            partition_key: "k".into(),
            data: Bytes::from_static(b"second"),
        };
        store.append(Arc::clone(&stream), vec![second], 3).await.unwrap();
        let shard = Arc::clone(stream.shards().get(0).unwrap());
        let kept = store.read(&shard, 0, 10, 1000).unwrap();
        let kept: Vec<_> = kept
            .iter()
            .map(|record| (record.index, record.arrived_ms, &record.data[..]))
            .collect();
        assert_eq!(kept, [(0, 7, b"first".as_slice()), (1, 7, b"second")]);
    }
}
