//! An event given to `stream`, twice, before a lake in memory.

use std::sync::Arc;

use arrow::array::AsArray;
use object_store::{ObjectStore as _, memory::InMemory};
use pinlake_host::{
    Lines,
    metrics::{Metrics, Teller},
};
use pinlake_lake::{INGEST_DATE, Kind, Lake, PAYLOAD, describe, read_table};
use pinlake_stream::{Error, Handler, Settings};
use serde_json::Value;

use super::cleaning::CATALOG;

/// A lake without tables.
pub(crate) fn lake() -> Lake {
    match Lake::with_store(Arc::new(InMemory::new()), "memory:///lake") {
        Ok(lake) => lake,
        Err(error) => panic!("no lake: {error}"),
    }
}

/// Holds for any event: it is refused and nothing of it is stored, or each of its records is a row or in the quarantine,
/// and a second delivery, to a function that knows nothing of the first, adds nothing. Answers how many records were
/// delivered.
pub(crate) fn is_stored_once(lake: &Lake, event: &[u8]) -> Option<u64> {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => panic!("no runtime: {error}"),
    };
    runtime.block_on(async {
        let first = deliver(lake, event).await;
        let stored = rows(lake).await;
        let Some(first) = first else {
            assert_eq!(stored, 0, "an event that was refused left rows");
            return None;
        };
        assert_eq!(first.written, stored);
        assert_eq!(first.written + first.skipped, first.delivered);
        let second = deliver(lake, event).await;
        let expected = Delivery {
            written: 0,
            skipped: first.delivered,
            ..first
        };
        assert_eq!(second, Some(expected));
        assert_eq!(rows(lake).await, stored, "a second delivery added rows");
        Some(first.delivered)
    })
}

/// Holds for any bytes as an event: see [`is_stored_once`]; and as many records are delivered as `count` finds in it.
pub(crate) fn is_stored_as_it_is(lake: &Lake, event: &[u8], count: impl FnOnce(&Value) -> Option<u64>) {
    let delivered = is_stored_once(lake, event);
    let sent = serde_json::from_slice(event).ok().and_then(|event| count(&event));
    // A text with a lone surrogate is no `Value`; of such an event the number of records is not known here.
    assert!(
        delivered.is_none() || sent.is_none() || delivered == sent,
        "{delivered:?} of {sent:?}"
    );
}

/// The payloads in the quarantine of a dataset.
pub(crate) fn quarantined(lake: &Lake, dataset: &str) -> Vec<Vec<u8>> {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => panic!("no runtime: {error}"),
    };
    let Some(definition) = CATALOG.route(dataset) else {
        panic!("a built-in dataset is missing");
    };
    let batches = match runtime.block_on(read_table(lake, Kind::Quarantine, definition.name())) {
        Ok(batches) => batches,
        Err(error) => panic!("the quarantine cannot be read: {error}"),
    };
    let payloads = batches.iter().filter_map(|batch| batch.column_by_name(PAYLOAD));
    payloads
        .flat_map(|payloads| {
            payloads
                .as_binary::<i32>()
                .iter()
                .flatten()
                .map(<[u8]>::to_vec)
                .collect::<Vec<_>>()
        })
        .collect()
}

/// What a function told of an event.
#[derive(Debug, PartialEq, Eq)]
struct Delivery {
    delivered: u64,
    /// Rows and rejects.
    written: u64,
    skipped: u64,
}

/// `None` if the event is refused, which must be because of the event.
async fn deliver(lake: &Lake, event: &[u8]) -> Option<Delivery> {
    let settings = Settings::from_lookup(|name| (name == "LAKE_URI").then(|| lake.url().to_string()));
    let told = Lines::default();
    let output = told.clone();
    let handler = settings.map(|settings| Handler::new(CATALOG.clone(), lake, &settings));
    let Ok(Ok(handler)) = handler else {
        panic!("no handler");
    };
    let handler = handler.with_metrics(Metrics::to(Teller::Stream, "Pinlake", move || output.clone()));
    match handler.invoke(event).await {
        Ok(answer) => assert_eq!(
            answer,
            b"{\"batchItemFailures\":[]}",
            "{}",
            String::from_utf8_lossy(&answer)
        ),
        Err(Error::Envelope(_) | Error::NoDataset { .. }) => return None,
        Err(error) => panic!(
            "a fault of the event was taken for one of the lake: {}",
            pinlake_host::chain(&error)
        ),
    }
    let Ok(lines) = told.json() else {
        panic!("metrics are no JSON");
    };
    let sum = |name: &str| lines.iter().filter_map(|line: &Value| line[name].as_u64()).sum();
    assert_eq!(sum("ReconciliationGap"), 0_u64);
    Some(Delivery {
        delivered: sum("RecordsDelivered"),
        written: sum("RowsWritten") + sum("RowsQuarantined"),
        skipped: sum("RecordsSkipped"),
    })
}

/// Rows of all tables and quarantines, whose days must be such as other programs read.
async fn rows(lake: &Lake) -> u64 {
    let mut rows = 0;
    for definition in CATALOG.iter() {
        for (kind, folder) in [(Kind::Table, "tables"), (Kind::Quarantine, "quarantine")] {
            let folder = lake.key(&format!("{folder}/{}", definition.name()));
            match lake.store().list_with_delimiter(Some(&folder)).await {
                Ok(found) => found
                    .common_prefixes
                    .iter()
                    .for_each(|folder| is_readable(folder.filename())),
                Err(error) => panic!("a folder cannot be listed: {error}"),
            }
            match describe(lake, kind, definition.name()).await {
                Ok(description) => rows += description.map_or(0, |description| description.rows),
                Err(error) => panic!("a table cannot be read: {error}"),
            }
        }
    }
    rows
}

/// A partition's folder is of a day of four, two and two digits.
fn is_readable(folder: Option<&str>) {
    let day = folder.and_then(|folder| folder.strip_prefix(INGEST_DATE)?.strip_prefix('='));
    let is_day = |day: &str| day.len() == 10 && day.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    assert!(day.is_none_or(is_day), "no reader takes {day:?} for a day");
}
