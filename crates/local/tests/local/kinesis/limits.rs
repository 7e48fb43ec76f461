//! What is refused, and what a shard takes.

use super::*;

#[tokio::test]
async fn limits_are_those_of_kinesis() {
    let folder = tempfile::tempdir().unwrap();
    let Streams { client, .. } = &streams(&folder, 1).await;
    const MIB: usize = 1024 * 1024;
    let many = |count: usize, bytes: usize| (0..count).map(|_| entry("k", vec![b'x'; bytes])).collect::<Vec<_>>();
    let keyed = |key: String| vec![entry(&key, vec![b'x'])];
    let hashed = |hash: &str| {
        let entry = PutRecordsRequestEntry::builder()
            .partition_key("k")
            .data(Blob::new("x"))
            .explicit_hash_key(hash);
        vec![entry.build().unwrap()]
    };
    let cases: Vec<(&str, Vec<PutRecordsRequestEntry>, Option<&str>)> = vec![
        ("no record", vec![], Some("ValidationException")),
        ("one record", many(1, 1), None),
        ("500 records", many(500, 10), None),
        ("501 records", many(501, 10), Some("ValidationException")),
        ("a record of 1 MiB", many(1, MIB - 1), None),
        ("a record of more", many(1, MIB), Some("ValidationException")),
        ("a request of 10 MiB", many(10, MIB - 1), None),
        ("a request of more", many(11, MIB - 1), Some("InvalidArgumentException")),
        ("no key", keyed(String::new()), Some("ValidationException")),
        ("a key of 256 characters", keyed("ü".repeat(256)), None),
        ("a key of 257", keyed("ü".repeat(257)), Some("ValidationException")),
        ("the first hash key", hashed("0"), None),
        ("the last hash key", hashed(&u128::MAX.to_string()), None),
        (
            "one beyond",
            hashed("340282366920938463463374607431768211456"),
            Some("InvalidArgumentException"),
        ),
        ("no number", hashed("007"), Some("ValidationException")),
    ];
    for (what, records, expected) in cases {
        let put = client
            .put_records()
            .stream_name(STREAM)
            .set_records(Some(records))
            .send()
            .await;
        match (put, expected) {
            (Ok(put), None) => assert_eq!(put.failed_record_count(), Some(0), "{what}"),
            (Err(error), Some(expected)) => assert_eq!(code(&error.into_service_error()), expected, "{what}"),
            (put, _) => panic!("{what}: {put:?}"),
        }
    }
    let get = client
        .get_records()
        .shard_iterator(iterator(client, 0, ShardIteratorType::TrimHorizon).await);
    let error = get.limit(10_001).send().await.unwrap_err().into_service_error();
    assert_eq!(code(&error), "ValidationException");
    // An answer has at most 10 MiB: the rest comes with the next.
    assert!(read_all(client, 0).await.len() < 600);
}

#[tokio::test]
async fn a_provisioned_shard_refuses_record_by_record() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        throughput: Throughput::Provisioned,
        ..Options::default()
    };
    let Streams { kinesis, client, .. } = &Streams::open(folder.path(), options).await;
    kinesis.ensure_stream(STREAM, 1).unwrap();
    let put = |bytes: usize| {
        let records = (0..500).map(|_| entry("k", vec![b'x'; bytes])).collect();
        client
            .put_records()
            .stream_name(STREAM)
            .set_records(Some(records))
            .send()
    };
    // 1.5 MB at once: about 1 MB of it fits.
    let put = put(3_000).await.unwrap();
    let failed = put.failed_record_count().unwrap();
    assert!((50..300).contains(&failed), "{failed}");
    let (stored, refused): (Vec<_>, Vec<_>) = put
        .records()
        .iter()
        .partition(|record| record.sequence_number().is_some());
    assert_eq!(refused.len(), failed as usize);
    for record in refused {
        assert_eq!(record.error_code(), Some("ProvisionedThroughputExceededException"));
        let message = record.error_message().unwrap();
        assert!(
            message.starts_with("Rate exceeded for shard shardId-000000000000 in stream pinlake-pin"),
            "{message}"
        );
    }
    assert_eq!(read_all(client, 0).await.len(), stored.len());
    let large = || {
        client
            .put_record()
            .stream_name(STREAM)
            .partition_key("k")
            .data(Blob::new(vec![b'x'; 1_000_000]))
            .send()
    };
    // Sixteen seconds' worth at once.
    let puts = futures::future::join_all((0..16).map(|_| large())).await;
    let refused = puts
        .into_iter()
        .filter_map(Result::err)
        .map(|error| error.into_service_error());
    let refused: Vec<_> = refused.collect();
    assert!(!refused.is_empty());
    assert!(
        refused
            .iter()
            .all(|error| error.is_provisioned_throughput_exceeded_exception())
    );
}
