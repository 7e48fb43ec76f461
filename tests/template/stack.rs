//! A template as CloudFormation makes a stack of it: loops unrolled, conditions decided, references resolved.
//!
//! It is done as
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html> says, with
//! `Fn::ForEach`, `Fn::ToJsonString` and `Fn::Length` of AWS::LanguageExtensions. A resource's name is the one that its
//! properties give it, else its logical id; only the bucket is named from outside, by [`BUCKET`].

mod loops;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use pinlake::pipeline::BUCKET;
use serde_json::{Map, Value, json};

use crate::yaml;

/// As the local run names its streams and functions.
pub(crate) const STACK: &str = "pinlake";
const REGION: &str = "us-east-1";
const ACCOUNT: &str = "000000000000";

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

struct Evaluation<'a> {
    parameters: BTreeMap<String, Value>,
    mappings: &'a Value,
    declared: &'a Map<String, Value>,
    conditions: BTreeMap<String, bool>,
}

impl Evaluation<'_> {
    /// Decides a condition, and those that it is made of before.
    fn decide(&mut self, name: &str, declared: &Map<String, Value>) {
        if self.conditions.contains_key(name) {
            return;
        }
        let condition = declared
            .get(name)
            .unwrap_or_else(|| panic!("there is no condition {name}"));
        for needed in conditions_in(condition) {
            self.decide(&needed, declared);
        }
        let decided = self.is_true(condition);
        self.conditions.insert(name.to_owned(), decided);
    }

    fn is_true(&self, condition: &Value) -> bool {
        let (function, argument) = only_field(condition).unwrap_or_else(|| panic!("{condition} is no condition"));
        let all = || argument.as_array().unwrap().iter();
        match function {
            "Condition" => self.holds(argument.as_str().unwrap()),
            "Fn::Equals" => {
                let sides: Vec<_> = all().map(|side| text(&self.value(side).unwrap())).collect();
                assert_eq!(sides.len(), 2, "{condition}");
                sides[0] == sides[1]
            }
            "Fn::Not" => !self.is_true(&argument[0]),
            "Fn::And" => all().all(|condition| self.is_true(condition)),
            "Fn::Or" => all().any(|condition| self.is_true(condition)),
            other => panic!("{other} is a condition that this test has not learned"),
        }
    }

    fn holds(&self, condition: &str) -> bool {
        let decided = self.conditions.get(condition);
        *decided.unwrap_or_else(|| panic!("there is no condition {condition}"))
    }

    fn exists(&self, declared: &Value) -> bool {
        let condition = declared.get("Condition").and_then(Value::as_str);
        condition.is_none_or(|condition| self.holds(condition))
    }

    /// A value, resolved; `None` for AWS::NoValue.
    fn value(&self, value: &Value) -> Option<Value> {
        match value {
            Value::Array(items) => Some(items.iter().filter_map(|item| self.value(item)).collect()),
            Value::Object(fields) => match only_field(value) {
                Some((function, argument)) if function == "Ref" || function.starts_with("Fn::") => {
                    self.call(function, argument)
                }
                _ => {
                    let own = |name: &String| !name.starts_with("Fn::");
                    assert!(fields.keys().all(own), "a function stands among fields: {value}");
                    let fields = fields.iter();
                    let resolved = fields.filter_map(|(name, value)| Some((name.clone(), self.value(value)?)));
                    Some(Value::Object(resolved.collect()))
                }
            },
            scalar => Some(scalar.clone()),
        }
    }

    fn call(&self, function: &str, argument: &Value) -> Option<Value> {
        let argument_of = |index: usize| {
            let part = argument
                .get(index)
                .unwrap_or_else(|| panic!("{function} of {argument}"));
            self.value(part).unwrap_or_else(|| panic!("{function} of nothing"))
        };
        Some(match function {
            "Ref" => {
                let name = text(&self.value(argument)?);
                return self.reference(&name);
            }
            "Fn::GetAtt" => json!(self.attribute(&text(&argument_of(0)), &text(&argument_of(1)))),
            "Fn::If" => {
                let branch = if self.holds(argument[0].as_str().unwrap()) {
                    1
                } else {
                    2
                };
                assert_eq!(argument.as_array().unwrap().len(), 3, "Fn::If of {argument}");
                return self.value(&argument[branch]);
            }
            "Fn::Sub" if argument.is_string() => json!(self.substitute(argument.as_str().unwrap(), &Map::new())),
            "Fn::Sub" => {
                let names = argument_of(1);
                json!(self.substitute(argument[0].as_str().unwrap(), names.as_object().unwrap()))
            }
            "Fn::Join" => json!(texts(&argument_of(1)).join(&text(&argument_of(0)))),
            "Fn::Split" => {
                let (separator, whole) = (text(&argument_of(0)), text(&argument_of(1)));
                json!(whole.split(&separator).collect::<Vec<_>>())
            }
            "Fn::Select" => {
                let index: usize = text(&argument_of(0)).parse().unwrap();
                argument_of(1)
                    .get(index)
                    .cloned()
                    .unwrap_or_else(|| panic!("Fn::Select of {argument}"))
            }
            "Fn::FindInMap" => {
                let [map, first, second] = [0, 1, 2].map(|part| text(&argument_of(part)));
                let found = &self.mappings[&map][&first][&second];
                assert!(!found.is_null(), "the mapping {map} has no {first}, {second}");
                found.clone()
            }
            "Fn::Length" => json!(self.value(argument)?.as_array().unwrap().len()),
            "Fn::ToJsonString" => json!(self.value(argument)?.to_string()),
            other => panic!("{other} is a function that this test has not learned"),
        })
    }

    /// Text with `${name}`, `${resource.attribute}` and `${!literal}`.
    fn substitute(&self, pattern: &str, names: &Map<String, Value>) -> String {
        let (mut done, mut rest) = (String::new(), pattern);
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after
                .split_once('}')
                .unwrap_or_else(|| panic!("`{pattern}` has no end"));
            done.push_str(before);
            if let Some(literal) = name.strip_prefix('!') {
                done.push_str(&format!("${{{literal}}}"));
            } else if let Some(value) = names.get(name) {
                done.push_str(&text(value));
            } else if let (Some((resource, attribute)), false) = (name.split_once('.'), name.contains("::")) {
                done.push_str(&self.attribute(resource, attribute));
            } else {
                let value = self
                    .reference(name)
                    .unwrap_or_else(|| panic!("`{pattern}` has nothing in it"));
                done.push_str(&text(&value));
            }
            rest = after;
        }
        done + rest
    }

    fn reference(&self, name: &str) -> Option<Value> {
        if let Some(value) = self.parameters.get(name) {
            return Some(value.clone());
        }
        // What SAM makes beside a resource, as in `Api.Stage`.
        if let Some((resource, part)) = name.split_once('.') {
            return Some(json!(self.attribute(resource, part)));
        }
        Some(match name {
            "AWS::NoValue" => return None,
            "AWS::StackName" => json!(STACK),
            "AWS::Region" => json!(REGION),
            "AWS::AccountId" => json!(ACCOUNT),
            "AWS::Partition" => json!("aws"),
            "AWS::URLSuffix" => json!("amazonaws.com"),
            name => {
                let (kind, named) = self.resource(name);
                match kind.as_str() {
                    "AWS::SNS::Topic" => json!(arn(&kind, &named).unwrap()),
                    "AWS::SQS::Queue" => json!(format!("https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{named}")),
                    _ => json!(named),
                }
            }
        })
    }

    fn attribute(&self, resource: &str, attribute: &str) -> String {
        let (kind, name) = self.resource(resource);
        match attribute {
            "Arn" => arn(&kind, &name).unwrap_or_else(|| panic!("ARNs of {kind} are unknown to this test")),
            "QueueName" => name,
            // What only AWS knows.
            other => format!("{resource}.{other}"),
        }
    }

    /// A resource's type and name.
    fn resource(&self, id: &str) -> (String, String) {
        let declared = self
            .declared
            .get(id)
            .unwrap_or_else(|| panic!("`{id}` is referred to, but is not there"));
        assert!(
            self.exists(declared),
            "`{id}` is referred to, but its condition does not hold"
        );
        let kind = declared["Type"].as_str().unwrap();
        let named_by = match kind {
            "AWS::Kinesis::Stream" | "AWS::Athena::WorkGroup" => "Name",
            "AWS::KinesisFirehose::DeliveryStream" => "DeliveryStreamName",
            "AWS::Serverless::Function" => "FunctionName",
            "AWS::Logs::LogGroup" => "LogGroupName",
            "AWS::Logs::LogStream" => "LogStreamName",
            "AWS::SNS::Topic" => "TopicName",
            "AWS::SQS::Queue" => "QueueName",
            "AWS::S3::Bucket" => return (kind.to_owned(), BUCKET.to_owned()),
            _ => return (kind.to_owned(), id.to_owned()),
        };
        let name = declared["Properties"].get(named_by).and_then(|name| self.value(name));
        (kind.to_owned(), name.map_or_else(|| id.to_owned(), |name| text(&name)))
    }
}

fn arn(kind: &str, name: &str) -> Option<String> {
    let arn = |service: &str, rest: &str| Some(format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}"));
    match kind {
        "AWS::S3::Bucket" => Some(format!("arn:aws:s3:::{name}")),
        "AWS::IAM::Role" => Some(format!("arn:aws:iam::{ACCOUNT}:role/{name}")),
        "AWS::Kinesis::Stream" => arn("kinesis", &format!("stream/{name}")),
        "AWS::KinesisFirehose::DeliveryStream" => arn("firehose", &format!("deliverystream/{name}")),
        "AWS::Serverless::Function" => arn("lambda", &format!("function:{name}")),
        "AWS::Logs::LogGroup" => arn("logs", &format!("log-group:{name}:*")),
        "AWS::SNS::Topic" => arn("sns", name),
        "AWS::SQS::Queue" => arn("sqs", name),
        _ => None,
    }
}

fn only_field(value: &Value) -> Option<(&str, &Value)> {
    let fields = value.as_object().filter(|fields| fields.len() == 1)?;
    fields.iter().next().map(|(name, value)| (name.as_str(), value))
}

/// The names in `{"Condition": "name"}`, however deep.
fn conditions_in(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().flat_map(conditions_in).collect(),
        Value::Object(fields) => match fields.get("Condition") {
            Some(Value::String(name)) => vec![name.clone()],
            _ => fields.values().flat_map(conditions_in).collect(),
        },
        _ => Vec::new(),
    }
}
