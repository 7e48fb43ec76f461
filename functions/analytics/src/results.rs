//! Answers, kept: each as Parquet for engines and as JSON for everything else.
//!
//! ```text
//! results/<report>/run_date=YYYY-MM-DD/result.parquet
//!                                     /_result.json     {"report", "title", "question", "run_date", "columns", "rows"}
//! ```
//!
//! A report's folder is a table partitioned by `run_date`: engines that read it so skip names with an underscore in front,
//! which is why the JSON has one. In the JSON, `rows` are objects with the names of `columns`; numbers are numbers, dates
//! and times ISO 8601 text.
//!
//! # Invariants
//! - A file is replaced in one request: a reader sees the former answer or the new one
//!   (`a_second_run_replaces_the_first`).

mod json;

use arrow::error::ArrowError;
use bytes::Bytes;
use chrono::NaiveDate;
use object_store::{ObjectStoreExt as _, PutPayload};
use parquet::{arrow::ArrowWriter, errors::ParquetError};
use pinlake_lake::Lake;

use crate::report::{Answer, Report};

/// The file of an answer as Parquet, in [`folder`].
pub const RESULT_PARQUET: &str = "result.parquet";
/// The file of an answer as JSON, in [`folder`].
pub const RESULT_JSON: &str = "_result.json";

/// Why an answer was not kept.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// The answer cannot be written as Parquet.
    #[error("could not encode the answer of `{report}` as parquet")]
    Parquet {
        /// The report.
        report: String,
        /// What parquet said.
        source: ParquetError,
    },
    /// The answer cannot be written as JSON.
    #[error("could not encode the answer of `{report}` as json")]
    Json {
        /// The report.
        report: String,
        /// What the encoder said.
        source: serde_json::Error,
    },
    /// A value has no text.
    #[error("could not write out a value of the answer of `{report}`")]
    Value {
        /// The report.
        report: String,
        /// What arrow said.
        source: ArrowError,
    },
    /// The object store failed. Trying again later may help.
    #[error("could not write `{path}`")]
    Store {
        /// The object's key.
        path: String,
        /// What the store said.
        source: object_store::Error,
    },
}

/// The folder of a report's answer, below the lake's own: `results/<report>/run_date=YYYY-MM-DD`.
pub fn folder(report: &str, run_date: NaiveDate) -> String {
    format!("results/{report}/run_date={run_date}")
}

/// Writes an answer to the lake as [`RESULT_PARQUET`] and [`RESULT_JSON`], in the place of what the same day's runs wrote
/// before.
///
/// # Errors
/// The answer cannot be encoded, or the store fails. Nothing is written unless both files could be encoded.
pub async fn write(lake: &Lake, report: &Report, run_date: NaiveDate, answer: &Answer) -> Result<(), ResultsError> {
    let files = [
        (RESULT_PARQUET, encode_parquet(report, answer)?),
        (RESULT_JSON, json::encode(report, run_date, answer)?),
    ];
    for (name, bytes) in files {
        let path = lake.key(&format!("{}/{name}", folder(&report.name, run_date)));
        let put = lake.store().put(&path, PutPayload::from_bytes(bytes)).await;
        put.map_err(|source| ResultsError::Store {
            path: path.to_string(),
            source,
        })?;
    }
    Ok(())
}

fn encode_parquet(report: &Report, answer: &Answer) -> Result<Bytes, ResultsError> {
    let failed = |source| ResultsError::Parquet {
        report: report.name.clone(),
        source,
    };
    let mut buffer = Vec::new();
    let properties = pinlake_lake::parquet_properties().map_err(failed)?;
    let mut writer = ArrowWriter::try_new(&mut buffer, answer.rows.schema(), Some(properties)).map_err(failed)?;
    writer.write(&answer.rows).map_err(failed)?;
    writer.close().map_err(failed)?;
    Ok(buffer.into())
}
