//! How far mappings are in streams that are read by their API: a redb file, a row for each mapping and shard.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use redb::TableDefinition;

use super::StreamError;
use crate::database::File;

/// (mapping, stream, shard) → position.
const CHECKPOINTS: TableDefinition<'_, (&str, &str, &str), &str> = TableDefinition::new("checkpoints");

/// Where a mapping goes on in a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Position {
    /// At the oldest record that is kept.
    Oldest,
    /// At the first record that arrived since a moment, in milliseconds since 1970.
    Since(i64),
    /// After a record, by its sequence number.
    After(String),
}

/// Checkpoints in a file. Cheap to clone: clones are the same file.
#[derive(Clone)]
pub(super) struct Checkpoints(Arc<File>);

/// Why the file of checkpoints cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("could not open the checkpoints in `{}`", path.display())]
pub(super) struct OpenError {
    path: PathBuf,
    source: redb::Error,
}

impl Checkpoints {
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let open = || -> Result<File, redb::Error> {
            let database = File::open(path)?;
            let transaction = database.begin_write()?;
            transaction.open_table(CHECKPOINTS)?;
            transaction.commit()?;
            Ok(database)
        };
        let database = open().map_err(|source| OpenError {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self(Arc::new(database)))
    }

    pub(super) fn get(&self, mapping: &str, stream: &str, shard: &str) -> Result<Option<Position>, StreamError> {
        let table = self.0.begin_read()?.open_table(CHECKPOINTS)?;
        let position = table.get((mapping, stream, shard))?;
        position.map(|position| Position::parse(position.value())).transpose()
    }

    /// Whether a mapping has been in a stream.
    pub(super) fn knows(&self, mapping: &str, stream: &str) -> Result<bool, StreamError> {
        let table = self.0.begin_read()?.open_table(CHECKPOINTS)?;
        let mut after = table.range((mapping, stream, "")..)?;
        let next = after.next().transpose()?;
        Ok(next.is_some_and(|(key, _)| (key.value().0, key.value().1) == (mapping, stream)))
    }

    /// Remembers positions by shard, all or none.
    pub(super) fn save<'a>(
        &self,
        mapping: &str,
        stream: &str,
        positions: impl IntoIterator<Item = (&'a str, &'a Position)>,
    ) -> Result<(), StreamError> {
        let transaction = self.0.begin_write()?;
        {
            let mut table = transaction.open_table(CHECKPOINTS)?;
            for (shard, position) in positions {
                table.insert((mapping, stream, shard), position.to_text().as_str())?;
            }
        }
        transaction.commit()?;
        Ok(())
    }
}

impl Position {
    fn to_text(&self) -> String {
        match self {
            Self::Oldest => "oldest".into(),
            Self::Since(ms) => format!("since {ms}"),
            Self::After(number) => format!("after {number}"),
        }
    }

    fn parse(text: &str) -> Result<Self, StreamError> {
        let position = match text.split_once(' ') {
            None if text == "oldest" => Some(Self::Oldest),
            Some(("since", ms)) => ms.parse().ok().map(Self::Since),
            Some(("after", number)) => Some(Self::After(number.to_owned())),
            _ => None,
        };
        position.ok_or_else(|| format!("`{text}` is no position in a shard").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_outlive_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoints.redb");
        let positions = [
            ("a".to_owned(), Position::Oldest),
            ("b".to_owned(), Position::Since(1_800_000_000_123)),
            ("c".to_owned(), Position::After("49".into())),
        ];
        let checkpoints = Checkpoints::open(&path).unwrap();
        assert!(!checkpoints.knows("mapping", "stream").unwrap());
        let saved = positions.iter().map(|(shard, position)| (shard.as_str(), position));
        checkpoints.save("mapping", "stream", saved).unwrap();
        drop(checkpoints);
        let checkpoints = Checkpoints::open(&path).unwrap();
        assert!(checkpoints.knows("mapping", "stream").unwrap());
        assert!(!checkpoints.knows("mapping", "strea").unwrap());
        for (shard, position) in positions {
            assert_eq!(checkpoints.get("mapping", "stream", &shard).unwrap(), Some(position));
            assert_eq!(checkpoints.get("another", "stream", &shard).unwrap(), None);
            assert_eq!(checkpoints.get("mapping", "another", &shard).unwrap(), None);
        }
    }
}
