//! Which permission each request to S3 needs: noted for [`Calls`], and none refused but unsigned ones.
//!
//! Actions by operation:
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html>.

use s3s::{
    S3Request, S3Result,
    access::{S3Access, S3AccessContext},
    auth::Credentials,
    dto::{CopyObjectInput, CopySource, DeleteObjectsInput, ListObjectsInput, ListObjectsV2Input},
    s3_error,
};

use crate::calls::{Calls, cut};

/// Tells [`Calls`] of each request whose signature is right.
#[derive(Clone)]
pub(super) struct Access(Calls);

impl Access {
    pub(super) fn new(calls: Calls) -> Self {
        Self(calls)
    }

    /// An object was asked for that is not there. S3 says so only to those who may list the bucket, and to others that
    /// access is denied
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>); a Delta log is read by asking for its next
    /// entry until there is none. Such a request has no prefix.
    pub(super) fn missing(&self, credentials: Option<&Credentials>, bucket: &str) {
        self.list(credentials, bucket, None);
    }

    fn list(&self, credentials: Option<&Credentials>, bucket: &str, prefix: Option<&str>) {
        self.bucket(credentials, "s3:ListBucket", bucket, prefix);
    }

    fn bucket(&self, credentials: Option<&Credentials>, action: &str, bucket: &str, prefix: Option<&str>) {
        self.0
            .keep(caller(credentials), action, bucket_arn(bucket), prefix.map(cut));
    }

    fn object(&self, credentials: Option<&Credentials>, action: &str, bucket: &str, key: &str) {
        let arn = format!("{}/{}", bucket_arn(bucket), cut(key));
        self.0.keep(caller(credentials), action, arn, None);
    }
}

/// The action of an operation on one object or one bucket. For the other operations there are functions below.
fn action(operation: &str) -> Option<&'static str> {
    Some(match operation {
        "GetObject" | "HeadObject" => "s3:GetObject",
        "PutObject" | "CopyObject" | "CreateMultipartUpload" | "UploadPart" | "CompleteMultipartUpload" => {
            "s3:PutObject"
        }
        "DeleteObject" => "s3:DeleteObject",
        "ListParts" => "s3:ListMultipartUploadParts",
        "AbortMultipartUpload" => "s3:AbortMultipartUpload",
        "HeadBucket" => "s3:ListBucket",
        "GetBucketLocation" => "s3:GetBucketLocation",
        "CreateBucket" => "s3:CreateBucket",
        "DeleteBucket" => "s3:DeleteBucket",
        "ListBuckets" => "s3:ListAllMyBuckets",
        _ => return None,
    })
}

#[async_trait::async_trait]
impl S3Access for Access {
    async fn check(&self, request: &mut S3AccessContext<'_>) -> S3Result<()> {
        let Some(credentials) = request.credentials() else {
            return Err(s3_error!(AccessDenied, "Signature is required"));
        };
        let Some(action) = action(request.s3_op().name()) else {
            return Ok(());
        };
        let path = request.s3_path();
        match (path.get_bucket_name(), path.get_object_key()) {
            (Some(bucket), Some(key)) => self.object(Some(credentials), action, bucket, key),
            (Some(bucket), None) => self.bucket(Some(credentials), action, bucket, None),
            (None, _) => self.0.keep(caller(Some(credentials)), action, "*".into(), None),
        }
        Ok(())
    }

    async fn copy_object(&self, request: &mut S3Request<CopyObjectInput>) -> S3Result<()> {
        if let CopySource::Bucket { bucket, key, .. } = &request.input.copy_source {
            self.object(request.credentials.as_ref(), "s3:GetObject", bucket, key);
        }
        Ok(())
    }

    async fn delete_objects(&self, request: &mut S3Request<DeleteObjectsInput>) -> S3Result<()> {
        for object in &request.input.delete.objects {
            let credentials = request.credentials.as_ref();
            self.object(credentials, "s3:DeleteObject", &request.input.bucket, &object.key);
        }
        Ok(())
    }

    async fn list_objects(&self, request: &mut S3Request<ListObjectsInput>) -> S3Result<()> {
        let input = &request.input;
        self.list(request.credentials.as_ref(), &input.bucket, input.prefix.as_deref());
        Ok(())
    }

    async fn list_objects_v2(&self, request: &mut S3Request<ListObjectsV2Input>) -> S3Result<()> {
        let input = &request.input;
        self.list(request.credentials.as_ref(), &input.bucket, input.prefix.as_deref());
        Ok(())
    }
}

fn caller(credentials: Option<&Credentials>) -> Option<&str> {
    credentials.map(|credentials| credentials.access_key.as_str())
}

fn bucket_arn(bucket: &str) -> String {
    format!("arn:aws:s3:::{bucket}")
}
