//! The readers of raw objects. They stand where the SQL engine stands, which would be built for hours with
//! instrumentation, and need nothing of it.

#[allow(dead_code)]
#[path = "../../functions/analytics/src/batch/inflate.rs"]
mod inflate;
#[allow(dead_code)]
#[path = "../../functions/analytics/src/batch/lines.rs"]
mod lines;
#[path = "raw_objects.rs"]
pub mod raw_objects;
