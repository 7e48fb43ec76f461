//! What a delivery stream is set to: the names, limits and defaults are those of AWS.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::prefix::{PrefixError, Prefixes};
use crate::protocol;

/// A delivery stream with S3 as its destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Its name: 1 to 64 letters, digits, `_`, `.`, `-`.
    pub name: String,
    /// The bucket, for descriptions: where objects go is the [`Destination`](crate::Destination)'s to know.
    pub bucket: String,
    /// `Prefix` of the objects' keys, with expressions as in `raw/date=!{timestamp:yyyy-MM-dd}/`. AWS's default: empty,
    /// which comes to `yyyy/MM/dd/HH/`.
    pub prefix: String,
    /// `ErrorOutputPrefix`; needed when `prefix` has expressions.
    pub error_prefix: Option<String>,
    /// `SizeInMBs`: how much is buffered at most before it is delivered, 1 to 128 MiB, before compression. AWS's
    /// default: 5.
    pub buffer_mib: u32,
    /// `IntervalInSeconds`: how long a record is buffered at most, 0 to 900 whole seconds. AWS's default: 300.
    pub buffer_interval: Duration,
    /// `CompressionFormat`. AWS's default: none.
    pub compression: Compression,
}

/// How objects are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Compression {
    /// `UNCOMPRESSED`.
    #[default]
    None,
    /// `GZIP`.
    Gzip,
}

/// A setting that a delivery stream cannot have.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SettingsError {
    /// The name.
    #[error("`{name}` is no name of a delivery stream: 1 to 64 letters, digits, `_`, `.` or `-`")]
    Name {
        /// As given.
        name: String,
    },
    /// The buffer's size.
    #[error("a buffer has 1 to 128 MiB, not {mib}")]
    Size {
        /// As given.
        mib: u32,
    },
    /// The buffer's interval.
    #[error("a buffer is kept for 0 to 900 whole seconds, not {interval:?}")]
    Interval {
        /// As given.
        interval: Duration,
    },
    /// One of the prefixes.
    #[error(transparent)]
    Prefix(#[from] PrefixError),
}

impl Settings {
    /// AWS's defaults.
    pub fn new(name: impl Into<String>, bucket: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            bucket: bucket.into(),
            prefix: String::new(),
            error_prefix: None,
            buffer_mib: 5,
            buffer_interval: Duration::from_secs(300),
            compression: Compression::default(),
        }
    }

    /// Checks everything and reads the prefixes.
    pub(super) fn check(&self) -> Result<Prefixes, SettingsError> {
        if check_name(self.name.clone()).is_err() {
            return Err(SettingsError::Name {
                name: self.name.clone(),
            });
        }
        if !(1..=128).contains(&self.buffer_mib) {
            return Err(SettingsError::Size { mib: self.buffer_mib });
        }
        let interval = self.buffer_interval;
        if interval.as_secs() > 900 || interval.subsec_nanos() > 0 {
            return Err(SettingsError::Interval { interval });
        }
        Ok(Prefixes::parse(&self.prefix, self.error_prefix.as_deref())?)
    }

    pub(super) fn buffer_bytes(&self) -> u64 {
        u64::from(self.buffer_mib) << 20
    }
}

impl Compression {
    /// As the API names it.
    pub(super) fn format(self) -> &'static str {
        match self {
            Self::None => "UNCOMPRESSED",
            Self::Gzip => "GZIP",
        }
    }

    /// What an object's key ends in.
    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
        }
    }
}

/// Checks a delivery stream's name.
pub(super) fn check_name(name: String) -> Result<String, protocol::ApiError> {
    protocol::name(name, "deliveryStreamName", 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Change = fn(&mut Settings);

    #[test]
    fn what_aws_refuses_is_refused() {
        let with = |change: Change| {
            let mut settings = Settings::new("a", "lake");
            change(&mut settings);
            settings.check().map(drop).map_err(|error| error.to_string())
        };
        let cases: [(Change, Option<&str>); 12] = [
            (|_| {}, None),
            (|s| s.name = "x".repeat(64), None),
            (|s| s.name = "x".repeat(65), Some("1 to 64")),
            (|s| s.name = "a b".into(), Some("`a b`")),
            (|s| s.buffer_mib = 0, Some("not 0")),
            (|s| s.buffer_mib = 128, None),
            (|s| s.buffer_mib = 129, Some("not 129")),
            (|s| s.buffer_interval = Duration::ZERO, None),
            (|s| s.buffer_interval = Duration::from_secs(900), None),
            (|s| s.buffer_interval = Duration::from_secs(901), Some("901")),
            (|s| s.buffer_interval = Duration::from_millis(1500), Some("1.5")),
            (|s| s.prefix = "!{timestamp:yyyy}/".into(), Some("error prefix")),
        ];
        for (change, expected) in cases {
            match (with(change), expected) {
                (Ok(()), None) => {}
                (Err(message), Some(part)) => assert!(message.contains(part), "{message}"),
                (found, expected) => panic!("{found:?}, not {expected:?}"),
            }
        }
    }
}
