//! What a role may do, decided as IAM decides: denied unless a statement allows it, and no statement denies it
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>).

use pinlake_local::Call;
use serde_json::Value;

use crate::stack::{Stack, texts};

/// A role's permissions.
pub(crate) struct Role {
    statements: Vec<Statement>,
}

#[derive(Debug)]
struct Statement {
    allows: bool,
    actions: Vec<String>,
    resources: Vec<String>,
    condition: Value,
}

/// One action on one pattern of resources that a statement allows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Grant {
    pub(crate) action: String,
    pub(crate) resource: String,
    /// The condition as JSON.
    pub(crate) condition: Option<String>,
}

impl Role {
    /// The role with this ARN: its own policies, and those that are attached to it.
    pub(crate) fn by_arn(stack: &Stack, arn: &str) -> Self {
        let name = arn
            .split_once(":role/")
            .unwrap_or_else(|| panic!("`{arn}` is no role"))
            .1;
        let own = stack.properties(name);
        assert!(
            own["ManagedPolicyArns"].is_null(),
            "{name}: what a managed policy allows is unknown to this test"
        );
        let inline = own["Policies"].as_array().into_iter().flatten();
        let attached = stack.of_type("AWS::IAM::RolePolicy").map(|(_, policy)| policy);
        let attached = attached.filter(|policy| policy["RoleName"] == name);
        let documents = inline.chain(attached).map(|policy| &policy["PolicyDocument"]);
        let statements = documents.flat_map(|document| document["Statement"].as_array().unwrap());
        Self {
            statements: statements.map(Statement::read).collect(),
        }
    }

    /// Whether a call with this role succeeds.
    pub(crate) fn allows(&self, call: &Call) -> bool {
        let applies = |allows: bool| {
            self.statements
                .iter()
                .any(|one| one.allows == allows && one.applies(call))
        };
        applies(true) && !applies(false)
    }

    /// All that is allowed, taken apart.
    pub(crate) fn grants(&self) -> Vec<Grant> {
        let allowing = self.statements.iter().filter(|statement| statement.allows);
        let grants = allowing.flat_map(|statement| {
            let pairs = statement.actions.iter().flat_map(|action| {
                let resources = statement.resources.iter();
                resources.map(move |resource| (action.clone(), resource.clone()))
            });
            pairs.map(|(action, resource)| Grant {
                action,
                resource,
                condition: (!statement.condition.is_null()).then(|| statement.condition.to_string()),
            })
        });
        grants.collect()
    }
}

impl Grant {
    /// Whether this very grant allows a call.
    pub(crate) fn covers(&self, call: &Call) -> bool {
        let statement = Statement {
            allows: true,
            actions: vec![self.action.clone()],
            resources: vec![self.resource.clone()],
            condition: self
                .condition
                .as_deref()
                .map(|text| serde_json::from_str(text).unwrap())
                .unwrap_or_default(),
        };
        statement.applies(call)
    }
}

impl Statement {
    fn read(statement: &Value) -> Self {
        for field in statement.as_object().unwrap().keys() {
            let known = ["Sid", "Effect", "Action", "Resource", "Condition"];
            assert!(
                known.contains(&field.as_str()),
                "{field} of a statement is unknown to this test"
            );
        }
        let allows = match statement["Effect"].as_str() {
            Some("Allow") => true,
            Some("Deny") => false,
            other => panic!("{other:?} is no effect"),
        };
        Self {
            allows,
            actions: texts(&statement["Action"]),
            resources: texts(&statement["Resource"]),
            condition: statement["Condition"].clone(),
        }
    }

    fn applies(&self, call: &Call) -> bool {
        let action = call.action.to_lowercase();
        self.actions
            .iter()
            .any(|pattern| is_like(&pattern.to_lowercase(), &action))
            && self.resources.iter().any(|pattern| is_like(pattern, &call.resource))
            && self.condition_holds(call)
    }

    /// A key that the request does not have makes a condition false.
    fn condition_holds(&self, call: &Call) -> bool {
        let operators = self.condition.as_object().into_iter().flatten();
        operators
            .flat_map(|(operator, keys)| {
                keys.as_object()
                    .unwrap()
                    .iter()
                    .map(move |(key, values)| (operator, key, values))
            })
            .all(|(operator, key, values)| {
                let value = match key.as_str() {
                    "s3:prefix" => call.prefix.as_deref(),
                    other => panic!("the condition key {other} is unknown to this test"),
                };
                let matches = |pattern: &str, value: &str| match operator.as_str() {
                    "StringEquals" => pattern == value,
                    "StringLike" => is_like(pattern, value),
                    other => panic!("the condition {other} is unknown to this test"),
                };
                value.is_some_and(|value| texts(values).iter().any(|pattern| matches(pattern, value)))
            })
    }
}

/// Whether a text is like a pattern, in which `*` is any text and `?` any character.
fn is_like(pattern: &str, text: &str) -> bool {
    let mut patterns = pattern.chars();
    match patterns.next() {
        None => text.is_empty(),
        Some('*') => {
            let rest = patterns.as_str();
            is_like(rest, text)
                || text
                    .char_indices()
                    .any(|(at, c)| is_like(rest, &text[at + c.len_utf8()..]))
        }
        Some(wanted) => {
            let mut characters = text.chars();
            let matches = characters.next().is_some_and(|found| wanted == '?' || wanted == found);
            matches && is_like(patterns.as_str(), characters.as_str())
        }
    }
}

/// A call, for examples.
pub(crate) fn call(action: &str, resource: &str, prefix: Option<&str>) -> Call {
    Call {
        caller: "somebody".into(),
        action: action.into(),
        resource: resource.into(),
        prefix: prefix.map(str::to_owned),
    }
}

#[test]
fn patterns_are_those_of_iam() {
    for (pattern, text, expected) in [
        ("*", "", true),
        ("a*c", "abbc", true),
        ("a*c", "abbd", false),
        ("a?c", "abc", true),
        ("a?c", "ac", false),
        ("arn:aws:s3:::b/tables/*", "arn:aws:s3:::b/tables/pin/x", true),
        ("arn:aws:s3:::b/tables/*", "arn:aws:s3:::b/tables", false),
        ("arn:aws:s3:::b", "arn:aws:s3:::b/tables", false),
        ("*é*", "caféteria", true),
    ] {
        assert_eq!(is_like(pattern, text), expected, "{pattern} {text}");
    }
}

#[test]
fn statements_are_decided_as_iam_does() {
    let text = "
Conditions: {Never: !Equals [a, b]}
Resources:
  It:
    Type: AWS::IAM::Role
    Properties:
      Policies:
        - PolicyDocument:
            Statement:
              - {Effect: Allow, Action: 's3:Get*', Resource: ['arn:b/a/*', 'arn:b/b/*']}
              - {Effect: Allow, Action: s3:ListBucket, Resource: 'arn:b', Condition: {StringLike: {s3:prefix: [a/*, c]}}}
              - {Effect: Deny, Action: s3:GetObject, Resource: 'arn:b/a/secret/*'}
              - !If [Never, {Effect: Allow, Action: '*', Resource: '*'}, !Ref AWS::NoValue]
  More:
    Type: AWS::IAM::RolePolicy
    Properties:
      RoleName: !Ref It
      PolicyDocument: {Statement: [{Effect: Allow, Action: s3:PutObject, Resource: 'arn:b/c'}]}
  Others:
    Type: AWS::IAM::RolePolicy
    Properties:
      RoleName: other
      PolicyDocument: {Statement: [{Effect: Allow, Action: '*', Resource: '*'}]}
";
    let stack = Stack::new(&crate::yaml::read(text), &[]);
    let role = Role::by_arn(&stack, "arn:aws:iam::000000000000:role/It");
    for (action, resource, prefix, expected) in [
        ("s3:GetObject", "arn:b/a/1", None, true),
        ("S3:getobject", "arn:b/b/1", None, true),
        ("s3:GetObject", "arn:b/a/secret/1", None, false),
        ("s3:PutObject", "arn:b/a/1", None, false),
        ("s3:PutObject", "arn:b/c", None, true),
        ("s3:ListBucket", "arn:b", Some("a/x/"), true),
        ("s3:ListBucket", "arn:b", Some("c"), true),
        ("s3:ListBucket", "arn:b", Some("d"), false),
        // As a missing object is: it is not asked for by a prefix.
        ("s3:ListBucket", "arn:b", None, false),
    ] {
        let call = call(action, resource, prefix);
        assert_eq!(role.allows(&call), expected, "{call:?}");
        let by_one = role.grants().iter().any(|grant| grant.covers(&call));
        assert_eq!(by_one, expected || resource.contains("secret"), "{call:?}");
    }
    assert_eq!(
        text_of(&role.grants()),
        [
            "s3:Get* arn:b/a/*",
            "s3:Get* arn:b/b/*",
            "s3:ListBucket arn:b",
            "s3:PutObject arn:b/c"
        ]
    );
}

fn text_of(grants: &[Grant]) -> Vec<String> {
    grants
        .iter()
        .map(|grant| format!("{} {}", grant.action, grant.resource))
        .collect()
}
