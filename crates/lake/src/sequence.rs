//! Sequence numbers: how far a shard or partition has been read.
//!
//! A Kinesis sequence number is decimal, up to 129 digits by the API's pattern and 56 in practice; it grows within a
//! shard. It fits neither an `i64` nor a `u128`, and a Delta `txn` action holds an `i64`. So a number is kept as *limbs*
//! of 18 decimal digits, each of which fits one. A Kafka offset is a number of two limbs at most.
//!
//! # Invariants
//! - Text and back is the identity, whatever the length (`text_survives_the_round_trip`).
//! - Order is numeric, never textual (`order_is_numeric`).

use std::{fmt, str::FromStr};

/// Decimal digits in a limb: the most that always fit an `i64`.
const LIMB_DIGITS: usize = 18;
/// Limbs in a number: 8 × 18 = 144 digits, more than the 129 that Kinesis allows.
const LIMBS: usize = 8;
/// One more than the largest limb.
const LIMB_BASE: u64 = 10_u64.pow(LIMB_DIGITS as u32);
/// The longest text that the Kinesis API's pattern allows (`0|([1-9]\d{0,128})`).
const MAX_DIGITS: usize = 129;

/// A position in a shard (Kinesis sequence number) or a partition (Kafka offset).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SequenceNumber {
    /// Most significant first, so that the derived order is the numeric one.
    limbs: [u64; LIMBS],
}

/// Why a text is no sequence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SequenceNumberError {
    /// There is no digit.
    #[error("a sequence number is empty")]
    Empty,
    /// More digits than Kinesis allows.
    #[error("a sequence number has {digits} digits, more than {MAX_DIGITS}")]
    TooLong {
        /// How many there are.
        digits: usize,
    },
    /// Something else than a decimal digit.
    #[error("a sequence number holds something else than decimal digits, at byte {at}")]
    NotDecimal {
        /// Position of the first such byte.
        at: usize,
    },
}

impl SequenceNumber {
    /// The number's limbs, least significant first, without the leading zeros; zero has one limb.
    pub(crate) fn limbs(&self) -> impl Iterator<Item = u64> {
        let significant = LIMBS - self.limbs.iter().take_while(|limb| **limb == 0).count();
        self.limbs.into_iter().rev().take(significant.max(1))
    }

    /// The number with these limbs, least significant first. `None`: a limb is out of range, or there are too many.
    pub(crate) fn from_limbs(limbs: impl IntoIterator<Item = u64>) -> Option<Self> {
        let mut number = Self::default();
        for (position, limb) in limbs.into_iter().enumerate() {
            let place = LIMBS.checked_sub(position + 1)?;
            if limb >= LIMB_BASE {
                return None;
            }
            number.limbs[place] = limb;
        }
        Some(number)
    }
}

impl FromStr for SequenceNumber {
    type Err = SequenceNumberError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.as_bytes();
        if digits.is_empty() {
            return Err(SequenceNumberError::Empty);
        }
        if let Some(at) = digits.iter().position(|byte| !byte.is_ascii_digit()) {
            return Err(SequenceNumberError::NotDecimal { at });
        }
        if digits.len() > MAX_DIGITS {
            return Err(SequenceNumberError::TooLong { digits: digits.len() });
        }
        let mut number = Self::default();
        for (limb, chunk) in number.limbs.iter_mut().rev().zip(digits.rchunks(LIMB_DIGITS)) {
            *limb = chunk
                .iter()
                .fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
        }
        Ok(number)
    }
}

impl From<u64> for SequenceNumber {
    fn from(offset: u64) -> Self {
        let mut number = Self::default();
        number.limbs[LIMBS - 1] = offset % LIMB_BASE;
        number.limbs[LIMBS - 2] = offset / LIMB_BASE;
        number
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut limbs = self.limbs.iter().skip_while(|limb| **limb == 0);
        write!(out, "{}", limbs.next().unwrap_or(&0))?;
        limbs.try_for_each(|limb| write!(out, "{limb:0LIMB_DIGITS$}"))
    }
}

impl fmt::Debug for SequenceNumber {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SequenceNumber({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REAL: &str = "49590338271490256608559692538361571095921575989136588898";

    #[test]
    fn known_numbers_keep_their_text() {
        for text in ["0", "7", "999999999999999999", "1000000000000000000", REAL] {
            assert_eq!(text.parse::<SequenceNumber>().unwrap().to_string(), text);
        }
        assert_eq!(SequenceNumber::from(u64::MAX).to_string(), u64::MAX.to_string());
    }

    #[test]
    fn what_is_no_number_says_why() {
        let parse = |text: &str| text.parse::<SequenceNumber>().unwrap_err();
        assert_eq!(parse(""), SequenceNumberError::Empty);
        assert_eq!(parse("12a"), SequenceNumberError::NotDecimal { at: 2 });
        assert_eq!(parse("-1"), SequenceNumberError::NotDecimal { at: 0 });
        assert_eq!(parse("１"), SequenceNumberError::NotDecimal { at: 0 });
        assert_eq!(parse(&"9".repeat(130)), SequenceNumberError::TooLong { digits: 130 });
    }

    #[test]
    fn a_limb_out_of_range_is_refused() {
        assert_eq!(SequenceNumber::from_limbs([LIMB_BASE]), None);
        assert_eq!(SequenceNumber::from_limbs([0; LIMBS + 1]), None);
    }

    proptest! {
        #[test]
        fn text_survives_the_round_trip(text in "0|[1-9][0-9]{0,128}") {
            let number: SequenceNumber = text.parse().unwrap();
            prop_assert_eq!(number.to_string(), text);
            prop_assert_eq!(SequenceNumber::from_limbs(number.limbs()), Some(number));
        }

        #[test]
        fn order_is_numeric(left in any::<u64>(), right in any::<u64>(), zeros in 0_usize..100) {
            let number = |value: u64| format!("{value}{}", "0".repeat(zeros)).parse::<SequenceNumber>().unwrap();
            prop_assert_eq!(number(left).cmp(&number(right)), left.cmp(&right));
        }
    }
}
