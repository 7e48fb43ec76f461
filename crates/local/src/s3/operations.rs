//! S3's operations: s3s's inputs and outputs on one side, the folder on the other.

mod buckets;
mod copies;
mod deletes;
mod listing;
mod uploads;

use std::{io, io::Seek, ops::Range, sync::Arc};

use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, auth::Credentials, dto::*};
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;

use super::{
    access::Access,
    condition::{ReadCondition, WriteCondition},
    folder::{Folder, blocking},
    object::{Attributes, Headers, Stored},
    staged::{Promised, Received},
};

/// How much of a file is read at once.
const READ_BYTES: usize = 128 * 1024;

/// What the S3 endpoint can do.
pub(super) struct Operations {
    folder: Arc<Folder>,
    access: Access,
}

impl Operations {
    pub(super) fn new(folder: Arc<Folder>, access: Access) -> Self {
        Self { folder, access }
    }

    /// Runs work on the folder where it may block.
    async fn on_folder<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<Folder>) -> S3Result<T> + Send + 'static,
    ) -> S3Result<T> {
        let folder = Arc::clone(&self.folder);
        blocking(move || work(&folder)).await
    }

    /// Opens an object for a request, as [`on_folder`](Self::on_folder).
    async fn on_object<T: Send + 'static>(
        &self,
        credentials: Option<&Credentials>,
        (bucket, key): (String, String),
        work: impl FnOnce(Stored) -> S3Result<T> + Send + 'static,
    ) -> S3Result<T> {
        let name = bucket.clone();
        let done = self.on_folder(move |folder| work(folder.read(&name, &key)?)).await;
        if done
            .as_ref()
            .is_err_and(|error| *error.code() == S3ErrorCode::NoSuchKey)
        {
            self.access.missing(credentials, &bucket);
        }
        done
    }
}

/// The standard headers of a request that makes an object.
macro_rules! headers_of {
    ($input:expr) => {
        Headers {
            cache_control: $input.cache_control.take(),
            content_disposition: $input.content_disposition.take(),
            content_encoding: $input.content_encoding.take(),
            content_language: $input.content_language.take(),
            content_type: $input.content_type.take(),
        }
    };
}
use headers_of;

/// Operations on one object are here; for the others, `Self::name` is the function of that name in a module below.
#[async_trait::async_trait]
impl S3 for Operations {
    async fn create_bucket(&self, req: S3Request<CreateBucketInput>) -> S3Result<S3Response<CreateBucketOutput>> {
        Self::create_bucket(self, req).await
    }

    async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        Self::head_bucket(self, req).await
    }

    async fn get_bucket_location(
        &self,
        req: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        Self::get_bucket_location(self, req).await
    }

    async fn list_buckets(&self, req: S3Request<ListBucketsInput>) -> S3Result<S3Response<ListBucketsOutput>> {
        Self::list_buckets(self, req).await
    }

    async fn delete_bucket(&self, req: S3Request<DeleteBucketInput>) -> S3Result<S3Response<DeleteBucketOutput>> {
        Self::delete_bucket(self, req).await
    }

    async fn put_object(&self, req: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let S3Request {
            mut input,
            trailing_headers,
            ..
        } = req;
        self.folder.object_path(&input.bucket, &input.key)?;
        let promised = Promised::of_object(&mut input);
        let received = self
            .folder
            .receive(input.body.take(), promised, trailing_headers.as_ref())
            .await?;
        let Received { staged, md5, checksums } = received;
        let attributes = Attributes {
            etag: md5,
            checksums,
            headers: headers_of!(input),
            metadata: input.metadata.take(),
        };
        let condition = WriteCondition {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
        };
        let (bucket, key) = (input.bucket, input.key);
        let attributes = self
            .on_folder(move |folder| {
                folder.commit((&bucket, &key), staged, &attributes, |stored| condition.check(stored))?;
                Ok(attributes)
            })
            .await?;
        Ok(S3Response::new(PutObjectOutput {
            e_tag: Some(ETag::Strong(attributes.etag)),
            checksum_crc32: attributes.checksums.crc32,
            checksum_crc32c: attributes.checksums.crc32c,
            checksum_crc64nvme: attributes.checksums.crc64nvme,
            checksum_sha1: attributes.checksums.sha1,
            checksum_sha256: attributes.checksums.sha256,
            ..Default::default()
        }))
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = req.input;
        let condition = ReadCondition {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
            if_modified_since: input.if_modified_since,
            if_unmodified_since: input.if_unmodified_since,
        };
        let (mut stored, span) = self
            .on_object(
                req.credentials.as_ref(),
                (input.bucket, input.key),
                move |mut stored| {
                    condition.check(&stored)?;
                    let span = input.range.map(|range| range.check(stored.size)).transpose()?;
                    if let Some(span) = &span {
                        stored
                            .file
                            .seek(io::SeekFrom::Start(span.start))
                            .map_err(S3Error::internal_error)?;
                    }
                    Ok((stored, span))
                },
            )
            .await?;
        let wants_checksum = span.is_none() && input.checksum_mode.is_some();
        let checksums = if wants_checksum {
            std::mem::take(&mut stored.attributes.checksums)
        } else {
            Default::default()
        };
        let length = span.as_ref().map_or(stored.size, |span| span.end - span.start);
        let (e_tag, last_modified, size) = (stored.etag(), stored.last_modified(), stored.size);
        let Attributes { headers, metadata, .. } = stored.attributes;
        let file = tokio::fs::File::from_std(stored.file).take(length);
        Ok(S3Response::new(GetObjectOutput {
            accept_ranges: Some("bytes".into()),
            body: Some(StreamingBlob::wrap(ReaderStream::with_capacity(file, READ_BYTES))),
            content_length: Some(signed(length)),
            content_range: span.map(|span| content_range(&span, size)),
            e_tag: Some(e_tag),
            last_modified: Some(last_modified),
            cache_control: input.response_cache_control.or(headers.cache_control),
            content_disposition: input.response_content_disposition.or(headers.content_disposition),
            content_encoding: input.response_content_encoding.or(headers.content_encoding),
            content_language: input.response_content_language.or(headers.content_language),
            content_type: input
                .response_content_type
                .or(headers.content_type)
                .or_else(default_type),
            checksum_crc32: checksums.crc32,
            checksum_crc32c: checksums.crc32c,
            checksum_crc64nvme: checksums.crc64nvme,
            checksum_sha1: checksums.sha1,
            checksum_sha256: checksums.sha256,
            metadata,
            ..Default::default()
        }))
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = req.input;
        let condition = ReadCondition {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
            if_modified_since: input.if_modified_since,
            if_unmodified_since: input.if_unmodified_since,
        };
        let (stored, span) = self
            .on_object(req.credentials.as_ref(), (input.bucket, input.key), move |stored| {
                condition.check(&stored)?;
                let span = input.range.map(|range| range.check(stored.size)).transpose()?;
                Ok((stored, span))
            })
            .await?;
        let (e_tag, last_modified) = (stored.etag(), stored.last_modified());
        let Attributes {
            headers,
            metadata,
            checksums,
            ..
        } = stored.attributes;
        let checksums = if input.checksum_mode.is_some() {
            checksums
        } else {
            Default::default()
        };
        Ok(S3Response::new(HeadObjectOutput {
            accept_ranges: Some("bytes".into()),
            content_length: Some(signed(span.as_ref().map_or(stored.size, |span| span.end - span.start))),
            e_tag: Some(e_tag),
            last_modified: Some(last_modified),
            cache_control: headers.cache_control,
            content_disposition: headers.content_disposition,
            content_encoding: headers.content_encoding,
            content_language: headers.content_language,
            content_type: headers.content_type.or_else(default_type),
            checksum_crc32: checksums.crc32,
            checksum_crc32c: checksums.crc32c,
            checksum_crc64nvme: checksums.crc64nvme,
            checksum_sha1: checksums.sha1,
            checksum_sha256: checksums.sha256,
            metadata,
            ..Default::default()
        }))
    }

    async fn copy_object(&self, req: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        Self::copy_object(self, req).await
    }

    async fn delete_object(&self, req: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        Self::delete_object(self, req).await
    }

    async fn delete_objects(&self, req: S3Request<DeleteObjectsInput>) -> S3Result<S3Response<DeleteObjectsOutput>> {
        Self::delete_objects(self, req).await
    }

    async fn list_objects(&self, req: S3Request<ListObjectsInput>) -> S3Result<S3Response<ListObjectsOutput>> {
        Self::list_objects(self, req).await
    }

    async fn list_objects_v2(&self, req: S3Request<ListObjectsV2Input>) -> S3Result<S3Response<ListObjectsV2Output>> {
        Self::list_objects_v2(self, req).await
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        Self::create_multipart_upload(self, req).await
    }

    async fn upload_part(&self, req: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        Self::upload_part(self, req).await
    }

    async fn list_parts(&self, req: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
        Self::list_parts(self, req).await
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        Self::complete_multipart_upload(self, req).await
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        Self::abort_multipart_upload(self, req).await
    }
}

fn content_range(span: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", span.start, span.end - 1)
}

fn default_type() -> Option<String> {
    Some("binary/octet-stream".into())
}

/// Sizes are signed on the wire; a file of more than 8 EiB is not to be feared.
fn signed(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}
