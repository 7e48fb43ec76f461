//! Which files go together: bins of small files, partition by partition, in the order in which their rows came.
//!
//! # Invariants
//! - A file is in one bin at most; a bin has two files at least and one partition (`bins_hold_small_files_once`).
//! - A bin is no larger than the target (`bins_hold_small_files_once`).

use std::collections::BTreeMap;

use deltalake_core::kernel::{LogicalFileView, Remove};
use object_store::path::Path;
use serde::Deserialize;

/// The values of the partition columns.
pub(crate) type Partition = BTreeMap<String, Option<String>>;

/// A file of the newest version.
#[derive(Debug, Clone)]
pub(crate) struct File {
    /// What a commit says to remove it.
    pub(crate) remove: Remove,
    /// Relative to the table.
    pub(crate) path: Path,
    pub(crate) size_bytes: u64,
    /// `None` if the log does not say.
    pub(crate) rows: Option<u64>,
    /// When its first row came, in milliseconds since 1970, and when it was made; only the latter if the log does not say.
    arrived: (i64, i64),
}

impl From<&LogicalFileView> for File {
    fn from(view: &LogicalFileView) -> Self {
        let first = view.stats().and_then(|stats| first_arrival(&stats));
        Self {
            remove: view.remove_action(false),
            path: view.object_store_path(),
            size_bytes: u64::try_from(view.size()).unwrap_or_default(),
            rows: view.num_records().map(|rows| rows as u64),
            arrived: (
                first.unwrap_or_else(|| view.modification_time()),
                view.modification_time(),
            ),
        }
    }
}

impl File {
    fn partition(&self) -> Partition {
        let values = self.remove.partition_values.iter().flatten();
        values.map(|(column, value)| (column.clone(), value.clone())).collect()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statistics {
    min_values: Minima,
}

#[derive(Deserialize)]
struct Minima {
    #[serde(rename = "_ingested_at")]
    ingested_at: chrono::DateTime<chrono::Utc>,
}

/// The least `_ingested_at` in a file's statistics.
fn first_arrival(statistics: &str) -> Option<i64> {
    let statistics: Statistics = serde_json::from_str(statistics).ok()?;
    Some(statistics.min_values.ingested_at.timestamp_millis())
}

/// Files of one partition that are to become one file, in the order in which their rows came.
#[derive(Debug, Clone)]
pub struct Bin {
    pub(crate) partition: Partition,
    pub(crate) files: Vec<File>,
}

impl Bin {
    /// How many files there are.
    pub fn files(&self) -> usize {
        self.files.len()
    }

    /// Their size, in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size_bytes).sum()
    }

    /// The rows in them; `None` if the log does not say.
    pub fn rows(&self) -> Option<u64> {
        self.files.iter().map(|file| file.rows).sum()
    }

    /// `ingest_date=2026-11-24/ingest_path=stream`.
    pub fn partition(&self) -> String {
        let values = self.partition.iter();
        let named = values.map(|(column, value)| format!("{column}={}", value.as_deref().unwrap_or("null")));
        named.collect::<Vec<_>>().join("/")
    }
}

/// Packs small files into bins of `target` bytes at most. A file of three quarters of that is large enough: packing it
/// would move many bytes to save one file.
pub(crate) fn bins(files: &[File], target: u64) -> Vec<Bin> {
    let small = |file: &&File| file.size_bytes < target / 4 * 3;
    let mut partitions: BTreeMap<Partition, Vec<&File>> = BTreeMap::new();
    for file in files.iter().filter(small) {
        partitions.entry(file.partition()).or_default().push(file);
    }
    let pack = |(partition, mut files): (Partition, Vec<&File>)| {
        files.sort_by(|left, right| (left.arrived, &left.path).cmp(&(right.arrived, &right.path)));
        let mut bins: Vec<Bin> = Vec::new();
        for file in files {
            match bins.last_mut() {
                Some(bin) if bin.size_bytes() + file.size_bytes <= target => bin.files.push(file.clone()),
                _ => bins.push(Bin {
                    partition: partition.clone(),
                    files: vec![file.clone()],
                }),
            }
        }
        bins
    };
    partitions
        .into_iter()
        .flat_map(pack)
        .filter(|bin| bin.files.len() > 1)
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(partition: &str, arrived: i64, size_bytes: u64) -> File {
        let path = format!("day={partition}/{arrived}-{size_bytes}");
        File {
            remove: Remove {
                path: path.clone(),
                partition_values: Some([("day".to_owned(), Some(partition.to_owned()))].into()),
                ..Remove::default()
            },
            path: Path::from(path),
            size_bytes,
            rows: Some(1),
            arrived: (arrived, 0),
        }
    }

    fn sizes(files: &[File], target: u64) -> Vec<Vec<u64>> {
        let sizes = |bin: Bin| bin.files.iter().map(|file| file.size_bytes).collect();
        bins(files, target).into_iter().map(sizes).collect()
    }

    #[test]
    fn small_files_of_a_partition_go_together_oldest_first() {
        let files = [file("a", 3, 30), file("b", 1, 10), file("a", 1, 10), file("a", 2, 20)];
        assert_eq!(sizes(&files, 100), [[10, 20, 30]]);
        assert_eq!(bins(&files, 100)[0].partition(), "day=a");
    }

    #[test]
    fn nothing_to_gain_is_nothing_to_do() {
        for (files, target) in [
            (vec![], 100),
            (vec![file("a", 1, 10)], 100),
            // Large enough, both.
            (vec![file("a", 1, 75), file("a", 2, 80)], 100),
            // Small, but not two of them fit.
            (vec![file("a", 1, 60), file("a", 2, 60)], 100),
            (vec![file("a", 1, 10), file("b", 1, 10)], 100),
        ] {
            assert!(bins(&files, target).is_empty(), "{files:?}");
        }
    }

    #[test]
    fn a_full_bin_is_closed() {
        let files: Vec<_> = (1..=5).map(|at| file("a", at, 40)).collect();
        assert_eq!(sizes(&files, 100), [[40, 40], [40, 40]]);
    }

    #[test]
    fn the_first_arrival_is_read_from_statistics() {
        let statistics = r#"{"numRecords":1,"minValues":{"ind":1,"_ingested_at":"1970-01-01T00:00:01.500Z"}}"#;
        assert_eq!(first_arrival(statistics), Some(1500));
        assert_eq!(first_arrival(r#"{"numRecords":1}"#), None);
    }

    proptest! {
        #[test]
        fn bins_hold_small_files_once(
            files in prop::collection::vec((0..3_u8, 0..50_i64, 1..120_u64), 0..40),
            target in 1..120_u64,
        ) {
            let files: Vec<_> = files.into_iter().enumerate().map(|(index, (partition, arrived, size))| {
                let mut file = file(&partition.to_string(), arrived, size);
                file.path = Path::from(index.to_string());
                file
            }).collect();
            let bins = bins(&files, target);
            let mut packed: Vec<_> = bins.iter().flat_map(|bin| &bin.files).map(|file| file.path.clone()).collect();
            let before = packed.len();
            packed.sort();
            packed.dedup();
            prop_assert_eq!(packed.len(), before);
            for bin in &bins {
                prop_assert!(bin.files.len() > 1 && bin.size_bytes() <= target);
                prop_assert!(bin.files.iter().all(|file| file.partition() == bin.partition));
                prop_assert!(bin.files.is_sorted_by_key(|file| file.arrived));
            }
        }
    }
}
