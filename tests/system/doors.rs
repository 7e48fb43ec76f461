//! The doors of the local run: who is let in, who is not, and that no name leads out of the state folder.

mod names;
mod signed;

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    time::{Duration, SystemTime},
};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
        UriPathNormalizationMode, sign,
    },
    sign::v4,
};
use pinlake::pipeline::{Auth, Options, Pipeline, REGION};
use tempfile::tempdir;
use url::Url;

/// A request, written as it stands: no library between it and the wire mends its path.
#[derive(Clone, Debug)]
struct Raw {
    method: &'static str,
    target: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Raw {
    fn new(method: &'static str, target: impl Into<String>) -> Self {
        Self {
            method,
            target: target.into(),
            headers: Vec::new(),
            body: String::new(),
        }
    }

    fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    fn body(mut self, body: impl Into<String>) -> Self {
        self.body = body.into();
        self
    }

    /// Status, head and body of the answer. A server that hangs up without one has answered 0.
    fn send(&self, to: &str) -> (u16, String) {
        let url = Url::parse(to).unwrap();
        let host = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
        let mut stream = TcpStream::connect(&host).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        let is_host = |(name, _): &(String, String)| name.eq_ignore_ascii_case("host");
        if !self.headers.iter().any(is_host) {
            head += &format!("host: {host}\r\n");
        }
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("content-length: {}\r\nconnection: close\r\n\r\n", self.body.len());
        // A refused request may not be read to its end.
        let _ = stream.write_all(&[head.as_bytes(), self.body.as_bytes()].concat());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.unwrap_or_default(), answer)
    }

    /// The same, signed by the SDK's signer.
    fn signed(&self, to: &str, by: &Signing<'_>) -> Self {
        let url = Url::parse(to).unwrap();
        let host = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
        let mut settings = SigningSettings::default();
        if by.service == "s3" {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        let identity = Credentials::new(by.key_id, by.secret, by.token.map(str::to_owned), None, "test").into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(REGION)
            .name(by.service)
            .time(by.time)
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let headers = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let body = SignableBody::Bytes(self.body.as_bytes());
        let signable =
            SignableRequest::new(self.method, format!("http://{host}{}", self.target), headers, body).unwrap();
        let (instructions, _) = sign(signable, &params).unwrap().into_parts();
        instructions
            .headers()
            .fold(self.clone(), |request, (name, value)| request.header(name, value))
    }
}

#[derive(Clone, Copy)]
struct Signing<'a> {
    key_id: &'a str,
    secret: &'a str,
    token: Option<&'a str>,
    service: &'a str,
    time: SystemTime,
}

impl Signing<'static> {
    /// As the local run knows it.
    fn of(service: &'static str) -> Self {
        Self {
            key_id: "pinlake",
            secret: "pinlake-local",
            token: None,
            service,
            time: SystemTime::now(),
        }
    }
}

/// A pipeline in this process, whose addresses are all known.
async fn pipeline(state: &Path, auth: Auth) -> Pipeline {
    let options = Options {
        auth,
        ..Options::anywhere(state)
    };
    Pipeline::start(options).await.unwrap()
}

/// Runs what blocks beside the pipeline.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_doors_refuse_foreign_names_and_pages() {
    let state = tempdir().unwrap();
    let pipeline = pipeline(state.path(), Auth::None).await;
    let api = pipeline.url().to_string();
    let doors = [
        api.clone(),
        pipeline.s3_url(),
        pipeline.kinesis_url(),
        pipeline.firehose_url(),
    ];
    beside(move || {
        for door in &doors {
            for (method, target) in [
                ("GET", "/health"),
                ("GET", "/report"),
                ("POST", "/2015-03-31/functions/maintain/invocations"),
                ("POST", "/"),
                ("OPTIONS", "/"),
            ] {
                let request = Raw::new(method, target);
                for (name, value) in [
                    ("host", "attacker.example"),
                    ("host", "attacker.example:3000"),
                    ("host", "127.0.0.1.attacker.example"),
                    ("origin", "https://attacker.example"),
                    ("origin", "null"),
                ] {
                    let (status, answer) = request.clone().header(name, value).send(door);
                    assert_eq!(status, 403, "{door} {method} {target}, {name}: {value}: {answer}");
                    assert!(answer.contains("this service answers"), "{answer}");
                    assert!(!answer.contains("attacker"), "{answer}");
                }
            }
        }
        // A browser on this machine, by each name of it, and a page that it got from here.
        let port = Url::parse(&api).unwrap().port().unwrap();
        for host in [
            format!("localhost:{port}"),
            format!("127.0.0.1:{port}"),
            format!("[::1]:{port}"),
        ] {
            for request in [
                Raw::new("GET", "/health").header("host", &host),
                Raw::new("GET", "/health")
                    .header("host", &host)
                    .header("origin", format!("http://{host}")),
            ] {
                let (status, answer) = request.send(&api);
                assert_eq!(status, 200, "{host}: {answer}");
            }
        }
    })
    .await;
    pipeline.stop().await;
}
