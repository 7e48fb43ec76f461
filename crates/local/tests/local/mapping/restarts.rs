//! Stopping and starting again.

use super::*;

#[tokio::test]
async fn stopping_finishes_the_invocation() {
    let folder = tempfile::tempdir().unwrap();
    let streams = streams(folder.path(), 1).await;
    put(&streams, numbered(30)).await;
    let function = Recorder::slow(Duration::from_millis(200), |_, _| Ok(Value::Null));
    let settings = Settings {
        batch_size: 10,
        ..settings()
    };
    let cancel = CancellationToken::new();
    let mapping = Mapping::start(
        &streams.kinesis,
        settings.clone(),
        Arc::clone(&function) as _,
        None,
        cancel.clone(),
    )
    .await
    .unwrap();
    eventually("the function runs", || !function.seen().is_empty()).await;
    cancel.cancel();
    mapping.drained().await;
    mapping.stopped().await;
    assert_eq!(function.sizes(), [10]);

    let function = Recorder::ok();
    run(&streams, settings, &function).await;
    assert_eq!(
        data_of(&function.seen()),
        numbered(30)[10..],
        "the invocation that was under way counts"
    );
}

#[tokio::test]
async fn a_restart_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        batch_size: 7,
        ..settings()
    };
    let mut delivered = Vec::new();
    for run in 0..4 {
        let streams = streams(folder.path(), 1).await;
        if run == 0 {
            put(&streams, numbered(60)).await;
        }
        // From the third batch on, nothing succeeds any more until the next start.
        let function = Recorder::new(|_, invocation| match invocation {
            0..2 => Ok(Value::Null),
            _ => Err(InvokeError::new("Down", "no")),
        });
        let mapping = start(&streams, settings.clone(), &function, &Arc::default()).await;
        eventually("the third batch was tried", || function.seen().len() > 2).await;
        delivered.extend(data_of(&function.seen()[..2]));
        streams.cancel.cancel();
        mapping.stopped().await;
        streams.close().await;
    }
    assert_eq!(delivered, numbered(56));
    let streams = streams(folder.path(), 1).await;
    let function = Recorder::ok();
    run(&streams, settings, &function).await;
    assert_eq!(data_of(&function.seen()), numbered(60)[56..]);
}
