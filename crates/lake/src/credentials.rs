//! The AWS credential chain, as the object store wants it.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use object_store::{CredentialProvider, aws::AwsCredential};
use tokio::sync::Mutex;

/// Credentials that end sooner than this are asked for anew, so that a request never travels with ended ones.
const RENEW_BEFORE: Duration = Duration::from_secs(300);

/// Lets the object store sign with whatever the AWS SDK finds: environment, profile, container, instance.
///
/// A provider may cost a network request each time it is asked, so its answer is kept while it is valid.
#[derive(Debug)]
pub(crate) struct SdkCredentials {
    provider: SharedCredentialsProvider,
    known: Mutex<Option<Known>>,
}

#[derive(Debug)]
struct Known {
    credential: Arc<AwsCredential>,
    renew_at: Option<SystemTime>,
}

impl SdkCredentials {
    pub(crate) fn new(provider: SharedCredentialsProvider) -> Self {
        Self {
            provider,
            known: Mutex::new(None),
        }
    }
}

#[async_trait]
impl CredentialProvider for SdkCredentials {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        // The lock is held while asking: concurrent requests wait for one answer instead of asking each for themselves.
        let mut known = self.known.lock().await;
        if let Some(known) = known.as_ref()
            && known.renew_at.is_none_or(|renew_at| SystemTime::now() < renew_at)
        {
            return Ok(Arc::clone(&known.credential));
        }
        let found = self
            .provider
            .provide_credentials()
            .await
            .map_err(|source| object_store::Error::Generic {
                store: "S3",
                source: Box::new(source),
            })?;
        let credential = Arc::new(AwsCredential {
            key_id: found.access_key_id().to_owned(),
            secret_key: found.secret_access_key().to_owned(),
            token: found.session_token().map(str::to_owned),
        });
        let renew_at = found.expiry().and_then(|expiry| expiry.checked_sub(RENEW_BEFORE));
        *known = Some(Known {
            credential: Arc::clone(&credential),
            renew_at,
        });
        Ok(credential)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use aws_credential_types::{Credentials, provider::future};

    use super::*;

    /// Gives out `key-1`, `key-2`, … with a fixed lifetime.
    #[derive(Debug)]
    struct Counting {
        asked: AtomicUsize,
        lifetime: Option<Duration>,
    }

    impl ProvideCredentials for Counting {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let asked = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
            let expiry = self.lifetime.map(|lifetime| SystemTime::now() + lifetime);
            future::ProvideCredentials::ready(Ok(Credentials::new(
                format!("key-{asked}"),
                "secret",
                Some("token".to_owned()),
                expiry,
                "test",
            )))
        }
    }

    async fn asked_twice(lifetime: Option<Duration>) -> (String, String) {
        let provider = Counting {
            asked: AtomicUsize::new(0),
            lifetime,
        };
        let credentials = SdkCredentials::new(SharedCredentialsProvider::new(provider));
        let first = credentials.get_credential().await.unwrap();
        let second = credentials.get_credential().await.unwrap();
        assert_eq!(first.token.as_deref(), Some("token"));
        (first.key_id.clone(), second.key_id.clone())
    }

    #[tokio::test]
    async fn valid_credentials_are_kept() {
        let expected = ("key-1".to_owned(), "key-1".to_owned());
        assert_eq!(asked_twice(None).await, expected);
        assert_eq!(asked_twice(Some(RENEW_BEFORE * 2)).await, expected);
    }

    #[tokio::test]
    async fn neither_secret_nor_token_is_shown() {
        let keys = Credentials::new("AKIDEXAMPLE", "hunter2", Some("hunter3".to_owned()), None, "test");
        let credentials = SdkCredentials::new(SharedCredentialsProvider::new(keys));
        credentials.get_credential().await.unwrap();
        let shown = format!("{credentials:?} {:#?}", credentials.get_credential().await.unwrap());
        assert!(shown.contains("AKIDEXAMPLE") && !shown.contains("hunter"), "{shown}");
    }

    #[tokio::test]
    async fn credentials_near_their_end_are_renewed() {
        assert_eq!(
            asked_twice(Some(RENEW_BEFORE / 2)).await,
            ("key-1".to_owned(), "key-2".to_owned())
        );
    }
}
