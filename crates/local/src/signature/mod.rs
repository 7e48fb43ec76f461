//! Signature Version 4, as a service checks it.
//!
//! ```text
//! request ─► claim: who says to have signed what, when ─► known key? scope? time? ─► signed again: the same?
//! ```
//!
//! A signature is checked by making it again: the same headers of the same request are signed by `aws-sigv4`, the
//! SDK's own signer, with the secret that belongs to the key id, and what comes out is compared with what came in. So
//! there is no cryptography here, and canonical forms are the SDK's: paths are normalised and encoded twice, as every
//! service but S3 wants it; S3's signatures are checked by s3s.
//!
//! The rules around it: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>,
//! and the messages <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html>. The digest
//! of the body is always the body's own: `UNSIGNED-PAYLOAD` is S3's.
//!
//! # Invariants
//! - A request of which anything signed was changed is refused (`what_is_changed_on_the_way_is_noticed`), and so is
//!   one whose `Host` or `x-amz-` headers are not signed (`what_must_be_signed_is_asked_for`).
//! - A signature is good for five minutes, a presigned URL for as long as it says (`signatures_have_their_time`).
//! - No message repeats a secret, a canonical request or a header (`refusals_tell_no_secret`).
//! - Nothing that a client can send makes it panic (`any_header_is_answered`).
//!
//! # Limits
//! The time of signing is read from `X-Amz-Date`, not from `Date`. Nobody issues session tokens here, so any token is
//! taken, if it is signed. SigV4A is not spoken.

mod claim;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use aws_credential_types::Credentials as SdkCredentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign},
    sign::v4,
};
use axum::http::{HeaderMap, Method, Uri};
use chrono::{DateTime, TimeDelta, Utc};
use subtle::ConstantTimeEq as _;

use self::claim::{Claim, Place};
use crate::Credentials;

/// How far a client's clock may be off.
const SKEW: TimeDelta = TimeDelta::minutes(5);
/// `20261124T100000Z`.
const TIME: &str = "%Y%m%dT%H%M%SZ";

/// Who may sign requests, and for which service in which region. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Signatures(Arc<Known>);

#[derive(Debug)]
struct Known {
    /// By access key id.
    callers: BTreeMap<String, Credentials>,
    service: &'static str,
    region: String,
}

/// A request, as far as it can be signed.
#[derive(Clone, Copy)]
pub(crate) struct Received<'a> {
    pub(crate) method: &'a Method,
    pub(crate) uri: &'a Uri,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

/// Why a request is turned away. The messages are AWS's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("Missing Authentication Token")]
    Missing,
    /// What says who signed cannot be understood.
    #[error("{0}")]
    Incomplete(String),
    #[error("The security token included in the request is invalid.")]
    UnknownKey,
    /// It is signed for something else, at another time, or not like this.
    #[error("{0}")]
    Invalid(String),
}

impl Refused {
    /// The exception's name.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Missing => "MissingAuthenticationTokenException",
            Self::Incomplete(_) => "IncompleteSignatureException",
            Self::UnknownKey => "UnrecognizedClientException",
            Self::Invalid(_) => "InvalidSignatureException",
        }
    }

    fn mismatch() -> Self {
        Self::Invalid(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
             Access Key and signing method. Consult the service documentation for details."
                .into(),
        )
    }
}

impl Signatures {
    /// Of these callers; `None` if there are none, and so nothing to check.
    pub(crate) fn of(callers: &[Credentials], service: &'static str, region: &str) -> Option<Self> {
        let callers: BTreeMap<_, _> = callers
            .iter()
            .map(|keys| (keys.access_key_id.clone(), keys.clone()))
            .collect();
        (!callers.is_empty()).then(|| {
            Self(Arc::new(Known {
                callers,
                service,
                region: region.to_owned(),
            }))
        })
    }

    /// Whether one of the callers has signed this request, now or a moment ago.
    pub(crate) fn verify(&self, request: Received<'_>, now: DateTime<Utc>) -> Result<(), Refused> {
        let claim = Claim::read(request.headers, request.uri)?;
        let keys = self.0.callers.get(&claim.key_id).ok_or(Refused::UnknownKey)?;
        self.scope(&claim)?;
        let time = in_time(&claim, now)?;
        let again = self.signature(&claim, keys, request, time);
        let same = again.is_some_and(|again| again.as_bytes().ct_eq(claim.signature.as_bytes()).into());
        same.then_some(()).ok_or_else(Refused::mismatch)
    }

    fn scope(&self, claim: &Claim) -> Result<(), Refused> {
        let Known { service, region, .. } = &*self.0;
        let wrong = if claim.time.get(..8) != Some(claim.date.as_str()) {
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP.".into()
        } else if claim.region != *region {
            format!("Credential should be scoped to a valid region: '{region}'.")
        } else if claim.service != *service {
            format!("Credential should be scoped to correct service: '{service}'.")
        } else {
            return Ok(());
        };
        Err(Refused::Invalid(wrong))
    }

    /// The signature that the owner of these keys would make; `None` for a request that cannot be signed.
    fn signature(&self, claim: &Claim, keys: &Credentials, request: Received<'_>, time: SystemTime) -> Option<String> {
        let mut settings = SigningSettings::default();
        // Which headers are signed the client has chosen.
        settings.excluded_headers = None;
        if let Place::Query { expires } = claim.place {
            settings.signature_location = SignatureLocation::QueryParams;
            settings.expires_in = Some(expires);
        }
        // The token goes this way and not as one more header, because the signer's traces show headers.
        let identity = SdkCredentials::new(
            keys.access_key_id.as_str(),
            keys.secret_access_key.as_str(),
            claim.token.clone(),
            None,
            "pinlake",
        )
        .into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.0.region)
            .name(self.0.service)
            .time(time)
            .settings(settings)
            .build()
            .ok()?
            .into();
        // The host is signed as the header that it is; an address is needed only to have a path and a query in.
        let url = format!("http://localhost{}{}", request.uri.path(), claim.query(request.uri));
        let body = SignableBody::Bytes(request.body);
        let headers = claim.headers(request.headers)?.into_iter();
        let request = SignableRequest::new(request.method.as_str(), url, headers, body).ok()?;
        Some(sign(request, &params).ok()?.into_parts().1)
    }
}

/// When it was signed, if that still counts.
fn in_time(claim: &Claim, now: DateTime<Utc>) -> Result<SystemTime, Refused> {
    let signed = time(&claim.time).ok_or_else(|| {
        Refused::Incomplete("Date must be in ISO-8601 'basic format', as in 20261124T100000Z.".into())
    })?;
    let (lifetime, told) = match claim.place {
        Place::Header => (SKEW, "5 min.".to_owned()),
        Place::Query { expires } => {
            let seconds = expires.as_secs();
            (TimeDelta::from_std(expires).unwrap_or(SKEW), format!("{seconds} s"))
        }
    };
    let (earliest, latest) = (now - lifetime, now + SKEW);
    // To the second, which is all that a signature tells.
    if signed.timestamp() < earliest.timestamp() {
        let (earliest, now) = (earliest.format(TIME), now.format(TIME));
        return Err(Refused::Invalid(format!(
            "Signature expired: {} is now earlier than {earliest} ({now} - {told})",
            signed.format(TIME)
        )));
    }
    if signed.timestamp() > latest.timestamp() {
        let (latest, now) = (latest.format(TIME), now.format(TIME));
        return Err(Refused::Invalid(format!(
            "Signature not yet current: {} is still later than {latest} ({now} + 5 min.)",
            signed.format(TIME)
        )));
    }
    Ok(signed.into())
}

fn time(text: &str) -> Option<DateTime<Utc>> {
    // The parser would take signs, blanks and years of other lengths as well.
    let is_basic = text.len() == 16
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'T' | b'Z'));
    let time = chrono::NaiveDateTime::parse_from_str(is_basic.then_some(text)?, TIME).ok()?;
    Some(time.and_utc())
}

/// The longest that a presigned URL may live, in seconds: seven days.
const LONGEST: Duration = Duration::from_secs(604_800);
