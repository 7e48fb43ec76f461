//! Who sends a request: the access key id in its signature (SigV4).
//!
//! It stands in one of two places: the header `Authorization: AWS4-HMAC-SHA256 Credential=<id>/<scope>, …`, or the query of
//! a presigned URL, `X-Amz-Credential=<id>%2F<scope>`
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-authentication-methods.html>). Whether the signature is
//! right is not asked here: S3's is checked by s3s, those of the other endpoints by `signature`.

use axum::http::{HeaderMap, Uri, header::AUTHORIZATION};

/// What an access key id has at most, by IAM's own limit.
const MOST_BYTES: usize = 128;

/// The access key id that a request names; `None` for an unsigned one.
pub(crate) fn access_key_id<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    let credential = in_header(headers).or_else(|| in_query(uri))?;
    let end = credential.find(['/', '%']).unwrap_or(credential.len());
    let id = &credential[..end];
    (1..=MOST_BYTES).contains(&id.len()).then_some(id)
}

fn in_header(headers: &HeaderMap) -> Option<&str> {
    let (algorithm, parts) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    algorithm.starts_with("AWS4-").then_some(())?;
    parts
        .split(',')
        .find_map(|part| part.trim_start().strip_prefix("Credential="))
}

fn in_query(uri: &Uri) -> Option<&str> {
    let mut parameters = uri.query()?.split('&');
    parameters.find_map(|parameter| parameter.strip_prefix("X-Amz-Credential="))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(authorization: &str, uri: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        if !authorization.is_empty() {
            headers.insert(AUTHORIZATION, authorization.parse().unwrap());
        }
        access_key_id(&headers, &uri.parse().unwrap()).map(str::to_owned)
    }

    #[test]
    fn the_id_is_found_wherever_it_may_stand() {
        let long = "A".repeat(129);
        let header = |id: &str| {
            format!(
                "AWS4-HMAC-SHA256 Credential={id}/20261124/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
            )
        };
        let cases = [
            (header("pinlake-ingest"), "/", Some("pinlake-ingest")),
            // The parts may stand in any order, with or without blanks.
            (
                "AWS4-HMAC-SHA256 SignedHeaders=host,Credential=AKID/20261124/us-east-1/s3/aws4_request".into(),
                "/",
                Some("AKID"),
            ),
            (
                String::new(),
                "/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKID%2F20261124%2Fus-east-1%2Fs3%2Faws4_request",
                Some("AKID"),
            ),
            (String::new(), "/b/k?x=1&X-Amz-Credential=AKID/20261124", Some("AKID")),
            (String::new(), "/", None),
            ("Basic QUtJRDpzZWNyZXQ=".into(), "/", None),
            ("Bearer Credential=AKID/20261124".into(), "/", None),
            ("AWS4-HMAC-SHA256 Credential=/20261124".into(), "/", None),
            (header(&long), "/", None),
            (header(&long[1..]), "/", Some(&long[1..])),
        ];
        for (authorization, uri, expected) in cases {
            assert_eq!(found(&authorization, uri).as_deref(), expected, "{authorization} {uri}");
        }
    }
}
