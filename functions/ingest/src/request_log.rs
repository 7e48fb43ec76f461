//! One log line per request: what came, what became of it, how long it took. Never a payload.
//!
//! # Invariants
//! - Of a record's fields only those are named that its definition names (`an_unknown_field_is_not_named`).

use std::sync::Arc;

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};
use pinlake_dataset::{DatasetName, Definition, Rejection};
use pinlake_host::metrics::{self, Metric};
use tokio::time::Instant;

use crate::{app::App, refusal::Refusal};

/// What became of a request's records; a handler leaves it in the response's extensions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// `None`: the path named none, or nothing was posted.
    pub(crate) dataset: Option<DatasetName>,
    pub(crate) records: usize,
    pub(crate) stored: usize,
    pub(crate) invalid: usize,
    pub(crate) failed: usize,
    /// The body after gzip.
    pub(crate) size_bytes: usize,
}

impl Tally {
    /// The same as metrics: received = accepted + rejected + failed.
    fn values(&self) -> [(Metric, u64); 5] {
        [
            (metrics::RECORDS_RECEIVED, self.records as u64),
            (metrics::RECORDS_ACCEPTED, self.stored as u64),
            (metrics::RECORDS_REJECTED, self.invalid as u64),
            (metrics::RECORDS_FAILED, self.failed as u64),
            (metrics::REQUEST_BYTES, self.size_bytes as u64),
        ]
    }
}

/// A refusal as the log has it: a field that the definition does not name is a caller's word, and so a part of a payload.
fn told(refusal: &Refusal, definition: Option<&Definition>) -> String {
    match refusal {
        Refusal::Invalid(Rejection {
            field: Some(field),
            reason,
        }) if !definition.is_some_and(|definition| definition.names_field(field)) => {
            format!("an unknown field {reason}")
        }
        refusal => refusal.to_string(),
    }
}

/// Middleware: writes the line, and tells the metrics of a request that brought records.
pub(crate) async fn log(State(app): State<App>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let method = request.method().clone();
    // The route, not the path: a path can be anything a caller makes up.
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map(|path| path.as_str().to_owned());
    let response = next.run(request).await;
    let tally = response.extensions().get::<Tally>().cloned().unwrap_or_default();
    if tally.dataset.is_some() {
        app.metrics.tell(tally.dataset.as_ref(), &[], &tally.values());
    }
    let definition = tally.dataset.as_ref().and_then(|dataset| app.catalog.get(dataset));
    let refusal = response.extensions().get::<Refusal>();
    let refusal = refusal.map(|refusal| told(refusal, definition.map(Arc::as_ref)));
    tracing::info!(
        %method,
        route = route.unwrap_or_default(),
        dataset = tally.dataset.as_ref().map(DatasetName::as_str).unwrap_or_default(),
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

#[cfg(test)]
mod tests {
    use pinlake_dataset::{Catalog, Limits, check};

    use super::*;

    #[test]
    fn an_unknown_field_is_not_named() {
        let catalog = Catalog::built_in();
        let definition = catalog.route("user").unwrap();
        for (record, expected) in [
            (
                r#"{"ind":1,"card 4111":1,"card 4111":1}"#,
                "an unknown field stands there twice",
            ),
            (r#"{"ind":1,"ind":1}"#, "field `ind` stands there twice"),
            (r#"{"ind":1,"age":"x"}"#, "field `age` is no int32"),
            ("", "the record is empty"),
        ] {
            let rejection = check(definition, Limits::default(), record.as_bytes()).unwrap_err();
            assert_eq!(
                told(&Refusal::Invalid(rejection), Some(definition)),
                expected,
                "{record}"
            );
        }
    }
}
