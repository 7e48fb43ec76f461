//! The two languages of error bodies: Kafka REST below `/topics`, AWS JSON elsewhere.
//!
//! Handlers, extractors, the router's fallbacks and the last resort for panics all answer a [`Refusal`]; it is put
//! into words here and nowhere else.

use axum::{
    extract::Request,
    http::{
        HeaderValue,
        header::{CONTENT_LENGTH, CONTENT_TYPE},
    },
    middleware::Next,
    response::Response,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{kafka, refusal::Refusal};

/// A failed request, as AWS services with a JSON protocol answer it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct AwsError {
    /// The kind of error.
    #[serde(rename = "__type")]
    #[schema(rename = "__type", example = "ResourceNotFoundException")]
    pub(crate) kind: String,
    /// What is wrong, for a person.
    pub(crate) message: String,
    /// The field of the record that its dataset's definition does not take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) field: Option<String>,
    /// What is wrong with the record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// Middleware: gives each refusal its body.
pub(crate) async fn voice(request: Request, next: Next) -> Response {
    let is_kafka = is_below_topics(request.uri().path());
    let mut response = next.run(request).await;
    let Some(refusal) = response.extensions().get::<Refusal>().cloned() else {
        return response;
    };
    let (media_type, body) = if is_kafka {
        (kafka::MEDIA_TYPE, serde_json::to_vec(&kafka::Error::from(&refusal)))
    } else {
        ("application/json", serde_json::to_vec(&AwsError::from(&refusal)))
    };
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    // The router has already counted the bare answer's body.
    response.headers_mut().remove(CONTENT_LENGTH);
    // A struct of texts and numbers always encodes; if it did not, the bare status is an answer too.
    *response.body_mut() = body.unwrap_or_default().into();
    response
}

/// `/topics` and all below it speak the language of Kafka REST.
fn is_below_topics(path: &str) -> bool {
    path.strip_prefix("/topics")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl From<&Refusal> for AwsError {
    fn from(refusal: &Refusal) -> Self {
        let rejection = match refusal {
            Refusal::Invalid(rejection) => Some(rejection),
            _ => None,
        };
        Self {
            kind: aws_kind(refusal).to_owned(),
            message: refusal.to_string(),
            field: rejection.and_then(|rejection| rejection.field.clone()),
            reason: rejection.map(|rejection| rejection.reason.clone()),
        }
    }
}

/// The names that Kinesis uses where it has one, else names in its style.
fn aws_kind(refusal: &Refusal) -> &'static str {
    use crate::publish::Failure::{Refused, Throttled, TooLate, Unavailable};
    match refusal {
        Refusal::Malformed(_) => "ValidationException",
        Refusal::UnknownStream(_) | Refusal::UnknownTopic(_) => "ResourceNotFoundException",
        Refusal::UnknownPath => "UnknownOperationException",
        Refusal::Method => "MethodNotAllowedException",
        Refusal::Slow => "RequestTimeoutException",
        Refusal::BodyTooLarge { .. }
        | Refusal::InflatedTooLarge { .. }
        | Refusal::TooManyRecords { .. }
        | Refusal::RecordTooLarge { .. } => "RequestEntityTooLargeException",
        Refusal::MediaType(_) => "UnsupportedMediaTypeException",
        Refusal::Invalid(_) | Refusal::NoneValid { .. } => "InvalidRecordException",
        Refusal::Failed(Throttled) => "ProvisionedThroughputExceededException",
        Refusal::Failed(Unavailable | TooLate) => "ServiceUnavailableException",
        Refusal::Failed(Refused) | Refusal::Broken => "InternalFailureException",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_told_from_what_begins_alike() {
        for (path, expected) in [
            ("/topics", true),
            ("/topics/a.pin", true),
            ("/topicsx", false),
            ("/streams", false),
        ] {
            assert_eq!(is_below_topics(path), expected, "{path}");
        }
    }
}
