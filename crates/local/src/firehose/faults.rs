//! Faults from a seed: what goes wrong with the real service now and then, here as often as a test wants it.

use std::sync::{Mutex, PoisonError};

use rand::{RngExt, SeedableRng, rngs::StdRng};

/// Which faults to have. Default: none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Faults {
    /// Equal seeds give equal faults to equal sequences of records.
    pub seed: u64,
    /// How many of the records that are put are refused as beyond the stream's throughput
    /// (`ServiceUnavailableException`), from 0 to 1. A record that comes again has a new chance.
    pub refused: f64,
    /// How many of the accepted records fail in processing, as when a transforming function fails, from 0 to 1. They go
    /// to the error output instead of an object. The same ones do if a delivery is repeated.
    pub processing_failed: f64,
}

/// Decides record by record.
#[derive(Debug)]
pub(super) struct Lots {
    faults: Faults,
    refusals: Mutex<StdRng>,
}

impl Lots {
    pub(super) fn new(faults: Faults) -> Self {
        Self {
            faults,
            refusals: Mutex::new(StdRng::seed_from_u64(faults.seed)),
        }
    }

    /// Whether the next record is refused.
    pub(super) fn refuses(&self) -> bool {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        hits(&mut refusals, self.faults.refused)
    }

    /// Whether a stream's record of this index fails in processing.
    pub(super) fn fails_processing(&self, stream: u64, index: u64) -> bool {
        let seed = [self.faults.seed, stream, index]
            .into_iter()
            .fold(0_u64, |seed, next| (seed ^ next).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        hits(&mut StdRng::seed_from_u64(seed), self.faults.processing_failed)
    }
}

fn hits(random: &mut StdRng, share: f64) -> bool {
    // Nothing is drawn without need: a stream without faults is as quick as can be.
    share > 0.0 && random.random_range(0.0..1.0) < share
}
