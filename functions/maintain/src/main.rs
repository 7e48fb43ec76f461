//! `maintain` on Lambda: read the settings, build the clients, serve the schedule.

use aws_config::BehaviorVersion;
use chrono::{DateTime, TimeDelta, Utc};
use lambda_runtime::{LambdaEvent, run, service_fn};
use pinlake_host::metrics::{Metrics, Teller};
use pinlake_maintain::{Handler, Settings};
use serde_json::value::RawValue;

/// What Lambda needs to hand the answer over before it stops the function, and a request under way to come back.
const MARGIN: TimeDelta = TimeDelta::seconds(10);

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    let settings = Settings::from_lookup(|name| std::env::var(name).ok())?;
    settings.logging.start();
    let metrics = Metrics::start(Teller::Maintain, &settings.metrics_namespace);
    let aws = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let catalog = pinlake_aws::load_catalog(settings.datasets_uri.as_deref(), &aws).await?;
    let lake = pinlake_aws::open_lake(&settings.lake_uri, &aws)?;
    let handler = Handler::new(&catalog, &lake, &settings)?.with_metrics(metrics);
    run(service_fn(|event: LambdaEvent<Box<RawValue>>| {
        let deadline = DateTime::<Utc>::from(event.context.deadline()) - MARGIN;
        handler.handle(event.payload, deadline)
    }))
    .await
}
