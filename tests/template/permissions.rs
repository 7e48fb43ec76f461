//! What the functions do on AWS, against what their roles allow.
//!
//! A whole day is run on this machine, with each function signing as itself. Every call that arrives at the local endpoints
//! has to be allowed by the caller's role in the template, and everything that a role allows has to have been called.

use std::collections::BTreeSet;

use pinlake::pipeline::keys;
use pinlake_local::Call;
use serde_json::Value;

use crate::{
    day::day,
    functions::EVERYTHING,
    iam::{Grant, Role, call},
    stack::{STACK, Stack, deployed, text},
};

/// Roles that nobody has on this machine.
const NOT_HERE: [(&str, &str); 2] = [
    ("SchedulerRole", "the local schedules call the functions themselves"),
    ("ApiGatewayLogWriter", "there is no API Gateway on this machine"),
];

/// Why something is allowed that is not called in [`day`](crate::day).
struct Excuse {
    who: &'static str,
    actions: Vec<&'static str>,
    resource: &'static str,
    line: &'static str,
}

fn excuses() -> Vec<Excuse> {
    let lines = include_str!("permissions/not_called.txt").lines();
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let excuse = |line: &'static str| {
        let columns: Vec<_> = line.split('|').map(str::trim).collect();
        let [who, actions, resource, _why] = columns[..] else {
            panic!("{line}");
        };
        Excuse {
            who,
            actions: actions.split(' ').collect(),
            resource,
            line,
        }
    };
    lines.map(excuse).collect()
}

impl Excuse {
    fn is_for(&self, caller: &str, grant: &Grant) -> bool {
        let is_action = |action: &&str| match action.strip_suffix('*') {
            Some(service) => grant.action.starts_with(service),
            None => grant.action == *action,
        };
        (self.who == "*" || keys(self.who).access_key_id == caller)
            && self.actions.iter().any(is_action)
            && (self.resource == "*" || grant.resource.contains(self.resource))
    }
}

/// Who calls in the local run: the functions, and Firehose; each with its role in a stack.
fn roles(stack: &Stack) -> Vec<(String, Role, String)> {
    let functions = stack
        .of_type("AWS::Serverless::Function")
        .map(|(_, properties)| (text(&properties["FunctionName"]), text(&properties["Role"])));
    let deliveries: BTreeSet<_> = stack
        .of_type("AWS::KinesisFirehose::DeliveryStream")
        .map(|(_, properties)| text(&properties["ExtendedS3DestinationConfiguration"]["RoleARN"]))
        .collect();
    let deliveries = deliveries.into_iter().map(|arn| (keys("delivery").access_key_id, arn));
    let callers = functions.chain(deliveries);
    callers
        .map(|(caller, arn)| (caller, Role::by_arn(stack, &arn), arn))
        .collect()
}

fn role(stack: &Stack, function: &str) -> Role {
    let caller = keys(function).access_key_id;
    let mut of_caller = roles(stack).into_iter().filter(|(name, ..)| *name == caller);
    let (_, role, _) = of_caller.next().unwrap_or_else(|| panic!("nobody is called {caller}"));
    assert!(of_caller.next().is_none(), "{caller} has two roles");
    role
}

#[test]
fn each_call_is_allowed() {
    let calls = &day().calls;
    for parameters in [&[][..], &EVERYTHING] {
        let stack = deployed(parameters);
        let roles = roles(&stack);
        let denied = calls.iter().filter(|call| {
            let found = roles.iter().find(|(caller, ..)| *caller == call.caller);
            let (_, role, _) = found.unwrap_or_else(|| panic!("{call:?}: nobody in template.yaml is called so"));
            !role.allows(call)
        });
        let denied: Vec<_> = denied.collect();
        assert!(
            denied.is_empty(),
            "the code makes calls that template.yaml does not allow, with {parameters:?}; allow them in the role of their \
             caller: {denied:#?}"
        );
    }
}

#[test]
fn each_permission_is_used() {
    let (calls, excuses, mut granted) = (&day().calls, excuses(), BTreeSet::new());
    for parameters in [&[][..], &EVERYTHING] {
        let stack = deployed(parameters);
        for (caller, role, _) in roles(&stack) {
            let own = |call: &&Call| call.caller == caller;
            for grant in role.grants() {
                let is_used = calls.iter().filter(own).any(|call| grant.covers(call));
                let excused: Vec<_> = excuses.iter().filter(|excuse| excuse.is_for(&caller, &grant)).collect();
                assert!(
                    is_used || !excused.is_empty(),
                    "{caller} may {} on {}{}, with {parameters:?}, and does not: take it from its role in template.yaml, \
                     or give the reason in not_called.txt",
                    grant.action,
                    grant.resource,
                    grant
                        .condition
                        .as_ref()
                        .map(|condition| format!(" if {condition}"))
                        .unwrap_or_default()
                );
                granted.extend(excused.into_iter().map(|excuse| excuse.line));
            }
        }
    }
    for excuse in excuses {
        assert!(
            granted.contains(excuse.line),
            "template.yaml has no such permission: {}",
            excuse.line
        );
    }
}

#[test]
fn no_permission_is_wider_than_its_name() {
    // Actions that know no resources, or none yet.
    let without_resource = ["xray:", "ec2:"];
    for parameters in [&[][..], &EVERYTHING] {
        for (caller, role, _) in roles(&deployed(parameters)) {
            for grant in role.grants() {
                assert!(!grant.action.contains('*'), "{caller}: name the actions: {grant:?}");
                let may_be_any = without_resource.iter().any(|service| grant.action.starts_with(service));
                assert!(
                    grant.resource != "*" || may_be_any,
                    "{caller}: name the resource: {grant:?}"
                );
                if let Some(key) = grant.resource.strip_prefix("arn:aws:s3:::pinlake/") {
                    let folder = key
                        .strip_suffix("/*")
                        .unwrap_or_else(|| panic!("{caller}: {grant:?} is no folder"));
                    assert!(!folder.contains('*'), "{caller}: name the folder: {grant:?}");
                }
            }
        }
    }
}

#[test]
fn each_role_belongs_to_somebody() {
    for parameters in [&[][..], &EVERYTHING] {
        let stack = deployed(parameters);
        let held: BTreeSet<_> = roles(&stack).into_iter().map(|(_, _, arn)| arn).collect();
        for (id, _) in stack.of_type("AWS::IAM::Role") {
            let is_held = held.iter().any(|arn| arn.ends_with(&format!(":role/{id}")));
            let elsewhere = NOT_HERE.iter().any(|(role, _)| *role == id);
            assert!(
                is_held != elsewhere,
                "{id}: which caller of the local run has this role? If none, say why in NOT_HERE"
            );
        }
    }
}

#[test]
fn nobody_may_do_what_is_another_s_work() {
    let stack = deployed(&[]);
    let lake = "arn:aws:s3:::pinlake";
    let object = |key: &str| format!("{lake}/{key}");
    let stream = |name: &str| format!("arn:aws:kinesis:us-east-1:000000000000:stream/{name}");
    let delivery = |name: &str| format!("arn:aws:firehose:us-east-1:000000000000:deliverystream/{name}");
    let denied = [
        ("ingest", "s3:GetObject", object("tables/pin/*"), None),
        ("ingest", "s3:GetObject", object("raw/pin/*"), None),
        ("ingest", "s3:PutObject", object("definitions/pin.toml"), None),
        ("ingest", "s3:ListBucket", lake.to_owned(), Some("tables/pin/")),
        ("ingest", "s3:ListBucket", lake.to_owned(), None),
        ("ingest", "kinesis:PutRecords", stream("other-pin"), None),
        ("ingest", "kinesis:GetRecords", stream("pinlake-pin"), None),
        ("ingest", "firehose:PutRecordBatch", delivery("other-pin"), None),
        ("ingest", "firehose:DeleteDeliveryStream", delivery("pinlake-pin"), None),
        ("stream", "s3:PutObject", object("raw/pin/*"), None),
        ("stream", "s3:GetObject", object("raw/pin/*"), None),
        ("stream", "s3:PutObject", object("results/x/*"), None),
        ("stream", "s3:PutObject", object("definitions/pin.toml"), None),
        ("stream", "kinesis:PutRecords", stream("pinlake-pin"), None),
        ("stream", "kinesis:GetRecords", stream("other-pin"), None),
        ("analytics", "kinesis:PutRecords", stream("pinlake-pin"), None),
        ("analytics", "kinesis:GetRecords", stream("pinlake-pin"), None),
        ("analytics", "firehose:PutRecordBatch", delivery("pinlake-pin"), None),
        ("analytics", "s3:PutObject", object("raw/pin/*"), None),
        ("analytics", "s3:DeleteObject", object("raw/pin/*"), None),
        ("analytics", "s3:DeleteObject", object("results/x/*"), None),
        ("analytics", "s3:PutObject", object("reports/x.sql"), None),
        ("maintain", "s3:GetObject", object("raw/pin/*"), None),
        ("maintain", "s3:DeleteObject", object("raw/pin/*"), None),
        ("maintain", "s3:PutObject", object("results/x/*"), None),
        ("delivery", "s3:GetObject", object("raw/pin/*"), None),
        ("delivery", "s3:PutObject", object("tables/pin/*"), None),
        ("delivery", "s3:DeleteObject", object("raw/pin/*"), None),
    ];
    for (caller, action, resource, prefix) in denied {
        let asked = call(action, &resource, prefix);
        assert!(
            !role(&stack, caller).allows(&asked),
            "{caller} may do what is not its work: {asked:?}"
        );
    }
    // None may reach over to another bucket.
    for (caller, role, _) in roles(&stack) {
        for action in ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"] {
            let asked = call(action, "arn:aws:s3:::other/tables/pin/*", None);
            assert!(!role.allows(&asked), "{caller}: {asked:?}");
        }
    }
}

#[test]
fn the_bucket_takes_no_request_without_tls() {
    let stack = deployed(&[]);
    let statements = stack.properties("LakePolicy")["PolicyDocument"]["Statement"]
        .as_array()
        .unwrap()
        .clone();
    let denies = |statement: &&Value| {
        statement["Effect"] == "Deny"
            && statement["Principal"] == "*"
            && statement["Action"] == "s3:*"
            && statement["Condition"]["Bool"]["aws:SecureTransport"] == "false"
    };
    let denial = statements
        .iter()
        .find(denies)
        .expect("no statement denies requests without TLS");
    let bucket = format!("arn:aws:s3:::{STACK}");
    assert_eq!(denial["Resource"], serde_json::json!([bucket, format!("{bucket}/*")]));
}
