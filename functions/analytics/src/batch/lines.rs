//! Cutting a text that comes in pieces into lines.
//!
//! # Invariants
//! - Every byte but the line ends is in exactly one line, in order (`lines_are_the_text`).

/// One line, or a part of one that cannot be had whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// From 1.
    pub(super) number: u64,
    /// Which part of the line, from 0.
    pub(super) part: u32,
    /// Without the line's end.
    pub(super) bytes: &'a [u8],
    /// Why this is not the whole line.
    pub(super) cut: Option<Cut>,
}

/// Why a line is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// The object breaks off, or is damaged, here.
    Damage,
    /// It is longer than is kept in memory, and comes in parts.
    Length,
}

impl Cut {
    /// As the quarantine says it, a predicate like the definitions' own.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Damage => "is cut off: its raw object is damaged there",
            Self::Length => "is part of a line that is too long",
        }
    }
}

/// Whether the quarantine holds, for this reason, something else than a whole record.
pub fn is_fragment(reason: &str) -> bool {
    [Cut::Damage, Cut::Length].iter().any(|cut| cut.reason() == reason)
}

/// The text so far.
#[derive(Debug)]
pub(super) struct Lines {
    pending: Vec<u8>,
    /// Lines that have ended.
    ended: u64,
    part: u32,
    longest: usize,
}

impl Lines {
    /// `longest`: more bytes of one line are not kept together.
    pub(super) fn new(longest: usize) -> Self {
        Self {
            pending: Vec::new(),
            ended: 0,
            part: 0,
            longest,
        }
    }

    /// Takes a piece of the text and hands out every line that ends in it. Blank lines are counted and not handed out.
    pub(super) fn push(&mut self, mut text: &[u8], mut each: impl FnMut(Line<'_>)) {
        while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = (&text[..end], &text[end + 1..]);
            text = rest;
            if self.pending.is_empty() && line.len() <= self.longest {
                self.hand_out(line, None, &mut each);
            } else {
                self.keep(line, &mut each);
                let line = std::mem::take(&mut self.pending);
                self.hand_out(&line, None, &mut each);
            }
            self.ended += 1;
            self.part = 0;
        }
        self.keep(text, &mut each);
    }

    /// The text is damaged here: what there is of a line is all that there will be of it.
    pub(super) fn damage(&mut self, mut each: impl FnMut(Line<'_>)) {
        let line = std::mem::take(&mut self.pending);
        self.hand_out(&line, Some(Cut::Damage), &mut each);
        self.ended += 1;
        self.part = 0;
    }

    /// The text ends here. A last line need not have an end.
    pub(super) fn finish(mut self, mut each: impl FnMut(Line<'_>)) {
        let line = std::mem::take(&mut self.pending);
        self.hand_out(&line, None, &mut each);
    }

    fn keep(&mut self, mut text: &[u8], each: &mut impl FnMut(Line<'_>)) {
        while self.pending.len() + text.len() > self.longest {
            let (now, later) = text.split_at(self.longest - self.pending.len());
            self.pending.extend_from_slice(now);
            text = later;
            let part = std::mem::take(&mut self.pending);
            self.hand_out(&part, Some(Cut::Length), each);
            self.part += 1;
        }
        self.pending.extend_from_slice(text);
    }

    fn hand_out(&self, bytes: &[u8], cut: Option<Cut>, each: &mut impl FnMut(Line<'_>)) {
        if !bytes.trim_ascii().is_empty() {
            each(Line {
                number: self.ended + 1,
                part: self.part,
                bytes,
                // The end of a line that came in parts is not the line either.
                cut: cut.or((self.part > 0).then_some(Cut::Length)),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Owned = (u64, u32, String, Option<Cut>);

    fn owned(line: Line<'_>) -> Owned {
        let text = String::from_utf8(line.bytes.to_vec()).unwrap();
        (line.number, line.part, text, line.cut)
    }

    fn lines(pieces: &[&str], longest: usize) -> Vec<Owned> {
        let (mut lines, mut found) = (Lines::new(longest), Vec::new());
        for piece in pieces {
            lines.push(piece.as_bytes(), |line| found.push(owned(line)));
        }
        lines.finish(|line| found.push(owned(line)));
        found
    }

    #[test]
    fn blank_lines_count_but_are_none() {
        let found = lines(&["a\n\n \r\nb\r\n", "c"], 100);
        let expected = [(1, "a"), (4, "b\r"), (5, "c")].map(|(number, text)| (number, 0, text.to_owned(), None));
        assert_eq!(found, expected);
    }

    #[test]
    fn a_long_line_comes_in_parts() {
        let found = lines(&["0123", "456789\nab\n"], 4);
        let part = |part, text: &str| (1, part, text.to_owned(), Some(Cut::Length));
        assert_eq!(
            found,
            [
                part(0, "0123"),
                part(1, "4567"),
                part(2, "89"),
                (2, 0, "ab".to_owned(), None)
            ]
        );
    }

    #[test]
    fn a_line_as_long_as_may_be_is_whole() {
        assert_eq!(lines(&["01", "23\n"], 4), [(1, 0, "0123".to_owned(), None)]);
    }

    #[test]
    fn damage_ends_a_line() {
        let (mut lines, mut found) = (Lines::new(100), Vec::new());
        lines.push(b"a\nhalf", |line| found.push(owned(line)));
        lines.damage(|line| found.push(owned(line)));
        lines.push(b"b\n", |line| found.push(owned(line)));
        assert_eq!(
            found,
            [
                (1, 0, "a".to_owned(), None),
                (2, 0, "half".to_owned(), Some(Cut::Damage)),
                (3, 0, "b".to_owned(), None)
            ]
        );
    }

    proptest! {
        #[test]
        fn lines_are_the_text(text in "[ab\n]{0,80}", cut in 1_usize..20, longest in 1_usize..12) {
            let pieces: Vec<&str> = text.as_bytes().chunks(cut).map(|piece| std::str::from_utf8(piece).unwrap()).collect();
            let found = lines(&pieces, longest);
            let joined: String = found.iter().map(|line| line.2.as_str()).collect();
            prop_assert_eq!(joined, text.replace('\n', ""));
            for (number, _, part, _) in &found {
                let line = text.split('\n').nth(usize::try_from(*number).unwrap() - 1).unwrap();
                prop_assert!(line.contains(part.as_str()));
                prop_assert!(part.len() <= longest);
            }
        }
    }
}
