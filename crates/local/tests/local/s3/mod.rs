//! The S3 endpoint, through the SDK.

mod copies;
mod listing;
mod objects;
mod races;
mod uploads;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use aws_sdk_s3::{
    Client,
    error::ProvideErrorMetadata,
    primitives::ByteStream,
    types::{CompletedMultipartUpload, CompletedPart, Delete, ObjectIdentifier},
};
use tempfile::TempDir;
use tokio::sync::Barrier;
use tokio_util::sync::CancellationToken;

use crate::support::{BUCKET, s3_client, serve_s3};

struct Fixture {
    folder: TempDir,
    client: Client,
    url: String,
    _cancel: tokio_util::sync::DropGuard,
}

async fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let cancel = CancellationToken::new();
    let url = serve_s3(folder.path(), &cancel).await.url();
    Fixture {
        folder,
        client: s3_client(&url),
        url,
        _cancel: cancel.drop_guard(),
    }
}

impl Fixture {
    async fn put(&self, key: &str, body: impl Into<ByteStream>) -> String {
        let put = self
            .client
            .put_object()
            .bucket(BUCKET)
            .key(key)
            .body(body.into())
            .send()
            .await
            .unwrap();
        put.e_tag.unwrap()
    }

    async fn get(&self, key: &str) -> Option<Vec<u8>> {
        let got = self.client.get_object().bucket(BUCKET).key(key).send().await.ok()?;
        Some(got.body.collect().await.unwrap().to_vec())
    }

    async fn keys(&self, prefix: &str) -> Vec<String> {
        let listed = self
            .client
            .list_objects_v2()
            .bucket(BUCKET)
            .prefix(prefix)
            .send()
            .await
            .unwrap();
        listed
            .contents()
            .iter()
            .map(|object| object.key().unwrap().to_owned())
            .collect()
    }

    /// Files that are no object's content.
    fn leftovers(&self) -> usize {
        ["staged", "uploads"]
            .iter()
            .map(|name| self.folder.path().join(".s3").join(name).read_dir().unwrap().count())
            .sum()
    }
}

fn text(body: &str) -> ByteStream {
    ByteStream::from(body.as_bytes().to_vec())
}

fn code<E: ProvideErrorMetadata>(error: &E) -> String {
    error.code().unwrap_or("none").to_owned()
}

async fn upload(client: &Client, key: &str, bodies: &[Vec<u8>]) -> (String, CompletedMultipartUpload) {
    let created = client
        .create_multipart_upload()
        .bucket(BUCKET)
        .key(key)
        .content_type("text/x")
        .send()
        .await
        .unwrap();
    let id = created.upload_id.unwrap();
    let mut parts = CompletedMultipartUpload::builder();
    for (number, body) in (1..).zip(bodies) {
        let part = client
            .upload_part()
            .bucket(BUCKET)
            .key(key)
            .upload_id(&id)
            .part_number(number);
        let part = part.body(body.clone().into()).send().await.unwrap();
        parts = parts.parts(
            CompletedPart::builder()
                .part_number(number)
                .e_tag(part.e_tag.unwrap())
                .build(),
        );
    }
    (id, parts.build())
}
