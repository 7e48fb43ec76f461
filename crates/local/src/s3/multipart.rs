//! Uploads in parts: a folder per upload with its description and a file per part.
//!
//! A part's file name is its number and its MD5, so that completing needs no other state and survives a restart.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use md5::{Digest, Md5};
use s3s::{
    S3Error, S3Result,
    dto::{CompletedPart, ETag},
    s3_error,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    condition::WriteCondition,
    folder::{Folder, hex, unusable},
    object::Attributes,
    staged::{Received, Staged},
};

/// The least size of any part but the last: 5 MiB.
const LEAST_PART_BYTES: u64 = 5 * 1024 * 1024;
const DESCRIPTION: &str = "upload.json";

/// What an upload will become.
#[derive(Debug, Serialize, Deserialize)]
struct Description {
    bucket: String,
    key: String,
    attributes: Attributes,
}

/// A part that has been uploaded.
pub(super) struct UploadedPart {
    pub(super) md5: String,
    pub(super) path: PathBuf,
    pub(super) size: u64,
    pub(super) modified: SystemTime,
}

/// An upload that has been begun for this very key.
pub(super) struct Upload {
    id: String,
    folder: PathBuf,
    description: Description,
}

impl Folder {
    /// Begins an upload and returns its id.
    pub(super) fn begin_upload(&self, bucket: &str, key: &str, attributes: Attributes) -> S3Result<String> {
        // A key that cannot be stored is refused now, not after gigabytes of parts.
        self.object_path(bucket, key)?;
        let id = Uuid::new_v4().simple().to_string();
        let description = Description {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            attributes,
        };
        let bytes = serde_json::to_vec(&description).map_err(S3Error::internal_error)?;
        // Described first, then renamed into place: an upload exists whole or not at all.
        let staged = Staged::new(self);
        fs::create_dir(staged.path())
            .and_then(|()| fs::write(staged.path().join(DESCRIPTION), bytes))
            .and_then(|()| fs::rename(staged.path(), self.uploads().join(&id)))
            .map_err(S3Error::internal_error)?;
        staged.keep();
        Ok(id)
    }

    /// An upload; `NoSuchUpload` if there is none of this id for this key.
    pub(super) fn upload(&self, bucket: &str, key: &str, id: &str) -> S3Result<Upload> {
        self.existing_bucket(bucket)?;
        let unknown = || s3_error!(NoSuchUpload);
        // Parsed before it becomes a part of a path.
        let id = Uuid::parse_str(id).map_err(|_| unknown())?.simple().to_string();
        let folder = self.uploads().join(&id);
        let bytes = fs::read(folder.join(DESCRIPTION)).map_err(|_| unknown())?;
        let description: Description = serde_json::from_slice(&bytes).map_err(S3Error::internal_error)?;
        if description.bucket == bucket && description.key == key {
            Ok(Upload {
                id,
                folder,
                description,
            })
        } else {
            Err(unknown())
        }
    }

    /// Joins the parts and puts them under the key, in one step with the check of `condition`. If the condition does
    /// not hold, the upload stays as it is.
    pub(super) fn complete_upload(
        self: &Arc<Self>,
        upload: &Upload,
        chosen: &[CompletedPart],
        condition: &WriteCondition,
    ) -> S3Result<String> {
        let parts = upload.choose(chosen)?;
        let staged = Staged::new(self);
        let mut whole = fs::File::create_new(staged.path()).map_err(unusable(staged.path()))?;
        let mut md5s = Md5::new();
        for part in &parts {
            let mut file = fs::File::open(&part.path).map_err(|_| s3_error!(InvalidPart))?;
            io::copy(&mut file, &mut whole).map_err(unusable(staged.path()))?;
            md5s.update(unhex(&part.md5));
        }
        let etag = format!("{}-{}", hex(&md5s.finalize()), parts.len());
        let Description {
            bucket,
            key,
            attributes,
        } = &upload.description;
        let attributes = Attributes {
            etag: etag.clone(),
            ..attributes.clone()
        };
        self.commit((bucket, key), staged, &attributes, |stored| condition.check(stored))?;
        upload.remove()?;
        Ok(etag)
    }
}

impl Upload {
    /// Keeps a part; one with the same number is replaced.
    pub(super) fn keep_part(&self, number: i32, part: &Received) -> S3Result<()> {
        check_number(number)?;
        let name = part_name(number, &part.md5);
        fs::rename(part.staged.path(), self.folder.join(&name)).map_err(|error| match error.kind() {
            // Completed or aborted while the part was on its way.
            io::ErrorKind::NotFound => s3_error!(NoSuchUpload),
            _ => S3Error::internal_error(error),
        })?;
        for entry in fs::read_dir(&self.folder).map_err(S3Error::internal_error)?.flatten() {
            let other = entry.file_name();
            if other != *name && parse_part_name(&other.to_string_lossy()).is_some_and(|(other, _)| other == number) {
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }

    /// The parts by number.
    pub(super) fn parts(&self) -> S3Result<BTreeMap<i32, UploadedPart>> {
        let mut parts = BTreeMap::new();
        for entry in fs::read_dir(&self.folder)
            .map_err(|_| s3_error!(NoSuchUpload))?
            .flatten()
        {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let Some((number, md5)) = parse_part_name(&name) else {
                continue;
            };
            let Ok(about) = entry.metadata() else { continue };
            let modified = about.modified().map_err(S3Error::internal_error)?;
            let part = UploadedPart {
                md5: md5.to_owned(),
                path: entry.path(),
                size: about.len(),
                modified,
            };
            parts.insert(number, part);
        }
        Ok(parts)
    }

    /// Forgets the upload and its parts.
    pub(super) fn remove(&self) -> S3Result<()> {
        // The description goes first: what is left after a crash in between is no upload any more.
        match fs::remove_file(self.folder.join(DESCRIPTION)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(S3Error::internal_error(error)),
            _ => {}
        }
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            tracing::warn!(%error, upload = self.id, "could not remove the parts of an upload");
        }
        Ok(())
    }

    /// The parts that the client names, which must ascend, exist and be big enough.
    fn choose(&self, chosen: &[CompletedPart]) -> S3Result<Vec<UploadedPart>> {
        if chosen.is_empty() {
            return Err(s3_error!(MalformedXML, "an upload is completed with at least one part"));
        }
        let mut uploaded = self.parts()?;
        let mut parts = Vec::with_capacity(chosen.len());
        let mut last = 0;
        for part in chosen {
            let number = part.part_number.unwrap_or_default();
            check_number(number)?;
            if number <= last {
                return Err(s3_error!(InvalidPartOrder));
            }
            last = number;
            let found = uploaded.remove(&number).ok_or_else(|| s3_error!(InvalidPart))?;
            if part.e_tag.as_ref().map(ETag::value) != Some(&found.md5) {
                return Err(s3_error!(InvalidPart));
            }
            parts.push(found);
        }
        if parts[..parts.len() - 1].iter().any(|part| part.size < LEAST_PART_BYTES) {
            return Err(s3_error!(EntityTooSmall));
        }
        Ok(parts)
    }
}

fn check_number(number: i32) -> S3Result<()> {
    if (1..=10_000).contains(&number) {
        return Ok(());
    }
    Err(s3_error!(
        InvalidArgument,
        "Part number must be an integer between 1 and 10000, inclusive"
    ))
}

fn part_name(number: i32, md5: &str) -> PathBuf {
    Path::new(&format!("{number:05}.{md5}")).to_owned()
}

fn parse_part_name(name: &str) -> Option<(i32, &str)> {
    let (number, md5) = name.split_once('.')?;
    Some((number.parse().ok()?, md5))
}

/// The bytes of hexadecimal digits that this module wrote itself.
fn unhex(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks_exact(2);
    pairs
        .filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}
