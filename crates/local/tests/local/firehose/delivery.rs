//! When buffers are delivered, as what, and what happens when that fails.

use std::{sync::atomic::AtomicI64, time::Instant};

use chrono::{DateTime, Utc};

use super::*;
use crate::support::eventually;

#[tokio::test]
async fn objects_are_named_by_their_oldest_record() {
    let folder = tempfile::tempdir().unwrap();
    let at = |time: &str| time.parse::<DateTime<Utc>>().unwrap().timestamp_millis();
    let now = Arc::new(AtomicI64::new(at("2026-03-09T23:59:58.9Z")));
    let clock = Arc::clone(&now);
    let options = Options {
        clock: Arc::new(move || DateTime::from_timestamp_millis(clock.load(Ordering::SeqCst)).unwrap()),
        ..Options::default()
    };
    let running = Running::start(folder.path(), options, settings()).await;
    running.put("1\n").await;
    now.store(at("2026-03-10T00:00:03Z"), Ordering::SeqCst);
    running.put("2\n").await;
    running.delivery.flush().await;
    running.put("3\n").await;
    running.delivery.flush().await;
    let keys = running.bucket.keys();
    for (key, begin) in keys.iter().zip([
        "raw/pin/date=2026-03-09/pinlake-pin-1-2026-03-09-23-59-58-",
        "raw/pin/date=2026-03-10/pinlake-pin-1-2026-03-10-00-00-03-",
    ]) {
        let rest = key
            .strip_prefix(begin)
            .unwrap_or_else(|| panic!("{key} is not {begin}…"));
        // A UUID and the extension.
        assert!(rest.len() == 36 + 3 && rest.ends_with(".gz"), "{key}");
    }
    assert_eq!(keys.len(), 2);
    assert_eq!(running.bucket.content("raw/pin/date=2026-03-09/"), b"1\n2\n");
}

#[tokio::test]
async fn a_full_buffer_is_delivered() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), Options::default(), settings()).await;
    // Six of them have a MiB and more; the buffer is 1 MiB and 900 s.
    let records = (0..13_u8).map(|number| vec![number; 200_000]);
    running.put_batch(records.clone()).await;
    eventually("two full buffers", || running.bucket.keys().len() == 2).await;
    eventually("the last one waits", || running.delivery.behind() == 1).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(running.delivery.behind(), 1);
    running.delivery.flush().await;
    assert_eq!((running.bucket.keys().len(), running.delivery.behind()), (3, 0));
    assert!(running.bucket.content("raw/") == records.collect::<Vec<_>>().concat());
}

#[tokio::test]
async fn an_old_buffer_is_delivered() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        buffer_interval: Duration::from_secs(1),
        ..settings()
    };
    let running = Running::start(folder.path(), Options::default(), settings).await;
    let started = Instant::now();
    running.put_batch([b"1\n".to_vec(), b"2\n".to_vec()]).await;
    running.delivery.drained().await;
    let took = started.elapsed();
    // Arrivals are kept in whole milliseconds.
    assert!(took >= Duration::from_millis(990), "{took:?}: it did not wait");
    assert_eq!(running.bucket.keys().len(), 1);
    assert_eq!(running.bucket.content("raw/"), b"1\n2\n");
}

#[tokio::test]
async fn without_an_interval_nothing_waits() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        buffer_interval: Duration::ZERO,
        compression: Compression::None,
        prefix: String::new(),
        error_prefix: None,
        ..settings()
    };
    let running = Running::start(folder.path(), Options::default(), settings).await;
    running.put("1\n").await;
    running.delivery.drained().await;
    let (key, object) = running.bucket.objects.lock().unwrap()[0].clone();
    assert_eq!(object, "1\n");
    // yyyy/MM/dd/HH/ and the name.
    assert_eq!(
        (&key[4..5], &key[7..8], &key[14..26]),
        ("/", "/", "pinlake-pin-"),
        "{key}"
    );
}

#[tokio::test]
async fn what_cannot_be_put_is_put_later() {
    let folder = tempfile::tempdir().unwrap();
    let bucket = Arc::new(Bucket::default());
    bucket.failures.store(3, Ordering::SeqCst);
    let running = Running::start_before(folder.path(), Options::default(), settings(), bucket).await;
    running.put("1\n").await;
    running.delivery.flush().await;
    running.put("2\n").await;
    running.delivery.flush().await;
    assert_eq!(running.bucket.content("raw/"), b"1\n2\n");
}

#[tokio::test]
async fn what_is_delivered_again_takes_its_own_place() {
    let (folder, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let running = Running::start(folder.path(), Options::default(), settings()).await;
    running.put("1\n").await;
    // The journal as a process leaves it that dies after the object was put and before the journal has forgotten it.
    let journal = |folder: &tempfile::TempDir| folder.path().join("firehose.redb");
    std::fs::copy(journal(&folder), journal(&killed)).unwrap();
    running.delivery.flush().await;
    let bucket = running.stop().await;

    let running = Running::start_before(killed.path(), Options::default(), settings(), bucket).await;
    running.put("2\n").await;
    running.delivery.flush().await;
    running.put("1\n").await;
    running.delivery.flush().await;
    let keys = running.bucket.keys();
    assert_eq!(keys.len(), 3);
    assert_eq!(keys[0], keys[1], "the first record is in two objects");
    assert_ne!(keys[1], keys[2], "an object took another one's place");
    let objects = running.bucket.objects.lock().unwrap();
    assert_eq!(unpacked(&keys[1], &objects[1].1), b"1\n2\n");
}

#[tokio::test]
async fn a_restart_delivers_what_was_left() {
    let folder = tempfile::tempdir().unwrap();
    let bucket = Arc::new(Bucket::default());
    // For as long as it runs, nothing can be put.
    bucket.failures.store(usize::MAX, Ordering::SeqCst);
    let running = Running::start_before(folder.path(), Options::default(), settings(), bucket).await;
    running
        .put_batch((0..100).map(|number| format!("{number}\n").into_bytes()))
        .await;
    let flushed = tokio::time::timeout(Duration::from_millis(200), running.delivery.flush()).await;
    assert!(flushed.is_err(), "it was delivered to nowhere");
    let bucket = running.stop().await;
    bucket.failures.store(0, Ordering::SeqCst);
    assert!(bucket.keys().is_empty());

    let running = Running::start_before(folder.path(), Options::default(), settings(), bucket).await;
    assert_eq!(running.delivery.behind(), 100);
    running.put("100\n").await;
    running.delivery.flush().await;
    let content = String::from_utf8(running.bucket.content("raw/")).unwrap();
    assert!(
        content.lines().map(|line| line.parse::<u32>().unwrap()).eq(0..101),
        "{content}"
    );
    // Nothing is left to be delivered a second time.
    let bucket = running.stop().await;
    let running = Running::start_before(folder.path(), Options::default(), settings(), bucket).await;
    assert_eq!(running.delivery.behind(), 0);
}

#[tokio::test]
async fn what_fails_in_processing_is_error_output() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        faults: Faults {
            seed: 3,
            processing_failed: 0.25,
            ..Faults::default()
        },
        clock: Arc::new(|| DateTime::UNIX_EPOCH),
        ..Options::default()
    };
    let running = Running::start(folder.path(), options, settings()).await;
    running
        .put_batch((0..200).map(|number| format!("{number}\n").into_bytes()))
        .await;
    running.delivery.flush().await;

    let errors = "raw-errors/pin/processing-failed/date=1970-01-01/pinlake-pin-1-";
    let content = String::from_utf8(running.bucket.content(errors)).unwrap();
    let mut failed = Vec::new();
    for line in content.lines() {
        let failure: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(failure["errorCode"], "Lambda.FunctionError");
        assert_eq!(failure["arrivalTimestamp"], 0);
        let data = base64_simd::STANDARD
            .decode_to_vec(failure["rawData"].as_str().unwrap())
            .unwrap();
        failed.push(String::from_utf8(data).unwrap());
    }
    // 50 in the mean, and 6 is a standard deviation.
    assert!((20..80).contains(&failed.len()), "{}", failed.len());
    let delivered = String::from_utf8(running.bucket.content("raw/")).unwrap();
    let mut all: Vec<u32> = failed
        .concat()
        .lines()
        .chain(delivered.lines())
        .map(|line| line.parse().unwrap())
        .collect();
    all.sort_unstable();
    assert!(all.into_iter().eq(0..200), "each in one place");
}
