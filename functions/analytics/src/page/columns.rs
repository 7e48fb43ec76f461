//! An answer's columns as text and numbers: what the table shows and the chart draws.

use arrow::{
    array::{Array, ArrayRef, AsArray},
    compute::{cast, rank},
    datatypes::{DataType, Float64Type},
    error::ArrowError,
    record_batch::RecordBatch,
    util::display::{ArrayFormatter, FormatOptions},
};

use super::words;

/// One column of an answer.
pub(super) struct Column {
    /// As the answer names it.
    pub(super) name: String,
    /// Whether its values are amounts: set to the right, thousands apart. A year is a number, but no amount.
    pub(super) amounts: bool,
    array: ArrayRef,
}

impl Column {
    /// All columns of an answer, in its order.
    pub(super) fn all(rows: &RecordBatch) -> Vec<Self> {
        let schema = rows.schema();
        let fields = schema.fields().iter().zip(rows.columns());
        fields
            .map(|(field, array)| Self {
                name: field.name().clone(),
                amounts: array.data_type().is_numeric() && !names_years(field.name()),
                array: array.clone(),
            })
            .collect()
    }

    /// Each value as it is shown; `None` where it is null.
    pub(super) fn texts(&self, rows: usize) -> Result<Vec<Option<String>>, ArrowError> {
        let options = FormatOptions::default().with_timestamp_format(Some("%Y-%m-%d %H:%M:%S"));
        let formatter = ArrayFormatter::try_new(&self.array, &options)?;
        let floats = match self.array.data_type() {
            kind if kind.is_floating() => Some(cast(&self.array, &DataType::Float64)?),
            _ => None,
        };
        let floats = floats.as_ref().map(|array| array.as_primitive::<Float64Type>());
        (0..rows.min(self.array.len()))
            .map(|row| {
                if self.array.is_null(row) {
                    return Ok(None);
                }
                let text = match floats {
                    Some(floats) if self.amounts => words::fraction(floats.value(row)),
                    _ => formatter.value(row).try_to_string()?,
                };
                Ok(Some(if self.amounts { words::grouped(&text) } else { text }))
            })
            .collect()
    }

    /// Each value as a number to draw; `None` where it is null or not finite. Fails if the column holds no numbers.
    pub(super) fn numbers(&self) -> Result<Vec<Option<f64>>, ArrowError> {
        if !self.array.data_type().is_numeric() {
            return Err(ArrowError::CastError(format!(
                "column `{}` holds no numbers",
                self.name
            )));
        }
        let floats = cast(&self.array, &DataType::Float64)?;
        let floats = floats.as_primitive::<Float64Type>();
        Ok(floats
            .iter()
            .map(|value| value.filter(|value| value.is_finite()))
            .collect())
    }

    /// Where each value stands among the others if they have an order of their own, as numbers and times do.
    pub(super) fn ranks(&self) -> Option<Vec<u32>> {
        let kind = self.array.data_type();
        (kind.is_numeric() || kind.is_temporal())
            .then(|| rank(&self.array, None).ok())
            .flatten()
    }

    /// Whether the values are whole years, among which one may be missing.
    pub(super) fn years(&self) -> bool {
        self.array.data_type().is_integer() && names_years(&self.name)
    }
}

fn names_years(column: &str) -> bool {
    column == "year" || column.ends_with("_year")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Decimal128Array, Float64Array, Int32Array, Int64Array, StringArray};

    use super::*;

    fn column(name: &str, array: ArrayRef) -> Column {
        let rows = RecordBatch::try_from_iter([(name, array)]).unwrap();
        Column::all(&rows).remove(0)
    }

    fn texts(column: &Column) -> Vec<String> {
        let texts = column.texts(usize::MAX).unwrap().into_iter();
        texts.map(|text| text.unwrap_or("null".to_owned())).collect()
    }

    #[test]
    fn amounts_are_grouped_exactly_and_years_are_not() {
        let big = Arc::new(Int64Array::from(vec![Some(i64::MAX), None, Some(-1_000)]));
        let followers = column("follower_count", big);
        assert!(followers.amounts);
        assert_eq!(texts(&followers), ["9,223,372,036,854,775,807", "null", "-1,000"]);

        let years = column("post_year", Arc::new(Int32Array::from(vec![2018])));
        assert!(!years.amounts);
        assert!(years.years());
        assert_eq!(texts(&years), ["2018"]);

        let exact = Decimal128Array::from(vec![123_456_789_i128]).with_precision_and_scale(12, 2);
        let exact = column("median", Arc::new(exact.unwrap()));
        assert_eq!(texts(&exact), ["1,234,567.89"]);
        assert_eq!(exact.numbers().unwrap(), [Some(1_234_567.89)]);
    }

    #[test]
    fn what_is_no_number_cannot_be_drawn() {
        let names = column("country", Arc::new(StringArray::from(vec!["Chad"])));
        assert!(names.numbers().is_err());
        assert!(names.ranks().is_none());
        let odd = column("x", Arc::new(Float64Array::from(vec![Some(f64::NAN), None, Some(2.0)])));
        assert_eq!(odd.numbers().unwrap(), [None, None, Some(2.0)]);
    }
}
