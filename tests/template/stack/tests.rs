//! The evaluation itself, on small templates.

use std::panic::catch_unwind;

use serde_json::json;

use super::*;

/// The properties of the resource `It`, in a template with this text before it.
fn evaluated(before: &str, properties: &str, parameters: &[(&str, &str)]) -> Value {
    let text = format!("{before}\nResources:\n  It: {{Type: Some::Thing, Properties: {properties}}}\n");
    Stack::new(&yaml::read(&text), parameters).properties("It").clone()
}

const PARAMETERS: &str = "
Parameters:
  Names: {Type: CommaDelimitedList, Default: 'a, b'}
  Mode: {Type: String, Default: one, AllowedValues: [one, two]}
  Hours: {Type: Number, Default: 24}
Mappings:
  Times: {'24': {Seconds: 82800}}
Conditions:
  Both: !And [!Condition IsTwo, !Not [!Equals [!Ref Hours, 0]]]
  IsTwo: !Equals [!Ref Mode, two]
  Either: !Or [!Condition Both, !Equals [a, a]]
";

#[test]
fn references_and_text_are_resolved() {
    let properties = "{
      a: !Ref Hours, b: !Ref Names, c: !Sub '${AWS::StackName}-${Mode}:${!kept}', d: !Sub ['${X}/${Hours}', {X: !Ref Mode}],
      e: !Join ['+', !Ref Names], f: !Select [1, !Split ['-', x-y]], g: !FindInMap [Times, !Sub '${Hours}', Seconds],
      h: !GetAtt It.Name, i: !Sub '${It.Name}!{literal}', j: {Fn::ToJsonString: {k: !Ref Mode}}, l: {Fn::Length: !Ref Names},
      m: !Sub '${It}'}";
    let expected = json!({
        "a": 24, "b": ["a", "b"], "c": "pinlake-one:${kept}", "d": "one/24", "e": "a+b", "f": "y", "g": 82800,
        "h": "It.Name", "i": "It.Name!{literal}", "j": "{\"k\":\"one\"}", "l": 2, "m": "It",
    });
    assert_eq!(evaluated(PARAMETERS, properties, &[]), expected);
}

#[test]
fn conditions_choose_and_nothing_leaves_no_trace() {
    let properties = "{a: !If [Both, yes-please, !Ref AWS::NoValue], b: [!If [IsTwo, 2, !Ref AWS::NoValue], 3],
      c: !If [Either, {d: !Ref Mode}, x]}";
    let expected = json!({"b": [3], "c": {"d": "one"}});
    assert_eq!(evaluated(PARAMETERS, properties, &[]), expected);
    let expected = json!({"a": "yes-please", "b": [2, 3], "c": {"d": "two"}});
    assert_eq!(evaluated(PARAMETERS, properties, &[("Mode", "two")]), expected);
}

#[test]
fn loops_say_things_for_each_item() {
    let text = format!(
        "{PARAMETERS}
Resources:
  Fn::ForEach::Streams:
    - Name
    - !Ref Names
    - StreamOf${{Name}}:
        Type: AWS::Kinesis::Stream
        Properties: {{Name: !Sub '${{AWS::StackName}}-${{Name}}', Tag: !Ref Name}}
  Reader:
    Type: Some::Thing
    DependsOn: StreamOfa
    Properties:
      Fn::ForEach::Parts:
        - Name
        - [x.y, z]
        - Part&{{Name}}:
            Full: ${{Name}}
            Fn::ForEach::Deep: [Other, !Ref Names, {{'${{Other}}-${{Name}}': !GetAtt [!Sub 'StreamOf${{Other}}', Arn]}}]
"
    );
    let stack = Stack::new(&yaml::read(&text), &[]);
    assert_eq!(
        stack.of_type("AWS::Kinesis::Stream").collect::<Vec<_>>(),
        [
            ("StreamOfa", &json!({"Name": "pinlake-a", "Tag": "a"})),
            ("StreamOfb", &json!({"Name": "pinlake-b", "Tag": "b"})),
        ]
    );
    let arn = |name: &str| format!("arn:aws:kinesis:us-east-1:000000000000:stream/pinlake-{name}");
    assert_eq!(
        *stack.properties("Reader"),
        json!({
            "Partxy": {"Full": "x.y", "a-x.y": arn("a"), "b-x.y": arn("b")},
            "Partz": {"Full": "z", "a-z": arn("a"), "b-z": arn("b")},
        })
    );
    let two = Stack::new(&yaml::read(&text), &[("Names", "a,c")]);
    assert_eq!(two.of_type("AWS::Kinesis::Stream").count(), 2);
}

#[test]
fn globals_reach_functions() {
    let text = "
Globals: {Function: {Timeout: 3, Environment: {Variables: {A: a, B: b}}}}
Resources:
  It: {Type: AWS::Serverless::Function, Properties: {Timeout: 9, Environment: {Variables: {B: own, C: c}}}}
";
    let expected = json!({"Timeout": 9, "Environment": {"Variables": {"A": "a", "B": "own", "C": "c"}}});
    assert_eq!(*Stack::new(&yaml::read(text), &[]).properties("It"), expected);
}

#[test]
fn what_is_unknown_or_wrong_fails() {
    for properties in [
        "{a: !Cidr [x, 1, 2]}",
        "{a: !ImportValue x}",
        "{a: !Ref Nowhere}",
        "{a: !GetAtt Nowhere.Arn}",
        "{a: !GetAtt It.Arn}",
        "{a: !Sub '${Nowhere}'}",
        "{a: !Sub '${Mode'}",
        "{a: !If [Nowhere, 1, 2]}",
        "{a: !FindInMap [Times, '48', Seconds]}",
        "{a: {Fn::Sub: x, b: c}}",
        "{a: !Select [2, !Ref Names]}",
        "{Fn::ForEach::X: [Name, !Ref Names, {same: 1}]}",
        "{Fn::ForEach::X: [Name, !Ref Nowhere, {'${Name}': 1}]}",
    ] {
        assert!(
            catch_unwind(|| evaluated(PARAMETERS, properties, &[])).is_err(),
            "{properties}"
        );
    }
    for parameters in [[("Mode", "three")], [("None", "x")]] {
        assert!(
            catch_unwind(|| evaluated(PARAMETERS, "{}", &parameters)).is_err(),
            "{parameters:?}"
        );
    }
    let conditional = "
Conditions: {Never: !Equals [a, b]}
Resources:
  It: {Type: Some::Thing, Properties: {a: !Ref Other}}
  Other: {Type: Some::Thing, Condition: Never}
";
    assert!(catch_unwind(|| Stack::new(&yaml::read(conditional), &[])).is_err());
}
