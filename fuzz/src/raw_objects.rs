//! Raw objects as the daily cleaning reads them: gzip or not, damaged or not, of any length.
//!
//! An input is a byte that says how the object is made, a byte that says how it is cut into parts, and the bytes it is
//! made of. Made in one of four ways: the bytes themselves; their gzip; a gzip member for each piece of them; the members
//! with some of their bytes damaged.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};

use super::{inflate::Inflate, lines::Lines};

/// Far below the real limit, so that an input can reach it.
const LONGEST_LINE: usize = 200;
/// More than this may not come out of one step, however well it was packed.
const LARGEST_STEP: usize = 128 << 10;

/// What was read.
#[derive(Debug, Default, PartialEq, Eq)]
struct Read {
    /// The text, with its line ends.
    text: Vec<u8>,
    /// Of each line, or part of one: number, part, bytes, whether it is whole.
    lines: Vec<(u64, u32, Vec<u8>, bool)>,
    breaks: usize,
}

/// Holds for any object: reading ends, every byte of its text is in exactly one line, what is undamaged is read as it
/// was, no line is longer than may be, and no step gives more than a step's worth.
pub fn check(data: &[u8]) {
    let [way, cut, content @ ..] = data else { return };
    let cut = usize::from(*cut) + 1;
    let object = object(*way, content);
    let read = read(&object, cut);
    lines_are_the_text(&read);
    match way % 4 {
        0 if content.starts_with(&[0x1f, 0x8b, 0x08]) => {}
        0..3 => {
            assert_eq!(read.breaks, 0, "an undamaged object was called damaged");
            assert!(read.text == content, "an undamaged object was read wrongly");
        }
        // Damage never takes what lies before it; what follows it is found again if it begins like a record.
        _ => {}
    }
}

fn object(way: u8, content: &[u8]) -> Vec<u8> {
    match way % 4 {
        0 => content.to_vec(),
        1 => gzip(content),
        2 => content.chunks(64).flat_map(gzip).collect(),
        _ => {
            let mut object: Vec<u8> = content.chunks(64).flat_map(gzip).collect();
            let every = usize::from(way / 4) + 7;
            object
                .iter_mut()
                .skip(every)
                .step_by(every * 3)
                .for_each(|byte| *byte ^= way | 1);
            object
        }
    }
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    match encoder.write_all(text).and_then(|()| encoder.finish()) {
        Ok(object) => object,
        Err(error) => panic!("memory takes any bytes: {error}"),
    }
}

/// Reads as `Batch` does, in parts of `cut` bytes.
fn read(object: &[u8], cut: usize) -> Read {
    let (mut inflate, mut lines) = (Inflate::new(), Lines::new(LONGEST_LINE));
    let mut read = Read::default();
    let mut text = Vec::new();
    let mut parts = object.chunks(cut);
    // Each byte is looked at a bounded number of times, so reading ends.
    let mut steps = 0;
    loop {
        let part = parts.next();
        let mut input = part.unwrap_or_default();
        let mut broken = match part {
            Some(_) => None,
            None => inflate.finish(&mut text),
        };
        let mut went_back = false;
        loop {
            assert!(text.len() <= LARGEST_STEP, "a step gave {} bytes", text.len());
            read.text.extend_from_slice(&text);
            let mut keep = |line: super::lines::Line<'_>| {
                let whole = line.cut.is_none();
                read.lines.push((line.number, line.part, line.bytes.to_vec(), whole));
            };
            lines.push(&text, &mut keep);
            text.clear();
            if broken.is_some() {
                lines.damage(&mut keep);
                read.text.push(b'\n');
                read.breaks += 1;
            }
            if input.is_empty() && !inflate.is_behind() {
                break;
            }
            went_back |= part.is_none();
            broken = inflate.step(&mut input, &mut text);
            steps += 1;
            assert!(steps <= 1_000 + object.len() * 100, "reading does not end");
        }
        if part.is_none() && !went_back {
            break;
        }
    }
    lines.finish(|line| {
        let whole = line.cut.is_none();
        read.lines.push((line.number, line.part, line.bytes.to_vec(), whole));
    });
    read
}

/// The lines are the text: each in its place, in parts if it is too long, and none but the blank ones missing.
fn lines_are_the_text(read: &Read) {
    let mut lines = read.lines.iter().peekable();
    for (number, text) in (1_u64..).zip(read.text.split(|byte| *byte == b'\n')) {
        let mut rest = text;
        while let Some((_, part, bytes, whole)) = lines.next_if(|(found, ..)| *found == number) {
            assert!(bytes.len() <= LONGEST_LINE, "a line of {} bytes", bytes.len());
            assert!(
                !whole || (*part == 0 && bytes == text),
                "a part was taken for a whole line"
            );
            // Parts that are blank are left out.
            let at = usize::try_from(*part).map_or(usize::MAX, |part| part * LONGEST_LINE);
            let from = at.saturating_sub(text.len() - rest.len());
            let (blank, found) = rest.split_at(from.min(rest.len()));
            assert!(blank.trim_ascii().is_empty(), "bytes of line {number} are in no line");
            assert!(found.starts_with(bytes), "line {number} is not what was read");
            rest = &found[bytes.len()..];
        }
        assert!(rest.trim_ascii().is_empty(), "bytes of line {number} are in no line");
    }
    assert!(lines.next().is_none(), "there are more lines than text");
}
