//! The newest state of a table, as far as an appender must know it: version, schema, obligations, watermarks.
//!
//! The list of files is none of its business, so that a handle stays small however large the table is.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{Int64Type, Schema},
};
use chrono::{DateTime, Utc};
use deltalake_core::{
    DeltaTableError,
    kernel::{DataType, Metadata, Snapshot, StructField, StructType, engine::arrow_data::ArrowEngineData},
    logstore::LogStore,
};

use crate::{
    error::Error,
    log::Commit,
    protocol,
    schema::{self, Fit},
    sequence::SequenceNumber,
    source::Source,
    watermarks::{Txn, Watermarks},
};

/// What the handle of a table remembers.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) version: u64,
    pub(crate) metadata: Metadata,
    pub(crate) watermarks: Watermarks,
    /// How the writer's columns fit the table's; follows from `metadata`.
    pub(crate) fit: Fit,
    /// When the version was last known to be the newest.
    pub(crate) looked_at: DateTime<Utc>,
}

impl Head {
    /// The head of a table that has just been created as `wanted`, with version 0.
    pub(crate) fn created(table: &str, metadata: Metadata, wanted: &Schema, now: DateTime<Utc>) -> Result<Self, Error> {
        let fit = schema::reconcile(table, &metadata, wanted)?;
        let watermarks = Watermarks::default();
        Ok(Self {
            version: 0,
            metadata,
            watermarks,
            fit,
            looked_at: now,
        })
    }

    /// Reads the newest state from the log, checkpoints included; `None` if there is no table.
    ///
    /// # Errors
    /// [`Error::Unsupported`] or [`Error::Schema`] if the table cannot be written as `wanted`.
    pub(crate) async fn load(
        table: &str,
        log: &dyn LogStore,
        wanted: &Schema,
        now: DateTime<Utc>,
    ) -> Result<Option<Self>, Error> {
        let Some(snapshot) = snapshot(table, log).await? else {
            return Ok(None);
        };
        protocol::check(table, snapshot.protocol())?;
        let metadata = snapshot.metadata().clone();
        Ok(Some(Self {
            version: snapshot.version(),
            fit: schema::reconcile(table, &metadata, wanted)?,
            metadata,
            watermarks: watermarks(log, snapshot).await.map_err(|source| Error::Log {
                table: table.to_owned(),
                source,
            })?,
            looked_at: now,
        }))
    }

    /// Takes over the commit after the head's own version.
    ///
    /// # Errors
    /// As [`load`](Self::load): the commit may have changed the table into one that cannot be written any more. The head
    /// is of no use then.
    pub(crate) fn apply(&mut self, table: &str, commit: Commit, wanted: &Schema) -> Result<(), Error> {
        if let Some(protocol) = &commit.protocol {
            protocol::check(table, protocol)?;
        }
        if let Some(metadata) = commit.metadata {
            self.fit = schema::reconcile(table, &metadata, wanted)?;
            self.metadata = metadata;
        }
        commit.txns.iter().for_each(|txn| self.watermarks.apply(txn));
        self.version += 1;
        Ok(())
    }

    /// Remembers a commit of ours, which is the one after the head's own version.
    pub(crate) fn committed(&mut self, version: u64, source: &Source, watermark: &SequenceNumber, now: DateTime<Utc>) {
        self.version = version;
        self.looked_at = now;
        self.watermarks.set(source, watermark);
        if let Some(metadata) = self.fit.new_metadata.take() {
            self.metadata = metadata;
        }
    }
}

/// The newest version of a table as deltalake reads it; `None` if there is no table.
pub(crate) async fn snapshot(table: &str, log: &dyn LogStore) -> Result<Option<Snapshot>, Error> {
    let failed = |source: DeltaTableError| Error::Log {
        table: table.to_owned(),
        source,
    };
    if let Ok(snapshot) = Snapshot::try_new(log, None).await {
        return Ok(Some(snapshot));
    }
    // The absence of a table has as many errors as there are stores, but never a log.
    if !log.is_delta_table_location().await.map_err(failed)? {
        return Ok(None);
    }
    // Somebody has made it meanwhile, or it really cannot be read.
    Snapshot::try_new(log, None).await.map(Some).map_err(failed)
}

/// Every watermark of the table, in one pass over the log.
pub(crate) async fn watermarks(log: &dyn LogStore, snapshot: Snapshot) -> Result<Watermarks, DeltaTableError> {
    let mut watermarks = Watermarks::default();
    for (app_id, version) in transactions(log, snapshot).await? {
        watermarks.apply(&Txn { app_id, version });
    }
    Ok(watermarks)
}

/// The newest `txn` action of each app id, in one pass over the log.
///
/// deltalake offers `transaction_version` for one app id, which reads the log once for each. A watermark has an app id
/// for each limb and a table one watermark for each shard, so all are taken from a single replay instead.
pub(crate) async fn transactions(
    log: &dyn LogStore,
    snapshot: Snapshot,
) -> Result<BTreeMap<String, i64>, DeltaTableError> {
    let engine = log.engine(None);
    let scan = snapshot.into_scan_builder().build()?;
    let replay = move || {
        let actions = scan
            .snapshot()
            .log_segment()
            .read_actions(engine.as_ref(), txn_schema()?)?;
        // Newest first: the first mention of an app id is the one that holds.
        let mut newest = BTreeMap::new();
        for batch in actions {
            let batch: RecordBatch = ArrowEngineData::try_from_engine_data(batch?.actions)?.into();
            for txn in txns(&batch) {
                newest.entry(txn.app_id).or_insert(txn.version);
            }
        }
        Ok(newest)
    };
    // The replay blocks on requests that the runtime makes for it.
    tokio::task::spawn_blocking(replay)
        .await
        .map_err(|error| DeltaTableError::Generic(error.to_string()))?
}

/// The columns of the log to read: the `txn` actions and nothing else.
fn txn_schema() -> Result<Arc<StructType>, DeltaTableError> {
    let txn = StructType::try_new([
        StructField::not_null("appId", DataType::STRING),
        StructField::not_null("version", DataType::LONG),
    ])?;
    Ok(Arc::new(StructType::try_new([StructField::nullable("txn", txn)])?))
}

fn txns(batch: &RecordBatch) -> impl Iterator<Item = Txn> {
    let actions = batch
        .column_by_name("txn")
        .and_then(|column| column.as_struct_opt().cloned());
    let columns = actions.and_then(|actions| {
        let app_ids = actions.column_by_name("appId")?.as_string_opt::<i32>()?.clone();
        let versions = actions
            .column_by_name("version")?
            .as_primitive_opt::<Int64Type>()?
            .clone();
        Some((actions, app_ids, versions))
    });
    columns.into_iter().flat_map(|(actions, app_ids, versions)| {
        (0..actions.len())
            .filter(|row| actions.is_valid(*row) && app_ids.is_valid(*row) && versions.is_valid(*row))
            .map(|row| Txn {
                app_id: app_ids.value(row).to_owned(),
                version: versions.value(row),
            })
            .collect::<Vec<_>>()
    })
}
