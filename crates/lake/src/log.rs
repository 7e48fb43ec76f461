//! A table's log: commits as files, each created once and never changed.
//!
//! ```text
//! <table>/_delta_log/00000000000000000007.json    one JSON action a line
//! ```
//!
//! A version belongs to whoever creates its file: a conditional put is the only lock there is.

use std::sync::Arc;

use bytes::Bytes;
use deltalake_core::kernel::{Metadata, Protocol, Remove};
use futures::TryStreamExt as _;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, path::Path};
use serde::Deserialize;

use crate::{error::Error, watermarks::Txn};

/// The log of one table.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    store: Arc<dyn ObjectStore>,
    /// The table's folder, for messages and as the root of its keys.
    table: Path,
}

/// What became of an attempt to create a version.
#[derive(Debug)]
pub(crate) enum Put {
    /// The version is ours.
    Done,
    /// The version exists. It may be ours all the same: a repeated request whose first answer was lost sees its own work.
    Taken,
    /// No answer that tells. The version may exist, now or in a moment, and be ours.
    Unknown(Error),
}

/// What a writer has to know of a commit.
#[derive(Debug, Default)]
pub(crate) struct Commit {
    /// The unique id that its writer gave it.
    pub(crate) id: Option<String>,
    pub(crate) metadata: Option<Metadata>,
    pub(crate) protocol: Option<Protocol>,
    pub(crate) txns: Vec<Txn>,
    /// Files that it removed, relative to the table.
    pub(crate) removed: Vec<String>,
}

/// Versions that a listing found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    /// This version is the newest.
    UpToDate,
    /// The next versions are there, one by one.
    Continues,
    /// The version, or one after it, has been cleaned away: only a checkpoint knows what was in it.
    Broken,
}

impl Log {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, table: Path) -> Self {
        Self { store, table }
    }

    fn path(&self, version: u64) -> Path {
        self.table
            .clone()
            .join("_delta_log")
            .join(format!("{version:020}.json"))
    }

    /// Tries to create `version`.
    pub(crate) async fn put(&self, version: u64, body: Bytes) -> Put {
        let path = self.path(version);
        let create = PutOptions {
            mode: PutMode::Create,
            ..PutOptions::default()
        };
        match self.store.put_opts(&path, body.into(), create).await {
            Ok(_) => Put::Done,
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => Put::Taken,
            Err(error) => Put::Unknown(Error::store("write", &path)(error)),
        }
    }

    /// Reads `version`; `None` if there is none.
    pub(crate) async fn read(&self, version: u64) -> Result<Option<Commit>, Error> {
        let path = self.path(version);
        let body = match self.store.get(&path).await {
            Ok(found) => found.bytes().await.map_err(Error::store("read", &path))?,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(Error::store("read", &path)(error)),
        };
        parse(&body).map(Some).map_err(|source| Error::Commit {
            table: self.table.to_string(),
            version,
            source,
        })
    }

    /// Lists what comes after `version`, in one request for every thousand files.
    pub(crate) async fn tail(&self, version: u64) -> Result<Tail, Error> {
        let folder = self.table.clone().join("_delta_log");
        let listing = match version.checked_sub(1) {
            Some(before) => self.store.list_with_offset(Some(&folder), &self.path(before)),
            None => self.store.list(Some(&folder)),
        };
        let mut versions: Vec<u64> = listing
            .try_filter_map(|object| async move { Ok(object.location.filename().and_then(version_of)) })
            .try_collect()
            .await
            .map_err(Error::store("list", &folder))?;
        versions.sort_unstable();
        let contiguous = versions.iter().copied().eq((version..).take(versions.len()));
        Ok(match versions.len() {
            0 => Tail::Broken,
            _ if !contiguous => Tail::Broken,
            1 => Tail::UpToDate,
            _ => Tail::Continues,
        })
    }
}

/// The version of a commit's file name. Checkpoints, checksums and temporary files are none.
fn version_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".json")?;
    (digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// One line of a commit. Actions that say nothing to a writer (files added, …) are passed over.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    #[serde(rename = "metaData")]
    metadata: Option<Metadata>,
    protocol: Option<Protocol>,
    txn: Option<TxnLine>,
    remove: Option<Remove>,
    commit_info: Option<CommitInfo>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TxnLine {
    app_id: String,
    version: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CommitInfo {
    txn_id: Option<String>,
}

fn parse(body: &[u8]) -> Result<Commit, serde_json::Error> {
    let mut commit = Commit::default();
    for line in serde_json::Deserializer::from_slice(body).into_iter::<Line>() {
        let line = line?;
        commit.metadata = line.metadata.or(commit.metadata);
        commit.protocol = line.protocol.or(commit.protocol);
        commit.id = line.commit_info.and_then(|info| info.txn_id).or(commit.id);
        commit.removed.extend(line.remove.map(|remove| remove.path));
        commit.txns.extend(line.txn.map(|txn| Txn {
            app_id: txn.app_id,
            version: txn.version,
        }));
    }
    Ok(commit)
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    fn log() -> Log {
        Log::new(Arc::new(InMemory::new()), Path::from("tables/pin"))
    }

    async fn with_versions(versions: &[u64]) -> Log {
        let log = log();
        for version in versions {
            assert!(matches!(log.put(*version, Bytes::from_static(b"{}")).await, Put::Done));
        }
        log
    }

    #[tokio::test]
    async fn a_version_is_created_once() {
        let log = with_versions(&[3]).await;
        assert!(matches!(log.put(3, Bytes::new()).await, Put::Taken));
        assert!(log.read(3).await.unwrap().is_some());
        assert!(log.read(4).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn the_tail_tells_what_came_after() {
        for (versions, expected) in [
            (vec![0, 1, 2], Tail::UpToDate),
            (vec![2, 3, 4], Tail::Continues),
            (vec![0, 1], Tail::Broken),
            (vec![2, 4], Tail::Broken),
            (vec![3, 4], Tail::Broken),
            (vec![], Tail::Broken),
        ] {
            assert_eq!(
                with_versions(&versions).await.tail(2).await.unwrap(),
                expected,
                "{versions:?}"
            );
        }
        assert_eq!(with_versions(&[0]).await.tail(0).await.unwrap(), Tail::UpToDate);
    }

    #[test]
    fn only_commits_are_versions() {
        assert_eq!(version_of("00000000000000000012.json"), Some(12));
        for name in [
            "_last_checkpoint",
            "00000000000000000012.checkpoint.parquet",
            "12.json",
            "00000000000000000012.crc",
        ] {
            assert_eq!(version_of(name), None, "{name}");
        }
    }

    #[test]
    fn a_commit_is_read_for_what_matters_to_a_writer() {
        let body = concat!(
            r#"{"commitInfo":{"operation":"WRITE","txnId":"a-b"}}"#,
            "\n",
            r#"{"txn":{"appId":"pinlake/kinesis/s/0/0","version":5,"lastUpdated":1}}"#,
            "\n",
            r#"{"add":{"path":"x","size":1}}"#,
            "\n",
            r#"{"somethingNew":{"a":[1]}}"#,
            "\n",
        );
        let commit = parse(body.as_bytes()).unwrap();
        assert_eq!(commit.id.as_deref(), Some("a-b"));
        assert_eq!(
            commit.txns,
            [Txn {
                app_id: "pinlake/kinesis/s/0/0".into(),
                version: 5
            }]
        );
        assert!(commit.metadata.is_none() && commit.protocol.is_none());
        assert!(parse(b"{\"txn\":").is_err());
    }
}
