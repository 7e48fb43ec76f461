//! How the clients of the deployed functions, unchanged, come to speak over a [`Line`]: their own hooks for a transport.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use aws_sdk_kinesis::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig as Retries};
use aws_smithy_runtime_api::{
    client::{
        http::{HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn},
        orchestrator,
        result::ConnectorError,
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use axum::{body::Bytes, http};
use http_body_util::BodyExt as _;
use object_store::{
    BackoffConfig, ClientOptions, RetryConfig,
    aws::AmazonS3Builder,
    client::{self, HttpClient, HttpError, HttpErrorKind, HttpResponseBody, HttpService},
};
use pinlake::pipeline::{BUCKET, keys};
use pinlake_lake::Lake;

use crate::network::{Broken, Line, Request, Service};

/// The lake, by way of a line, signed with a function's keys.
pub(crate) fn lake(line: &Arc<Line>, function: &str) -> Lake {
    let keys = keys(function);
    let store = AmazonS3Builder::new()
        .with_bucket_name(BUCKET)
        .with_region("us-east-1")
        .with_endpoint("http://127.0.0.1:9000")
        .with_allow_http(true)
        .with_access_key_id(keys.access_key_id)
        .with_secret_access_key(keys.secret_access_key)
        // A hundred times as fast as the deployed client, and fewer tries: functions are to fail now and then.
        .with_retry(RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(1),
                max_backoff: Duration::from_millis(50),
                base: 2.,
            },
            max_retries: 3,
            ..RetryConfig::default()
        })
        .with_http_connector(Wire {
            line: Arc::clone(line),
            service: Service::S3,
        })
        .build();
    Lake::with_store(Arc::new(store.unwrap()), &format!("s3://{BUCKET}")).unwrap()
}

/// A Kinesis client on a line.
pub(crate) fn kinesis(line: &Arc<Line>) -> aws_sdk_kinesis::Client {
    let config = aws_sdk_kinesis::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .endpoint_url("http://127.0.0.1:9001")
        .credentials_provider(credentials())
        .retry_config(Retries::disabled())
        .http_client(sdk(line, Service::Kinesis));
    aws_sdk_kinesis::Client::from_conf(config.build())
}

/// A Firehose client on a line.
pub(crate) fn firehose(line: &Arc<Line>) -> aws_sdk_firehose::Client {
    let config = aws_sdk_firehose::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .endpoint_url("http://127.0.0.1:9002")
        .credentials_provider(credentials())
        .retry_config(Retries::disabled())
        .http_client(sdk(line, Service::Firehose));
    aws_sdk_firehose::Client::from_conf(config.build())
}

fn credentials() -> Credentials {
    let keys = keys("ingest");
    Credentials::new(keys.access_key_id, keys.secret_access_key, None, None, "faults")
}

fn sdk(line: &Arc<Line>, service: Service) -> SharedHttpClient {
    let wire = SharedHttpConnector::new(Wire {
        line: Arc::clone(line),
        service,
    });
    http_client_fn(move |_, _| wire.clone())
}

/// What hyper makes of a request on its way: host and length go into headers.
fn as_it_arrives(mut parts: http::request::Parts, body: Bytes) -> Request {
    if let Some(host) = parts
        .uri
        .authority()
        .map(|host| http::HeaderValue::from_str(host.as_str()).unwrap())
    {
        parts.headers.entry(http::header::HOST).or_insert(host);
    }
    parts
        .headers
        .entry(http::header::CONTENT_LENGTH)
        .or_insert(body.len().into());
    Request::from_parts(parts, body)
}

/// A line to one service.
#[derive(Debug, Clone)]
struct Wire {
    line: Arc<Line>,
    service: Service,
}

impl HttpConnector for Wire {
    fn call(&self, request: orchestrator::HttpRequest) -> HttpConnectorFuture {
        let (line, service) = (Arc::clone(&self.line), self.service);
        HttpConnectorFuture::new(async move {
            let request = request
                .try_into_http1x()
                .map_err(|error| ConnectorError::user(error.into()))?;
            let (parts, body) = request.into_parts();
            let body = body.collect().await.map_err(ConnectorError::user)?.to_bytes();
            match line.send(service, as_it_arrives(parts, body)).await {
                Ok(answer) => {
                    let status = StatusCode::try_from(answer.status().as_u16())
                        .map_err(|error| ConnectorError::user(error.into()))?;
                    Ok(orchestrator::HttpResponse::new(
                        status,
                        SdkBody::from(answer.into_body()),
                    ))
                }
                Err(Broken::TimedOut) => Err(ConnectorError::timeout(Broken::TimedOut.into())),
                Err(broken) => Err(ConnectorError::io(broken.into())),
            }
        })
    }
}

impl client::HttpConnector for Wire {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Wire {
    async fn call(&self, request: client::HttpRequest) -> Result<client::HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        match Arc::clone(&self.line)
            .send(self.service, as_it_arrives(parts, body))
            .await
        {
            Ok(answer) => Ok(answer.map(HttpResponseBody::from)),
            Err(broken) => {
                let kind = match broken {
                    Broken::Unreached => HttpErrorKind::Connect,
                    Broken::Reset => HttpErrorKind::Interrupted,
                    Broken::TimedOut => HttpErrorKind::Timeout,
                };
                Err(HttpError::new(kind, broken))
            }
        }
    }
}
