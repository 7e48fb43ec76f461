//! Signatures that botocore made, signatures that the SDK's signer makes, and all that is wrong with them.

use axum::http::HeaderValue;
use proptest::prelude::*;
use url::form_urlencoded;

use super::*;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const BODY: &[u8] = b"{\"index\":1}\n";

fn now() -> DateTime<Utc> {
    time("20261124T100000Z").unwrap()
}

fn signatures() -> Signatures {
    let keys = Credentials {
        access_key_id: "AKIDEXAMPLE".into(),
        secret_access_key: SECRET.into(),
    };
    Signatures::of(&[keys, Credentials::default()], "execute-api", "eu-west-1").unwrap()
}

/// A request as it is received.
#[derive(Clone, Debug)]
struct Sent {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Sent {
    fn new(uri: &str) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(
            "host",
            HeaderValue::from_static("a1b2c3.execute-api.eu-west-1.amazonaws.com"),
        );
        headers.insert("content-type", HeaderValue::from_static("application/x-ndjson"));
        Self {
            method: Method::PUT,
            uri: uri.parse().unwrap(),
            headers,
            body: BODY.to_vec(),
        }
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(name, value.parse().unwrap());
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    fn checked_at(&self, now: DateTime<Utc>) -> Result<(), Refused> {
        let received = Received {
            method: &self.method,
            uri: &self.uri,
            headers: &self.headers,
            body: &self.body,
        };
        signatures().verify(received, now)
    }

    fn checked(&self) -> Result<(), Refused> {
        self.checked_at(now())
    }

    /// What the SDK's signer makes of it.
    fn signed(self, by: &Signing<'_>) -> Self {
        let mut settings = SigningSettings::default();
        if let Some(seconds) = by.presigned {
            settings.signature_location = SignatureLocation::QueryParams;
            settings.expires_in = Some(Duration::from_secs(seconds));
        }
        let token = by.token.map(str::to_owned);
        let identity = SdkCredentials::new(by.key_id, by.secret, token, None, "test").into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(by.region)
            .name(by.service)
            .time(by.time.into())
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let url = format!("https://a1b2c3.execute-api.eu-west-1.amazonaws.com{}", self.uri);
        let headers: Vec<_> = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        let body = SignableBody::Bytes(&self.body);
        let signable = SignableRequest::new(self.method.as_str(), url, headers.into_iter(), body).unwrap();
        let (instructions, _) = sign(signable, &params).unwrap().into_parts();
        let (headers, parameters) = instructions.into_parts();
        let mut signed = self.clone();
        for header in headers {
            signed.headers.insert(header.name(), header.value().parse().unwrap());
        }
        let more: Vec<_> = parameters
            .iter()
            .map(|(name, value)| {
                form_urlencoded::Serializer::new(String::new())
                    .append_pair(name, value)
                    .finish()
            })
            .collect();
        if !more.is_empty() {
            let between = if self.uri.query().is_some() { "&" } else { "?" };
            signed.uri = format!("{}{between}{}", self.uri, more.join("&")).parse().unwrap();
        }
        signed
    }
}

#[derive(Clone, Copy)]
struct Signing<'a> {
    key_id: &'a str,
    secret: &'a str,
    token: Option<&'a str>,
    region: &'a str,
    service: &'a str,
    time: DateTime<Utc>,
    /// For so many seconds, in the query.
    presigned: Option<u64>,
}

fn properly() -> Signing<'static> {
    Signing {
        key_id: "AKIDEXAMPLE",
        secret: SECRET,
        token: None,
        region: "eu-west-1",
        service: "execute-api",
        time: now(),
        presigned: None,
    }
}

const PATH: &str = "/dev/streams/shop-pin/records?b=2&a=%201&a=0&c";

/// Both places of a signature.
fn both() -> [Signing<'static>; 2] {
    [
        properly(),
        Signing {
            presigned: Some(60),
            ..properly()
        },
    ]
}

fn kind(outcome: Result<(), Refused>) -> &'static str {
    outcome.map_or_else(|refused| refused.kind(), |()| "let in")
}

/// Signatures of botocore's SigV4Auth and SigV4QueryAuth, for these keys, headers, body and time.
#[test]
fn what_botocore_signed_is_known() {
    for (path, token, signature) in [
        (
            "/dev/streams/shop-pin/records",
            None,
            "8bf3f40de33ce597e57bb51ad6f5b6d5ec5d55ee2566a72a4145a4ed72b5b4d4",
        ),
        (
            "/dev/streams/shop-pin/records",
            Some("a/session+token=="),
            "283c9d49dacfee94653a9df4d2fbc405fdcc96290018f4fc0d9134f73e182e0e",
        ),
        (
            "/dev/streams/shop%20pin%2Fx/records?b=2&a=%201&a=0&c=",
            None,
            "5a77bc8d975bb6260e58fb3a1ae5dacb1900822b37a9b13dcbcaa3f84931a5a4",
        ),
        (
            "/dev//streams/./a/../pin/records",
            None,
            "c735e99a5178ebddd5d9ebeaf5353676831c2ad4c27992e4e0185272d9f90208",
        ),
    ] {
        let more = if token.is_some() { ";x-amz-security-token" } else { "" };
        let mut sent = Sent::new(path).with("x-amz-date", "20261124T100000Z").with(
            "authorization",
            &format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261124/eu-west-1/execute-api/aws4_request, \
                 SignedHeaders=content-type;host;x-amz-date{more}, Signature={signature}"
            ),
        );
        if let Some(token) = token {
            sent = sent.with("x-amz-security-token", token);
        }
        assert_eq!(sent.checked(), Ok(()), "{path} {token:?}");
    }
    for (path, more) in [
        (
            "/dev/streams/shop%20pin?b=2&a=%201",
            "&X-Amz-Signature=31957fe385697fd0b6aefc1ee5feb7744e66934eff6fa760e4c58e616ced586b",
        ),
        (
            "/dev/streams/shop-pin?b=2",
            "&X-Amz-Security-Token=a%2Fsession%2Btoken%3D%3D\
             &X-Amz-Signature=91636031ba862653208b83d140879ade13c16819eb570727e017e810d49334da",
        ),
    ] {
        let sent = Sent {
            method: Method::GET,
            body: Vec::new(),
            ..Sent::new(&format!(
                "{path}&X-Amz-Algorithm=AWS4-HMAC-SHA256\
                 &X-Amz-Credential=AKIDEXAMPLE%2F20261124%2Feu-west-1%2Fexecute-api%2Faws4_request\
                 &X-Amz-Date=20261124T100000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=content-type%3Bhost{more}"
            ))
        };
        assert_eq!(sent.checked(), Ok(()), "{path} {more}");
    }
}

#[test]
fn what_the_sdk_signed_is_known() {
    for by in both() {
        for token in [None, Some("a/session+token==")] {
            let by = Signing { token, ..by };
            for path in [
                "/",
                PATH,
                "/dev/streams/shop%20pin%2Fx/records?name=%C3%BC+%2B&empty=",
                "/dev//streams/./a/../pin",
            ] {
                let sent = Sent::new(path).signed(&by);
                assert_eq!(sent.checked(), Ok(()), "{sent:?}");
            }
        }
    }
}

#[test]
fn what_is_changed_on_the_way_is_noticed() {
    for by in both() {
        let sent = Sent::new(PATH).with("x-amz-target", "A.B").signed(&by);
        assert_eq!(sent.checked(), Ok(()));
        let uri = sent.uri.to_string();
        let with_uri = |uri: String| Sent {
            uri: uri.parse().unwrap(),
            ..sent.clone()
        };
        let changed = [
            Sent {
                method: Method::POST,
                ..sent.clone()
            },
            with_uri(uri.replace("shop-pin", "shop-geo")),
            with_uri(uri.replace("b=2", "b=3")),
            with_uri(uri.replace("b=2&", "")),
            with_uri(format!("{uri}&d=1")),
            Sent {
                body: b"{\"index\":2}\n".to_vec(),
                ..sent.clone()
            },
            Sent {
                body: Vec::new(),
                ..sent.clone()
            },
            sent.clone().with("content-type", "application/json"),
            sent.clone().with("host", "evil.example"),
            sent.clone().with("x-amz-target", "A.C"),
            sent.clone().without("content-type"),
        ];
        for changed in changed {
            assert_eq!(changed.checked(), Err(Refused::mismatch()), "{changed:?}");
        }
    }
    // A digest that the client names itself is a header like others: it stands for no body.
    let unsigned = Sent::new(PATH).with("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
    let mut unsigned = unsigned.signed(&properly());
    assert_eq!(unsigned.checked(), Ok(()));
    unsigned.body = b"another".to_vec();
    assert_eq!(unsigned.checked(), Err(Refused::mismatch()));
}

#[test]
fn only_the_owner_of_a_key_can_sign() {
    for by in both() {
        let by_another = |key_id, secret| Sent::new(PATH).signed(&Signing { key_id, secret, ..by }).checked();
        assert_eq!(by_another("AKIDEXAMPLE", "wrong"), Err(Refused::mismatch()));
        assert_eq!(by_another("AKIDEXAMPLE", ""), Err(Refused::mismatch()));
        // Another caller's secret, which is a right one.
        assert_eq!(by_another("AKIDEXAMPLE", "pinlake-local"), Err(Refused::mismatch()));
        assert_eq!(by_another("pinlake", "pinlake-local"), Ok(()));
        for unknown in ["AKIDOTHER", "akidexample", "AKIDEXAMPL", ""] {
            assert_eq!(by_another(unknown, SECRET), Err(Refused::UnknownKey), "{unknown}");
        }
    }
    assert_eq!(Sent::new(PATH).checked(), Err(Refused::Missing));
    assert_eq!(Signatures::of(&[], "execute-api", "eu-west-1").map(|_| ()), None);
}

#[test]
fn signatures_are_for_one_service_and_region() {
    for by in both() {
        for (by, told) in [
            (
                Signing {
                    region: "eu-west-2",
                    ..by
                },
                "'eu-west-1'",
            ),
            (
                Signing {
                    service: "lambda",
                    ..by
                },
                "'execute-api'",
            ),
        ] {
            let refused = Sent::new(PATH).signed(&by).checked().unwrap_err();
            assert_eq!(refused.kind(), "InvalidSignatureException");
            assert!(refused.to_string().contains(told), "{refused}");
        }
    }
    let sent = Sent::new(PATH)
        .signed(&properly())
        .with("x-amz-date", "20261123T100000Z");
    let refused = sent.checked().unwrap_err().to_string();
    assert!(refused.contains("Date in Credential scope"), "{refused}");
}

#[test]
fn signatures_have_their_time() {
    let minutes = TimeDelta::minutes;
    let second = TimeDelta::seconds(1);
    let header = properly();
    let presigned = |seconds| Signing {
        presigned: Some(seconds),
        ..properly()
    };
    for (by, age, expected) in [
        (header, -minutes(5), Ok(())),
        (header, minutes(5), Ok(())),
        (
            header,
            minutes(5) + second,
            Err("Signature expired: 20261124T095459Z is now earlier than 20261124T095500Z (20261124T100000Z - 5 min.)"),
        ),
        (
            header,
            -minutes(5) - second,
            Err(
                "Signature not yet current: 20261124T100501Z is still later than 20261124T100500Z \
                 (20261124T100000Z + 5 min.)",
            ),
        ),
        (presigned(60), minutes(1), Ok(())),
        (
            presigned(60),
            minutes(1) + second,
            Err("Signature expired: 20261124T095859Z is now earlier than 20261124T095900Z (20261124T100000Z - 60 s)"),
        ),
        (presigned(604_800), TimeDelta::days(7), Ok(())),
        (
            presigned(60),
            -minutes(6),
            Err(
                "Signature not yet current: 20261124T100600Z is still later than 20261124T100500Z \
                 (20261124T100000Z + 5 min.)",
            ),
        ),
    ] {
        let by = Signing {
            time: now() - age,
            ..by
        };
        let outcome = Sent::new(PATH).signed(&by).checked();
        let told = outcome.map_err(|refused| refused.to_string());
        assert_eq!(told, expected.map_err(str::to_owned), "{age}");
    }
    let beyond = Sent::new(PATH).signed(&presigned(604_801)).checked();
    assert_eq!(kind(beyond), "IncompleteSignatureException");
}

#[test]
fn what_must_be_signed_is_asked_for() {
    // Set after signing, where nobody vouches for it.
    for by in both() {
        let sent = Sent::new(PATH).signed(&by).with("x-amz-target", "A.B");
        let refused = sent.checked().unwrap_err();
        assert!(refused.to_string().contains("must be a 'SignedHeader'"), "{refused}");
    }
    let token = Sent::new(PATH)
        .signed(&properly())
        .with("x-amz-security-token", "a token");
    assert_eq!(kind(token.checked()), "InvalidSignatureException");
    let sent = Sent::new(PATH).signed(&properly());
    let authorization = sent.headers["authorization"]
        .to_str()
        .unwrap()
        .replace("content-type;host;", "");
    let refused = sent.with("authorization", &authorization).checked().unwrap_err();
    assert!(refused.to_string().contains("'Host' must be"), "{refused}");
}

#[test]
fn what_says_too_little_is_refused() {
    let good = Sent::new(PATH).signed(&properly());
    let authorization = good.headers["authorization"].to_str().unwrap().to_owned();
    for (authorization, told) in [
        (String::new(), "must begin with"),
        ("Bearer hunter2".into(), "must begin with"),
        ("Basic cGlubGFrZTpodW50ZXIy".into(), "must begin with"),
        (
            authorization.replace("HMAC-SHA256", "ECDSA-P256-SHA256"),
            "must begin with",
        ),
        ("AWS4-HMAC-SHA256 hunter2".into(), "missing equal-sign"),
        (
            "AWS4-HMAC-SHA256 Signature=hunter2".into(),
            "requires 'Credential' parameter",
        ),
        (
            authorization.replace("SignedHeaders=", "Signed="),
            "requires 'SignedHeaders' parameter",
        ),
        (
            authorization.replace("Signature=", "S="),
            "requires 'Signature' parameter",
        ),
        (authorization.replace("/aws4_request", ""), "exactly 5"),
        (authorization.replace("/aws4_request", "/a/aws4_request"), "exactly 5"),
        (authorization.replace("/aws4_request", "/aws5_request"), "terminator"),
        (format!("{authorization}, Signature=hunter2"), "twice"),
    ] {
        let refused = good
            .clone()
            .with("authorization", &authorization)
            .checked()
            .unwrap_err();
        assert_eq!(refused.kind(), "IncompleteSignatureException", "{authorization}");
        assert!(refused.to_string().contains(told), "{authorization}: {refused}");
        assert!(!refused.to_string().contains("hunter2"), "{refused}");
    }
    let mut twice = good.clone();
    twice.headers.append("authorization", authorization.parse().unwrap());
    let undated = good.clone().without("x-amz-date");
    for sent in [twice, undated, good.clone().with("x-amz-date", "2026-11-24T10:00:00Z")] {
        let refused = sent.checked().unwrap_err().kind();
        assert!(refused != "MissingAuthenticationTokenException", "{sent:?}");
    }
    // A query that lacks a part, or has one twice.
    let presigned = Sent::new("/").signed(&both()[1]);
    let query = presigned.uri.query().unwrap();
    let pairs: Vec<_> = query.split('&').collect();
    assert_eq!(pairs.len(), 6);
    for left_out in 0..pairs.len() {
        let mut some = pairs.clone();
        some.remove(left_out);
        let mut more = pairs.clone();
        more.push(pairs[left_out]);
        for pairs in [some, more] {
            let sent = Sent {
                uri: format!("/?{}", pairs.join("&")).parse().unwrap(),
                ..presigned.clone()
            };
            assert_eq!(kind(sent.checked()), "IncompleteSignatureException", "{sent:?}");
        }
    }
}

#[test]
fn refusals_tell_no_secret() {
    let by = Signing {
        secret: "wrong-hunter2",
        token: Some("token-hunter2"),
        ..properly()
    };
    let refused = Sent::new("/dev/hunter2")
        .with("x-api-key", "hunter2")
        .signed(&by)
        .checked();
    let refused = refused.unwrap_err();
    let shown = format!("{refused} {refused:?} {:?}", signatures());
    assert!(!shown.contains("hunter2") && !shown.contains(SECRET), "{shown}");
}

proptest! {
    #[test]
    fn any_header_is_answered(
        authorization in "(AWS4-HMAC-SHA256 )?(Credential=AKIDEXAMPLE/20261124/eu-west-1/execute-api/aws4_request, ?)?\
                          (SignedHeaders=host;x-amz-date, ?)?(Signature=)?[ -~]{0,40}",
        date in "(20261124T[0-9]{6}Z|[ -~]{0,20})",
        path in "/[!-\"$-;=@-\\[\\]-_a-z~]{0,40}",
    ) {
        let Ok(uri) = path.parse::<Uri>() else { return Ok(()) };
        let Ok(authorization) = authorization.parse::<HeaderValue>() else { return Ok(()) };
        let Ok(date) = date.parse::<HeaderValue>() else { return Ok(()) };
        let mut sent = Sent { uri, ..Sent::new("/") };
        sent.headers.insert("authorization", authorization);
        sent.headers.insert("x-amz-date", date);
        prop_assert!(sent.checked().is_err());
        // The same as a presigned URL's.
        let uri = format!("/?X-Amz-Signature=0&X-Amz-Credential={path}").parse().unwrap_or_default();
        let sent = Sent { uri, ..Sent::new("/") };
        prop_assert!(sent.checked().is_err());
    }
}
