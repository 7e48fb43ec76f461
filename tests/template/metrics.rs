//! What alarms and the dashboard look at, against what there is to be seen.

use std::collections::{BTreeMap, BTreeSet};

use pinlake_dataset::Catalog;
use pinlake_host::metrics::{ALL, Unit};
use serde_json::Value;

use crate::{
    day::day,
    stack::{STACK, Stack, deployed, text},
};

/// A metric that somebody looks at: its dimensions in order, and their values where they are said.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Metric {
    namespace: String,
    name: String,
    dimensions: Vec<(String, Option<String>)>,
}

impl Metric {
    /// Of an alarm, or of one of the metrics that an alarm calculates with.
    fn of_alarm(metric: &Value) -> Self {
        let dimensions = metric["Dimensions"].as_array().into_iter().flatten();
        Self {
            namespace: text(&metric["Namespace"]),
            name: text(&metric["MetricName"]),
            dimensions: dimensions
                .map(|dimension| (text(&dimension["Name"]), Some(text(&dimension["Value"]))))
                .collect(),
        }
    }

    /// Of a widget: `[namespace, name, dimension, value, …]`, with options at the end.
    fn of_widget(entry: &[Value]) -> Self {
        let words: Vec<_> = entry.iter().filter(|word| !word.is_object()).map(text).collect();
        let [namespace, name, dimensions @ ..] = words.as_slice() else {
            panic!("{entry:?} is no metric");
        };
        let pair = |pair: &[String]| (pair[0].clone(), Some(pair[1].clone()));
        Self {
            namespace: namespace.clone(),
            name: name.clone(),
            dimensions: dimensions.chunks(2).map(pair).collect(),
        }
    }

    /// Of a search: `SEARCH('{namespace,dimension,…} MetricName="name" dimension="value"', 'Sum')`.
    fn of_search(expression: &str) -> Self {
        let query = expression
            .strip_prefix("SEARCH('{")
            .and_then(|rest| rest.split_once("', '"));
        let (query, _) = query.unwrap_or_else(|| panic!("{expression} is a search that this test has not learned"));
        let (schema, terms) = query.split_once('}').unwrap();
        let terms: BTreeMap<_, _> = terms
            .split_whitespace()
            .map(|term| term.split_once('=').unwrap_or_else(|| panic!("{expression}: {term}")))
            .map(|(name, value)| (name, value.trim_matches('"').to_owned()))
            .collect();
        let (namespace, dimensions) = schema.split_once(',').unwrap();
        // What has more than letters in it has to be quoted.
        let namespace = namespace.trim_matches('"');
        let dimensions: Vec<_> = dimensions
            .split(',')
            .map(|name| (name.to_owned(), terms.get(name).cloned()))
            .collect();
        let said = 1 + dimensions.iter().filter(|(_, value)| value.is_some()).count();
        assert_eq!(terms.len(), said, "{expression} has a term that is no dimension of it");
        Self {
            namespace: namespace.to_owned(),
            name: terms["MetricName"].clone(),
            dimensions,
        }
    }
}

/// What the alarms look at.
fn alarmed(stack: &Stack) -> BTreeSet<Metric> {
    let alarms = stack.of_type("AWS::CloudWatch::Alarm");
    let metrics = alarms.flat_map(|(id, alarm)| match alarm["Metrics"].as_array() {
        None => vec![Metric::of_alarm(alarm)],
        Some(parts) => {
            let metrics = parts.iter().filter_map(|part| part["MetricStat"].get("Metric"));
            let metrics: Vec<_> = metrics.map(Metric::of_alarm).collect();
            assert!(!metrics.is_empty(), "{id} looks at nothing");
            metrics
        }
    });
    metrics.collect()
}

/// What the dashboard looks at.
fn shown(stack: &Stack) -> BTreeSet<Metric> {
    let dashboards = stack.of_type("AWS::CloudWatch::Dashboard");
    let bodies = dashboards.map(|(_, dashboard)| serde_json::from_str(&text(&dashboard["DashboardBody"])).unwrap());
    let metrics = bodies.flat_map(|body: Value| {
        let widgets = body["widgets"].as_array().unwrap().clone();
        let entries = widgets.into_iter().flat_map(|widget| {
            let metrics = widget["properties"]["metrics"].as_array();
            metrics.unwrap_or_else(|| panic!("{widget} shows nothing")).clone()
        });
        entries
            .map(|entry| match entry[0].get("expression") {
                Some(expression) => Metric::of_search(&text(expression)),
                None => Metric::of_widget(entry.as_array().unwrap()),
            })
            .collect::<Vec<_>>()
    });
    metrics.collect()
}

/// The functions' own metrics that somebody looks at.
fn own(stack: &Stack) -> Vec<Metric> {
    let looked_at = alarmed(stack).into_iter().chain(shown(stack));
    looked_at
        .filter(|metric| !metric.namespace.starts_with("AWS/"))
        .collect()
}

#[test]
fn own_metrics_are_looked_for_where_the_functions_put_them() {
    let stack = deployed(&[]);
    let datasets: Vec<_> = Catalog::built_in().iter().map(|it| it.name().to_string()).collect();
    for metric in own(&stack) {
        for (id, function) in stack.of_type("AWS::Serverless::Function") {
            let namespace = text(&function["Environment"]["Variables"]["METRICS_NAMESPACE"]);
            assert_eq!(
                metric.namespace, namespace,
                "{metric:?} is not where {id} puts its metrics"
            );
        }
        for (dimension, value) in &metric.dimensions {
            let values = match dimension.as_str() {
                "Function" => &["ingest", "stream", "analytics", "maintain"].map(str::to_owned)[..],
                "Dataset" => &datasets,
                other => panic!("{metric:?}: no function's metrics have a dimension {other}"),
            };
            let is_known = value.as_ref().is_none_or(|value| values.contains(value));
            assert!(is_known, "{metric:?}: {dimension} is one of {values:?}");
        }
        let names: Vec<_> = metric.dimensions.iter().map(|(name, _)| name.as_str()).collect();
        let is_set = names == ["Function"] || names == ["Function", "Dataset"];
        assert!(
            is_set,
            "{metric:?}: functions' metrics have the dimensions Function, or Function and Dataset"
        );
    }
}

/// What somebody looks at, somebody tells.
#[test]
fn own_metrics_are_told() {
    for metric in own(&deployed(&[])) {
        let value = |name: &str| {
            let found = metric.dimensions.iter().find(|(dimension, _)| dimension == name);
            found.and_then(|(_, value)| value.as_deref())
        };
        let of_dataset = metric.dimensions.iter().any(|(dimension, _)| dimension == "Dataset");
        let tellers = ALL
            .iter()
            .filter(|told| told.metric.name == metric.name && told.of_dataset == of_dataset);
        let mut tellers = tellers.filter(|told| value("Function").is_none_or(|function| function == told.by.name()));
        assert!(tellers.next().is_some(), "no function tells {metric:?}");
    }
}

/// (Function, name, unit, whether it has a dataset) of each metric of a line.
fn told(line: &Value) -> Vec<(String, String, String, bool)> {
    let [directive] = line["_aws"]["CloudWatchMetrics"].as_array().unwrap().as_slice() else {
        panic!("{line}");
    };
    let dimensions = directive["Dimensions"][0].as_array().unwrap();
    for dimension in dimensions {
        assert!(line[text(dimension)].is_string(), "{dimension} has no value: {line}");
    }
    let metrics = directive["Metrics"].as_array().unwrap().iter();
    let told = metrics.map(|metric| {
        let name = text(&metric["Name"]);
        assert!(line[&name].is_u64(), "{name} has no value: {line}");
        (
            text(&line["Function"]),
            name,
            text(&metric["Unit"]),
            dimensions.len() == 2,
        )
    });
    told.collect()
}

/// The list that the other tests go by is what functions really tell in the course of a day, no more and no less.
#[test]
fn what_is_listed_is_what_is_told() {
    let found: BTreeSet<_> = day().metrics.iter().flat_map(told).collect();
    let unit = |unit| match unit {
        Unit::Count => "Count",
        Unit::Bytes => "Bytes",
        Unit::Milliseconds => "Milliseconds",
    };
    let listed = ALL.iter().map(|told| {
        let (function, name) = (told.by.name().to_owned(), told.metric.name.to_owned());
        (function, name, unit(told.metric.unit).to_owned(), told.of_dataset)
    });
    assert_eq!(found, listed.collect());
}

/// Delivered is written, skipped or quarantined; received is accepted, rejected or failed.
#[test]
fn sums_add_up() {
    let mut batches = 0;
    for line in &day().metrics {
        let value = |name: &str| line[name].as_u64();
        if let Some(delivered) = value("RecordsDelivered") {
            let parts = ["RowsWritten", "RecordsSkipped", "RowsQuarantined"].map(|name| value(name).unwrap());
            assert_eq!(delivered, parts.iter().sum::<u64>(), "{line}");
            assert_eq!(value("ReconciliationGap"), Some(0), "{line}");
            assert!(delivered > 0 && value("CommitTime").is_some(), "{line}");
            batches += 1;
        }
        if let Some(received) = value("RecordsReceived") {
            let parts = ["RecordsAccepted", "RecordsRejected", "RecordsFailed"].map(|name| value(name).unwrap());
            assert_eq!(received, parts.iter().sum::<u64>(), "{line}");
        }
    }
    let sum = |name: &str| day().metrics.iter().filter_map(|line| line[name].as_u64()).sum::<u64>();
    assert!(
        batches > 6 && sum("RowsQuarantined") > 0,
        "the day was too quiet to say anything"
    );
    // The schedule's own run is one more, if it is its hour meanwhile.
    let reported = sum("DaysReported");
    assert!(
        (3..=4).contains(&reported),
        "the daily run was run three times, and reported {reported} days"
    );
}

#[test]
fn each_part_of_the_way_has_its_alarms() {
    let stack = deployed(&[]);
    let alarmed = alarmed(&stack);
    let mut needed = BTreeSet::new();
    let mut need = |kind: &str, named: &str, namespace: &str, names: &[&str], dimension: &str| {
        for (_, properties) in stack.of_type(kind) {
            for name in names {
                needed.insert(Metric {
                    namespace: namespace.to_owned(),
                    name: (*name).to_owned(),
                    dimensions: vec![(dimension.to_owned(), Some(text(&properties[named])))],
                });
            }
        }
    };
    need(
        "AWS::Serverless::Function",
        "FunctionName",
        "AWS/Lambda",
        &["Errors", "Throttles"],
        "FunctionName",
    );
    need(
        "AWS::Kinesis::Stream",
        "Name",
        "AWS/Kinesis",
        &["GetRecords.IteratorAgeMilliseconds"],
        "StreamName",
    );
    need(
        "AWS::KinesisFirehose::DeliveryStream",
        "DeliveryStreamName",
        "AWS/Firehose",
        &["DeliveryToS3.DataFreshness"],
        "DeliveryStreamName",
    );
    let without: Vec<_> = needed.difference(&alarmed).collect();
    assert!(without.is_empty(), "no alarm in template.yaml looks at {without:#?}");
}

#[test]
fn each_alarm_tells_somebody() {
    let stack = deployed(&[]);
    for (id, alarm) in stack.of_type("AWS::CloudWatch::Alarm") {
        let topic = format!("arn:aws:sns:us-east-1:000000000000:{STACK}-alarms");
        assert_eq!(alarm["AlarmActions"], serde_json::json!([topic]), "{id} tells nobody");
    }
}

#[test]
fn metrics_are_read_as_cloudwatch_reads_them() {
    let entry = serde_json::json!(["AWS/SQS", "Visible", "QueueName", "q", {"stat": "Sum"}]);
    let of_widget = Metric::of_widget(entry.as_array().unwrap());
    assert_eq!(of_widget.dimensions, [("QueueName".to_owned(), Some("q".to_owned()))]);
    let search = r#"SEARCH('{"Pinlake/x",Function,Dataset} Function="stream" MetricName="RowsWritten"', 'Sum')"#;
    let expected = Metric {
        namespace: "Pinlake/x".into(),
        name: "RowsWritten".into(),
        dimensions: vec![("Function".into(), Some("stream".into())), ("Dataset".into(), None)],
    };
    assert_eq!(Metric::of_search(search), expected);
}
