//! What every request shares: settings, definitions, and the ways to the streams.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};
use pinlake_dataset::{Catalog, Definition};
use pinlake_host::metrics::{Metrics, Teller};

use crate::{
    publish::{Firehose, Kinesis},
    refusal::Refusal,
    settings::Settings,
};

/// What every request shares. Cheap to clone.
#[derive(Clone)]
pub struct App {
    pub(crate) settings: Arc<Settings>,
    pub(crate) catalog: Arc<Catalog>,
    /// Takes what comes in by `/streams`.
    pub(crate) kinesis: Arc<Kinesis>,
    /// Takes what comes in by `/topics`.
    pub(crate) firehose: Arc<Firehose>,
    pub(crate) metrics: Metrics,
}

impl App {
    /// Puts the parts together: `/streams` goes to `kinesis`, `/topics` to `firehose`.
    pub fn new(settings: Settings, catalog: Catalog, kinesis: Kinesis, firehose: Firehose) -> Self {
        Self {
            settings: Arc::new(settings),
            catalog: Arc::new(catalog),
            kinesis: Arc::new(kinesis),
            firehose: Arc::new(firehose),
            metrics: Metrics::silent(Teller::Ingest),
        }
    }

    /// The same, telling its metrics. Without this it tells none.
    #[must_use]
    pub fn with_metrics(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
    }
}

/// The dataset that a path names: the last word of its stream or topic, after `.` or `-`.
pub(crate) struct Target {
    /// The stream or topic, as the caller calls it.
    pub(crate) name: String,
    pub(crate) definition: Arc<Definition>,
}

/// [`Target`] of a path below `/streams`.
pub(crate) struct StreamTarget(pub(crate) Target);

/// [`Target`] of a path below `/topics`.
pub(crate) struct TopicTarget(pub(crate) Target);

impl FromRequestParts<App> for StreamTarget {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        find(parts, app).await.map(Self).map_err(Refusal::UnknownStream)
    }
}

impl FromRequestParts<App> for TopicTarget {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        find(parts, app).await.map(Self).map_err(Refusal::UnknownTopic)
    }
}

/// Answers the name back if no dataset goes by it. A name that is no UTF-8 once decoded names none either.
async fn find(parts: &mut Parts, app: &App) -> Result<Target, String> {
    let Ok(Path(name)) = Path::<String>::from_request_parts(parts, app).await else {
        return Err("?".into());
    };
    match app.catalog.route(&name) {
        Some(definition) => Ok(Target {
            definition: definition.clone(),
            name,
        }),
        // An error message is no place for a name of any length.
        None => Err(name.chars().take(128).collect()),
    }
}
