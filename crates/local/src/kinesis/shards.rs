//! The shards of a stream: which are open, which hash keys each has, and what a split or a merge makes of them.
//!
//! ```text
//! shard 0 ──────────┬─ split ─► shard 2 ──────────────────►     ranges
//!                   └─────────► shard 3 ─┬─ merge ─► shard 4 ─►   of
//! shard 1 ───────────────────────────────┘                     hash keys
//! ```
//!
//! # Invariants
//! - Each hash key is in exactly one open shard, whatever is split and merged (`each_hash_key_has_one_open_shard`).
//! - A child's sequence numbers are higher than those of its parents (`each_hash_key_has_one_open_shard`), so the
//!   numbers of one hash key grow across splits and merges.

use std::{ops::RangeInclusive, sync::Arc};

use super::{
    hash, shard_id,
    stream::{Birth, Shard},
};

/// The most open shards of a stream. AWS's own limit is a quota; this one keeps a slip of the finger from making a
/// million rows.
pub(super) const MOST_OPEN: u32 = 10_000;

/// What dividing all hash keys by different numbers of shards may be out by: less than one for each shard.
const ROUNDING: u128 = 2 * MOST_OPEN as u128;

/// The shards of a stream at a moment.
#[derive(Clone, Debug)]
pub(crate) struct Shards {
    /// In the order of their numbers, which are their places here.
    all: Vec<Arc<Shard>>,
    /// In the order of their hash keys.
    open: Vec<Arc<Shard>>,
}

/// What is to be done to shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A shard becomes two. The second's hash keys begin at `at`, or in the middle.
    Split { shard: u32, at: Option<u128> },
    /// Two shards become one; the second has the hash keys that follow the first one's.
    Merge { first: u32, second: u32 },
}

/// What a step comes to.
#[derive(Debug)]
pub(super) struct Reshard {
    pub(super) closed: Vec<Arc<Shard>>,
    pub(super) opened: Vec<Arc<Shard>>,
    /// When, in milliseconds since 1970; no earlier than the last record of what is closed.
    pub(super) at_ms: i64,
}

/// Why shards cannot be split or merged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReshardError {
    /// The stream has no such shard.
    #[error("there is no shard `{}`", shard_id(*shard))]
    NoShard {
        /// Its number.
        shard: u32,
    },
    /// The shard has been split or merged before.
    #[error("shard `{}` is closed", shard_id(*shard))]
    Closed {
        /// Its number.
        shard: u32,
    },
    /// The hash keys of the second shard do not follow those of the first.
    #[error("shard `{}` does not follow shard `{}`", shard_id(*second), shard_id(*first))]
    NotAdjacent {
        /// The shard with the lower hash keys.
        first: u32,
        /// The shard that should have the next ones.
        second: u32,
    },
    /// A shard cannot be split there: the hash key is outside of it or at its edge, which AWS does not take either.
    #[error("hash key {hash_key} is not inside of shard `{}`, {start} to {end}", shard_id(*shard))]
    HashKey {
        /// The shard's number.
        shard: u32,
        /// Where it was to be split.
        hash_key: u128,
        /// The shard's first hash key.
        start: u128,
        /// The shard's last hash key.
        end: u128,
    },
    /// There would be more open shards than a stream can have.
    #[error("a stream has at most {MOST_OPEN} open shards")]
    TooMany,
    /// The number of shards is to change too much at once.
    #[error("{current} open shards cannot become {target} at once: at most twice as many, at least half")]
    TooFar {
        /// How many are open.
        current: usize,
        /// How many there were to be.
        target: u32,
    },
    /// On-demand streams have as many shards as AWS thinks best.
    #[error("the shards of an on-demand stream are not its users' to split and merge")]
    OnDemand,
}

impl Shards {
    /// The shards, all of them, in the order of their numbers.
    pub(super) fn new(all: Vec<Arc<Shard>>) -> Self {
        let is_open = |shard: &&Arc<Shard>| shard.state().closed_ms.is_none();
        let mut open: Vec<_> = all.iter().filter(is_open).cloned().collect();
        open.sort_by_key(|shard| *shard.birth.hash_keys.start());
        Self { all, open }
    }

    /// All shards, in the order of their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Shard>> {
        self.all.iter()
    }

    /// The open shards, in the order of their hash keys.
    pub(super) fn open(&self) -> &[Arc<Shard>] {
        &self.open
    }

    /// A shard by its number.
    pub(crate) fn get(&self, number: u32) -> Option<&Arc<Shard>> {
        self.all.get(number as usize)
    }

    /// The open shard that takes a hash key.
    pub(super) fn taking(&self, hash_key: u128) -> &Arc<Shard> {
        let beyond = self
            .open
            .partition_point(|shard| *shard.birth.hash_keys.start() <= hash_key);
        // The first open shard begins with hash key 0.
        &self.open[beyond - 1]
    }

    /// The shards that took over a shard's hash keys; none while it is open.
    pub(super) fn children(&self, parent: u32) -> impl Iterator<Item = &Arc<Shard>> {
        self.all
            .iter()
            .filter(move |shard| shard.birth.parents.contains(&parent))
    }

    /// When a shard began to take records, in milliseconds since 1970: when its parents ceased to.
    pub(super) fn opened_ms(&self, shard: &Shard) -> i64 {
        let parents = shard.birth.parents.iter().filter_map(|parent| self.get(*parent));
        let closed = parents.filter_map(|parent| parent.state().closed_ms).max();
        closed.unwrap_or(shard.birth.made_ms)
    }

    /// What a split or a merge would come to.
    pub(super) fn plan(&self, step: Step, now_ms: i64) -> Result<Reshard, ReshardError> {
        match step {
            Step::Split { shard: number, at } => {
                let shard = self.open_shard(number)?;
                let (start, end) = shard.birth.hash_keys.clone().into_inner();
                let hash_key = at.unwrap_or(start + (end - start).div_ceil(2));
                if hash_key <= start.saturating_add(1) || hash_key >= end {
                    return Err(ReshardError::HashKey {
                        shard: number,
                        hash_key,
                        start,
                        end,
                    });
                }
                if self.open.len() >= MOST_OPEN as usize {
                    return Err(ReshardError::TooMany);
                }
                Ok(self.reshard(&[shard], &[start..=hash_key - 1, hash_key..=end], now_ms))
            }
            Step::Merge { first, second } => {
                let (lower, upper) = (self.open_shard(first)?, self.open_shard(second)?);
                let (lower_keys, upper_keys) = (&lower.birth.hash_keys, &upper.birth.hash_keys);
                if lower_keys.end().checked_add(1) != Some(*upper_keys.start()) {
                    return Err(ReshardError::NotAdjacent { first, second });
                }
                let hash_keys = *lower_keys.start()..=*upper_keys.end();
                Ok(self.reshard(&[lower, upper], &[hash_keys], now_ms))
            }
        }
    }

    /// The next step on the way to so many shards of even width; none when they are there. Splits come first, where a
    /// shard is to begin, then merges of what lies between.
    pub(super) fn next_step(&self, target: u32) -> Option<Step> {
        // Where a shard begins already but for the rounding, it stays as it is.
        let near = |at: u128| {
            let starts = self.open.iter().map(|shard| *shard.birth.hash_keys.start());
            let nearest = starts.min_by_key(|start| start.abs_diff(at));
            nearest.filter(|start| start.abs_diff(at) < ROUNDING).unwrap_or(at)
        };
        let starts: Vec<u128> = hash::divided(target).map(|keys| near(*keys.start())).collect();
        let split = self.open.iter().find_map(|shard| {
            let (start, end) = shard.birth.hash_keys.clone().into_inner();
            let inside = starts.get(starts.partition_point(|at| *at <= start)).copied();
            let at = inside.filter(|at| *at <= end)?;
            Some(Step::Split {
                shard: shard.number,
                at: Some(at),
            })
        });
        split.or_else(|| {
            let pair = self
                .open
                .windows(2)
                .find(|pair| starts.binary_search(pair[1].birth.hash_keys.start()).is_err())?;
            Some(Step::Merge {
                first: pair[0].number,
                second: pair[1].number,
            })
        })
    }

    /// The shards after a split or a merge that is on disk.
    pub(super) fn after(&self, reshard: &Reshard) -> Self {
        let mut after = self.clone();
        after
            .open
            .retain(|shard| reshard.closed.iter().all(|closed| closed.number != shard.number));
        after.open.extend(reshard.opened.iter().cloned());
        after.open.sort_by_key(|shard| *shard.birth.hash_keys.start());
        after.all.extend(reshard.opened.iter().cloned());
        after
    }

    fn open_shard(&self, number: u32) -> Result<&Arc<Shard>, ReshardError> {
        let shard = self.get(number).ok_or(ReshardError::NoShard { shard: number })?;
        match shard.state().closed_ms {
            None => Ok(shard),
            Some(_) => Err(ReshardError::Closed { shard: number }),
        }
    }

    fn reshard(&self, parents: &[&Arc<Shard>], children: &[RangeInclusive<u128>], now_ms: i64) -> Reshard {
        // Neither steps back from the parents, whatever the clock does: a child's numbers are higher by the second at
        // which it was made, and its records arrive no earlier.
        let at_ms = parents
            .iter()
            .fold(now_ms, |at_ms, parent| at_ms.max(parent.state().last_arrival_ms));
        let made_ms = parents
            .iter()
            .fold(at_ms, |made_ms, parent| made_ms.max(parent.birth.made_ms))
            + 1000;
        let opened = (self.all.len() as u32..).zip(children).map(|(number, hash_keys)| {
            let birth = Birth {
                made_ms,
                parents: parents.iter().map(|parent| parent.number).collect(),
                hash_keys: hash_keys.clone(),
            };
            Arc::new(Shard::empty(parents[0].stream, number, birth, at_ms))
        });
        Reshard {
            opened: opened.collect(),
            closed: parents.iter().map(|parent| Arc::clone(parent)).collect(),
            at_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW_MS: i64 = 1_800_000_000_000;

    fn shards(count: u32) -> Shards {
        let shard = |(number, hash_keys)| {
            let birth = Birth {
                made_ms: NOW_MS,
                parents: vec![],
                hash_keys,
            };
            Arc::new(Shard::empty(0, number, birth, NOW_MS))
        };
        Shards::new((0..).zip(hash::divided(count)).map(shard).collect())
    }

    /// The shards after a split or a merge, as the store makes them.
    fn done(shards: &Shards, reshard: &Reshard) -> Shards {
        let after = shards.after(reshard);
        for shard in &reshard.closed {
            shard.close(reshard.at_ms);
        }
        after
    }

    #[test]
    fn what_cannot_be_split_or_merged_is_refused() {
        let before = shards(3);
        let third = u128::MAX / 3;
        let split = before.plan(Step::Split { shard: 1, at: None }, NOW_MS).unwrap();
        let after = done(&before, &split);
        let hash_key = |hash_key| ReshardError::HashKey {
            shard: 0,
            hash_key,
            start: 0,
            end: third - 1,
        };
        let split = |shard, at| after.plan(Step::Split { shard, at }, NOW_MS).map(drop);
        // The second child's first hash key is at least two more than the parent's, and less than its last.
        for (at, expected) in [
            (0, Err(hash_key(0))),
            (1, Err(hash_key(1))),
            (2, Ok(())),
            (third - 2, Ok(())),
            (third - 1, Err(hash_key(third - 1))),
            (third, Err(hash_key(third))),
        ] {
            assert_eq!(split(0, Some(at)), expected, "{at}");
        }
        assert_eq!(split(1, None), Err(ReshardError::Closed { shard: 1 }));
        assert_eq!(split(5, None), Err(ReshardError::NoShard { shard: 5 }));

        let merge = |first, second| after.plan(Step::Merge { first, second }, NOW_MS).map(drop);
        let not_adjacent = |first, second| Err(ReshardError::NotAdjacent { first, second });
        // In the order of hash keys: 0, 3, 4, 2.
        assert_eq!(merge(0, 3), Ok(()));
        assert_eq!(merge(4, 2), Ok(()));
        assert_eq!(merge(3, 0), not_adjacent(3, 0));
        assert_eq!(merge(0, 4), not_adjacent(0, 4));
        assert_eq!(merge(0, 0), not_adjacent(0, 0));
        // The last hash key has no next one.
        assert_eq!(merge(2, 0), not_adjacent(2, 0));
        assert_eq!(merge(0, 1), Err(ReshardError::Closed { shard: 1 }));
        assert_eq!(merge(9, 0), Err(ReshardError::NoShard { shard: 9 }));
    }

    proptest! {
        #[test]
        fn each_hash_key_has_one_open_shard(
            count in 1_u32..6,
            // Which shard, split or merged, where, and how the clock moves.
            steps in proptest::collection::vec(
                (any::<prop::sample::Index>(), any::<bool>(), any::<u128>(), -5000_i64..5000),
                0..20,
            ),
            keys: [u128; 8],
        ) {
            let (mut shards, mut now_ms) = (shards(count), NOW_MS);
            for (index, is_split, at, step_ms) in steps {
                now_ms += step_ms;
                let place = index.index(shards.open.len());
                let shard = &shards.open[place];
                let step = if is_split {
                    let keys = &shard.birth.hash_keys;
                    let at = keys.start() + at % (keys.end() - keys.start());
                    Step::Split { shard: shard.number, at: Some(at) }
                } else {
                    let second = (place + 1) % shards.open.len();
                    Step::Merge { first: shard.number, second: shards.open[second].number }
                };
                let reshard = shards.plan(step, now_ms);
                let Ok(reshard) = reshard else { continue };
                let highest = reshard.closed.iter().map(|parent| parent.sequence_number(u64::MAX >> 1, i64::MAX)).max();
                let lowest = reshard.opened.iter().map(|child| child.first_sequence_number()).min();
                prop_assert!(lowest > highest);
                shards = done(&shards, &reshard);
            }
            // They follow each other from the first hash key to the last.
            let ranges: Vec<_> = shards.open.iter().map(|shard| shard.birth.hash_keys.clone()).collect();
            prop_assert_eq!((*ranges[0].start(), *ranges[ranges.len() - 1].end()), (0, u128::MAX));
            prop_assert!(ranges.windows(2).all(|pair| pair[0].end() + 1 == *pair[1].start()));
            for key in keys {
                prop_assert!(shards.taking(key).birth.hash_keys.contains(&key));
            }
            // What is loaded from disk is what was in memory.
            let loaded = Shards::new(shards.all.clone());
            let numbers = |shards: &Shards| shards.open.iter().map(|shard| shard.number).collect::<Vec<_>>();
            prop_assert_eq!(numbers(&loaded), numbers(&shards));
        }

        #[test]
        fn steps_lead_to_even_shards(count in 1_u32..40, target in 1_u32..40) {
            let mut shards = shards(count);
            // A split for each start that is not there yet at most, and a merge for each that is to go.
            for _ in 0..count + target {
                let Some(step) = shards.next_step(target) else { break };
                shards = done(&shards, &shards.plan(step, NOW_MS).unwrap());
            }
            prop_assert_eq!(shards.open.len(), target as usize);
            for (shard, even) in shards.open.iter().zip(hash::divided(target)) {
                prop_assert!(shard.birth.hash_keys.start().abs_diff(*even.start()) < ROUNDING);
            }
        }
    }
}
