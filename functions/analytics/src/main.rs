//! `analytics` on Lambda: read the settings, build the clients, serve schedules.

use aws_config::BehaviorVersion;
use lambda_runtime::{LambdaEvent, run, service_fn};
use pinlake_analytics::{Handler, Reports, Settings};
use pinlake_host::metrics::{Metrics, Teller};
use serde_json::value::RawValue;

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    let settings = Settings::from_lookup(|name| std::env::var(name).ok())?;
    settings.logging.start();
    let metrics = Metrics::start(Teller::Analytics, &settings.metrics_namespace);
    let aws = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let catalog = pinlake_aws::load_catalog(settings.datasets_uri.as_deref(), &aws).await?;
    let reports = Reports::load(settings.reports_uri.as_deref(), &aws).await?;
    let lake = pinlake_aws::open_lake(&settings.lake_uri, &aws)?;
    let handler = Handler::new(catalog, reports, &lake, &settings).with_metrics(metrics);
    run(service_fn(|event: LambdaEvent<Box<RawValue>>| {
        handler.handle(event.payload)
    }))
    .await
}
