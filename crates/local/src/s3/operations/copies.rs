//! Copies within the store.

use std::{fs, io};

use axum::http::{
    HeaderMap, HeaderName,
    header::{IF_MATCH, IF_NONE_MATCH},
};
use s3s::{S3Error, S3Request, S3Response, S3Result, dto::*, s3_error};

use super::{
    super::{
        condition::{ReadCondition, WriteCondition},
        object::Headers,
        staged::Staged,
    },
    Operations, headers_of,
};

impl Operations {
    pub(super) async fn copy_object(&self, req: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        let mut input = req.input;
        let (from_bucket, from_key) = source_of(&input.copy_source)?;
        // s3s knows these two of puts only.
        let write = WriteCondition {
            if_match: condition(&req.headers, &IF_MATCH)?,
            if_none_match: condition(&req.headers, &IF_NONE_MATCH)?,
        };
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
        if !replaces && (&from_bucket, &from_key) == (&input.bucket, &input.key) {
            return Err(s3_error!(
                InvalidRequest,
                "This copy request is illegal because it is trying to copy an object to itself without changing the \
                 object's metadata, storage class, website redirect location or encryption attributes."
            ));
        }
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
                folder.commit((&input.bucket, &input.key), staged, &attributes, |stored| {
                    write.check(stored)
                })?;
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
}

/// A condition on what the copy replaces.
fn condition(headers: &HeaderMap, name: &HeaderName) -> S3Result<Option<ETagCondition>> {
    let Some(value) = headers.get(name) else {
        return Ok(None);
    };
    let condition = ETagCondition::parse_http_header(value.as_bytes());
    condition
        .map(Some)
        .map_err(|_| s3_error!(InvalidArgument, "`{name}` is neither * nor an ETag"))
}

fn source_of(source: &CopySource) -> S3Result<(String, String)> {
    match source {
        CopySource::Bucket { bucket, key, .. } => Ok((bucket.to_string(), key.to_string())),
        CopySource::AccessPoint { .. } | CopySource::Outpost { .. } => {
            Err(s3_error!(NotImplemented, "a copy's source is a bucket and a key"))
        }
    }
}
