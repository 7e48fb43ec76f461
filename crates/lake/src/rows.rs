//! Rows on their way into a table: values, and for each row where and when it came.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{ArrayRef, BooleanArray, RecordBatch, StringArray, StringBuilder, TimestampMicrosecondArray},
    compute::filter_record_batch,
    datatypes::{Field, Schema},
    error::ArrowError,
};

use crate::{
    schema::{INGESTED_AT, ORIGIN, timestamp},
    sequence::SequenceNumber,
    source::Source,
};

/// Microseconds in a day.
const DAY_MICROS: i64 = 86_400_000_000;

/// Rows of one source, in the order in which they came.
#[derive(Debug, Clone)]
pub struct Rows {
    records: RecordBatch,
    numbers: Vec<SequenceNumber>,
    ingested_at: Vec<i64>,
}

impl Rows {
    /// `records` with, for each, its sequence number and its arrival in microseconds since 1970, UTC.
    ///
    /// # Errors
    /// If the three are not equally long.
    pub fn new(records: RecordBatch, numbers: Vec<SequenceNumber>, ingested_at: Vec<i64>) -> Result<Self, ArrowError> {
        if records.num_rows() != numbers.len() || numbers.len() != ingested_at.len() {
            return Err(ArrowError::InvalidArgumentError(format!(
                "{} records, {} sequence numbers and {} arrival times",
                records.num_rows(),
                numbers.len(),
                ingested_at.len()
            )));
        }
        Ok(Self {
            records,
            numbers,
            ingested_at,
        })
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// No rows.
    pub fn none() -> Self {
        let records = RecordBatch::new_empty(Arc::new(Schema::empty()));
        Self {
            records,
            numbers: Vec::new(),
            ingested_at: Vec::new(),
        }
    }

    /// The lowest sequence number among the rows.
    pub fn lowest(&self) -> Option<SequenceNumber> {
        self.numbers.iter().min().copied()
    }

    pub(crate) fn numbers(&self) -> &[SequenceNumber] {
        &self.numbers
    }

    /// The rows whose sequence number passes. Costs nothing if all do.
    pub(crate) fn keep(self, pass: impl Fn(&SequenceNumber) -> bool) -> Result<Self, ArrowError> {
        let mask: Vec<bool> = self.numbers.iter().map(pass).collect();
        if mask.iter().all(|kept| *kept) {
            Ok(self)
        } else {
            self.masked(&mask)
        }
    }

    fn masked(&self, mask: &[bool]) -> Result<Self, ArrowError> {
        fn kept<T: Copy>(values: &[T], mask: &[bool]) -> Vec<T> {
            values
                .iter()
                .zip(mask)
                .filter(|(_, kept)| **kept)
                .map(|(value, _)| *value)
                .collect()
        }
        Ok(Self {
            records: filter_record_batch(&self.records, &BooleanArray::from(mask.to_vec()))?,
            numbers: kept(&self.numbers, mask),
            ingested_at: kept(&self.ingested_at, mask),
        })
    }

    /// The rows by the UTC day of their arrival, in days since 1970.
    pub(crate) fn by_day(&self) -> Result<BTreeMap<i32, Self>, ArrowError> {
        let day_of = |micros: &i64| i32::try_from(micros.div_euclid(DAY_MICROS)).unwrap_or(i32::MAX);
        let days: Vec<i32> = self.ingested_at.iter().map(day_of).collect();
        let mut parts = BTreeMap::new();
        for day in &days {
            if !parts.contains_key(day) {
                let mask: Vec<bool> = days.iter().map(|other| other == day).collect();
                let part = if mask.iter().all(|kept| *kept) {
                    self.clone()
                } else {
                    self.masked(&mask)?
                };
                parts.insert(*day, part);
            }
        }
        Ok(parts)
    }

    /// The records with `_ingested_at` and `_origin`.
    pub(crate) fn with_bookkeeping(&self, source: &Source) -> Result<RecordBatch, ArrowError> {
        use std::fmt::Write as _;

        let mut origins = StringBuilder::with_capacity(self.len(), self.len() * (source.as_str().len() + 57));
        for number in &self.numbers {
            write!(origins, "{source}/{number}").map_err(|error| ArrowError::ExternalError(Box::new(error)))?;
            origins.append_value("");
        }
        with_bookkeeping(&self.records, self.ingested_at.clone(), origins.finish())
    }
}

/// `records` with `_ingested_at`, in microseconds since 1970, UTC, and `_origin`.
///
/// # Errors
/// If the three are not equally long.
pub fn with_bookkeeping(
    records: &RecordBatch,
    ingested_at: Vec<i64>,
    origins: StringArray,
) -> Result<RecordBatch, ArrowError> {
    let ingested_at = TimestampMicrosecondArray::from(ingested_at).with_timezone("UTC");
    let schema = records.schema();
    let bookkeeping = [
        Arc::new(Field::new(INGESTED_AT, timestamp(), true)),
        Arc::new(Field::new(ORIGIN, arrow::datatypes::DataType::Utf8, true)),
    ];
    let fields: Vec<_> = schema.fields().iter().cloned().chain(bookkeeping).collect();
    let columns: Vec<ArrayRef> = records
        .columns()
        .iter()
        .cloned()
        .chain([Arc::new(ingested_at) as ArrayRef, Arc::new(origins)])
        .collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

#[cfg(test)]
mod tests {
    use arrow::array::{AsArray, Int32Array};
    use arrow::datatypes::Int32Type;

    use super::*;

    fn rows(count: i32, ingested_at: Vec<i64>) -> Rows {
        let records =
            RecordBatch::try_from_iter([("ind", Arc::new(Int32Array::from_iter_values(0..count)) as ArrayRef)])
                .unwrap();
        Rows::new(
            records,
            (0..count.cast_unsigned()).map(|n| u64::from(n).into()).collect(),
            ingested_at,
        )
        .unwrap()
    }

    #[test]
    fn unequal_lengths_are_refused() {
        let records = RecordBatch::try_from_iter([("ind", Arc::new(Int32Array::from(vec![1])) as ArrayRef)]).unwrap();
        assert!(Rows::new(records, vec![], vec![0]).is_err());
    }

    #[test]
    fn rows_are_kept_with_all_that_belongs_to_them() {
        let kept = rows(4, vec![10, 11, 12, 13])
            .keep(|number| *number > 1_u64.into())
            .unwrap();
        assert_eq!(kept.numbers, [2_u64.into(), 3_u64.into()]);
        assert_eq!(kept.ingested_at, [12, 13]);
        assert_eq!(kept.records.column(0).as_primitive::<Int32Type>().values(), &[2, 3]);
        assert_eq!(kept.lowest(), Some(2_u64.into()));
    }

    #[test]
    fn midnight_divides_a_batch() {
        let parts = rows(4, vec![DAY_MICROS - 1, DAY_MICROS, -1, DAY_MICROS + 5])
            .by_day()
            .unwrap();
        let sizes: Vec<_> = parts.iter().map(|(day, part)| (*day, part.len())).collect();
        assert_eq!(sizes, [(-1, 1), (0, 1), (1, 2)]);
    }

    #[test]
    fn bookkeeping_says_where_and_when() {
        let batch = rows(2, vec![5, 6])
            .with_bookkeeping(&Source::kinesis("s", "0"))
            .unwrap();
        assert_eq!(
            batch.column_by_name(ORIGIN).unwrap().as_string::<i32>().value(1),
            "kinesis/s/0/1"
        );
        assert_eq!(batch.column_by_name(INGESTED_AT).unwrap().data_type(), &timestamp());
    }
}
