//! One record, one line: the raw objects are read back line by line.
//!
//! A payload without a line break goes as it is. One with line breaks that is JSON, as pretty-printed JSON is, can have
//! them between its tokens only: JSON texts escape theirs. There they mean as much as blanks, and each LF and CR becomes
//! one. A payload with line breaks that is no JSON, which gets here only when validation is off, has no such way: it
//! would come back as several records or as another one, so its sender is told. So is the sender of a blank
//! payload, which is no line that anybody would read.
//!
//! # Invariants
//! - What is taken is one line that is not blank, and reads as the same JSON (`a_line_is_one_and_means_the_same`).
//! - What has no line break is taken byte for byte (`a_line_is_one_and_means_the_same`).

use bytes::Bytes;
use pinlake_dataset::Rejection;
use serde::de::IgnoredAny;

/// The payload without a line break, or why it cannot be that.
pub(super) fn one_line(data: Bytes) -> Result<Bytes, Rejection> {
    let refused = |reason: &str| Rejection {
        field: None,
        reason: reason.into(),
    };
    if data.trim_ascii().is_empty() {
        return Err(refused("is blank, which is no line of a raw object"));
    }
    if !data.iter().any(is_line_break) {
        return Ok(data);
    }
    let is_json = str::from_utf8(&data).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
    if !is_json {
        return Err(refused(
            "has a line break and is no JSON, so it would be cut in a raw object",
        ));
    }
    let blank = |byte: &u8| if is_line_break(byte) { b' ' } else { *byte };
    Ok(data.iter().map(blank).collect())
}

/// The line with its end.
pub(super) fn end(line: &[u8]) -> Vec<u8> {
    let mut ended = Vec::with_capacity(self::ended(line));
    ended.extend_from_slice(line);
    ended.push(b'\n');
    ended
}

/// How many bytes the line has with its end.
pub(super) fn ended(line: &[u8]) -> usize {
    line.len() + 1
}

fn is_line_break(byte: &u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn taken(payload: &[u8]) -> Option<Vec<u8>> {
        one_line(Bytes::copy_from_slice(payload)).ok().map(|line| line.to_vec())
    }

    #[test]
    fn line_breaks_go_where_they_mean_nothing() {
        let cases: [(&[u8], Option<&[u8]>); 12] = [
            (b"{\"a\":1}", Some(b"{\"a\":1}")),
            (b"{\n  \"a\": 1\r\n}\n", Some(b"{   \"a\": 1  } ")),
            // An escaped line break is text and stays.
            (b"{\n\"a\":\"x\\ny\"}", Some(b"{ \"a\":\"x\\ny\"}")),
            (b"[1,\n2]", Some(b"[1, 2]")),
            (b"no JSON", Some(b"no JSON")),
            (b"\xff\x00", Some(b"\xff\x00")),
            (b"no JSON\nat all", None),
            (b"no JSON\r", None),
            // A raw line break inside of a JSON text is no JSON.
            (b"{\"a\":\"x\ny\"}", None),
            (b"{\"a\":1}\n{\"a\":2}", None),
            (b"{\n\"a\":\"\xff\"}", None),
            (b" \r\n", None),
        ];
        for (payload, expected) in cases {
            assert_eq!(
                taken(payload).as_deref(),
                expected,
                "{:?}",
                String::from_utf8_lossy(payload)
            );
        }
    }

    #[test]
    fn the_end_is_counted() {
        assert_eq!(end(b"ab"), b"ab\n");
        assert_eq!(ended(b"ab"), 3);
    }

    proptest! {
        #[test]
        fn a_line_is_one_and_means_the_same(
            pieces in prop::collection::vec(prop::sample::select(vec![
                "{", "}", "[", "]", ":", ",", "\"a\"", "\"\\n\"", "\"", "\\", "1", " ", "\n", "\r", "x",
            ]), 0..12),
        ) {
            let payload = pieces.concat();
            let before = serde_json::from_str::<serde_json::Value>(&payload).ok();
            let has_break = payload.contains(['\n', '\r']);
            match taken(payload.as_bytes()) {
                Some(line) => {
                    let line = String::from_utf8(line).unwrap();
                    prop_assert!(!line.contains(['\n', '\r']) && !line.trim().is_empty());
                    prop_assert_eq!(serde_json::from_str(&line).ok(), before);
                    prop_assert!(has_break || line == payload);
                    prop_assert_eq!(line.len(), payload.len());
                }
                // Nothing that is a row is refused.
                None => prop_assert!(before.is_none()),
            }
        }
    }
}
