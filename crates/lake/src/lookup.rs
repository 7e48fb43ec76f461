//! Looking rows up by where they came from.
//!
//! Only needed when a writer stopped between the quarantine's commit and the table's, so it may cost what it costs; file
//! statistics keep that low.

use std::collections::HashSet;

use arrow::array::AsArray;
use bytes::Bytes;
use deltalake_core::kernel::Snapshot;
use futures::TryStreamExt as _;
use object_store::{ObjectStoreExt as _, path::Path};
use parquet::{
    arrow::{ProjectionMask, arrow_reader::ParquetRecordBatchReaderBuilder},
    errors::ParquetError,
};
use serde::Deserialize;

use crate::{error::Error, place::Place, schema::ORIGIN, sequence::SequenceNumber, source::Source};

/// Which of `numbers` the table holds rows of, as of its newest version.
pub(crate) async fn stored(
    place: &Place,
    source: &Source,
    numbers: &[SequenceNumber],
) -> Result<HashSet<SequenceNumber>, Error> {
    let mut wanted: Vec<(String, SequenceNumber)> =
        numbers.iter().map(|number| (source.origin(number), *number)).collect();
    wanted.sort();
    let (Some(first), Some(last)) = (wanted.first(), wanted.last()) else {
        return Ok(HashSet::new());
    };

    let mut found = HashSet::new();
    for path in files(place, &first.0, &last.0).await? {
        let key = place.key(&path);
        let file = place.store().get(&key).await.map_err(Error::store("read", &key))?;
        let bytes = file.bytes().await.map_err(Error::store("read", &key))?;
        for origin in origins(bytes).map_err(|source| Error::Parquet {
            action: "decode",
            table: place.name().to_owned(),
            source,
        })? {
            if let Ok(at) = wanted.binary_search_by(|(wanted, _)| wanted.as_str().cmp(&origin)) {
                found.insert(wanted[at].1);
            }
        }
    }
    Ok(found)
}

/// The files of the newest version that may hold an origin between `first` and `last`.
async fn files(place: &Place, first: &str, last: &str) -> Result<Vec<Path>, Error> {
    let failed = |source| Error::Log {
        table: place.name().to_owned(),
        source,
    };
    let snapshot = Snapshot::try_new(place.log_store(), None).await.map_err(failed)?;
    let files: Vec<_> = snapshot
        .file_views(place.log_store(), None)
        .try_collect()
        .await
        .map_err(failed)?;
    let may_hold = |stats: Option<String>| {
        let bounds = stats.and_then(|stats| serde_json::from_str::<Bounds>(&stats).ok());
        bounds.is_none_or(|bounds| {
            bounds.min_values.origin.is_none_or(|least| least.as_str() <= last)
                && bounds
                    .max_values
                    .origin
                    .is_none_or(|greatest| first <= greatest.as_str())
        })
    };
    Ok(files
        .iter()
        .filter(|file| may_hold(file.stats()))
        .map(|file| file.object_store_path())
        .collect())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bounds {
    #[serde(default)]
    min_values: Bound,
    #[serde(default)]
    max_values: Bound,
}

#[derive(Deserialize, Default)]
struct Bound {
    #[serde(rename = "_origin")]
    origin: Option<String>,
}

/// The `_origin` of every row in a Parquet file.
fn origins(file: Bytes) -> Result<Vec<String>, ParquetError> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)?;
    let only_origin = ProjectionMask::columns(reader.parquet_schema(), [ORIGIN]);
    let mut origins = Vec::new();
    for batch in reader.with_projection(only_origin).build()? {
        let batch = batch?;
        if let Some(column) = batch
            .column_by_name(ORIGIN)
            .and_then(|column| column.as_string_opt::<i32>())
        {
            origins.extend(column.iter().flatten().map(str::to_owned));
        }
    }
    Ok(origins)
}
