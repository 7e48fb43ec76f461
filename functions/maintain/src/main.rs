//! `maintain` on Lambda: read the settings, build the clients, serve the schedule.

use aws_config::BehaviorVersion;
use chrono::{DateTime, TimeDelta, Utc};
use lambda_runtime::{LambdaEvent, run, service_fn};
use pinlake_lake::{Lake, S3Options};
use pinlake_maintain::{Handler, Settings, telemetry};
use serde_json::value::RawValue;

/// What Lambda needs to hand the answer over before it stops the function, and a request under way to come back.
const MARGIN: TimeDelta = TimeDelta::seconds(10);

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    let settings = Settings::from_lookup(|name| std::env::var(name).ok())?;
    telemetry::init(&settings);
    let aws = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let catalog = pinlake_catalog::load(settings.datasets_uri.as_deref(), &aws).await?;
    let s3 = S3Options {
        region: aws.region().map(ToString::to_string),
        endpoint: aws.endpoint_url().map(str::to_owned),
        credentials: aws.credentials_provider(),
    };
    let lake = Lake::open(&settings.lake_uri, &s3)?;
    let handler = Handler::new(&catalog, &lake, &settings)?;
    run(service_fn(|event: LambdaEvent<Box<RawValue>>| {
        let deadline = DateTime::<Utc>::from(event.context.deadline()) - MARGIN;
        handler.handle(event.payload, deadline)
    }))
    .await
}
