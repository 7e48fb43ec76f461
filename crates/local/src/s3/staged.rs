//! A body on its way in: a file beside the objects that becomes one by being renamed.

use std::{
    fs, mem,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use futures::{Stream, StreamExt};
use md5::{Digest, Md5};
use s3s::{
    S3Error, S3Result, StdError, TrailingHeaders,
    checksum::ChecksumHasher,
    dto::{Checksum, ChecksumAlgorithm, PutObjectInput, StreamingBlob, UploadPartInput},
    s3_error,
};
use tokio::io::AsyncWriteExt;

use super::{
    folder::{Folder, hex, unusable},
    object::Checksums,
};

/// A file that is removed unless it becomes an object.
pub(super) struct Staged {
    path: PathBuf,
}

impl Staged {
    /// A place for a body; the file is not made yet.
    pub(super) fn new(folder: &Folder) -> Self {
        Self {
            path: folder.staging().join(uuid::Uuid::new_v4().to_string()),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The file has been renamed: there is nothing to remove.
    pub(super) fn keep(mut self) {
        self.path = PathBuf::new();
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        let path = mem::take(&mut self.path);
        if !path.as_os_str().is_empty() {
            let _ = fs::remove_file(path);
        }
    }
}

/// A body that has arrived whole and is what the client meant to send.
pub(super) struct Received {
    pub(super) staged: Staged,
    pub(super) md5: String,
    pub(super) checksums: Checksums,
}

/// What the client says about the body: compared before the body becomes visible.
#[derive(Default)]
pub(super) struct Promised {
    md5: Option<String>,
    algorithm: Option<ChecksumAlgorithm>,
    checksum: Checksum,
}

macro_rules! promised {
    ($input:expr) => {
        Promised {
            md5: $input.content_md5.take(),
            algorithm: $input.checksum_algorithm.take(),
            checksum: Checksum {
                checksum_crc32: $input.checksum_crc32.take(),
                checksum_crc32c: $input.checksum_crc32c.take(),
                checksum_crc64nvme: $input.checksum_crc64nvme.take(),
                checksum_sha1: $input.checksum_sha1.take(),
                checksum_sha256: $input.checksum_sha256.take(),
                ..Checksum::default()
            },
        }
    };
}

impl Promised {
    pub(super) fn of_object(input: &mut PutObjectInput) -> Self {
        promised!(input)
    }

    pub(super) fn of_part(input: &mut UploadPartInput) -> Self {
        promised!(input)
    }

    /// Hashers for what was promised in the headers or will be in the trailers.
    fn hasher(&self) -> ChecksumHasher {
        let mut hasher = ChecksumHasher::default();
        let named = self.algorithm.as_ref().map(ChecksumAlgorithm::as_str);
        let wanted = |given: &Option<String>, name: &str| given.is_some() || named == Some(name);
        if wanted(&self.checksum.checksum_crc32, ChecksumAlgorithm::CRC32) {
            hasher.crc32 = Some(Default::default());
        }
        if wanted(&self.checksum.checksum_crc32c, ChecksumAlgorithm::CRC32C) {
            hasher.crc32c = Some(Default::default());
        }
        if wanted(&self.checksum.checksum_crc64nvme, ChecksumAlgorithm::CRC64NVME) {
            hasher.crc64nvme = Some(Default::default());
        }
        if wanted(&self.checksum.checksum_sha1, ChecksumAlgorithm::SHA1) {
            hasher.sha1 = Some(Default::default());
        }
        if wanted(&self.checksum.checksum_sha256, ChecksumAlgorithm::SHA256) {
            hasher.sha256 = Some(Default::default());
        }
        hasher
    }

    /// Adds the checksums that came after the body.
    fn add_trailers(&mut self, trailers: Option<&TrailingHeaders>) {
        let Some(headers) = trailers.and_then(TrailingHeaders::take) else {
            return;
        };
        let text = |name: &str| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        let sums = &mut self.checksum;
        sums.checksum_crc32 = text("x-amz-checksum-crc32").or(sums.checksum_crc32.take());
        sums.checksum_crc32c = text("x-amz-checksum-crc32c").or(sums.checksum_crc32c.take());
        sums.checksum_crc64nvme = text("x-amz-checksum-crc64nvme").or(sums.checksum_crc64nvme.take());
        sums.checksum_sha1 = text("x-amz-checksum-sha1").or(sums.checksum_sha1.take());
        sums.checksum_sha256 = text("x-amz-checksum-sha256").or(sums.checksum_sha256.take());
    }

    fn check(&self, md5: &[u8], computed: &Checksum) -> S3Result<()> {
        if let Some(promised) = &self.md5 {
            let promised = base64_simd::STANDARD
                .decode_to_vec(promised)
                .map_err(|_| s3_error!(InvalidDigest, "bad Content-MD5"))?;
            if promised != md5 {
                return Err(s3_error!(BadDigest, "the Content-MD5 is not that of the body"));
            }
        }
        let pairs = [
            ("crc32", &self.checksum.checksum_crc32, &computed.checksum_crc32),
            ("crc32c", &self.checksum.checksum_crc32c, &computed.checksum_crc32c),
            (
                "crc64nvme",
                &self.checksum.checksum_crc64nvme,
                &computed.checksum_crc64nvme,
            ),
            ("sha1", &self.checksum.checksum_sha1, &computed.checksum_sha1),
            ("sha256", &self.checksum.checksum_sha256, &computed.checksum_sha256),
        ];
        for (name, promised, computed) in pairs {
            if promised.is_some() && computed.is_some() && promised != computed {
                return Err(s3_error!(BadDigest, "the {name} checksum is not that of the body"));
            }
        }
        Ok(())
    }
}

impl Folder {
    /// Writes a body beside the objects and compares it with what was promised.
    pub(super) async fn receive(
        &self,
        body: Option<StreamingBlob>,
        mut promised: Promised,
        trailers: Option<&TrailingHeaders>,
    ) -> S3Result<Received> {
        let staged = Staged::new(self);
        let mut checksum = promised.hasher();
        let mut md5 = Md5::new();
        write(staged.path(), body, |bytes| {
            md5.update(bytes);
            checksum.update(bytes);
        })
        .await?;
        promised.add_trailers(trailers);
        let (md5, computed) = (md5.finalize(), checksum.finalize());
        promised.check(&md5, &computed)?;
        Ok(Received {
            staged,
            md5: hex(&md5),
            checksums: computed.into(),
        })
    }
}

/// Writes a body to a new file and shows each chunk to `inspect`.
async fn write(
    path: &Path,
    body: Option<impl Stream<Item = Result<Bytes, StdError>> + Unpin>,
    mut inspect: impl FnMut(&[u8]),
) -> S3Result<()> {
    let mut file = tokio::fs::File::create_new(path).await.map_err(unusable(path))?;
    if let Some(mut body) = body {
        while let Some(chunk) = body.next().await {
            // s3s checks the signature of each chunk: a broken one ends the body with an error.
            let chunk = chunk.map_err(|source| S3Error::with_source(s3s::S3ErrorCode::IncompleteBody, source))?;
            inspect(&chunk);
            file.write_all(&chunk).await.map_err(unusable(path))?;
        }
    }
    file.flush().await.map_err(unusable(path))?;
    Ok(())
}
