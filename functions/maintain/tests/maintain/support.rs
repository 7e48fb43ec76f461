//! What the tests share: lakes, a catalog, writers and what they wrote.

use std::{
    collections::BTreeSet,
    fmt,
    ops::{Range, RangeInclusive},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use arrow::array::{ArrayRef, AsArray, BinaryArray, Int32Array, RecordBatch, StringArray};
use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use futures::{TryStreamExt as _, stream::BoxStream};
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result, memory::InMemory, path::Path,
};
use pinlake_dataset::{Catalog, DatasetName};
use pinlake_lake::{
    Batch, Kind, Lake, Landed, Landing, NotLanded, ORIGIN, Rows, S3Options, SequenceNumber, Settings as LakeSettings,
    Source, describe, quarantine_rows_schema, read_table,
};
use pinlake_maintain::{Handler, Settings};

/// Long enough for everything.
pub(crate) const AN_HOUR: TimeDelta = TimeDelta::hours(1);

/// Two datasets with the same columns.
pub(crate) fn catalog() -> Catalog {
    const TEXT: &str = "key = [\"ind\"]\n\
        [[column]]\nname = \"ind\"\ntype = \"int32\"\nrequired = true\n\
        [[column]]\nname = \"title\"\ntype = \"string\"\n";
    Catalog::from_files([("geo.toml", TEXT), ("pin.toml", TEXT)]).unwrap()
}

pub(crate) fn name(dataset: &str) -> DatasetName {
    DatasetName::parse(dataset).unwrap()
}

/// Settings, with these variables.
pub(crate) fn settings(variables: &[(&str, &str)]) -> Settings {
    let lookup = |name: &str| {
        let set = variables.iter().find(|(variable, _)| *variable == name);
        set.map(|(_, value)| (*value).to_owned())
            .or((name == "LAKE_URI").then(|| "memory:///".to_owned()))
    };
    Settings::from_lookup(lookup).unwrap()
}

pub(crate) fn handler(lake: &Lake, variables: &[(&str, &str)]) -> Handler {
    Handler::new(&catalog(), lake, &settings(variables)).unwrap()
}

/// A lake, and what must live as long as it does.
pub(crate) struct TestLake {
    pub(crate) lake: Lake,
    _server: Option<pinlake_local::Server>,
    _folder: Option<tempfile::TempDir>,
}

impl TestLake {
    pub(crate) fn in_memory() -> Self {
        Self::on(Arc::new(InMemory::new()))
    }

    pub(crate) fn on(store: Arc<dyn ObjectStore>) -> Self {
        Self {
            lake: Lake::with_store(store, "memory:///").unwrap(),
            _server: None,
            _folder: None,
        }
    }

    pub(crate) fn in_folder() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = url::Url::from_directory_path(folder.path()).unwrap();
        Self {
            lake: Lake::open(url.as_str(), &S3Options::default()).unwrap(),
            _server: None,
            _folder: Some(folder),
        }
    }

    /// Behind the local S3 endpoint, over a socket.
    pub(crate) async fn on_s3() -> Self {
        use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};

        let folder = tempfile::tempdir().unwrap();
        let options = pinlake_local::s3::Options {
            buckets: vec!["lake".to_owned()],
            ..pinlake_local::s3::Options::default()
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let cancel = tokio_util::sync::CancellationToken::new();
        let server = pinlake_local::s3::serve(listener, folder.path(), &options, cancel).unwrap();
        let keys = Credentials::new("pinlake", "pinlake-local", None, None, "test");
        let s3 = S3Options {
            region: None,
            endpoint: Some(server.url().trim_end_matches('/').to_owned()),
            credentials: Some(SharedCredentialsProvider::new(keys)),
        };
        Self {
            lake: Lake::open("s3://lake", &s3).unwrap(),
            _server: Some(server),
            _folder: Some(folder),
        }
    }

    pub(crate) fn landing(&self, dataset: &str) -> Landing {
        let catalog = catalog();
        let definition = catalog.get(&name(dataset)).unwrap();
        Landing::new(&self.lake, definition, LakeSettings::default()).unwrap()
    }

    /// `_origin` of every row, sorted.
    pub(crate) async fn origins(&self, kind: Kind, dataset: &str) -> Vec<String> {
        let mut origins = Vec::new();
        for batch in read_table(&self.lake, kind, &name(dataset)).await.unwrap() {
            let column = batch.column_by_name(ORIGIN).unwrap();
            origins.extend(
                column
                    .as_string::<i32>()
                    .iter()
                    .map(|origin| origin.unwrap().to_owned()),
            );
        }
        origins.sort();
        origins
    }

    pub(crate) async fn describe(&self, kind: Kind, dataset: &str) -> pinlake_lake::Description {
        describe(&self.lake, kind, &name(dataset)).await.unwrap().unwrap()
    }

    /// Every key of the lake.
    pub(crate) async fn keys(&self) -> BTreeSet<String> {
        let root = self.lake.folder(Kind::Table, &name("pin"));
        let root: Path = root.parts().take(root.parts().count() - 2).collect();
        let objects: Vec<_> = self.lake.store().list(Some(&root)).try_collect().await.unwrap();
        objects.iter().map(|object| object.location.to_string()).collect()
    }
}

/// Every fifth record is bad.
pub(crate) fn is_bad(number: u64) -> bool {
    number.is_multiple_of(5)
}

/// Gives a landing the records of a shard, of which the bad ones are rejected.
pub(crate) async fn store(
    landing: &mut Landing,
    source: &Source,
    numbers: RangeInclusive<u64>,
    now: DateTime<Utc>,
) -> std::result::Result<Landed, NotLanded> {
    let (bad, good): (Vec<u64>, Vec<u64>) = numbers.clone().partition(|number| is_bad(*number));
    let at = |numbers: &[u64]| vec![now.timestamp_micros(); numbers.len()];
    let sequence = |numbers: &[u64]| numbers.iter().copied().map(SequenceNumber::from).collect::<Vec<_>>();

    let ind = Int32Array::from_iter_values(good.iter().map(|number| i32::try_from(*number).unwrap()));
    let title = StringArray::from_iter_values(good.iter().map(|number| format!("title {number}")));
    let columns = [("ind", Arc::new(ind) as ArrayRef), ("title", Arc::new(title))];
    let rows = RecordBatch::try_from_iter(columns).unwrap();

    let payload = BinaryArray::from_iter_values(bad.iter().map(|number| format!("bad {number}").into_bytes()));
    let reason = StringArray::from_iter_values(bad.iter().map(|_| "is no int32"));
    let field = StringArray::from_iter_values(bad.iter().map(|_| "ind"));
    let columns: Vec<ArrayRef> = vec![Arc::new(payload), Arc::new(reason), Arc::new(field)];
    let rejected = RecordBatch::try_new(quarantine_rows_schema(), columns).unwrap();

    let batch = Batch {
        rows: Rows::new(rows, sequence(&good), at(&good)).unwrap(),
        rejected: Rows::new(rejected, sequence(&bad), at(&bad)).unwrap(),
        highest: SequenceNumber::from(*numbers.end()),
    };
    landing.store(source, batch, now).await
}

/// Appends `commits` batches of five records, one of them bad, to both tables of a dataset.
pub(crate) async fn small_files(lake: &TestLake, dataset: &str, commits: u64) {
    let mut landing = lake.landing(dataset);
    // All of one moment: midnight between two commits would make two partitions.
    let (source, now) = (shard(0), Utc::now());
    for commit in 0..commits {
        let first = commit * 5 + 1;
        store(&mut landing, &source, first..=first + 4, now).await.unwrap();
    }
}

pub(crate) fn shard(number: usize) -> Source {
    Source::kinesis("pinlake-pin", &format!("shardId-{number:012}"))
}

/// Origins of a shard's records, sorted as texts.
pub(crate) fn expected(shards: usize, records: u64, bad: bool) -> Vec<String> {
    let mut origins: Vec<_> = (0..shards)
        .flat_map(|index| {
            let numbers = (1..=records).filter(move |number| is_bad(*number) == bad);
            numbers.map(move |number| shard(index).origin(&SequenceNumber::from(number)))
        })
        .collect();
    origins.sort();
    origins
}

/// A store in memory that never answers some requests.
#[derive(Debug)]
pub(crate) struct Hanging {
    inner: InMemory,
    /// Puts of keys that contain this hang.
    part: &'static str,
    hanging: AtomicBool,
}

impl Hanging {
    pub(crate) fn at(part: &'static str) -> Arc<Self> {
        Arc::new(Self {
            inner: InMemory::new(),
            part,
            hanging: AtomicBool::new(false),
        })
    }

    pub(crate) fn hang(&self, hanging: bool) {
        self.hanging.store(hanging, Ordering::SeqCst);
    }
}

impl fmt::Display for Hanging {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Hanging({})", self.inner)
    }
}

#[async_trait]
impl ObjectStore for Hanging {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        if self.hanging.load(Ordering::SeqCst) && location.as_ref().contains(self.part) {
            std::future::pending::<()>().await;
        }
        self.inner.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
