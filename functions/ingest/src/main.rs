//! `ingest` on Lambda: read the settings, build the clients, serve requests.

use aws_config::{
    BehaviorVersion, SdkConfig,
    environment::{EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider},
    meta::region::ProvideRegion as _,
};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};
use pinlake_host::metrics::{Metrics, Teller};
use pinlake_ingest::{App, Firehose, Kinesis, Settings, router};

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    let settings = Settings::from_lookup(|name| std::env::var(name).ok())?;
    settings.logging.start();
    let metrics = Metrics::start(Teller::Ingest, &settings.metrics_namespace);
    let aws = aws().await;
    let catalog = pinlake_catalog::load(settings.datasets_uri.as_deref())?;
    let kinesis = Kinesis::new(&aws_sdk_kinesis::Client::new(&aws), &settings.stream_prefix);
    let firehose = Firehose::new(&aws_sdk_firehose::Client::new(&aws), &settings.stream_prefix);
    let app = App::new(settings, catalog, kinesis, firehose).with_metrics(metrics);
    lambda_http::run(router(app)).await
}

/// Region and credentials as Lambda gives them, in the environment. Where else the SDK would look for them is not linked:
/// it is a tenth of what this function weighs.
async fn aws() -> SdkConfig {
    let credentials = EnvironmentVariableCredentialsProvider::new();
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(EnvironmentVariableRegionProvider::new().region().await)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .service_config(Environment)
        .build()
}

/// What the SDK can be told of a service by variables: `AWS_ENDPOINT_URL_KINESIS`, say, or `AWS_ENDPOINT_URL` for all.
#[derive(Debug)]
struct Environment;

impl LoadServiceConfig for Environment {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let service = key.service_id().to_uppercase().replace(' ', "_");
        let own = std::env::var(format!("{}_{service}", key.env()));
        own.or_else(|_| std::env::var(key.env())).ok()
    }
}
