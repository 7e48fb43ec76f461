//! Functions and conditions: what a value comes to.

use std::collections::BTreeMap;

use pinlake::pipeline::BUCKET;
use serde_json::{Map, Value, json};

use super::{STACK, text, texts};

/// Those of the local endpoints.
const REGION: &str = "us-east-1";
const ACCOUNT: &str = "000000000000";

/// What functions and conditions are evaluated with.
pub(super) struct Evaluation<'a> {
    pub(super) parameters: BTreeMap<String, Value>,
    pub(super) mappings: &'a Value,
    pub(super) declared: &'a Map<String, Value>,
    pub(super) conditions: BTreeMap<String, bool>,
}

impl Evaluation<'_> {
    /// Decides a condition, and those that it is made of before.
    pub(super) fn decide(&mut self, name: &str, declared: &Map<String, Value>) {
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

    pub(super) fn is_true(&self, condition: &Value) -> bool {
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

    pub(super) fn exists(&self, declared: &Value) -> bool {
        let condition = declared.get("Condition").and_then(Value::as_str);
        condition.is_none_or(|condition| self.holds(condition))
    }

    /// A value, resolved; `None` for AWS::NoValue.
    pub(super) fn value(&self, value: &Value) -> Option<Value> {
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
