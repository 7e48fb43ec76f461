//! The API on a port, before the scripted far end.

use pinlake_ingest::{Settings, router};
use serde_json::{Value, json};

pub(crate) use crate::far_end::{FarEnd, Line, Put, Step, app, firehose_sdk, sdk, serve, small_bounds};

/// The API on a port, and what lies behind it.
pub(crate) struct Api {
    pub(crate) url: String,
    pub(crate) far_end: FarEnd,
    pub(crate) http: reqwest::Client,
}

impl Api {
    pub(crate) async fn start() -> Self {
        Self::with(Settings::default()).await
    }

    pub(crate) async fn with(settings: Settings) -> Self {
        let (app, far_end) = app(settings).await;
        Self {
            url: serve(router(app)).await,
            far_end,
            http: reqwest::Client::new(),
        }
    }

    /// Sends a body and answers status and JSON.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        media_type: &str,
        body: impl Into<reqwest::Body>,
    ) -> (u16, Value) {
        let request = self
            .http
            .request(method.parse().unwrap(), format!("{}{path}", self.url));
        let response = request
            .header("content-type", media_type)
            .body(body)
            .send()
            .await
            .unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    /// Sends JSON and answers status and JSON.
    pub(crate) async fn json(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        self.send(method, path, "application/json", body.to_string()).await
    }
}

/// A user that its definition takes.
pub(crate) fn user(ind: usize) -> Value {
    json!({"ind": ind, "first_name": "A", "last_name": "B", "age": 20, "date_joined": "2016-02-24 12:13:37"})
}
