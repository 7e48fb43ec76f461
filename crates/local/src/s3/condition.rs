//! Conditional requests, as S3 documents them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use s3s::{
    S3Result,
    dto::{ETag, ETagCondition, Timestamp},
    s3_error,
};

use super::object::Stored;

/// When a write may happen.
#[derive(Debug, Default)]
pub(super) struct WriteCondition {
    pub(super) if_match: Option<ETagCondition>,
    pub(super) if_none_match: Option<ETagCondition>,
}

impl WriteCondition {
    /// Checks the condition against what is stored at the moment of the write.
    ///
    /// `If-None-Match` takes `*` only, and `If-Match` on a key that does not exist is a 404, both as on S3.
    pub(super) fn check(&self, stored: Option<&Stored>) -> S3Result<()> {
        match &self.if_none_match {
            None => {}
            Some(ETagCondition::Any) if stored.is_none() => {}
            Some(ETagCondition::Any) => return Err(precondition_failed()),
            Some(ETagCondition::ETag(_)) => {
                return Err(s3_error!(NotImplemented, "a write takes no If-None-Match but *"));
            }
        }
        match (&self.if_match, stored) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(s3_error!(NoSuchKey)),
            (Some(condition), Some(stored)) if matches(condition, &stored.etag()) => Ok(()),
            (Some(_), Some(_)) => Err(precondition_failed()),
        }
    }
}

/// When a read may be answered.
#[derive(Debug, Default)]
pub(super) struct ReadCondition {
    pub(super) if_match: Option<ETagCondition>,
    pub(super) if_none_match: Option<ETagCondition>,
    pub(super) if_modified_since: Option<Timestamp>,
    pub(super) if_unmodified_since: Option<Timestamp>,
}

impl ReadCondition {
    /// 412 if the reader wants another version, 304 if it has this one. An ETag overrides a time, as in RFC 9110.
    pub(super) fn check(&self, stored: &Stored) -> S3Result<()> {
        let modified = Timestamp::from(whole_seconds(stored.modified));
        let is_wanted = match (&self.if_match, &self.if_unmodified_since) {
            (Some(condition), _) => matches(condition, &stored.etag()),
            (None, Some(since)) => modified <= *since,
            (None, None) => true,
        };
        if !is_wanted {
            return Err(precondition_failed());
        }
        let is_known = match (&self.if_none_match, &self.if_modified_since) {
            (Some(condition), _) => matches(condition, &stored.etag()),
            (None, Some(since)) => modified <= *since,
            (None, None) => false,
        };
        if is_known { Err(s3_error!(NotModified)) } else { Ok(()) }
    }

    /// The same for the source of a copy, where S3 answers 412 to both.
    pub(super) fn check_source(&self, stored: &Stored) -> S3Result<()> {
        self.check(stored).map_err(|_| precondition_failed())
    }
}

fn matches(condition: &ETagCondition, etag: &ETag) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(wanted) => wanted.value() == etag.value(),
    }
}

fn precondition_failed() -> s3s::S3Error {
    s3_error!(
        PreconditionFailed,
        "At least one of the pre-conditions you specified did not hold"
    )
}

/// HTTP dates have whole seconds: a fraction would make an object newer than its own Last-Modified.
fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    UNIX_EPOCH + Duration::from_secs(since.as_secs())
}
