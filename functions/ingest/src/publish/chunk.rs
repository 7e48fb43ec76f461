//! Cutting records into requests that a service takes.

use std::ops::Range;

/// What one request may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChunkLimits {
    /// Records.
    pub(super) records: usize,
    /// Bytes of all records together, as the service counts them.
    pub(super) bytes: usize,
}

/// Cuts a row of records, of which only the sizes matter, into consecutive ranges within the limits. A record that is
/// larger than a whole request goes alone.
pub(super) fn chunks(sizes: &[usize], limits: ChunkLimits) -> Vec<Range<usize>> {
    let mut chunks = Vec::new();
    let (mut start, mut bytes) = (0, 0_usize);
    for (index, size) in sizes.iter().enumerate() {
        let full = index - start == limits.records || bytes.saturating_add(*size) > limits.bytes;
        if full && index > start {
            chunks.push(start..index);
            (start, bytes) = (index, 0);
        }
        bytes = bytes.saturating_add(*size);
    }
    if start < sizes.len() {
        chunks.push(start..sizes.len());
    }
    chunks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cuts_by_count_and_by_bytes() {
        let limits = ChunkLimits { records: 3, bytes: 10 };
        assert!(chunks(&[], limits).is_empty());
        assert_eq!(chunks(&[1; 7], limits), [0..3, 3..6, 6..7]);
        assert_eq!(chunks(&[5, 5, 1], limits), [0..2, 2..3]);
        assert_eq!(chunks(&[4, 11, 4], limits), [0..1, 1..2, 2..3]);
    }

    proptest! {
        #[test]
        fn chunks_respect_the_limits_and_lose_nothing(
            sizes in prop::collection::vec(0_usize..200, 0..300),
            records in 1_usize..20,
            bytes in 1_usize..500,
        ) {
            let chunks = chunks(&sizes, ChunkLimits { records, bytes });
            let mut next = 0;
            for chunk in chunks {
                prop_assert_eq!(chunk.start, next);
                prop_assert!(!chunk.is_empty() && chunk.len() <= records);
                prop_assert!(chunk.len() == 1 || sizes[chunk.clone()].iter().sum::<usize>() <= bytes);
                next = chunk.end;
            }
            prop_assert_eq!(next, sizes.len());
        }
    }
}
