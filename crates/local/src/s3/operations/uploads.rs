//! Uploads in parts.

use s3s::{S3Request, S3Response, S3Result, dto::*, s3_error};

use super::{
    super::{
        condition::WriteCondition,
        object::{Attributes, Headers},
        staged::{Promised, Received},
    },
    Operations, headers_of, signed,
};

/// The most parts of one answer to `ListParts`.
const MOST_PARTS: i32 = 1000;

impl Operations {
    pub(super) async fn create_multipart_upload(
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

    pub(super) async fn upload_part(&self, req: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
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

    pub(super) async fn list_parts(&self, req: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
        let ListPartsInput {
            bucket,
            key,
            upload_id,
            max_parts,
            part_number_marker,
            ..
        } = req.input;
        let most = usize::try_from(max_parts.unwrap_or(MOST_PARTS)).map_err(|_| s3_error!(InvalidArgument))?;
        let most = most.min(MOST_PARTS as usize);
        let output = self
            .on_folder(move |folder| {
                let mut parts = folder.upload(&bucket, &key, &upload_id)?.parts()?;
                let before = part_number_marker.unwrap_or(0);
                parts.retain(|number, _| *number > before);
                let is_truncated = parts.len() > most;
                let page: Vec<_> = parts.into_iter().take(most).collect();
                let last = page.last().map(|(number, _)| *number);
                let parts = page.into_iter().map(|(number, part)| Part {
                    part_number: Some(number),
                    e_tag: Some(ETag::Strong(part.md5)),
                    size: Some(signed(part.size)),
                    last_modified: Some(Timestamp::from(part.modified)),
                    ..Default::default()
                });
                Ok(ListPartsOutput {
                    parts: Some(parts.collect()),
                    is_truncated: Some(is_truncated),
                    next_part_number_marker: last.filter(|_| is_truncated),
                    max_parts: i32::try_from(most).ok(),
                    part_number_marker,
                    bucket: Some(bucket),
                    key: Some(key),
                    upload_id: Some(upload_id),
                    ..Default::default()
                })
            })
            .await?;
        Ok(S3Response::new(output))
    }

    pub(super) async fn complete_multipart_upload(
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

    pub(super) async fn abort_multipart_upload(
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
