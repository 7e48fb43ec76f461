//! Metrics: lines of CloudWatch's embedded metric format (EMF), which CloudWatch reads out of a function's log.
//!
//! | variable | default | meaning |
//! |---|---|---|
//! | `METRICS_NAMESPACE` | `Pinlake` | the namespace of the metrics, so that stacks do not mix |
//!
//! A line is written at once and before the function answers: Lambda stops a function between two events, and what it
//! had only put into a queue by then could be lost. It holds the `request_id` of the invocation, as log lines do. A
//! metric's dimensions are `Function` and, where it is of one dataset, `Dataset`. Each pair of values costs money, so
//! `Dataset` is a name of the catalog and never what a caller made up.
//!
//! What all functions tell is listed here once ([`ALL`]): the alarms and the dashboard of `template.yaml` are held against
//! it. The sum rule is one of them: what was delivered was written, or skipped because an earlier delivery had stored it,
//! or quarantined; [`RECONCILIATION_GAP`] is what is missing from that sum.

use std::{borrow::Cow, fmt, io, time::SystemTime};

use metrique_writer::{
    AnyEntrySink as _, BoxEntrySink, Entry, EntryWriter, MetricFlags, Observation, Unit as MetricUnit, Value,
    ValueWriter,
    format::FormatExt as _,
    sink::{DevNullSink, FlushImmediately},
    unit::{NegativeScale, PositiveScale},
};
use metrique_writer_format_emf::{Emf, EntryDimensions};
use pinlake_dataset::DatasetName;

use crate::invocation::Invocation;

/// What a value counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Bytes.
    Bytes,
    /// Milliseconds.
    Milliseconds,
}

/// A metric: its name and unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name in CloudWatch.
    pub name: &'static str,
    /// Its unit.
    pub unit: Unit,
}

/// A function that tells metrics, as the dimension `Function` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Teller {
    /// `ingest`.
    Ingest,
    /// `stream`.
    Stream,
    /// `analytics`.
    Analytics,
    /// `maintain`.
    Maintain,
}

/// A metric that a function tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// Who tells it.
    pub by: Teller,
    /// What is told.
    pub metric: Metric,
    /// Whether it is told of a dataset, and so has the dimension `Dataset`.
    pub of_dataset: bool,
}

macro_rules! metrics {
    ($($(#[$doc:meta])* $constant:ident = $name:literal, $unit:ident, of $level:ident by $($teller:ident),+;)+) => {
        $($(#[$doc])* pub const $constant: Metric = Metric { name: $name, unit: Unit::$unit };)+

        /// Every metric, by each function that tells it.
        pub const ALL: &[Told] = &[
            $($(Told { by: Teller::$teller, metric: $constant, of_dataset: metrics!(@ $level) },)+)+
        ];
    };
    (@ dataset) => { true };
    (@ run) => { false };
}

metrics! {
    /// Records of a request.
    RECORDS_RECEIVED = "RecordsReceived", Count, of dataset by Ingest;
    /// Those of them that are in the stream now.
    RECORDS_ACCEPTED = "RecordsAccepted", Count, of dataset by Ingest;
    /// Those that are refused for what they are.
    RECORDS_REJECTED = "RecordsRejected", Count, of dataset by Ingest;
    /// Those that the stream did not take; their sender is told to try again.
    RECORDS_FAILED = "RecordsFailed", Count, of dataset by Ingest;
    /// The body of a request, decompressed.
    REQUEST_BYTES = "RequestBytes", Bytes, of dataset by Ingest;

    /// Records of a batch, or lines of a day.
    RECORDS_DELIVERED = "RecordsDelivered", Count, of dataset by Stream, Analytics;
    /// Those of them that are rows of the table by this commit.
    ROWS_WRITTEN = "RowsWritten", Count, of dataset by Stream, Analytics;
    /// Those that an earlier delivery had stored.
    RECORDS_SKIPPED = "RecordsSkipped", Count, of dataset by Stream, Analytics;
    /// Those that are in quarantine by this commit.
    ROWS_QUARANTINED = "RowsQuarantined", Count, of dataset by Stream, Analytics;
    /// By how much delivered and written + skipped + quarantined differ. Always 0, or a record was lost or doubled.
    RECONCILIATION_GAP = "ReconciliationGap", Count, of dataset by Stream, Analytics;
    /// How long it took to store a batch, or to clean a day, in table and quarantine.
    COMMIT_TIME = "CommitTime", Milliseconds, of dataset by Stream, Analytics;
    /// Versions of a table that another writer won.
    COMMIT_CONFLICTS = "CommitConflicts", Count, of dataset by Stream, Analytics, Maintain;
    /// The payloads of a batch.
    BATCH_BYTES = "BatchBytes", Bytes, of dataset by Stream;
    /// How long ago the oldest record of a batch arrived.
    ITERATOR_AGE = "IteratorAge", Milliseconds, of dataset by Stream;
    /// 1 for a batch that is not stored and comes again, 0 for any other.
    BATCHES_FAILED = "BatchesFailed", Count, of dataset by Stream;

    /// 1 for a run that came to its end with nothing missing.
    DAYS_REPORTED = "DaysReported", Count, of run by Analytics;

    /// Tables whose upkeep failed.
    TABLES_FAILED = "TablesFailed", Count, of dataset by Maintain;
    /// Files that were packed into larger ones.
    FILES_COMPACTED = "FilesCompacted", Count, of dataset by Maintain;
    /// Files that were deleted: dead data, and expired log.
    FILES_REMOVED = "FilesRemoved", Count, of dataset by Maintain;
}

impl Teller {
    /// The name that the dimension `Function` has.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Stream => "stream",
            Self::Analytics => "analytics",
            Self::Maintain => "maintain",
        }
    }
}

/// Where a function tells its metrics. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    teller: Teller,
    sink: BoxEntrySink,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Metrics")
            .field("teller", &self.teller)
            .finish_non_exhaustive()
    }
}

impl Metrics {
    /// Metrics that nobody reads: on one machine, and in tests that are about something else.
    pub fn silent(teller: Teller) -> Self {
        Self {
            teller,
            sink: DevNullSink::boxed(),
        }
    }

    /// Metrics as lines on standard output, where Lambda takes them to CloudWatch.
    pub fn start(teller: Teller, namespace: &str) -> Self {
        Self::to(teller, namespace, || io::stdout().lock())
    }

    /// Metrics as lines to whatever `output` opens; each line is written as a whole.
    pub fn to<W: io::Write>(
        teller: Teller,
        namespace: &str,
        output: impl Fn() -> W + Clone + Send + Sync + 'static,
    ) -> Self {
        let format = Emf::all_validations(namespace.to_owned(), vec![vec![]]);
        let sink = FlushImmediately::new_boxed(format.output_to_makewriter(output));
        Self { teller, sink }
    }

    /// Tells values of one piece of work, of one dataset or of a whole run. `properties` can be searched for in the log
    /// and are no dimensions.
    pub fn tell(&self, dataset: Option<&DatasetName>, properties: &[(&'static str, String)], values: &[(Metric, u64)]) {
        self.sink.append_any(Line {
            at: SystemTime::now(),
            invocation: Invocation::current(),
            function: self.teller.name(),
            dataset: dataset.map(ToString::to_string),
            properties: properties.to_vec(),
            values: values.to_vec(),
        });
    }
}

/// A line of the log.
struct Line {
    at: SystemTime,
    invocation: Option<Invocation>,
    function: &'static str,
    dataset: Option<String>,
    properties: Vec<(&'static str, String)>,
    values: Vec<(Metric, u64)>,
}

const FUNCTION: &str = "Function";
const DATASET: &str = "Dataset";

static OF_RUN: EntryDimensions = EntryDimensions::new_static(&[Cow::Borrowed(&[Cow::Borrowed(FUNCTION)])]);
static OF_DATASET: EntryDimensions =
    EntryDimensions::new_static(&[Cow::Borrowed(&[Cow::Borrowed(FUNCTION), Cow::Borrowed(DATASET)])]);

impl Entry for Line {
    fn write<'a>(&'a self, writer: &mut impl EntryWriter<'a>) {
        writer.timestamp(self.at);
        writer.config(if self.dataset.is_some() { &OF_DATASET } else { &OF_RUN });
        writer.value(FUNCTION, self.function);
        if let Some(dataset) = &self.dataset {
            writer.value(DATASET, dataset.as_str());
        }
        for (name, text) in self.invocation.iter().flat_map(Invocation::properties) {
            writer.value(name, text);
        }
        for (name, text) in &self.properties {
            writer.value(*name, text.as_str());
        }
        for (metric, value) in &self.values {
            writer.value(
                metric.name,
                &Measured {
                    value: *value,
                    unit: metric.unit,
                },
            );
        }
    }
}

struct Measured {
    value: u64,
    unit: Unit,
}

impl Value for Measured {
    fn write(&self, writer: impl ValueWriter) {
        let unit = match self.unit {
            Unit::Count => MetricUnit::Count,
            Unit::Bytes => MetricUnit::Byte(PositiveScale::One),
            Unit::Milliseconds => MetricUnit::Second(NegativeScale::Milli),
        };
        writer.metric([Observation::Unsigned(self.value)], unit, [], MetricFlags::empty());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::{Lines, Logging, invocation::tests::invocation};

    fn told(tell: impl FnOnce(&Metrics)) -> Vec<Json> {
        let lines = Lines::default();
        let output = lines.clone();
        tell(&Metrics::to(Teller::Stream, "Pinlake/shop", move || output.clone()));
        lines.json().unwrap()
    }

    /// The form is that of AWS's specification of the embedded metric format.
    #[test]
    fn a_line_is_what_cloudwatch_reads() {
        let dataset = DatasetName::parse("pin").unwrap();
        let lines = told(|metrics| {
            let shard = ("shard", "shardId-000000000001".to_owned());
            let values = [(RECORDS_DELIVERED, 3), (BATCH_BYTES, 1364), (COMMIT_TIME, 12)];
            metrics.tell(Some(&dataset), &[shard], &values);
        });
        let [line] = &lines[..] else { panic!("{lines:?}") };
        let meta = &line["_aws"];
        assert!(
            meta["Timestamp"].as_u64().unwrap() > 1_700_000_000_000,
            "milliseconds since 1970: {line}"
        );
        assert_eq!(
            meta["CloudWatchMetrics"],
            json!([{
                "Namespace": "Pinlake/shop",
                "Dimensions": [["Function", "Dataset"]],
                "Metrics": [
                    {"Name": "RecordsDelivered", "Unit": "Count"},
                    {"Name": "BatchBytes", "Unit": "Bytes"},
                    {"Name": "CommitTime", "Unit": "Milliseconds"},
                ],
            }])
        );
        assert_eq!((&line["Function"], &line["Dataset"]), (&json!("stream"), &json!("pin")));
        assert_eq!(line["shard"], "shardId-000000000001");
        assert_eq!(
            (&line["RecordsDelivered"], &line["BatchBytes"]),
            (&json!(3), &json!(1364))
        );
    }

    #[test]
    fn what_is_of_a_run_has_no_dataset() {
        let lines = told(|metrics| {
            metrics.tell(None, &[], &[(DAYS_REPORTED, 1)]);
            metrics.tell(None, &[], &[(DAYS_REPORTED, 0)]);
        });
        assert_eq!(lines.len(), 2, "a line for each: {lines:?}");
        assert_eq!(
            lines[0]["_aws"]["CloudWatchMetrics"][0]["Dimensions"],
            json!([["Function"]])
        );
        assert!(lines[0].get("Dataset").is_none());
        assert_eq!(lines[1]["DaysReported"], 0, "none is a value, too");
    }

    #[test]
    fn a_line_says_whose_invocation_it_is_of() {
        let lines = told(|metrics| {
            tracing::dispatcher::with_default(&Logging::default().to(io::sink), || {
                let _invocation = invocation("5f2c").entered();
                let _inner = tracing::info_span!("inner").entered();
                metrics.tell(None, &[], &[(DAYS_REPORTED, 1)]);
            });
            metrics.tell(None, &[], &[(DAYS_REPORTED, 1)]);
        });
        assert_eq!(
            (&lines[0]["request_id"], &lines[0]["xray_trace_id"]),
            (&json!("5f2c"), &json!("Root=1"))
        );
        let dimensions = &lines[0]["_aws"]["CloudWatchMetrics"][0]["Dimensions"];
        assert_eq!(
            dimensions,
            &json!([["Function"]]),
            "each id would be a metric of its own"
        );
        assert_eq!(lines[1].get("request_id"), None);
    }
}
