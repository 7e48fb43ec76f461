//! Arrow builders, one per column, filled row by row.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BooleanBuilder, Date32Builder, Float64Builder, Int32Builder, Int64Builder, ListBuilder,
        StringBuilder, TimestampMicrosecondBuilder,
    },
    datatypes::Field,
};

use crate::{
    definition::{Kind, element},
    read::Cell,
};

/// The builder of one column.
#[derive(Debug)]
pub(crate) enum ColumnBuilder {
    Bool(BooleanBuilder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Float64(Float64Builder),
    Text(StringBuilder),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
    Floats(ListBuilder<Float64Builder>),
}

impl ColumnBuilder {
    pub(crate) fn new(kind: Kind) -> Self {
        match kind {
            Kind::Bool => Self::Bool(BooleanBuilder::new()),
            Kind::Int32 => Self::Int32(Int32Builder::new()),
            Kind::Int64 => Self::Int64(Int64Builder::new()),
            Kind::Float64 => Self::Float64(Float64Builder::new()),
            Kind::Text => Self::Text(StringBuilder::new()),
            Kind::Date => Self::Date(Date32Builder::new()),
            Kind::Timestamp => Self::Timestamp(TimestampMicrosecondBuilder::new().with_timezone("UTC")),
            Kind::Floats => {
                let field: Arc<Field> = element();
                Self::Floats(ListBuilder::new(Float64Builder::new()).with_field(field))
            }
        }
    }

    /// Appends a cell of this column's kind. Whole numbers were checked against the kind's range when they were read,
    /// so nothing is cut here; a cell of another kind would be null, and readers make none.
    pub(crate) fn append(&mut self, cell: &Cell<'_>) {
        match (self, cell) {
            (Self::Bool(b), cell) => b.append_option(if let Cell::Bool(v) = cell { Some(*v) } else { None }),
            (Self::Int32(b), cell) => {
                b.append_option(if let Cell::Whole(v) = cell {
                    i32::try_from(*v).ok()
                } else {
                    None
                });
            }
            (Self::Int64(b), cell) => b.append_option(if let Cell::Whole(v) = cell { Some(*v) } else { None }),
            (Self::Float64(b), cell) => b.append_option(if let Cell::Float(v) = cell { Some(*v) } else { None }),
            (Self::Text(b), cell) => b.append_option(if let Cell::Text(v) = cell { Some(v) } else { None }),
            (Self::Date(b), cell) => b.append_option(if let Cell::Days(v) = cell { Some(*v) } else { None }),
            (Self::Timestamp(b), cell) => b.append_option(if let Cell::Micros(v) = cell { Some(*v) } else { None }),
            (Self::Floats(b), Cell::Floats(values)) => {
                b.values().append_slice(values);
                b.append(true);
            }
            (Self::Floats(b), _) => b.append(false),
        }
    }

    /// The column's array; the builder is empty afterwards.
    pub(crate) fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Bool(b) => Arc::new(b.finish()),
            Self::Int32(b) => Arc::new(b.finish()),
            Self::Int64(b) => Arc::new(b.finish()),
            Self::Float64(b) => Arc::new(b.finish()),
            Self::Text(b) => Arc::new(b.finish()),
            Self::Date(b) => Arc::new(b.finish()),
            Self::Timestamp(b) => Arc::new(b.finish()),
            Self::Floats(b) => Arc::new(b.finish()),
        }
    }
}
