//! Rows to Parquet, in memory: a batch of a stream is a few megabytes at most.

use arrow::array::RecordBatch;
use bytes::Bytes;
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, Encoding, ZstdLevel},
    errors::ParquetError,
    file::{
        metadata::ParquetMetaData,
        properties::{EnabledStatistics, WriterProperties},
    },
    schema::types::ColumnPath,
};

use crate::schema::{INGESTED_AT, ORIGIN};

/// Level 3 was measured to cost a third more CPU than level 1 for one percent of the size.
const ZSTD_LEVEL: i32 = 1;
/// Rows in a row group. Streams stay far below; compacted files and batches get groups that readers can share out.
const ROW_GROUP_ROWS: usize = 1 << 20;
/// Past this size a column has too many distinct values for a dictionary to pay: what it holds is written once more for
/// the dictionary and once for the lookup. Low, so that columns of unique texts give up early and cost no hashing.
const DICTIONARY_BYTES: usize = 128 << 10;
/// Minima and maxima of longer texts are cut. An `_origin` stays whole, because re-deliveries are looked up by it.
const STATISTICS_BYTES: usize = 128;

/// An encoded file.
pub(crate) struct Encoded {
    pub(crate) bytes: Bytes,
    pub(crate) metadata: ParquetMetaData,
}

/// Encodes `rows` as one Parquet file.
pub(crate) fn encode(rows: &RecordBatch) -> Result<Encoded, ParquetError> {
    // Parquet is a tenth to a half of Arrow's size; starting there spares most of the growing.
    let mut buffer = Vec::with_capacity(rows.get_array_memory_size() / 4);
    let mut writer = ArrowWriter::try_new(&mut buffer, rows.schema(), Some(properties()?))?;
    writer.write(rows)?;
    let metadata = writer.close()?;
    Ok(Encoded {
        bytes: Bytes::from(buffer),
        metadata,
    })
}

/// How Pinlake writes Parquet: the stream's files, and the larger ones of compaction and batches.
///
/// # Errors
/// None for the constants that stand here.
pub fn properties() -> Result<WriterProperties, ParquetError> {
    Ok(WriterProperties::builder()
        .set_created_by(concat!("pinlake ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_statistics_truncate_length(Some(STATISTICS_BYTES))
        .set_dictionary_page_size_limit(DICTIONARY_BYTES)
        // Each origin is the one before with other last digits: no dictionary, but almost all of it is a shared prefix.
        .set_column_dictionary_enabled(ColumnPath::from(ORIGIN), false)
        .set_column_encoding(ColumnPath::from(ORIGIN), Encoding::DELTA_BYTE_ARRAY)
        .set_column_dictionary_enabled(ColumnPath::from(INGESTED_AT), false)
        .set_column_encoding(ColumnPath::from(INGESTED_AT), Encoding::DELTA_BINARY_PACKED)
        .build())
}
