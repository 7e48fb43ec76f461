//! The network between functions and services, and what a request meets on its way.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, Bytes},
    http,
};
use http_body_util::{BodyExt as _, Full};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use s3s::service::S3Service;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

pub(crate) type Request = http::Request<Bytes>;
pub(crate) type Response = http::Response<Bytes>;

/// After so long a client gives up. Real ones wait for seconds; here everything is a hundred times as fast.
const PATIENCE: Duration = Duration::from_millis(60);

/// Whom a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Kinesis,
    Firehose,
    S3,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub(crate) enum Broken {
    #[error("the service could not be reached")]
    Unreached,
    #[error("the connection was reset")]
    Reset,
    #[error("there was no answer in time")]
    TimedOut,
}

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// It arrives late.
    SlowRequest,
    /// Its answer arrives late.
    SlowAnswer,
    /// It does not arrive.
    Unreached,
    /// The service is busy, says so, and does nothing.
    Busy,
    /// The service fails and does nothing.
    Failed,
    /// It is carried out, and the connection breaks before the answer.
    LostAnswer,
    /// It is carried out, and the service says that it failed.
    WrongAnswer,
    /// The client gives up, and then it is carried out.
    Straggler,
}

const FAULTS: [Fault; 8] = [
    Fault::SlowRequest,
    Fault::SlowAnswer,
    Fault::Unreached,
    Fault::Busy,
    Fault::Failed,
    Fault::LostAnswer,
    Fault::WrongAnswer,
    Fault::Straggler,
];

/// The services, and the way to them.
pub(crate) struct Network {
    kinesis: Router,
    firehose: Router,
    s3: S3Service,
    seed: u64,
    /// How many requests meet a fault, from 0 to 1.
    share: f64,
    is_healed: AtomicBool,
    /// A service that nobody reaches, and until when.
    outage: Mutex<Option<(Service, Instant)>>,
    lines: Mutex<u64>,
    injected: Mutex<BTreeMap<String, u64>>,
    story: Mutex<Vec<String>>,
    /// What goes on behind everybody's back: stragglers, and invocations that nobody waits for.
    behind: Mutex<JoinSet<()>>,
}

impl Network {
    pub(crate) fn new(kinesis: Router, firehose: Router, s3: S3Service, seed: u64, share: f64) -> Arc<Self> {
        Arc::new(Self {
            kinesis,
            firehose,
            s3,
            seed,
            share,
            is_healed: AtomicBool::new(false),
            outage: Mutex::new(None),
            lines: Mutex::new(0),
            injected: Mutex::default(),
            story: Mutex::default(),
            behind: Mutex::default(),
        })
    }

    /// A new caller's line.
    pub(crate) fn line(self: &Arc<Self>) -> Arc<Line> {
        let mut lines = self.lines.lock().unwrap();
        *lines += 1;
        Arc::new(Line {
            network: Arc::clone(self),
            number: *lines,
            dice: Mutex::new(StdRng::seed_from_u64(
                self.seed.wrapping_mul(1_000_003).wrapping_add(*lines),
            )),
            death: Mutex::new(None),
            died: CancellationToken::new(),
        })
    }

    /// Nothing goes wrong any more.
    pub(crate) fn heal(&self) {
        self.is_healed.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_healed(&self) -> bool {
        self.is_healed.load(Ordering::SeqCst)
    }

    /// Nobody reaches a service for so long: longer than clients keep trying.
    pub(crate) fn cut_off(&self, service: Service, time: Duration) {
        self.note(&format!("{service:?}: outage"), || format!("{time:?}"));
        *self.outage.lock().unwrap() = Some((service, Instant::now() + time));
    }

    fn is_cut_off(&self, service: Service) -> bool {
        let outage = *self.outage.lock().unwrap();
        !self.is_healed() && outage.is_some_and(|(cut_off, until)| cut_off == service && Instant::now() < until)
    }

    /// Goes on without anybody waiting for it, but the end of the run.
    pub(crate) fn leave_behind(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.behind.lock().unwrap().spawn(work);
    }

    /// Waits for all that goes on behind everybody's back.
    pub(crate) async fn settled(&self) {
        loop {
            let mut behind = std::mem::take(&mut *self.behind.lock().unwrap());
            if behind.is_empty() {
                return;
            }
            while let Some(ended) = behind.join_next().await {
                ended.unwrap();
            }
        }
    }

    /// Counts something that was done to the pipeline, and remembers it for the story of a run that fails.
    pub(crate) fn note(&self, what: &str, details: impl FnOnce() -> String) {
        *self.injected.lock().unwrap().entry(what.to_owned()).or_default() += 1;
        self.story.lock().unwrap().push(format!("{what} {}", details()));
    }

    pub(crate) fn injected(&self) -> BTreeMap<String, u64> {
        self.injected.lock().unwrap().clone()
    }

    /// What has happened, in order.
    pub(crate) fn story(&self) -> String {
        self.story.lock().unwrap().join("\n")
    }

    async fn carry(&self, service: Service, request: Request) -> Response {
        let response = match service {
            Service::S3 => {
                let response = self.s3.clone().oneshot(request.map(Full::new)).await.unwrap();
                response.map(Body::new)
            }
            Service::Kinesis => self.kinesis.clone().oneshot(request.map(Body::from)).await.unwrap(),
            Service::Firehose => self.firehose.clone().oneshot(request.map(Body::from)).await.unwrap(),
        };
        let (parts, body) = response.into_parts();
        Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
    }
}

/// When an instance dies: at a request of its.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Death {
    /// So many requests come before the one that it dies at.
    pub(crate) after: u32,
    /// Whether that one is carried out.
    pub(crate) is_carried_out: bool,
}

/// One caller's way to the services.
pub(crate) struct Line {
    network: Arc<Network>,
    number: u64,
    dice: Mutex<StdRng>,
    death: Mutex<Option<Death>>,
    died: CancellationToken,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Line({})", self.number)
    }
}

impl Line {
    /// The caller dies as soon as it has made so many requests. What it still does before it is dropped reaches nobody.
    pub(crate) fn doom(&self, death: Death) {
        *self.death.lock().unwrap() = Some(death);
    }

    /// It lives, if it has not died.
    pub(crate) fn spare(&self) {
        *self.death.lock().unwrap() = None;
    }

    /// Waits for its death.
    pub(crate) async fn died(&self) {
        self.died.cancelled().await;
    }

    /// Sends a request.
    pub(crate) async fn send(self: Arc<Self>, service: Service, request: Request) -> Result<Response, Broken> {
        if self.died.is_cancelled() {
            return Err(Broken::Reset);
        }
        let network = Arc::clone(&self.network);
        let name = || {
            format!(
                "{service:?} {} {} by {}",
                request.method(),
                request.uri().path(),
                self.number
            )
        };
        if let Some(death) = self.dies() {
            network.note(
                if death.is_carried_out {
                    "killed after a request"
                } else {
                    "killed before a request"
                },
                name,
            );
            if death.is_carried_out {
                network.carry(service, request).await;
            }
            self.died.cancel();
            return Err(Broken::Reset);
        }
        if network.is_cut_off(service) {
            return Err(Broken::Unreached);
        }
        let Some((fault, wait)) = self.draw() else {
            return Ok(network.carry(service, request).await);
        };
        network.note(&format!("{service:?}: {fault:?}"), name);
        match fault {
            Fault::SlowRequest => {
                tokio::time::sleep(wait).await;
                Ok(network.carry(service, request).await)
            }
            Fault::SlowAnswer => {
                let answer = network.carry(service, request).await;
                tokio::time::sleep(wait).await;
                Ok(answer)
            }
            Fault::Unreached => Err(Broken::Unreached),
            Fault::Busy => Ok(busy(service)),
            Fault::Failed => Ok(failed(service)),
            Fault::LostAnswer => {
                network.carry(service, request).await;
                Err(Broken::Reset)
            }
            Fault::WrongAnswer => {
                network.carry(service, request).await;
                Ok(failed(service))
            }
            Fault::Straggler => {
                let carrier = Arc::clone(&network);
                network.leave_behind(async move {
                    tokio::time::sleep(PATIENCE + wait).await;
                    carrier.carry(service, request).await;
                });
                tokio::time::sleep(PATIENCE).await;
                Err(Broken::TimedOut)
            }
        }
    }

    /// Whether this is the request to die at.
    fn dies(&self) -> Option<Death> {
        let mut death = self.death.lock().unwrap();
        match &mut *death {
            Some(Death { after: 0, .. }) => death.take(),
            Some(Death { after, .. }) => {
                *after -= 1;
                None
            }
            None => None,
        }
    }

    fn draw(&self) -> Option<(Fault, Duration)> {
        let mut dice = self.dice.lock().unwrap();
        if self.network.is_healed() || !dice.random_bool(self.network.share) {
            return None;
        }
        let fault = *FAULTS.choose(&mut *dice)?;
        Some((fault, Duration::from_millis(dice.random_range(0..40))))
    }
}

fn busy(service: Service) -> Response {
    match service {
        Service::S3 => answer(
            503,
            "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>",
        ),
        Service::Kinesis => answer(400, r#"{"__type":"LimitExceededException","message":"busy"}"#),
        Service::Firehose => answer(503, r#"{"__type":"ServiceUnavailableException","message":"busy"}"#),
    }
}

fn failed(service: Service) -> Response {
    match service {
        Service::S3 => answer(
            500,
            "<Error><Code>InternalError</Code><Message>Please try again.</Message></Error>",
        ),
        Service::Kinesis | Service::Firehose => answer(500, r#"{"__type":"InternalFailure","message":"failed"}"#),
    }
}

fn answer(status: u16, body: &'static str) -> Response {
    http::Response::builder()
        .status(status)
        .body(Bytes::from_static(body.as_bytes()))
        .unwrap()
}
