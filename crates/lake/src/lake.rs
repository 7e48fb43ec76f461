//! The lake: an object store and the folder in it that holds the tables.

use std::{fmt, sync::Arc};

use aws_credential_types::provider::SharedCredentialsProvider;
use deltalake_core::{
    DeltaTable,
    kernel::Snapshot,
    logstore::{LogStore, StorageConfig, default_logstore},
};
use object_store::{
    ObjectStore, aws::AmazonS3Builder, local::LocalFileSystem, memory::InMemory, path::Path, prefix::PrefixStore,
};
use pinlake_dataset::DatasetName;
use url::Url;

use crate::{credentials::SdkCredentials, error::Error, head};

/// Which of a dataset's two tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `tables/<dataset>`: clean rows.
    Table,
    /// `quarantine/<dataset>`: records that cannot be cleaned.
    Quarantine,
}

impl Kind {
    fn folder(self) -> &'static str {
        match self {
            Self::Table => "tables",
            Self::Quarantine => "quarantine",
        }
    }
}

/// How to reach S3. Ignored by the other kinds of lake.
#[derive(Debug, Clone, Default)]
pub struct S3Options {
    /// The bucket's region, e.g. `eu-west-1`. Default `us-east-1`.
    pub region: Option<String>,
    /// Another endpoint than AWS's, e.g. `http://127.0.0.1:9000`: the local run and other S3 services.
    pub endpoint: Option<String>,
    /// Who signs. Without it the object store looks for the credentials of the machine it runs on.
    pub credentials: Option<SharedCredentialsProvider>,
}

/// Delta tables below one folder of one object store. Cheap to clone; clones share the store.
#[derive(Clone)]
pub struct Lake {
    /// Rooted where the URL's path is: at the bucket, or at the file system's root.
    store: Arc<dyn ObjectStore>,
    /// Ends with `/`.
    url: Url,
    /// The URL's path as a key of `store`.
    root: Path,
}

impl Lake {
    /// Opens the lake at `s3://bucket[/prefix]`, `file:///folder` (made if missing) or `memory:///`. Makes no request.
    ///
    /// # Errors
    /// [`Error::Location`] if the address cannot be used.
    pub fn open(url: &str, s3: &S3Options) -> Result<Self, Error> {
        let refuse = |reason: String| Error::Location {
            url: shown(url),
            reason,
        };
        let parsed = Url::parse(url).map_err(|error| refuse(error.to_string()))?;
        let store: Arc<dyn ObjectStore> = match parsed.scheme() {
            "s3" => Arc::new(s3_store(&parsed, s3).map_err(refuse)?),
            "file" => {
                let folder = parsed
                    .to_file_path()
                    .map_err(|()| refuse("it is no path of this machine".to_owned()))?;
                std::fs::create_dir_all(&folder).map_err(|error| refuse(error.to_string()))?;
                Arc::new(LocalFileSystem::new())
            }
            "memory" => Arc::new(InMemory::new()),
            other => return Err(refuse(format!("`{other}` is not one of s3, file, memory"))),
        };
        Self::with_store(store, url)
    }

    /// A lake in `store`, at `url`. The store is rooted at the URL's authority: the URL's path is a key in it.
    ///
    /// # Errors
    /// [`Error::Location`] if the address cannot be used.
    pub fn with_store(store: Arc<dyn ObjectStore>, url: &str) -> Result<Self, Error> {
        let refuse = |reason: String| Error::Location {
            url: shown(url),
            reason,
        };
        let mut parsed = Url::parse(url).map_err(|error| refuse(error.to_string()))?;
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(refuse(
                "it holds a name or a password, which belong elsewhere".to_owned(),
            ));
        }
        if parsed.query().is_some() || parsed.fragment().is_some() {
            return Err(refuse("it has a query or a fragment".to_owned()));
        }
        // `Url::join` replaces the last segment unless the path ends with a slash.
        parsed.set_path(&format!("{}/", parsed.path().trim_end_matches('/')));
        let root = Path::from_url_path(parsed.path()).map_err(|error| refuse(error.to_string()))?;
        Ok(Self {
            store,
            url: parsed,
            root,
        })
    }

    /// The lake's address; ends with `/`.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The object store that holds the lake, rooted at the URL's authority.
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// The key in [`store`](Self::store) below which a dataset's table lives: `[<prefix>/]tables/<dataset>`.
    pub fn folder(&self, kind: Kind, dataset: &DatasetName) -> Path {
        let folder = self.root.parts().chain([kind.folder().into(), dataset.as_str().into()]);
        folder.collect()
    }

    /// The key in [`store`](Self::store) of what is at `path` below the lake's root, e.g. `raw/pin` or
    /// `results/run_date=2026-11-23/report.html`.
    pub fn key(&self, path: &str) -> Path {
        self.root.parts().chain(Path::from(path).parts()).collect()
    }

    /// What [`key`](Self::key) was given; the whole key if it is not below the lake's root.
    pub fn relative(&self, key: &Path) -> String {
        match key.prefix_match(&self.root) {
            Some(parts) => parts.collect::<Path>().to_string(),
            None => key.to_string(),
        }
    }

    /// The newest version of a dataset's table, for an engine to read; `None` if there is no table.
    ///
    /// # Errors
    /// [`Error::Log`] if the log cannot be read.
    pub async fn snapshot(&self, kind: Kind, dataset: &DatasetName) -> Result<Option<Snapshot>, Error> {
        let log = self.log_store(kind, dataset)?;
        head::snapshot(self.folder(kind, dataset).as_ref(), log.as_ref()).await
    }

    /// A dataset's table as deltalake knows it, not loaded. Reports, upkeep and tests start from here.
    ///
    /// # Errors
    /// [`Error::Location`] if deltalake cannot address the table.
    pub fn delta(&self, kind: Kind, dataset: &DatasetName) -> Result<DeltaTable, Error> {
        Ok(DeltaTable::new(self.log_store(kind, dataset)?))
    }

    /// deltalake's way to a table's log.
    pub(crate) fn log_store(&self, kind: Kind, dataset: &DatasetName) -> Result<Arc<dyn LogStore>, Error> {
        let location = self
            .url
            .join(&format!("{}/{dataset}/", kind.folder()))
            .map_err(|error| Error::Location {
                url: self.url.to_string(),
                reason: error.to_string(),
            })?;
        let table = PrefixStore::new(Arc::clone(&self.store), self.folder(kind, dataset));
        Ok(default_logstore(
            Arc::new(table),
            Arc::clone(&self.store),
            &location,
            &StorageConfig::default(),
        ))
    }
}

impl fmt::Debug for Lake {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Lake")
            .field("url", &self.url.as_str())
            .finish_non_exhaustive()
    }
}

/// An address without what may be a password in it.
fn shown(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => format!("{}://…{}", &url[..scheme], &url[at..]),
        _ => url.to_owned(),
    }
}

/// The bucket of an `s3://` address. If-None-Match is object_store's default way to create: no lock table is needed.
fn s3_store(url: &Url, options: &S3Options) -> Result<impl ObjectStore + use<>, String> {
    let bucket = url
        .host_str()
        .filter(|bucket| !bucket.is_empty())
        .ok_or("it names no bucket")?;
    let mut builder = AmazonS3Builder::new().with_bucket_name(bucket);
    if let Some(region) = &options.region {
        builder = builder.with_region(region);
    }
    if let Some(endpoint) = &options.endpoint {
        builder = builder
            .with_endpoint(endpoint)
            .with_allow_http(endpoint.starts_with("http://"));
    }
    if let Some(provider) = &options.credentials {
        builder = builder.with_credentials(Arc::new(SdkCredentials::new(provider.clone())));
    }
    builder.build().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin() -> DatasetName {
        DatasetName::parse("pin").unwrap()
    }

    #[test]
    fn tables_have_their_folders() {
        for (url, expected) in [
            ("s3://bucket", "tables/pin"),
            ("s3://bucket/", "tables/pin"),
            ("s3://bucket/a/b", "a/b/tables/pin"),
            ("s3://bucket/a/b/", "a/b/tables/pin"),
            ("memory:///", "tables/pin"),
        ] {
            let lake = Lake::open(url, &S3Options::default()).unwrap();
            assert_eq!(lake.folder(Kind::Table, &pin()).as_ref(), expected, "{url}");
            assert_eq!(
                lake.key("results/x.json").as_ref(),
                expected.replace("tables/pin", "results/x.json"),
                "{url}"
            );
            assert!(lake.url().as_str().ends_with('/'), "{url}");
        }
        let lake = Lake::open("memory:///", &S3Options::default()).unwrap();
        assert_eq!(lake.folder(Kind::Quarantine, &pin()).as_ref(), "quarantine/pin");
        assert_eq!(
            lake.log_store(Kind::Table, &pin()).unwrap().root_url().as_str(),
            "memory:///tables/pin/"
        );
    }

    #[test]
    fn keys_are_below_the_root() {
        for (url, expected) in [("s3://bucket", "raw/pin/x"), ("s3://bucket/a", "a/raw/pin/x")] {
            let lake = Lake::open(url, &S3Options::default()).unwrap();
            let key = lake.key("raw/pin/x");
            assert_eq!(key.as_ref(), expected);
            assert_eq!(lake.relative(&key), "raw/pin/x");
        }
    }

    #[test]
    fn no_key_leads_out_of_the_lake() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("lake");
        for url in [
            "s3://bucket/lake".to_owned(),
            format!("file://{}", inside.display()),
            // What an address goes up it has gone before the lake is there.
            format!("file://{}/../lake", inside.display()),
        ] {
            let lake = Lake::open(&url, &S3Options::default()).unwrap();
            for path in [
                "../x",
                "results/../../../x",
                "/etc/passwd",
                "..",
                "./.././x",
                "a//../../x",
                "..\\x",
            ] {
                let key = lake.key(path);
                assert!(key.prefix_matches(&lake.key("")), "{url}: {path}: {key}");
                assert!(
                    !key.as_ref().split('/').any(|part| part == ".."),
                    "{url}: {path}: {key}"
                );
            }
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_password_in_an_address_is_refused_and_not_repeated() {
        for url in [
            "s3://AKIDEXAMPLE:hunter2@bucket",
            "s3://hunter2@bucket/x",
            "ftp://jo:hunter2@host/x",
            "s3://jo:hunter2@bucket:99999",
            "s3://jo:hunter2@",
        ] {
            let error = format!("{:?}", Lake::open(url, &S3Options::default()).unwrap_err());
            assert!(!error.contains("hunter2"), "{url}: {error}");
        }
    }

    #[test]
    fn what_is_no_lake_says_so() {
        for (url, reason) in [
            ("", "relative URL"),
            ("lake", "relative URL"),
            ("s3://", "names no bucket"),
            ("ftp://host/x", "not one of"),
            ("s3://bucket/x?y=1", "query"),
        ] {
            let error = Lake::open(url, &S3Options::default()).unwrap_err().to_string();
            assert!(error.contains(reason), "{url}: {error}");
        }
    }
}
