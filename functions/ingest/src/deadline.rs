//! When a request must be answered.

use std::time::{Duration, SystemTime};

use axum::{
    extract::{FromRequestParts, Request, State},
    http::request::Parts,
    middleware::Next,
    response::Response,
};
use lambda_http::Context;
use tokio::time::Instant;

use crate::{app::App, refusal::Refusal};

/// What Lambda needs to hand the answer over before it stops the function.
const MARGIN: Duration = Duration::from_millis(500);

/// When a request must be answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(pub(crate) Instant);

/// Middleware: sets the request's deadline. It is the nearer of the configured time for a request and the end of the
/// invocation, as Lambda tells it, less a margin.
pub(crate) async fn deadline(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let invocation = request
        .extensions()
        .get::<Context>()
        .and_then(|context| left(context, SystemTime::now()));
    let configured = app.settings.bounds.request_timeout;
    let left = invocation.map_or(configured, |left| left.min(configured));
    request.extensions_mut().insert(Deadline(Instant::now() + left));
    next.run(request).await
}

/// What is left of the invocation; nothing is known of it where Lambda gives no deadline.
fn left(context: &Context, now: SystemTime) -> Option<Duration> {
    (context.deadline > 0).then(|| {
        context
            .deadline()
            .duration_since(now)
            .unwrap_or_default()
            .saturating_sub(MARGIN)
    })
}

impl FromRequestParts<App> for Deadline {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        let set = parts.extensions.get::<Self>().copied();
        Ok(set.unwrap_or_else(|| Self(Instant::now() + app.settings.bounds.request_timeout)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_invocation_ends_a_margin_early() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
        for (deadline_ms, expected) in [
            (0, None),
            (99_000, Some(0)),
            (100_400, Some(0)),
            (103_000, Some(2_500)),
            (129_000, Some(28_500)),
        ] {
            let mut context = Context::default();
            context.deadline = deadline_ms;
            assert_eq!(
                left(&context, now),
                expected.map(Duration::from_millis),
                "{deadline_ms}"
            );
        }
    }
}
