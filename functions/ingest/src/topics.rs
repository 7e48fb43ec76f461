//! `/topics`: the Kafka REST Proxy v2 produce call, and what topics there are.

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use pinlake_dataset::Rejection;
use serde::Serialize;

use crate::{
    app::{App, TopicTarget},
    body::Payload,
    deadline::Deadline,
    intake::{self, Incoming, Placement, hash_key, is_partition_key},
    json::{Field, Fields, compact},
    kafka::{self, BinaryProduceRequest, Format, MEDIA_TYPE, ProduceAnswer, ProduceRequest, Topic},
    refusal::Refusal,
};

/// Produce records to a topic.
///
/// Each record is judged on its own: good ones are stored, and each bad one has its entry in `offsets` say why.
#[utoipa::path(
    post,
    path = "/topics/{topic}",
    operation_id = "produce",
    tag = "topics",
    params(("topic" = String, Path, description = "Its last word, after `.` or `-`, is the dataset", example = "0afff2eeb7e3.pin")),
    request_body(
        description = "May be gzip (`Content-Encoding: gzip`). In the binary format values are base64 text.",
        content(
            (ProduceRequest = "application/vnd.kafka.json.v2+json"),
            (BinaryProduceRequest = "application/vnd.kafka.binary.v2+json"),
            (ProduceRequest = "application/vnd.kafka.v2+json"),
            (ProduceRequest = "application/json"),
        )
    ),
    responses(
        (status = 200, description = "At least one record is stored", body = ProduceAnswer, content_type = "application/vnd.kafka.v2+json"),
        (status = 400, description = "Malformed request", body = kafka::Error, content_type = "application/vnd.kafka.v2+json"),
        (status = 404, description = "40401: no such topic", body = kafka::Error, content_type = "application/vnd.kafka.v2+json"),
        (status = 408, description = "40801: the body did not arrive in time", body = kafka::Error, content_type = "application/vnd.kafka.v2+json"),
        (status = 413, description = "Body too large, or too many records", body = kafka::Error, content_type = "application/vnd.kafka.v2+json"),
        (status = 415, description = "Content type or encoding not supported", body = kafka::Error, content_type = "application/vnd.kafka.v2+json"),
        (status = 422, description = "42203: no record is valid", body = ProduceAnswer, content_type = "application/vnd.kafka.v2+json"),
        (status = 429, description = "Nothing stored: come again, slower", body = ProduceAnswer, content_type = "application/vnd.kafka.v2+json",
            headers(("Retry-After" = i32, description = "Seconds"))),
        (status = 500, description = "50002: refused for good", body = ProduceAnswer, content_type = "application/vnd.kafka.v2+json"),
        (status = 503, description = "50003: nothing stored, come again", body = ProduceAnswer, content_type = "application/vnd.kafka.v2+json",
            headers(("Retry-After" = i32, description = "Seconds"))),
    )
)]
pub(crate) async fn produce(
    State(app): State<App>,
    TopicTarget(target): TopicTarget,
    Deadline(deadline): Deadline,
    payload: Payload,
) -> Result<Response, Refusal> {
    let incoming = read(&app, &payload)?;
    let fates = intake::take_in(
        &app.settings,
        &target.definition,
        app.firehose.as_ref(),
        incoming,
        deadline,
    )
    .await;
    let refusal = intake::verdict(&fates);
    let mut response = answer(ProduceAnswer::new(&fates, refusal.as_ref()));
    response
        .extensions_mut()
        .insert(intake::tally(&target.definition, &fates, payload.bytes.len()));
    Ok(match refusal {
        Some(refusal) => refusal.mark(response),
        None => response,
    })
}

/// List the topics: one per dataset.
#[utoipa::path(
    get,
    path = "/topics",
    operation_id = "list_topics",
    tag = "topics",
    responses((status = 200, description = "The datasets' names", body = Vec<String>, content_type = "application/vnd.kafka.v2+json"))
)]
pub(crate) async fn list(State(app): State<App>) -> Response {
    answer(
        app.catalog
            .iter()
            .map(|definition| definition.name().to_string())
            .collect::<Vec<_>>(),
    )
}

/// Describe a topic.
#[utoipa::path(
    get,
    path = "/topics/{topic}",
    operation_id = "describe_topic",
    tag = "topics",
    params(("topic" = String, Path, description = "Its last word, after `.` or `-`, is the dataset", example = "0afff2eeb7e3.pin")),
    responses(
        (status = 200, description = "The topic is there and takes records", body = Topic, content_type = "application/vnd.kafka.v2+json"),
        (status = 404, description = "40401: no such topic", body = kafka::Error, content_type = "application/vnd.kafka.v2+json"),
        (status = 429, description = "Come again, slower", body = kafka::Error, content_type = "application/vnd.kafka.v2+json"),
        (status = 500, description = "50002: refused for good", body = kafka::Error, content_type = "application/vnd.kafka.v2+json"),
        (status = 503, description = "50003: come again", body = kafka::Error, content_type = "application/vnd.kafka.v2+json"),
    )
)]
pub(crate) async fn describe(
    State(app): State<App>,
    TopicTarget(target): TopicTarget,
    Deadline(deadline): Deadline,
) -> Result<Response, Refusal> {
    app.firehose
        .probe(target.definition.name(), deadline)
        .await
        .map_err(Refusal::Failed)?;
    Ok(answer(Topic::new(target.name)))
}

fn answer(body: impl Serialize) -> Response {
    let mut response = Json(body).into_response();
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    response
}

fn read(app: &App, payload: &Payload) -> Result<Vec<Incoming>, Refusal> {
    let format = Format::of(&payload.media_type)?;
    let records = Fields::of_body(&payload.bytes)?.require(&["records"])?.list()?;
    let limit = app.settings.bounds.batch_records;
    if records.len() > limit {
        return Err(Refusal::TooManyRecords {
            count: records.len(),
            limit,
        });
    }
    records
        .iter()
        .map(|record| read_record(format, &payload.bytes, record))
        .collect()
}

fn read_record(format: Format, body: &Bytes, record: &Field<'_>) -> Result<Incoming, Refusal> {
    let fields = Fields::of(record)?;
    if let Some(partition) = fields.get(&["partition"])?
        && !is_partition(partition.raw())
    {
        return Err(partition.must("be a whole number below 2^31"));
    }
    let key = fields.get(&["key"])?;
    let value = fields.get_any(&["value"])?;
    let data = match (format, value) {
        // A record without a value is Kafka's way to delete a key; it is no row.
        (_, None) => Err(Rejection {
            field: None,
            reason: "has no value".into(),
        }),
        (Format::Json, Some(value)) => Ok(body.slice_ref(value.raw().as_bytes())),
        (Format::Binary, Some(value)) => value.base64().ok_or_else(|| Rejection {
            field: None,
            reason: "has a value that is no base64 text".into(),
        }),
    };
    let partition_key = key.map(|key| partition_key(format, &key)).transpose()?;
    Ok(Incoming {
        data,
        placement: Placement {
            partition_key: partition_key.flatten(),
            explicit_hash_key: None,
        },
    })
}

/// Whether a JSON value is a number that a partition can have. `1.0` is one: JSON has no other numbers than these.
fn is_partition(raw: &str) -> bool {
    let number = raw.parse::<f64>().ok().filter(|number| number.fract() == 0.0);
    number.is_some_and(|number| (0.0..=f64::from(i32::MAX)).contains(&number))
}

/// The record's key as a partition key: as it is if it can be, else its hash, which keeps equal keys together just as
/// well. An empty key is none.
fn partition_key(format: Format, key: &Field<'_>) -> Result<Option<String>, Refusal> {
    let bytes = match format {
        Format::Json if key.is_text() => Bytes::from(key.text()?),
        Format::Json => Bytes::from(compact(key.raw())),
        Format::Binary => key.base64().ok_or_else(|| key.must("be base64 text"))?,
    };
    if bytes.is_empty() {
        return Ok(None);
    }
    Ok(Some(match std::str::from_utf8(&bytes) {
        Ok(text) if is_partition_key(text) => text.to_owned(),
        _ => hash_key(&bytes),
    }))
}
