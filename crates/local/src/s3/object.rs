//! One object: a file, and attributes that belong to exactly that file.
//!
//! Attributes lie in a file of their own whose name holds the identity of the content (inode, time, size). They are
//! written before the content is renamed into place, and never looked up by key alone, so at no moment can a reader
//! pair one version's content with another's attributes. A file that some other program put into the folder has no
//! attributes; its ETag is computed when asked for.

use std::{
    collections::HashMap,
    fs,
    io::{self, Read, Seek},
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use md5::{Digest, Md5};
use s3s::{
    S3Error, S3Result,
    dto::{Checksum, ETag, Timestamp},
    s3_error,
};
use serde::{Deserialize, Serialize};

use super::{
    folder::{Folder, hex, unusable},
    staged::Staged,
};

/// What S3 keeps about an object besides its content.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Attributes {
    /// The ETag without its quotes.
    pub(super) etag: String,
    /// Checksums of the whole content, as base64.
    pub(super) checksums: Checksums,
    /// The standard headers that come back with the object.
    pub(super) headers: Headers,
    /// `x-amz-meta-*`.
    pub(super) metadata: Option<HashMap<String, String>>,
}

/// Checksums of a whole object, as base64.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Checksums {
    pub(super) crc32: Option<String>,
    pub(super) crc32c: Option<String>,
    pub(super) crc64nvme: Option<String>,
    pub(super) sha1: Option<String>,
    pub(super) sha256: Option<String>,
}

impl From<Checksum> for Checksums {
    fn from(sums: Checksum) -> Self {
        Self {
            crc32: sums.checksum_crc32,
            crc32c: sums.checksum_crc32c,
            crc64nvme: sums.checksum_crc64nvme,
            sha1: sums.checksum_sha1,
            sha256: sums.checksum_sha256,
        }
    }
}

/// Standard headers that S3 keeps and gives back.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Headers {
    pub(super) cache_control: Option<String>,
    pub(super) content_disposition: Option<String>,
    pub(super) content_encoding: Option<String>,
    pub(super) content_language: Option<String>,
    pub(super) content_type: Option<String>,
}

/// An object that was open at one moment: file and attributes are of the same version, whatever happens to the key.
pub(super) struct Stored {
    pub(super) file: fs::File,
    pub(super) attributes: Attributes,
    pub(super) size: u64,
    pub(super) modified: SystemTime,
}

impl Stored {
    pub(super) fn etag(&self) -> ETag {
        ETag::Strong(self.attributes.etag.clone())
    }

    pub(super) fn last_modified(&self) -> Timestamp {
        Timestamp::from(self.modified)
    }
}

impl Folder {
    /// Opens an object; `NoSuchKey` if there is none.
    pub(super) fn read(&self, bucket: &str, key: &str) -> S3Result<Stored> {
        self.find(bucket, key)?.ok_or_else(|| s3_error!(NoSuchKey))
    }

    /// Opens an object if there is one.
    pub(super) fn find(&self, bucket: &str, key: &str) -> S3Result<Option<Stored>> {
        let mut file = match fs::File::open(self.object_path(bucket, key)?) {
            Ok(file) => file,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(S3Error::internal_error(error)),
        };
        let about = file.metadata().map_err(S3Error::internal_error)?;
        if about.is_dir() {
            return Ok(None);
        }
        let attributes = match self.attributes(bucket, key, &about) {
            Some(attributes) => attributes,
            None => Attributes {
                etag: md5_of(&mut file).map_err(S3Error::internal_error)?,
                ..Attributes::default()
            },
        };
        let modified = about.modified().map_err(S3Error::internal_error)?;
        Ok(Some(Stored {
            file,
            attributes,
            size: about.len(),
            modified,
        }))
    }

    /// The attributes of the version of a key that has this identity; none for a file that other programs wrote.
    pub(super) fn attributes(&self, bucket: &str, key: &str, about: &fs::Metadata) -> Option<Attributes> {
        let (folder, stem) = self.attributes_path(bucket, key);
        let bytes = fs::read(folder.join(format!("{stem}-{}.json", identity(about)))).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// Puts a staged body under a key, if `condition` agrees with what is there now. The check and the change are one
    /// step: nobody else writes this key in between.
    pub(super) fn commit(
        &self,
        (bucket, key): (&str, &str),
        staged: Staged,
        attributes: &Attributes,
        condition: impl FnOnce(Option<&Stored>) -> S3Result<()>,
    ) -> S3Result<()> {
        let path = self.object_path(bucket, key)?;
        let (folder, stem) = self.attributes_path(bucket, key);
        let _lock = self.lock(bucket, key);
        let replaced = self.find(bucket, key)?;
        condition(replaced.as_ref())?;

        let about = fs::metadata(staged.path()).map_err(S3Error::internal_error)?;
        let bytes = serde_json::to_vec(attributes).map_err(S3Error::internal_error)?;
        let new_attributes = folder.join(format!("{stem}-{}.json", identity(&about)));
        let written = fs::create_dir_all(&folder).and_then(|()| fs::write(&new_attributes, bytes));
        if let Err(error) = written {
            let _ = fs::remove_file(&new_attributes);
            return Err(unusable(&new_attributes)(error));
        }
        if let Err(error) = rename_into(staged.path(), &path) {
            let _ = fs::remove_file(&new_attributes);
            return Err(match error.kind() {
                io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory | io::ErrorKind::DirectoryNotEmpty => {
                    s3_error!(
                        InvalidRequest,
                        "this store keeps objects as files: a key is a folder of another key"
                    )
                }
                _ => unusable(&path)(error),
            });
        }
        staged.keep();
        if let Some(about) = replaced.and_then(|stored| stored.file.metadata().ok()) {
            // Left behind by a crash at this point it does no harm: no file has that identity any more.
            let _ = fs::remove_file(folder.join(format!("{stem}-{}.json", identity(&about))));
        }
        Ok(())
    }

    /// Deletes a key, if `condition` agrees with what is there now. Deleting what is not there succeeds, as on S3.
    pub(super) fn delete(
        &self,
        (bucket, key): (&str, &str),
        condition: impl FnOnce(Option<&Stored>) -> S3Result<()>,
    ) -> S3Result<()> {
        let path = self.object_path(bucket, key)?;
        let (folder, stem) = self.attributes_path(bucket, key);
        let _lock = self.lock(bucket, key);
        let about = match fs::metadata(&path) {
            Ok(about) if about.is_file() => about,
            Ok(_) => return condition(None),
            Err(error) if is_absent(&error) => return condition(None),
            Err(error) => return Err(S3Error::internal_error(error)),
        };
        condition(self.find(bucket, key)?.as_ref())?;
        fs::remove_file(&path).map_err(S3Error::internal_error)?;
        let _ = fs::remove_file(folder.join(format!("{stem}-{}.json", identity(&about))));

        // S3 has no folders: one that has become empty must not block a key of its name.
        let bucket = self.bucket_path(bucket);
        let empty = path.ancestors().skip(1).take_while(|folder| *folder != bucket);
        for folder in empty {
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
        Ok(())
    }
}

/// What distinguishes this content from any other that the key has had or will have.
fn identity(about: &fs::Metadata) -> String {
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(about);
    #[cfg(not(unix))]
    let inode = 0_u64;
    let modified = about
        .modified()
        .ok()
        .and_then(|at| at.duration_since(UNIX_EPOCH).ok())
        .unwrap_or_default();
    format!("{inode:x}-{:x}-{:x}", modified.as_nanos(), about.len())
}

/// Renames, making the folders on the way. A delete may remove a folder that has just been made: then again.
fn rename_into(from: &Path, to: &Path) -> io::Result<()> {
    let mut tries = 0;
    loop {
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder).map_err(|error| match error.kind() {
                // A file is where a folder has to be.
                io::ErrorKind::AlreadyExists => io::Error::from(io::ErrorKind::NotADirectory),
                _ => error,
            })?;
        }
        match fs::rename(from, to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && tries < 100 => tries += 1,
            done => return done,
        }
    }
}

/// True for the errors of a path that leads nowhere.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The MD5 of a file's content as hexadecimal digits; leaves the file at its start.
fn md5_of(file: &mut fs::File) -> io::Result<String> {
    let mut digest = Md5::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => digest.update(&buffer[..read]),
        }
    }
    file.rewind()?;
    Ok(hex(&digest.finalize()))
}
