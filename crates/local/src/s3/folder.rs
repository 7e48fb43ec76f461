//! The folder: where buckets, objects and everything else lie, and who may write.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use md5::{Digest, Md5};
use s3s::{S3Error, S3Result, s3_error};

use super::Error;
use crate::lock::Lock;

/// The file that stands for a key that ends with `/`. No other key may have a segment of this name.
pub(super) const FOLDER_MARKER: &str = ".s3-folder";

/// How many keys can be written at once. Locks are held for a rename, so a collision costs microseconds.
const STRIPES: usize = 256;

/// A folder that this process alone serves.
pub(super) struct Folder {
    root: PathBuf,
    internal: PathBuf,
    stripes: Vec<Mutex<()>>,
    _lock: Lock,
}

impl Folder {
    /// Opens `root`, makes it if it is missing, and clears away what a killed process left half written.
    pub(super) fn open(root: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Folder {
            folder: root.to_owned(),
            source,
        };
        let internal = root.join(".s3");
        fs::create_dir_all(&internal).map_err(failed)?;
        let lock = Lock::take(&internal.join("owner")).map_err(failed)?;
        let lock = lock.ok_or_else(|| Error::InUse {
            folder: root.to_owned(),
        })?;
        let root = root.canonicalize().map_err(failed)?;
        let internal = root.join(".s3");
        let folder = Self {
            root,
            internal,
            stripes: (0..STRIPES).map(|_| Mutex::new(())).collect(),
            _lock: lock,
        };
        match fs::remove_dir_all(folder.staging()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        for needed in [folder.staging(), folder.uploads()] {
            fs::create_dir_all(needed).map_err(failed)?;
        }
        Ok(folder)
    }

    /// Makes a bucket unless it exists.
    pub(super) fn ensure_bucket(&self, bucket: &str) -> Result<(), Error> {
        if !s3s::path::check_bucket_name(bucket) {
            return Err(Error::BucketName {
                bucket: bucket.to_owned(),
            });
        }
        let folder = self.root.join(bucket);
        fs::create_dir_all(&folder).map_err(|source| Error::Folder { folder, source })
    }

    /// The folder of all buckets.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Bodies on their way in. On the same file system as the objects, or a rename would not be atomic.
    pub(super) fn staging(&self) -> PathBuf {
        self.internal.join("staged")
    }

    /// Uploads in parts, a folder each.
    pub(super) fn uploads(&self) -> PathBuf {
        self.internal.join("uploads")
    }

    /// Where a bucket's objects are, whether it exists or not. The name has been checked by s3s.
    pub(super) fn bucket_path(&self, bucket: &str) -> PathBuf {
        self.root.join(bucket)
    }

    /// Where a bucket's objects are; `NoSuchBucket` if it does not exist.
    pub(super) fn existing_bucket(&self, bucket: &str) -> S3Result<PathBuf> {
        // Copy sources are not checked by s3s, and a name like `.s3` or `..` must not lead anywhere.
        let path = self.bucket_path(bucket);
        if s3s::path::check_bucket_name(bucket) && path.is_dir() {
            Ok(path)
        } else {
            Err(s3_error!(NoSuchBucket))
        }
    }

    /// Where an object of an existing bucket is.
    pub(super) fn object_path(&self, bucket: &str, key: &str) -> S3Result<PathBuf> {
        Ok(self.existing_bucket(bucket)?.join(relative_path(key)?))
    }

    /// Where the attributes of a key's versions are: `<folder>/<stem>-<version>.json`.
    pub(super) fn attributes_path(&self, bucket: &str, key: &str) -> (PathBuf, String) {
        // A digest, because a key may be longer than a file name can be.
        let stem = hex(&Md5::digest(key));
        let folder = self.internal.join("attributes").join(bucket).join(&stem[..2]);
        (folder, stem)
    }

    /// The right to create, replace or delete one key. Held for a check and a rename, never across an await.
    pub(super) fn lock(&self, bucket: &str, key: &str) -> MutexGuard<'_, ()> {
        let digest = Md5::new()
            .chain_update(bucket)
            .chain_update([0])
            .chain_update(key)
            .finalize();
        // The lock guards files, not memory: a panic while it was held leaves nothing to mistrust.
        self.stripes[usize::from(digest[0]) % STRIPES]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A key as a path below its bucket.
fn relative_path(key: &str) -> S3Result<PathBuf> {
    if key.len() > 1024 {
        return Err(s3_error!(KeyTooLongError));
    }
    let (segments, is_folder) = key.strip_suffix('/').map_or((key, false), |rest| (rest, true));
    let mut path = PathBuf::new();
    for segment in segments.split('/') {
        let usable = !matches!(segment, "" | "." | ".." | FOLDER_MARKER)
            && segment.len() <= 255
            && !segment.contains(['\0', '\\'][..if cfg!(windows) { 2 } else { 1 }].as_ref());
        if !usable {
            return Err(s3_error!(
                InvalidRequest,
                "this store keeps objects as files, and the key is no file path"
            ));
        }
        path.push(segment);
    }
    if is_folder {
        path.push(FOLDER_MARKER);
    }
    Ok(path)
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// What a client is told when a file cannot be used, which is nothing about this machine; the log says which, and why.
pub(super) fn unusable(path: &Path) -> impl Fn(io::Error) -> S3Error {
    move |error| {
        tracing::error!(%error, path = %path.display(), "could not write a file of the S3 folder");
        S3Error::internal_error(error)
    }
}

/// Runs file work where it may block.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> S3Result<T> + Send + 'static) -> S3Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(S3Error::internal_error)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_become_paths() {
        let cases = [
            ("a", Some("a")),
            ("a/b=c%2Fd/e f+g&h.json", Some("a/b=c%2Fd/e f+g&h.json")),
            ("größe/ü", Some("größe/ü")),
            ("a/", Some("a/.s3-folder")),
            (".hidden", Some(".hidden")),
            ("", None),
            ("/a", None),
            ("a//b", None),
            ("a/../../b", None),
            ("./a", None),
            ("a/.s3-folder", None),
            ("a\0b", None),
        ];
        for (key, expected) in cases {
            assert_eq!(relative_path(key).ok().as_deref(), expected.map(Path::new), "{key:?}");
        }
        assert!(relative_path(&"x".repeat(256)).is_err());
        assert!(relative_path(&vec!["x".repeat(200); 6].join("/")).is_err());
    }

    #[test]
    fn a_folder_has_one_owner() {
        let folder = tempfile::tempdir().unwrap();
        let first = Folder::open(folder.path()).unwrap();
        assert!(matches!(Folder::open(folder.path()), Err(Error::InUse { .. })));
        drop(first);
        Folder::open(folder.path()).unwrap();
    }
}
