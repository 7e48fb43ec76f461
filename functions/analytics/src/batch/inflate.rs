//! Unpacking an object as far as it can be unpacked.
//!
//! gzip or plain text, told apart by the first bytes; gzip of one member or many. Where the bytes are damaged the text up
//! to there is kept, and the next member that can be found goes on. A reader that stops at the first error would throw
//! both away. Damaged bytes may unpack to rubbish for a while before an error shows, and so hide the beginning of the next
//! member: the last bytes before the error are searched as well.
//!
//! # Invariants
//! - An undamaged object gives its text, however the bytes are cut (`any_cut_gives_the_text`).
//! - Damage never takes what lies before it, nor a later member (`damage_costs_only_what_it_hit`).
//! - A step gives at most some tens of kilobytes, however well they were packed (`a_step_is_small`).

use std::io::Write as _;

use flate2::write::GzDecoder;

/// How every gzip member begins, with deflate as its method.
const MEMBER: [u8; 3] = [0x1f, 0x8b, 0x08];
/// Bits of the byte after it that no member sets.
const RESERVED_FLAGS: u8 = 0xe0;
/// What can be told of a beginning: [`MEMBER`] and the flags.
const SIGN: usize = MEMBER.len() + 1;
/// Taken from the input at a time, so that the place of damage is known about as well.
const STEP: usize = 4 << 10;
/// So many bytes before an error are searched again.
const RECENT: usize = 64 << 10;

/// Where an object could not be read on, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Break {
    /// About so many bytes into the object.
    pub(super) offset: u64,
    /// What is wrong, as a predicate: `is no gzip from here on`.
    pub(super) reason: &'static str,
}

/// Unpacks one object.
#[derive(Debug)]
pub(super) struct Inflate {
    state: State,
    offset: u64,
    /// Bytes to be looked at again before the input goes on.
    again: Vec<u8>,
}

#[derive(Debug)]
enum State {
    /// Nothing known yet; the bytes so far could still become a member.
    Start(Vec<u8>),
    Plain,
    Member(Box<Member>),
    /// Between members, or after the last one.
    Between,
    /// Damaged. The last few bytes, which may be the beginning of a member.
    Lost(Vec<u8>),
}

#[derive(Debug)]
struct Member {
    decoder: GzDecoder<Vec<u8>>,
    /// It was found after damage, and nothing has come out of it yet that would prove it to be one.
    unproven: bool,
    /// The last bytes that it was given.
    recent: Vec<u8>,
}

impl Member {
    fn begin(unproven: bool) -> State {
        State::Member(Box::new(Self {
            decoder: GzDecoder::new(Vec::new()),
            unproven,
            recent: Vec::new(),
        }))
    }

    fn remember(&mut self, bytes: &[u8]) {
        if self.recent.len() + bytes.len() > 2 * RECENT {
            self.recent.drain(..self.recent.len() - RECENT);
        }
        self.recent.extend_from_slice(bytes);
    }

    /// What to look at again, now that this has turned out to be damaged. Without its first byte, which may be its own
    /// beginning.
    fn again(self) -> Vec<u8> {
        let skipped = self.recent.len().saturating_sub(RECENT).max(1);
        self.recent.get(skipped..).unwrap_or_default().to_vec()
    }
}

impl Inflate {
    pub(super) fn new() -> Self {
        Self {
            state: State::Start(Vec::new()),
            offset: 0,
            again: Vec::new(),
        }
    }

    /// Takes a little of `input` and appends what it unpacks to. A break comes after the text that this call gives. To be
    /// called until the input is empty and nothing [`is_behind`](Self::is_behind).
    pub(super) fn step(&mut self, input: &mut &[u8], text: &mut Vec<u8>) -> Option<Break> {
        if self.is_behind() {
            let again = std::mem::take(&mut self.again);
            let mut rest = &again[..];
            let broken = self.take(&mut rest, text);
            self.again.extend_from_slice(rest);
            return broken;
        }
        let before = input.len();
        let broken = self.take(input, text);
        self.offset += (before - input.len()) as u64;
        broken
    }

    /// Whether there are bytes left that the input has given already.
    pub(super) fn is_behind(&self) -> bool {
        !self.again.is_empty()
    }

    fn take(&mut self, input: &mut &[u8], text: &mut Vec<u8>) -> Option<Break> {
        let piece = &input[..input.len().min(STEP)];
        match &mut self.state {
            State::Start(sign) => {
                sign.push(piece[0]);
                *input = &input[1..];
                if !MEMBER.starts_with(sign) {
                    text.append(sign);
                    self.state = State::Plain;
                } else if sign.len() == MEMBER.len() {
                    self.state = Member::begin(false);
                    return self.feed(&MEMBER, text).1;
                }
                None
            }
            State::Plain => {
                text.extend_from_slice(piece);
                *input = &input[piece.len()..];
                None
            }
            State::Between => {
                self.state = Member::begin(false);
                None
            }
            State::Member(_) => {
                let (taken, broken) = self.feed(piece, text);
                *input = &input[taken..];
                broken
            }
            State::Lost(tail) => {
                let mut seen = std::mem::take(tail);
                let known = seen.len();
                seen.extend_from_slice(piece);
                match seen.windows(SIGN).position(is_sign) {
                    Some(at) => {
                        // The sign may have begun in what was seen before; all of it goes to the decoder from here.
                        *input = &input[at + SIGN - known..];
                        self.state = Member::begin(true);
                        self.feed(&seen[at..at + SIGN], text).1
                    }
                    None => {
                        *input = &input[piece.len()..];
                        self.state = State::Lost(seen.split_off(seen.len().saturating_sub(SIGN - 1)));
                        None
                    }
                }
            }
        }
    }

    /// Gives bytes to the member; answers how many it took.
    fn feed(&mut self, piece: &[u8], text: &mut Vec<u8>) -> (usize, Option<Break>) {
        let State::Member(member) = &mut self.state else {
            return (0, None);
        };
        let written = member.decoder.write(piece);
        let ended = matches!(written, Ok(0));
        let checked = if ended || written.is_err() {
            // Also brings out what was unpacked before the error.
            member.decoder.try_finish()
        } else {
            Ok(())
        };
        let mut unpacked = std::mem::take(member.decoder.get_mut());
        // By chance four bytes look like a beginning now and then, but what follows does not look like JSON.
        let by_chance = member.unproven && unpacked.first().is_some_and(|byte| *byte != b'{');
        if written.is_err() || by_chance {
            member.remember(&piece[..1]);
            let told = if member.unproven {
                None
            } else {
                Some("is no gzip from there on, or damaged")
            };
            if !by_chance {
                text.append(&mut unpacked);
            }
            self.lose();
            return (1, told.map(|reason| self.broken(reason)));
        }
        member.unproven &= unpacked.is_empty();
        text.append(&mut unpacked);
        let taken = written.unwrap_or_default();
        member.remember(&piece[..taken]);
        if ended {
            self.state = State::Between;
        }
        let broken = checked
            .err()
            .map(|_| self.broken("has a gzip member whose checksum does not fit"));
        (taken, broken)
    }

    /// Gives up the member.
    fn lose(&mut self) {
        if let State::Member(member) = std::mem::replace(&mut self.state, State::Lost(Vec::new())) {
            self.again = member.again();
        }
    }

    /// Ends the object: appends what is left, and tells if it should have gone on. There may be bytes to be looked at
    /// again then; the object ends anew after them.
    pub(super) fn finish(&mut self, text: &mut Vec<u8>) -> Option<Break> {
        match &mut self.state {
            State::Start(sign) => {
                text.append(sign);
                None
            }
            State::Plain | State::Between | State::Lost(_) => None,
            State::Member(member) => {
                let told = !member.unproven;
                let ended = member.decoder.try_finish();
                let unpacked = member.decoder.get_mut();
                if told || unpacked.first() == Some(&b'{') {
                    text.append(unpacked);
                }
                match ended {
                    Ok(()) => {
                        self.state = State::Between;
                        None
                    }
                    Err(_) => {
                        self.lose();
                        told.then(|| self.broken("ends in the middle"))
                    }
                }
            }
        }
    }

    fn broken(&self, reason: &'static str) -> Break {
        Break {
            offset: self.offset,
            reason,
        }
    }
}

fn is_sign(bytes: &[u8]) -> bool {
    bytes[..MEMBER.len()] == MEMBER && bytes[MEMBER.len()] & RESERVED_FLAGS == 0
}

#[cfg(test)]
pub(super) mod tests {
    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    /// Unpacks in pieces of `cut` bytes; the text, with a `|` at each break.
    fn inflate(object: &[u8], cut: usize) -> (Vec<u8>, Vec<Break>) {
        let (mut inflate, mut text, mut breaks) = (Inflate::new(), Vec::new(), Vec::new());
        let pieces = object.chunks(cut).map(Some).chain([None]);
        for piece in pieces {
            let mut rest = piece.unwrap_or_default();
            if piece.is_none() {
                breaks.extend(inflate.finish(&mut text));
            }
            while !rest.is_empty() || inflate.is_behind() {
                if let Some(broken) = inflate.step(&mut rest, &mut text) {
                    text.push(b'|');
                    breaks.push(broken);
                }
            }
        }
        breaks.extend(inflate.finish(&mut text));
        (text, breaks)
    }

    /// Lines that do not pack too well.
    fn lines(count: u32) -> Vec<u8> {
        (0..count)
            .flat_map(|line: u32| {
                format!("{{\"ind\":{line},\"x\":{}}}\n", line.wrapping_mul(2_654_435_761)).into_bytes()
            })
            .collect()
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_text(members in prop::collection::vec(0_u32..60, 1..4), plain in any::<bool>(), cut in 1_usize..200) {
            let texts: Vec<_> = members.iter().map(|count| lines(*count)).collect();
            let object = if plain { texts.concat() } else { texts.iter().flat_map(|text| gzip(text)).collect() };
            prop_assert_eq!(inflate(&object, cut), (texts.concat(), vec![]));
        }

        #[test]
        fn nothing_makes_it_panic(object in prop::collection::vec(any::<u8>(), 0..300), cut in 1_usize..50, gzipped in any::<bool>()) {
            let object = if gzipped { [&MEMBER[..], &object].concat() } else { object };
            inflate(&object, cut);
        }

        #[test]
        fn a_cut_object_gives_its_beginning(length in 0.0_f64..1.0, cut in 1_usize..5_000) {
            let text = lines(3_000);
            let object = gzip(&text);
            // Less than a whole sign is plain text.
            let length = MEMBER.len() + ((object.len() - MEMBER.len()) as f64 * length) as usize;
            let (read, breaks) = inflate(&object[..length], cut);
            prop_assert!(text.starts_with(&read));
            prop_assert_eq!(breaks.len(), 1);
            // Deflate's blocks need some lead before they give anything.
            prop_assert!(read.len() + 100_000 > text.len() * length / object.len());
        }
    }

    #[test]
    fn an_empty_object_is_empty() {
        assert_eq!(inflate(b"", 10), (vec![], vec![]));
        assert_eq!(inflate(&gzip(b""), 10), (vec![], vec![]));
    }

    #[test]
    fn text_that_begins_like_gzip_is_text() {
        assert_eq!(inflate(&[0x1f], 1), (vec![0x1f], vec![]));
        assert_eq!(inflate(&[0x1f, 0x8b, b'x'], 1), (vec![0x1f, 0x8b, b'x'], vec![]));
    }

    #[test]
    fn damage_costs_only_what_it_hit() {
        let (first, second, third) = (lines(40_000), lines(5), lines(9));
        let mut object = gzip(&first);
        let hit = object.len() * 3 / 4;
        object[hit..hit + 16].fill(0xff);
        object.extend(gzip(&second));
        object.extend(gzip(&third));
        for cut in [1, 7, 1_000, 1 << 20] {
            let (text, breaks) = inflate(&object, cut);
            let at = text.iter().position(|byte| *byte == b'|').unwrap();
            let same = text[..at]
                .iter()
                .zip(&first)
                .take_while(|(read, was)| read == was)
                .count();
            // Bytes may unpack to something wrong for a while before the damage shows.
            assert!(
                same > first.len() / 2,
                "only {same} of {} before the damage",
                first.len()
            );
            let tail = String::from_utf8_lossy(&text[at..]);
            let later = String::from_utf8([second.clone(), third.clone()].concat()).unwrap();
            assert!(
                tail.ends_with(&later),
                "cut {cut}: {}",
                &tail[tail.len().saturating_sub(400)..]
            );
            assert_eq!(breaks.len(), 1, "{breaks:?}");
            // Deflate may find its way again, and then only the checksum at the end tells.
            assert!(breaks[0].offset + STEP as u64 > hit as u64, "{breaks:?}");
        }
    }

    #[test]
    fn what_is_no_gzip_after_a_member_is_told() {
        let object = [gzip(b"{}\n"), vec![0; 20]].concat();
        let (text, breaks) = inflate(&object, 5);
        assert_eq!(text, b"{}\n|");
        assert_eq!(breaks.len(), 1);
    }

    #[test]
    fn a_wrong_checksum_keeps_the_text_and_is_told() {
        let mut object = gzip(b"{\"a\":1}\n");
        let crc = object.len() - 8;
        object[crc] ^= 1;
        object.extend(gzip(b"{\"b\":2}\n"));
        let (text, breaks) = inflate(&object, 3);
        assert_eq!(text, b"{\"a\":1}\n|{\"b\":2}\n");
        assert_eq!(breaks.len(), 1);
        assert!(breaks[0].reason.contains("checksum"), "{breaks:?}");
    }

    #[test]
    fn a_chance_sign_after_damage_is_no_member() {
        // A stored block, which unpacks to what it holds: no JSON.
        let decoy = gzip(&[7; 64]);
        let object = [gzip(b"{}\n"), b"rubbish".to_vec(), decoy, gzip(b"{\"c\":3}\n")].concat();
        let (text, breaks) = inflate(&object, 11);
        assert_eq!(text, b"{}\n|{\"c\":3}\n");
        assert_eq!(breaks.len(), 1);
    }

    #[test]
    fn a_step_is_small() {
        let object = gzip(&vec![b' '; 50 << 20]);
        let (mut inflate, mut input) = (Inflate::new(), &object[..]);
        let mut total = 0;
        while !input.is_empty() || inflate.is_behind() {
            let mut text = Vec::new();
            assert_eq!(inflate.step(&mut input, &mut text), None);
            assert!(text.len() <= 256 << 10, "{} bytes at once", text.len());
            total += text.len();
        }
        let mut rest = Vec::new();
        assert_eq!(inflate.finish(&mut rest), None);
        assert_eq!(total + rest.len(), 50 << 20);
    }
}
