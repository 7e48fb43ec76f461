//! The files that state is kept in.

use std::{path::Path, time::Duration};

use redb::{Database, DatabaseError};

/// Opens the file, or makes it. A process or task that is just ending may hold it for another moment, which is waited
/// for; the lock of a killed process has ended with it.
pub(crate) fn open(path: &Path) -> Result<Database, redb::Error> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut tries = 0;
    loop {
        match Database::create(path) {
            Err(DatabaseError::DatabaseAlreadyOpen) if tries < 20 => tries += 1,
            done => return Ok(done?),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
