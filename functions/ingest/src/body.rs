//! A request's body, whole: within its limits, in time, and out of its gzip wrapping.

use std::{borrow::Cow, io::Read};

use axum::{
    body::{Body, HttpBody},
    extract::{FromRequest, FromRequestParts, Request},
    http::{
        HeaderMap,
        header::{CONTENT_ENCODING, CONTENT_TYPE},
    },
};
use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use http_body_util::BodyExt;
use tokio::time::timeout_at;

use crate::{app::App, deadline::Deadline, refusal::Refusal};

/// The whole body, decompressed.
#[derive(Debug)]
pub(crate) struct Payload {
    /// The body after gzip.
    pub(crate) bytes: Bytes,
    /// `Content-Type` in lower case, without parameters; empty if there is none.
    pub(crate) media_type: String,
}

impl FromRequest<App> for Payload {
    type Rejection = Refusal;

    async fn from_request(request: Request, app: &App) -> Result<Self, Refusal> {
        let (mut parts, body) = request.into_parts();
        let Deadline(deadline) = Deadline::from_request_parts(&mut parts, app).await?;
        let is_gzip = is_gzip(&parts.headers)?;
        let bounds = &app.settings.bounds;
        let bytes = timeout_at(deadline, collect(body, bounds.body_bytes))
            .await
            .map_err(|_| Refusal::Slow)??;
        let bytes = if is_gzip {
            gunzip(&bytes, bounds.decompressed_bytes)?
        } else {
            bytes
        };
        Ok(Self {
            bytes,
            media_type: media_type(&parts.headers),
        })
    }
}

/// Reads the body up to the limit. What goes beyond is dropped as it comes, up to three times as much again: a caller
/// that is still sending when the answer comes may never read it.
async fn collect(mut body: Body, limit: usize) -> Result<Bytes, Refusal> {
    let announced = body.size_hint().lower();
    let mut bytes = Vec::with_capacity(usize::try_from(announced).unwrap_or(limit).min(limit));
    let mut seen = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            tracing::info!(%error, "a body broke off");
            Refusal::malformed("the body could not be read to its end")
        })?;
        let Ok(data) = frame.into_data() else { continue };
        seen = seen.saturating_add(data.len());
        if seen <= limit {
            bytes.extend_from_slice(&data);
        } else if seen > limit.saturating_mul(4) {
            break;
        }
    }
    if seen > limit {
        Err(Refusal::BodyTooLarge { limit })
    } else {
        Ok(bytes.into())
    }
}

/// Whether the body is gzip; any other encoding is turned away.
fn is_gzip(headers: &HeaderMap) -> Result<bool, Refusal> {
    let encodings: Vec<String> = headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_ascii_lowercase())
        .collect();
    match encodings.join(", ").as_str() {
        "" | "identity" => Ok(false),
        "gzip" | "x-gzip" => Ok(true),
        _ => Err(Refusal::MediaType(Cow::Borrowed(
            "of all content encodings only gzip is taken",
        ))),
    }
}

/// Decompresses and stops at the limit, whatever the body claims to be: a bomb costs no more than that.
fn gunzip(bytes: &[u8], limit: usize) -> Result<Bytes, Refusal> {
    let mut inflated = Vec::new();
    let ceiling = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(bytes)
        .take(ceiling)
        .read_to_end(&mut inflated)
        .map_err(|_| Refusal::malformed("the body is no valid gzip"))?;
    if inflated.len() > limit {
        Err(Refusal::InflatedTooLarge { limit })
    } else {
        Ok(inflated.into())
    }
}

fn media_type(headers: &HeaderMap) -> String {
    let value = headers
        .get(CONTENT_TYPE)
        .map(|value| String::from_utf8_lossy(value.as_bytes()))
        .unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}
