//! `/health`: whether the function runs. It asks nobody else, so it is cheap and cannot fail with them.

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;

/// The function runs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// Always `ok`.
    #[schema(example = "ok")]
    status: &'static str,
    /// The version that runs.
    version: &'static str,
    /// The datasets that it takes.
    datasets: Vec<String>,
    /// Whether records are judged here (`on`) or downstream (`off`).
    validation: &'static str,
}

/// Say that the function runs.
#[utoipa::path(
    get,
    path = "/health",
    tag = "service",
    responses((status = 200, description = "It runs", body = Health))
)]
pub(crate) async fn health(State(app): State<App>) -> Json<Health> {
    Json(Health {
        status: "ok",
        version: env!("CARGO_PKG_VERSION"),
        datasets: app
            .catalog
            .iter()
            .map(|definition| definition.name().to_string())
            .collect(),
        validation: if app.settings.validation { "on" } else { "off" },
    })
}
