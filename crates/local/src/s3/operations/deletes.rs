//! Deletions, one by one and a thousand at once.

use s3s::{S3Request, S3Response, S3Result, dto::*, s3_error};

use super::{
    super::{condition::WriteCondition, folder::Folder, object::Stored},
    Operations,
};

/// The most keys of one `DeleteObjects` request.
const MOST_DELETED: usize = 1000;

impl Operations {
    pub(super) async fn delete_object(
        &self,
        req: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let DeleteObjectInput {
            bucket, key, if_match, ..
        } = req.input;
        self.on_folder(move |folder| delete(folder, &bucket, &key, if_match))
            .await?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    pub(super) async fn delete_objects(
        &self,
        req: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let DeleteObjectsInput {
            bucket, delete: wanted, ..
        } = req.input;
        if wanted.objects.len() > MOST_DELETED {
            return Err(s3_error!(MalformedXML, "a request deletes 1,000 objects at most"));
        }
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
}

fn delete(folder: &Folder, bucket: &str, key: &str, if_match: Option<ETagCondition>) -> S3Result<()> {
    let condition = WriteCondition {
        if_match,
        if_none_match: None,
    };
    folder.delete((bucket, key), |stored: Option<&Stored>| condition.check(stored))
}
