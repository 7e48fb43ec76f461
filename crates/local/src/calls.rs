//! Who called what: the calls that came in over the wire, as IAM would see them.
//!
//! Of each call AWS asks whether its caller may do this action to this resource. Here nothing is refused; what would be
//! asked is kept, each question once, so that a test can hold it against the permissions in `template.yaml`.
//!
//! Names of actions and resources are those of the service authorization reference
//! (<https://docs.aws.amazon.com/service-authorization/latest/reference/>).

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

/// How many different calls are kept. A pipeline makes some dozens, and a few more each day.
const MOST_CALLS: usize = 10_000;

/// A call, as IAM would be asked about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// The access key id that the request was signed with.
    pub caller: String,
    /// The action, as in `s3:GetObject`.
    pub action: String,
    /// The ARN; `*` where the action has no resource. Of an object's key there are the first two segments, and `*` for the
    /// rest: `arn:aws:s3:::lake/tables/pin/*`.
    pub resource: String,
    /// What the condition key `s3:prefix` would be, cut like a key; `None` where a request has none.
    pub prefix: Option<String>,
}

/// The calls that have come in. Cheap to clone: clones are the same calls, so one can be given to several endpoints.
#[derive(Clone, Debug, Default)]
pub struct Calls(Arc<Mutex<BTreeSet<Call>>>);

impl Calls {
    /// The calls until now, each kind once.
    pub fn seen(&self) -> BTreeSet<Call> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps a call. Of an unsigned request there is nothing to ask: AWS turns it away.
    pub(crate) fn keep(
        &self,
        caller: Option<&str>,
        action: impl Into<String>,
        resource: String,
        prefix: Option<String>,
    ) {
        let Some(caller) = caller else { return };
        let call = Call {
            caller: caller.to_owned(),
            action: action.into(),
            resource,
            prefix,
        };
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() < MOST_CALLS && seen.insert(call) && seen.len() == MOST_CALLS {
            tracing::warn!(calls = MOST_CALLS, "so many different calls: further ones are not kept");
        }
    }
}

/// A key or a prefix of keys by its first two segments: `tables/pin/_delta_log/1.json` is `tables/pin/*`.
pub(crate) fn cut(key: &str) -> String {
    match key.match_indices('/').nth(1) {
        Some((slash, _)) if slash + 1 < key.len() => format!("{}*", &key[..=slash]),
        _ => key.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_of_call_is_kept_once_and_memory_is_bounded() {
        let calls = Calls::default();
        calls.keep(None, "s3:GetObject", "a".into(), None);
        assert!(calls.seen().is_empty(), "unsigned");
        for _ in 0..2 {
            calls.keep(Some("me"), "s3:GetObject", "a".into(), None);
            calls.keep(Some("me"), "s3:ListBucket", "a".into(), Some("p".into()));
        }
        assert_eq!(calls.seen().len(), 2);
        for number in 0..MOST_CALLS {
            calls.keep(Some("me"), "s3:GetObject", number.to_string(), None);
        }
        assert_eq!(calls.clone().seen().len(), MOST_CALLS);
    }

    #[test]
    fn keys_are_cut_after_two_segments() {
        for (key, expected) in [
            ("", ""),
            ("a.html", "a.html"),
            ("definitions/pin.toml", "definitions/pin.toml"),
            ("tables/pin/", "tables/pin/"),
            ("tables/pin/part-1.parquet", "tables/pin/*"),
            ("tables/pin/_delta_log/0.json", "tables/pin/*"),
            ("//x", "//*"),
        ] {
            assert_eq!(cut(key), expected);
        }
    }
}
