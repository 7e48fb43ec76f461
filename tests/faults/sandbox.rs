//! Functions as Lambda runs them: in sandboxes that are kept warm, killed at any moment, and waited for in vain.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use pinlake::pipeline::functions::Functions;
use pinlake_analytics::Reports;
use pinlake_dataset::Catalog;
use pinlake_host::{Lines, metrics::Metrics};
use pinlake_local::{Function, InvokeError};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::Value;

use crate::{
    network::{Death, Line, Network},
    transport,
};

/// What becomes of an invocation.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// It runs to its end.
    Sound,
    /// Its sandbox is killed.
    Killed(Death),
    /// It runs to its end, and its trigger is told that it failed.
    AnswerLost,
    /// It runs twice at the same time, in two sandboxes.
    Twice,
    /// Its trigger gives up on it, and it runs all the same, when others may already run.
    Late(Duration),
}

/// What each sandbox has told, as a process tells it to an output of its own.
#[derive(Clone, Default)]
pub(crate) struct Told(Arc<Mutex<Vec<Lines>>>);

impl Told {
    fn add(&self) -> Lines {
        let lines = Lines::default();
        self.0.lock().unwrap().push(lines.clone());
        lines
    }

    /// All metrics.
    pub(crate) fn json(&self) -> Vec<Value> {
        let told = self.0.lock().unwrap();
        told.iter().flat_map(|lines| lines.json().unwrap()).collect()
    }
}

/// The sandboxes of one function.
pub(crate) struct Sandboxes {
    function: &'static str,
    network: Arc<Network>,
    catalog: Catalog,
    metrics: Told,
    /// How many invocations do not go well, from 0 to 1.
    share: f64,
    dice: Mutex<StdRng>,
    idle: Mutex<Vec<Sandbox>>,
}

/// A sandbox: a handler that keeps what it has learnt, and its line.
struct Sandbox {
    line: Arc<Line>,
    handler: Arc<dyn Function>,
}

impl Sandboxes {
    pub(crate) fn new(
        function: &'static str,
        network: &Arc<Network>,
        catalog: &Catalog,
        metrics: &Told,
        share: f64,
        seed: u64,
    ) -> Arc<Self> {
        Arc::new(Self {
            function,
            network: Arc::clone(network),
            catalog: catalog.clone(),
            metrics: metrics.clone(),
            share,
            dice: Mutex::new(StdRng::seed_from_u64(seed)),
            idle: Mutex::default(),
        })
    }

    /// Runs an event to its end, on a warm sandbox if there is one. One that died is not used again.
    async fn run(&self, event: Bytes, death: Option<Death>) -> Result<Bytes, InvokeError> {
        let warm = self.idle.lock().unwrap().pop();
        let sandbox = warm.unwrap_or_else(|| self.cold());
        if let Some(death) = death {
            sandbox.line.doom(death);
        }
        let answer = tokio::select! {
            biased;
            // Dropped where it waits, as a killed process is.
            () = sandbox.line.died() => return Err(InvokeError::new("Runtime.ExitError", "killed")),
            answer = sandbox.handler.invoke(event) => answer,
        };
        sandbox.line.spare();
        self.idle.lock().unwrap().push(sandbox);
        answer
    }

    fn cold(&self) -> Sandbox {
        let line = self.network.line();
        let reports = Reports::from_files([]).unwrap();
        let lines = self.metrics.add();
        let functions = Functions::new(
            &self.catalog,
            reports,
            |name| Ok(transport::lake(&line, name)),
            |teller| {
                let lines = lines.clone();
                Metrics::to(teller, "Pinlake", move || lines.clone())
            },
        );
        let handler = Arc::clone(functions.unwrap().get(self.function).unwrap());
        Sandbox { line, handler }
    }

    fn fate(&self) -> Fate {
        let mut dice = self.dice.lock().unwrap();
        if self.network.is_healed() || !dice.random_bool(self.share) {
            return Fate::Sound;
        }
        match dice.random_range(0..10) {
            0..5 => Fate::Killed(Death {
                after: dice.random_range(0..9),
                is_carried_out: dice.random_bool(0.5),
            }),
            5..7 => Fate::AnswerLost,
            7 => Fate::Twice,
            _ => Fate::Late(Duration::from_millis(dice.random_range(0..60))),
        }
    }

    /// A delivery that went well may come again, whole or a part of it, when nobody waits for it any more.
    fn echo(self: &Arc<Self>, event: &Bytes) {
        let (wait, cut) = {
            let mut dice = self.dice.lock().unwrap();
            if self.network.is_healed() || !dice.random_bool(self.share) {
                return;
            }
            let part = (dice.random_range(0.0..=1.0), dice.random_range(0.0..=1.0));
            (Duration::from_millis(dice.random_range(0..200)), part)
        };
        let (again, event) = (Arc::clone(self), part(event, cut));
        self.network.note("delivered again", || self.function.to_owned());
        self.network.leave_behind(async move {
            tokio::time::sleep(wait).await;
            let _ = again.run(event, None).await;
        });
    }
}

/// Some records of an event, one after the other.
fn part(event: &Bytes, (one, other): (f64, f64)) -> Bytes {
    let mut event: Value = serde_json::from_slice(event).unwrap();
    if let Some(records) = event.get_mut("Records").and_then(Value::as_array_mut) {
        let at = |share: f64| (share * records.len() as f64) as usize;
        let (from, to) = (at(one.min(other)), at(one.max(other)));
        *records = records[from..to].to_vec();
    }
    event.to_string().into()
}

/// What a mapping and the schedules see.
#[derive(Clone)]
pub(crate) struct Deployed(pub(crate) Arc<Sandboxes>);

#[async_trait]
impl Function for Deployed {
    async fn invoke(&self, event: Bytes) -> Result<Bytes, InvokeError> {
        let sandboxes = &self.0;
        let fate = sandboxes.fate();
        let told = |what: &str| sandboxes.network.note(what, || sandboxes.function.to_owned());
        match fate {
            Fate::Sound => {
                let answer = sandboxes.run(event.clone(), None).await;
                if let Ok(answer) = &answer
                    && answer.as_ref() == br#"{"batchItemFailures":[]}"#
                {
                    sandboxes.echo(&event);
                }
                answer
            }
            // Counted where it dies, for it may end before that.
            Fate::Killed(death) => sandboxes.run(event, Some(death)).await,
            Fate::AnswerLost => {
                told("an invocation's answer lost");
                let _ = sandboxes.run(event, None).await;
                Err(InvokeError::new("Runtime.ExitError", "the answer was lost"))
            }
            Fate::Twice => {
                told("invoked twice at once");
                let (answer, _) = tokio::join!(sandboxes.run(event.clone(), None), sandboxes.run(event, None));
                answer
            }
            Fate::Late(wait) => {
                told("goes on after its timeout");
                let late = Arc::clone(sandboxes);
                sandboxes.network.leave_behind(async move {
                    tokio::time::sleep(wait).await;
                    let _ = late.run(event, None).await;
                });
                Err(InvokeError::new("Sandbox.Timedout", "timed out"))
            }
        }
    }
}
