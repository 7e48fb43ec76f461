//! What happens when a function fails.

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::DateTime;

use super::*;

#[tokio::test]
async fn what_is_reported_comes_again_with_all_that_follows() {
    let folder = tempfile::tempdir().unwrap();
    let streams = streams(folder.path(), 1).await;
    put(&streams, numbered(10)).await;
    let function = Recorder::new(|seen, invocation| {
        let failed = if invocation == 0 {
            vec![&seen.numbers[7], &seen.numbers[4]]
        } else {
            vec![]
        };
        let items: Vec<_> = failed
            .iter()
            .map(|number| json!({ "itemIdentifier": number }))
            .collect();
        Ok(json!({ "batchItemFailures": items }))
    });
    run(&streams, settings(), &function).await;
    assert_eq!(function.sizes(), [10, 6]);
    assert_eq!(function.seen()[1].data, numbered(10)[4..]);
}

#[tokio::test]
async fn answers_are_not_read_unless_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let streams = streams(folder.path(), 1).await;
    put(&streams, numbered(3)).await;
    let function = Recorder::new(|seen, _| Ok(json!({ "batchItemFailures": [{ "itemIdentifier": seen.numbers[0] }] })));
    run(
        &streams,
        Settings {
            reports_item_failures: false,
            ..settings()
        },
        &function,
    )
    .await;
    assert_eq!(function.sizes(), [3]);
}

#[tokio::test]
async fn bisecting_isolates_the_poison_record() {
    let folder = tempfile::tempdir().unwrap();
    let streams = streams(folder.path(), 1).await;
    put(&streams, numbered(64)).await;
    let function = Recorder::new(|seen, _| match seen.data.iter().any(|data| data == "record 37") {
        true => Err(InvokeError::new("Poison", "cannot digest this")),
        false => Ok(Value::Null),
    });
    let settings = Settings {
        bisects: true,
        most_retries: Some(2),
        ..settings()
    };
    let shelf = run(&streams, settings, &function).await;
    assert_eq!(shelf.data(), ["record 37"]);

    let (key, record) = shelf.records().remove(0);
    let pattern = "aws/lambda/b2e0c8a4-0000-4000-8000-000000000001/shardId-000000000000/";
    let rest = key.strip_prefix(pattern).unwrap();
    // YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-<UUID>
    assert_eq!((rest.len(), rest.matches('/').count()), (11 + 20 + 36, 3), "{key}");
    assert_eq!(record["requestContext"]["condition"], "RetryAttemptsExhausted");
    // Seven halvings from 64 to 1, and two retries of the one that is left.
    assert_eq!(record["requestContext"]["approximateInvokeCount"], 9);
    assert_eq!(
        record["requestContext"]["functionArn"],
        "arn:aws:lambda:us-east-1:000000000000:function:stream"
    );
    assert_eq!(
        record["responseContext"],
        json!({
            "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled",
        })
    );
    assert_eq!(record["version"], "1.0");
    let info = &record["KinesisBatchInfo"];
    assert_eq!(
        (&info["batchSize"], &info["shardId"]),
        (&json!(1), &json!("shardId-000000000000"))
    );
    assert_eq!(info["startSequenceNumber"], info["endSequenceNumber"]);
    assert_eq!(
        info["streamArn"],
        "arn:aws:kinesis:us-east-1:000000000000:stream/pinlake-pin"
    );
    // All others were delivered in a batch that succeeded.
    let good: BTreeSet<_> = function
        .seen()
        .into_iter()
        .filter(|seen| !seen.data.contains(&"record 37".into()))
        .flat_map(|seen| seen.data)
        .collect();
    assert_eq!(good.len(), 63);
}

#[tokio::test]
async fn retries_end_and_the_stream_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let streams = streams(folder.path(), 1).await;
    put(&streams, numbered(20)).await;
    let function = Recorder::new(|seen, _| match seen.data.contains(&"record 3".into()) {
        true => Err(InvokeError::new("Poison", "no")),
        false => Ok(Value::Null),
    });
    let shelf = Arc::new(Shelf {
        failures: Mutex::new(2),
        ..Shelf::default()
    });
    let settings = Settings {
        batch_size: 10,
        most_retries: Some(3),
        ..settings()
    };
    let mapping = start(&streams, settings, &function, &shelf).await;
    mapping.drained().await;
    assert_eq!(
        function.sizes(),
        [10, 10, 10, 10, 10],
        "one try, three retries, and the next batch"
    );
    assert_eq!(
        shelf.data(),
        numbered(10),
        "also though the destination failed at first"
    );
    let status = mapping.status();
    assert_eq!((status[0].behind, &status[0].last_error), (0, &None));
    let last = function.seen().pop().unwrap().numbers.pop().unwrap();
    assert_eq!(status[0].position, last.parse::<SequenceNumber>().ok());
    assert!(status[0].iterator_age_ms.is_some());
}

#[tokio::test]
async fn old_records_are_given_up_on() {
    let folder = tempfile::tempdir().unwrap();
    let now = Arc::new(AtomicI64::new(1_700_000_000));
    let clock = Arc::clone(&now);
    let options = Options {
        clock: Arc::new(move || DateTime::from_timestamp_secs(clock.load(Ordering::SeqCst)).unwrap()),
        ..Options::default()
    };
    let streams = Streams::open(folder.path(), options).await;
    streams.kinesis.ensure_stream(STREAM, 1).unwrap();
    put(&streams, ["old".into()]).await;
    let function = Recorder::new(move |seen, invocation| {
        if seen.data[0] == "old" {
            // It grows old while it is tried again.
            now.fetch_add(2_000 * invocation as i64, Ordering::SeqCst);
            return Err(InvokeError::new("Poison", "no"));
        }
        Ok(Value::Null)
    });
    let settings = Settings {
        most_age: Some(Duration::from_secs(3_600)),
        ..settings()
    };
    let shelf = Arc::new(Shelf::default());
    let mapping = start(&streams, settings, &function, &shelf).await;
    mapping.drained().await;
    put(&streams, ["new".into()]).await;
    mapping.drained().await;
    assert_eq!(shelf.data(), ["old"]);
    let record = shelf.records().remove(0).1;
    assert_eq!(record["requestContext"]["condition"], "RecordAgeExceeded");
    // At the ages of 0, 0 and 2,000 seconds; at 6,000 no more.
    assert_eq!(record["requestContext"]["approximateInvokeCount"], 3);
    assert_eq!(function.seen().pop().unwrap().data, ["new"]);
}

#[tokio::test]
async fn a_function_that_hangs_or_panics_has_failed() {
    let folder = tempfile::tempdir().unwrap();
    let streams = streams(folder.path(), 1).await;
    put(&streams, numbered(1)).await;
    let function = Recorder::slow(Duration::from_secs(60), |_, _| Ok(Value::Null));
    let settings_a = Settings {
        timeout: Duration::from_millis(50),
        most_retries: Some(1),
        ..settings()
    };
    let shelf = run(&streams, settings_a, &function).await;
    assert_eq!((function.sizes(), shelf.data()), (vec![1, 1], numbered(1)));

    let function = Recorder::new(|_, invocation| {
        if invocation == 0 {
            panic!("on purpose")
        } else {
            Ok(Value::Null)
        }
    });
    run(
        &streams,
        Settings {
            id: "another".into(),
            ..settings()
        },
        &function,
    )
    .await;
    assert_eq!(function.sizes(), [1, 1]);
}
