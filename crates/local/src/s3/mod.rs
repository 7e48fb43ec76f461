//! S3 over a folder.
//!
//! ```text
//! request ─► s3s: HTTP, SigV4, XML ─► access ─► operations ─┬─ condition   If-Match, If-None-Match
//!                                                           ├─ staged      a body on its way in, digests checked
//!                                                           ├─ object      one object: file + attributes, atomically
//!                                                           ├─ multipart   uploads in parts
//!                                                           └─ list        keys in order, in pages
//! ```
//!
//! An object is a plain file at `<folder>/<bucket>/<key>`, so that any program can open a table as files. What is no
//! object's content is under `<folder>/.s3/`: bodies that are being written, parts of uploads, and attributes.
//!
//! The protocol is s3s's. Its companion s3s-fs is not used: besides checking conditions without a lock, it renames a
//! body into place before it compares digests, keeps an object's ETag and checksums apart from its content (a crash or
//! a concurrent read pairs the ETag of one with the content of the other, and a multipart upload inherits the checksum
//! of the object that it replaces), copies by truncating, answers HEAD for folders, and fails for long keys.
//!
//! # Invariants
//! - Of many creates of one key exactly one wins, whatever kind they are (`one_of_sixteen_creates_wins`,
//!   `one_of_sixteen_swaps_wins`, `one_of_sixteen_multipart_creates_wins`).
//! - A reader sees one version of an object, whole, with that version's ETag (`readers_never_see_a_torn_object`).
//! - A body whose digest is wrong leaves nothing behind (`a_wrong_digest_stores_nothing`).
//! - ETags survive a restart (`objects_survive_a_restart`), and files put into the folder by other programs have one.
//!
//! # Limits
//! Keys are paths, so `a` and `a/b` cannot both exist and a segment has at most 255 bytes; such a key is refused with
//! a message that says so. `fsync` is not called: objects survive the death of the process, not of the machine.
//! Versions, ACLs, tags and lifecycle rules do not exist here.

mod access;
mod condition;
mod folder;
mod list;
mod multipart;
mod object;
mod operations;
mod staged;

use std::{io, path::Path, path::PathBuf, sync::Arc};

use s3s::{
    auth::SimpleAuth,
    service::{S3Service, S3ServiceBuilder},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use crate::credentials::Credentials;
use crate::{
    calls::Calls,
    server::{self, ServeError, Server},
};

/// What an S3 endpoint starts with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Buckets that exist from the start; those that exist already are left as they are.
    pub buckets: Vec<String>,
    /// The pairs of keys that requests may be signed with: one for each caller.
    pub credentials: Vec<Credentials>,
    /// Where calls are noted.
    pub calls: Calls,
}

impl Default for Options {
    /// No buckets, and one caller: [`Credentials::default`].
    fn default() -> Self {
        Self {
            buckets: Vec::new(),
            credentials: vec![Credentials::default()],
            calls: Calls::default(),
        }
    }
}

/// Why a folder cannot be served as S3.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder cannot be made or read.
    #[error("could not open the folder `{}`", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// Two servers on one folder would not see each other's locks.
    #[error("the folder `{}` is served by another process", folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// A bucket's name breaks the rules for names.
    #[error("`{bucket}` is no name for a bucket")]
    BucketName {
        /// The name.
        bucket: String,
    },
    /// The endpoint cannot be served.
    #[error(transparent)]
    Serve(#[from] ServeError),
}

/// Serves `folder` as S3 on `listener`, path style, until `cancel` is cancelled.
///
/// # Errors
/// [`Error`] when the folder cannot be used, is served already, or the listener is not on loopback.
pub fn serve(
    listener: TcpListener,
    folder: impl AsRef<Path>,
    options: &Options,
    cancel: CancellationToken,
) -> Result<Server, Error> {
    let service = hyper_util::service::TowerToHyperService::new(service(folder, options)?);
    Ok(server::serve(listener, service, cancel)?)
}

/// The endpoint without a socket: what [`serve`] serves.
///
/// # Errors
/// [`Error`] when the folder cannot be used or is served already.
pub fn service(folder: impl AsRef<Path>, options: &Options) -> Result<S3Service, Error> {
    let folder = folder::Folder::open(folder.as_ref())?;
    for bucket in &options.buckets {
        folder.ensure_bucket(bucket)?;
    }
    let access = access::Access::new(options.calls.clone());
    let mut builder = S3ServiceBuilder::new(operations::Operations::new(Arc::new(folder), access.clone()));
    let mut known = SimpleAuth::new();
    for Credentials {
        access_key_id,
        secret_access_key,
    } in &options.credentials
    {
        known.register(access_key_id.clone(), secret_access_key.as_str().into());
    }
    builder.set_auth(known);
    builder.set_access(access);
    Ok(builder.build())
}
