//! The pairs of keys that requests are signed with.

use std::fmt;

/// A pair of keys. Those of the local run protect nothing (they stand in this file); they are there because the SDKs
/// sign every request and signatures are checked, as they are on AWS.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The access key id.
    pub access_key_id: String,
    /// The secret access key.
    pub secret_access_key: String,
}

impl Credentials {
    /// The keys of a caller: its name, and `pinlake-local`.
    pub fn of(caller: impl Into<String>) -> Self {
        Self {
            access_key_id: caller.into(),
            secret_access_key: "pinlake-local".into(),
        }
    }
}

impl Default for Credentials {
    /// `pinlake` and `pinlake-local`.
    fn default() -> Self {
        Self::of("pinlake")
    }
}

/// Without the secret: an endpoint may be given any keys.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_is_not_shown() {
        let keys = Credentials {
            access_key_id: "AKIDEXAMPLE".into(),
            secret_access_key: "hunter2".into(),
        };
        let options = crate::s3::Options {
            credentials: vec![keys.clone()],
            ..crate::s3::Options::default()
        };
        let shown = format!("{keys:?} {options:?}");
        assert!(shown.contains("AKIDEXAMPLE") && !shown.contains("hunter2"), "{shown}");
    }
}
