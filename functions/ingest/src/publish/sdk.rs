//! What the adapters have in common: the SDK without its own retries, and its errors sorted by what a caller can do.
//!
//! The SDK's retries are off because a request fails in parts, which the SDK cannot see: one loop (`retry`) does all the
//! sending again, for parts and for whole requests, and keeps to one deadline.

use std::time::Duration;

use aws_sdk_kinesis::{
    config::{retry::RetryConfig, timeout::TimeoutConfig},
    error::{DisplayErrorContext, ProvideErrorMetadata, SdkError},
};

use super::{Failure, retry::Answer};

/// One try of a request. A connection that hangs is given up while there is time for another.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) fn no_retries() -> RetryConfig {
    RetryConfig::disabled()
}

pub(super) fn attempt_timeout() -> TimeoutConfig {
    TimeoutConfig::builder()
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .build()
}

/// Logs that some records of a request were not taken; `code` is what the service said of the first of them.
pub(super) fn log_partial_failure<R>(stream: &str, answers: &[Answer<R>], code: Option<&str>) {
    if let Some(code) = code {
        let failed_records = answers.iter().filter(|answer| answer.is_err()).count();
        tracing::warn!(stream, failed_records, code, "the stream took only a part of a request");
    }
}

/// What a failed request means for the caller; its details are logged here and go no further.
pub(super) fn failure<E>(stream: &str, error: &SdkError<E>) -> Failure
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let failure = match error {
        SdkError::ConstructionFailure(_) => Failure::Refused,
        SdkError::ServiceError(service) => by_code(
            service.err().code().unwrap_or_default(),
            Some(service.raw().status().as_u16()),
        ),
        _ => Failure::Unavailable,
    };
    let code = error.code();
    let error = DisplayErrorContext(error);
    match failure {
        Failure::Refused => tracing::error!(stream, code, %error, "the stream refuses requests"),
        _ => tracing::warn!(stream, code, %error, "a request to the stream failed"),
    }
    failure
}

/// Sorts the error codes of both services, which come per record in a 200 answer (`status` is none then) or for a whole
/// request. An unknown code is judged by its status: 4xx is our fault and stays so, all else may pass.
/// `ServiceUnavailableException` is how Firehose says that a delivery stream's throughput is exceeded.
pub(super) fn by_code(code: &str, status: Option<u16>) -> Failure {
    match code {
        "ProvisionedThroughputExceededException"
        | "ThrottlingException"
        | "Throttling"
        | "LimitExceededException"
        | "KMSThrottlingException"
        | "RequestLimitExceeded"
        | "ServiceUnavailableException" => Failure::Throttled,
        "InternalFailure" | "InternalFailureException" | "ServiceUnavailable" | "RequestTimeout" => {
            Failure::Unavailable
        }
        _ => match status {
            Some(429) => Failure::Throttled,
            Some(400..=499) => Failure::Refused,
            _ => Failure::Unavailable,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted_by_what_a_caller_can_do() {
        let cases = [
            ("ProvisionedThroughputExceededException", None, Failure::Throttled),
            ("KMSThrottlingException", Some(400), Failure::Throttled),
            ("ServiceUnavailableException", None, Failure::Throttled),
            ("ServiceUnavailableException", Some(500), Failure::Throttled),
            ("InternalFailure", None, Failure::Unavailable),
            ("InternalFailure", Some(500), Failure::Unavailable),
            ("ResourceNotFoundException", Some(400), Failure::Refused),
            ("AccessDeniedException", Some(400), Failure::Refused),
            ("ValidationException", Some(400), Failure::Refused),
            ("SomethingNew", Some(503), Failure::Unavailable),
            ("", None, Failure::Unavailable),
        ];
        for (code, status, failure) in cases {
            assert_eq!(by_code(code, status), failure, "{code} {status:?}");
        }
    }
}
