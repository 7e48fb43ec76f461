//! The settings that the local run repeats, against those that are deployed. The two differ only in how long something is
//! gathered, which nobody waits for at home.

use std::time::Duration;

use chrono::{NaiveTime, Timelike as _};
use pinlake::pipeline::{MAINTAIN_TIME, delivery_settings, mapping_settings, schedule_settings};
use pinlake_dataset::Catalog;
use pinlake_local::{firehose::Compression, mapping::Start, schedule::When};
use serde_json::{Value, json};

use crate::stack::{deployed, text};

#[test]
fn mappings_are_set_as_deployed() {
    let stack = deployed(&[]);
    for definition in Catalog::built_in().iter() {
        let dataset = definition.name();
        let deployed = stack.properties(&format!("MappingOf{dataset}"));
        let window = Duration::from_secs(deployed["MaximumBatchingWindowInSeconds"].as_u64().unwrap());
        let local = mapping_settings(dataset, format!("pinlake-{dataset}"), window);
        let start = match local.start {
            Start::TrimHorizon => "TRIM_HORIZON",
            Start::Latest => "LATEST",
        };
        let timeout = stack.properties("StreamFunction")["Timeout"].as_u64().unwrap();
        assert_eq!(local.timeout, Duration::from_secs(timeout), "StreamFunction's Timeout");
        for (property, local) in [
            ("StartingPosition", json!(start)),
            ("BatchSize", json!(local.batch_size)),
            ("BisectBatchOnFunctionError", json!(local.bisects)),
            ("MaximumRetryAttempts", json!(local.most_retries.map_or(-1, i64::from))),
            (
                "MaximumRecordAgeInSeconds",
                json!(local.most_age.map_or(-1, |age| age.as_secs() as i64)),
            ),
            (
                "FunctionResponseTypes",
                if local.reports_item_failures {
                    json!(["ReportBatchItemFailures"])
                } else {
                    json!([])
                },
            ),
            // All that the local mapping can do, and all that the watermarks bear.
            ("ParallelizationFactor", json!(1)),
        ] {
            assert_eq!(
                deployed[property], local,
                "{dataset}: {property}, left: template.yaml, right: src/pipeline/triggers.rs"
            );
        }
    }
}

#[test]
fn deliveries_are_set_as_deployed() {
    let stack = deployed(&[]);
    for definition in Catalog::built_in().iter() {
        let dataset = definition.name();
        let deployed = &stack.properties(&format!("DeliveryOf{dataset}"))["ExtendedS3DestinationConfiguration"];
        let local = delivery_settings(dataset, format!("pinlake-{dataset}"), Duration::ZERO);
        let compression = match local.compression {
            Compression::Gzip => "GZIP",
            Compression::None => "UNCOMPRESSED",
        };
        for (property, deployed, local) in [
            ("Prefix", &deployed["Prefix"], json!(local.prefix)),
            (
                "ErrorOutputPrefix",
                &deployed["ErrorOutputPrefix"],
                json!(local.error_prefix),
            ),
            (
                "SizeInMBs",
                &deployed["BufferingHints"]["SizeInMBs"],
                json!(local.buffer_mib),
            ),
            ("CompressionFormat", &deployed["CompressionFormat"], json!(compression)),
            (
                "BucketARN",
                &deployed["BucketARN"],
                json!(format!("arn:aws:s3:::{}", local.bucket)),
            ),
        ] {
            assert_eq!(
                *deployed, local,
                "{dataset}: {property}, left: template.yaml, right: src/pipeline/triggers.rs"
            );
        }
    }
}

#[test]
fn schedules_are_set_as_deployed() {
    let stack = deployed(&[]);
    for local in schedule_settings() {
        let functions = stack.of_type("AWS::Serverless::Function");
        let named = format!("pinlake-{}", local.id);
        let (_, function) = functions
            .into_iter()
            .find(|(_, function)| function["FunctionName"] == named)
            .unwrap();
        let events: Vec<&Value> = function["Events"].as_object().unwrap().values().collect();
        let [event] = events.as_slice() else {
            panic!("{} has {} events", local.id, events.len())
        };
        let expression = text(&event["Properties"]["ScheduleExpression"]);
        assert_eq!(when(&expression), when_of(local.when), "{}: {expression}", local.id);
        assert_eq!(
            event["Properties"]["Input"], local.input,
            "{}: what it is told",
            local.id
        );
        assert_eq!(
            function["EventInvokeConfig"]["MaximumRetryAttempts"], local.most_retries,
            "{}: MaximumRetryAttempts, left: template.yaml, right: src/pipeline/triggers.rs",
            local.id
        );
    }
    let timeout = stack.properties("MaintainFunction")["Timeout"].as_i64();
    assert_eq!(
        timeout,
        Some(MAINTAIN_TIME.num_seconds()),
        "MaintainFunction's Timeout, and MAINTAIN_TIME"
    );
}

/// Hourly, whatever the minute; or daily at an hour.
#[derive(Debug, PartialEq)]
enum Rhythm {
    Hourly,
    Daily(NaiveTime),
}

fn when(expression: &str) -> Rhythm {
    let fields = expression.strip_prefix("cron(").and_then(|rest| rest.strip_suffix(')'));
    let fields: Vec<_> = fields.unwrap().split(' ').collect();
    assert_eq!(fields[2..], ["*", "*", "?", "*"], "{expression}");
    let minute = fields[0].parse().unwrap();
    match fields[1] {
        "*" => Rhythm::Hourly,
        hour => Rhythm::Daily(NaiveTime::from_hms_opt(hour.parse().unwrap(), minute, 0).unwrap()),
    }
}

fn when_of(local: When) -> Rhythm {
    match local {
        When::Every(period) => {
            assert_eq!(period, Duration::from_secs(3600));
            Rhythm::Hourly
        }
        When::Daily(time) => Rhythm::Daily(time.with_nanosecond(0).unwrap()),
    }
}
