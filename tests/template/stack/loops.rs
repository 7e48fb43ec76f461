//! `Fn::ForEach`: what it says once is said for each item of a list.
//!
//! ```yaml
//! Fn::ForEach::Streams:      # a name of its own
//!   - Dataset                # what stands for the item
//!   - !Ref Datasets          # or a list
//!   - StreamOf${Dataset}: …  # fields, said again for each item
//! ```
//!
//! `${Dataset}` becomes the item wherever it stands, `&{Dataset}` the item without what is no letter or digit, and
//! `!Ref Dataset` too
//! (<https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference-foreach.html>).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::texts;

const LOOP: &str = "Fn::ForEach::";

/// The template without loops.
pub(super) fn unrolled(value: &Value, parameters: &BTreeMap<String, Value>) -> Value {
    match value {
        Value::Array(items) => items.iter().map(|item| unrolled(item, parameters)).collect(),
        Value::Object(fields) => {
            let mut done = Map::new();
            for (name, value) in fields {
                let said = match name.strip_prefix(LOOP) {
                    Some(name) => each(name, value, parameters),
                    None => Map::from_iter([(name.clone(), unrolled(value, parameters))]),
                };
                for (name, value) in said {
                    let before = done.insert(name.clone(), value);
                    assert!(before.is_none(), "`{name}` is there twice once loops are unrolled");
                }
            }
            Value::Object(done)
        }
        scalar => scalar.clone(),
    }
}

fn each(name: &str, of: &Value, parameters: &BTreeMap<String, Value>) -> Map<String, Value> {
    let [Value::String(identifier), list, fragment @ Value::Object(_)] = of.as_array().unwrap().as_slice() else {
        panic!("{LOOP}{name} has no identifier, list and fields");
    };
    let listed = match list.get("Ref") {
        Some(Value::String(parameter)) => &parameters[parameter],
        Some(other) => panic!("{LOOP}{name} is over {other}"),
        None => list,
    };
    let mut said = Map::new();
    for item in texts(listed) {
        // A loop in a loop is unrolled when the outer item is known.
        let Value::Object(fields) = unrolled(&with(fragment, identifier, &item), parameters) else {
            unreachable!("an object stays one");
        };
        for (field, value) in fields {
            let before = said.insert(field.clone(), value);
            assert!(
                before.is_none(),
                "{LOOP}{name} says `{field}` twice: does it name its item?"
            );
        }
    }
    said
}

/// The fragment for one item.
fn with(fragment: &Value, identifier: &str, item: &str) -> Value {
    let plain: String = item.chars().filter(char::is_ascii_alphanumeric).collect();
    let fill = |text: &str| {
        let text = text.replace(&format!("${{{identifier}}}"), item);
        text.replace(&format!("&{{{identifier}}}"), &plain)
    };
    match fragment {
        Value::String(text) => Value::String(fill(text)),
        Value::Array(items) => items.iter().map(|value| with(value, identifier, item)).collect(),
        Value::Object(fields) if fields.len() == 1 && fields.get("Ref").is_some_and(|name| name == identifier) => {
            Value::String(item.to_owned())
        }
        Value::Object(fields) => {
            let filled = fields
                .iter()
                .map(|(name, value)| (fill(name), with(value, identifier, item)));
            Value::Object(filled.collect())
        }
        scalar => scalar.clone(),
    }
}
