//! One run: the pipeline, what is posted to it, and what is done to it, all from one seed.

use std::{
    collections::BTreeMap,
    ops::RangeInclusive,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use aws_sdk_kinesis::types::Shard;
use axum::Router;
use chrono::{DateTime, Days, TimeDelta, Utc};
use object_store::ObjectStore as _;
use pinlake::pipeline::{
    BUCKET, Bucket, delivery_settings,
    functions::{ANALYTICS, MAINTAIN, STREAM},
    keys, mapping_settings,
};
use pinlake_dataset::{Catalog, DatasetName};
use pinlake_ingest::{App, Bounds, publish::Backoff as PublishBackoff};
use pinlake_lake::Lake;
use pinlake_local::{
    Destination, Function as _,
    firehose::{self, Delivery, Firehose},
    kinesis::{self, Clock, Kinesis, Throughput},
    mapping::{self, Backoff, Mapping},
    s3,
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{
    network::{Network, Service},
    producer::{self, Acknowledged},
    sandbox::{Deployed, Sandboxes, Told},
    transport,
    verdict::{self, Witness},
};

/// The stream and the delivery stream of the one dataset.
pub(crate) const STREAM_NAME: &str = "pinlake-user";
/// A run that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a run that went well has gone through.
pub(crate) struct Survived {
    pub(crate) records: usize,
    pub(crate) injected: BTreeMap<String, u64>,
}

/// Runs a seed; what is wrong afterwards, and the story of it.
pub(crate) async fn run(seed: u64) -> Result<Survived, String> {
    let world = World::new(seed);
    let network = Arc::clone(&world.network);
    let with_story = |what: String| format!("{what}\n{}", network.story());
    let judged = tokio::time::timeout(PATIENCE, world.live()).await;
    let records = judged
        .map_err(|_| with_story("it hangs".to_owned()))?
        .map_err(with_story)?;
    Ok(Survived {
        records,
        injected: network.injected(),
    })
}

struct World {
    /// Which of all is done to it, and when.
    dice: StdRng,
    network: Arc<Network>,
    /// By how many milliseconds the clock has been stepped.
    stepped: Arc<AtomicI64>,
    time: Clock,
    kinesis: Kinesis,
    firehose: Firehose,
    api: Router,
    stream: Deployed,
    analytics: Deployed,
    maintain: Deployed,
    metrics: Told,
    _folder: tempfile::TempDir,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = StdRng::seed_from_u64(seed);
        // Nothing at all, a bad day, a storm.
        let share = [0.0, 0.02, 0.08, 0.2][dice.random_range(0..4)];
        let unsound = [0.0, 0.05, 0.2, 0.5][dice.random_range(0..4)];
        let refused = [0.0, 0.1, 0.4][dice.random_range(0..3)];

        let folder = folder();
        let stepped = Arc::new(AtomicI64::new(0));
        let time = time(&stepped);
        let kinesis_options = kinesis::Options {
            throughput: Throughput::Chance { seed, refused },
            clock: Arc::clone(&time),
            // Longer than the clock can be stepped: what is kept no longer cannot be compared.
            retention_hours: 24 * 30,
            ..kinesis::Options::default()
        };
        let kinesis = Kinesis::open(folder.path().join("kinesis.redb"), kinesis_options).unwrap();
        kinesis.ensure_stream(STREAM_NAME, 2).unwrap();
        let firehose_options = firehose::Options {
            faults: firehose::Faults {
                seed,
                refused,
                ..firehose::Faults::default()
            },
            clock: Arc::clone(&time),
            ..firehose::Options::default()
        };
        let firehose = Firehose::open(folder.path().join("firehose.redb"), firehose_options).unwrap();
        firehose
            .ensure_stream(delivery_settings(&user(), STREAM_NAME.to_owned(), Duration::ZERO))
            .unwrap();
        let s3_options = s3::Options {
            buckets: vec![BUCKET.to_owned()],
            credentials: [STREAM, ANALYTICS, MAINTAIN, "witness"].map(keys).to_vec(),
            ..s3::Options::default()
        };
        let s3 = s3::service(folder.path().join("s3"), &s3_options).unwrap();

        let network = Network::new(kinesis.service(), firehose.service(), s3, seed, share);
        let (catalog, metrics) = (catalog(), Told::default());
        let deployed = |function, seed| Deployed(Sandboxes::new(function, &network, &catalog, &metrics, unsound, seed));
        Self {
            api: api(&network, &catalog),
            stream: deployed(STREAM, seed ^ 1),
            analytics: deployed(ANALYTICS, seed ^ 2),
            maintain: deployed(MAINTAIN, seed ^ 3),
            dice,
            network,
            stepped,
            time,
            kinesis,
            firehose,
            metrics,
            _folder: folder,
        }
    }

    /// Lives until all that was posted has found its place; answers how many records that were.
    async fn live(mut self) -> Result<usize, String> {
        let raw = transport::lake(&self.network.line(), STREAM);
        let delivery = Delivery::start(&self.firehose, Arc::new(Bucket(raw.clone())), CancellationToken::new());
        let given_up: Arc<dyn Destination> = Arc::new(Bucket(raw));
        let mut mapping = Mapped::start(&self, &given_up).await;

        let acknowledged = Arc::new(Mutex::new(Vec::new()));
        let producers: Vec<_> = (0..2)
            .map(|producer| {
                let dice = StdRng::seed_from_u64(self.dice.random());
                tokio::spawn(produce(self.api.clone(), producer, dice, Arc::clone(&acknowledged)))
            })
            .collect();
        while !producers.iter().all(tokio::task::JoinHandle::is_finished) {
            tokio::time::sleep(Duration::from_millis(self.dice.random_range(5..40))).await;
            mapping = self.disturb(mapping, &given_up).await;
        }
        for producer in producers {
            producer.await.unwrap();
        }

        self.network.heal();
        self.network.settled().await;
        mapping.mapping.drained().await;
        delivery.flush().await;
        if self.dice.random_bool(0.3) {
            let _ = self.maintain.invoke(json!({}).to_string().into()).await;
        }
        // What the last invocations have left behind.
        self.network.settled().await;
        let lake = transport::lake(&self.network.line(), "witness");
        let cleaned = self.clean(&lake).await;
        cleaned.map_err(|error| format!("the last cleaning of all days: {error}"))?;
        mapping.stop().await;

        let witness = Witness {
            lake,
            kinesis: transport::kinesis(&self.network.line()),
            metrics: self.metrics,
        };
        let acknowledged = std::mem::take(&mut *acknowledged.lock().unwrap());
        verdict::reach(&witness, &acknowledged).await
    }

    /// Does something to the pipeline.
    async fn disturb(&mut self, mapping: Mapped, given_up: &Arc<dyn Destination>) -> Mapped {
        match self.dice.random_range(0..24) {
            0..2 => {
                let maintain = self.maintain.clone();
                self.network.note("upkeep", String::new);
                self.network.leave_behind(async move {
                    let _ = maintain.invoke(json!({}).to_string().into()).await;
                });
            }
            2 => {
                self.network.note("days cleaned", String::new);
                let (analytics, day) = (self.analytics.clone(), (self.time)().date_naive());
                self.network.leave_behind(async move {
                    let _ = analytics
                        .invoke(json!({"date": day.to_string()}).to_string().into())
                        .await;
                });
            }
            3..5 => {
                let by = TimeDelta::minutes(self.dice.random_range(-600..600));
                self.network.note("clock stepped", || by.to_string());
                self.stepped.fetch_add(by.num_milliseconds(), Ordering::SeqCst);
            }
            5 => {
                self.network.note("mapping restarted", String::new);
                mapping.stop().await;
                return Mapped::start(self, given_up).await;
            }
            6..8 => self.reshard().await,
            8..11 => {
                let service =
                    [Service::S3, Service::S3, Service::Kinesis, Service::Firehose][self.dice.random_range(0..4)];
                let time = Duration::from_millis(self.dice.random_range(10..250));
                self.network.cut_off(service, time);
            }
            _ => {}
        }
        mapping
    }

    /// Splits a shard, or merges two, as an operator does who is told of no fault.
    async fn reshard(&mut self) {
        let kinesis = transport::kinesis(&self.network.line());
        let Ok(listed) = kinesis.list_shards().stream_name(STREAM_NAME).send().await else {
            return;
        };
        let is_open = |shard: &&Shard| {
            let numbers = shard.sequence_number_range();
            numbers.is_some_and(|numbers| numbers.ending_sequence_number().is_none())
        };
        let mut open: Vec<&Shard> = listed.shards().iter().filter(is_open).collect();
        open.sort_by_key(|shard| *keys_of(shard).start());
        let at = self.dice.random_range(0..open.len());
        let (shard, next) = (open[at], open.get(at + 1));
        match next {
            Some(next) if open.len() > 3 || self.dice.random_bool(0.5) => {
                self.network.note("shards merged", || shard.shard_id().to_owned());
                let merge = kinesis.merge_shards().stream_name(STREAM_NAME);
                let merge = merge
                    .shard_to_merge(shard.shard_id())
                    .adjacent_shard_to_merge(next.shard_id());
                let _ = merge.send().await;
            }
            _ => {
                self.network.note("shard split", || shard.shard_id().to_owned());
                let keys = keys_of(shard);
                let middle = keys.start() + (keys.end() - keys.start()) / 2 + 1;
                let split = kinesis.split_shard().stream_name(STREAM_NAME);
                let split = split
                    .shard_to_split(shard.shard_id())
                    .new_starting_hash_key(middle.to_string());
                let _ = split.send().await;
            }
        }
    }

    /// Cleans all days that have raw objects.
    async fn clean(&self, lake: &Lake) -> Result<(), pinlake_local::InvokeError> {
        let raw = lake
            .store()
            .list_with_delimiter(Some(&lake.key("raw/user")))
            .await
            .unwrap();
        for folder in raw.common_prefixes {
            let day = folder.filename().and_then(|name| name.strip_prefix("date=")).unwrap();
            self.analytics.invoke(json!({"date": day}).to_string().into()).await?;
        }
        Ok(())
    }
}

/// The hash keys of a shard.
fn keys_of(shard: &Shard) -> RangeInclusive<u128> {
    let range = shard.hash_key_range().unwrap();
    range.starting_hash_key().parse().unwrap()..=range.ending_hash_key().parse().unwrap()
}

/// How long before today a run begins: the clock may step so far and still tell no time that has not come.
const DAYS: u64 = 2;

/// The services' clock: that of days ago, and as far from it as it has been stepped.
fn time(stepped: &Arc<AtomicI64>) -> Clock {
    let stepped = Arc::clone(stepped);
    Arc::new(move || {
        let began: DateTime<Utc> = Utc::now().checked_sub_days(Days::new(DAYS)).unwrap();
        let farthest = i64::try_from(DAYS).unwrap() * 24 * 3600 * 1000;
        began + TimeDelta::milliseconds(stepped.load(Ordering::SeqCst).clamp(-farthest, farthest))
    })
}

/// Ingest, as it is deployed, but that nothing is refused that cleaning can judge.
fn api(network: &Arc<Network>, catalog: &Catalog) -> Router {
    let line = network.line();
    let backoff = PublishBackoff {
        first: Duration::from_millis(1),
        most: Duration::from_millis(20),
    };
    let settings = pinlake_ingest::Settings {
        validation: false,
        bounds: Bounds {
            request_timeout: Duration::from_millis(400),
            ..Bounds::default()
        },
        ..pinlake_ingest::Settings::default()
    };
    let kinesis = pinlake_ingest::Kinesis::new(&transport::kinesis(&line), "pinlake").with_backoff(backoff);
    let firehose = pinlake_ingest::Firehose::new(&transport::firehose(&line), "pinlake").with_backoff(backoff);
    pinlake_ingest::router(App::new(settings, catalog.clone(), kinesis, firehose))
}

/// The mapping of the stream.
struct Mapped {
    mapping: Mapping,
    stop: CancellationToken,
}

impl Mapped {
    async fn start(world: &World, given_up: &Arc<dyn Destination>) -> Self {
        let stop = CancellationToken::new();
        let settings = mapping::Settings {
            // A step of the clock makes no record too old here, and no storm lasts as long as the retries do there.
            most_age: None,
            most_retries: None,
            backoff: Backoff {
                first: Duration::from_millis(1),
                most: Duration::from_millis(20),
            },
            ..mapping_settings(&user(), STREAM_NAME.to_owned(), Duration::from_millis(4))
        };
        let (function, destination) = (Arc::new(world.stream.clone()), Some(Arc::clone(given_up)));
        let mapping = Mapping::start(&world.kinesis, settings, function, destination, stop.clone()).await;
        Self {
            mapping: mapping.unwrap(),
            stop,
        }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.mapping.stopped().await;
    }
}

/// Posts one request after the other.
async fn produce(api: Router, producer: u64, mut dice: StdRng, acknowledged: Arc<Mutex<Vec<Acknowledged>>>) {
    for request in 0..dice.random_range(4..24_u64) {
        let records = [1, dice.random_range(1..40)][dice.random_range(0..2)];
        let numbers = (0..records).map(|record| (producer * 100 + request) * 1000 + record);
        let payloads = numbers.map(|number| producer::payload(number, &mut dice)).collect();
        let taken = producer::post(&api, payloads, &mut dice).await;
        acknowledged.lock().unwrap().extend(taken);
        tokio::time::sleep(Duration::from_millis(dice.random_range(0..25))).await;
    }
}

/// Where a run keeps its files: in memory, if the machine has such a folder.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

/// The one dataset.
pub(crate) fn catalog() -> Catalog {
    Catalog::from_files([("user.toml", include_str!("../../datasets/user.toml"))]).unwrap()
}

pub(crate) fn user() -> DatasetName {
    DatasetName::parse("user").unwrap()
}
