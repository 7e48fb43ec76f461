//! `analytics` on Lambda: read the settings, build the clients, serve schedules.

use aws_config::BehaviorVersion;
use lambda_runtime::{LambdaEvent, run, service_fn};
use pinlake_analytics::{Handler, Reports, Settings, telemetry};
use pinlake_lake::{Lake, S3Options};
use serde_json::value::RawValue;

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    let settings = Settings::from_lookup(|name| std::env::var(name).ok())?;
    telemetry::init(&settings);
    let aws = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let catalog = pinlake_catalog::load(settings.datasets_uri.as_deref(), &aws).await?;
    let reports = Reports::load(settings.reports_uri.as_deref(), &aws).await?;
    let s3 = S3Options {
        region: aws.region().map(ToString::to_string),
        endpoint: aws.endpoint_url().map(str::to_owned),
        credentials: aws.credentials_provider(),
    };
    let lake = Lake::open(&settings.lake_uri, &s3)?;
    let handler = Handler::new(catalog, reports, &lake, &settings);
    run(service_fn(|event: LambdaEvent<Box<RawValue>>| {
        handler.handle(event.payload)
    }))
    .await
}
