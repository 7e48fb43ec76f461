//! The shapes of Firehose's JSON 1.1: requests as they come, answers as they go.
//!
//! Fields of requests are optional here whatever the API says, because a missing one has an error of its own.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::protocol::{About, Blob};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutRecord {
    pub(super) delivery_stream_name: Option<String>,
    pub(super) record: Option<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutRecordBatch {
    pub(super) delivery_stream_name: Option<String>,
    pub(super) records: Option<Vec<Entry>>,
}

/// A record as clients send it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Entry {
    pub(super) data: Option<Blob>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DescribeDeliveryStream {
    pub(super) delivery_stream_name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListDeliveryStreams {
    pub(super) limit: Option<i64>,
    pub(super) delivery_stream_type: Option<String>,
    pub(super) exclusive_start_delivery_stream_name: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutRecordBatchOutput {
    pub(super) failed_put_count: usize,
    pub(super) encrypted: bool,
    pub(super) request_responses: Vec<PutResult>,
}

/// What became of one record.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum PutResult {
    #[serde(rename_all = "PascalCase")]
    Stored { record_id: String },
    #[serde(rename_all = "PascalCase")]
    Refused {
        error_code: &'static str,
        error_message: &'static str,
    },
}

macro_rules! about_a_stream {
    ($($request:ty),*) => {$(
        impl About for $request {
            fn stream(&self) -> Option<Cow<'_, str>> {
                self.delivery_stream_name.as_deref().map(Cow::from)
            }
        }
    )*};
}
about_a_stream!(PutRecord, PutRecordBatch, DescribeDeliveryStream);

impl About for ListDeliveryStreams {
    fn stream(&self) -> Option<Cow<'_, str>> {
        None
    }
}
