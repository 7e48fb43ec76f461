//! Sequence numbers: 56 decimal digits that grow within a shard.
//!
//! The layout is the one that Kinesis itself uses, seen as 47 hexadecimal digits:
//!
//! ```text
//! 2 | shard made at, s (9) | shard mod 16 (1) | index (16) | 00 | arrival, s (9) | shard (8) | 2
//! ```
//!
//! # Invariants
//! - A number is read back as what it was made from, and has 56 digits (`numbers_are_read_back`).
//! - Within a shard the order is that of the index, whatever the clock does (`order_is_that_of_the_index`).

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};

/// Nine hexadecimal digits hold seconds until the year 4147.
const MOST_SECONDS: u64 = (1 << 36) - 1;

/// The sequence number of a record: which shard it is in, and which of its records it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SequenceNumber {
    /// When the shard was made, in seconds since 1970.
    pub(crate) made_s: u64,
    /// The shard's number in its stream.
    pub(crate) shard: u32,
    /// How many records the shard was given before this one.
    pub(crate) index: u64,
    /// When the record arrived, in seconds since 1970.
    pub(crate) arrived_s: u64,
}

/// A text that is no sequence number of the kind that Kinesis gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no sequence number")]
pub struct ParseSequenceNumberError;

impl SequenceNumber {
    pub(super) fn new(made_s: u64, shard: u32, index: u64, arrived_s: u64) -> Self {
        Self {
            made_s: made_s.min(MOST_SECONDS),
            shard,
            index,
            arrived_s: arrived_s.min(MOST_SECONDS),
        }
    }

    /// The number's 188 bits as six words, most significant first.
    fn words(self) -> [u32; 6] {
        let high = 2_u128 << 56
            | u128::from(self.made_s) << 20
            | u128::from(self.shard & 0xf) << 16
            | u128::from(self.index >> 48);
        let low = u128::from(self.index) << 80 | u128::from(self.arrived_s) << 36 | u128::from(self.shard) << 4 | 2;
        let word = |number: u128, shift: u32| (number >> shift) as u32;
        [
            word(high, 32),
            word(high, 0),
            word(low, 96),
            word(low, 64),
            word(low, 32),
            word(low, 0),
        ]
    }

    fn from_words(words: [u32; 6]) -> Result<Self, ParseSequenceNumberError> {
        let join = |words: &[u32]| {
            words
                .iter()
                .fold(0_u128, |number, word| number << 32 | u128::from(*word))
        };
        let (high, low) = (join(&words[..2]), join(&words[2..]));
        let shard = (low >> 4) as u32;
        let number = Self {
            made_s: (high >> 20) as u64 & MOST_SECONDS,
            shard,
            index: ((high & 0xffff) << 48 | low >> 80) as u64,
            arrived_s: (low >> 36) as u64 & MOST_SECONDS,
        };
        // What is not covered by a field must be as it always is.
        if number.words() == words {
            Ok(number)
        } else {
            Err(ParseSequenceNumberError)
        }
    }
}

/// Nine decimal digits at a time.
const CHUNK: u64 = 1_000_000_000;

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = self.words();
        let mut chunks = [0_u64; 7];
        for chunk in chunks.iter_mut().rev() {
            let mut rest = 0;
            for word in &mut words {
                let number = rest << 32 | u64::from(*word);
                *word = (number / CHUNK) as u32;
                rest = number % CHUNK;
            }
            *chunk = rest;
        }
        write!(f, "{}", chunks[0])?;
        chunks[1..].iter().try_for_each(|chunk| write!(f, "{chunk:09}"))
    }
}

impl FromStr for SequenceNumber {
    type Err = ParseSequenceNumberError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != 56 {
            return Err(ParseSequenceNumberError);
        }
        let mut words = [0_u32; 6];
        for digit in text.bytes() {
            if !digit.is_ascii_digit() {
                return Err(ParseSequenceNumberError);
            }
            let mut carry = u64::from(digit - b'0');
            for word in words.iter_mut().rev() {
                let number = u64::from(*word) * 10 + carry;
                *word = number as u32;
                carry = number >> 32;
            }
        }
        Self::from_words(words)
    }
}

impl Serialize for SequenceNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_layout_is_that_of_kinesis() {
        let number: SequenceNumber = "49590338271490256608559692538361571095921575989136588898"
            .parse()
            .unwrap();
        // From the event that Lambda's documentation shows: of shardId-000000000006, arrived at 1545084650.987.
        assert_eq!((number.shard, number.arrived_s), (6, 1_545_084_650));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        // The last is real, of an older layout whose fields lie elsewhere: refused rather than misread.
        let older = "49545115243490985018280067714973144582180062593244200961";
        for text in ["", "1", "x", &"9".repeat(56), &"0".repeat(56), &"4".repeat(57), older] {
            assert_eq!(text.parse::<SequenceNumber>(), Err(ParseSequenceNumberError), "{text}");
        }
    }

    prop_compose! {
        fn numbers()(made in 1_400_000_000..MOST_SECONDS, shard in 0_u32..1 << 31, index in 0..u64::MAX >> 1, at in 0..MOST_SECONDS)
            -> SequenceNumber { SequenceNumber::new(made, shard, index, at) }
    }

    proptest! {
        #[test]
        fn numbers_are_read_back(number in numbers()) {
            let text = number.to_string();
            prop_assert_eq!(text.len(), 56);
            prop_assert_eq!(text.parse(), Ok(number));
        }

        #[test]
        fn order_is_that_of_the_index(number in numbers(), step in 1_u64..1000, at in 0..MOST_SECONDS) {
            let later = SequenceNumber::new(number.made_s, number.shard, number.index + step, at);
            // Of equal length, so the order of the texts is the order of the numbers.
            prop_assert!(later.to_string() > number.to_string());
            prop_assert!(later > number);
        }
    }
}
