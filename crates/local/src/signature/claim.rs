//! What a request says of its signature, in one of two places: the header `Authorization`, or the query of a presigned
//! URL.

use std::{borrow::Cow, time::Duration};

use axum::http::{
    HeaderMap, Uri,
    header::{AUTHORIZATION, HOST, HeaderName},
};
use url::form_urlencoded;

use super::{LONGEST, Refused};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const DATE: &str = "x-amz-date";
const TOKEN: &str = "x-amz-security-token";

/// Who says to have signed what, when, and for what.
pub(super) struct Claim {
    pub(super) place: Place,
    pub(super) key_id: String,
    /// The date of the scope, as in `20261124`.
    pub(super) date: String,
    pub(super) region: String,
    pub(super) service: String,
    /// The time of signing, as in `20261124T100000Z`.
    pub(super) time: String,
    pub(super) token: Option<String>,
    pub(super) signature: String,
    /// The names of the signed headers, in lower case.
    signed: Vec<String>,
}

/// Where the signature stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Header,
    /// How long it is good for.
    Query {
        expires: Duration,
    },
}

/// The parts as they stand there.
struct Parts<'a> {
    credential: Cow<'a, str>,
    signed: Cow<'a, str>,
    signature: Cow<'a, str>,
    time: Cow<'a, str>,
    token: Option<Cow<'a, str>>,
}

impl Claim {
    /// Reads what is said, and refuses what says too little.
    pub(super) fn read(headers: &HeaderMap, uri: &Uri) -> Result<Self, Refused> {
        let (place, parts) = match only(headers, &AUTHORIZATION)? {
            Some(authorization) => (Place::Header, in_header(authorization, headers)?),
            None => in_query(uri)?.ok_or(Refused::Missing)?,
        };
        let scope: Vec<&str> = parts.credential.split('/').collect();
        let [key_id, date, region, service, end] = scope[..] else {
            return incomplete(
                "Credential must have exactly 5 slash-delimited elements: keyid/date/region/service/aws4_request.",
            );
        };
        if end != "aws4_request" {
            return incomplete("Credential should be scoped with a valid terminator: 'aws4_request'.");
        }
        let claim = Self {
            place,
            key_id: key_id.to_owned(),
            date: date.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
            time: parts.time.into_owned(),
            token: parts.token.map(Cow::into_owned),
            signature: parts.signature.into_owned(),
            signed: parts.signed.split(';').map(str::to_owned).collect(),
        };
        claim.covers(headers)?;
        Ok(claim)
    }

    /// Whether what decides over a request is signed: to whom it goes, and all that is said to AWS.
    fn covers(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let is_signed = |name: &str| self.signed.iter().any(|signed| signed == name);
        let of_aws = headers.keys().map(HeaderName::as_str);
        let of_aws = of_aws.filter(|name| name.starts_with("x-amz-"));
        match [HOST.as_str()].into_iter().chain(of_aws).find(|name| !is_signed(name)) {
            None => Ok(()),
            Some("host") => invalid("'Host' must be a 'SignedHeader' in the AWS Authorization."),
            Some(_) => invalid("Each 'x-amz-' header must be a 'SignedHeader' in the AWS Authorization."),
        }
    }

    /// The signed headers, but for those that the signer adds itself; `None` if one of them is no text.
    pub(super) fn headers<'h>(&'h self, headers: &'h HeaderMap) -> Option<Vec<(&'h str, &'h str)>> {
        let by_signer: &[&str] = match self.place {
            Place::Header => &[DATE, TOKEN],
            Place::Query { .. } => &[],
        };
        let chosen = self.signed.iter().filter(|name| !by_signer.contains(&name.as_str()));
        chosen
            .flat_map(|name| headers.get_all(name).iter().map(move |value| (name, value)))
            .map(|(name, value)| Some((name.as_str(), std::str::from_utf8(value.as_bytes()).ok()?)))
            .collect()
    }

    /// The query with its `?`, but for the parameters that the signer adds itself.
    pub(super) fn query(&self, uri: &Uri) -> String {
        let query = uri.query().unwrap_or_default();
        let by_signer = |pair: &str| {
            matches!(self.place, Place::Query { .. })
                && form_urlencoded::parse(pair.as_bytes())
                    .next()
                    .is_some_and(|(name, _)| Parameter::of(&name).is_some())
        };
        let left: Vec<_> = query.split('&').filter(|pair| !by_signer(pair)).collect();
        match left.join("&") {
            left if left.is_empty() => left,
            left => format!("?{left}"),
        }
    }
}

fn in_header<'a>(authorization: &'a str, headers: &'a HeaderMap) -> Result<Parts<'a>, Refused> {
    let parts = authorization
        .strip_prefix(ALGORITHM)
        .and_then(|rest| rest.strip_prefix(' '))
        .ok_or_else(|| Refused::Incomplete(format!("Authorization header must begin with '{ALGORITHM}'.")))?;
    let (mut credential, mut signed, mut signature) = (None, None, None);
    for part in parts.split(',') {
        let known = match part.trim().split_once('=') {
            Some(("Credential", value)) => credential.replace(value),
            Some(("SignedHeaders", value)) => signed.replace(value),
            Some(("Signature", value)) => signature.replace(value),
            Some(_) => continue,
            None => return incomplete("not a valid key=value pair (missing equal-sign) in Authorization header."),
        };
        if known.is_some() {
            return incomplete("Authorization header has a parameter twice.");
        }
    }
    let time = only(headers, &HeaderName::from_static(DATE))?;
    let (Some(credential), Some(signed), Some(signature), Some(time)) = (credential, signed, signature, time) else {
        let parameters = [
            ("Credential", credential),
            ("SignedHeaders", signed),
            ("Signature", signature),
        ];
        let mut lacks: Vec<_> = parameters
            .iter()
            .filter(|(_, found)| found.is_none())
            .map(|(name, _)| format!("Authorization header requires '{name}' parameter."))
            .collect();
        if time.is_none() {
            lacks.push("Authorization header requires existence of a 'X-Amz-Date' header.".into());
        }
        return Err(Refused::Incomplete(lacks.join(" ")));
    };
    Ok(Parts {
        credential: credential.into(),
        signed: signed.into(),
        signature: signature.into(),
        time: time.into(),
        token: only(headers, &HeaderName::from_static(TOKEN))?.map(Cow::Borrowed),
    })
}

/// A parameter of a presigned URL.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Parameter {
    Algorithm,
    Credential,
    Date,
    Expires,
    SignedHeaders,
    Signature,
    Token,
}

impl Parameter {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "X-Amz-Algorithm" => Self::Algorithm,
            "X-Amz-Credential" => Self::Credential,
            "X-Amz-Date" => Self::Date,
            "X-Amz-Expires" => Self::Expires,
            "X-Amz-SignedHeaders" => Self::SignedHeaders,
            "X-Amz-Signature" => Self::Signature,
            "X-Amz-Security-Token" => Self::Token,
            _ => return None,
        })
    }
}

fn in_query(uri: &Uri) -> Result<Option<(Place, Parts<'_>)>, Refused> {
    let mut found: [Option<Cow<'_, str>>; 7] = Default::default();
    for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        if let Some(parameter) = Parameter::of(&name)
            && found[parameter as usize].replace(value).is_some()
        {
            return incomplete("the query has an 'X-Amz-' parameter twice.");
        }
    }
    let [algorithm, credential, time, expires, signed, signature, token] = found;
    if signature.is_none() && credential.is_none() && algorithm.is_none() {
        return Ok(None);
    }
    let (Some(algorithm), Some(credential), Some(time), Some(expires), Some(signed), Some(signature)) =
        (algorithm, credential, time, expires, signed, signature)
    else {
        return incomplete(
            "AWS query-string parameters must include 'X-Amz-Algorithm', 'X-Amz-Credential', 'X-Amz-Date', \
             'X-Amz-Expires', 'X-Amz-SignedHeaders' and 'X-Amz-Signature'.",
        );
    };
    if algorithm != ALGORITHM {
        return incomplete("X-Amz-Algorithm must be 'AWS4-HMAC-SHA256'.");
    }
    let Some(expires) = expires
        .parse()
        .ok()
        .map(Duration::from_secs)
        .filter(|time| *time <= LONGEST)
    else {
        return incomplete("X-Amz-Expires must be a number of seconds, at most 604800.");
    };
    let parts = Parts {
        credential,
        signed,
        signature,
        time,
        token,
    };
    Ok(Some((Place::Query { expires }, parts)))
}

/// The value of a header that may stand there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Refused> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    match value.to_str() {
        Ok(value) if values.next().is_none() => Ok(Some(value)),
        _ => Err(Refused::Incomplete(format!(
            "the header '{name}' must be one line of text."
        ))),
    }
}

fn incomplete<T>(message: &str) -> Result<T, Refused> {
    Err(Refused::Incomplete(message.into()))
}

fn invalid<T>(message: &str) -> Result<T, Refused> {
    Err(Refused::Invalid(message.into()))
}
