//! Where rows come from: a shard of a stream or a partition of a topic, each with a watermark of its own.

use std::fmt;

use crate::sequence::SequenceNumber;

/// First word of the app ids under which Pinlake keeps watermarks in a Delta table.
const APPLICATION: &str = "pinlake";
/// Begins the name of what is kept beside a source's watermark.
const REPLAYED: &str = "replayed/";

/// An ordered source of records: sequence numbers grow within it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source {
    /// `kinesis/<stream>/<shard>` or `kafka/<topic>/<partition>`.
    name: String,
}

impl Source {
    /// A shard of a Kinesis stream, e.g. `("pinlake-pin", "shardId-000000000000")`.
    pub fn kinesis(stream: &str, shard: &str) -> Self {
        Self {
            name: format!("kinesis/{stream}/{shard}"),
        }
    }

    /// A partition of a Kafka topic.
    pub fn kafka(topic: &str, partition: i64) -> Self {
        Self {
            name: format!("kafka/{topic}/{partition}"),
        }
    }

    /// What a value of `_origin` says: the source, and the place in it. `None`: it is of a raw object, or of nothing known.
    pub(crate) fn of_origin(origin: &str) -> Option<(Self, SequenceNumber)> {
        let (name, number) = origin.rsplit_once('/')?;
        let is_source = name.starts_with("kinesis/") || name.starts_with("kafka/");
        let name = is_source.then(|| name.to_owned())?;
        Some((Self { name }, number.parse().ok()?))
    }

    /// Under which a table keeps how far rows of the source may have been put into it one by one, from the quarantine. It is
    /// no watermark: it says where to look, and not that anything is there.
    pub(crate) fn replayed(&self) -> Self {
        Self {
            name: format!("{REPLAYED}{}", self.name),
        }
    }

    /// Whether this is the [`replayed`](Self::replayed) of another source.
    pub(crate) fn is_replayed(&self) -> bool {
        self.name.starts_with(REPLAYED)
    }

    /// The value of a row's `_origin`: `kinesis/<stream>/<shard>/<sequence number>`.
    pub fn origin(&self, number: &SequenceNumber) -> String {
        format!("{}/{number}", self.name)
    }

    /// `kinesis/<stream>/<shard>` or `kafka/<topic>/<partition>`.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// The shard, or the number of the topic's partition.
    pub fn partition(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or(&self.name)
    }

    /// The Delta app id that holds one limb of the source's watermark; limb 0 is the least significant.
    pub(crate) fn app_id(&self, limb: usize) -> String {
        format!("{APPLICATION}/{}/{limb}", self.name)
    }

    /// The source and limb that an app id stands for. `None`: some other application's.
    pub(crate) fn from_app_id(app_id: &str) -> Option<(Self, usize)> {
        let (application, rest) = app_id.split_once('/')?;
        let (name, limb) = rest.rsplit_once('/')?;
        (application == APPLICATION).then_some((Self { name: name.to_owned() }, limb.parse().ok()?))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_id_names_its_source_and_limb() {
        for source in [
            Source::kinesis("pinlake-pin", "shardId-000000000003"),
            Source::kafka("a.pin", 7),
        ] {
            assert_eq!(Source::from_app_id(&source.app_id(2)), Some((source, 2)));
        }
        assert_eq!(Source::kinesis("s", "0").app_id(0), "pinlake/kinesis/s/0/0");
    }

    #[test]
    fn the_partition_is_what_is_ordered() {
        assert_eq!(
            Source::kinesis("a-pin", "shardId-000000000003").partition(),
            "shardId-000000000003"
        );
        assert_eq!(Source::kafka("a.pin", 7).partition(), "7");
    }

    #[test]
    fn app_ids_of_others_are_left_alone() {
        for app_id in [
            "",
            "spark",
            "spark/stream/1",
            "pinlake",
            "pinlake/kinesis",
            "pinlake/kinesis/s/0/x",
        ] {
            assert_eq!(Source::from_app_id(app_id), None, "{app_id}");
        }
    }
}
