//! A part of what was delivered, counted in the tables.
//!
//! Records are taken in by their origins until the window is full, then each origin is counted in both tables at once. So
//! memory is bounded by the window ([`MOST`] origins) and a row group's origins, whatever stream and tables hold.

use std::{
    collections::{BTreeMap, HashMap},
    ops::RangeInclusive,
};

use anyhow::Result;
use pinlake_dataset::DatasetName;
use pinlake_lake::{Kind, Lake, Origins};

/// Origins in a window: some hundred megabytes of them.
const MOST: usize = 500_000;

/// The versions of a dataset's two tables that are looked at.
pub(super) struct Tables {
    pub(super) table: Option<Origins>,
    pub(super) quarantine: Option<Origins>,
}

impl Tables {
    /// Opens the newest versions.
    pub(super) async fn open(lake: &Lake, dataset: &DatasetName) -> Result<Self> {
        Ok(Self {
            table: Origins::open(lake, Kind::Table, dataset).await?,
            quarantine: Origins::open(lake, Kind::Quarantine, dataset).await?,
        })
    }

    /// The rows of both.
    pub(super) fn rows(&self) -> u64 {
        let rows = |table: &Option<Origins>| table.as_ref().map_or(0, Origins::rows);
        rows(&self.table) + rows(&self.quarantine)
    }
}

/// What is to be expected of a delivered record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// It must be in one of the tables.
    Yes,
    /// It may still be on its way.
    NotYet,
    /// It was not asked about.
    Aside,
}

/// How often a record was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) due: Due,
    pub(super) table: u32,
    pub(super) quarantine: u32,
}

/// Origins, and how often each is in the tables.
#[derive(Debug, Default)]
pub(super) struct Window {
    pub(super) seen: HashMap<String, Seen>,
    spans: BTreeMap<String, Span>,
    /// Rows of the spans whose records were not delivered.
    pub(super) unexpected: Vec<String>,
}

/// A source of which records are in the window.
#[derive(Debug)]
struct Span {
    /// The least and the greatest origin, as texts.
    texts: RangeInclusive<String>,
    covers: Covers,
}

/// Which rows of a source would have to be in the window.
#[derive(Debug)]
enum Covers {
    /// Those of its records only.
    Records,
    /// Any: it is a raw object, which is in a window as a whole.
    All,
    /// Those of a shard from one sequence number to another. The first belongs to the window before, or not.
    Numbers {
        first: String,
        last: String,
        after_first: bool,
    },
}

impl Window {
    /// Takes a record in. Of a shard they come in order, and all that it keeps.
    pub(super) fn add(&mut self, origin: String, due: Due) {
        let (group, place) = split(&origin);
        match self.spans.get_mut(group) {
            None => {
                let span = match group.strip_suffix('#') {
                    // `$` comes after `#`.
                    Some(object) => Span {
                        texts: group.to_owned()..=format!("{object}$"),
                        covers: Covers::All,
                    },
                    None => Span {
                        texts: origin.clone()..=origin.clone(),
                        covers: Covers::Numbers {
                            first: place.to_owned(),
                            last: place.to_owned(),
                            after_first: false,
                        },
                    },
                };
                self.spans.insert(group.to_owned(), span);
            }
            Some(span) => {
                if let Covers::Numbers { last, .. } = &mut span.covers {
                    place.clone_into(last);
                    if origin < *span.texts.start() {
                        span.texts = origin.clone()..=span.texts.end().clone();
                    } else if origin > *span.texts.end() {
                        span.texts = span.texts.start().clone()..=origin.clone();
                    }
                }
            }
        }
        self.expect(origin, due);
    }

    /// Takes a record in, whatever there is beside it.
    pub(super) fn add_alone(&mut self, origin: String, due: Due) {
        let span = Span {
            texts: origin.clone()..=origin.clone(),
            covers: Covers::Records,
        };
        self.spans.insert(origin.clone(), span);
        self.expect(origin, due);
    }

    fn expect(&mut self, origin: String, due: Due) {
        let (table, quarantine) = (0, 0);
        self.seen.entry(origin).or_insert(Seen { due, table, quarantine });
    }

    /// An empty window that goes on where this one ends.
    pub(super) fn following(self) -> Self {
        let mut next = Self::default();
        for (group, span) in self.spans {
            if let Covers::Numbers { last, .. } = span.covers {
                let origin = format!("{group}{last}");
                let span = Span {
                    texts: origin.clone()..=origin,
                    covers: Covers::Numbers {
                        first: last.clone(),
                        last,
                        after_first: true,
                    },
                };
                next.spans.insert(group, span);
            }
        }
        next
    }

    pub(super) fn is_full(&self) -> bool {
        self.seen.len() >= MOST
    }

    /// Counts every origin in the tables.
    pub(super) async fn count(&mut self, tables: &Tables) -> Result<()> {
        let ranges: Vec<_> = self.spans.values().map(|span| span.texts.clone()).collect();
        let Self {
            seen,
            spans,
            unexpected,
        } = self;
        let mut tell = |origin: &str, count: fn(&mut Seen) -> &mut u32| match seen.get_mut(origin) {
            Some(seen) => *count(seen) += 1,
            None if covers(spans, origin) => unexpected.push(origin.to_owned()),
            None => {}
        };
        if let Some(table) = &tables.table {
            table
                .within(&ranges, |origin| tell(origin, |seen| &mut seen.table))
                .await?;
        }
        if let Some(quarantine) = &tables.quarantine {
            quarantine
                .within(&ranges, |origin| tell(origin, |seen| &mut seen.quarantine))
                .await?;
        }
        Ok(())
    }
}

/// An origin's source, with the sign after it, and its place in that: a sequence number or a line.
fn split(origin: &str) -> (&str, &str) {
    let at = origin.rfind(['#', '/']).map_or(0, |at| at + 1);
    origin.split_at(at)
}

/// Whether a row of this origin would have to be in the window.
fn covers(spans: &BTreeMap<String, Span>, origin: &str) -> bool {
    let (group, place) = split(origin);
    spans.get(group).is_some_and(|span| match &span.covers {
        Covers::Records => false,
        Covers::All => true,
        Covers::Numbers {
            first,
            last,
            after_first,
        } => {
            let (first, place, last) = (numeric(first), numeric(place), numeric(last));
            (first < place || (first == place && !after_first)) && place <= last
        }
    })
}

/// Decimal numbers without leading zeros, in their order.
fn numeric(digits: &str) -> (usize, &str) {
    (digits.len(), digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(origins: &[&str]) -> Window {
        let mut window = Window::default();
        origins
            .iter()
            .for_each(|origin| window.add((*origin).to_owned(), Due::Yes));
        window
    }

    #[test]
    fn a_window_covers_what_lies_between_its_records() {
        let window = window(&["kinesis/s/0/9", "kinesis/s/0/12", "raw/pin/date=d/a.gz#000000003"]);
        for (origin, covered) in [
            ("kinesis/s/0/9", true),
            ("kinesis/s/0/10", true),
            ("kinesis/s/0/8", false),
            ("kinesis/s/0/13", false),
            ("kinesis/s/1/10", false),
            // A raw object has no other lines than those that were read.
            ("raw/pin/date=d/a.gz#000000001", true),
            ("raw/pin/date=d/b.gz#000000001", false),
            ("kafka/pin/0/10", false),
        ] {
            assert_eq!(covers(&window.spans, origin), covered, "{origin}");
        }
    }

    #[test]
    fn the_next_window_goes_on_where_one_ends() {
        let mut next = window(&["kinesis/s/0/9", "kinesis/s/0/12"]).following();
        assert!(!covers(&next.spans, "kinesis/s/0/12"));
        next.add("kinesis/s/0/14".to_owned(), Due::Yes);
        for (number, covered) in [(12, false), (13, true), (14, true), (15, false)] {
            assert_eq!(
                covers(&next.spans, &format!("kinesis/s/0/{number}")),
                covered,
                "{number}"
            );
        }
    }

    #[test]
    fn what_is_beside_a_record_alone_is_not_asked_about() {
        let mut window = Window::default();
        for number in [3, 7] {
            window.add_alone(format!("kinesis/s/0/{number}"), Due::Yes);
        }
        assert!(!covers(&window.spans, "kinesis/s/0/5"));
        assert_eq!(window.seen.len(), 2);
    }

    #[test]
    fn every_record_lies_in_the_range_of_its_source() {
        let origins = [
            "kinesis/s/0/9",
            "kinesis/s/0/12",
            "raw/d/a.gz#000000003",
            "raw/d/a.gz#000000003.1",
        ];
        let window = window(&origins);
        for origin in origins {
            let inside = |span: &Span| span.texts.start().as_str() <= origin && origin <= span.texts.end().as_str();
            assert!(window.spans.values().any(inside), "{origin}");
        }
    }
}
