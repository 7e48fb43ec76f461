//! The S3 endpoint, through the SDK.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use aws_sdk_s3::{
    Client,
    error::ProvideErrorMetadata,
    primitives::ByteStream,
    types::{CompletedMultipartUpload, CompletedPart, Delete, ObjectIdentifier},
};
use tempfile::TempDir;
use tokio::sync::Barrier;
use tokio_util::sync::CancellationToken;

use super::support::{BUCKET, s3_client, serve_s3};

/// In 30 rounds of 16 writers, an endpoint that checks and then writes shows two winners in 24.
const ROUNDS: usize = 40;
const WRITERS: usize = 16;

struct Fixture {
    folder: TempDir,
    client: Client,
    url: String,
    _cancel: tokio_util::sync::DropGuard,
}

async fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let cancel = CancellationToken::new();
    let url = serve_s3(folder.path(), &cancel).await.url();
    Fixture {
        folder,
        client: s3_client(&url),
        url,
        _cancel: cancel.drop_guard(),
    }
}

impl Fixture {
    async fn put(&self, key: &str, body: impl Into<ByteStream>) -> String {
        let put = self
            .client
            .put_object()
            .bucket(BUCKET)
            .key(key)
            .body(body.into())
            .send()
            .await
            .unwrap();
        put.e_tag.unwrap()
    }

    async fn get(&self, key: &str) -> Option<Vec<u8>> {
        let got = self.client.get_object().bucket(BUCKET).key(key).send().await.ok()?;
        Some(got.body.collect().await.unwrap().to_vec())
    }

    async fn keys(&self, prefix: &str) -> Vec<String> {
        let listed = self
            .client
            .list_objects_v2()
            .bucket(BUCKET)
            .prefix(prefix)
            .send()
            .await
            .unwrap();
        listed
            .contents()
            .iter()
            .map(|object| object.key().unwrap().to_owned())
            .collect()
    }

    /// Files that are no object's content.
    fn leftovers(&self) -> usize {
        ["staged", "uploads"]
            .iter()
            .map(|name| self.folder.path().join(".s3").join(name).read_dir().unwrap().count())
            .sum()
    }
}

fn text(body: &str) -> ByteStream {
    ByteStream::from(body.as_bytes().to_vec())
}

/// Sixteen clients with a connection each, so that no writer is held up by connecting.
async fn writers(url: &str) -> Vec<Client> {
    let clients: Vec<_> = (0..WRITERS).map(|_| s3_client(url)).collect();
    for client in &clients {
        client.head_bucket().bucket(BUCKET).send().await.unwrap();
    }
    clients
}

/// Lets clients do something at the same moment; returns how each one fared: its number, or the error's code.
async fn race<F>(clients: &[Client], attempt: impl Fn(Client, usize) -> F) -> Vec<Result<usize, String>>
where
    F: Future<Output = Result<(), String>> + Send + 'static,
{
    let barrier = Arc::new(Barrier::new(clients.len()));
    let mut tasks = tokio::task::JoinSet::new();
    for (writer, client) in clients.iter().enumerate() {
        let (barrier, attempt) = (Arc::clone(&barrier), attempt(client.clone(), writer));
        tasks.spawn(async move {
            barrier.wait().await;
            attempt.await.map(|()| writer)
        });
    }
    tasks.join_all().await
}

/// The one winner; everybody else was told that the precondition failed.
fn only_winner(results: Vec<Result<usize, String>>, round: usize) -> usize {
    let mut winners = Vec::new();
    for result in results {
        match result {
            Ok(writer) => winners.push(writer),
            Err(code) => assert_eq!(code, "PreconditionFailed", "round {round}"),
        }
    }
    assert_eq!(winners.len(), 1, "round {round}: {winners:?}");
    winners[0]
}

fn code<E: ProvideErrorMetadata>(error: &E) -> String {
    error.code().unwrap_or("none").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_sixteen_creates_wins() {
    let fixture = fixture().await;
    let writers = writers(&fixture.url).await;
    for round in 0..ROUNDS {
        let key = format!("tables/pin/_delta_log/{round:020}.json");
        let results = race(&writers, |client, writer| {
            let key = key.clone();
            async move {
                let body = text(&format!("commit of writer {writer}"));
                let put = client
                    .put_object()
                    .bucket(BUCKET)
                    .key(key)
                    .if_none_match("*")
                    .body(body)
                    .send()
                    .await;
                put.map(drop).map_err(|error| code(&error.into_service_error()))
            }
        })
        .await;
        let winner = only_winner(results, round);
        assert_eq!(
            fixture.get(&key).await.unwrap(),
            format!("commit of writer {winner}").into_bytes()
        );
    }
    assert_eq!(fixture.leftovers(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_sixteen_swaps_wins() {
    let fixture = fixture().await;
    let writers = writers(&fixture.url).await;
    let mut etag = fixture.put("state", text("start")).await;
    for round in 0..ROUNDS {
        let results = race(&writers, |client, writer| {
            let etag = etag.clone();
            async move {
                let body = text(&format!("{round} {writer}"));
                let put = client
                    .put_object()
                    .bucket(BUCKET)
                    .key("state")
                    .if_match(etag)
                    .body(body)
                    .send()
                    .await;
                put.map(drop).map_err(|error| code(&error.into_service_error()))
            }
        })
        .await;
        let winner = only_winner(results, round);
        assert_eq!(
            fixture.get("state").await.unwrap(),
            format!("{round} {winner}").into_bytes()
        );
        let head = fixture
            .client
            .head_object()
            .bucket(BUCKET)
            .key("state")
            .send()
            .await
            .unwrap();
        etag = head.e_tag.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_sixteen_multipart_creates_wins() {
    let fixture = fixture().await;
    let writers = writers(&fixture.url).await;
    for round in 0..10 {
        let key = format!("big/{round}");
        let mut uploads = Vec::new();
        for writer in 0..WRITERS {
            uploads.push(upload(&fixture.client, &key, &[format!("of {writer}").into_bytes()]).await);
        }
        let results = race(&writers, |client, writer| {
            let (key, (id, parts)) = (key.clone(), uploads[writer].clone());
            async move {
                let complete = client.complete_multipart_upload().bucket(BUCKET).key(key).upload_id(id);
                let done = complete.multipart_upload(parts).if_none_match("*").send().await;
                done.map(drop).map_err(|error| code(&error.into_service_error()))
            }
        })
        .await;
        let winner = only_winner(results, round);
        assert_eq!(fixture.get(&key).await.unwrap(), format!("of {winner}").into_bytes());
    }
}

async fn upload(client: &Client, key: &str, bodies: &[Vec<u8>]) -> (String, CompletedMultipartUpload) {
    let created = client
        .create_multipart_upload()
        .bucket(BUCKET)
        .key(key)
        .content_type("text/x")
        .send()
        .await
        .unwrap();
    let id = created.upload_id.unwrap();
    let mut parts = CompletedMultipartUpload::builder();
    for (number, body) in (1..).zip(bodies) {
        let part = client
            .upload_part()
            .bucket(BUCKET)
            .key(key)
            .upload_id(&id)
            .part_number(number);
        let part = part.body(body.clone().into()).send().await.unwrap();
        parts = parts.parts(
            CompletedPart::builder()
                .part_number(number)
                .e_tag(part.e_tag.unwrap())
                .build(),
        );
    }
    (id, parts.build())
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_never_see_a_torn_object() {
    let fixture = fixture().await;
    let body = |version: u8| vec![version; 300_000 + usize::from(version)];
    let mut etags = BTreeSet::from([fixture.put("table", body(0)).await]);
    let stop = CancellationToken::new();
    let mut readers = tokio::task::JoinSet::new();
    for reader in 0..4 {
        let (client, stop) = (s3_client(&fixture.url), stop.clone());
        readers.spawn(async move {
            let mut seen = Vec::new();
            while !stop.is_cancelled() {
                let got = client.get_object().bucket(BUCKET).key("table").send().await.unwrap();
                let etag = got.e_tag.clone().unwrap();
                // The SDK compares the checksum too.
                let bytes = got.body.collect().await.unwrap().to_vec();
                assert!(
                    bytes.iter().all(|byte| *byte == bytes[0]),
                    "reader {reader} saw two versions at once"
                );
                assert_eq!(bytes.len(), 300_000 + usize::from(bytes[0]));
                seen.push((bytes[0], etag));
            }
            seen
        });
    }
    let mut versions = std::collections::BTreeMap::new();
    for version in 1..60 {
        let etag = fixture.put("table", body(version)).await;
        etags.insert(etag.clone());
        versions.insert(version, etag);
        if version % 10 == 0 {
            // Copying onto a key that is being read replaces it as well.
            fixture.put("other", body(version)).await;
            let copy = fixture
                .client
                .copy_object()
                .bucket(BUCKET)
                .key("table")
                .copy_source(format!("{BUCKET}/other"));
            copy.send().await.unwrap();
        }
    }
    stop.cancel();
    let seen: Vec<_> = readers.join_all().await.into_iter().flatten().collect();
    assert!(seen.len() > 4, "the readers must have run");
    for (version, etag) in seen {
        assert!(etags.contains(&etag));
        assert!(
            versions.get(&version).is_none_or(|of_version| *of_version == etag),
            "an ETag of another version"
        );
    }
}

#[tokio::test]
async fn objects_come_back_as_they_were_put() {
    let fixture = fixture().await;
    let put = fixture
        .client
        .put_object()
        .bucket(BUCKET)
        .key("a/b.txt")
        .body(text("0123456789"));
    let put = put
        .content_type("text/plain")
        .content_encoding("identity")
        .metadata("from", "a test")
        .send()
        .await
        .unwrap();
    // As on S3, the ETag of a plain put is the MD5 of its body.
    assert_eq!(put.e_tag(), Some("\"781e5e245d69b566979b86e28d23f2c7\""));

    let get = || fixture.client.get_object().bucket(BUCKET).key("a/b.txt");
    let got = get().send().await.unwrap();
    assert_eq!(got.e_tag(), put.e_tag());
    assert_eq!(got.content_length(), Some(10));
    assert_eq!(got.content_type(), Some("text/plain"));
    assert_eq!(got.metadata().unwrap()["from"], "a test");
    assert_eq!(got.body.collect().await.unwrap().to_vec(), b"0123456789");

    let ranges = [
        ("bytes=2-4", "234"),
        ("bytes=7-", "789"),
        ("bytes=-3", "789"),
        ("bytes=8-99", "89"),
    ];
    for (range, expected) in ranges {
        let part = get().range(range).send().await.unwrap();
        assert_eq!(part.content_length(), Some(expected.len() as i64), "{range}");
        assert!(part.content_range().unwrap().ends_with("/10"));
        assert_eq!(
            part.body.collect().await.unwrap().to_vec(),
            expected.as_bytes(),
            "{range}"
        );
    }
    let beyond = get().range("bytes=10-").send().await.unwrap_err().into_service_error();
    assert_eq!(code(&beyond), "InvalidRange");

    let etag = put.e_tag().unwrap();
    assert!(get().if_match(etag).send().await.is_ok());
    assert_eq!(
        code(&get().if_match("\"0\"").send().await.unwrap_err().into_service_error()),
        "PreconditionFailed"
    );
    let known = get().if_none_match(etag).send().await.unwrap_err();
    assert_eq!(known.raw_response().unwrap().status().as_u16(), 304);

    let head = fixture
        .client
        .head_object()
        .bucket(BUCKET)
        .key("a/b.txt")
        .send()
        .await
        .unwrap();
    assert_eq!((head.content_length(), head.e_tag()), (Some(10), put.e_tag()));
    assert!(got.last_modified.is_some() && head.last_modified().is_some());
}

#[tokio::test]
async fn errors_are_those_of_s3() {
    let fixture = fixture().await;
    let client = &fixture.client;
    fixture.put("dir/object", text("x")).await;
    for key in ["none", "dir", "dir/object/below"] {
        let error = client
            .get_object()
            .bucket(BUCKET)
            .key(key)
            .send()
            .await
            .unwrap_err()
            .into_service_error();
        assert_eq!(code(&error), "NoSuchKey", "{key}");
        assert!(
            client
                .head_object()
                .bucket(BUCKET)
                .key(key)
                .send()
                .await
                .unwrap_err()
                .into_service_error()
                .is_not_found()
        );
    }
    let error = client
        .get_object()
        .bucket("nowhere")
        .key("k")
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert_eq!(code(&error), "NoSuchBucket");
    let put = |key: &str| client.put_object().bucket(BUCKET).key(key).body(text("y"));
    assert_eq!(
        code(
            &put("none")
                .if_match("\"e\"")
                .send()
                .await
                .unwrap_err()
                .into_service_error()
        ),
        "NoSuchKey"
    );
    assert_eq!(
        code(&put("a//b").send().await.unwrap_err().into_service_error()),
        "InvalidRequest"
    );
    for key in ["dir", "dir/object/below"] {
        assert_eq!(
            code(&put(key).send().await.unwrap_err().into_service_error()),
            "InvalidRequest",
            "{key}"
        );
    }
    let taken = client
        .create_bucket()
        .bucket(BUCKET)
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert_eq!(code(&taken), "BucketAlreadyOwnedByYou");
    let full = client
        .delete_bucket()
        .bucket(BUCKET)
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert_eq!(code(&full), "BucketNotEmpty");
    client.create_bucket().bucket("another").send().await.unwrap();
    let buckets = client.list_buckets().send().await.unwrap();
    let names: Vec<_> = buckets.buckets().iter().filter_map(|bucket| bucket.name()).collect();
    assert_eq!(names, ["another", BUCKET]);
    client.delete_bucket().bucket("another").send().await.unwrap();
    assert!(client.head_bucket().bucket("another").send().await.is_err());
}

#[tokio::test]
async fn a_wrong_digest_stores_nothing() {
    let fixture = fixture().await;
    let put = fixture.client.put_object().bucket(BUCKET).key("k").body(text("body"));
    let error = put
        .checksum_crc32("AAAAAA==")
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert_eq!(code(&error), "BadDigest");
    let put = fixture.client.put_object().bucket(BUCKET).key("k").body(text("body"));
    let error = put
        .content_md5("1B2M2Y8AsgTpgAmY7PhCfg==")
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert_eq!(code(&error), "BadDigest");
    assert_eq!(fixture.get("k").await, None);
    assert_eq!(fixture.leftovers(), 0);
}

#[tokio::test]
async fn unusual_keys_work() {
    let fixture = fixture().await;
    let long = format!("deep/{}/end", vec!["x".repeat(200); 4].join("/"));
    let keys = [
        "category=art/ingest_date=2026-11-22/part-0.parquet",
        "category=a%2Fb%20c/x",
        "with space+plus&and?question#hash",
        "größe/日本/ü",
        ".hidden/_delta_log/00.json",
        "quote'\"<>/x",
        "folder/",
        &long,
    ];
    for key in keys {
        fixture.put(key, text(key)).await;
    }
    for key in keys {
        assert_eq!(fixture.get(key).await.unwrap(), key.as_bytes(), "{key}");
    }
    let mut sorted = keys.map(str::to_owned).to_vec();
    sorted.sort();
    assert_eq!(fixture.keys("").await, sorted);
    // What is an object is also a plain file, for other programs.
    let path = fixture.folder.path().join(BUCKET).join("category=a%2Fb%20c/x");
    assert_eq!(std::fs::read_to_string(path).unwrap(), "category=a%2Fb%20c/x");

    let delete = keys
        .map(|key| ObjectIdentifier::builder().key(key).build().unwrap())
        .to_vec();
    let delete = Delete::builder().set_objects(Some(delete)).build().unwrap();
    let deleted = fixture
        .client
        .delete_objects()
        .bucket(BUCKET)
        .delete(delete)
        .send()
        .await
        .unwrap();
    assert_eq!((deleted.deleted().len(), deleted.errors().len()), (keys.len(), 0));
    assert_eq!(fixture.keys("").await, Vec::<String>::new());
    // No folders are left to stand in the way of keys of their names.
    fixture.put("deep", text("a key now")).await;
    fixture
        .client
        .delete_object()
        .bucket(BUCKET)
        .key("never was")
        .send()
        .await
        .unwrap();
}

#[tokio::test]
async fn pages_add_up() {
    let fixture = fixture().await;
    let mut keys = Vec::new();
    for table in ["geo", "pin", "pin-old", "pin.bak"] {
        for number in 0..7 {
            keys.push(format!("tables/{table}/_delta_log/{number:02}.json"));
            keys.push(format!("tables/{table}/part-{number}"));
        }
        keys.push(format!("tables/{table}.txt"));
    }
    for key in &keys {
        fixture.put(key, text("x")).await;
    }
    // A folder without keys is nothing to S3.
    std::fs::create_dir_all(fixture.folder.path().join(BUCKET).join("tables/empty/inside")).unwrap();
    keys.sort();
    for prefix in ["", "tables/pin", "tables/pin/", "tables/pin/_delta_log/0", "none"] {
        for delimiter in [None, Some("/"), Some("-"), Some("_delta")] {
            for max_keys in [1, 3, 1000] {
                for start_after in [None, Some("tables/pin-old/part-3"), Some("tables/pin")] {
                    let list = fixture
                        .client
                        .list_objects_v2()
                        .bucket(BUCKET)
                        .prefix(prefix)
                        .max_keys(max_keys);
                    let list = list.set_delimiter(delimiter.map(str::to_owned));
                    let list = list.set_start_after(start_after.map(str::to_owned));
                    let mut pages = list.into_paginator().send();
                    let mut found = Vec::new();
                    while let Some(page) = pages.next().await {
                        let page = page.unwrap();
                        let names = page.contents().iter().map(|object| object.key().unwrap().to_owned());
                        let groups = page
                            .common_prefixes()
                            .iter()
                            .map(|group| group.prefix().unwrap().to_owned());
                        let mut page_names: Vec<_> = names.chain(groups).collect();
                        assert!(page_names.len() <= max_keys as usize);
                        assert_eq!(page.key_count(), Some(page_names.len() as i32));
                        page_names.sort();
                        found.extend(page_names);
                    }
                    let expected = expected(&keys, prefix, delimiter, start_after);
                    assert_eq!(found, expected, "{prefix:?} {delimiter:?} {max_keys} {start_after:?}");
                }
            }
        }
    }
    // The first version of the operation pages too.
    let (mut marker, mut found) = (String::new(), Vec::new());
    loop {
        let list = fixture
            .client
            .list_objects()
            .bucket(BUCKET)
            .prefix("tables/")
            .delimiter("/")
            .max_keys(2);
        let page = list.marker(&marker).send().await.unwrap();
        found.extend(page.contents().iter().map(|object| object.key().unwrap().to_owned()));
        found.extend(
            page.common_prefixes()
                .iter()
                .map(|group| group.prefix().unwrap().to_owned()),
        );
        match page.next_marker() {
            Some(next) => marker = next.to_owned(),
            None => break,
        }
    }
    found.sort();
    assert_eq!(found, expected(&keys, "tables/", Some("/"), None));
}

/// What S3's documentation says a listing has, computed from all keys.
fn expected(keys: &[String], prefix: &str, delimiter: Option<&str>, start_after: Option<&str>) -> Vec<String> {
    let mut expected = BTreeSet::new();
    for key in keys {
        if start_after.is_some_and(|after| key.as_str() <= after) {
            continue;
        }
        let Some(rest) = key.strip_prefix(prefix) else { continue };
        match delimiter.and_then(|delimiter| Some(rest.find(delimiter)? + delimiter.len())) {
            Some(end) => expected.insert(format!("{prefix}{}", &rest[..end])),
            None => expected.insert(key.clone()),
        };
    }
    expected.into_iter().collect()
}

#[tokio::test]
async fn uploads_in_parts_become_one_object() {
    let fixture = fixture().await;
    let client = &fixture.client;
    // An object that a multipart upload replaces must not lend it its checksum.
    fixture.put("big", text("small")).await;
    let bodies = [vec![1; 5 * 1024 * 1024], vec![2; 5 * 1024 * 1024], vec![3; 10]];
    let (id, parts) = upload(client, "big", &bodies).await;
    let listed = client
        .list_parts()
        .bucket(BUCKET)
        .key("big")
        .upload_id(&id)
        .send()
        .await
        .unwrap();
    assert_eq!(listed.parts().len(), 3);
    let complete = client
        .complete_multipart_upload()
        .bucket(BUCKET)
        .key("big")
        .upload_id(&id);
    let done = complete.multipart_upload(parts.clone()).send().await.unwrap();
    assert!(done.e_tag().unwrap().ends_with("-3\""));
    let got = client.get_object().bucket(BUCKET).key("big").send().await.unwrap();
    assert_eq!((got.e_tag(), got.content_type()), (done.e_tag(), Some("text/x")));
    assert_eq!(got.body.collect().await.unwrap().to_vec(), bodies.concat());

    let again = client
        .complete_multipart_upload()
        .bucket(BUCKET)
        .key("big")
        .upload_id(&id)
        .multipart_upload(parts);
    assert_eq!(
        code(&again.send().await.unwrap_err().into_service_error()),
        "NoSuchUpload"
    );

    let (id, parts) = upload(client, "small-parts", &[vec![1; 10], vec![2; 10]]).await;
    let complete = client
        .complete_multipart_upload()
        .bucket(BUCKET)
        .key("small-parts")
        .upload_id(&id);
    let error = complete
        .multipart_upload(parts)
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert_eq!(code(&error), "EntityTooSmall");
    client
        .abort_multipart_upload()
        .bucket(BUCKET)
        .key("small-parts")
        .upload_id(&id)
        .send()
        .await
        .unwrap();
    assert_eq!(fixture.get("small-parts").await, None);
    assert_eq!(fixture.leftovers(), 0);
}

#[tokio::test]
async fn objects_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let cancel = CancellationToken::new();
    let server = serve_s3(folder.path(), &cancel).await;
    let client = s3_client(&server.url());
    let put = client
        .put_object()
        .bucket(BUCKET)
        .key("k")
        .content_type("text/y")
        .body(text("kept"))
        .send()
        .await
        .unwrap();
    let (id, parts) = upload(&client, "later", &[b"a part".to_vec()]).await;
    drop(client);
    cancel.cancel();
    server.stopped().await;
    // What a killed process leaves: a body that never became an object.
    std::fs::write(folder.path().join(".s3/staged/half"), "half of some").unwrap();
    std::fs::write(
        folder.path().join(BUCKET).join("foreign"),
        "put here by another program",
    )
    .unwrap();

    let cancel = CancellationToken::new();
    let server = serve_s3(folder.path(), &cancel).await;
    let client = s3_client(&server.url());
    let head = client.head_object().bucket(BUCKET).key("k").send().await.unwrap();
    assert_eq!((head.e_tag(), head.content_type()), (put.e_tag(), Some("text/y")));
    client
        .put_object()
        .bucket(BUCKET)
        .key("k")
        .if_match(put.e_tag().unwrap())
        .body(text("new"))
        .send()
        .await
        .unwrap();
    let complete = client
        .complete_multipart_upload()
        .bucket(BUCKET)
        .key("later")
        .upload_id(id);
    complete.multipart_upload(parts).send().await.unwrap();
    let foreign = client.get_object().bucket(BUCKET).key("foreign").send().await.unwrap();
    let etag = foreign.e_tag().unwrap().to_owned();
    assert_eq!(
        foreign.body.collect().await.unwrap().to_vec(),
        b"put here by another program"
    );
    client
        .put_object()
        .bucket(BUCKET)
        .key("foreign")
        .if_match(etag)
        .body(text("ours"))
        .send()
        .await
        .unwrap();
    assert_eq!(folder.path().join(".s3/staged").read_dir().unwrap().count(), 0);
    cancel.cancel();
    tokio::time::timeout(Duration::from_secs(5), server.stopped())
        .await
        .unwrap();
}

#[tokio::test]
async fn other_credentials_are_refused() {
    let fixture = fixture().await;
    let config = fixture.client.config().to_builder();
    let stranger = aws_sdk_s3::config::Credentials::new("pinlake", "wrong", None, None, "test");
    let client = Client::from_conf(config.credentials_provider(stranger).build());
    let error = client
        .list_objects_v2()
        .bucket(BUCKET)
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert_eq!(code(&error), "SignatureDoesNotMatch");
}
