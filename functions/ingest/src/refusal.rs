//! Why a whole request is turned away, in words of no particular API; `voice` says it in the caller's.

use std::borrow::Cow;

use axum::{
    http::{HeaderValue, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use pinlake_dataset::Rejection;

use crate::publish::Failure;

/// Why a whole request is turned away. As a response it is a bare status that carries the refusal along; the
/// middleware [`voice`](crate::voice) writes the body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("{0}")]
    Malformed(Cow<'static, str>),
    #[error("there is no stream `{0}`: its last word, after `.` or `-`, must name a dataset")]
    UnknownStream(String),
    #[error("there is no topic `{0}`: its last word, after `.` or `-`, must name a dataset")]
    UnknownTopic(String),
    #[error("there is nothing at this path")]
    UnknownPath,
    #[error("this path does not take this method")]
    Method,
    #[error("the body did not arrive in time")]
    Slow,
    #[error("the body has more than {limit} bytes")]
    BodyTooLarge { limit: usize },
    #[error("the body has more than {limit} bytes once it is decompressed")]
    InflatedTooLarge { limit: usize },
    #[error("the request has {count} records; at most {limit} are taken at once")]
    TooManyRecords { count: usize, limit: usize },
    #[error("the record has {bytes} bytes, {counting} included; at most {limit} are taken")]
    RecordTooLarge {
        bytes: usize,
        counting: &'static str,
        limit: usize,
    },
    #[error("{0}")]
    MediaType(Cow<'static, str>),
    #[error("{0}")]
    Invalid(Rejection),
    #[error("none of the {count} records is valid")]
    NoneValid { count: usize },
    #[error("{0}")]
    Failed(Failure),
    #[error("something went wrong inside")]
    Broken,
}

impl Refusal {
    pub(crate) fn malformed(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Malformed(reason.into())
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::UnknownStream(_) | Self::UnknownTopic(_) | Self::UnknownPath => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge { .. }
            | Self::InflatedTooLarge { .. }
            | Self::TooManyRecords { .. }
            | Self::RecordTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::MediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Invalid(_) | Self::NoneValid { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Failed(Failure::Throttled) => StatusCode::TOO_MANY_REQUESTS,
            Self::Failed(Failure::Unavailable | Failure::TooLate) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Failed(Failure::Refused) | Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// When it makes sense to come again, in seconds.
    fn retry_after(&self) -> Option<HeaderValue> {
        match self {
            Self::Failed(Failure::Throttled) => Some(HeaderValue::from_static("1")),
            Self::Failed(Failure::Unavailable | Failure::TooLate) => Some(HeaderValue::from_static("5")),
            _ => None,
        }
    }

    /// Gives a response that has its own body this refusal's status and `Retry-After`.
    pub(crate) fn mark(&self, mut response: Response) -> Response {
        *response.status_mut() = self.status();
        if let Some(seconds) = self.retry_after() {
            response.headers_mut().insert(RETRY_AFTER, seconds);
        }
        response
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = self.mark(().into_response());
        response.extensions_mut().insert(self);
        response
    }
}
