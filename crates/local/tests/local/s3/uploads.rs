//! Uploads in parts, and restarts.

use super::*;

#[tokio::test]
async fn uploads_in_parts_become_one_object() {
    let fixture = fixture().await;
    let client = &fixture.client;
    // An object that a multipart upload replaces must not lend it its checksum.
    fixture.put("big", text("small")).await;
    let bodies = [vec![1; 5 * 1024 * 1024], vec![2; 5 * 1024 * 1024], vec![3; 10]];
    let (id, parts) = upload(client, "big", &bodies).await;
    let list = client.list_parts().bucket(BUCKET).key("big").upload_id(&id);
    let all = list.clone().send().await.unwrap();
    assert_eq!((all.parts().len(), all.is_truncated()), (3, Some(false)));
    let page = list.clone().max_parts(2).send().await.unwrap();
    assert_eq!(
        (page.parts().len(), page.is_truncated(), page.next_part_number_marker()),
        (2, Some(true), Some("2"))
    );
    let rest = list.part_number_marker("2").send().await.unwrap();
    assert_eq!((rest.parts(), rest.is_truncated()), (&all.parts()[2..], Some(false)));
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
