//! Listing: keys in the order of their bytes, in pages.
//!
//! The walk descends only where keys can still matter: into folders that agree with the prefix and lie after the
//! starting point. Listing `_delta_log/` after version 1,000 therefore reads one folder, whatever else the bucket holds.
//! A file or folder that vanishes during the walk is not there, rather than an error.
//!
//! # Invariants
//! - Pages, put together, are the sorted keys under the prefix, each once (`pages_add_up`).

use std::{
    fs, io,
    ops::ControlFlow::{self, Break, Continue},
    path::{Path, PathBuf},
    time::SystemTime,
};

use s3s::{S3Error, S3Result, s3_error};

use super::folder::{FOLDER_MARKER, Folder};

/// The most entries of a page.
pub(super) const MOST_KEYS: usize = 1000;

/// What to list.
#[derive(Clone, Debug, Default)]
pub(super) struct Query {
    pub(super) prefix: String,
    pub(super) delimiter: Option<String>,
    pub(super) start: Start,
    pub(super) max_keys: usize,
}

/// Where a page begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Start {
    /// At the first key.
    #[default]
    First,
    /// After this key.
    After(String),
    /// After all keys with this prefix: the last page ended with a common prefix.
    AfterPrefix(String),
}

impl Start {
    /// A continuation token: opaque to clients, and not to be confused with a key.
    pub(super) fn to_token(&self) -> String {
        let text = match self {
            Self::First => String::new(),
            Self::After(key) => format!("k{key}"),
            Self::AfterPrefix(prefix) => format!("p{prefix}"),
        };
        base64_simd::URL_SAFE_NO_PAD.encode_to_string(text)
    }

    pub(super) fn from_token(token: &str) -> S3Result<Self> {
        let wrong = || s3_error!(InvalidArgument, "The continuation token provided is incorrect");
        let bytes = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(token).map_err(|_| wrong())?;
        let text = String::from_utf8(bytes).map_err(|_| wrong())?;
        match (text.get(..1), text.get(1..)) {
            (Some("k"), Some(key)) => Ok(Self::After(key.to_owned())),
            (Some("p"), Some(prefix)) => Ok(Self::AfterPrefix(prefix.to_owned())),
            _ => Err(wrong()),
        }
    }

    /// True if this key still is to come.
    fn admits(&self, key: &str) -> bool {
        match self {
            Self::First => true,
            Self::After(after) => key > after.as_str(),
            Self::AfterPrefix(prefix) => key > prefix.as_str() && !key.starts_with(prefix),
        }
    }

    /// True if some key with this prefix may still be to come.
    fn admits_some(&self, prefix: &str) -> bool {
        match self {
            Self::First => true,
            Self::After(after) => prefix > after.as_str() || after.starts_with(prefix),
            Self::AfterPrefix(done) => {
                !prefix.starts_with(done) && (prefix > done.as_str() || done.starts_with(prefix))
            }
        }
    }
}

/// One page.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) objects: Vec<Listed>,
    pub(super) common_prefixes: Vec<String>,
    /// Where the next page begins, if there is one.
    pub(super) next: Option<Start>,
}

impl Page {
    fn len(&self) -> usize {
        self.objects.len() + self.common_prefixes.len()
    }
}

/// An object as listings show it.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) key: String,
    pub(super) size: u64,
    pub(super) modified: SystemTime,
    /// None for a file that another program put into the folder: its ETag would have to be computed.
    pub(super) etag: Option<String>,
}

impl Folder {
    /// One page of a bucket's keys.
    pub(super) fn list(&self, bucket: &str, query: &Query) -> S3Result<Page> {
        let path = self.existing_bucket(bucket)?;
        let mut walk = Walk {
            folder: self,
            bucket,
            query,
            page: Page::default(),
            last: Start::First,
        };
        if query.max_keys > 0 {
            // Whether the walk broke off is in the page already.
            let _ = walk.folder(&path, "").map_err(S3Error::internal_error)?;
        }
        Ok(walk.page)
    }
}

struct Walk<'a> {
    folder: &'a Folder,
    bucket: &'a str,
    query: &'a Query,
    page: Page,
    /// Where a next page would begin.
    last: Start,
}

impl Walk<'_> {
    /// Visits the keys below a folder, whose own key prefix is `prefix` (empty, or ending with a slash).
    fn folder(&mut self, path: &Path, prefix: &str) -> io::Result<ControlFlow<()>> {
        for (name, is_folder) in sorted(path)? {
            let key = format!("{prefix}{name}");
            let path = path.join(file_name(&name, is_folder));
            let flow = if !is_folder {
                self.object(&path, key)
            } else if let Some(group) = self.group_of_folder(&key) {
                if self.is_to_come(&group) && self.has_key(&path, &key)? {
                    self.group(group)
                } else {
                    Continue(())
                }
            } else if self.may_hold(&key) {
                self.folder(&path, &key)?
            } else {
                Continue(())
            };
            if flow.is_break() {
                return Ok(Break(()));
            }
        }
        Ok(Continue(()))
    }

    fn object(&mut self, path: &Path, key: String) -> ControlFlow<()> {
        if !key.starts_with(&self.query.prefix) || !self.query.start.admits(&key) {
            return Continue(());
        }
        if let Some(group) = self.group_of(&key) {
            return if self.is_to_come(&group) {
                self.group(group)
            } else {
                Continue(())
            };
        }
        let Ok(about) = fs::metadata(path) else {
            return Continue(());
        };
        let Ok(modified) = about.modified() else {
            return Continue(());
        };
        self.make_room()?;
        let etag = self
            .folder
            .attributes(self.bucket, &key, &about)
            .map(|attributes| attributes.etag);
        self.last = Start::After(key.clone());
        self.page.objects.push(Listed {
            key,
            size: about.len(),
            modified,
            etag,
        });
        Continue(())
    }

    fn group(&mut self, group: String) -> ControlFlow<()> {
        self.make_room()?;
        self.last = Start::AfterPrefix(group.clone());
        self.page.common_prefixes.push(group);
        Continue(())
    }

    /// Breaks off if the page is full: then there is a next one.
    fn make_room(&mut self) -> ControlFlow<()> {
        if self.page.len() < self.query.max_keys {
            return Continue(());
        }
        self.page.next = Some(self.last.clone());
        Break(())
    }

    /// The common prefix that stands for a key, if one does.
    fn group_of(&self, key: &str) -> Option<String> {
        let delimiter = self.query.delimiter.as_deref()?;
        let rest = key.strip_prefix(&self.query.prefix)?;
        let end = self.query.prefix.len() + rest.find(delimiter)? + delimiter.len();
        Some(key[..end].to_owned())
    }

    /// The common prefix that stands for all keys below a folder, if one does: then there is no need to look at them.
    fn group_of_folder(&self, prefix: &str) -> Option<String> {
        self.group_of(prefix)
    }

    /// False if a common prefix is in this page or was in the one before.
    fn is_to_come(&self, group: &str) -> bool {
        self.page.common_prefixes.last().is_none_or(|last| last != group)
            && self.query.start != Start::AfterPrefix(group.to_owned())
    }

    /// True if keys below this folder can have the prefix and be to come.
    fn may_hold(&self, prefix: &str) -> bool {
        let wanted = &self.query.prefix;
        (prefix.starts_with(wanted.as_str()) || wanted.starts_with(prefix)) && self.query.start.admits_some(prefix)
    }

    /// True if a folder holds a key that is still to come: an empty folder is nothing to S3.
    fn has_key(&self, path: &Path, prefix: &str) -> io::Result<bool> {
        if !self.query.start.admits_some(prefix) {
            return Ok(false);
        }
        for (name, is_folder) in sorted(path)? {
            let key = format!("{prefix}{name}");
            let found = if is_folder {
                self.has_key(&path.join(file_name(&name, true)), &key)?
            } else {
                self.query.start.admits(&key)
            };
            if found {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The entries of a folder as they stand in keys, in the order of keys: a folder's name ends with a slash, because
/// `a-b` comes before `a/c`. A marker's name is empty: its key ends with its folder's slash.
fn sorted(path: &Path) -> io::Result<Vec<(String, bool)>> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries.flatten() {
        // A name that is no UTF-8 is no key.
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let Ok(kind) = entry.file_type() else { continue };
        let is_folder = if kind.is_symlink() {
            entry.path().is_dir()
        } else {
            kind.is_dir()
        };
        match (is_folder, name.as_str()) {
            (true, _) => names.push((name + "/", true)),
            (false, FOLDER_MARKER) => names.push((String::new(), false)),
            (false, _) => names.push((name, false)),
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// The name of an entry on disk.
fn file_name(name: &str, is_folder: bool) -> PathBuf {
    match name {
        "" if !is_folder => PathBuf::from(FOLDER_MARKER),
        name => PathBuf::from(name.strip_suffix('/').unwrap_or(name)),
    }
}
