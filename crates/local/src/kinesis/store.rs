//! Streams on disk: one redb file with streams, records and the positions of their readers.
//!
//! ```text
//! streams      name                      → id, how many shards it began with, when it was made, retention
//! shards       (stream, shard)           → next index, last arrival
//! children     (stream, shard)           → when it was made, parents, hash keys; of what came by a split or a merge
//! closed       (stream, shard)           → when it was split or merged
//! records      (stream, shard, index)    → arrival, partition key, data
//! checkpoints  (reader, stream, shard)   → next index to read
//! ```
//!
//! A record's index counts the records of its shard from 0 without a gap, so "how far behind" is a subtraction and a
//! sequence number needs not be stored.
//!
//! There is one writer at a time (`writer`): puts, and what splits and merges, never see each other's work by half.
//!
//! # Invariants
//! - A put that was answered is on disk (`what_was_answered_survives`), and one put is one transaction.
//! - Indexes and arrival times grow within a shard, also when the clock steps back (`a_clock_that_steps_back`).
//! - A deleted stream leaves nothing behind; one of the same name is another stream (`a_stream_made_anew_is_empty`).

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock, atomic::Ordering},
};

use bytes::Bytes;
use redb::{ReadableTable, TableDefinition};
use serde::{Deserialize, Serialize};

use super::{
    append::Pending,
    hash,
    sequence::SequenceNumber,
    shards::ReshardError,
    stream::{Birth, Shard, State, Stream},
};
use crate::database::File;

const STREAMS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("streams");
pub(super) const SHARDS: TableDefinition<'_, (u64, u32), (u64, i64)> = TableDefinition::new("shards");
/// When it was made, the parent, the adjacent parent, the first and the last hash key.
type Child = (i64, u32, Option<u32>, u128, u128);
pub(super) const CHILDREN: TableDefinition<'_, (u64, u32), Child> = TableDefinition::new("children");
pub(super) const CLOSED: TableDefinition<'_, (u64, u32), i64> = TableDefinition::new("closed");
pub(super) const RECORDS: TableDefinition<'_, (u64, u32, u64), &[u8]> = TableDefinition::new("records");
const CHECKPOINTS: TableDefinition<'_, (&str, u64, u32), u64> = TableDefinition::new("checkpoints");
const COUNTERS: TableDefinition<'_, &str, u64> = TableDefinition::new("counters");

/// Streams in a file.
pub(crate) struct Store {
    pub(super) database: File,
    streams: RwLock<BTreeMap<String, Arc<Stream>>>,
    /// Puts that wait for the next transaction, and the right to write one.
    pub(super) pending: Mutex<Vec<Pending>>,
    pub(super) writer: Mutex<()>,
}

/// Why the store did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("could not open the streams in `{}`", path.display())]
    Open { path: PathBuf, source: redb::Error },
    #[error("the stream database failed")]
    Database(#[source] redb::Error),
    #[error("there is no stream `{stream}`")]
    NoStream { stream: String },
    #[error("stream `{stream}` exists already")]
    StreamExists { stream: String },
    #[error("could not reshard stream `{stream}`")]
    Reshard { stream: String, source: ReshardError },
    #[error("a {what} in the stream database cannot be read")]
    Corrupt { what: &'static str },
    #[error("the records could not be stored")]
    NotStored,
}

impl<E: Into<redb::Error>> From<E> for StoreError {
    fn from(error: E) -> Self {
        Self::Database(error.into())
    }
}

/// What is kept of a stream besides its shards' state.
#[derive(Serialize, Deserialize)]
struct Description {
    id: u64,
    made_ms: i64,
    /// How many it began with.
    shards: u32,
    retention_hours: u32,
    is_on_demand: bool,
}

/// A record as it is read.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) index: u64,
    pub(crate) sequence_number: SequenceNumber,
    /// Milliseconds since 1970.
    pub(crate) arrived_ms: i64,
    pub(crate) partition_key: String,
    pub(crate) data: Bytes,
}

impl Store {
    /// Opens the file or makes it.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let database = File::open(path).map_err(|source| StoreError::Open {
            path: path.to_owned(),
            source,
        })?;
        let transaction = database.begin_write()?;
        transaction.open_table(STREAMS)?;
        transaction.open_table(SHARDS)?;
        transaction.open_table(CHILDREN)?;
        transaction.open_table(CLOSED)?;
        transaction.open_table(RECORDS)?;
        transaction.open_table(CHECKPOINTS)?;
        transaction.open_table(COUNTERS)?;
        transaction.commit()?;
        let streams = RwLock::new(load(&database)?);
        Ok(Self {
            database,
            streams,
            pending: Mutex::default(),
            writer: Mutex::default(),
        })
    }

    /// Works on the file; see [`File::mending`].
    pub(crate) fn mending<T>(&self, work: impl FnOnce(&Self) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.database.mending(|| work(self))
    }

    /// A stream by its name.
    pub(crate) fn stream(&self, name: &str) -> Result<Arc<Stream>, StoreError> {
        let streams = self.streams.read().unwrap_or_else(PoisonError::into_inner);
        streams.get(name).cloned().ok_or_else(|| StoreError::NoStream {
            stream: name.to_owned(),
        })
    }

    /// All streams in the order of their names.
    pub(super) fn streams(&self) -> Vec<Arc<Stream>> {
        self.streams
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect()
    }

    pub(super) fn create_stream(
        &self,
        name: &str,
        shards: u32,
        is_on_demand: bool,
        retention_hours: u32,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        let mut streams = self.streams.write().unwrap_or_else(PoisonError::into_inner);
        if streams.contains_key(name) {
            return Err(StoreError::StreamExists {
                stream: name.to_owned(),
            });
        }
        let transaction = self.database.begin_write()?;
        let id = {
            let mut counters = transaction.open_table(COUNTERS)?;
            let id = counters.get("streams")?.map_or(0, |id| id.value());
            counters.insert("streams", id + 1)?;
            id
        };
        {
            let description = Description {
                id,
                made_ms: now_ms,
                shards,
                retention_hours,
                is_on_demand,
            };
            let bytes = serde_json::to_vec(&description).map_err(|_| StoreError::Corrupt { what: "stream" })?;
            transaction.open_table(STREAMS)?.insert(name, bytes.as_slice())?;
            let mut table = transaction.open_table(SHARDS)?;
            for shard in 0..shards {
                table.insert((id, shard), (0, now_ms))?;
            }
        }
        transaction.commit()?;
        let shards = first_shards(shards, now_ms);
        let shards = shards.map(|(number, birth)| Shard::empty(id, number, birth, now_ms));
        let stream = Stream::new(name, id, now_ms, retention_hours, is_on_demand, shards.collect());
        streams.insert(name.to_owned(), Arc::new(stream));
        Ok(())
    }

    pub(super) fn delete_stream(&self, name: &str) -> Result<(), StoreError> {
        let stream = {
            let mut streams = self.streams.write().unwrap_or_else(PoisonError::into_inner);
            streams.remove(name).ok_or_else(|| StoreError::NoStream {
                stream: name.to_owned(),
            })?
        };
        // The writer's lock: a put that has begun must not write into what is being deleted.
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let id = stream.id;
        let transaction = self.database.begin_write()?;
        transaction.open_table(STREAMS)?.remove(name)?;
        transaction
            .open_table(SHARDS)?
            .retain_in((id, 0)..=(id, u32::MAX), |_, _| false)?;
        transaction
            .open_table(CHILDREN)?
            .retain_in((id, 0)..=(id, u32::MAX), |_, _| false)?;
        transaction
            .open_table(CLOSED)?
            .retain_in((id, 0)..=(id, u32::MAX), |_, _| false)?;
        transaction
            .open_table(RECORDS)?
            .retain_in((id, 0, 0)..=(id, u32::MAX, u64::MAX), |_, _| false)?;
        transaction
            .open_table(CHECKPOINTS)?
            .retain(|(_, stream, _), _| stream != id)?;
        transaction.commit()?;
        Ok(())
    }

    /// Records of a shard from an index on: at most `most_records`, and no more than `most_bytes` of data and keys
    /// unless the first alone has more.
    pub(crate) fn read(
        &self,
        shard: &Shard,
        from: u64,
        most_records: usize,
        most_bytes: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let transaction = self.database.begin_read()?;
        let table = transaction.open_table(RECORDS)?;
        let (mut records, mut bytes) = (Vec::new(), 0);
        for entry in table
            .range((shard.stream, shard.number, from)..=(shard.stream, shard.number, u64::MAX))?
            .take(most_records)
        {
            let (key, value) = entry?;
            bytes += value.value().len();
            if bytes > most_bytes && !records.is_empty() {
                break;
            }
            records.push(decode(shard, key.value().2, value.value())?);
        }
        Ok(records)
    }

    /// The index of the first record that arrived at or after a moment; the tail if there is none.
    pub(super) fn first_since(&self, shard: &Shard, since_ms: i64) -> Result<u64, StoreError> {
        let transaction = self.database.begin_read()?;
        let table = transaction.open_table(RECORDS)?;
        let (mut low, mut high) = (shard.head(), shard.tail());
        // Arrivals grow with the index, so half of what is left can be ruled out each time.
        while low < high {
            let middle = low + (high - low) / 2;
            let arrived = match table.get((shard.stream, shard.number, middle))? {
                Some(value) => arrival_of(value.value())?,
                // Trimmed away in the meantime.
                None => i64::MIN,
            };
            if arrived < since_ms {
                low = middle + 1
            } else {
                high = middle
            }
        }
        Ok(low)
    }

    /// Removes what arrived before each stream's retention began.
    pub(super) fn trim(&self, now_ms: i64) -> Result<u64, StoreError> {
        let mut removed = 0;
        for stream in self.streams() {
            let horizon = now_ms - i64::from(stream.retention_hours) * 3_600_000;
            for shard in stream.shards().iter() {
                let (head, keep) = (shard.head(), self.first_since(shard, horizon)?);
                if keep <= head {
                    continue;
                }
                let transaction = self.database.begin_write()?;
                let doomed = (stream.id, shard.number, 0)..(stream.id, shard.number, keep);
                transaction.open_table(RECORDS)?.retain_in(doomed, |_, _| false)?;
                transaction.commit()?;
                shard.head.store(keep, Ordering::Release);
                removed += keep - head;
            }
        }
        Ok(removed)
    }

    /// Where a reader goes on in a shard, if it has been there.
    pub(crate) fn checkpoint(&self, reader: &str, shard: &Shard) -> Result<Option<u64>, StoreError> {
        let table = self.database.begin_read()?.open_table(CHECKPOINTS)?;
        let next = table.get((reader, shard.stream, shard.number))?;
        Ok(next.map(|next| next.value()))
    }

    /// Remembers where a reader goes on, in all of these shards or in none.
    pub(crate) fn save_checkpoints<'a>(
        &self,
        reader: &str,
        checkpoints: impl IntoIterator<Item = (&'a Shard, u64)>,
    ) -> Result<(), StoreError> {
        let transaction = self.database.begin_write()?;
        {
            let mut table = transaction.open_table(CHECKPOINTS)?;
            for (shard, next) in checkpoints {
                table.insert((reader, shard.stream, shard.number), next)?;
            }
        }
        transaction.commit()?;
        Ok(())
    }
}

/// The shards that a stream begins with.
fn first_shards(shards: u32, made_ms: i64) -> impl Iterator<Item = (u32, Birth)> {
    (0..).zip(hash::divided(shards)).map(move |(number, hash_keys)| {
        let birth = Birth {
            made_ms,
            parents: Vec::new(),
            hash_keys,
        };
        (number, birth)
    })
}

fn load(database: &File) -> Result<BTreeMap<String, Arc<Stream>>, StoreError> {
    let transaction = database.begin_read()?;
    let states = transaction.open_table(SHARDS)?;
    let children = transaction.open_table(CHILDREN)?;
    let closed = transaction.open_table(CLOSED)?;
    let records = transaction.open_table(RECORDS)?;
    let mut streams = BTreeMap::new();
    for entry in transaction.open_table(STREAMS)?.iter()? {
        let (name, value) = entry?;
        let description: Description =
            serde_json::from_slice(value.value()).map_err(|_| StoreError::Corrupt { what: "stream" })?;
        let Description {
            id,
            made_ms,
            shards,
            retention_hours,
            is_on_demand,
        } = description;
        let mut births: Vec<_> = first_shards(shards, made_ms).collect();
        for child in children.range((id, 0)..=(id, u32::MAX))? {
            let (key, value) = child?;
            let (made_ms, parent, adjacent, start, end) = value.value();
            let birth = Birth {
                made_ms,
                parents: [parent].into_iter().chain(adjacent).collect(),
                hash_keys: start..=end,
            };
            births.push((key.value().1, birth));
        }
        let mut loaded = Vec::with_capacity(births.len());
        for (number, birth) in births {
            let (tail, last_arrival_ms) = states.get((id, number))?.map_or((0, made_ms), |state| state.value());
            let oldest = records
                .range((id, number, 0)..=(id, number, u64::MAX))?
                .next()
                .transpose()?;
            let head = oldest.map_or(tail, |(key, _)| key.value().2);
            let state = State {
                tail,
                last_arrival_ms,
                closed_ms: closed.get((id, number))?.map(|closed_ms| closed_ms.value()),
            };
            loaded.push(Shard::new(id, number, birth, state, head));
        }
        let name = name.value();
        let stream = Stream::new(name, id, made_ms, retention_hours, is_on_demand, loaded);
        streams.insert(name.to_owned(), Arc::new(stream));
    }
    Ok(streams)
}

/// A record's value: arrival (8 bytes), length of the partition key (2 bytes), partition key, data.
pub(super) fn encode(arrived_ms: i64, partition_key: &str, data: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(10 + partition_key.len() + data.len());
    value.extend(arrived_ms.to_be_bytes());
    // A partition key has at most 256 characters, of at most 4 bytes each.
    value.extend((partition_key.len() as u16).to_be_bytes());
    value.extend(partition_key.as_bytes());
    value.extend(data);
    value
}

fn arrival_of(value: &[u8]) -> Result<i64, StoreError> {
    let bytes = value.first_chunk().ok_or(StoreError::Corrupt { what: "record" })?;
    Ok(i64::from_be_bytes(*bytes))
}

fn decode(shard: &Shard, index: u64, value: &[u8]) -> Result<Record, StoreError> {
    let corrupt = StoreError::Corrupt { what: "record" };
    let arrived_ms = arrival_of(value)?;
    let Some((length, rest)) = value[8..].split_first_chunk() else {
        return Err(corrupt);
    };
    let Some((key, data)) = rest.split_at_checked(u16::from_be_bytes(*length).into()) else {
        return Err(corrupt);
    };
    let Ok(partition_key) = str::from_utf8(key) else {
        return Err(corrupt);
    };
    Ok(Record {
        index,
        sequence_number: shard.sequence_number(index, arrived_ms),
        arrived_ms,
        partition_key: partition_key.to_owned(),
        data: Bytes::copy_from_slice(data),
    })
}
