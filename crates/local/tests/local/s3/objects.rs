//! One object at a time: what comes back, what is refused, what survives.

use super::*;

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
