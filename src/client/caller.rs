//! Who calls: anybody, the holder of an API key, or somebody with AWS credentials, whose requests are signed.
//!
//! The three are the values of the parameter `ApiAuth` in `template.yaml`. A request is signed by Signature Version 4 for
//! the service `execute-api`, as API Gateway demands it of callers that IAM knows.

use std::{fmt, time::SystemTime};

use anyhow::{Context, Result, bail};
use aws_config::BehaviorVersion;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use reqwest::{
    Request,
    header::{HeaderName, HeaderValue},
};
use url::Url;

/// Who calls.
#[derive(Debug, Clone, Default)]
pub enum Caller {
    /// Anybody: no header says who it is.
    #[default]
    Anybody,
    /// The holder of an API key.
    Keyed(ApiKey),
    /// Somebody with AWS credentials.
    Signing(Signer),
}

/// An API key. It has no text form, so that no message can hold it by accident.
#[derive(Clone)]
pub struct ApiKey(HeaderValue);

impl ApiKey {
    /// Takes a key as it is.
    ///
    /// # Errors
    /// It is no text that a header can hold; the key is not quoted.
    pub fn new(key: &str) -> Result<Self> {
        let mut value =
            HeaderValue::from_str(key.trim()).map_err(|_| anyhow::anyhow!("the API key is no plain text"))?;
        value.set_sensitive(true);
        Ok(Self(value))
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

/// Signs requests. Credentials are asked for with each request, so that those that expire are renewed.
#[derive(Debug, Clone)]
pub struct Signer {
    credentials: SharedCredentialsProvider,
    region: String,
}

/// The service that requests are signed for.
const SERVICE: &str = "execute-api";

impl Signer {
    /// With the credentials that the AWS command line would use (environment, profile, role of the machine), for the
    /// region that the URL names (`….execute-api.<region>.amazonaws.com`) or else the one of the environment or profile.
    ///
    /// # Errors
    /// There are no credentials, or no region.
    pub async fn from_environment(base: &str) -> Result<Self> {
        let aws = aws_config::load_defaults(BehaviorVersion::latest()).await;
        let named = Url::parse(base).ok().and_then(|url| region(url.host_str()?));
        let Some(region) = named.or_else(|| aws.region().map(ToString::to_string)) else {
            bail!("the region to sign for is not known: set AWS_REGION");
        };
        let Some(credentials) = aws.credentials_provider() else {
            bail!("there are no AWS credentials to sign with");
        };
        let signer = Self { credentials, region };
        signer.credentials().await?;
        Ok(signer)
    }

    async fn credentials(&self) -> Result<aws_credential_types::Credentials> {
        let found = self.credentials.provide_credentials().await;
        found.context("there are no AWS credentials to sign with")
    }
}

/// The region that the name of an API's host holds.
fn region(host: &str) -> Option<String> {
    let mut labels = host.split('.').skip(1);
    (labels.next() == Some(SERVICE)).then(|| labels.next().map(str::to_owned))?
}

impl Caller {
    /// Puts into a request what says who calls.
    ///
    /// # Errors
    /// Credentials cannot be had any more, or the request cannot be signed.
    pub(super) async fn introduce(&self, request: &mut Request) -> Result<()> {
        match self {
            Self::Anybody => {}
            Self::Keyed(ApiKey(key)) => {
                request.headers_mut().insert("x-api-key", key.clone());
            }
            Self::Signing(signer) => {
                let credentials = signer.credentials().await?;
                let headers = signature(&credentials, &signer.region, SystemTime::now(), request)?;
                request.headers_mut().extend(headers);
            }
        }
        Ok(())
    }
}

/// The headers that sign a request.
fn signature(
    credentials: &aws_credential_types::Credentials,
    region: &str,
    now: SystemTime,
    request: &Request,
) -> Result<Vec<(HeaderName, HeaderValue)>> {
    let identity = credentials.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(SERVICE)
        .time(now)
        .settings(SigningSettings::default())
        .build()?
        .into();
    let headers = request
        .headers()
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let body = request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default();
    let url = request.url().as_str();
    let signable = SignableRequest::new(request.method().as_str(), url, headers, SignableBody::Bytes(body))?;
    let (instructions, _) = sign(signable, &params)?.into_parts();
    instructions
        .headers()
        .map(|(name, value)| {
            let mut value = HeaderValue::from_str(value)?;
            value.set_sensitive(true);
            Ok((HeaderName::from_bytes(name.as_bytes())?, value))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use aws_credential_types::Credentials;

    use super::*;

    fn request() -> Request {
        let url = "https://a1b2c3.execute-api.eu-west-1.amazonaws.com/dev/streams/shop-pin/records";
        let mut request = Request::new(reqwest::Method::PUT, Url::parse(url).unwrap());
        let headers = request.headers_mut();
        headers.insert("content-type", HeaderValue::from_static("application/x-ndjson"));
        *request.body_mut() = Some("{\"index\":1}\n".into());
        request
    }

    /// The signatures are botocore's, for the same request, credentials and time.
    #[test]
    fn requests_are_signed_as_botocore_signs_them() {
        let now = UNIX_EPOCH + Duration::from_secs(1_795_514_400); // 2026-11-24T10:00:00Z
        for (token, expected) in [
            (None, "8bf3f40de33ce597e57bb51ad6f5b6d5ec5d55ee2566a72a4145a4ed72b5b4d4"),
            (
                Some("a/session+token==".to_owned()),
                "283c9d49dacfee94653a9df4d2fbc405fdcc96290018f4fc0d9134f73e182e0e",
            ),
        ] {
            let credentials = Credentials::new(
                "AKIDEXAMPLE",
                "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                token,
                None,
                "test",
            );
            let headers = signature(&credentials, "eu-west-1", now, &request()).unwrap();
            let header = |wanted: &str| {
                let found = headers.iter().find(|(name, _)| name == wanted);
                found.map(|(_, value)| value.to_str().unwrap().to_owned())
            };
            assert_eq!(header("x-amz-date").unwrap(), "20261124T100000Z");
            let authorization = header("authorization").unwrap();
            assert!(authorization.starts_with(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261124/eu-west-1/execute-api/aws4_request, SignedHeaders=content-type;host;x-amz-date"
            ), "{authorization}");
            assert!(authorization.ends_with(expected), "{authorization}");
        }
    }

    #[test]
    fn the_region_is_read_from_the_host() {
        let cases = [
            ("a1b2c3.execute-api.eu-west-1.amazonaws.com", Some("eu-west-1")),
            ("a1b2c3.execute-api.cn-north-1.amazonaws.com.cn", Some("cn-north-1")),
            ("events.example.com", None),
            ("execute-api.eu-west-1.amazonaws.com", None),
            ("127.0.0.1", None),
        ];
        for (host, expected) in cases {
            assert_eq!(region(host).as_deref(), expected, "{host}");
        }
    }

    #[tokio::test]
    async fn a_key_is_sent_and_never_shown() {
        let caller = Caller::Keyed(ApiKey::new(" 0123456789abcdefghij ").unwrap());
        let mut request = request();
        caller.introduce(&mut request).await.unwrap();
        assert_eq!(request.headers()["x-api-key"], "0123456789abcdefghij");
        let shown = format!("{caller:?} {request:?}");
        assert!(!shown.contains("0123456789"), "{shown}");
        let error = format!("{:#}", ApiKey::new("line\nbreak").unwrap_err());
        assert!(!error.contains("break"), "{error}");
    }
}
