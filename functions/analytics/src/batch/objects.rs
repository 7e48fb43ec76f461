//! A day's raw objects: which there are, and when their records arrived.
//!
//! ```text
//! raw/<dataset>/date=2026-11-23/<stream>-1-2026-11-23-14-05-33-<uuid>.gz     as Firehose names them
//! ```

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use futures::TryStreamExt as _;
use object_store::{ObjectMeta, path::Path};
use pinlake_dataset::DatasetName;
use pinlake_lake::{Inputs, Lake};

/// Digits of a line's number in an `_origin`. Padded, so that of two rows of one object the later one's is the greater
/// text: *latest per key* compares them as texts.
const LINE_DIGITS: usize = 9;
/// `2026-11-23-14-05-33`, as Firehose writes it.
const STAMP: &str = "%Y-%m-%d-%H-%M-%S";
const STAMP_CHARS: usize = 19;

/// One raw object.
#[derive(Debug, Clone)]
pub struct RawObject {
    /// Its key in the lake's store.
    pub(super) location: Path,
    /// Its key below the lake's root: begins with `raw/`.
    pub(super) key: String,
    pub(super) size_bytes: u64,
    e_tag: Option<String>,
    last_modified: DateTime<Utc>,
}

impl RawObject {
    fn new(lake: &Lake, found: ObjectMeta) -> Self {
        Self {
            key: lake.relative(&found.location),
            size_bytes: found.size,
            e_tag: found.e_tag,
            last_modified: found.last_modified,
            location: found.location,
        }
    }

    /// Its key below the lake's root, which the `_origin` of each of its rows begins with; then come `#` and the line.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// When the object was put where it is.
    pub fn last_modified(&self) -> DateTime<Utc> {
        self.last_modified
    }

    /// When its records arrived: the time in its name, which is when Firehose took the first of them. It is the same
    /// however often the object is copied or restored. An object that was put there by other means has its own.
    pub(super) fn arrived_at(&self) -> DateTime<Utc> {
        let name = self.key.rsplit('/').next().unwrap_or_default();
        stamp(name).unwrap_or(self.last_modified)
    }

    /// The `_origin` of a line: `raw/<key>#<line>`, with `.<part>` for a part of a line.
    pub(super) fn origin(&self, line: u64, part: u32) -> String {
        match part {
            0 => format!("{}#{line:0LINE_DIGITS$}", self.key),
            part => format!("{}#{line:0LINE_DIGITS$}.{part}", self.key),
        }
    }
}

/// The first time of Firehose's form in an object's name.
fn stamp(name: &str) -> Option<DateTime<Utc>> {
    let starts = (0..name.len()).filter(|start| name.is_char_boundary(*start));
    starts
        .filter_map(|start| name.get(start..start + STAMP_CHARS))
        .filter(|text| text.starts_with(|char: char| char.is_ascii_digit()))
        .find_map(|text| NaiveDateTime::parse_from_str(text, STAMP).ok())
        .map(|stamp| stamp.and_utc())
}

/// A dataset's raw objects of a day, in the order of their keys. Empty ones are left out.
///
/// # Errors
/// The store cannot list them.
pub(super) async fn list(
    lake: &Lake,
    dataset: &DatasetName,
    day: NaiveDate,
) -> Result<Vec<RawObject>, object_store::Error> {
    let folder = lake.key(&format!("raw/{dataset}/date={day}"));
    let mut objects: Vec<_> = lake
        .store()
        .list(Some(&folder))
        .try_filter(|found| futures::future::ready(found.size > 0))
        .map_ok(|found| RawObject::new(lake, found))
        .try_collect()
        .await?;
    objects.sort_by(|left, right| left.key.cmp(&right.key));
    Ok(objects)
}

/// The days that have raw objects, the earliest first: one request for every thousand of them.
///
/// # Errors
/// The store cannot list them.
pub(super) async fn days(lake: &Lake, dataset: &DatasetName) -> Result<Vec<NaiveDate>, object_store::Error> {
    let folder = lake.key(&format!("raw/{dataset}"));
    let listed = lake.store().list_with_delimiter(Some(&folder)).await?;
    let day = |folder: &Path| folder.filename()?.strip_prefix("date=")?.parse().ok();
    let mut days: Vec<NaiveDate> = listed.common_prefixes.iter().filter_map(day).collect();
    days.sort_unstable();
    Ok(days)
}

/// What the table remembers of the objects.
pub(super) fn inputs(objects: &[RawObject]) -> Inputs {
    let mut digest = Fnv::default();
    for object in objects {
        digest.take(object.key.as_bytes());
        digest.take(&object.size_bytes.to_le_bytes());
        digest.take(object.e_tag.as_deref().unwrap_or_default().as_bytes());
    }
    Inputs {
        objects: objects.len() as u64,
        // A `txn` version is signed, and some readers refuse negative ones.
        digest: (digest.0 >> 1).cast_signed(),
    }
}

/// 64-bit FNV-1a: the same on every machine and in every version, which the standard library's hasher does not promise.
/// Nobody gains anything by a collision here.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    /// A field, and its end.
    fn take(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().chain(&[0xff]) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(key: &str, e_tag: &str) -> RawObject {
        RawObject {
            location: Path::from(key),
            key: key.to_owned(),
            size_bytes: 7,
            e_tag: Some(e_tag.to_owned()),
            last_modified: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn firehose_says_in_the_name_when_records_arrived() {
        for (name, expected) in [
            ("pinlake-pin-1-2026-11-23-14-05-33-3f2a", "2026-11-23T14:05:33Z"),
            ("b-2019-geo-12-2026-11-23-14-05-33-3f2a.gz", "2026-11-23T14:05:33Z"),
            ("pin-ä-1-2026-02-30-14-05-33-3f2a", "1970-01-01T00:00:00Z"),
            ("rows.json", "1970-01-01T00:00:00Z"),
            ("", "1970-01-01T00:00:00Z"),
        ] {
            let arrived = object(&format!("raw/pin/date=2026-11-23/{name}"), "").arrived_at();
            assert_eq!(arrived, expected.parse::<DateTime<Utc>>().unwrap(), "{name}");
        }
    }

    #[test]
    fn later_lines_have_greater_origins() {
        let object = object("raw/pin/a.gz", "");
        assert_eq!(object.origin(12, 0), "raw/pin/a.gz#000000012");
        let mut origins = [(2, 0), (9, 0), (9, 1), (10, 0), (100, 0)].map(|(line, part)| object.origin(line, part));
        let sorted = origins.clone();
        origins.sort();
        assert_eq!(origins, sorted);
    }

    #[test]
    fn inputs_tell_objects_apart() {
        let base = inputs(&[object("a", "1"), object("b", "2")]);
        assert_eq!(base.objects, 2);
        assert_eq!(base, inputs(&[object("a", "1"), object("b", "2")]));
        for other in [
            vec![object("a", "1")],
            vec![object("a", "1"), object("b", "3")],
            vec![object("a", "1"), object("c", "2")],
            vec![object("b", "2"), object("a", "1")],
        ] {
            assert_ne!(base.digest, inputs(&other).digest);
            assert!(inputs(&other).digest >= 0);
        }
    }
}
