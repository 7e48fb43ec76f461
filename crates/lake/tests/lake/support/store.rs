//! A lake on an object store that counts its requests and fails on demand.

use std::{
    collections::VecDeque,
    fmt,
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, stream::BoxStream};
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, local::LocalFileSystem, memory::InMemory,
    path::Path,
};
use pinlake_lake::Lake;

/// A lake to test on. The folder lives as long as this does.
pub(crate) struct TestLake {
    pub(crate) lake: Lake,
    pub(crate) store: Arc<Watched>,
    _folder: Option<tempfile::TempDir>,
}

impl TestLake {
    pub(crate) fn in_memory() -> Self {
        Self::new(Arc::new(InMemory::new()), "memory:///some/prefix", None)
    }

    pub(crate) fn in_folder() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = url::Url::from_directory_path(folder.path()).unwrap();
        Self::new(Arc::new(LocalFileSystem::new()), url.as_str(), Some(folder))
    }

    fn new(inner: Arc<dyn ObjectStore>, url: &str, folder: Option<tempfile::TempDir>) -> Self {
        let store = Watched::new(inner);
        let lake = Lake::with_store(Arc::clone(&store) as _, url).unwrap();
        Self {
            lake,
            store,
            _folder: folder,
        }
    }
}

/// What happens to a put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is not carried out.
    Refuse,
    /// It is carried out, and the answer is an error.
    LoseAnswer,
    /// The answer is an error, and it is carried out when [`Watched::arrive`] is called.
    Late,
    /// Somebody else puts this there just before it.
    Overtake(Bytes),
}

/// How long a process lives that uses the store.
#[derive(Debug, Clone, Copy)]
struct Life {
    requests: usize,
    /// Whether the last request is carried out all the same, and only its answer is lost.
    last_is_done: bool,
}

/// A store behind which another does the work.
#[derive(Debug)]
pub(crate) struct Watched {
    inner: Arc<dyn ObjectStore>,
    requests: AtomicUsize,
    /// Each applies to the first put whose key contains the text.
    faults: Mutex<VecDeque<(String, Fault)>>,
    /// Puts that are under way.
    late: Mutex<Vec<(Path, PutPayload, PutOptions)>>,
    /// After so many requests nothing is carried out any more.
    life: Mutex<Option<Life>>,
    /// Whether each request lets others run before it is carried out and before it is answered.
    hesitant: AtomicBool,
}

impl Watched {
    pub(crate) fn new(inner: Arc<dyn ObjectStore>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            requests: AtomicUsize::new(0),
            faults: Mutex::new(VecDeque::new()),
            late: Mutex::default(),
            life: Mutex::new(None),
            hesitant: AtomicBool::new(false),
        })
    }

    /// How many requests there were since the last call.
    pub(crate) fn take_requests(&self) -> usize {
        self.requests.swap(0, Ordering::SeqCst)
    }

    /// Lets the next put of a key that contains `part` go wrong.
    pub(crate) fn fail(&self, part: &str, fault: Fault) {
        self.faults.lock().unwrap().push_back((part.to_owned(), fault));
    }

    /// Makes every put and get wait before it is carried out and before it is answered: places to be dropped at.
    pub(crate) fn hesitate(&self) {
        self.hesitant.store(true, Ordering::SeqCst);
    }

    /// Kills whoever uses the store: `requests` are carried out, the next one only if `last_is_done`, and none after that.
    pub(crate) fn die_after(&self, requests: usize, last_is_done: bool) {
        *self.life.lock().unwrap() = Some(Life { requests, last_is_done });
    }

    /// Carries out the puts that are under way.
    pub(crate) async fn arrive(&self) {
        let late = std::mem::take(&mut *self.late.lock().unwrap());
        for (location, payload, opts) in late {
            let _ = self.inner.put_opts(&location, payload, opts).await;
        }
    }

    /// Lets everything be carried out again.
    pub(crate) fn live(&self) {
        *self.life.lock().unwrap() = None;
    }

    /// A request is about to be carried out. Answers whether its answer is lost.
    fn live_through(&self) -> Result<bool> {
        let mut life = self.life.lock().unwrap();
        let Some(Life { requests, last_is_done }) = life.as_mut() else {
            return Ok(false);
        };
        if let Some(left) = requests.checked_sub(1) {
            *requests = left;
            return Ok(false);
        }
        if std::mem::take(last_is_done) {
            return Ok(true);
        }
        Err(dead())
    }

    async fn pause(&self) {
        if self.hesitant.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
    }

    /// Forgets the faults that have not happened.
    pub(crate) fn heal(&self) {
        self.faults.lock().unwrap().clear();
    }

    fn count(&self) {
        self.requests.fetch_add(1, Ordering::SeqCst);
    }

    fn fault(&self, location: &Path) -> Option<Fault> {
        let mut faults = self.faults.lock().unwrap();
        let hit = faults
            .iter()
            .position(|(part, _)| location.as_ref().contains(part.as_str()))?;
        faults.remove(hit).map(|(_, fault)| fault)
    }
}

/// What a request gets that nobody answers.
fn dead() -> Error {
    Error::Generic {
        store: "watched",
        source: "whoever asked was killed".into(),
    }
}

impl fmt::Display for Watched {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Watched({})", self.inner)
    }
}

#[async_trait]
impl ObjectStore for Watched {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.count();
        let failed = || Error::Generic {
            store: "watched",
            source: "a fault was asked for".into(),
        };
        if self.live_through()? {
            self.inner.put_opts(location, payload, opts).await?;
            return Err(dead());
        }
        self.pause().await;
        match self.fault(location) {
            None => {
                let result = self.inner.put_opts(location, payload, opts).await;
                self.pause().await;
                result
            }
            Some(Fault::Refuse) => Err(failed()),
            Some(Fault::LoseAnswer) => {
                self.inner.put_opts(location, payload, opts).await?;
                Err(failed())
            }
            Some(Fault::Late) => {
                self.late.lock().unwrap().push((location.clone(), payload, opts));
                Err(failed())
            }
            Some(Fault::Overtake(body)) => {
                self.inner.put_opts(location, body.into(), opts.clone()).await?;
                self.inner.put_opts(location, payload, opts).await
            }
        }
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.count();
        if self.live_through()? {
            return Err(dead());
        }
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.count();
        if self.live_through()? {
            return Err(dead());
        }
        self.pause().await;
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.count();
        if self.live_through()? {
            return Err(dead());
        }
        self.pause().await;
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.count();
        match self.live_through() {
            Ok(false) => self.inner.delete_stream(locations),
            Ok(true) => {
                let deleted = self.inner.delete_stream(locations);
                deleted.then(|_| async { Err(dead()) }).boxed()
            }
            Err(error) => futures::stream::once(async { Err(error) }).boxed(),
        }
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.count();
        self.inner.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.count();
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.count();
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.count();
        self.inner.copy_opts(from, to, options).await
    }
}
