//! What is refused, and what streams say of themselves.

use aws_sdk_firehose::{error::ProvideErrorMetadata, types::CompressionFormat};
use pinlake_local::firehose::{Error, PrefixError, SettingsError};

use super::*;

const MIB: usize = 1024 * 1024;
const MOST: usize = 1000 * 1024;

#[tokio::test]
async fn limits_are_those_of_firehose() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), Options::default(), settings()).await;
    let many = |count: usize, bytes: usize| (0..count).map(|_| record(vec![b'x'; bytes])).collect::<Vec<_>>();
    let (validation, argument) = (Some("ValidationException"), Some("InvalidArgumentException"));
    let cases = [
        ("no record", many(0, 1), validation),
        ("one record", many(1, 1), None),
        ("an empty record", many(1, 0), None),
        ("500 records", many(500, 10), None),
        ("501 records", many(501, 10), validation),
        ("a record of 1,000 KiB", many(1, MOST), None),
        ("a record of more", many(1, MOST + 1), validation),
        ("a request of 4 MiB", many(8, MIB / 2), None),
        ("a request of more", [many(8, MIB / 2), many(1, 1)].concat(), argument),
    ];
    let mut taken = 0;
    for (what, records, expected) in cases {
        let count = records.len() as u64;
        match (batch(&running.client, records).await, expected) {
            (Ok(put), None) => {
                assert_eq!(put.failed_put_count(), 0, "{what}");
                assert_eq!(put.request_responses().len() as u64, count, "{what}");
                taken += count;
            }
            (Err(error), Some(expected)) => assert_eq!(error.code(), Some(expected), "{what}"),
            (put, _) => panic!("{what}: {put:?}"),
        }
    }
    let put = running.client.put_record().delivery_stream_name(STREAM);
    let error = put.record(record(vec![b'x'; MOST + 1])).send().await.unwrap_err();
    assert_eq!(error.code(), Some("ValidationException"));
    running.delivery.flush().await;
    assert_eq!(running.bucket.content("raw/").len(), 1 + 500 * 10 + MOST + 4 * MIB);
    assert!(taken > 500);
}

#[tokio::test]
async fn a_stream_that_is_not_there_is_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let Running { client, .. } = &Running::start(folder.path(), Options::default(), settings()).await;
    let put = client
        .put_record_batch()
        .delivery_stream_name("other")
        .records(record("x"));
    let error = put.send().await.unwrap_err().into_service_error();
    assert!(error.is_resource_not_found_exception());
    assert_eq!(
        error.message(),
        Some("Firehose other not found under account 000000000000.")
    );
    let describe = client.describe_delivery_stream().delivery_stream_name("other");
    assert!(
        describe
            .send()
            .await
            .unwrap_err()
            .into_service_error()
            .is_resource_not_found_exception()
    );
    let describe = client.describe_delivery_stream().delivery_stream_name("no name");
    assert_eq!(describe.send().await.unwrap_err().code(), Some("ValidationException"));
    let delete = client.delete_delivery_stream().delivery_stream_name(STREAM);
    assert_eq!(
        delete.send().await.unwrap_err().code(),
        Some("UnknownOperationException")
    );
}

#[tokio::test]
async fn streams_are_listed_and_described() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), Options::default(), settings()).await;
    for name in ["a", "b"] {
        running.firehose.ensure_stream(Settings::new(name, "lake")).unwrap();
    }
    let first = running.client.list_delivery_streams().limit(2).send().await.unwrap();
    let names = first.delivery_stream_names();
    assert_eq!(
        (names, first.has_more_delivery_streams()),
        (&["a".to_owned(), "b".to_owned()][..], true)
    );
    let rest = running
        .client
        .list_delivery_streams()
        .exclusive_start_delivery_stream_name("b");
    let rest = rest.send().await.unwrap();
    let names = rest.delivery_stream_names();
    assert_eq!(
        (names, rest.has_more_delivery_streams()),
        (&[STREAM.to_owned()][..], false)
    );

    let describe = || async {
        let describe = running.client.describe_delivery_stream().delivery_stream_name(STREAM);
        describe.send().await.unwrap().delivery_stream_description.unwrap()
    };
    let stream = describe().await;
    assert_eq!(stream.delivery_stream_status.as_str(), "ACTIVE");
    assert_eq!(stream.version_id, "1");
    assert_eq!(
        stream.delivery_stream_arn,
        "arn:aws:firehose:us-east-1:000000000000:deliverystream/pinlake-pin"
    );
    let s3 = stream.destinations()[0].extended_s3_destination_description().unwrap();
    assert_eq!(s3.bucket_arn(), "arn:aws:s3:::lake");
    assert_eq!(s3.prefix(), Some("raw/pin/date=!{timestamp:yyyy-MM-dd}/"));
    assert_eq!(s3.compression_format(), &CompressionFormat::Gzip);
    let hints = s3.buffering_hints().unwrap();
    assert_eq!((hints.size_in_mbs(), hints.interval_in_seconds()), (Some(1), Some(900)));

    // The same settings change nothing; others make a new version, also of the names.
    running.firehose.ensure_stream(settings()).unwrap();
    assert_eq!(describe().await.version_id, "1");
    let other = Settings {
        buffer_mib: 2,
        ..settings()
    };
    running.firehose.ensure_stream(other).unwrap();
    assert_eq!(describe().await.version_id, "2");
    running.put("x\n").await;
    running.delivery.flush().await;
    assert!(
        running.bucket.keys()[0].contains("/pinlake-pin-2-"),
        "{:?}",
        running.bucket.keys()
    );
}

#[tokio::test]
async fn a_stream_that_aws_would_not_make_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let firehose = Firehose::open(folder.path().join("firehose.redb"), Options::default()).unwrap();
    let bad = Settings {
        error_prefix: None,
        ..settings()
    };
    let refused = firehose.ensure_stream(bad).unwrap_err();
    let Error::Settings { stream, source } = refused else {
        panic!("{refused}");
    };
    assert_eq!(stream, STREAM);
    assert!(matches!(
        source,
        SettingsError::Prefix(PrefixError::NoErrorPrefix { .. })
    ));
}

#[tokio::test]
async fn records_are_refused_one_by_one_from_a_seed() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        faults: Faults {
            seed: 7,
            refused: 0.3,
            ..Faults::default()
        },
        ..Options::default()
    };
    let running = Running::start(folder.path(), options, settings()).await;
    let mut open: Vec<String> = (0..500).map(|number| format!("{number}\n")).collect();
    let mut rounds = 0;
    while !open.is_empty() {
        let put = batch(&running.client, open.iter().map(|data| record(data.as_str())).collect());
        let put = put.await.unwrap();
        let refused: Vec<_> = put
            .request_responses()
            .iter()
            .map(|response| response.error_code().is_some())
            .collect();
        assert_eq!(
            refused.iter().filter(|refused| **refused).count(),
            put.failed_put_count() as usize
        );
        if rounds == 0 {
            // 150 in the mean, and 10 is a standard deviation.
            assert!(
                (90..210).contains(&put.failed_put_count()),
                "{}",
                put.failed_put_count()
            );
        }
        for response in put.request_responses() {
            assert_ne!(response.record_id().is_some(), response.error_code().is_some());
            assert!(
                response
                    .error_code()
                    .is_none_or(|code| code == "ServiceUnavailableException")
            );
        }
        open = open
            .into_iter()
            .zip(refused)
            .filter_map(|(data, refused)| refused.then_some(data))
            .collect();
        rounds += 1;
    }
    running.delivery.flush().await;
    let content = String::from_utf8(running.bucket.content("raw/")).unwrap();
    let mut numbers: Vec<u32> = content.lines().map(|line| line.parse().unwrap()).collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..500), "each once");

    let mut refused = 0;
    for _ in 0..50 {
        let put = running
            .client
            .put_record()
            .delivery_stream_name(STREAM)
            .record(record("x\n"));
        if let Err(error) = put.send().await {
            assert!(error.into_service_error().is_service_unavailable_exception());
            refused += 1;
        }
    }
    assert!((1..50).contains(&refused), "{refused}");
}
