//! What must hold for any input, one module per target: `check` panics if it does not.
//!
//! The fuzz targets call these functions, and so do ordinary tests, with the inputs in `regressions/`: `tests/hostile` and,
//! for raw objects, those of `functions/analytics`.

pub mod cleaning;
pub mod definitions;
pub mod kpl;
pub mod raw;

#[cfg(feature = "stack")]
pub mod delivery;
#[cfg(feature = "stack")]
pub mod door;
#[allow(dead_code)]
#[cfg(feature = "stack")]
#[path = "../../functions/ingest/tests/api/far_end.rs"]
mod far_end;
#[cfg(feature = "stack")]
pub mod gzip;
#[cfg(feature = "stack")]
pub mod kafka;
#[cfg(feature = "stack")]
pub mod kinesis;
#[cfg(feature = "stack")]
pub mod routes;
