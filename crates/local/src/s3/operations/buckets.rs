//! Buckets: the folders of the first level.

use std::{fs, io};

use s3s::{S3Error, S3Request, S3Response, S3Result, dto::*, s3_error};

use super::Operations;

impl Operations {
    pub(super) async fn create_bucket(
        &self,
        req: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        let bucket = req.input.bucket;
        let location = format!("/{bucket}");
        self.on_folder(move |folder| match fs::create_dir(folder.bucket_path(&bucket)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(s3_error!(BucketAlreadyOwnedByYou)),
            done => done.map_err(S3Error::internal_error),
        })
        .await?;
        Ok(S3Response::new(CreateBucketOutput {
            location: Some(location),
        }))
    }

    pub(super) async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.on_folder(move |folder| folder.existing_bucket(&req.input.bucket))
            .await?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    pub(super) async fn get_bucket_location(
        &self,
        req: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.on_folder(move |folder| folder.existing_bucket(&req.input.bucket))
            .await?;
        Ok(S3Response::new(GetBucketLocationOutput::default()))
    }

    pub(super) async fn list_buckets(&self, _: S3Request<ListBucketsInput>) -> S3Result<S3Response<ListBucketsOutput>> {
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

    pub(super) async fn delete_bucket(
        &self,
        req: S3Request<DeleteBucketInput>,
    ) -> S3Result<S3Response<DeleteBucketOutput>> {
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
}
