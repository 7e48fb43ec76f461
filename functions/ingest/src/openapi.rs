//! `/openapi.json`: the description of the API, made from the very handlers that the router serves.

use std::sync::Arc;

use axum::{Json, Router, response::IntoResponse, routing::get};
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Pinlake ingest",
        description = "JSON events in: as Kinesis records, or by the Kafka REST Proxy v2 produce call, which goes to Firehose. Every path may have an API stage before it, as in `/dev/streams/…`. Errors of paths and methods that are not listed (404, 405) have the body of their API.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "streams", description = "Kinesis through an HTTP proxy"),
        (name = "topics", description = "Kafka REST Proxy v2, before Firehose"),
        (name = "service", description = "The service itself"),
    )
)]
pub(crate) struct Api;

/// Describe this API.
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "describe_api",
    tag = "service",
    responses((status = 200, description = "An OpenAPI 3.1 document", body = serde_json::Value))
)]
#[expect(
    dead_code,
    reason = "describes the route that `serve` makes, which knows the finished document"
)]
async fn document() {}

/// The route that serves the finished document, itself in it too.
pub(crate) fn serve<S: Clone + Send + Sync + 'static>(mut api: utoipa::openapi::OpenApi) -> Router<S> {
    use utoipa::Path;
    api.paths.add_path_operation(
        __path_document::path(),
        __path_document::methods(),
        __path_document::operation(),
    );
    // A handler that takes two methods has one name, but an operation's name must be its own.
    for path in api.paths.paths.values_mut() {
        if let (Some(put), Some(post)) = (&path.put, &mut path.post) {
            post.operation_id = put.operation_id.as_ref().map(|id| format!("{id}_by_post"));
        }
    }
    let api = Arc::new(api);
    Router::new().route("/openapi.json", get(move || async move { Json(&*api).into_response() }))
}
