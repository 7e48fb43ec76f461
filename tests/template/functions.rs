//! A binary for each function, a function for each folder, a definition for each dataset.

use std::{collections::BTreeSet, path::Path};

use serde_json::Value;

use crate::stack::{deployed, template, text, texts};

/// Parameters with which all is deployed that need not be.
pub(crate) const EVERYTHING: [(&str, &str); 17] = [
    ("Definitions", "layer"),
    ("ReportFiles", "layer"),
    ("ApiAuth", "API_KEY"),
    ("WebAclArn", "arn:aws:wafv2:us-east-1:000000000000:regional/webacl/x/1"),
    ("DomainName", "events.example.com"),
    ("CertificateArn", "arn:aws:acm:us-east-1:000000000000:certificate/1"),
    ("HostedZoneId", "Z1"),
    ("StreamMode", "ON_DEMAND"),
    ("KafkaClusterArn", KAFKA_CLUSTER),
    ("KmsKeyArn", "arn:aws:kms:us-east-1:000000000000:key/1"),
    ("RawExpiryDays", "400"),
    ("ReserveConcurrency", "on"),
    ("ApiGatewayLogRole", "exists"),
    ("RawColdDays", "0"),
    ("ResultExpiryDays", "0"),
    ("AlarmEmail", "somebody@example.com"),
    ("KafkaTopicPrefix", "shop."),
];
const KAFKA_CLUSTER: &str = "arn:aws:kafka:us-east-1:000000000000:cluster/shop/1";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The names of the folders in a folder.
fn folders(of: &str) -> BTreeSet<String> {
    let entries = root().join(of).read_dir().unwrap().map(|entry| entry.unwrap());
    let folders = entries.filter(|entry| entry.path().is_dir());
    folders.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

#[test]
fn each_function_has_its_binary_and_each_folder_its_function() {
    let (template, stack) = (template(), deployed(&[]));
    let mut deployed = BTreeSet::new();
    for (id, properties) in stack.of_type("AWS::Serverless::Function") {
        let metadata = &template["Resources"][id]["Metadata"];
        assert_eq!(metadata["BuildMethod"], "rust-cargolambda", "{id}: how is it built?");
        let binary = text(&metadata["BuildProperties"]["Binary"]);
        let folder = text(&properties["CodeUri"]);
        let manifest = std::fs::read_to_string(root().join(&folder).join("Cargo.toml"))
            .unwrap_or_else(|error| panic!("{id}: its CodeUri `{folder}` is no package: {error}"));
        let manifest: toml::Table = manifest.parse().unwrap();
        let named = manifest
            .get("bin")
            .and_then(toml::Value::as_array)
            .into_iter()
            .flatten();
        let names: Vec<_> = named.filter_map(|binary| binary["name"].as_str()).collect();
        let by_default = manifest["package"]["name"].as_str().unwrap();
        let exists = names.contains(&binary.as_str()) || (names.is_empty() && by_default == binary);
        assert!(
            exists,
            "{id}: {folder}/Cargo.toml has no binary `{binary}`, but {names:?}"
        );
        assert_eq!(properties["Handler"], "bootstrap", "{id}");
        assert_eq!(text(&properties["FunctionName"]), format!("pinlake-{binary}"), "{id}");
        deployed.insert(folder.trim_start_matches("functions/").to_owned());
    }
    assert_eq!(
        deployed,
        folders("functions"),
        "left: deployed, right: in functions/; give each folder a function in template.yaml"
    );
}

#[test]
fn each_definition_is_a_dataset_of_the_stack() {
    let files = root()
        .join("datasets")
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let names = files.filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
    let defined: BTreeSet<String> = names
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let default = text(&template()["Parameters"]["Datasets"]["Default"]);
    let listed: BTreeSet<String> = default.split(',').map(str::to_owned).collect();
    assert_eq!(
        listed, defined,
        "left: the default of Datasets in template.yaml, right: datasets/*.toml"
    );
}

#[test]
fn each_condition_is_seen_both_ways() {
    let (plain, everything) = (deployed(&[]), deployed(&EVERYTHING));
    for (condition, holds) in &plain.conditions {
        assert_ne!(
            everything.conditions[condition], *holds,
            "{condition} is the same in both variants of the stack that these tests look at: add a parameter to EVERYTHING"
        );
    }
}

#[test]
fn each_parameter_is_used_and_shown_in_a_group() {
    let template = template();
    let groups = &template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"];
    let shown = groups
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|group| texts(&group["Parameters"]));
    let declared: BTreeSet<String> = template["Parameters"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(
        shown.collect::<BTreeSet<_>>(),
        declared,
        "left: in ParameterGroups, right: parameters"
    );
    let mut rest = template.clone();
    rest["Parameters"] = Value::Null;
    rest["Metadata"] = Value::Null;
    let rest = rest.to_string();
    for parameter in declared {
        let used = [format!("\"Ref\":\"{parameter}\""), format!("${{{parameter}}}")];
        assert!(
            used.iter().any(|used| rest.contains(used)),
            "parameter {parameter} is used nowhere"
        );
    }
}
