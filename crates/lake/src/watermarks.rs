//! Watermarks: for each source, the highest sequence number that a table holds.
//!
//! A commit carries the watermark of the rows it adds as Delta `txn` actions, one for each limb. Delta keeps the latest
//! per app id and carries them through checkpoints, so the watermark and the rows are one atomic fact.
//!
//! # Invariants
//! - All limbs of a watermark are written in one commit, and numbers only grow: limbs never mix
//!   (`a_grown_number_replaces_all_limbs`).
//! - What is written is what is read (`a_watermark_is_read_as_it_was_written`).

use std::collections::BTreeMap;

use crate::{sequence::SequenceNumber, source::Source};

/// One Delta `txn` action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Txn {
    pub(crate) app_id: String,
    pub(crate) version: i64,
}

/// The watermarks of one table, by source.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watermarks {
    /// Limbs, least significant first. A missing limb is zero.
    limbs: BTreeMap<Source, Vec<u64>>,
}

impl Watermarks {
    /// The highest sequence number of `source` that the table holds.
    pub(crate) fn get(&self, source: &Source) -> Option<SequenceNumber> {
        SequenceNumber::from_limbs(self.limbs.get(source)?.iter().copied())
    }

    /// Takes over a `txn` action of a newer commit. Other applications' are ignored.
    pub(crate) fn apply(&mut self, txn: &Txn) {
        let Some((source, limb)) = Source::from_app_id(&txn.app_id) else {
            return;
        };
        let Ok(value) = u64::try_from(txn.version) else { return };
        let limbs = self.limbs.entry(source).or_default();
        if limbs.len() <= limb {
            limbs.resize(limb + 1, 0);
        }
        limbs[limb] = value;
    }

    /// Remembers what a commit of ours has written.
    pub(crate) fn set(&mut self, source: &Source, number: &SequenceNumber) {
        self.limbs.insert(source.clone(), number.limbs().collect());
    }

    /// The `txn` actions that make `number` the watermark of `source`: only the limbs that it needs.
    pub(crate) fn txns(source: &Source, number: &SequenceNumber) -> impl Iterator<Item = Txn> {
        number.limbs().enumerate().map(|(limb, value)| Txn {
            app_id: source.app_id(limb),
            // A limb has 18 digits, so it is below 2^63.
            version: value.cast_signed(),
        })
    }

    /// Every source with its watermark.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Source, SequenceNumber)> {
        let sources = self.limbs.keys().filter(|source| !source.is_replayed());
        sources.filter_map(|source| Some((source, self.get(source)?)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> SequenceNumber {
        text.parse().unwrap()
    }

    #[test]
    fn a_grown_number_replaces_all_limbs() {
        let source = Source::kinesis("s", "0");
        let mut watermarks = Watermarks::default();
        for text in [
            "5",
            "999999999999999999",
            "1000000000000000000",
            "7000000000000000000000000000000000000",
        ] {
            Watermarks::txns(&source, &number(text)).for_each(|txn| watermarks.apply(&txn));
            assert_eq!(watermarks.get(&source), Some(number(text)));
        }
    }

    #[test]
    fn sources_do_not_touch_one_another() {
        let (left, right) = (Source::kinesis("s", "0"), Source::kinesis("s", "1"));
        let mut watermarks = Watermarks::default();
        watermarks.set(&left, &number("12"));
        assert_eq!(watermarks.get(&right), None);
        watermarks.apply(&Txn {
            app_id: "spark/1/0".into(),
            version: 99,
        });
        assert_eq!(watermarks.iter().collect::<Vec<_>>(), [(&left, number("12"))]);
    }

    proptest! {
        #[test]
        fn a_watermark_is_read_as_it_was_written(text in "0|[1-9][0-9]{0,128}") {
            let source = Source::kafka("pin", 3);
            let mut watermarks = Watermarks::default();
            for txn in Watermarks::txns(&source, &number(&text)) {
                watermarks.apply(&txn);
            }
            prop_assert_eq!(watermarks.get(&source), Some(number(&text)));
        }
    }
}
