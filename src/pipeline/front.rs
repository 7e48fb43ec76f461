//! What is served beside the API on this machine alone: the report, the results behind it, and Lambda's Invoke.
//!
//! | call | answer |
//! |---|---|
//! | `GET /report` | the newest report page |
//! | `GET /results/…` | an object of the lake's `results/` |
//! | `POST /2015-03-31/functions/{name}/invocations` | as Lambda's Invoke |

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{CONTENT_TYPE, LOCATION},
    },
    response::{IntoResponse, Response},
    routing::{get, post},
};
use object_store::ObjectStoreExt as _;
use pinlake_lake::Lake;
use serde_json::json;

use super::functions::Functions;
use crate::page;

/// What a Lambda function takes, in bytes.
const EVENT_BYTES: usize = 6 << 20;

#[derive(Clone)]
struct Front {
    lake: Lake,
    functions: Functions,
}

/// The API, and the rest.
pub(super) fn router(api: Router, lake: Lake, functions: Functions) -> Router {
    Router::new()
        .route("/report", get(report))
        .route("/results/{*path}", get(result))
        .route("/2015-03-31/functions/{name}/invocations", post(invoke))
        .layer(DefaultBodyLimit::max(EVENT_BYTES))
        .with_state(Arc::new(Front { lake, functions }))
        .fallback_service(api)
}

async fn report(State(front): State<Arc<Front>>) -> Response {
    match page::newest(&front.lake).await {
        Ok(Some(page)) => {
            // A redirect, so that the page's relative links lead where they should.
            let location = HeaderValue::try_from(format!("/{page}"));
            match location {
                Ok(location) => (StatusCode::FOUND, [(LOCATION, location)]).into_response(),
                Err(error) => broken(&error.into()),
            }
        }
        Ok(None) => (
            StatusCode::NOT_FOUND,
            "there is no report yet; `pinlake run analytics` makes one\n",
        )
            .into_response(),
        Err(error) => broken(&error),
    }
}

async fn result(State(front): State<Arc<Front>>, Path(path): Path<String>) -> Response {
    let nothing = || (StatusCode::NOT_FOUND, "there is no such result\n").into_response();
    // The store's paths know no way up.
    let Ok(path) = object_store::path::Path::parse(format!("results/{path}")) else {
        return nothing();
    };
    let found = match front.lake.store().get(&front.lake.key(path.as_ref())).await {
        Ok(found) => found,
        Err(object_store::Error::NotFound { .. }) => return nothing(),
        Err(error) => return broken(&error.into()),
    };
    let media_type = match path.extension() {
        Some("html") => "text/html; charset=utf-8",
        Some("json") => "application/json",
        _ => "application/vnd.apache.parquet",
    };
    match found.bytes().await {
        Ok(body) => ([(CONTENT_TYPE, media_type)], body).into_response(),
        Err(error) => broken(&error.into()),
    }
}

async fn invoke(State(front): State<Arc<Front>>, Path(name): Path<String>, event: Bytes) -> Response {
    let Some(function) = front.functions.get(&name) else {
        let names: Vec<_> = front.functions.names().collect();
        let message = format!("there is no function `{name}`, but {}", names.join(", "));
        let body = json!({"Type": "User", "Message": message}).to_string();
        return (StatusCode::NOT_FOUND, [(CONTENT_TYPE, "application/json")], body).into_response();
    };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    match function.invoke(event).await {
        Ok(answer) => (headers, answer).into_response(),
        Err(error) => {
            headers.insert("x-amz-function-error", HeaderValue::from_static("Unhandled"));
            let body = json!({"errorType": error.kind, "errorMessage": error.message});
            (headers, body.to_string()).into_response()
        }
    }
}

fn broken(error: &anyhow::Error) -> Response {
    tracing::error!(error = format!("{error:#}"), "a result could not be read");
    (
        StatusCode::INTERNAL_SERVER_ERROR,
        "the lake cannot be read; the log says more\n",
    )
        .into_response()
}
