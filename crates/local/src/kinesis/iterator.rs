//! Shard iterators: where a reader is, as an opaque text that is good for five minutes.

use super::error::ApiError;

/// How long an iterator is good for, in milliseconds.
const LIFETIME_MS: i64 = 5 * 60 * 1000;

/// Where a reader goes on in a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ShardIterator {
    pub(super) stream: String,
    /// Which stream of that name.
    pub(super) stream_id: u64,
    pub(super) shard: u32,
    /// The index of the next record.
    pub(super) next: u64,
    /// When it was given out, in milliseconds since 1970.
    pub(super) issued_ms: i64,
}

impl ShardIterator {
    /// The text for clients.
    pub(super) fn to_token(&self) -> String {
        let Self {
            stream,
            stream_id,
            shard,
            next,
            issued_ms,
        } = self;
        base64_simd::STANDARD.encode_to_string(format!("1/{stream_id}/{shard}/{next}/{issued_ms}/{stream}"))
    }

    /// Reads a text that [`to_token`](Self::to_token) made less than five minutes ago.
    pub(super) fn from_token(token: &str, now_ms: i64) -> Result<Self, ApiError> {
        let iterator = Self::parse(token).ok_or_else(|| ApiError::invalid_argument("Invalid ShardIterator."))?;
        let age_ms = now_ms - iterator.issued_ms;
        if age_ms > LIFETIME_MS {
            return Err(ApiError::expired_iterator(format!(
                "Iterator expired. The iterator was created {age_ms} ms ago, which is more than the 300000 milliseconds \
                 that an iterator lives."
            )));
        }
        Ok(iterator)
    }

    /// Reads a text, however old it is.
    pub(super) fn parse(token: &str) -> Option<Self> {
        let text = String::from_utf8(base64_simd::STANDARD.decode_to_vec(token).ok()?).ok()?;
        let mut parts = text.splitn(6, '/');
        (parts.next()? == "1").then_some(())?;
        Some(Self {
            stream_id: parts.next()?.parse().ok()?,
            shard: parts.next()?.parse().ok()?,
            next: parts.next()?.parse().ok()?,
            issued_ms: parts.next()?.parse().ok()?,
            stream: parts.next()?.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_read_back_until_they_expire() {
        let iterator = ShardIterator {
            stream: "pinlake-pin".into(),
            stream_id: 3,
            shard: 1,
            next: 77,
            issued_ms: 1_000,
        };
        let token = iterator.to_token();
        assert_eq!(ShardIterator::from_token(&token, 300_000), Ok(iterator));
        assert_eq!(
            ShardIterator::from_token(&token, 301_001).unwrap_err().kind,
            "ExpiredIteratorException"
        );
        for wrong in ["", "AAAA", "MS8x"] {
            assert_eq!(
                ShardIterator::from_token(wrong, 0).unwrap_err().kind,
                "InvalidArgumentException"
            );
        }
    }
}
