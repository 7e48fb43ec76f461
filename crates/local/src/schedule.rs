//! EventBridge Scheduler: a function invoked at times of the clock.
//!
//! ```text
//! clock ─► next time ─► input, with the time in it ─► invoke ─┬─ done ─► next time
//!                                                             └─ failed ─► wait, again ─► too often ─► dead letters
//! ```
//!
//! On AWS the scheduler hands the event to Lambda's queue of asynchronous invocations, and it is Lambda that tries again,
//! twice, and then sends the event to the dead letters. Here one loop does both. A time that passes while nothing runs is
//! not made up for, as on AWS.
//!
//! # Invariants
//! - Each time is delivered once, in order, and until it succeeds or is at the dead letters (`each_time_is_delivered`,
//!   `what_fails_too_often_is_a_dead_letter`).
//! - Stopping lets the running invocation end (`stopping_finishes_the_invocation`).

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use chrono::{DateTime, NaiveTime, SecondsFormat, TimeDelta, Utc};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{Destination, Function, InvokeError, kinesis::Clock};

/// In an input, stands for the time that an invocation is for, as the scheduler's context attribute does.
pub const SCHEDULED_TIME: &str = "<aws.scheduler.scheduled-time>";

/// The longest sleep: a clock that is set, or a machine that slept, is noticed so soon.
const NAP: Duration = Duration::from_secs(20);

/// When a function is invoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// `rate(…)`: every so often, counted from the start of the day, UTC. Whole milliseconds, at least one.
    Every(Duration),
    /// `cron(m h * * ? *)`: once a day at this time, UTC.
    Daily(NaiveTime),
}

impl When {
    /// The first time after `now`.
    pub fn next_after(self, now: DateTime<Utc>) -> DateTime<Utc> {
        let today = now.date_naive().and_time(NaiveTime::MIN).and_utc();
        match self {
            Self::Every(period) => {
                let period_ms = i64::try_from(period.as_millis()).unwrap_or(i64::MAX).max(1);
                let passed = (now - today).num_milliseconds() / period_ms + 1;
                today + TimeDelta::milliseconds(passed.saturating_mul(period_ms))
            }
            Self::Daily(time) => {
                let then = now.date_naive().and_time(time).and_utc();
                if then > now { then } else { then + TimeDelta::days(1) }
            }
        }
    }
}

/// A schedule.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Names it in logs and in dead letters.
    pub id: String,
    /// When it invokes its function.
    pub when: When,
    /// The event: JSON in which [`SCHEDULED_TIME`] stands for the time.
    pub input: String,
    /// How often a failed invocation is repeated. Lambda: 2.
    pub most_retries: u32,
    /// The wait before the first repeat; it doubles. Lambda: a minute.
    pub first_wait: Duration,
}

impl Settings {
    /// A schedule that retries as Lambda does.
    pub fn new(id: impl Into<String>, when: When) -> Self {
        Self {
            id: id.into(),
            when,
            input: json!({ "time": SCHEDULED_TIME }).to_string(),
            most_retries: 2,
            first_wait: Duration::from_secs(60),
        }
    }
}

/// A running schedule.
#[derive(Debug)]
pub struct Schedule {
    id: String,
    task: JoinHandle<()>,
}

impl Schedule {
    /// Starts: the first invocation is at the first time after now. What fails too often goes to `dead_letters`; without
    /// them it is dropped, as on AWS.
    pub fn start(
        settings: Settings,
        function: Arc<dyn Function>,
        dead_letters: Option<Arc<dyn Destination>>,
        clock: Clock,
        cancel: CancellationToken,
    ) -> Self {
        tracing::info!(schedule = settings.id, next = %settings.when.next_after(clock()), "started a schedule");
        let id = settings.id.clone();
        let runner = Runner {
            settings,
            function,
            dead_letters,
            clock,
            cancel,
        };
        Self {
            id,
            task: tokio::spawn(runner.run()),
        }
    }

    /// Waits until the schedule has stopped, which it does when its token is cancelled.
    pub async fn stopped(self) {
        if let Err(error) = self.task.await {
            tracing::error!(%error, schedule = self.id, "a schedule ended badly");
        }
    }
}

struct Runner {
    settings: Settings,
    function: Arc<dyn Function>,
    dead_letters: Option<Arc<dyn Destination>>,
    clock: Clock,
    cancel: CancellationToken,
}

impl Runner {
    async fn run(self) {
        let mut last = (self.clock)();
        loop {
            let time = self.settings.when.next_after(last);
            if !self.wait_for(time).await {
                return;
            }
            let text = time.to_rfc3339_opts(SecondsFormat::Secs, true);
            let event = Bytes::from(self.settings.input.replace(SCHEDULED_TIME, &text));
            self.deliver(time, event).await;
            // Times that went by while this one ran, or while the machine slept, are not made up for.
            last = time.max((self.clock)() - TimeDelta::milliseconds(1));
        }
    }

    /// Answers whether the time has come; otherwise it is time to stop.
    async fn wait_for(&self, time: DateTime<Utc>) -> bool {
        loop {
            let Ok(left) = (time - (self.clock)()).to_std() else {
                return !self.cancel.is_cancelled();
            };
            if left.is_zero() {
                return !self.cancel.is_cancelled();
            }
            if !self.sleep(left.min(NAP)).await {
                return false;
            }
        }
    }

    async fn sleep(&self, time: Duration) -> bool {
        tokio::select! {
            () = self.cancel.cancelled() => false,
            () = tokio::time::sleep(time) => true,
        }
    }

    async fn deliver(&self, time: DateTime<Utc>, event: Bytes) {
        let id = self.settings.id.as_str();
        let mut wait = self.settings.first_wait;
        for tried in 0..=self.settings.most_retries {
            let error = match self.function.invoke(event.clone()).await {
                Ok(_) => return,
                Err(error) => error,
            };
            tracing::warn!(schedule = id, %time, tried = tried + 1, %error, "a scheduled invocation failed");
            let last = tried == self.settings.most_retries;
            // What is not tried again before a stop will not be after it either.
            if last || !self.sleep(wait).await {
                self.give_up(time, &event, &error).await;
                return;
            }
            wait *= 2;
        }
    }

    async fn give_up(&self, time: DateTime<Utc>, event: &Bytes, error: &InvokeError) {
        let id = self.settings.id.as_str();
        tracing::error!(schedule = id, %time, %error, "a scheduled invocation was given up");
        let Some(destination) = &self.dead_letters else {
            return;
        };
        let letter = json!({
            "schedule": id,
            "scheduledTime": time.to_rfc3339_opts(SecondsFormat::Secs, true),
            "errorType": error.kind,
            "errorMessage": error.message,
            "event": String::from_utf8_lossy(event),
        });
        let key = format!(
            "aws/scheduler/{id}/{}-{}.json",
            time.format("%Y-%m-%dT%H.%M.%S"),
            uuid::Uuid::new_v4()
        );
        if let Err(error) = destination.put(&key, letter.to_string().into()).await {
            tracing::error!(schedule = id, error, "a dead letter could not be stored");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn the_next_time_is_after_now() {
        let daily = When::Daily(NaiveTime::from_hms_opt(2, 0, 0).unwrap());
        let hourly = When::Every(Duration::from_secs(3600));
        for (when, now, next) in [
            (daily, "2026-11-24T01:59:59.999Z", "2026-11-24T02:00:00Z"),
            (daily, "2026-11-24T02:00:00Z", "2026-11-25T02:00:00Z"),
            (daily, "2026-12-31T02:00:01Z", "2027-01-01T02:00:00Z"),
            (hourly, "2026-11-24T01:59:59.999Z", "2026-11-24T02:00:00Z"),
            (hourly, "2026-11-24T02:00:00Z", "2026-11-24T03:00:00Z"),
            (hourly, "2026-11-24T23:00:01Z", "2026-11-25T00:00:00Z"),
        ] {
            assert_eq!(when.next_after(time(now)), time(next), "{when:?} after {now}");
        }
    }

    /// A function that keeps its events and fails so often first.
    struct Recording {
        events: Mutex<Vec<String>>,
        failures: u32,
        seen: tokio::sync::Notify,
    }

    impl Recording {
        fn failing(failures: u32) -> Arc<Self> {
            Arc::new(Self {
                events: Mutex::new(Vec::new()),
                failures,
                seen: tokio::sync::Notify::new(),
            })
        }
    }

    #[async_trait::async_trait]
    impl Function for Recording {
        async fn invoke(&self, event: Bytes) -> Result<Bytes, InvokeError> {
            let count = {
                let mut events = self.events.lock().unwrap();
                events.push(String::from_utf8(event.to_vec()).unwrap());
                events.len()
            };
            tokio::time::sleep(Duration::from_millis(5)).await;
            self.seen.notify_one();
            if count <= self.failures as usize {
                return Err(InvokeError::new("Run", "not today"));
            }
            Ok(Bytes::from_static(b"{}"))
        }
    }

    #[derive(Default)]
    struct Letters(Mutex<Vec<(String, Bytes)>>);

    #[async_trait::async_trait]
    impl Destination for Letters {
        async fn put(&self, key: &str, object: Bytes) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
            self.0.lock().unwrap().push((key.to_owned(), object));
            Ok(())
        }
    }

    fn settings(most_retries: u32) -> Settings {
        Settings {
            most_retries,
            first_wait: Duration::from_millis(1),
            ..Settings::new("daily", When::Every(Duration::from_millis(20)))
        }
    }

    fn start(settings: Settings, function: &Arc<Recording>, letters: &Arc<Letters>) -> (Schedule, CancellationToken) {
        let cancel = CancellationToken::new();
        let function: Arc<dyn Function> = function.clone();
        let letters: Arc<dyn Destination> = letters.clone();
        let schedule = Schedule::start(settings, function, Some(letters), Arc::new(Utc::now), cancel.clone());
        (schedule, cancel)
    }

    #[tokio::test]
    async fn each_time_is_delivered() {
        let (function, letters) = (Recording::failing(0), Arc::default());
        let (schedule, cancel) = start(
            Settings {
                input: format!(r#"{{"time":"{SCHEDULED_TIME}","x":1}}"#),
                ..settings(0)
            },
            &function,
            &letters,
        );
        for _ in 0..3 {
            function.seen.notified().await;
        }
        cancel.cancel();
        schedule.stopped().await;
        let events = function.events.lock().unwrap().clone();
        assert!(events.len() >= 3);
        for event in &events {
            let event: serde_json::Value = serde_json::from_str(event).unwrap();
            DateTime::parse_from_rfc3339(event["time"].as_str().unwrap()).unwrap();
            assert_eq!(event["x"], 1);
        }
        assert!(letters.0.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_failure_is_tried_again_with_the_same_event() {
        let (function, letters) = (Recording::failing(2), Arc::default());
        let (schedule, cancel) = start(settings(2), &function, &letters);
        for _ in 0..3 {
            function.seen.notified().await;
        }
        cancel.cancel();
        schedule.stopped().await;
        let events = function.events.lock().unwrap().clone();
        assert!(events[..3].iter().all(|event| *event == events[0]), "{events:?}");
        assert!(letters.0.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn what_fails_too_often_is_a_dead_letter() {
        let (function, letters) = (Recording::failing(u32::MAX), Arc::default());
        let (schedule, cancel) = start(settings(1), &function, &letters);
        // The third is the next time's: the first time has been given up then.
        for _ in 0..3 {
            function.seen.notified().await;
        }
        cancel.cancel();
        schedule.stopped().await;
        let letters = letters.0.lock().unwrap();
        let (key, letter) = &letters[0];
        assert!(key.starts_with("aws/scheduler/daily/"), "{key}");
        let letter: serde_json::Value = serde_json::from_slice(letter).unwrap();
        assert_eq!(
            (&letter["errorType"], &letter["errorMessage"]),
            (&json!("Run"), &json!("not today"))
        );
        assert!(letter["event"].as_str().unwrap().contains("time"));
    }

    #[tokio::test]
    async fn stopping_finishes_the_invocation() {
        struct Slow(tokio::sync::Notify, Mutex<bool>);
        #[async_trait::async_trait]
        impl Function for Slow {
            async fn invoke(&self, _: Bytes) -> Result<Bytes, InvokeError> {
                self.0.notify_one();
                tokio::time::sleep(Duration::from_millis(30)).await;
                *self.1.lock().unwrap() = true;
                Ok(Bytes::new())
            }
        }
        let function = Arc::new(Slow(tokio::sync::Notify::new(), Mutex::new(false)));
        let cancel = CancellationToken::new();
        let invoked: Arc<dyn Function> = function.clone();
        let schedule = Schedule::start(settings(0), invoked, None, Arc::new(Utc::now), cancel.clone());
        function.0.notified().await;
        cancel.cancel();
        schedule.stopped().await;
        assert!(*function.1.lock().unwrap());
    }
}
