//! `/streams`: Kinesis through an HTTP proxy, with payloads as plain JSON.

mod read;
mod wire;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};

use crate::{
    app::{App, StreamTarget},
    body::Payload,
    deadline::Deadline,
    intake,
    publish::kinesis::Description,
    refusal::Refusal,
    voice::AwsError,
};
use wire::{
    PutRecordAnswer, PutRecordRequest, PutRecordsAnswer, PutRecordsRequest, RecordLines, StreamAnswer, StreamList,
};

/// Put one record into a stream.
#[utoipa::path(
    method(put, post),
    path = "/streams/{stream}/record",
    tag = "streams",
    params(("stream" = String, Path, description = "Its last word, after `.` or `-`, is the dataset", example = "streaming-0afff2eeb7e3-pin")),
    request_body(
        description = "May be gzip (`Content-Encoding: gzip`).",
        content((PutRecordRequest = "application/json"), (PutRecordRequest = "application/x-amz-json-1.1"))
    ),
    responses(
        (status = 200, description = "Stored", body = PutRecordAnswer),
        (status = 400, description = "Malformed request", body = AwsError),
        (status = 404, description = "No such stream", body = AwsError),
        (status = 408, description = "The body did not arrive in time", body = AwsError),
        (status = 413, description = "Body or record too large", body = AwsError),
        (status = 415, description = "Content type or encoding not supported", body = AwsError),
        (status = 422, description = "The record is not as its dataset's definition says", body = AwsError),
        (status = 429, description = "Come again, slower", body = AwsError,
            headers(("Retry-After" = i32, description = "Seconds"))),
        (status = 500, description = "Refused for good", body = AwsError),
        (status = 503, description = "Come again", body = AwsError,
            headers(("Retry-After" = i32, description = "Seconds"))),
    )
)]
pub(crate) async fn put_record(
    State(app): State<App>,
    StreamTarget(target): StreamTarget,
    Deadline(deadline): Deadline,
    payload: Payload,
) -> Result<Response, Refusal> {
    let incoming = vec![read::record(&app, &target, &payload)?];
    let mut fates = intake::take_in(
        &app.settings,
        &target.definition,
        app.kinesis.as_ref(),
        incoming,
        deadline,
    )
    .await;
    let tally = intake::tally(&target.definition, &fates, payload.bytes.len());
    // One record in, one fate out; were there none, the record would not be stored.
    let mut response = match fates.pop().ok_or(Refusal::Broken)?.alone() {
        Ok(receipt) => Json(PutRecordAnswer::from(receipt)).into_response(),
        Err(refusal) => refusal.into_response(),
    };
    response.extensions_mut().insert(tally);
    Ok(response)
}

/// Put many records into a stream.
///
/// Each record is judged on its own: good ones are stored, and each bad one has its entry in `Records` say why.
#[utoipa::path(
    method(put, post),
    path = "/streams/{stream}/records",
    tag = "streams",
    params(("stream" = String, Path, description = "Its last word, after `.` or `-`, is the dataset", example = "streaming-0afff2eeb7e3-pin")),
    request_body(
        description = "JSON, or newline-delimited JSON: one record a line, empty lines skipped. May be gzip (`Content-Encoding: gzip`).",
        content(
            (PutRecordsRequest = "application/json"),
            (PutRecordsRequest = "application/x-amz-json-1.1"),
            (RecordLines = "application/x-ndjson"),
        )
    ),
    responses(
        (status = 200, description = "At least one record is stored", body = PutRecordsAnswer),
        (status = 400, description = "Malformed request", body = AwsError),
        (status = 404, description = "No such stream", body = AwsError),
        (status = 408, description = "The body did not arrive in time", body = AwsError),
        (status = 413, description = "Body too large, or too many records", body = AwsError),
        (status = 415, description = "Content type or encoding not supported", body = AwsError),
        (status = 422, description = "No record is as its dataset's definition says", body = PutRecordsAnswer),
        (status = 429, description = "Nothing stored: come again, slower", body = PutRecordsAnswer,
            headers(("Retry-After" = i32, description = "Seconds"))),
        (status = 500, description = "Refused for good", body = PutRecordsAnswer),
        (status = 503, description = "Nothing stored: come again", body = PutRecordsAnswer,
            headers(("Retry-After" = i32, description = "Seconds"))),
    )
)]
pub(crate) async fn put_records(
    State(app): State<App>,
    StreamTarget(target): StreamTarget,
    Deadline(deadline): Deadline,
    payload: Payload,
) -> Result<Response, Refusal> {
    let (incoming, lines) = read::records(&app, &target, &payload)?;
    let fates = intake::take_in(
        &app.settings,
        &target.definition,
        app.kinesis.as_ref(),
        incoming,
        deadline,
    )
    .await;
    let refusal = intake::verdict(&fates);
    let mut response = Json(PutRecordsAnswer::new(&fates, lines.as_deref(), refusal.as_ref())).into_response();
    response
        .extensions_mut()
        .insert(intake::tally(&target.definition, &fates, payload.bytes.len()));
    Ok(match refusal {
        Some(refusal) => refusal.mark(response),
        None => response,
    })
}

/// List the streams: one per dataset.
#[utoipa::path(
    get,
    path = "/streams",
    operation_id = "list_streams",
    tag = "streams",
    responses((status = 200, description = "The streams' names", body = StreamList))
)]
pub(crate) async fn list(State(app): State<App>) -> Json<StreamList> {
    let names = app
        .catalog
        .iter()
        .map(|definition| app.kinesis.stream_name(definition.name()));
    Json(StreamList {
        stream_names: names.collect(),
        has_more_streams: false,
    })
}

/// Describe a stream, as Kinesis DescribeStream does.
#[utoipa::path(
    get,
    path = "/streams/{stream}",
    operation_id = "describe_stream",
    tag = "streams",
    params(("stream" = String, Path, description = "Its last word, after `.` or `-`, is the dataset", example = "streaming-0afff2eeb7e3-pin")),
    responses(
        (status = 200, description = "The dataset's stream", body = StreamAnswer),
        (status = 404, description = "No such stream", body = AwsError),
        (status = 429, description = "Come again, slower", body = AwsError),
        (status = 500, description = "Refused for good", body = AwsError),
        (status = 503, description = "Come again", body = AwsError),
    )
)]
pub(crate) async fn describe(
    State(app): State<App>,
    StreamTarget(target): StreamTarget,
    Deadline(deadline): Deadline,
) -> Result<Json<StreamAnswer>, Refusal> {
    let stream_description: Description = app
        .kinesis
        .describe(target.definition.name(), deadline)
        .await
        .map_err(Refusal::Failed)?;
    Ok(Json(StreamAnswer { stream_description }))
}
