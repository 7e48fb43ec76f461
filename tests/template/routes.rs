//! The routes of the API, against those of ingest's router.

use std::{collections::BTreeSet, path::Path};

use pinlake::pipeline::{Options, Pipeline};
use serde_json::{Value, json};

use crate::stack::{deployed, text};

/// In the API's definition: all methods of a path.
const ANY: &str = "x-amazon-apigateway-any-method";
const INTEGRATION: &str = "x-amazon-apigateway-integration";

/// What the API is defined by, with this value of `ApiAuth`.
fn definition(auth: &str) -> Value {
    deployed(&[("ApiAuth", auth)]).properties("Api")["DefinitionBody"].clone()
}

/// The methods of each path of a definition.
fn operations(definition: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = definition["paths"].as_object().unwrap().iter();
    paths.flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().iter();
        methods.map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

/// The router's own description, which is made from its handlers.
async fn described() -> Value {
    let state = tempfile::tempdir().unwrap();
    let pipeline = Pipeline::start(Options::anywhere(Path::new(state.path())))
        .await
        .unwrap();
    let url = pipeline.url().join("openapi.json").unwrap();
    let document = reqwest::get(url).await.unwrap().json().await.unwrap();
    pipeline.stop().await;
    document
}

#[tokio::test]
async fn the_api_has_the_routes_of_the_router() {
    let (definition, document) = (definition("AWS_IAM"), described().await);
    let paths = |of: &Value| {
        of["paths"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(
        paths(&definition),
        paths(&document),
        "left: paths of the Api in template.yaml, right: paths of ingest's router"
    );
    for path in paths(&document) {
        let methods: BTreeSet<_> = definition["paths"][&path]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect();
        // Any method comes to the router, which refuses the wrong ones in the language of its API.
        if methods == BTreeSet::from([ANY.to_owned()]) {
            continue;
        }
        let routed: BTreeSet<_> = document["paths"][&path].as_object().unwrap().keys().cloned().collect();
        assert_eq!(
            methods, routed,
            "left: methods of {path} in template.yaml, right: in ingest's router"
        );
    }
}

#[test]
fn each_route_names_its_path_parameters_and_goes_to_ingest() {
    let (definition, stack) = (definition("AWS_IAM"), deployed(&[]));
    let ingest = stack.properties("IngestFunction");
    let function = format!(
        "arn:aws:lambda:us-east-1:000000000000:function:{}",
        text(&ingest["FunctionName"])
    );
    let uri = format!("arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function}/invocations");
    for (path, method, operation) in operations(&definition) {
        let segments = path
            .split('/')
            .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
        let declared = operation["parameters"].as_array().into_iter().flatten();
        let declared = declared.map(|parameter| {
            assert_eq!(
                (&parameter["in"], &parameter["required"]),
                (&json!("path"), &json!(true)),
                "{path}"
            );
            parameter["name"].as_str().unwrap()
        });
        assert_eq!(
            declared.collect::<Vec<_>>(),
            segments.collect::<Vec<_>>(),
            "{method} {path}: left: its parameters in template.yaml, right: those in its path"
        );
        let integration = &operation[INTEGRATION];
        assert_eq!(
            (&integration["type"], &integration["httpMethod"]),
            (&json!("aws_proxy"), &json!("POST")),
            "{path}"
        );
        assert_eq!(integration["uri"], uri, "{method} {path} does not go to ingest");
        // API Gateway gives up after Lambda does, and ingest answers before both.
        let waits_ms = integration["timeoutInMillis"].as_u64().unwrap();
        let function_ms = ingest["Timeout"].as_u64().unwrap() * 1000;
        let own_ms: u64 = text(&ingest["Environment"]["Variables"]["REQUEST_TIMEOUT_MS"])
            .parse()
            .unwrap();
        assert!(
            own_ms < function_ms && function_ms <= waits_ms,
            "{path}: {own_ms}, {function_ms}, {waits_ms} ms"
        );
    }
    let permission = stack.properties("IngestInvocation");
    assert_eq!(permission["FunctionName"], ingest["FunctionName"]);
}

#[test]
fn no_route_is_open_unless_opening_is_asked_for() {
    for (auth, security) in [
        ("AWS_IAM", json!([{"sigv4": []}])),
        ("API_KEY", json!([{"api_key": []}])),
        ("OPEN_TO_EVERYBODY_ON_THE_INTERNET", json!([])),
    ] {
        let definition = definition(auth);
        for (path, method, operation) in operations(&definition) {
            assert_eq!(operation["security"], security, "{method} {path} with ApiAuth={auth}");
        }
        let schemes = &definition["components"]["securitySchemes"];
        assert_eq!(schemes["sigv4"]["x-amazon-apigateway-authtype"], "awsSigv4");
        assert_eq!(schemes["api_key"]["name"], "x-api-key");
    }
    let keyed = deployed(&[("ApiAuth", "API_KEY")]);
    assert_eq!(
        keyed.of_type("AWS::ApiGateway::UsagePlanKey").count(),
        1,
        "a key that is in no plan opens nothing"
    );
}
