//! From records as they came to one fate each: judged by the dataset's definition, keyed, published.
//!
//! # Invariants
//! - Every record gets one fate, in the order sent (`fates_keep_their_places`).
//! - A bad record never holds up its neighbours.

use std::fmt::Write;

use bytes::Bytes;
use pinlake_dataset::{Definition, Rejection, check};
use tokio::time::Instant;

use crate::{
    hash::fnv1a,
    publish::{Failure, Publisher, Record, Unfit},
    refusal::Refusal,
    request_log::Tally,
    settings::Settings,
};

/// The longest partition key that Kinesis takes, in characters.
const MAX_KEY_CHARS: usize = 256;

/// One record as it came.
#[derive(Debug)]
pub(crate) struct Incoming {
    /// The payload, or why none could be read out of the request.
    pub(crate) data: Result<Bytes, Rejection>,
    /// Where the sender wants it.
    pub(crate) placement: Placement,
}

/// Which shard a record goes to, as far as its sender says.
#[derive(Debug, Default)]
pub(crate) struct Placement {
    /// 1 to 256 characters.
    pub(crate) partition_key: Option<String>,
    /// A decimal number below 2^128.
    pub(crate) explicit_hash_key: Option<String>,
}

/// What became of one record; `R` is what the service answers for one that it has stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate<R> {
    /// It is in the stream.
    Stored(R),
    /// Its dataset's definition does not take it, or it could not be kept as one record.
    Invalid(Rejection),
    /// It is larger than a record may be, counting what is named.
    TooLarge {
        bytes: usize,
        counting: &'static str,
        limit: usize,
    },
    /// It is fine, but the stream did not take it.
    Failed(Failure),
}

/// Judges the records, publishes the good ones and answers for each.
pub(crate) async fn take_in<P: Publisher>(
    settings: &Settings,
    definition: &Definition,
    publisher: &P,
    incoming: Vec<Incoming>,
    deadline: Instant,
) -> Vec<Fate<P::Receipt>> {
    let mut good = Vec::new();
    // `None` stands for a good record, whose fate is the publisher's to tell.
    let judged: Vec<Option<Fate<P::Receipt>>> = incoming
        .into_iter()
        .map(|record| match judge(settings, definition, publisher, record) {
            Ok(record) => {
                good.push(record);
                None
            }
            Err(fate) => Some(fate),
        })
        .collect();
    let answers = if good.is_empty() {
        Vec::new()
    } else {
        publisher.publish(definition.name(), good, deadline).await
    };
    let mut answers = answers.into_iter();
    let mut published = || match answers.next() {
        Some(Ok(receipt)) => Fate::Stored(receipt),
        Some(Err(failure)) => Fate::Failed(failure),
        // A publisher that answers too little has not shown that it stored the rest.
        None => Fate::Failed(Failure::Unavailable),
    };
    judged
        .into_iter()
        .map(|fate| fate.unwrap_or_else(&mut published))
        .collect()
}

fn judge<P: Publisher>(
    settings: &Settings,
    definition: &Definition,
    publisher: &P,
    incoming: Incoming,
) -> Result<Record, Fate<P::Receipt>> {
    let data = incoming.data.map_err(Fate::Invalid)?;
    let limit = settings.bounds.record_bytes;
    let fits = |key: Option<&String>| {
        let bytes = data.len() + key.map_or(0, String::len);
        if bytes > limit {
            Err(Fate::TooLarge {
                bytes,
                counting: "its partition key",
                limit,
            })
        } else {
            Ok(())
        }
    };
    let Placement {
        partition_key,
        explicit_hash_key,
    } = incoming.placement;
    // Before the record is parsed: what is too large is not worth the time.
    fits(partition_key.as_ref())?;
    let row_key = match check(definition, settings.bounds.record_limits(), &data) {
        Ok(key) => Some(key),
        Err(rejection) if settings.validation => return Err(Fate::Invalid(rejection)),
        Err(_) => None,
    };
    let partition_key = partition_key
        .or_else(|| row_key.filter(|key| is_partition_key(key)))
        .unwrap_or_else(|| hash_key(&data));
    fits(Some(&partition_key))?;
    let record = Record {
        data,
        partition_key,
        explicit_hash_key,
    };
    publisher.admit(record).map_err(|unfit| match unfit {
        Unfit::TooLarge { bytes, limit } => Fate::TooLarge {
            bytes,
            counting: "the end of its line",
            limit,
        },
        Unfit::Invalid(rejection) => Fate::Invalid(rejection),
    })
}

/// Whether Kinesis takes it: 1 to 256 characters.
pub(crate) fn is_partition_key(key: &str) -> bool {
    !key.is_empty() && key.chars().nth(MAX_KEY_CHARS).is_none()
}

/// A partition key for bytes that give none: their hash. It spreads records over the shards and gives equal bytes equal
/// keys; nothing more is asked of it.
pub(crate) fn hash_key(bytes: &[u8]) -> String {
    let hash = fnv1a(bytes);
    let mut key = String::with_capacity(16);
    // Writing to a String cannot fail.
    let _ = write!(key, "{hash:016x}");
    key
}

impl<R: Clone> Fate<R> {
    /// The receipt, or the refusal of a request that held this record alone.
    pub(crate) fn alone(self) -> Result<R, Refusal> {
        match self {
            Self::Stored(receipt) => Ok(receipt),
            Self::Invalid(rejection) => Err(Refusal::Invalid(rejection)),
            Self::TooLarge { bytes, counting, limit } => Err(Refusal::RecordTooLarge { bytes, counting, limit }),
            Self::Failed(failure) => Err(Refusal::Failed(failure)),
        }
    }

    /// What is wrong, for a person; `None` if nothing is.
    pub(crate) fn complaint(&self) -> Option<String> {
        self.clone().alone().err().map(|refusal| refusal.to_string())
    }
}

/// What a whole request comes to: `None` if any record was stored. Else the sender is told to come again if that can
/// help any record, and otherwise that its records are at fault.
pub(crate) fn verdict<R>(fates: &[Fate<R>]) -> Option<Refusal> {
    if fates.iter().any(|fate| matches!(fate, Fate::Stored(_))) {
        return None;
    }
    let failed = |failure| {
        let is_it = |fate: &Fate<R>| matches!(fate, Fate::Failed(found) if *found == failure);
        fates.iter().any(is_it).then_some(Refusal::Failed(failure))
    };
    [
        Failure::Throttled,
        Failure::Unavailable,
        Failure::TooLate,
        Failure::Refused,
    ]
    .into_iter()
    .find_map(failed)
    .or(Some(Refusal::NoneValid { count: fates.len() }))
}

/// Counts the fates for the request's log line.
pub(crate) fn tally<R>(definition: &Definition, fates: &[Fate<R>], size_bytes: usize) -> Tally {
    let count = |is: fn(&Fate<R>) -> bool| fates.iter().filter(|fate| is(fate)).count();
    Tally {
        dataset: Some(definition.name().clone()),
        records: fates.len(),
        stored: count(|fate| matches!(fate, Fate::Stored(_))),
        invalid: count(|fate| matches!(fate, Fate::Invalid(_) | Fate::TooLarge { .. })),
        failed: count(|fate| matches!(fate, Fate::Failed(_))),
        size_bytes,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use pinlake_dataset::{Catalog, DatasetName};
    use proptest::prelude::*;

    use super::*;

    /// A stream in memory. It takes no record whose payload holds the word `fail`.
    #[derive(Default)]
    struct Memory(Mutex<Vec<Record>>);

    #[async_trait]
    impl Publisher for Memory {
        /// The place of the record in the stream, from 0.
        type Receipt = usize;

        async fn publish(&self, _: &DatasetName, records: Vec<Record>, _: Instant) -> Vec<Result<usize, Failure>> {
            let mut stored = self.0.lock().unwrap();
            let mut put = |record: Record| {
                if String::from_utf8_lossy(&record.data).contains("fail") {
                    return Err(Failure::Throttled);
                }
                stored.push(record);
                Ok(stored.len() - 1)
            };
            records.into_iter().map(&mut put).collect()
        }
    }

    /// A record that meets the fate of its kind.
    fn incoming(kind: usize, place: usize) -> Incoming {
        let data = match kind {
            0 => Ok(format!(r#"{{"ind":{place}}}"#)),
            1 => Ok(format!(r#"{{"ind":{place},"first_name":"fail"}}"#)),
            2 => Ok(format!(r#"{{"age":{place}}}"#)),
            3 => Ok(format!(r#"{{"ind":{place},"first_name":"{}"}}"#, "x".repeat(500))),
            _ => Err(Rejection {
                field: None,
                reason: "is unreadable".into(),
            }),
        };
        Incoming {
            data: data.map(Bytes::from),
            placement: Placement::default(),
        }
    }

    proptest! {
        #[test]
        fn fates_keep_their_places(kinds in prop::collection::vec(0_usize..5, 0..40)) {
            let mut settings = Settings::default();
            settings.bounds.record_bytes = 400;
            let definition = Catalog::built_in().route("user").unwrap().clone();
            let stream = Memory::default();
            let records = kinds.iter().enumerate().map(|(place, kind)| incoming(*kind, place)).collect();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let fates = runtime.block_on(take_in(&settings, &definition, &stream, records, Instant::now()));

            prop_assert_eq!(fates.len(), kinds.len());
            let stored = stream.0.into_inner().unwrap();
            for (place, (kind, fate)) in kinds.iter().zip(&fates).enumerate() {
                match (kind, fate) {
                    (0, Fate::Stored(receipt)) => {
                        prop_assert_eq!(&stored[*receipt].partition_key, &place.to_string());
                    }
                    (1, Fate::Failed(Failure::Throttled)) | (2 | 4, Fate::Invalid(_)) | (3, Fate::TooLarge { .. }) => {}
                    (kind, fate) => prop_assert!(false, "a record of kind {kind} met {fate:?}"),
                }
            }
            prop_assert_eq!(stored.len(), kinds.iter().filter(|kind| **kind == 0).count());
            prop_assert_eq!(verdict(&fates).is_none(), !stored.is_empty());
        }
    }

    #[test]
    fn a_transient_failure_outweighs_a_bad_record() {
        let invalid = Fate::<()>::Invalid(Rejection {
            field: None,
            reason: "is empty".into(),
        });
        let cases = [
            (vec![invalid.clone(), invalid.clone()], Refusal::NoneValid { count: 2 }),
            (
                vec![invalid.clone(), Fate::Failed(Failure::Refused)],
                Refusal::Failed(Failure::Refused),
            ),
            (
                vec![Fate::Failed(Failure::Refused), Fate::Failed(Failure::TooLate)],
                Refusal::Failed(Failure::TooLate),
            ),
            (
                vec![
                    Fate::Failed(Failure::Unavailable),
                    invalid,
                    Fate::Failed(Failure::Throttled),
                ],
                Refusal::Failed(Failure::Throttled),
            ),
        ];
        for (fates, expected) in cases {
            assert_eq!(verdict(&fates), Some(expected));
        }
    }

    #[test]
    fn keys_are_counted_in_characters() {
        assert!(is_partition_key("k") && is_partition_key(&"é".repeat(256)));
        assert!(!is_partition_key("") && !is_partition_key(&"é".repeat(257)));
    }
}
