//! Streams: made, described, deleted.

use super::*;

#[tokio::test]
async fn streams_are_made_described_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let Streams { client, .. } = &streams(&folder, 1).await;
    client
        .create_stream()
        .stream_name("b")
        .shard_count(3)
        .send()
        .await
        .unwrap();
    client
        .create_stream()
        .stream_name("a")
        .shard_count(1)
        .send()
        .await
        .unwrap();
    let twice = client
        .create_stream()
        .stream_name("a")
        .shard_count(1)
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert!(twice.is_resource_in_use_exception());
    let bad = client
        .create_stream()
        .stream_name("no name")
        .shard_count(1)
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert_eq!(code(&bad), "ValidationException");

    let listed = client.list_streams().limit(2).send().await.unwrap();
    assert_eq!(
        (listed.stream_names(), listed.has_more_streams()),
        (&["a".to_owned(), "b".to_owned()][..], true)
    );
    let rest = client
        .list_streams()
        .next_token(listed.next_token().unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(
        (rest.stream_names(), rest.has_more_streams()),
        (&[STREAM.to_owned()][..], false)
    );

    let summary = client.describe_stream_summary().stream_name("b").send().await.unwrap();
    let summary = summary.stream_description_summary().unwrap();
    assert_eq!((summary.open_shard_count(), summary.retention_period_hours()), (3, 24));
    assert_eq!(summary.stream_arn(), "arn:aws:kinesis:us-east-1:000000000000:stream/b");
    let described = client
        .describe_stream()
        .stream_arn(summary.stream_arn())
        .limit(2)
        .send()
        .await
        .unwrap();
    let described = described.stream_description().unwrap();
    assert_eq!((described.shards().len(), described.has_more_shards()), (2, true));

    let page = client
        .list_shards()
        .stream_name("b")
        .max_results(2)
        .send()
        .await
        .unwrap();
    let rest = client
        .list_shards()
        .next_token(page.next_token().unwrap())
        .send()
        .await
        .unwrap();
    let shards: Vec<_> = page.shards().iter().chain(rest.shards()).collect();
    let ids: Vec<_> = shards.iter().map(|shard| shard.shard_id()).collect();
    assert_eq!(
        ids,
        ["shardId-000000000000", "shardId-000000000001", "shardId-000000000002"]
    );
    let ranges: Vec<_> = shards.iter().map(|shard| shard.hash_key_range().unwrap()).collect();
    assert_eq!(
        (ranges[0].starting_hash_key(), ranges[2].ending_hash_key()),
        ("0", u128::MAX.to_string().as_str())
    );

    client.delete_stream().stream_name("b").send().await.unwrap();
    let gone = client
        .describe_stream()
        .stream_name("b")
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert!(gone.is_resource_not_found_exception());
    assert_eq!(gone.message(), Some("Stream b under account 000000000000 not found."));
    let put = client
        .put_record()
        .stream_name("b")
        .partition_key("k")
        .data(Blob::new("x"))
        .send()
        .await;
    assert!(put.unwrap_err().into_service_error().is_resource_not_found_exception());
    let unknown = client
        .list_stream_consumers()
        .stream_arn("arn:x")
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert_eq!(code(&unknown), "UnknownOperationException");
}

#[tokio::test]
async fn a_stream_made_anew_is_empty() {
    let folder = tempfile::tempdir().unwrap();
    let Streams { client, kinesis, .. } = &streams(&folder, 1).await;
    let put = || {
        client
            .put_record()
            .stream_name(STREAM)
            .partition_key("k")
            .data(Blob::new("x"))
            .send()
    };
    put().await.unwrap();
    let old = iterator(client, 0, ShardIteratorType::TrimHorizon).await;
    client.delete_stream().stream_name(STREAM).send().await.unwrap();
    kinesis.ensure_stream(STREAM, 1).unwrap();
    assert!(read_all(client, 0).await.is_empty());
    let error = client
        .get_records()
        .shard_iterator(old)
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert!(error.is_resource_not_found_exception());
}
