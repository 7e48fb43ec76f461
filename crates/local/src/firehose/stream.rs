//! A delivery stream, as it stands in memory.

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::watch;

use super::{prefix::Prefixes, settings::Settings};

/// A delivery stream, with the state of its buffer in memory; what counts is on disk.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) name: String,
    pub(super) id: u64,
    pub(super) made_ms: i64,
    configuration: RwLock<Arc<Configuration>>,
    /// Where the next record will be. Changes once a record is on disk.
    pub(super) appended: watch::Sender<Position>,
    /// Where the first record is that has not been delivered.
    pub(super) delivered: watch::Sender<Position>,
    /// Records before this index are to be delivered without waiting for a full buffer.
    pub(super) flush: watch::Sender<u64>,
}

/// How a stream is set at the moment.
#[derive(Debug)]
pub(super) struct Configuration {
    /// From 1, one more with every change: a part of the objects' names.
    pub(super) version: u64,
    pub(super) changed_ms: i64,
    pub(super) settings: Settings,
    pub(super) prefixes: Prefixes,
}

/// A place in a stream: how many records are before it, and bytes, since the stream was opened.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Position {
    pub(super) index: u64,
    pub(super) bytes: u64,
}

impl Stream {
    pub(super) fn new(
        id: u64,
        made_ms: i64,
        configuration: Configuration,
        delivered: Position,
        appended: Position,
    ) -> Self {
        Self {
            name: configuration.settings.name.clone(),
            id,
            made_ms,
            configuration: RwLock::new(Arc::new(configuration)),
            appended: watch::Sender::new(appended),
            delivered: watch::Sender::new(delivered),
            flush: watch::Sender::new(0),
        }
    }

    pub(super) fn configuration(&self) -> Arc<Configuration> {
        Arc::clone(&self.configuration.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn configure(&self, configuration: Configuration) {
        *self.configuration.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(configuration);
    }

    /// How many records are still to be delivered.
    pub(super) fn behind(&self) -> u64 {
        // In this order: what is delivered meanwhile has been appended before.
        let delivered = self.delivered.borrow().index;
        self.appended.borrow().index.saturating_sub(delivered)
    }
}
