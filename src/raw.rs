//! The raw objects: what was posted to `/topics`, as Firehose has filed it, a record per line.

use std::io::Read;

use anyhow::{Context, Result};
use flate2::read::MultiGzDecoder;
use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt, path::Path as Key};
use pinlake_dataset::DatasetName;
use pinlake_lake::Lake;

/// What the keys of a dataset's raw objects begin with.
pub(crate) fn prefix(dataset: &DatasetName) -> String {
    format!("raw/{dataset}/")
}

/// All records in a dataset's raw objects, in no particular order.
pub async fn records(lake: &Lake, dataset: &DatasetName) -> Result<Vec<Vec<u8>>> {
    let store = lake.store();
    let folder = Key::from_url_path(format!("{}{}", lake.url().path(), prefix(dataset)))?;
    let objects: Vec<_> = store
        .list(Some(&folder))
        .try_collect()
        .await
        .with_context(|| format!("could not list the raw objects of {dataset}"))?;
    let mut records = Vec::new();
    for object in objects {
        let packed = store.get(&object.location).await?.bytes().await?;
        let mut lines = Vec::new();
        MultiGzDecoder::new(&packed[..])
            .read_to_end(&mut lines)
            .with_context(|| format!("could not unpack {}", object.location))?;
        let lines = lines.split(|byte| *byte == b'\n');
        records.extend(lines.filter(|line| !line.is_empty()).map(<[u8]>::to_vec));
    }
    Ok(records)
}
