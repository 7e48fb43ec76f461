//! Many writers of one key, and readers of a key that is being written.

use super::*;

/// In 30 rounds of 16 writers, an endpoint that checks and then writes shows two winners in 24.
const ROUNDS: usize = 40;
const WRITERS: usize = 16;

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

#[tokio::test(flavor = "multi_thread")]
async fn readers_never_see_a_torn_object() {
    let fixture = fixture().await;
    let body = |version: u8| vec![version; 100_000 + usize::from(version)];
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
                assert_eq!(bytes.len(), 100_000 + usize::from(bytes[0]));
                seen.push((bytes[0], etag));
            }
            seen
        });
    }
    let mut versions = std::collections::BTreeMap::new();
    for version in 1..31 {
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
