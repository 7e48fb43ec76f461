//! S3's operations: s3s's inputs and outputs on one side, the folder on the other.

use std::{fs, io, io::Seek, ops::Range, sync::Arc};

use s3s::{S3, S3Error, S3Request, S3Response, S3Result, dto::*, s3_error};
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;

use super::{
    condition::{ReadCondition, WriteCondition},
    folder::{Folder, blocking},
    list::{MOST_KEYS, Page, Query, Start},
    object::{Attributes, Headers, Stored},
    staged::{Promised, Received, Staged},
};

/// How much of a file is read at once.
const READ_BYTES: usize = 128 * 1024;

/// What the S3 endpoint can do.
pub(super) struct Operations {
    folder: Arc<Folder>,
}

impl Operations {
    pub(super) fn new(folder: Arc<Folder>) -> Self {
        Self { folder }
    }

    /// Runs work on the folder where it may block.
    async fn on_folder<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<Folder>) -> S3Result<T> + Send + 'static,
    ) -> S3Result<T> {
        let folder = Arc::clone(&self.folder);
        blocking(move || work(&folder)).await
    }
}

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

#[async_trait::async_trait]
impl S3 for Operations {
    async fn create_bucket(&self, req: S3Request<CreateBucketInput>) -> S3Result<S3Response<CreateBucketOutput>> {
        let bucket = req.input.bucket;
        let location = format!("/{bucket}");
        self.on_folder(move |folder| match fs::create_dir(folder.bucket_path(&bucket)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(s3_error!(BucketAlreadyOwnedByYou)),
            done => done.map_err(S3Error::internal_error),
        })
        .await?;
        Ok(S3Response::new(CreateBucketOutput {
            location: Some(location),
            ..Default::default()
        }))
    }

    async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.on_folder(move |folder| folder.existing_bucket(&req.input.bucket))
            .await?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn get_bucket_location(
        &self,
        req: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.on_folder(move |folder| folder.existing_bucket(&req.input.bucket))
            .await?;
        Ok(S3Response::new(GetBucketLocationOutput::default()))
    }

    async fn list_buckets(&self, _: S3Request<ListBucketsInput>) -> S3Result<S3Response<ListBucketsOutput>> {
        let buckets = self
            .on_folder(|folder| {
                let mut buckets = Vec::new();
                for entry in fs::read_dir(folder.root()).map_err(S3Error::internal_error)?.flatten() {
                    let Ok(name) = entry.file_name().into_string() else {
                        continue;
                    };
                    let Ok(about) = entry.metadata() else { continue };
                    if about.is_dir() && s3s::path::check_bucket_name(&name) {
                        let made = about.created().or_else(|_| about.modified()).ok().map(Timestamp::from);
                        buckets.push(Bucket {
                            name: Some(name),
                            creation_date: made,
                            bucket_region: None,
                        });
                    }
                }
                buckets.sort_by(|a, b| a.name.cmp(&b.name));
                Ok(buckets)
            })
            .await?;
        Ok(S3Response::new(ListBucketsOutput {
            buckets: Some(buckets),
            ..Default::default()
        }))
    }

    async fn delete_bucket(&self, req: S3Request<DeleteBucketInput>) -> S3Result<S3Response<DeleteBucketOutput>> {
        self.on_folder(move |folder| {
            let path = folder.existing_bucket(&req.input.bucket)?;
            // Not recursively: a bucket that still holds objects is not deleted, on S3 neither.
            fs::remove_dir(path).map_err(|error| match error.kind() {
                io::ErrorKind::DirectoryNotEmpty => s3_error!(BucketNotEmpty),
                _ => S3Error::internal_error(error),
            })
        })
        .await?;
        Ok(S3Response::new(DeleteBucketOutput {}))
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
            .on_folder(move |folder| {
                let mut stored = folder.read(&input.bucket, &input.key)?;
                condition.check(&stored)?;
                let span = input.range.map(|range| range.check(stored.size)).transpose()?;
                if let Some(span) = &span {
                    stored
                        .file
                        .seek(io::SeekFrom::Start(span.start))
                        .map_err(S3Error::internal_error)?;
                }
                Ok((stored, span))
            })
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
            .on_folder(move |folder| {
                let stored = folder.read(&input.bucket, &input.key)?;
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
        let mut input = req.input;
        let (from_bucket, from_key) = source_of(&input.copy_source)?;
        let condition = ReadCondition {
            if_match: input.copy_source_if_match.take(),
            if_none_match: input.copy_source_if_none_match.take(),
            if_modified_since: input.copy_source_if_modified_since.take(),
            if_unmodified_since: input.copy_source_if_unmodified_since.take(),
        };
        let replaces = input
            .metadata_directive
            .as_ref()
            .is_some_and(|d| d.as_str() == MetadataDirective::REPLACE);
        let result = self
            .on_folder(move |folder| {
                let mut source = folder.read(&from_bucket, &from_key)?;
                condition.check_source(&source)?;
                let staged = Staged::new(folder);
                let mut copy = fs::File::create_new(staged.path()).map_err(S3Error::internal_error)?;
                io::copy(&mut source.file, &mut copy).map_err(S3Error::internal_error)?;
                let modified = copy
                    .metadata()
                    .and_then(|about| about.modified())
                    .map_err(S3Error::internal_error)?;
                let mut attributes = source.attributes;
                if replaces {
                    attributes.headers = headers_of!(input);
                    attributes.metadata = input.metadata.take();
                }
                folder.commit((&input.bucket, &input.key), staged, &attributes, |_| Ok(()))?;
                Ok(CopyObjectResult {
                    e_tag: Some(ETag::Strong(attributes.etag)),
                    last_modified: Some(Timestamp::from(modified)),
                    ..Default::default()
                })
            })
            .await?;
        Ok(S3Response::new(CopyObjectOutput {
            copy_object_result: Some(result),
            ..Default::default()
        }))
    }

    async fn delete_object(&self, req: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        let DeleteObjectInput {
            bucket, key, if_match, ..
        } = req.input;
        self.on_folder(move |folder| delete(folder, &bucket, &key, if_match))
            .await?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn delete_objects(&self, req: S3Request<DeleteObjectsInput>) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let DeleteObjectsInput {
            bucket, delete: wanted, ..
        } = req.input;
        let (deleted, errors) = self
            .on_folder(move |folder| {
                folder.existing_bucket(&bucket)?;
                let (mut deleted, mut errors) = (Vec::new(), Vec::new());
                for ObjectIdentifier { key, e_tag, .. } in wanted.objects {
                    match delete(folder, &bucket, &key, e_tag.map(ETagCondition::ETag)) {
                        Ok(()) if wanted.quiet == Some(true) => {}
                        Ok(()) => deleted.push(DeletedObject {
                            key: Some(key),
                            ..Default::default()
                        }),
                        Err(error) => errors.push(Error {
                            code: Some(error.code().as_str().to_owned()),
                            message: error.message().map(str::to_owned),
                            key: Some(key),
                            version_id: None,
                        }),
                    }
                }
                Ok((deleted, errors))
            })
            .await?;
        let output = DeleteObjectsOutput {
            deleted: Some(deleted),
            errors: Some(errors),
            ..Default::default()
        };
        Ok(S3Response::new(output))
    }

    async fn list_objects(&self, req: S3Request<ListObjectsInput>) -> S3Result<S3Response<ListObjectsOutput>> {
        let input = req.input;
        let max_keys = page_size(input.max_keys)?;
        let start = match (
            input.marker.clone().filter(|marker| !marker.is_empty()),
            &input.delimiter,
        ) {
            (None, _) => Start::First,
            // The marker is the common prefix that the last page ended with.
            (Some(marker), Some(delimiter)) if marker.ends_with(delimiter.as_str()) => Start::AfterPrefix(marker),
            (Some(marker), _) => Start::After(marker),
        };
        let query = Query {
            prefix: input.prefix.clone().unwrap_or_default(),
            delimiter: input.delimiter.clone().filter(|delimiter| !delimiter.is_empty()),
            start,
            max_keys,
        };
        let bucket = input.bucket.clone();
        let page = self.on_folder(move |folder| folder.list(&bucket, &query)).await?;
        let encode = encoder(input.encoding_type.as_ref());
        let next_marker = page.next.as_ref().and_then(|next| match next {
            Start::First => None,
            Start::After(key) | Start::AfterPrefix(key) => Some(encode(key.clone())),
        });
        let is_truncated = page.next.is_some();
        let (contents, common_prefixes) = entries(page, encode);
        Ok(S3Response::new(ListObjectsOutput {
            name: Some(input.bucket),
            prefix: Some(encode(input.prefix.unwrap_or_default())),
            delimiter: input.delimiter.map(encode),
            marker: Some(encode(input.marker.unwrap_or_default())),
            max_keys: Some(max_keys as i32),
            is_truncated: Some(is_truncated),
            next_marker,
            contents: Some(contents),
            common_prefixes: Some(common_prefixes),
            encoding_type: input.encoding_type,
            ..Default::default()
        }))
    }

    async fn list_objects_v2(&self, req: S3Request<ListObjectsV2Input>) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = req.input;
        let max_keys = page_size(input.max_keys)?;
        let start = match (&input.continuation_token, &input.start_after) {
            (Some(token), _) => Start::from_token(token)?,
            (None, Some(key)) if !key.is_empty() => Start::After(key.clone()),
            _ => Start::First,
        };
        let query = Query {
            prefix: input.prefix.clone().unwrap_or_default(),
            delimiter: input.delimiter.clone().filter(|delimiter| !delimiter.is_empty()),
            start,
            max_keys,
        };
        let bucket = input.bucket.clone();
        let page = self.on_folder(move |folder| folder.list(&bucket, &query)).await?;
        let encode = encoder(input.encoding_type.as_ref());
        let next = page.next.as_ref().map(Start::to_token);
        let (contents, common_prefixes) = entries(page, encode);
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: Some(encode(input.prefix.unwrap_or_default())),
            delimiter: input.delimiter.map(encode),
            start_after: input.start_after.map(encode),
            max_keys: Some(max_keys as i32),
            key_count: Some((contents.len() + common_prefixes.len()) as i32),
            is_truncated: Some(next.is_some()),
            continuation_token: input.continuation_token,
            next_continuation_token: next,
            contents: Some(contents),
            common_prefixes: Some(common_prefixes),
            encoding_type: input.encoding_type,
            ..Default::default()
        }))
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let mut input = req.input;
        let attributes = Attributes {
            headers: headers_of!(input),
            metadata: input.metadata.take(),
            ..Default::default()
        };
        let (bucket, key) = (input.bucket.clone(), input.key.clone());
        let id = self
            .on_folder(move |folder| folder.begin_upload(&bucket, &key, attributes))
            .await?;
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(id),
            checksum_algorithm: input.checksum_algorithm,
            checksum_type: input.checksum_type,
            ..Default::default()
        }))
    }

    async fn upload_part(&self, req: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        let S3Request {
            mut input,
            trailing_headers,
            ..
        } = req;
        let upload = self.folder.upload(&input.bucket, &input.key, &input.upload_id)?;
        let promised = Promised::of_part(&mut input);
        let received = self
            .folder
            .receive(input.body.take(), promised, trailing_headers.as_ref())
            .await?;
        let Received { md5, checksums, .. } = self
            .on_folder(move |_| {
                upload.keep_part(input.part_number, &received)?;
                Ok(received)
            })
            .await?;
        Ok(S3Response::new(UploadPartOutput {
            e_tag: Some(ETag::Strong(md5)),
            checksum_crc32: checksums.crc32,
            checksum_crc32c: checksums.crc32c,
            checksum_crc64nvme: checksums.crc64nvme,
            checksum_sha1: checksums.sha1,
            checksum_sha256: checksums.sha256,
            ..Default::default()
        }))
    }

    async fn list_parts(&self, req: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
        let ListPartsInput {
            bucket, key, upload_id, ..
        } = req.input;
        let output = self
            .on_folder(move |folder| {
                let parts = folder.upload(&bucket, &key, &upload_id)?.parts()?;
                let parts = parts.into_iter().map(|(number, part)| Part {
                    part_number: Some(number),
                    e_tag: Some(ETag::Strong(part.md5)),
                    size: Some(signed(part.size)),
                    last_modified: Some(Timestamp::from(part.modified)),
                    ..Default::default()
                });
                Ok(ListPartsOutput {
                    parts: Some(parts.collect()),
                    is_truncated: Some(false),
                    bucket: Some(bucket),
                    key: Some(key),
                    upload_id: Some(upload_id),
                    ..Default::default()
                })
            })
            .await?;
        Ok(S3Response::new(output))
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let CompleteMultipartUploadInput {
            bucket,
            key,
            upload_id,
            multipart_upload,
            if_match,
            if_none_match,
            ..
        } = req.input;
        let condition = WriteCondition {
            if_match,
            if_none_match,
        };
        let parts = multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
        let output = self
            .on_folder(move |folder| {
                let upload = folder.upload(&bucket, &key, &upload_id)?;
                let etag = folder.complete_upload(&upload, &parts, &condition)?;
                Ok(CompleteMultipartUploadOutput {
                    location: Some(format!("/{bucket}/{key}")),
                    bucket: Some(bucket),
                    key: Some(key),
                    e_tag: Some(ETag::Strong(etag)),
                    ..Default::default()
                })
            })
            .await?;
        Ok(S3Response::new(output))
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let AbortMultipartUploadInput {
            bucket, key, upload_id, ..
        } = req.input;
        self.on_folder(move |folder| folder.upload(&bucket, &key, &upload_id)?.remove())
            .await?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }
}

fn delete(folder: &Folder, bucket: &str, key: &str, if_match: Option<ETagCondition>) -> S3Result<()> {
    let condition = WriteCondition {
        if_match,
        if_none_match: None,
    };
    folder.delete((bucket, key), |stored: Option<&Stored>| condition.check(stored))
}

fn source_of(source: &CopySource) -> S3Result<(String, String)> {
    match source {
        CopySource::Bucket { bucket, key, .. } => Ok((bucket.to_string(), key.to_string())),
        CopySource::AccessPoint { .. } | CopySource::Outpost { .. } => {
            Err(s3_error!(NotImplemented, "a copy's source is a bucket and a key"))
        }
    }
}

/// A page as the two list operations show it.
fn entries(page: Page, encode: fn(String) -> String) -> (Vec<Object>, Vec<CommonPrefix>) {
    let objects = page.objects.into_iter().map(|listed| Object {
        key: Some(encode(listed.key)),
        size: Some(signed(listed.size)),
        last_modified: Some(Timestamp::from(listed.modified)),
        e_tag: listed.etag.map(ETag::Strong),
        storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
        ..Default::default()
    });
    let prefixes = page.common_prefixes.into_iter().map(|prefix| CommonPrefix {
        prefix: Some(encode(prefix)),
    });
    (objects.collect(), prefixes.collect())
}

fn page_size(max_keys: Option<i32>) -> S3Result<usize> {
    let asked = max_keys.map_or(Ok(MOST_KEYS), usize::try_from);
    let asked = asked.map_err(|_| s3_error!(InvalidArgument, "Argument maxKeys must be an integer of at least 0"))?;
    Ok(asked.min(MOST_KEYS))
}

/// What `encoding-type=url` asks for: names that XML could not carry, and clients that decode what they asked for.
fn encoder(encoding: Option<&EncodingType>) -> fn(String) -> String {
    match encoding {
        Some(encoding) if encoding.as_str() == EncodingType::URL => url_encode,
        _ => std::convert::identity,
    }
}

#[allow(clippy::needless_pass_by_value, reason = "it has the type of `identity`")]
fn url_encode(text: String) -> String {
    use std::fmt::Write;
    text.bytes()
        .fold(String::with_capacity(text.len()), |mut encoded, byte| {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' | b'/' => encoded.push(byte.into()),
                _ => {
                    // Writing to a String cannot fail.
                    let _ = write!(encoded, "%{byte:02X}");
                }
            }
            encoded
        })
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
