//! The API in one process: its router, and the scripted Kinesis and Firehose of its own tests behind the AWS SDK.

use std::{cell::RefCell, collections::BTreeMap};

use axum::{
    Router,
    body::Body,
    http::{Request, header::CONTENT_TYPE},
};
use http_body_util::BodyExt as _;
use pinlake_dataset::{Limits, check as judge};
use pinlake_ingest::{Settings, router};
use serde_json::Value;
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

use super::{
    cleaning::CATALOG,
    far_end::{FarEnd, app, small_bounds},
};

/// A way to send records.
pub(crate) struct Door {
    method: &'static str,
    /// As the OpenAPI document has it.
    pub(crate) path: &'static str,
    dataset: &'static str,
    media_type: Option<&'static str>,
}

const fn door(
    method: &'static str,
    path: &'static str,
    dataset: &'static str,
    media_type: Option<&'static str>,
) -> Door {
    Door {
        method,
        path,
        dataset,
        media_type,
    }
}

pub(crate) const RECORD: &str = "/streams/{stream}/record";
pub(crate) const RECORDS: &str = "/streams/{stream}/records";
pub(crate) const TOPIC: &str = "/topics/{topic}";

pub(crate) const DOORS: [Door; 8] = [
    door("PUT", RECORD, "user", Some("application/json")),
    door("POST", RECORD, "pin", None),
    door("PUT", RECORDS, "user", Some("application/x-amz-json-1.1")),
    door("POST", RECORDS, "geo", Some("application/x-ndjson")),
    door("POST", TOPIC, "user", Some("application/vnd.kafka.json.v2+json")),
    door("POST", TOPIC, "pin", Some("application/vnd.kafka.binary.v2+json")),
    door("POST", TOPIC, "geo", None),
    door("PUT", RECORDS, "pin", Some("text/plain")),
];

impl Door {
    pub(crate) fn takes_lines(&self) -> bool {
        self.media_type.is_some_and(|media_type| media_type.ends_with("ndjson"))
    }
}

/// An answer, and what had arrived behind the API when it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    /// Payloads, without the ends of lines.
    pub(crate) stored: Vec<Vec<u8>>,
}

/// The API, once per thread: a fuzz target has one thread, and tests do not get into each other's way.
pub(crate) struct Api {
    runtime: Runtime,
    router: Router,
    far_end: FarEnd,
    document: Value,
}

thread_local! {
    static APIS: RefCell<BTreeMap<bool, Api>> = const { RefCell::new(BTreeMap::new()) };
}

/// Runs `then` with the API, which judges records or leaves that to what comes after it.
pub(crate) fn with_api<T>(validation: bool, then: impl FnOnce(&Api) -> T) -> T {
    APIS.with_borrow_mut(|apis| then(apis.entry(validation).or_insert_with(|| Api::start(validation))))
}

impl Api {
    fn start(validation: bool) -> Self {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => panic!("no runtime: {error}"),
        };
        let settings = Settings {
            bounds: small_bounds(),
            validation,
            ..Settings::default()
        };
        let (app, far_end) = runtime.block_on(app(settings));
        let mut api = Self {
            runtime,
            router: router(app),
            far_end,
            document: Value::Null,
        };
        api.document = api.ask(Request::get("/openapi.json").body(Body::empty())).1;
        api
    }

    /// Sends a body through a door. Whatever it is, the answer is one that the OpenAPI document has, in its media type and
    /// with a message if it is no success; and what was stored is fit to be.
    pub(crate) fn send(&self, door: &Door, encoding: Option<&str>, body: &[u8]) -> Answer {
        self.far_end.forget();
        let path = door
            .path
            .replace("{stream}", door.dataset)
            .replace("{topic}", door.dataset);
        let mut request = Request::builder().method(door.method).uri(path);
        if let Some(media_type) = door.media_type {
            request = request.header(CONTENT_TYPE, media_type);
        }
        if let Some(encoding) = encoding {
            request = request.header("content-encoding", encoding);
        }
        let Asked(status, body, media_type) = self.ask(request.body(Body::from(body.to_vec())));
        let described = &self.document["paths"][door.path][door.method.to_lowercase()]["responses"][status.to_string()];
        assert!(status < 500, "{status}: {body}");
        assert!(
            described["content"][&media_type].is_object(),
            "{status} as {media_type} is not in the document: {body}"
        );
        assert!(
            status == 200 || body["message"].as_str().is_some_and(|message| !message.is_empty()),
            "{body}"
        );
        Answer {
            status,
            body,
            stored: self.stored(),
        }
    }

    fn ask(&self, request: Result<Request<Body>, axum::http::Error>) -> Asked {
        self.runtime.block_on(async {
            let request = match request {
                Ok(request) => request,
                Err(error) => panic!("no request: {error}"),
            };
            let Ok(answer) = self.router.clone().oneshot(request).await;
            let status = answer.status().as_u16();
            let media_type = answer
                .headers()
                .get(CONTENT_TYPE)
                .map(|value| value.as_bytes().to_vec());
            let body = match answer.into_body().collect().await {
                Ok(body) => body.to_bytes(),
                Err(error) => panic!("the answer breaks off: {error}"),
            };
            match serde_json::from_slice(&body) {
                Ok(body) => Asked(
                    status,
                    body,
                    String::from_utf8_lossy(&media_type.unwrap_or_default()).into_owned(),
                ),
                Err(error) => panic!("the answer is no JSON: {error}"),
            }
        })
    }

    fn stored(&self) -> Vec<Vec<u8>> {
        let lines = self.far_end.lines().into_iter().map(|line| {
            let Some((end, line)) = line.data.split_last() else {
                panic!("an empty line was stored");
            };
            assert!(
                *end == b'\n' && !line.contains(&b'\n') && !line.contains(&b'\r'),
                "not one line"
            );
            line.to_vec()
        });
        self.far_end
            .stored()
            .into_iter()
            .map(|put| put.data)
            .chain(lines)
            .collect()
    }
}

/// Status, body and media type.
struct Asked(u16, Value, String);

/// What the edge lets through is what the cleaner will take.
pub(crate) fn are_fit(door: &Door, stored: &[Vec<u8>]) {
    for record in stored {
        let verdict = CATALOG.route(door.dataset).map(|definition| {
            let limits = Limits {
                record_bytes: small_bounds().record_bytes,
                ..Limits::default()
            };
            judge(definition, limits, record)
        });
        assert!(matches!(verdict, Some(Ok(_))), "{verdict:?}");
    }
}
