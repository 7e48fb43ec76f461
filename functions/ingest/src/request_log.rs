//! One log line per request: what came, what became of it, how long it took. Never a payload.

use axum::{
    extract::{MatchedPath, Request},
    middleware::Next,
    response::Response,
};
use tokio::time::Instant;

use crate::refusal::Refusal;

/// What became of a request's records; a handler leaves it in the response's extensions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    pub(crate) dataset: String,
    pub(crate) records: usize,
    pub(crate) stored: usize,
    pub(crate) invalid: usize,
    pub(crate) failed: usize,
    /// The body after gzip.
    pub(crate) size_bytes: usize,
}

/// Middleware: writes the line.
pub(crate) async fn log(request: Request, next: Next) -> Response {
    let start = Instant::now();
    let method = request.method().clone();
    // The route, not the path: a path can be anything a caller makes up.
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map(|path| path.as_str().to_owned());
    let response = next.run(request).await;
    let tally = response.extensions().get::<Tally>().cloned().unwrap_or_default();
    let refusal = response.extensions().get::<Refusal>().map(ToString::to_string);
    tracing::info!(
        %method,
        route = route.unwrap_or_default(),
        dataset = tally.dataset,
        records = tally.records,
        stored = tally.stored,
        invalid = tally.invalid,
        failed = tally.failed,
        size_bytes = tally.size_bytes,
        duration_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
        status = response.status().as_u16(),
        refusal,
        "answered a request"
    );
    response
}
