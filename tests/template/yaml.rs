//! YAML as CloudFormation has it: JSON, with short forms such as `!Ref x` written out as `{"Ref": "x"}`.

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};
use serde_json::{Map, Number, Value, json};

/// Reads one document.
///
/// # Panics
/// On all that CloudFormation or one of its tools would read differently, or refuse: aliases, doubled keys, unknown words.
pub(crate) fn read(text: &str) -> Value {
    let mut events = Parser::new_from_str(text).map(|event| event.unwrap());
    let mut document = None;
    while let Some((event, span)) = events.next() {
        match event {
            Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::StreamEnd => {}
            event => {
                assert!(document.is_none(), "line {}: a second document", span.start.line());
                document = Some(node(event, span, &mut events));
            }
        }
    }
    document.expect("an empty file")
}

fn node<'a>(event: Event<'a>, span: Span, events: &mut impl Iterator<Item = (Event<'a>, Span)>) -> Value {
    let line = span.start.line();
    let (value, tag) = match event {
        Event::Scalar(text, style, anchor, tag) => {
            assert_eq!(anchor, 0, "line {line}: an anchor");
            let is_plain = style == ScalarStyle::Plain && tag.is_none();
            (if is_plain { plain(&text, line) } else { json!(text) }, tag)
        }
        Event::SequenceStart(anchor, tag) => {
            assert_eq!(anchor, 0, "line {line}: an anchor");
            let mut items = Vec::new();
            loop {
                match events.next().unwrap() {
                    (Event::SequenceEnd, _) => break,
                    (event, span) => items.push(node(event, span, events)),
                }
            }
            (Value::Array(items), tag)
        }
        Event::MappingStart(anchor, tag) => {
            assert_eq!(anchor, 0, "line {line}: an anchor");
            let mut fields = Map::new();
            loop {
                let (event, span) = events.next().unwrap();
                let line = span.start.line();
                let key = match event {
                    Event::MappingEnd => break,
                    Event::Scalar(key, _, _, None) => key.into_owned(),
                    other => panic!("line {line}: {other:?} is no key"),
                };
                let (event, span) = events.next().unwrap();
                let value = node(event, span, events);
                assert!(
                    fields.insert(key.clone(), value).is_none(),
                    "line {line}: `{key}` is there twice"
                );
            }
            (Value::Object(fields), tag)
        }
        other => panic!("line {line}: {other:?} is not used in templates"),
    };
    match tag {
        Some(tag) => written_out(&tag, value, line),
        None => value,
    }
}

/// A scalar without quotes.
fn plain(text: &str, line: usize) -> Value {
    match text {
        "" | "~" | "null" => return Value::Null,
        "true" => return Value::Bool(true),
        "false" => return Value::Bool(false),
        _ => {}
    }
    let booleans_of_some = ["yes", "no", "on", "off", "true", "false", "null"];
    assert!(
        !booleans_of_some.contains(&text.to_lowercase().as_str()),
        "line {line}: quote `{text}`, which some tools take for a boolean"
    );
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = digits.starts_with(|first: char| first.is_ascii_digit());
    match text.parse::<Number>() {
        Ok(number) if is_number => Value::Number(number),
        _ => json!(text),
    }
}

/// `!Ref x` as `{"Ref": "x"}`, `!Sub x` as `{"Fn::Sub": "x"}`, `!GetAtt a.b` as `{"Fn::GetAtt": ["a", "b"]}`.
fn written_out(tag: &Tag, value: Value, line: usize) -> Value {
    assert_eq!(
        tag.handle, "!",
        "line {line}: the tag {tag} is none of CloudFormation's"
    );
    match (tag.suffix.as_str(), value) {
        (name @ ("Ref" | "Condition"), value) => json!({ name: value }),
        ("GetAtt", Value::String(text)) => match text.split_once('.') {
            Some((resource, attribute)) => json!({ "Fn::GetAtt": [resource, attribute] }),
            None => panic!("line {line}: `{text}` names no attribute"),
        },
        (name, value) => json!({ format!("Fn::{name}"): value }),
    }
}

#[test]
fn short_forms_are_written_out() {
    let text = "
a: !Ref x
b: !Sub '${x}-y'
c: !GetAtt x.Arn
d: !If [c, {e: 1}, !Ref AWS::NoValue]
f: !GetAtt [!Sub 'x', Arn]
g: [1, '1', 1.5, -2, true, 2012-10-17, arn:aws:s3, '']
h: !Select
  - 0
  - !Split [',', 'a,b']
i: >-
  two
  lines
j:
";
    let expected = json!({
        "a": {"Ref": "x"},
        "b": {"Fn::Sub": "${x}-y"},
        "c": {"Fn::GetAtt": ["x", "Arn"]},
        "d": {"Fn::If": ["c", {"e": 1}, {"Ref": "AWS::NoValue"}]},
        "f": {"Fn::GetAtt": [{"Fn::Sub": "x"}, "Arn"]},
        "g": [1, "1", 1.5, -2, true, "2012-10-17", "arn:aws:s3", ""],
        "h": {"Fn::Select": [0, {"Fn::Split": [",", "a,b"]}]},
        "i": "two lines",
        "j": null,
    });
    assert_eq!(read(text), expected);
}

#[test]
fn what_tools_read_differently_is_refused() {
    for text in [
        "a: on",
        "a: 1\na: 2",
        "a: &x 1\nb: *x",
        "a: 1\n---\nb: 2",
        "a: !!binary x",
        "a: No",
    ] {
        assert!(std::panic::catch_unwind(|| read(text)).is_err(), "{text}");
    }
}
