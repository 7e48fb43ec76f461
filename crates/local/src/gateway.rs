//! API Gateway, as far as a request meets it before the function does.
//!
//! With `ApiAuth=AWS_IAM` API Gateway asks for Signature Version 4 for the service `execute-api`. Its refusals are 403
//! with a message as JSON and the exception's name in `x-amzn-errortype`
//! (<https://repost.aws/knowledge-center/api-gateway-troubleshoot-403-forbidden>). AWS repeats in some of them what it
//! would have signed, session token included; these do not.

use std::time::Duration;

use axum::{
    Router,
    body::{Body, HttpBody as _},
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header::CONTENT_TYPE},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use chrono::Utc;
use http_body_util::BodyExt as _;
use hyper_util::service::TowerToHyperService;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    Credentials,
    server::{self, Patience, ServeError, Server},
    signature::{Received, Signatures},
};

/// The largest payload that API Gateway takes.
const MOST_BODY_BYTES: usize = 10 << 20;
/// As long as a function may run, Lambda's longest.
const LONGEST_CALL: Duration = Duration::from_secs(900);

/// Serves a router on `listener` until `cancel` is cancelled; what is under way then is finished.
///
/// # Errors
/// [`ServeError`] when the listener is not on loopback.
pub fn serve(listener: TcpListener, router: Router, cancel: CancellationToken) -> Result<Server, ServeError> {
    let patience = Patience {
        end: LONGEST_CALL,
        ..Patience::default()
    };
    server::serve_with(patience, listener, TowerToHyperService::new(router), cancel)
}

/// The same API for those only who sign with one of these pairs of keys, for a region: `ApiAuth=AWS_IAM`.
///
/// Without any keys nobody gets in.
pub fn signed(api: Router, callers: &[Credentials], region: &str) -> Router {
    let signatures = Signatures::of(callers, "execute-api", region);
    Router::new()
        .fallback_service(api)
        .layer(from_fn_with_state(signatures, check))
}

async fn check(State(signatures): State<Option<Signatures>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let body = match collect(body).await {
        Ok(body) => body,
        Err(unread) => return unread.response(),
    };
    let received = Received {
        method: &parts.method,
        uri: &parts.uri,
        headers: &parts.headers,
        body: &body,
    };
    let Some(signatures) = signatures else {
        return refusal(
            StatusCode::FORBIDDEN,
            "AccessDeniedException",
            "nobody may call this API",
        );
    };
    match signatures.verify(received, Utc::now()) {
        Ok(()) => next.run(Request::from_parts(parts, Body::from(body))).await,
        Err(refused) => {
            tracing::info!(
                kind = refused.kind(),
                "refused a request that is not signed as it should be"
            );
            refusal(StatusCode::FORBIDDEN, refused.kind(), &refused.to_string())
        }
    }
}

/// The whole body. What goes beyond the limit is dropped as it comes, up to as much again: a caller that is still
/// sending when the answer comes may never read it.
async fn collect(mut body: Body) -> Result<Bytes, Unread> {
    let announced = body.size_hint().lower();
    let mut bytes = Vec::with_capacity(usize::try_from(announced).unwrap_or_default().min(MOST_BODY_BYTES));
    let mut seen = 0_usize;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Unread::Broken)?.into_data() else {
            continue;
        };
        seen = seen.saturating_add(data.len());
        if seen <= MOST_BODY_BYTES {
            bytes.extend_from_slice(&data);
        } else if seen > 2 * MOST_BODY_BYTES {
            break;
        }
    }
    if seen > MOST_BODY_BYTES {
        return Err(Unread::TooLarge);
    }
    Ok(bytes.into())
}

/// Why a body cannot be judged.
enum Unread {
    Broken,
    TooLarge,
}

impl Unread {
    fn response(self) -> Response {
        let (status, kind, told) = match self {
            Self::Broken => (
                StatusCode::REQUEST_TIMEOUT,
                "RequestTimeoutException",
                "the body did not come to its end".to_owned(),
            ),
            Self::TooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "RequestTooLargeException",
                format!("HTTP content length exceeded {MOST_BODY_BYTES} bytes."),
            ),
        };
        refusal(status, kind, &told)
    }
}

fn refusal(status: StatusCode, kind: &'static str, message: &str) -> Response {
    let mut response = (status, json!({ "message": message }).to_string()).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("x-amzn-errortype", HeaderValue::from_static(kind));
    response
}
