//! Which shard a record goes to: the MD5 of its partition key, as a 128-bit number, falls into one shard's range.

use std::ops::RangeInclusive;

use md5::{Digest, Md5};

/// How a stream's shards divide the hash keys among them: evenly, as CreateStream does.
#[derive(Clone, Copy, Debug)]
pub(super) struct HashKeys {
    shards: u32,
}

impl HashKeys {
    /// At least one shard.
    pub(super) fn new(shards: u32) -> Self {
        Self { shards: shards.max(1) }
    }

    /// The hash key of a partition key.
    pub(super) fn of(partition_key: &str) -> u128 {
        u128::from_be_bytes(Md5::digest(partition_key).into())
    }

    /// The shard whose range a hash key is in.
    pub(super) fn shard(self, hash_key: u128) -> u32 {
        match self.width() {
            None => 0,
            // The quotient is below 2^32, except in the remainder that the last shard has in addition.
            Some(width) => u32::try_from(hash_key / width).unwrap_or(u32::MAX).min(self.shards - 1),
        }
    }

    /// The hash keys of a shard.
    pub(super) fn range(self, shard: u32) -> RangeInclusive<u128> {
        let Some(width) = self.width() else {
            return 0..=u128::MAX;
        };
        let start = width * u128::from(shard);
        if shard + 1 == self.shards {
            start..=u128::MAX
        } else {
            start..=start + width - 1
        }
    }

    /// 2^128 divided by the number of shards; none if that is one, where it does not fit.
    fn width(self) -> Option<u128> {
        let shards = u128::from(self.shards);
        match shards {
            1 => None,
            _ if u128::MAX % shards == shards - 1 => Some(u128::MAX / shards + 1),
            _ => Some(u128::MAX / shards),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn two_shards_meet_in_the_middle() {
        let keys = HashKeys::new(2);
        assert_eq!(
            *keys.range(0).end(),
            170_141_183_460_469_231_731_687_303_715_884_105_727
        );
        assert_eq!(*keys.range(1).start(), 1 << 127);
        assert_eq!(HashKeys::new(1).range(0), 0..=u128::MAX);
        assert_eq!(HashKeys::of(""), 0xd41d_8cd9_8f00_b204_e980_0998_ecf8_427e);
    }

    proptest! {
        #[test]
        fn a_hash_key_is_in_the_range_of_its_shard(shards in 1_u32..5000, key: u128) {
            let keys = HashKeys::new(shards);
            prop_assert!(keys.range(keys.shard(key)).contains(&key));
        }
    }
}
