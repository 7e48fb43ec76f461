//! A template as CloudFormation makes a stack of it: loops unrolled, conditions decided, references resolved.
//!
//! It is done as
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html> says, with
//! `Fn::ForEach`, `Fn::ToJsonString` and `Fn::Length` of AWS::LanguageExtensions. A resource's name is the one that its
//! properties give it, else its logical id; only the bucket has the name that it has in the local run.

mod evaluation;
mod loops;
mod tests;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use self::evaluation::Evaluation;
use crate::yaml;

/// As the local run names its streams and functions.
pub(crate) const STACK: &str = "pinlake";

/// The template that is deployed.
pub(crate) fn template() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/template.yaml");
    yaml::read(&std::fs::read_to_string(path).unwrap())
}

/// The deployed template with these parameters and defaults for the others.
pub(crate) fn deployed(parameters: &[(&str, &str)]) -> Stack {
    Stack::new(&template(), parameters)
}

/// A stack: what there is, with nothing left to resolve.
pub(crate) struct Stack {
    pub(crate) conditions: BTreeMap<String, bool>,
    /// By logical id: `Type`, `Properties` and what else a resource has.
    pub(crate) resources: BTreeMap<String, Value>,
}

impl Stack {
    pub(crate) fn new(template: &Value, parameters: &[(&str, &str)]) -> Self {
        let parameters = given(template, parameters);
        let template = loops::unrolled(template, &parameters);
        let empty = Map::new();
        let section = |name: &str| template[name].as_object().unwrap_or(&empty);
        let mut evaluation = Evaluation {
            parameters,
            mappings: &template["Mappings"],
            declared: section("Resources"),
            conditions: BTreeMap::new(),
        };
        for name in section("Conditions").keys() {
            evaluation.decide(name, section("Conditions"));
        }
        for (name, rule) in section("Rules") {
            let applies = rule
                .get("RuleCondition")
                .is_none_or(|condition| evaluation.is_true(condition));
            for assertion in rule["Assertions"].as_array().unwrap() {
                let holds = !applies || evaluation.is_true(&assertion["Assert"]);
                assert!(holds, "rule {name}: {}", assertion["AssertDescription"]);
            }
        }
        let mut resources = BTreeMap::new();
        for (id, declared) in evaluation
            .declared
            .iter()
            .filter(|(_, declared)| evaluation.exists(declared))
        {
            let mut resource = declared.clone();
            for part in ["Properties", "DependsOn"] {
                if let Some(value) = declared.get(part) {
                    resource[part] = evaluation.value(value).unwrap_or_else(|| panic!("{id} has no {part}"));
                }
            }
            with_globals(
                &mut resource,
                evaluation.value(&template["Globals"]).unwrap_or_default(),
            );
            for needed in texts(&resource["DependsOn"]) {
                assert!(
                    evaluation.declared.contains_key(&needed),
                    "{id} depends on {needed}, which is not there"
                );
            }
            resources.insert(id.clone(), resource);
        }
        for (name, output) in section("Outputs")
            .iter()
            .filter(|(_, output)| evaluation.exists(output))
        {
            assert!(
                evaluation.value(&output["Value"]).is_some(),
                "output {name} has no value"
            );
        }
        let conditions = evaluation.conditions;
        Self { conditions, resources }
    }

    /// The resources of a type, by logical id.
    pub(crate) fn of_type(&self, kind: &str) -> impl Iterator<Item = (&str, &Value)> {
        let of_type = self
            .resources
            .iter()
            .filter(move |(_, resource)| resource["Type"] == kind);
        of_type.map(|(id, resource)| (id.as_str(), &resource["Properties"]))
    }

    /// The properties of a resource.
    pub(crate) fn properties(&self, id: &str) -> &Value {
        let resource = self.resources.get(id);
        &resource.unwrap_or_else(|| panic!("the template has no resource {id}"))["Properties"]
    }
}

/// A text, or the texts of a list; none of nothing.
pub(crate) fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        value => vec![text(value)],
    }
}

/// A scalar as CloudFormation writes it into text.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        other => panic!("{other} is no text"),
    }
}

/// All parameters: given, else by default.
fn given(template: &Value, given: &[(&str, &str)]) -> BTreeMap<String, Value> {
    let declared = template["Parameters"].as_object().cloned().unwrap_or_default();
    for (name, _) in given {
        assert!(declared.contains_key(*name), "the template has no parameter {name}");
    }
    let value = |name: &String, parameter: &Value| {
        let given = given
            .iter()
            .find(|(given, _)| given == name)
            .map(|(_, value)| json!(value));
        let value = given.or_else(|| parameter.get("Default").cloned());
        let value = text(&value.unwrap_or_else(|| panic!("parameter {name} has no default and is not given")));
        let allowed = texts(&parameter["AllowedValues"]);
        assert!(
            allowed.is_empty() || allowed.contains(&value),
            "parameter {name} may not be `{value}`"
        );
        match parameter["Type"].as_str().unwrap() {
            "CommaDelimitedList" => json!(value.split(',').map(str::trim).collect::<Vec<_>>()),
            "String" => json!(value),
            "Number" => Value::Number(value.parse().unwrap()),
            other => panic!("parameter {name}: {other} is a type that this test has not learned"),
        }
    };
    declared
        .iter()
        .map(|(name, parameter)| (name.clone(), value(name, parameter)))
        .collect()
}

/// What SAM's `Globals` add to a function: maps are merged, lists put together, anything else is the function's own.
fn with_globals(resource: &mut Value, globals: Value) {
    fn merge(global: &Value, own: &mut Value) {
        match (global, own) {
            (Value::Object(global), Value::Object(own)) => {
                for (name, value) in global {
                    merge(value, own.entry(name.clone()).or_insert_with(|| value.clone()));
                }
            }
            (Value::Array(global), Value::Array(own)) if global != own => {
                own.splice(0..0, global.clone()).for_each(drop)
            }
            _ => {}
        }
    }
    if resource["Type"] == "AWS::Serverless::Function" {
        merge(&globals["Function"], &mut resource["Properties"]);
    }
}
