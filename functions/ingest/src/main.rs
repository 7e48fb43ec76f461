//! `ingest` on Lambda: read the settings, build the clients, serve requests.

use aws_config::BehaviorVersion;
use pinlake_ingest::{App, Firehose, Kinesis, Settings, router};
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    log_as_json();
    let settings = Settings::from_lookup(|name| std::env::var(name).ok())?;
    let aws = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let catalog = pinlake_catalog::load(settings.datasets_uri.as_deref(), &aws).await?;
    let kinesis = Kinesis::new(&aws_sdk_kinesis::Client::new(&aws), &settings.stream_prefix);
    let firehose = Firehose::new(&aws_sdk_firehose::Client::new(&aws), &settings.stream_prefix);
    lambda_http::run(router(App::new(settings, catalog, kinesis, firehose))).await
}

/// One JSON object per line, which CloudWatch can search by field; `RUST_LOG` sets what is logged, `info` by default.
fn log_as_json() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_env_filter(filter)
        .with_target(false)
        .init();
}
