//! All routes, and what lies around them.
//!
//! ```text
//! stage::strip ─► routing ─► log ─► voice ─► deadline ─► catch panics ─► handler
//! ```

use std::any::Any;

use axum::{
    Router,
    middleware::from_fn,
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
};
use tower::util::MapRequest;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    app::App, deadline::deadline, health, openapi, refusal::Refusal, request_log::log, stage, streams, topics,
    voice::voice,
};

/// The whole API, as Lambda and the local run serve it.
pub fn router(app: App) -> Router {
    let (routes, api) = OpenApiRouter::with_openapi(openapi::Api::openapi())
        .routes(routes!(topics::list))
        .routes(routes!(topics::describe, topics::produce))
        .routes(routes!(streams::list))
        .routes(routes!(streams::describe))
        .routes(routes!(streams::put_record))
        .routes(routes!(streams::put_records))
        .routes(routes!(health::health))
        .split_for_parts();
    let routes = routes
        .merge(openapi::serve(api))
        .fallback(|| async { Refusal::UnknownPath })
        .method_not_allowed_fallback(|| async { Refusal::Method })
        .layer(CatchPanicLayer::custom(last_resort))
        .layer(from_fn_with_state(app.clone(), deadline))
        .layer(from_fn(voice))
        .layer(from_fn_with_state(app.clone(), log))
        .with_state(app);
    // A router's layers run after its routing; a path is changed before it only by what wraps the router.
    Router::new().fallback_service(MapRequest::new(routes, stage::strip as fn(_) -> _))
}

/// Nothing that a client can send should get here.
fn last_resort(panic: Box<dyn Any + Send>) -> Response {
    let message = panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    tracing::error!(message, "a handler panicked");
    Refusal::Broken.into_response()
}
