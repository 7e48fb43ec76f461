//! File statistics as the Delta log has them, so that readers can leave out files without opening them.
//!
//! ```text
//! {"numRecords":3,"minValues":{"ind":1},"maxValues":{"ind":9},"nullCount":{"ind":0,"title":2}}
//! ```
//!
//! # Invariants
//! - A minimum is never above, a maximum never below, any value of its column (`bounds_hold_every_value`).

use arrow::{
    array::{Array, RecordBatch},
    datatypes::{DataType, SchemaRef, TimeUnit},
};
use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use parquet::file::{metadata::ParquetMetaData, statistics::Statistics};
use serde_json::{Map, Value, json};

use crate::schema::ORIGIN;

/// Characters of a text's bound that go into the log; the log is read by everybody, the file's own bounds by few.
const TEXT_CHARS: usize = 32;
/// Appended to a cut maximum: above whatever was cut off.
const TIE_BREAKER: char = char::MAX;

/// What a file's footer does not say of its columns: how many rows and how many nulls it was given.
#[derive(Debug)]
pub(crate) struct Counts {
    schema: SchemaRef,
    rows: usize,
    nulls: Vec<usize>,
}

impl Counts {
    /// Of no rows yet.
    pub(crate) fn new(schema: SchemaRef) -> Self {
        let nulls = vec![0; schema.fields().len()];
        Self { schema, rows: 0, nulls }
    }

    /// Adds rows of the same schema.
    pub(crate) fn add(&mut self, rows: &RecordBatch) {
        self.rows += rows.num_rows();
        for (nulls, column) in self.nulls.iter_mut().zip(rows.columns()) {
            *nulls += column.null_count();
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }
}

/// The statistics of a file that holds the rows counted, and was written with `metadata`.
pub(crate) fn statistics(counts: &Counts, metadata: &ParquetMetaData) -> String {
    let (mut minima, mut maxima, mut nulls) = (Map::new(), Map::new(), Map::new());
    for (field, null_count) in counts.schema.fields().iter().zip(&counts.nulls) {
        nulls.insert(field.name().clone(), (*null_count).into());
        // Only a leaf with the column's own name has bounds that mean something: a list's are those of its elements.
        let chunks: Vec<_> = metadata
            .row_groups()
            .iter()
            .flat_map(|group| group.columns())
            .filter(|chunk| chunk.column_path().parts() == [field.name().as_str()])
            .collect();
        let cut = if field.name() == ORIGIN { usize::MAX } else { TEXT_CHARS };
        let Some(known) = chunks
            .iter()
            .map(|chunk| chunk.statistics())
            .collect::<Option<Vec<_>>>()
        else {
            // A part without bounds could hold anything.
            continue;
        };
        if let Some((minimum, maximum)) = bounds(field.data_type(), &known, cut) {
            minima.insert(field.name().clone(), minimum);
            maxima.insert(field.name().clone(), maximum);
        }
    }
    json!({
        "numRecords": counts.rows,
        "minValues": minima,
        "maxValues": maxima,
        "nullCount": nulls,
    })
    .to_string()
}

/// The least and the greatest value of a column, as Delta writes them; `None` for types without an order in Delta, and
/// if no value is known.
fn bounds(kind: &DataType, chunks: &[&Statistics], cut: usize) -> Option<(Value, Value)> {
    match kind {
        DataType::Int32 | DataType::Int64 => {
            let (least, greatest) = integers(chunks)?;
            Some((least.into(), greatest.into()))
        }
        DataType::Date32 => {
            let (least, greatest) = integers(chunks)?;
            Some((date(least)?.into(), date(greatest)?.into()))
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let (least, greatest) = integers(chunks)?;
            Some((instant(least)?.into(), instant_above(greatest)?.into()))
        }
        DataType::Float64 => {
            let (least, greatest) = doubles(chunks)?;
            // JSON has no infinities.
            (least.is_finite() && greatest.is_finite()).then(|| (least.into(), greatest.into()))
        }
        DataType::Utf8 => {
            let least = chunks.iter().filter_map(|chunk| text(chunk.min_bytes_opt())).min()?;
            let greatest = chunks.iter().filter_map(|chunk| text(chunk.max_bytes_opt())).max()?;
            Some((
                least.chars().take(cut).collect::<String>().into(),
                cut_above(greatest, cut).into(),
            ))
        }
        _ => None,
    }
}

fn integers(chunks: &[&Statistics]) -> Option<(i64, i64)> {
    let values = |chunk: &&Statistics| match chunk {
        Statistics::Int32(values) => Some((i64::from(*values.min_opt()?), i64::from(*values.max_opt()?))),
        Statistics::Int64(values) => Some((*values.min_opt()?, *values.max_opt()?)),
        _ => None,
    };
    chunks
        .iter()
        .filter_map(values)
        .reduce(|left, right| (left.0.min(right.0), left.1.max(right.1)))
}

fn doubles(chunks: &[&Statistics]) -> Option<(f64, f64)> {
    let values = |chunk: &&Statistics| match chunk {
        Statistics::Double(values) => Some((*values.min_opt()?, *values.max_opt()?)),
        _ => None,
    };
    chunks
        .iter()
        .filter_map(values)
        .reduce(|left, right| (left.0.min(right.0), left.1.max(right.1)))
}

fn text(bytes: Option<&[u8]>) -> Option<&str> {
    std::str::from_utf8(bytes?).ok()
}

/// The text, or something short above it.
fn cut_above(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        None => text.to_owned(),
        Some((end, _)) => {
            // It is above any other character, but not above itself.
            let same = text[end..].chars().take_while(|char| *char == TIE_BREAKER);
            let kept = end + same.map(char::len_utf8).sum::<usize>();
            format!("{}{TIE_BREAKER}", &text[..kept])
        }
    }
}

fn date(days: i64) -> Option<String> {
    NaiveDate::from_epoch_days(i32::try_from(days).ok()?).map(|date| date.to_string())
}

/// A maximum. Delta has milliseconds here, and cutting rounds down, so it is rounded up; but not out of the years that
/// readers know: the last of them ends with the millisecond that is cut, which Delta's readers allow for.
fn instant_above(micros: i64) -> Option<String> {
    const LAST: i64 = 253_402_300_799_999_000;
    instant(micros.checked_add(999)?.min(LAST.max(micros)))
}

/// Cut to milliseconds.
fn instant(micros: i64) -> Option<String> {
    DateTime::<Utc>::from_timestamp_micros(micros).map(|instant| instant.to_rfc3339_opts(SecondsFormat::Millis, true))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, BinaryArray, BooleanArray, Date32Array, Float64Array, Int32Array, ListArray, StringArray,
        TimestampMicrosecondArray,
    };
    use arrow::datatypes::Float64Type;
    use proptest::prelude::*;

    use super::*;
    use crate::encode::encode;

    fn statistics_of(columns: Vec<(&str, ArrayRef)>) -> Value {
        let rows = RecordBatch::try_from_iter(columns).unwrap();
        let encoded = encode(&rows).unwrap();
        let mut counts = Counts::new(rows.schema());
        counts.add(&rows);
        serde_json::from_str(&statistics(&counts, &encoded.metadata)).unwrap()
    }

    #[test]
    fn each_type_is_written_as_delta_wants_it() {
        let micros = TimestampMicrosecondArray::from(vec![1_700_000_000_000_001, 1_700_000_000_123_456]);
        let list = ListArray::from_iter_primitive::<Float64Type, _, _>([Some(vec![Some(1.0), None]), None]);
        let statistics = statistics_of(vec![
            ("ind", Arc::new(Int32Array::from(vec![Some(-3), None]))),
            ("ratio", Arc::new(Float64Array::from(vec![0.5, 2.25]))),
            ("title", Arc::new(StringArray::from(vec!["b", "a"]))),
            ("day", Arc::new(Date32Array::from(vec![0, 19_000]))),
            ("at", Arc::new(micros.with_timezone("UTC"))),
            ("flag", Arc::new(BooleanArray::from(vec![true, false]))),
            ("payload", Arc::new(BinaryArray::from(vec![&b"x"[..], &b"y"[..]]))),
            ("coordinates", Arc::new(list)),
            ("nothing", Arc::new(StringArray::from(vec![None::<&str>, None]))),
        ]);
        assert_eq!(
            statistics,
            json!({
                "numRecords": 2,
                "minValues": {"ind": -3, "ratio": 0.5, "title": "a", "day": "1970-01-01", "at": "2023-11-14T22:13:20.000Z"},
                "maxValues": {"ind": -3, "ratio": 2.25, "title": "b", "day": "2022-01-08", "at": "2023-11-14T22:13:20.124Z"},
                "nullCount": {
                    "ind": 1, "ratio": 0, "title": 0, "day": 0, "at": 0, "flag": 0, "payload": 0, "coordinates": 1,
                    "nothing": 2,
                },
            })
        );
    }

    #[test]
    fn a_cut_text_is_below_its_bound() {
        let top = char::MAX;
        let thirty_two = "a".repeat(32);
        for (rest, bound) in [
            ("", String::new()),
            ("b", format!("{top}")),
            (&format!("{top}"), format!("{top}{top}")),
            (&format!("{top}{top}b"), format!("{top}{top}{top}")),
        ] {
            let text = thirty_two.clone() + rest;
            assert_eq!(cut_above(&text, 32), thirty_two.clone() + &bound);
            assert!(text <= cut_above(&text, 32));
        }
    }

    #[test]
    fn the_last_moment_has_a_bound_that_readers_know() {
        let last = 253_402_300_799_999_999;
        assert_eq!(instant_above(last).unwrap(), "9999-12-31T23:59:59.999Z");
        assert_eq!(instant_above(last - 999).unwrap(), "9999-12-31T23:59:59.999Z");
        assert_eq!(instant_above(last - 1999).unwrap(), "9999-12-31T23:59:59.998Z");
        assert_eq!(instant_above(0).unwrap(), "1970-01-01T00:00:00.000Z");
        assert_eq!(instant_above(1).unwrap(), "1970-01-01T00:00:00.001Z");
    }

    #[test]
    fn an_origin_is_not_cut() {
        let origin = format!("kinesis/pinlake-pin/shardId-000000000000/{}", "4".repeat(56));
        let statistics = statistics_of(vec![(ORIGIN, Arc::new(StringArray::from(vec![origin.as_str()])))]);
        assert_eq!(statistics["maxValues"][ORIGIN], origin);
    }

    proptest! {
        #[test]
        fn bounds_hold_every_value(texts in prop::collection::vec("(\\PC|\u{10FFFF}){0,80}", 1..20), halves in prop::collection::vec(any::<i32>(), 1..20)) {
            let doubles: Vec<f64> = halves.into_iter().map(|halves| f64::from(halves) / 2.0).collect();
            let rows = texts.len().min(doubles.len());
            let statistics = statistics_of(vec![
                ("text", Arc::new(StringArray::from(texts[..rows].to_vec()))),
                ("double", Arc::new(Float64Array::from(doubles[..rows].to_vec()))),
            ]);
            if let (Some(least), Some(greatest)) = (statistics["minValues"]["text"].as_str(), statistics["maxValues"]["text"].as_str()) {
                prop_assert!(texts[..rows].iter().all(|text| least <= text.as_str() && text.as_str() <= greatest));
            }
            if let (Some(least), Some(greatest)) = (statistics["minValues"]["double"].as_f64(), statistics["maxValues"]["double"].as_f64()) {
                prop_assert!(doubles[..rows].iter().all(|value| least <= *value && *value <= greatest));
            }
        }
    }
}
