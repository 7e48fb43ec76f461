//! HTTP: one route, the operation in a header, JSON in and out.

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::post,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Kinesis, error::ApiError};

const JSON: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.1");
/// 10 MiB of data as base64, and the JSON around it.
const MOST_BODY_BYTES: usize = 20 * 1024 * 1024;

/// The endpoint. Signatures are not checked: what counts here is that a client sends what AWS would understand.
pub(super) fn router(kinesis: Kinesis) -> Router {
    Router::new()
        .route("/", post(answer))
        .layer(DefaultBodyLimit::max(MOST_BODY_BYTES))
        .with_state(kinesis)
}

async fn answer(State(kinesis): State<Kinesis>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers
        .get("x-amz-target")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let operation = target.strip_prefix("Kinesis_20131202.").unwrap_or_default();
    let (status, body) = match kinesis.call(operation, &body).await {
        Ok(Value::Null) => (StatusCode::OK, Body::empty()),
        Ok(answer) => (StatusCode::OK, Body::from(answer.to_string())),
        Err(error) => {
            tracing::debug!(operation, %error, "refused a request");
            let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (
                status,
                Body::from(json!({ "__type": error.kind, "message": error.message }).to_string()),
            )
        }
    };
    let mut response = (status, body).into_response();
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    if let Ok(id) = HeaderValue::from_str(&uuid::Uuid::new_v4().to_string()) {
        response.headers_mut().insert("x-amzn-requestid", id);
    }
    response
}

impl Kinesis {
    async fn call(&self, operation: &str, body: &[u8]) -> Result<Value, ApiError> {
        match operation {
            "CreateStream" => self.create_stream(parse(body)?).await,
            "DeleteStream" => self.delete_stream(parse(body)?).await,
            "DescribeStream" => self.describe_stream(parse(body)?),
            "DescribeStreamSummary" => self.describe_stream_summary(parse(body)?),
            "ListStreams" => self.list_streams(parse(body)?),
            "ListShards" => self.list_shards(parse(body)?),
            "PutRecord" => self.put_record(parse(body)?).await,
            "PutRecords" => self.put_records(parse(body)?).await,
            "GetShardIterator" => self.get_shard_iterator(parse(body)?).await,
            "GetRecords" => self.get_records(parse(body)?).await,
            _ => Err(ApiError::unknown_operation()),
        }
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| ApiError::serialization(error.to_string()))
}
