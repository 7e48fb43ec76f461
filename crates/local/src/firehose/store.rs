//! Delivery streams on disk: one redb file with streams and the records that are still to be delivered.
//!
//! ```text
//! streams   name             → id, version, when it was made and changed, settings
//! records   (stream, index)  → arrival, data
//! ```
//!
//! # Invariants
//! - A record that was answered is on disk until its object has been put (`what_was_answered_outlives_a_kill`).
//! - Indexes grow by one within a stream, so a stream's records are delivered in the order in which they came.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use bytes::Bytes;
use redb::{ReadableTable, TableDefinition};
use serde::{Deserialize, Serialize};

use super::{
    append::Pending,
    settings::{Settings, SettingsError},
    stream::{Configuration, Position, Stream},
};
use crate::database::File;

const STREAMS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("streams");
pub(super) const RECORDS: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("records");

/// Delivery streams in a file.
pub(super) struct Store {
    pub(super) database: File,
    streams: RwLock<BTreeMap<String, Arc<Stream>>>,
    /// Puts that wait for the next transaction, and the right to write one.
    pub(super) pending: Mutex<Vec<Pending>>,
    pub(super) writer: Mutex<()>,
}

/// Why the store did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    #[error("could not open the delivery streams in `{}`", path.display())]
    Open { path: PathBuf, source: redb::Error },
    #[error("the database of delivery streams failed")]
    Database(#[source] redb::Error),
    #[error("a {what} in the database of delivery streams cannot be read")]
    Corrupt { what: &'static str },
    #[error("delivery stream `{stream}` cannot be as it is set")]
    Settings { stream: String, source: SettingsError },
    #[error("the records could not be stored")]
    NotStored,
}

impl<E: Into<redb::Error>> From<E> for StoreError {
    fn from(error: E) -> Self {
        Self::Database(error.into())
    }
}

/// What is kept of a stream besides its records.
#[derive(Serialize, Deserialize)]
struct Description {
    id: u64,
    made_ms: i64,
    changed_ms: i64,
    version: u64,
    settings: Settings,
}

/// A record as it is read.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) index: u64,
    /// Milliseconds since 1970.
    pub(super) arrived_ms: i64,
    pub(super) data: Bytes,
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
        transaction.open_table(RECORDS)?;
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
    pub(super) fn mending<T>(&self, work: impl FnOnce(&Self) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.database.mending(|| work(self))
    }

    /// A stream by its name.
    pub(super) fn stream(&self, name: &str) -> Option<Arc<Stream>> {
        let streams = self.streams.read().unwrap_or_else(PoisonError::into_inner);
        streams.get(name).cloned()
    }

    /// All streams in the order of their names.
    pub(super) fn streams(&self) -> Vec<Arc<Stream>> {
        let streams = self.streams.read().unwrap_or_else(PoisonError::into_inner);
        streams.values().cloned().collect()
    }

    /// Makes a stream, or sets the one of that name anew, which raises its version.
    pub(super) fn ensure_stream(&self, settings: Settings, now_ms: i64) -> Result<(), StoreError> {
        let prefixes = settings.check().map_err(|source| StoreError::Settings {
            stream: settings.name.clone(),
            source,
        })?;
        let mut streams = self.streams.write().unwrap_or_else(PoisonError::into_inner);
        let present = streams.get(&settings.name).cloned();
        let version = match &present {
            None => 1,
            Some(stream) => {
                let current = stream.configuration();
                if current.settings == settings {
                    return Ok(());
                }
                current.version + 1
            }
        };
        let next_id = streams.values().map(|stream| stream.id + 1).max().unwrap_or_default();
        let description = Description {
            id: present.as_ref().map_or(next_id, |stream| stream.id),
            made_ms: present.as_ref().map_or(now_ms, |stream| stream.made_ms),
            changed_ms: now_ms,
            version,
            settings: settings.clone(),
        };
        let bytes = serde_json::to_vec(&description).map_err(|_| StoreError::Corrupt { what: "stream" })?;
        let transaction = self.database.begin_write()?;
        transaction
            .open_table(STREAMS)?
            .insert(settings.name.as_str(), bytes.as_slice())?;
        transaction.commit()?;
        let configuration = Configuration {
            version,
            changed_ms: now_ms,
            settings,
            prefixes,
        };
        match present {
            Some(stream) => stream.configure(configuration),
            None => {
                let nothing = Position::default();
                let stream = Stream::new(description.id, now_ms, configuration, nothing, nothing);
                streams.insert(stream.name.clone(), Arc::new(stream));
            }
        }
        Ok(())
    }

    /// When a stream's record of this index arrived; none if there is no such record.
    pub(super) fn arrival(&self, stream: &Stream, index: u64) -> Result<Option<i64>, StoreError> {
        let table = self.database.begin_read()?.open_table(RECORDS)?;
        match table.get((stream.id, index))? {
            None => Ok(None),
            Some(value) => Ok(Some(decode(value.value())?.0)),
        }
    }

    /// A stream's records from an index on: as many as it takes to have so many bytes, or all.
    pub(super) fn read(&self, stream: &Stream, from: u64, bytes: u64) -> Result<Vec<Record>, StoreError> {
        let table = self.database.begin_read()?.open_table(RECORDS)?;
        let (mut records, mut read) = (Vec::new(), 0);
        for entry in table.range((stream.id, from)..=(stream.id, u64::MAX))? {
            let (key, value) = entry?;
            let (arrived_ms, data) = decode(value.value())?;
            read += data.len() as u64;
            records.push(Record {
                index: key.value().1,
                arrived_ms,
                data: Bytes::copy_from_slice(data),
            });
            if read >= bytes {
                break;
            }
        }
        Ok(records)
    }

    /// Forgets a stream's records before an index.
    pub(super) fn remove(&self, stream: &Stream, before: u64) -> Result<(), StoreError> {
        let transaction = self.database.begin_write()?;
        transaction
            .open_table(RECORDS)?
            .retain_in((stream.id, 0)..(stream.id, before), |_, _| false)?;
        transaction.commit()?;
        Ok(())
    }
}

fn load(database: &File) -> Result<BTreeMap<String, Arc<Stream>>, StoreError> {
    let transaction = database.begin_read()?;
    let records = transaction.open_table(RECORDS)?;
    let mut streams = BTreeMap::new();
    for entry in transaction.open_table(STREAMS)?.iter()? {
        let (name, value) = entry?;
        let Description {
            id,
            made_ms,
            changed_ms,
            version,
            settings,
        } = serde_json::from_slice(value.value()).map_err(|_| StoreError::Corrupt { what: "stream" })?;
        let prefixes = settings.check().map_err(|source| StoreError::Settings {
            stream: name.value().to_owned(),
            source,
        })?;
        let (mut delivered, mut appended) = (Position::default(), Position::default());
        for (place, record) in records.range((id, 0)..=(id, u64::MAX))?.enumerate() {
            let (key, value) = record?;
            if place == 0 {
                delivered.index = key.value().1;
            }
            appended.index = key.value().1 + 1;
            appended.bytes += decode(value.value())?.1.len() as u64;
        }
        let configuration = Configuration {
            version,
            changed_ms,
            settings,
            prefixes,
        };
        let stream = Stream::new(id, made_ms, configuration, delivered, appended);
        streams.insert(name.value().to_owned(), Arc::new(stream));
    }
    Ok(streams)
}

/// A record's value: arrival (8 bytes), data.
pub(super) fn encode(arrived_ms: i64, data: &[u8]) -> Vec<u8> {
    [&arrived_ms.to_be_bytes(), data].concat()
}

pub(super) fn decode(value: &[u8]) -> Result<(i64, &[u8]), StoreError> {
    let (arrived_ms, data) = value
        .split_first_chunk()
        .ok_or(StoreError::Corrupt { what: "record" })?;
    Ok((i64::from_be_bytes(*arrived_ms), data))
}
