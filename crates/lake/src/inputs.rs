//! What a day of the batch path was made from, kept in the table itself.
//!
//! Two Delta `txn` actions in the very commit that holds the rows: how many raw objects there were, and a digest of which.
//! So nobody has to guess later whether a day's objects have changed since it was cleaned.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use uuid::Uuid;

use crate::watermarks::Txn;

/// First words of the app ids. They name no source: the last word of a source's app id is a number.
const PREFIX: &str = "pinlake/raw";

/// The raw objects that a day's rows were made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inputs {
    /// How many.
    pub objects: u64,
    /// Which: equal digests mean the same objects with the same content, as far as 63 bits tell. Not negative.
    pub digest: i64,
}

impl Inputs {
    /// The `txn` actions that remember this for `day`.
    pub(crate) fn txns(self, day: NaiveDate) -> [Txn; 2] {
        let [objects, digest] = app_ids(day);
        [
            Txn {
                app_id: objects,
                version: i64::try_from(self.objects).unwrap_or(i64::MAX),
            },
            Txn {
                app_id: digest,
                version: self.digest,
            },
        ]
    }

    /// What a table's `txn` actions, by app id, remember of `day`.
    pub(crate) fn find(transactions: &BTreeMap<String, i64>, day: NaiveDate) -> Option<Self> {
        let [objects, digest] = app_ids(day).map(|app_id| transactions.get(&app_id).copied());
        Some(Self {
            objects: u64::try_from(objects?).ok()?,
            digest: digest?,
        })
    }
}

/// One run of a day, which replaces the day in both of a dataset's tables.
///
/// Each of the two commits remembers it. While the two tables remember different runs, one of them is still to be replaced,
/// and nobody can tell from the other what the day will have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunId(i64);

impl RunId {
    /// A new run.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        // A `txn` version is signed, and some readers refuse negative ones.
        Self((Uuid::new_v4().as_u64_pair().0 >> 1).cast_signed())
    }

    /// The `txn` action that remembers this for `day`.
    pub(crate) fn txn(self, day: NaiveDate) -> Txn {
        Txn {
            app_id: Self::app_id(day),
            version: self.0,
        }
    }

    /// What a table's `txn` actions, by app id, remember of `day`.
    pub(crate) fn find(transactions: &BTreeMap<String, i64>, day: NaiveDate) -> Option<Self> {
        transactions.get(&Self::app_id(day)).copied().map(Self)
    }

    fn app_id(day: NaiveDate) -> String {
        format!("{PREFIX}/{day}/run")
    }
}

fn app_ids(day: NaiveDate) -> [String; 2] {
    ["objects", "digest"].map(|fact| format!("{PREFIX}/{day}/{fact}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;

    #[test]
    fn what_is_remembered_is_found() {
        let day = NaiveDate::from_ymd_opt(2026, 11, 23).unwrap();
        let inputs = Inputs {
            objects: 3,
            digest: i64::MAX,
        };
        let txns = inputs.txns(day);
        assert!(txns.iter().all(|txn| Source::from_app_id(&txn.app_id).is_none()));
        let transactions = txns.into_iter().map(|txn| (txn.app_id, txn.version)).collect();
        assert_eq!(Inputs::find(&transactions, day), Some(inputs));
        assert_eq!(Inputs::find(&transactions, day.succ_opt().unwrap()), None);
    }
}
