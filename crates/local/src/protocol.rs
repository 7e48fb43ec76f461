//! AWS JSON 1.1: one route, the operation in a header, JSON in and out, errors as a name and a message.

use std::borrow::Cow;

use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::post,
};
use bytes::Bytes;
use chrono::Utc;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, DeserializeOwned},
};
use serde_json::{Value, json};

use crate::{
    caller::access_key_id,
    calls::Calls,
    signature::{Received, Refused, Signatures},
};

const JSON: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.1");

/// What a service does behind the protocol.
pub(crate) trait Service: Clone + Send + Sync + 'static {
    /// What `X-Amz-Target` has before the operation's name, as in `Kinesis_20131202.`.
    const TARGET: &'static str;
    /// The largest body: the most data of a request as base64, and the JSON around it.
    const MOST_BODY_BYTES: usize;

    /// Who may call; `None`: everybody, whatever they sign.
    fn signatures(&self) -> Option<Signatures>;

    /// Runs an operation; null is an empty answer.
    fn call(&self, request: Request<'_>) -> impl Future<Output = Result<Value, ApiError>> + Send;
}

/// A request, as far as the protocol knows it.
#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    /// As in `PutRecords`; empty if it is none of the service's.
    pub(crate) operation: &'a str,
    /// The access key id that it is signed with.
    pub(crate) caller: Option<&'a str>,
    pub(crate) body: &'a [u8],
}

/// What a request is about.
pub(crate) trait About {
    /// The stream that AWS asks for a permission on; `None` where the operation has no resource.
    fn stream(&self) -> Option<Cow<'_, str>>;
}

impl Request<'_> {
    /// Reads the request and notes the call. `service` is what its actions begin with; `arn` names a stream's resource.
    pub(crate) fn read<T: DeserializeOwned + About>(
        &self,
        calls: &Calls,
        service: &str,
        arn: impl FnOnce(&str) -> String,
    ) -> Result<T, ApiError> {
        let request: T = parse(self.body)?;
        let resource = request.stream().map_or_else(|| "*".to_owned(), |stream| arn(&stream));
        calls.keep(self.caller, format!("{service}:{}", self.operation), resource, None);
        Ok(request)
    }
}

/// A service's endpoint.
pub(crate) fn router<S: Service>(service: S) -> Router {
    let signatures = service.signatures();
    Router::new()
        .route("/", post(answer::<S>))
        .layer(DefaultBodyLimit::max(S::MOST_BODY_BYTES))
        .with_state((service, signatures))
}

async fn answer<S: Service>(
    State((service, signatures)): State<(S, Option<Signatures>)>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let target = headers
        .get("x-amz-target")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let operation = target.strip_prefix(S::TARGET).unwrap_or_default();
    let request = Request {
        operation,
        caller: access_key_id(&headers, &uri),
        body: &body,
    };
    let received = Received {
        method: &method,
        uri: &uri,
        headers: &headers,
        body: &body,
    };
    let known = signatures.map_or(Ok(()), |signatures| signatures.verify(received, Utc::now()));
    let outcome = match known {
        Ok(()) => service.call(request).await,
        Err(refused) => Err(refused.into()),
    };
    let (status, body) = match outcome {
        Ok(Value::Null) => (StatusCode::OK, Body::empty()),
        Ok(answer) => (StatusCode::OK, Body::from(answer.to_string())),
        Err(error) => {
            tracing::debug!(operation, %error, "refused a request");
            let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (
                status,
                Body::from(json!({ "__type": error.kind, "message": error.message }).to_string()),
            )
        }
    };
    let mut response = (status, body).into_response();
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    if let Ok(id) = HeaderValue::from_str(&uuid::Uuid::new_v4().to_string()) {
        response.headers_mut().insert("x-amzn-requestid", id);
    }
    response
}

/// A failed request: an HTTP status, the name of an exception and a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {message}")]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    pub(crate) kind: &'static str,
    pub(crate) message: String,
}

impl ApiError {
    /// A request that is its client's mistake.
    pub(crate) fn client(kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            status: 400,
            kind,
            message: message.into(),
        }
    }

    /// Something that is no fault of the client.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self {
            status: 500,
            kind: "InternalFailureException",
            message: message.into(),
        }
    }

    /// A value that the service's model does not allow.
    pub(crate) fn constraint(value: impl std::fmt::Display, field: &str, constraint: &str) -> Self {
        Self::validation(&format!("Value '{value}' at '{field}'"), constraint)
    }

    /// A value too long to be repeated.
    pub(crate) fn constraint_unshown(field: &str, constraint: &str) -> Self {
        Self::validation(&format!("Value at '{field}'"), constraint)
    }

    /// A value that is missing.
    pub(crate) fn missing(field: &str) -> Self {
        Self::validation(&format!("Value null at '{field}'"), "not be null")
    }

    fn validation(subject: &str, constraint: &str) -> Self {
        let message =
            format!("1 validation error detected: {subject} failed to satisfy constraint: Member must {constraint}");
        Self::client("ValidationException", message)
    }

    pub(crate) fn invalid_argument(message: impl Into<String>) -> Self {
        Self::client("InvalidArgumentException", message)
    }

    pub(crate) fn serialization(message: impl Into<String>) -> Self {
        Self::client("SerializationException", message)
    }

    pub(crate) fn unknown_operation() -> Self {
        Self::client("UnknownOperationException", "")
    }
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        Self::client(refused.kind(), refused.to_string())
    }
}

/// Reads a request's body.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| ApiError::serialization(error.to_string()))
}

/// Writes an answer.
pub(crate) fn to_value(answer: impl Serialize) -> Result<Value, ApiError> {
    serde_json::to_value(answer).map_err(|error| ApiError::serialization(error.to_string()))
}

/// A moment as JSON 1.1 has it: seconds with a fraction.
pub(crate) fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

/// A name of letters, digits, `_`, `.` and `-`, of 1 to `most` characters.
pub(crate) fn name(name: String, field: &str, most: usize) -> Result<String, ApiError> {
    let is_name = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'));
    let constraint = match name.len() {
        0 => "have length greater than or equal to 1".to_owned(),
        length if length > most => format!("have length less than or equal to {most}"),
        _ if !is_name => "satisfy regular expression pattern: [a-zA-Z0-9_.-]+".to_owned(),
        _ => return Ok(name),
    };
    Err(ApiError::constraint(name, field, &constraint))
}

/// A count that a request may limit, as `1..=most`.
pub(crate) fn count(given: Option<i64>, field: &str, default: usize, most: usize) -> Result<usize, ApiError> {
    let Some(given) = given else { return Ok(default) };
    match usize::try_from(given) {
        Ok(count) if count > most => Err(ApiError::constraint(
            given,
            field,
            &format!("have value less than or equal to {most}"),
        )),
        Ok(count) if count > 0 => Ok(count),
        _ => Err(ApiError::constraint(
            given,
            field,
            "have value greater than or equal to 1",
        )),
    }
}

/// Checks the number of entries of a request, as `1..=most`.
pub(crate) fn entries<T>(entries: Option<Vec<T>>, field: &str, most: usize) -> Result<Vec<T>, ApiError> {
    let entries = entries.ok_or_else(|| ApiError::missing(field))?;
    match entries.len() {
        0 => Err(ApiError::constraint(
            "[]",
            field,
            "have length greater than or equal to 1",
        )),
        count if count > most => Err(ApiError::constraint_unshown(
            field,
            &format!("have length less than or equal to {most}"),
        )),
        _ => Ok(entries),
    }
}

/// Data as base64 text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Blob(pub(crate) Bytes);

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Blob;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("base64 text")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Blob, E> {
                let bytes = base64_simd::STANDARD.decode_to_vec(text);
                bytes
                    .map(|bytes| Blob(bytes.into()))
                    .map_err(|_| E::custom("not valid base64"))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}
