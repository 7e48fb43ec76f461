//! Whose a state folder is: one process's at a time.

use std::{fs, io, os::unix::fs::DirBuilderExt as _, path::Path};

use anyhow::{Context as _, Result, bail};
use pinlake_local::Lock;

/// In a state folder, the file that is locked by whoever uses it.
const OWNER: &str = ".owner";

/// The right to change what is in a state folder.
#[derive(Debug)]
pub struct Claim {
    _lock: Lock,
}

impl Claim {
    /// Claims a folder, and makes it if it is missing: for its owner alone, as records lie in it that the endpoints give to
    /// nobody without a signature.
    ///
    /// # Errors
    /// The folder cannot be made or written to, or is another's.
    pub fn on(state: &Path) -> Result<Self> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(state)
            .with_context(|| format!("could not create {}", state.display()))?;
        let path = state.join(OWNER);
        let lock = Lock::take(&path).with_context(|| format!("could not open {}", path.display()))?;
        let Some(lock) = lock else {
            bail!("a pipeline of another process is running on {}", state.display());
        };
        Ok(Self { _lock: lock })
    }

    /// Whether there is nothing in a folder but what claims leave, or no folder at all.
    pub fn is_unused(state: &Path) -> bool {
        match fs::read_dir(state) {
            Ok(mut entries) => entries.all(|entry| entry.is_ok_and(|entry| entry.file_name() == OWNER)),
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_folder_is_claimed_once_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("some/state");
        assert!(Claim::is_unused(&state));
        let claim = Claim::on(&state).unwrap();
        assert!(Claim::is_unused(&state));
        let refused = Claim::on(&state).unwrap_err();
        assert!(refused.to_string().contains("another process"), "{refused}");
        drop(claim);
        Claim::on(&state).unwrap();
    }

    #[test]
    fn a_new_folder_is_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        Claim::on(&state).unwrap();
        let mode = fs::metadata(&state).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn other_files_are_a_use() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("letter.txt"), "dear").unwrap();
        assert!(!Claim::is_unused(folder.path()));
    }
}
