//! A file that one process at a time has: how a folder is kept from being served twice.

use std::{
    fs::{File, TryLockError},
    io,
    path::Path,
    thread,
    time::Duration,
};

/// How often a lock is tried, and how long after each: a process that is just stopping may hold it for another moment.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);

/// Held until it is dropped; the system takes it back when the process dies, however it dies.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Locks a file, and makes it if it is missing; `None` if another holds it for longer than a second. Blocks meanwhile.
    ///
    /// # Errors
    /// The file cannot be made or locked.
    pub fn take(path: &Path) -> io::Result<Option<Self>> {
        let file = File::create(path)?;
        for _ in 0..TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(Some(Self { _file: file })),
                Err(TryLockError::WouldBlock) => thread::sleep(PAUSE),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_once_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("owner");
        let first = Lock::take(&path).unwrap();
        assert!(first.is_some());
        assert!(Lock::take(&path).unwrap().is_none());
        drop(first);
        assert!(Lock::take(&path).unwrap().is_some());
    }

    #[test]
    fn a_holder_that_is_just_stopping_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("owner");
        let first = Lock::take(&path).unwrap();
        let stopping = thread::spawn(move || {
            thread::sleep(2 * PAUSE);
            drop(first);
        });
        assert!(Lock::take(&path).unwrap().is_some());
        stopping.join().unwrap();
    }
}
