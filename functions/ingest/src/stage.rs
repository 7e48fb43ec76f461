//! Path prefixes: `/dev/streams/…` is `/streams/…`.
//!
//! API Gateway puts its stage before the path, a custom domain its base path, and `lambda_http` the stage again unless
//! it is told not to. Whatever comes before the first segment that is ours, at most two segments, is dropped. So a
//! stage can have any name but those of our own roots.

use axum::http::{Request, Uri, uri::PathAndQuery};

/// The first segments of all routes.
const ROOTS: [&str; 4] = ["topics", "streams", "health", "openapi.json"];

/// A stage, and the base path of a custom domain.
const MOST_SEGMENTS: usize = 2;

/// Drops what comes before the routes.
pub(crate) fn strip<B>(mut request: Request<B>) -> Request<B> {
    if let Some(uri) = stripped(request.uri()) {
        *request.uri_mut() = uri;
    }
    request
}

fn stripped(uri: &Uri) -> Option<Uri> {
    let mut rest = uri.path();
    for _ in 0..MOST_SEGMENTS {
        if ROOTS.contains(&first_segment(rest)) {
            break;
        }
        let (_, after) = rest.strip_prefix('/')?.split_once('/')?;
        rest = &rest[rest.len() - after.len() - 1..];
    }
    if rest == uri.path() || !ROOTS.contains(&first_segment(rest)) {
        return None;
    }
    let path_and_query = match uri.query() {
        Some(query) => format!("{rest}?{query}"),
        None => rest.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path_and_query).ok()?);
    Uri::from_parts(parts).ok()
}

fn first_segment(path: &str) -> &str {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.split('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_dropped_and_all_else_is_left() {
        let cases = [
            ("/streams/a-pin/record", "/streams/a-pin/record"),
            ("/dev/streams/a-pin/record?x=1", "/streams/a-pin/record?x=1"),
            ("/base/dev/topics", "/topics"),
            ("/a/b/c/topics", "/a/b/c/topics"),
            ("/dev/health", "/health"),
            ("/dev/openapi.json", "/openapi.json"),
            ("/streams/streams", "/streams/streams"),
            ("/topics/health", "/topics/health"),
            ("/dev", "/dev"),
            ("/dev/", "/dev/"),
            ("//streams", "/streams"),
            ("/", "/"),
            ("*", "*"),
            ("https://h.example/dev/streams", "https://h.example/streams"),
        ];
        for (uri, expected) in cases {
            let request = strip(Request::builder().uri(uri).body(()).unwrap());
            assert_eq!(request.uri().to_string(), expected, "{uri}");
        }
    }
}
