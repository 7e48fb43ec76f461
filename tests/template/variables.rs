//! The variables that are set, against those that the functions read.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
};

use crate::{
    functions::EVERYTHING,
    stack::{Stack, deployed, text},
};

/// Variables whose value in the template is another than the default of the code. All others repeat the default, so that it
/// is to be seen, and changed, where the function is.
const CHOSEN: [&str; 7] = [
    // Where the stack is.
    "LAKE_URI",
    "STREAM_PREFIX",
    "METRICS_NAMESPACE",
    // What is left of Lambda's limit, which is the code's default, behind an API that hands bodies over in base64.
    "MAX_BODY_BYTES",
    // What the memory and the disk of the function allow.
    "QUERY_MEMORY_BYTES",
    "QUERY_SPILL_BYTES",
    // The code's default is the system's folder for temporary files, which is this one.
    "QUERY_SPILL_FOLDER",
];

type Variables = BTreeMap<String, String>;

/// The variables of a function of a stack, by its logical id.
fn variables(stack: &Stack, id: &str) -> Variables {
    let set = stack.properties(id)["Environment"]["Variables"].as_object().unwrap();
    set.iter().map(|(name, value)| (name.clone(), text(value))).collect()
}

/// Holds one function's variables against what its settings read.
fn compare<S: PartialEq + Debug, E: Debug>(id: &str, read: impl Fn(&dyn Fn(&str) -> Option<String>) -> Result<S, E>) {
    let stacks = [deployed(&[]), deployed(&EVERYTHING)];
    for stack in &stacks {
        let set = variables(stack, id);
        let asked = RefCell::new(BTreeSet::new());
        let recording = |name: &str| {
            asked.borrow_mut().insert(name.to_owned());
            set.get(name).cloned()
        };
        let settings = read(&recording);
        assert!(
            settings.is_ok(),
            "{id}: the values in template.yaml are refused: {settings:?}"
        );
        assert_eq!(
            set.keys().cloned().collect::<BTreeSet<_>>(),
            asked.into_inner(),
            "{id}: left: Environment.Variables in template.yaml (Globals included), right: what its Settings read"
        );
    }
    let set = variables(&stacks[0], id);
    let is_chosen = |name: &str| CHOSEN.contains(&name);
    let chosen = |name: &str| set.get(name).filter(|_| is_chosen(name)).cloned();
    let by_default = read(&chosen).unwrap();
    for (name, value) in set.iter().filter(|(name, _)| !is_chosen(name)) {
        let with_one_more = read(&|asked: &str| {
            if asked == name {
                Some(value.clone())
            } else {
                chosen(asked)
            }
        });
        assert_eq!(
            with_one_more.unwrap(),
            by_default,
            "{id}: template.yaml sets {name} to `{value}`, and the code's default is another: make them equal, or say why \
             they are not in CHOSEN"
        );
    }
}

#[test]
fn ingest_is_told_what_it_asks() {
    compare("IngestFunction", |lookup| pinlake_ingest::Settings::from_lookup(lookup));
}

#[test]
fn stream_is_told_what_it_asks() {
    compare("StreamFunction", |lookup| pinlake_stream::Settings::from_lookup(lookup));
}

#[test]
fn analytics_is_told_what_it_asks() {
    compare("AnalyticsFunction", |lookup| {
        pinlake_analytics::Settings::from_lookup(lookup)
    });
}

#[test]
fn maintain_is_told_what_it_asks() {
    compare("MaintainFunction", |lookup| {
        pinlake_maintain::Settings::from_lookup(lookup)
    });
}

#[test]
fn the_lake_and_the_streams_are_those_of_the_stack() {
    let stack = deployed(&EVERYTHING);
    for id in ["StreamFunction", "AnalyticsFunction", "MaintainFunction"] {
        assert_eq!(variables(&stack, id)["LAKE_URI"], "s3://pinlake", "{id}");
    }
    let prefix = &variables(&stack, "IngestFunction")["STREAM_PREFIX"];
    let names = |kind: &str, name: &str| -> BTreeSet<String> {
        stack
            .of_type(kind)
            .map(|(_, properties)| text(&properties[name]))
            .collect()
    };
    let expected: BTreeSet<_> = ["geo", "pin", "user"]
        .map(|dataset| format!("{prefix}-{dataset}"))
        .into();
    assert_eq!(
        names("AWS::Kinesis::Stream", "Name"),
        expected,
        "streams are not named as ingest names them"
    );
    assert_eq!(
        names("AWS::KinesisFirehose::DeliveryStream", "DeliveryStreamName"),
        expected,
        "delivery streams are not named as ingest names them"
    );
}
