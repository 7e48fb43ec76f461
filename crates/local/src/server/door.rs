//! Who is let in: programs of this machine, and pages that came from it.
//!
//! Loopback alone does not keep web pages out. A browser on this machine is a program of it, and any page can make it
//! send requests to `http://127.0.0.1:3000`; the browser names the page in `Origin`. A page whose own name is pointed
//! at 127.0.0.1 after it was loaded (DNS rebinding) may even read the answers, as they are of its own origin then; the
//! browser names that name in `Host`. So both headers have to name this machine.

use axum::http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode,
    header::{CONTENT_TYPE, HOST, ORIGIN},
};
use bytes::Bytes;
use http_body_util::Full;
use serde_json::json;

/// Why a request is turned away at the door. The messages repeat nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("a request has one Host header")]
    NoHost,
    #[error(
        "this service answers to localhost, 127.0.0.1 and [::1] only, and the request's Host is another: a web page \
         may have pointed a name of its own at this machine (DNS rebinding)"
    )]
    ForeignHost,
    #[error("this service answers no web pages but those of this machine, and the request's Origin is another")]
    ForeignOrigin,
}

/// Checks to whom a request is addressed, and from which page it comes.
pub(super) fn check<B>(request: &Request<B>) -> Result<(), Refused> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err(Refused::NoHost);
    };
    // A request line with an address of its own goes before the header.
    let addressed = request.uri().authority().map(axum::http::uri::Authority::as_str);
    if !host.to_str().is_ok_and(is_ours) || !addressed.is_none_or(is_ours) {
        return Err(Refused::ForeignHost);
    }
    if !origins(request.headers()).all(|origin| origin.is_some_and(is_ours)) {
        return Err(Refused::ForeignOrigin);
    }
    Ok(())
}

/// The hosts of the pages that a request comes from; `None` for a page without one (`null`, a file, an extension).
fn origins(headers: &HeaderMap) -> impl Iterator<Item = Option<&str>> {
    headers.get_all(ORIGIN).iter().map(|origin| {
        let origin = origin.to_str().ok()?;
        origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"))
    })
}

/// Whether `host` or `host:port` is this machine by a name that nobody else can give.
fn is_ours(authority: &str) -> bool {
    let (host, port) = match authority.find(']') {
        Some(end) if authority.starts_with('[') => authority.split_at(end + 1),
        _ => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !(port.is_empty() || port.strip_prefix(':').is_some_and(is_port)) {
        return false;
    }
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address
            .parse()
            .is_ok_and(|address: std::net::Ipv6Addr| address.is_loopback()),
        None => {
            host.eq_ignore_ascii_case("localhost")
                || host
                    .parse()
                    .is_ok_and(|address: std::net::Ipv4Addr| address.is_loopback())
        }
    }
}

impl Refused {
    /// What the client is told, in the form of API Gateway's errors.
    pub(super) fn response(self) -> Response<Full<Bytes>> {
        let (status, kind) = match self {
            Self::NoHost => (StatusCode::BAD_REQUEST, "BadRequestException"),
            Self::ForeignHost | Self::ForeignOrigin => (StatusCode::FORBIDDEN, "ForbiddenException"),
        };
        let body = json!({ "message": self.to_string() }).to_string();
        let mut response = Response::new(Full::new(body.into()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert("x-amzn-errortype", HeaderValue::from_static(kind));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(uri: &str, headers: &[(&str, &str)]) -> Result<(), Refused> {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        check(&request.body(()).unwrap())
    }

    #[test]
    fn the_host_is_this_machine() {
        for host in [
            "localhost",
            "localhost:3000",
            "LocalHost:1",
            "127.0.0.1",
            "127.0.0.1:65535",
            "127.1.2.3:80",
            "[::1]",
            "[::1]:3000",
            "localhost:",
        ] {
            assert_eq!(checked("/", &[("host", host)]), Ok(()), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:3000",
            "localhost.evil.example",
            "localhost.",
            "evil.localhost",
            "127.0.0.1.evil.example",
            "127.0.0.1.nip.io:3000",
            "localhost@evil.example",
            "evil.example@localhost",
            "localhost:3000@evil.example",
            "localhost:evil",
            "localhost, evil.example",
            "0.0.0.0:3000",
            "10.0.0.1",
            "2130706433",
            "0x7f.1",
            "127.1",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::1",
            "::1",
            "[::1]evil.example",
            "löcalhost",
            " localhost",
        ] {
            assert_eq!(checked("/", &[("host", host)]), Err(Refused::ForeignHost), "{host}");
        }
        assert_eq!(checked("/", &[]), Err(Refused::NoHost));
        let twice = [("host", "localhost"), ("host", "localhost")];
        assert_eq!(checked("/", &twice), Err(Refused::NoHost));
    }

    #[test]
    fn an_address_in_the_request_line_counts_too() {
        let ours = [("host", "localhost")];
        assert_eq!(checked("http://127.0.0.1:3000/health", &ours), Ok(()));
        for uri in ["http://evil.example/health", "http://localhost@evil.example/"] {
            assert_eq!(checked(uri, &ours), Err(Refused::ForeignHost), "{uri}");
        }
    }

    #[test]
    fn the_origin_is_this_machine_or_nobody() {
        let from = |origins: &[&str]| {
            let origins = origins.iter().map(|origin| ("origin", *origin));
            let headers: Vec<_> = [("host", "localhost:3000")].into_iter().chain(origins).collect();
            checked("/", &headers)
        };
        for origin in ["http://localhost:5173", "https://127.0.0.1", "http://[::1]:3000"] {
            assert_eq!(from(&[origin]), Ok(()), "{origin}");
        }
        for origin in [
            "null",
            "",
            "https://evil.example",
            "http://localhost.evil.example",
            "http://localhost@evil.example",
            "http://localhost/path",
            "localhost",
            "file://",
            "chrome-extension://abcdefgh",
            "http://http://localhost",
        ] {
            assert_eq!(from(&[origin]), Err(Refused::ForeignOrigin), "{origin}");
        }
        let one_of_two = from(&["http://localhost", "https://evil.example"]);
        assert_eq!(one_of_two, Err(Refused::ForeignOrigin));
    }

    #[test]
    fn a_refusal_says_why_and_repeats_nothing() {
        let response = Refused::ForeignHost.response();
        assert_eq!(response.status(), 403);
        assert_eq!(response.headers()["x-amzn-errortype"], "ForbiddenException");
        assert_eq!(Refused::NoHost.response().status(), 400);
    }
}
