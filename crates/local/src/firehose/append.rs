//! Appending: many puts at once, one transaction.
//!
//! A commit waits for the disk. While it does, other puts queue up; whoever gets the writer's lock next writes them all
//! in one transaction.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, PoisonError},
};

use bytes::Bytes;
use redb::ReadableTable;
use tokio::sync::oneshot;

use super::{
    store::{RECORDS, Store, StoreError, decode, encode},
    stream::{Position, Stream},
};

/// A put that waits for its transaction.
pub(super) struct Pending {
    stream: Arc<Stream>,
    records: Vec<Bytes>,
    now_ms: i64,
    stored: oneshot::Sender<()>,
}

impl Store {
    /// Appends records, all or none, and returns once they are on disk.
    pub(super) async fn append(
        self: &Arc<Self>,
        stream: Arc<Stream>,
        records: Vec<Bytes>,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        let (stored, answer) = oneshot::channel();
        let put = Pending {
            stream,
            records,
            now_ms,
            stored,
        };
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).push(put);
        let store = Arc::clone(self);
        // Not awaited: another put's turn may write this one's records first, and the answer comes through the channel.
        drop(tokio::task::spawn_blocking(move || store.write_pending()));
        answer.await.map_err(|_| StoreError::NotStored)
    }

    /// Writes all puts that wait.
    fn write_pending(&self) {
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let puts = std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner));
        if puts.is_empty() {
            return;
        }
        match self.mending(|store| store.write(&puts)) {
            Ok(()) => {
                for put in puts {
                    // A client that has gone away needs no answer; its records are stored all the same.
                    let _ = put.stored.send(());
                }
            }
            // Dropped, each put tells its caller that nothing was stored.
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                puts = puts.len(),
                file = %self.database.path().display(),
                "could not store records"
            ),
        }
    }

    fn write(&self, puts: &[Pending]) -> Result<(), StoreError> {
        let mut ends: HashMap<u64, (&Stream, Position)> = HashMap::new();
        let transaction = self.database.begin_write()?;
        {
            let mut table = transaction.open_table(RECORDS)?;
            for put in puts {
                let (_, end) = match ends.entry(put.stream.id) {
                    Entry::Occupied(end) => end.into_mut(),
                    Entry::Vacant(place) => place.insert((&put.stream, end_of(&put.stream, &table)?)),
                };
                for data in &put.records {
                    table.insert((put.stream.id, end.index), encode(put.now_ms, data).as_slice())?;
                    end.index += 1;
                    end.bytes += data.len() as u64;
                }
            }
        }
        transaction.commit()?;
        for (stream, end) in ends.into_values() {
            stream.appended.send_replace(end);
        }
        Ok(())
    }
}

/// Where the next record goes. A commit that was answered with an error may be in the file all the same, and its records may
/// have been delivered since: an index that has been used is not used again.
fn end_of(stream: &Stream, table: &impl ReadableTable<(u64, u64), &'static [u8]>) -> Result<Position, StoreError> {
    let (appended, delivered) = (*stream.appended.borrow(), *stream.delivered.borrow());
    let mut end = if appended.index < delivered.index {
        delivered
    } else {
        appended
    };
    for entry in table.range((stream.id, end.index)..=(stream.id, u64::MAX))? {
        let (key, value) = entry?;
        end.index = key.value().1 + 1;
        end.bytes += decode(value.value())?.1.len() as u64;
    }
    Ok(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::firehose::Settings;

    #[tokio::test]
    async fn a_commit_that_was_taken_for_failed_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(&folder.path().join("firehose.redb")).unwrap());
        store.ensure_stream(Settings::new("s", "lake"), 0).unwrap();
        let stream = store.stream("s").unwrap();
        // As a commit leaves it whose success nobody was told of.
        let transaction = store.database.begin_write().unwrap();
        let value = encode(0, b"first");
        transaction
            .open_table(RECORDS)
            .unwrap()
            .insert((stream.id, 0), value.as_slice())
            .unwrap();
        transaction.commit().unwrap();

        store
            .append(Arc::clone(&stream), vec![Bytes::from_static(b"second")], 0)
            .await
            .unwrap();
        let kept = store.read(&stream, 0, u64::MAX).unwrap();
        let kept: Vec<_> = kept.iter().map(|record| (record.index, &record.data[..])).collect();
        assert_eq!(kept, [(0, b"first".as_slice()), (1, b"second")]);
        assert_eq!(stream.appended.borrow().bytes, 11);

        // Delivered and forgotten, its index is not used again either.
        let (index, bytes) = (5, 50);
        stream.delivered.send_replace(Position { index, bytes });
        store.remove(&stream, 5).unwrap();
        store
            .append(Arc::clone(&stream), vec![Bytes::from_static(b"third")], 0)
            .await
            .unwrap();
        assert_eq!(store.read(&stream, 0, u64::MAX).unwrap()[0].index, 5);
    }
}
