//! Hash keys: the MD5 of a partition key, as a 128-bit number, which falls into one open shard's range.

use std::ops::RangeInclusive;

use md5::{Digest, Md5};

/// The hash key of a partition key.
pub(super) fn hash_key(partition_key: &str) -> u128 {
    u128::from_be_bytes(Md5::digest(partition_key).into())
}

/// All hash keys, divided evenly as CreateStream does it: what does not divide is the last shard's.
pub(super) fn divided(shards: u32) -> impl Iterator<Item = RangeInclusive<u128>> {
    let last = shards.max(1) - 1;
    let width = width(shards);
    (0..=last).map(move |shard| {
        let start = width * u128::from(shard);
        let end = if shard == last { u128::MAX } else { start + (width - 1) };
        start..=end
    })
}

/// 2^128 divided by the number of shards; of no use for a single one, where it does not fit.
fn width(shards: u32) -> u128 {
    let shards = u128::from(shards.max(1));
    // 2^128 is one more than the greatest number that there is.
    let carry = u128::from(shards > 1 && u128::MAX % shards == shards - 1);
    u128::MAX / shards + carry
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn two_shards_meet_in_the_middle() {
        let ranges: Vec<_> = divided(2).collect();
        assert_eq!(*ranges[0].end(), 170_141_183_460_469_231_731_687_303_715_884_105_727);
        assert_eq!(*ranges[1].start(), 1 << 127);
        assert!(divided(1).eq([0..=u128::MAX]));
        assert_eq!(hash_key(""), 0xd41d_8cd9_8f00_b204_e980_0998_ecf8_427e);
    }

    proptest! {
        #[test]
        fn the_parts_follow_each_other_and_are_even(shards in 1_u32..5000) {
            let ranges: Vec<_> = divided(shards).collect();
            prop_assert_eq!(ranges.len(), shards as usize);
            prop_assert_eq!((*ranges[0].start(), *ranges[ranges.len() - 1].end()), (0, u128::MAX));
            for pair in ranges.windows(2) {
                prop_assert_eq!(pair[0].end() + 1, *pair[1].start());
                // What does not divide is less than the number of shards.
                let widths = pair.iter().map(|range| range.end() - range.start());
                let (least, most) = (widths.clone().min().unwrap(), widths.max().unwrap());
                prop_assert!(most - least < u128::from(shards));
            }
        }
    }
}
