//! Any Kinesis, read by its API as every consumer reads it: ListShards, GetShardIterator, GetRecords.
//!
//! # Limits
//! Sequence numbers must be of the kind that Kinesis gives (56 digits). A shard is asked for records four times a
//! second, and what it has beyond the last answer is not known, so a mapping's `behind` is what has been read and is
//! not settled.

use std::{
    collections::{HashSet, VecDeque},
    fmt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use aws_sdk_kinesis::{
    Client,
    error::SdkError,
    primitives::DateTime as Timestamp,
    types::{self, ShardIteratorType, StreamStatus},
};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use tokio::{
    sync::{Mutex, watch},
    time::Instant,
};

use super::{
    Shard, Stream, StreamError,
    checkpoints::{Checkpoints, Position},
};
use crate::{
    kinesis::{Record, SequenceNumber},
    mapping::{
        Error,
        settings::{Settings, Start},
    },
};

/// Between two questions that find nothing. AWS allows five a second and shard.
const POLL_EVERY: Duration = Duration::from_millis(250);
/// How long a stream may take to become active.
const MOST_TRIES: u32 = 120;

/// A Kinesis that is used by its API, and the file that remembers how far mappings are in its streams. Cheap to clone.
#[derive(Clone)]
pub struct Remote {
    client: Client,
    checkpoints: Checkpoints,
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").finish_non_exhaustive()
    }
}

impl Remote {
    /// The Kinesis of a client, with checkpoints in the file at `path`, which is made if it is missing.
    ///
    /// # Errors
    /// [`Error::Checkpoints`] when the file cannot be opened, also because another process has it open.
    pub fn open(client: Client, path: impl AsRef<Path>) -> Result<Self, Error> {
        let checkpoints = Checkpoints::open(path.as_ref()).map_err(|error| Error::Checkpoints(error.into()))?;
        Ok(Self { client, checkpoints })
    }

    /// Makes a stream of `shards` shards unless there is one of that name, and waits until it is active.
    ///
    /// # Errors
    /// [`Error::Api`] when that fails.
    pub async fn ensure_stream(&self, name: &str, shards: u32) -> Result<(), Error> {
        let count = i32::try_from(shards.max(1)).unwrap_or(i32::MAX);
        let create = self.client.create_stream().stream_name(name).shard_count(count);
        match create.send().await.map_err(SdkError::into_service_error) {
            Ok(_) => {}
            Err(error) if error.is_resource_in_use_exception() => {}
            Err(error) => return Err(Error::api(name, error)),
        }
        for _ in 0..MOST_TRIES {
            let describe = self.client.describe_stream_summary().stream_name(name).send();
            let described = describe.await.map_err(|error| Error::api(name, error))?;
            let summary = described.stream_description_summary();
            if summary.is_some_and(|summary| *summary.stream_status() == StreamStatus::Active) {
                return Ok(());
            }
            tokio::time::sleep(POLL_EVERY).await;
        }
        Err(Error::api(name, "it does not become active"))
    }
}

/// A stream by its API.
pub(in crate::mapping) struct ByApi {
    place: Arc<Place>,
    shards: watch::Sender<Vec<Arc<ByApiShard>>>,
    /// How many shards had ended when the shards were last listed: an end means that there are others.
    ended_when_listed: AtomicUsize,
}

/// What the shards of a stream have in common.
struct Place {
    client: Client,
    checkpoints: Checkpoints,
    arn: String,
    /// The ARN, and when it was made: one that is made anew is another stream.
    id: String,
    settings: Arc<Settings>,
    /// How many shards have ended.
    ended: watch::Sender<usize>,
}

struct ByApiShard {
    place: Arc<Place>,
    id: String,
    parents: Vec<String>,
    known: watch::Sender<Known>,
    reading: Mutex<Reading>,
}

/// What is known of a shard.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// How many records have been read.
    records: u64,
    /// Whether the answer said that there are more.
    is_more: bool,
    /// Whether the shard is closed and has been read to its end.
    is_end: bool,
    /// When the last question was asked that found nothing.
    was_empty: Option<Instant>,
}

/// Where a shard is being read.
struct Reading {
    /// Where the last answer said to go on; none to ask for the position.
    iterator: Option<String>,
    position: Position,
    /// What has been read and is not settled.
    records: VecDeque<Record>,
}

impl ByApi {
    pub(in crate::mapping) async fn open(remote: &Remote, settings: &Arc<Settings>) -> Result<Self, StreamError> {
        let describe = remote.client.describe_stream_summary().stream_name(&settings.stream);
        let described = describe.send().await?;
        let summary = described
            .stream_description_summary
            .ok_or("the stream was not described")?;
        let stream = Self {
            place: Arc::new(Place {
                client: remote.client.clone(),
                checkpoints: remote.checkpoints.clone(),
                id: format!("{} {}", summary.stream_arn, summary.stream_creation_timestamp),
                arn: summary.stream_arn,
                settings: Arc::clone(settings),
                ended: watch::Sender::new(0),
            }),
            shards: watch::Sender::default(),
            ended_when_listed: AtomicUsize::new(0),
        };
        stream.list().await?;
        Ok(stream)
    }

    /// Lists the shards and adds those that are new.
    async fn list(&self) -> Result<(), StreamError> {
        let place = &self.place;
        let ended = *place.ended.borrow();
        let mut listed = Vec::new();
        let mut request = place.client.list_shards().stream_name(&place.settings.stream);
        loop {
            let page = request.send().await?;
            listed.extend(page.shards.unwrap_or_default());
            let Some(token) = page.next_token else { break };
            request = place.client.list_shards().next_token(token);
        }
        // Parents were opened before their children.
        listed.sort_by(|a, b| a.shard_id.cmp(&b.shard_id));
        let known: HashSet<_> = self.shards.borrow().iter().map(|shard| shard.id.clone()).collect();
        listed.retain(|shard| !known.contains(&shard.shard_id));
        let opened = {
            let place = Arc::clone(place);
            tokio::task::spawn_blocking(move || open(&place, listed)).await??
        };
        self.shards.send_if_modified(|shards| {
            // Another list may have come first.
            let opened = opened
                .into_iter()
                .filter(|new| shards.iter().all(|shard| shard.id != new.id));
            let opened: Vec<_> = opened.collect();
            let is_new = !opened.is_empty();
            shards.extend(opened);
            is_new
        });
        self.ended_when_listed.fetch_max(ended, Ordering::SeqCst);
        Ok(())
    }
}

/// Shards, each where the mapping goes on in it. A first start is remembered, so that one at `Latest` does not move;
/// what is opened later is read from its first record on, because that follows the last one of its parents.
fn open(place: &Arc<Place>, shards: Vec<types::Shard>) -> Result<Vec<Arc<ByApiShard>>, StreamError> {
    let (checkpoints, mapping) = (&place.checkpoints, &place.settings.id);
    let is_first = !checkpoints.knows(mapping, &place.id)?;
    let begin = match place.settings.start {
        Start::Latest if is_first => Position::Since(Utc::now().timestamp_millis()),
        Start::Latest | Start::TrimHorizon => Position::Oldest,
    };
    let mut opened = Vec::with_capacity(shards.len());
    for shard in shards {
        let position = checkpoints.get(mapping, &place.id, &shard.shard_id)?;
        opened.push((shard, position.unwrap_or_else(|| begin.clone())));
    }
    if is_first {
        let positions = opened
            .iter()
            .map(|(shard, position)| (shard.shard_id.as_str(), position));
        checkpoints.save(mapping, &place.id, positions)?;
    }
    let opened = opened.into_iter().map(|(shard, position)| {
        let parents = [shard.parent_shard_id, shard.adjacent_parent_shard_id];
        Arc::new(ByApiShard {
            place: Arc::clone(place),
            id: shard.shard_id,
            parents: parents.into_iter().flatten().collect(),
            known: watch::Sender::default(),
            reading: Mutex::new(Reading {
                iterator: None,
                position,
                records: VecDeque::new(),
            }),
        })
    });
    Ok(opened.collect())
}

#[async_trait::async_trait]
impl Stream for ByApi {
    fn arn(&self) -> &str {
        &self.place.arn
    }

    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn shards(&self) -> Vec<Arc<dyn Shard>> {
        let shards = self.shards.borrow();
        shards.iter().map(|shard| Arc::clone(shard) as Arc<dyn Shard>).collect()
    }

    async fn grows(&self, known: usize) {
        let (mut shards, mut ended) = (self.shards.subscribe(), self.place.ended.subscribe());
        loop {
            let has_ended = |ended: &usize| *ended > self.ended_when_listed.load(Ordering::SeqCst);
            tokio::select! {
                // The senders live as long as this stream.
                _ = shards.wait_for(|shards| shards.len() > known) => return,
                _ = ended.wait_for(has_ended) => {}
            }
            if let Err(error) = self.list().await {
                tracing::error!(
                    error = &*error,
                    arn = self.place.arn,
                    "could not list the shards of a stream"
                );
                tokio::time::sleep(self.place.settings.backoff.most).await;
            }
        }
    }

    async fn starts(&self) -> Result<Vec<u64>, StreamError> {
        Ok(vec![0; self.shards.borrow().len()])
    }

    async fn is_known(&self) {
        let asked = Instant::now();
        let mut count = 0;
        // What has been opened meanwhile counts too.
        while self.shards.borrow().len() > count {
            let shards = self.shards.borrow().clone();
            count = shards.len();
            for shard in shards {
                let is_known = |known: &Known| known.is_end || known.was_empty.is_some_and(|at| at >= asked);
                let _ = shard.known.subscribe().wait_for(is_known).await;
            }
            if let Err(error) = self.list().await {
                tracing::error!(
                    error = &*error,
                    arn = self.place.arn,
                    "could not list the shards of a stream"
                );
            }
        }
    }
}

impl ByApiShard {
    /// Asks for the next records, and keeps them.
    async fn poll(&self) -> Result<(), StreamError> {
        let client = &self.place.client;
        let mut reading = self.reading.lock().await;
        // Taken: whatever becomes of it, the position is where to go on.
        let iterator = match reading.iterator.take() {
            Some(iterator) => iterator,
            None => self.iterator(&reading.position).await?,
        };
        let asked = Instant::now();
        let page = client.get_records().shard_iterator(iterator).send().await?;
        let (first, mut records) = (self.known.borrow().records, Vec::with_capacity(page.records.len()));
        for (index, record) in (first..).zip(page.records) {
            let number = &record.sequence_number;
            records.push(Record {
                index,
                sequence_number: number
                    .parse::<SequenceNumber>()
                    .map_err(|error| format!("`{number}`: {error}"))?,
                arrived_ms: record
                    .approximate_arrival_timestamp
                    .map_or(Ok(0), |arrival| arrival.to_millis())?,
                partition_key: record.partition_key.unwrap_or_default(),
                data: Bytes::from(record.data.into_inner()),
            });
        }
        let (count, is_end) = (records.len() as u64, page.next_shard_iterator.is_none());
        if let Some(last) = records.last() {
            reading.position = Position::After(last.sequence_number.to_string());
        }
        reading.iterator = page.next_shard_iterator;
        reading.records.extend(records);
        self.known.send_modify(|known| {
            known.records += count;
            known.is_more = !is_end && page.millis_behind_latest.is_some_and(|ms| ms > 0);
            known.is_end = is_end;
            if count == 0 {
                known.was_empty = Some(asked);
            }
        });
        if is_end {
            self.place.ended.send_modify(|ended| *ended += 1);
        }
        Ok(())
    }

    async fn iterator(&self, position: &Position) -> Result<String, StreamError> {
        let get = self.place.client.get_shard_iterator();
        let get = get.stream_name(&self.place.settings.stream).shard_id(&self.id);
        let get = match position {
            Position::Oldest => get.shard_iterator_type(ShardIteratorType::TrimHorizon),
            Position::Since(ms) => get
                .shard_iterator_type(ShardIteratorType::AtTimestamp)
                .timestamp(Timestamp::from_millis(*ms)),
            Position::After(number) => get
                .shard_iterator_type(ShardIteratorType::AfterSequenceNumber)
                .starting_sequence_number(number),
        };
        let iterator = get.send().await?.shard_iterator;
        iterator.ok_or_else(|| "an answer without an iterator".into())
    }
}

#[async_trait::async_trait]
impl Shard for ByApiShard {
    fn id(&self) -> &str {
        &self.id
    }

    fn parents(&self) -> &[String] {
        &self.parents
    }

    fn head(&self) -> u64 {
        0
    }

    fn tail(&self) -> u64 {
        let known = self.known.borrow();
        known.records + u64::from(known.is_more)
    }

    fn ends_at(&self, index: u64) -> bool {
        let known = self.known.borrow();
        known.is_end && index >= known.records
    }

    async fn reaches(&self, index: u64) {
        let mut retry = 0;
        loop {
            let before = *self.known.borrow();
            if before.records > index || before.is_end {
                return;
            }
            match self.poll().await {
                Ok(()) if self.known.borrow().records == before.records => tokio::time::sleep(POLL_EVERY).await,
                Ok(()) => {}
                Err(error) => {
                    let (mapping, shard_id) = (&self.place.settings.id, &self.id);
                    tracing::error!(error = &*error, mapping, shard_id, "could not read a shard");
                    tokio::time::sleep(self.place.settings.backoff.wait(retry)).await;
                    retry += 1;
                }
            }
        }
    }

    async fn read(&self, from: u64, most: usize) -> Result<Vec<Record>, StreamError> {
        let reading = self.reading.lock().await;
        let records = reading.records.iter().skip_while(|record| record.index < from);
        Ok(records.take(most).cloned().collect())
    }

    async fn save(&self, next: u64, last: Option<&Record>) -> Result<(), StreamError> {
        if let Some(last) = last {
            let (place, id) = (Arc::clone(&self.place), self.id.clone());
            let position = Position::After(last.sequence_number.to_string());
            let save = move || {
                place
                    .checkpoints
                    .save(&place.settings.id, &place.id, [(id.as_str(), &position)])
            };
            tokio::task::spawn_blocking(save).await??;
        }
        let mut reading = self.reading.lock().await;
        while reading.records.front().is_some_and(|record| record.index < next) {
            reading.records.pop_front();
        }
        Ok(())
    }
}
