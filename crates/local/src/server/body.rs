//! A request's body that does not keep the server waiting for ever.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};

/// What a body may keep the server waiting for in all. Time in which the server does not ask for more is not counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    /// However little comes.
    pub(crate) at_most: Duration,
    /// For each byte that has come, so that a large body has its time.
    pub(crate) per_byte: Duration,
}

impl Default for Wait {
    /// A minute, and a second for each 64 KiB.
    fn default() -> Self {
        Self {
            at_most: Duration::from_secs(60),
            per_byte: Duration::from_secs(1) / (64 << 10),
        }
    }
}

/// Why a body has no end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// It came too slowly.
    #[error("the body did not come in time")]
    Slow,
    /// The connection broke, or what came is no HTTP.
    #[error("the body broke off")]
    Broken(#[source] hyper::Error),
}

/// A body that ends in [`BodyError::Slow`] when its [`Wait`] is used up.
pub(crate) struct Patient {
    body: Incoming,
    per_byte: Duration,
    left: Duration,
    /// Since when it is waited for, and until when it may be.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
    end: End,
}

/// Whether a body was read to its end, also when it is no longer there to be asked.
#[derive(Clone, Debug)]
pub(super) struct End(Arc<AtomicBool>);

impl End {
    pub(super) fn is_reached(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Patient {
    pub(super) fn new(body: Incoming, wait: Wait) -> (Self, End) {
        let end = End(Arc::new(AtomicBool::new(body.is_end_stream())));
        let patient = Self {
            body,
            per_byte: wait.per_byte,
            left: wait.at_most,
            waiting: None,
            end: end.clone(),
        };
        (patient, end)
    }
}

impl Body for Patient {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) else {
            let left = this.left;
            let (_, end) = this
                .waiting
                .get_or_insert_with(|| (Instant::now(), Box::pin(tokio::time::sleep(left))));
            ready!(end.as_mut().poll(context));
            return Poll::Ready(Some(Err(BodyError::Slow)));
        };
        if let Some((since, _)) = this.waiting.take() {
            this.left = this.left.saturating_sub(since.elapsed());
        }
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            let bytes = u32::try_from(data.len()).unwrap_or(u32::MAX);
            this.left = this.left.saturating_add(this.per_byte.saturating_mul(bytes));
        }
        if frame.is_none() || this.body.is_end_stream() {
            this.end.0.store(true, Ordering::Relaxed);
        }
        Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Broken)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
