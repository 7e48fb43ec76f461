//! The deployed handlers, as triggers see them: bytes of an event in, bytes of an answer out.

use std::{collections::BTreeMap, fmt, sync::Arc};

use anyhow::Result;
use async_trait::async_trait;
use bytes::Bytes;
use chrono::{TimeDelta, Utc};
use pinlake_analytics::Reports;
use pinlake_dataset::Catalog;
use pinlake_host::metrics::{Metrics, Teller};
use pinlake_lake::Lake;
use pinlake_local::{Function, InvokeError};

/// The functions of a pipeline, by the names that `template.yaml` gives them after the stack's.
#[derive(Clone)]
pub struct Functions(BTreeMap<&'static str, Arc<dyn Function>>);

/// The name of the function behind the API.
pub const INGEST: &str = "ingest";
/// The name of the function that streams are mapped to.
pub const STREAM: &str = "stream";
/// The name of the function that runs once a day.
pub const ANALYTICS: &str = "analytics";
/// The name of the function that runs once an hour.
pub const MAINTAIN: &str = "maintain";
/// All names.
pub(super) const NAMES: [&str; 4] = [INGEST, STREAM, ANALYTICS, MAINTAIN];

/// How long upkeep may take, as in `template.yaml`.
pub const MAINTAIN_TIME: TimeDelta = TimeDelta::seconds(600);

impl Functions {
    /// Builds the handlers, each over a lake of its own, with the settings that they have on AWS.
    ///
    /// # Errors
    /// A lake cannot be had, or cannot hold tables.
    pub fn new(
        catalog: &Catalog,
        reports: Reports,
        lake: impl Fn(&str) -> Result<Lake>,
        metrics: impl Fn(Teller) -> Metrics,
    ) -> Result<Self> {
        let (for_stream, for_analytics, for_maintain) = (lake(STREAM)?, lake(ANALYTICS)?, lake(MAINTAIN)?);
        let lake_uri = for_stream.url().to_string();
        let lookup = |name: &str| (name == "LAKE_URI").then(|| lake_uri.clone());
        let settings = pinlake_stream::Settings::from_lookup(lookup)?;
        let stream = pinlake_stream::Handler::new(catalog.clone(), &for_stream, &settings)?
            .with_metrics(metrics(Teller::Stream));
        let settings = pinlake_analytics::Settings::from_lookup(lookup)?;
        let analytics = pinlake_analytics::Handler::new(catalog.clone(), reports, &for_analytics, &settings)
            .with_metrics(metrics(Teller::Analytics));
        let settings = pinlake_maintain::Settings::from_lookup(lookup)?;
        let maintain =
            pinlake_maintain::Handler::new(catalog, &for_maintain, &settings)?.with_metrics(metrics(Teller::Maintain));
        Ok(Self(BTreeMap::from([
            (STREAM, Arc::new(Stream(stream)) as Arc<dyn Function>),
            (ANALYTICS, Arc::new(Analytics(analytics))),
            (MAINTAIN, Arc::new(Maintain(maintain))),
        ])))
    }

    /// A function by its name.
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Function>> {
        self.0.get(name)
    }

    /// The names.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.0.keys().copied()
    }
}

impl fmt::Debug for Functions {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_set().entries(self.names()).finish()
    }
}

struct Stream(pinlake_stream::Handler);

#[async_trait]
impl Function for Stream {
    async fn invoke(&self, event: Bytes) -> Result<Bytes, InvokeError> {
        answer(self.0.invoke(&event).await)
    }
}

struct Analytics(pinlake_analytics::Handler);

#[async_trait]
impl Function for Analytics {
    async fn invoke(&self, event: Bytes) -> Result<Bytes, InvokeError> {
        answer(self.0.invoke(&event).await)
    }
}

struct Maintain(pinlake_maintain::Handler);

#[async_trait]
impl Function for Maintain {
    async fn invoke(&self, event: Bytes) -> Result<Bytes, InvokeError> {
        answer(self.0.invoke(&event, Utc::now() + MAINTAIN_TIME).await)
    }
}

/// What Lambda makes of a handler's outcome.
fn answer<E: Into<lambda_runtime::Diagnostic>>(outcome: Result<Vec<u8>, E>) -> Result<Bytes, InvokeError> {
    outcome.map(Bytes::from).map_err(|error| {
        let diagnostic = error.into();
        InvokeError::new(diagnostic.error_type, diagnostic.error_message)
    })
}
