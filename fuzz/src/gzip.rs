//! Compressed bodies.
//!
//! An input is a byte that chooses the door, a byte that says how the body is made, and the bytes it is made of.

use std::io::{Read as _, Write as _};

use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};

use super::{
    door::{Answer, DOORS, Door, with_api},
    far_end::small_bounds,
};

/// Holds for any compressed body: it is answered as the text in it would be, 413 if it or its text is larger than may be,
/// and 400 if it is no gzip.
pub fn check(data: &[u8]) {
    let [door, way, content @ ..] = data else { return };
    let door = &DOORS[usize::from(*door) % DOORS.len()];
    let bounds = small_bounds();
    let (body, text) = match way % 7 {
        0 => (content.to_vec(), unpacked(content, bounds.decompressed_bytes)),
        1 => (gzip(content), Some(content.to_vec())),
        // One member after the other.
        2 => (content.chunks(64).flat_map(gzip).collect(), Some(content.to_vec())),
        // A bomb: up to a megabyte from a few bytes, in up to three layers of which only the outermost is opened.
        3 => {
            let bomb = content.repeat((1 << 20) / content.len().max(1));
            (gzip(&bomb), Some(bomb))
        }
        4 => {
            let inner = gzip(&content.repeat(64));
            (gzip(&inner), Some(inner))
        }
        // Something behind the last member.
        5 => {
            let body = [gzip(content), content.to_vec()].concat();
            let text = unpacked(&body, bounds.decompressed_bytes);
            (body, text)
        }
        // Cut off.
        _ => {
            let mut body = gzip(content);
            body.truncate(body.len() * usize::from(*way) / 256);
            let text = unpacked(&body, bounds.decompressed_bytes);
            (body, text)
        }
    };
    let answer = with_api(true, |api| api.send(door, Some("gzip"), &body));
    match text {
        _ if body.len() > bounds.body_bytes => is_refused(&answer, 413),
        // No member at all is no gzip, whatever some decoders say.
        _ if body.is_empty() => is_refused(&answer, 400),
        Some(text) if text.len() > bounds.decompressed_bytes => is_refused(&answer, 413),
        Some(text) => is_answered_alike(door, &answer, &text, bounds.body_bytes),
        None => is_refused(&answer, 400),
    }
}

fn is_refused(answer: &Answer, status: u16) {
    assert!(answer.status == status && answer.stored.is_empty(), "{answer:?}");
}

fn is_answered_alike(door: &Door, answer: &Answer, text: &[u8], limit: usize) {
    // As it is, it might be a larger body than may be.
    if text.len() <= limit {
        let plain = with_api(true, |api| api.send(door, None, text));
        assert_eq!((answer.status, &answer.stored), (plain.status, &plain.stored));
    }
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    match encoder.write_all(text).and_then(|()| encoder.finish()) {
        Ok(packed) => packed,
        Err(error) => panic!("memory takes any bytes: {error}"),
    }
}

/// What is in a gzip text, one byte more than the limit at most; `None` if it is none.
fn unpacked(body: &[u8], limit: usize) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    let read = MultiGzDecoder::new(body).take(limit as u64 + 1).read_to_end(&mut text);
    (read.is_ok() || text.len() > limit).then_some(text)
}
