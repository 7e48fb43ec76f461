//! Appending: many puts at once, one transaction.
//!
//! A commit waits for the disk. While it does, other puts queue up; whoever gets the writer's lock next writes them all
//! in one transaction.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError},
};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::{
    store::{RECORDS, Store, StoreError, encode},
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
        match self.write(&puts) {
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
                let (_, end) = ends
                    .entry(put.stream.id)
                    .or_insert_with(|| (&put.stream, *put.stream.appended.borrow()));
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
