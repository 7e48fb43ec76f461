//! Records that look like those of the Kinesis Producer Library: several users' records packed into one, as
//! `F3 89 9A C2`, a protobuf message, and its MD5. Pinlake does not unpack them; they must not come apart, nor get lost.
//!
//! An input is the message. It goes in with the right digest, with a wrong one, and without the magic number.

use std::sync::Arc;

use md5::{Digest as _, Md5};
use pinlake_dataset::{Cleaner, Limits, check as judge};

use super::cleaning::{CATALOG, records_are_cleaned};

const MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];

/// Holds for any message: packed, it is one record that is refused at the edge and kept whole in the quarantine, whatever
/// came before it in the batch and comes after.
pub fn check(data: &[u8]) {
    let packed = packed(data);
    let mut wrong = packed.clone();
    if let Some(last) = wrong.last_mut() {
        *last ^= 1;
    }
    for definition in CATALOG.iter() {
        let mut cleaner = Cleaner::new(Arc::clone(definition), Limits::default());
        let neighbour = br#"{"index":1,"ind":1}"#;
        for record in [&packed, &wrong] {
            assert!(judge(definition, Limits::default(), record).is_err());
            [&neighbour[..], record, neighbour]
                .iter()
                .for_each(|record| cleaner.push(record));
            let cleaned = cleaner.finish();
            assert_eq!(cleaned.indices, [0, 2]);
            let rejected: Vec<_> = cleaned
                .rejected
                .iter()
                .map(|rejected| (rejected.index, &rejected.payload))
                .collect();
            assert_eq!(rejected, [(1, record)]);
        }
        records_are_cleaned(definition, &[data, &packed]);
    }
}

/// The message as the library sends it.
pub(crate) fn packed(message: &[u8]) -> Vec<u8> {
    [&MAGIC[..], message, Md5::digest(message).as_slice()].concat()
}
