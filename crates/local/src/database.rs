//! The files that state is kept in.
//!
//! # Invariants
//! - A file that is there is a whole database: it is made beside its place and renamed into it
//!   (`what_a_killed_start_left_behind_is_no_database`).
//! - A failed write ends nothing for good (`a_disk_that_was_full_is_used_again`). redb answers every call after it with an
//!   error until the file is opened anew, for its memory may differ from the disk; so it is opened anew.
//! - A damaged file is refused and left as it is (`a_damaged_file_is_refused`).

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock},
    time::Duration,
};

use redb::{
    Database, DatabaseError, ReadTransaction, ReadableDatabase, StorageError, TransactionError, WriteTransaction,
};

/// How much of a file is kept in memory. What is written is soon read, by way of the system's own cache if need be: sixteen
/// times as much was no faster under load, and took a quarter of an hour to fill, which looked like a leak.
const CACHE_BYTES: usize = 4 << 20;

/// A redb file.
pub(crate) struct File {
    path: PathBuf,
    open: Box<dyn Fn() -> Result<Database, redb::Error> + Send + Sync>,
    /// None after it could not be opened anew.
    database: RwLock<Option<Database>>,
}

impl fmt::Debug for File {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("File")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl File {
    /// Opens the file, or makes it. A process or task that is just ending may hold it for another moment, which is waited
    /// for; the lock of a killed process has ended with it.
    pub(crate) fn open(path: &Path) -> Result<Self, redb::Error> {
        let place = path.to_owned();
        Self::opened_by(path, move || open(&place))
    }

    fn opened_by(
        path: &Path,
        open: impl Fn() -> Result<Database, redb::Error> + Send + Sync + 'static,
    ) -> Result<Self, redb::Error> {
        let database = RwLock::new(Some(open()?));
        Ok(Self {
            path: path.to_owned(),
            open: Box::new(open),
            database,
        })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Begins to read. A read that fails needs [`mend`](Self::mend) before the next.
    pub(crate) fn begin_read(&self) -> Result<ReadTransaction, redb::Error> {
        self.begin(|database| database.begin_read())
    }

    /// Begins to write, as soon as nobody else does.
    pub(crate) fn begin_write(&self) -> Result<WriteTransaction, redb::Error> {
        self.begin(|database| database.begin_write())
    }

    /// Opens the file anew if something failed in it.
    pub(crate) fn mend(&self) -> Result<(), redb::Error> {
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        // Somebody else may have been here first.
        if database.as_ref().is_some_and(is_sound) {
            return Ok(());
        }
        // Closed before: a file can be open once.
        *database = None;
        *database = Some((self.open)()?);
        tracing::warn!(file = %self.path.display(), "opened a file anew after a failure");
        Ok(())
    }

    /// Works on the file, and has it opened anew if that fails: the next try finds a file that works, if there is one.
    pub(crate) fn mending<T, E>(&self, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        work().inspect_err(|_| {
            if let Err(error) = self.mend() {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, file = %self.path.display(), "could not open a file anew");
            }
        })
    }

    fn begin<T>(&self, begin: impl Fn(&Database) -> Result<T, TransactionError>) -> Result<T, redb::Error> {
        let begun = || {
            let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
            database.as_ref().map(&begin)
        };
        match begun() {
            Some(Err(TransactionError::Storage(StorageError::PreviousIo))) | None => {
                self.mend()?;
                begun()
                    .unwrap_or(Err(StorageError::PreviousIo.into()))
                    .map_err(Into::into)
            }
            Some(done) => Ok(done?),
        }
    }
}

/// Whether nothing has failed since the file was opened.
fn is_sound(database: &Database) -> bool {
    !matches!(
        database.try_begin_write(),
        Err(TransactionError::Storage(StorageError::PreviousIo))
    )
}

fn open(path: &Path) -> Result<Database, redb::Error> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut tries = 0;
    loop {
        match open_once(path) {
            Err(DatabaseError::DatabaseAlreadyOpen) if tries < 20 => tries += 1,
            done => return Ok(done?),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn open_once(path: &Path) -> Result<Database, DatabaseError> {
    let mut builder = Database::builder();
    // Without the check redb trusts a file that was closed well, and panics if somebody has damaged it since.
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
    if path.try_exists()? {
        return builder.open(path);
    }
    let unfinished = unfinished(path);
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let database = builder.create(&unfinished)?;
    fs::rename(&unfinished, path)?;
    Ok(database)
}

/// Where a file is until it is a whole database.
fn unfinished(path: &Path) -> PathBuf {
    path.with_added_extension("unfinished")
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    };

    use redb::{ReadableTable, StorageBackend, TableDefinition};

    use super::*;

    const TABLE: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("table");

    /// A disk that can be full. Clones are the same disk.
    #[derive(Clone, Debug, Default)]
    struct Disk {
        bytes: Arc<Mutex<Vec<u8>>>,
        is_full: Arc<AtomicBool>,
    }

    impl Disk {
        fn has_room(&self) -> io::Result<()> {
            if self.is_full.load(Ordering::SeqCst) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            Ok(())
        }
    }

    impl StorageBackend for Disk {
        fn len(&self) -> io::Result<u64> {
            Ok(self.bytes.lock().unwrap().len() as u64)
        }

        fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
            let offset = offset as usize;
            out.copy_from_slice(&self.bytes.lock().unwrap()[offset..offset + out.len()]);
            Ok(())
        }

        fn set_len(&self, len: u64) -> io::Result<()> {
            self.has_room()?;
            self.bytes.lock().unwrap().resize(len as usize, 0);
            Ok(())
        }

        fn sync_data(&self) -> io::Result<()> {
            Ok(())
        }

        fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
            self.has_room()?;
            let offset = offset as usize;
            self.bytes.lock().unwrap()[offset..offset + data.len()].copy_from_slice(data);
            Ok(())
        }
    }

    fn put(file: &File, key: u64) -> Result<(), redb::Error> {
        let transaction = file.begin_write()?;
        transaction.open_table(TABLE)?.insert(key, [7; 1000].as_slice())?;
        Ok(transaction.commit()?)
    }

    fn keys(file: &File) -> Result<Vec<u64>, redb::Error> {
        let table = file.begin_read()?.open_table(TABLE)?;
        table.iter()?.map(|entry| Ok(entry?.0.value())).collect()
    }

    #[test]
    fn a_disk_that_was_full_is_used_again() {
        let disk = Disk::default();
        let backend = disk.clone();
        let file = File::opened_by(Path::new("disk"), move || {
            Ok(Database::builder().create_with_backend(backend.clone())?)
        })
        .unwrap();
        put(&file, 1).unwrap();
        disk.is_full.store(true, Ordering::SeqCst);
        assert!(put(&file, 2).is_err());
        assert!(put(&file, 3).is_err(), "the disk is still full");
        disk.is_full.store(false, Ordering::SeqCst);
        put(&file, 4).unwrap();
        assert_eq!(keys(&file).unwrap(), [1, 4]);

        // A reader alone gets going again too, once it asks for it.
        disk.is_full.store(true, Ordering::SeqCst);
        assert!(put(&file, 5).is_err());
        disk.is_full.store(false, Ordering::SeqCst);
        file.mend().unwrap();
        assert_eq!(keys(&file).unwrap(), [1, 4]);
    }

    #[test]
    fn a_damaged_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.redb");
        put(&File::open(&path).unwrap(), 1).unwrap();
        let sound = fs::read(&path).unwrap();
        let cases: [(&str, Vec<u8>); 4] = [
            ("empty", Vec::new()),
            (
                "a header of something else",
                [b"something else".as_slice(), &sound[14..]].concat(),
            ),
            ("cut off", sound[..sound.len() / 2].to_vec()),
            (
                "other pages",
                sound
                    .iter()
                    .enumerate()
                    .map(|(at, byte)| if at < 4096 { *byte } else { !*byte })
                    .collect(),
            ),
        ];
        for (what, bytes) in cases {
            fs::write(&path, &bytes).unwrap();
            assert!(File::open(&path).is_err(), "{what}");
            assert!(fs::read(&path).unwrap() == bytes, "{what}: it was changed");
        }
        fs::write(&path, &sound).unwrap();
        assert_eq!(keys(&File::open(&path).unwrap()).unwrap(), [1]);
    }

    #[test]
    fn what_a_killed_start_left_behind_is_no_database() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.redb");
        fs::write(unfinished(&path), [0; 5000]).unwrap();
        put(&File::open(&path).unwrap(), 1).unwrap();
        assert_eq!(keys(&File::open(&path).unwrap()).unwrap(), [1]);
        assert!(!unfinished(&path).exists());
    }
}
