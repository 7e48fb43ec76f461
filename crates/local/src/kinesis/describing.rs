//! The operations that say which streams and shards there are.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    Kinesis,
    error::ApiError,
    operations::{ENCRYPTION, shard_number},
    shard_id,
    shards::Shards,
    stream::{Shard, Stream},
    wire::{
        DescribeStream, ListShards, ListStreams, OneStream, SequenceNumberRange, ShardDescription, ShardFilter,
        StreamRef,
    },
};
use crate::protocol::{self, seconds, to_value};

impl Kinesis {
    pub(super) fn describe_stream(&self, request: DescribeStream) -> Result<Value, ApiError> {
        let stream = self.find(request.stream)?;
        let limit = protocol::count(request.limit, "limit", 100, 10_000)?;
        let first = after(request.exclusive_start_shard_id.as_deref())?;
        let (shards, has_more) = self.page(&stream, first, limit, self.kept(&stream));
        let mut description = self.common_description(&stream);
        description["Shards"] = to_value(shards)?;
        description["HasMoreShards"] = has_more.into();
        Ok(json!({ "StreamDescription": description }))
    }

    pub(super) fn describe_stream_summary(&self, request: OneStream) -> Result<Value, ApiError> {
        let stream = self.find(request.stream)?;
        let mut description = self.common_description(&stream);
        description["OpenShardCount"] = stream.shards().open().len().into();
        description["ConsumerCount"] = 0.into();
        Ok(json!({ "StreamDescriptionSummary": description }))
    }

    fn common_description(&self, stream: &Stream) -> Value {
        json!({
            "StreamName": stream.name,
            "StreamARN": self.stream_arn(&stream.name),
            "StreamStatus": "ACTIVE",
            "StreamModeDetails": { "StreamMode": mode(stream) },
            "RetentionPeriodHours": stream.retention_hours,
            "StreamCreationTimestamp": seconds(stream.made_ms),
            "EnhancedMonitoring": [{ "ShardLevelMetrics": [] }],
            "EncryptionType": ENCRYPTION,
        })
    }

    pub(super) fn list_streams(&self, request: ListStreams) -> Result<Value, ApiError> {
        let limit = protocol::count(request.limit, "limit", 100, 10_000)?;
        let after = request
            .next_token
            .or(request.exclusive_start_stream_name)
            .unwrap_or_default();
        let mut streams = self.store.streams();
        streams.retain(|stream| stream.name > after);
        let has_more = streams.len() > limit;
        streams.truncate(limit);
        let names: Vec<_> = streams.iter().map(|stream| &stream.name).collect();
        let summaries: Vec<_> = streams
            .iter()
            .map(|stream| {
                json!({
                    "StreamName": stream.name,
                    "StreamARN": self.stream_arn(&stream.name),
                    "StreamStatus": "ACTIVE",
                    "StreamModeDetails": { "StreamMode": mode(stream) },
                    "StreamCreationTimestamp": seconds(stream.made_ms),
                })
            })
            .collect();
        let mut answer = json!({ "StreamNames": names, "StreamSummaries": summaries, "HasMoreStreams": has_more });
        if let (true, Some(last)) = (has_more, names.last()) {
            answer["NextToken"] = json!(last);
        }
        Ok(answer)
    }

    pub(super) fn list_shards(&self, request: ListShards) -> Result<Value, ApiError> {
        let limit = protocol::count(request.max_results, "maxResults", 1000, 10_000)?;
        let (stream, first, times) = match request.next_token {
            Some(token) => {
                let token = Token::parse(&token).ok_or_else(|| ApiError::invalid_argument("Invalid NextToken."))?;
                let stream = StreamRef {
                    name: Some(token.stream.to_owned()),
                    arn: None,
                };
                (self.find(stream)?, token.last + 1, token.times)
            }
            None => {
                let stream = self.find(request.stream)?;
                let first = after(request.exclusive_start_shard_id.as_deref())?;
                match request.shard_filter {
                    None => (Arc::clone(&stream), first, self.kept(&stream)),
                    Some(filter) => {
                        let after = after(filter.shard_id.as_deref())?;
                        let times = self.times(&stream, &filter)?;
                        (stream, first.max(after), times)
                    }
                }
            }
        };
        let (shards, has_more) = self.page(&stream, first, limit, times);
        let mut answer = json!({});
        if let (true, Some(last)) = (has_more, shards.last()) {
            let token = Token {
                last: shard_number(&last.shard_id)?,
                stream: &stream.name,
                times,
            };
            answer["NextToken"] = token.to_text().into();
        }
        answer["Shards"] = to_value(shards)?;
        Ok(answer)
    }

    /// Shards from a number on that were open at some time between two, and whether there are more.
    fn page(&self, stream: &Stream, first: u32, limit: usize, times: Times) -> (Vec<ShardDescription>, bool) {
        let shards = stream.shards();
        let mut found = shards
            .iter()
            .skip(first as usize)
            .filter(|shard| times.contain(shard, &shards));
        let page = found.by_ref().take(limit).map(|shard| describe(shard)).collect();
        (page, found.next().is_some())
    }

    /// The time that records are kept, so that a shard is listed for as long as something may be in it.
    fn kept(&self, stream: &Stream) -> Times {
        Times {
            from_ms: self.now_ms() - i64::from(stream.retention_hours) * 3_600_000,
            until_ms: i64::MAX,
        }
    }

    /// What a filter asks for.
    fn times(&self, stream: &Stream, filter: &ShardFilter) -> Result<Times, ApiError> {
        let kind = filter
            .kind
            .as_deref()
            .ok_or_else(|| ApiError::missing("shardFilter.type"))?;
        let kept = self.kept(stream);
        let at = |from_ms| Times {
            from_ms,
            until_ms: from_ms,
        };
        let timestamp_ms = || {
            let missing = || ApiError::invalid_argument(format!("Timestamp must be specified for the type {kind}."));
            Ok((filter.timestamp.ok_or_else(missing)? * 1000.0) as i64)
        };
        match kind {
            "FROM_TRIM_HORIZON" => Ok(kept),
            "AFTER_SHARD_ID" if filter.shard_id.is_some() => Ok(kept),
            "AFTER_SHARD_ID" => Err(ApiError::invalid_argument(
                "ShardId must be specified for the type AFTER_SHARD_ID.",
            )),
            "AT_TRIM_HORIZON" => Ok(at(kept.from_ms.max(stream.made_ms))),
            "AT_LATEST" => Ok(at(i64::MAX)),
            "AT_TIMESTAMP" => timestamp_ms().map(at),
            "FROM_TIMESTAMP" => timestamp_ms().map(|from_ms| Times { from_ms, ..kept }),
            _ => Err(ApiError::constraint(
                kind,
                "shardFilter.type",
                "satisfy enum value set: [AT_TRIM_HORIZON, AT_LATEST, FROM_TIMESTAMP, AT_TIMESTAMP, AFTER_SHARD_ID, \
                 FROM_TRIM_HORIZON]",
            )),
        }
    }
}

/// From when to when, in milliseconds since 1970.
#[derive(Clone, Copy, Debug)]
struct Times {
    from_ms: i64,
    until_ms: i64,
}

impl Times {
    /// Whether a shard was open at one of them.
    fn contain(self, shard: &Shard, shards: &Shards) -> bool {
        let is_closed_before = shard
            .state()
            .closed_ms
            .is_some_and(|closed_ms| closed_ms < self.from_ms);
        !is_closed_before && shards.opened_ms(shard) <= self.until_ms
    }
}

/// Where a list of shards goes on. It names the stream too, so that a client can send it alone.
struct Token<'a> {
    last: u32,
    stream: &'a str,
    times: Times,
}

impl<'a> Token<'a> {
    fn to_text(&self) -> String {
        let Times { from_ms, until_ms } = self.times;
        format!("{}/{}/{from_ms}/{until_ms}", self.last, self.stream)
    }

    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split('/');
        Some(Self {
            last: parts.next()?.parse().ok().filter(|last| *last < u32::MAX)?,
            stream: parts.next()?,
            times: Times {
                from_ms: parts.next()?.parse().ok()?,
                until_ms: parts.next()?.parse().ok()?,
            },
        })
    }
}

fn after(exclusive_start: Option<&str>) -> Result<u32, ApiError> {
    let start = exclusive_start.map(shard_number).transpose()?;
    Ok(start.map_or(0, |shard| shard.saturating_add(1)))
}

fn describe(shard: &Shard) -> ShardDescription {
    let mut parents = shard.birth.parents.iter().map(|parent| shard_id(*parent));
    ShardDescription {
        shard_id: shard_id(shard.number),
        parent_shard_id: parents.next(),
        adjacent_parent_shard_id: parents.next(),
        hash_key_range: (&shard.birth.hash_keys).into(),
        sequence_number_range: SequenceNumberRange {
            starting_sequence_number: shard.first_sequence_number(),
            ending_sequence_number: shard.last_sequence_number(),
        },
    }
}

fn mode(stream: &Stream) -> &'static str {
    if stream.is_on_demand {
        "ON_DEMAND"
    } else {
        "PROVISIONED"
    }
}
