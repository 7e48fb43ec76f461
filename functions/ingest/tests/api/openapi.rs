//! The API's description against the API.

use std::collections::HashSet;

use serde_json::Value;

use crate::support::Api;

async fn document() -> Value {
    let api = Api::start().await;
    let response = api.http.get(format!("{}/openapi.json", api.url)).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
    response.json().await.unwrap()
}

#[tokio::test]
async fn every_route_is_described_with_its_answers() {
    let document = document().await;
    let routes = [
        ("/topics", "get"),
        ("/topics/{topic}", "get"),
        ("/topics/{topic}", "post"),
        ("/streams", "get"),
        ("/streams/{stream}", "get"),
        ("/streams/{stream}/record", "put"),
        ("/streams/{stream}/record", "post"),
        ("/streams/{stream}/records", "put"),
        ("/streams/{stream}/records", "post"),
        ("/health", "get"),
        ("/openapi.json", "get"),
    ];
    let paths = document["paths"].as_object().unwrap();
    let operations = || paths.values().flat_map(|path| path.as_object().unwrap().values());
    let names: HashSet<&str> = operations()
        .map(|operation| operation["operationId"].as_str().unwrap())
        .collect();
    assert_eq!(
        names.len(),
        operations().count(),
        "an operation's name is not its own: {names:?}"
    );
    let described: usize = paths.values().map(|path| path.as_object().unwrap().len()).sum();
    assert_eq!(described, routes.len(), "{:?}", paths.keys());
    for (path, method) in routes {
        let operation = &document["paths"][path][method];
        assert!(operation["summary"].is_string(), "{method} {path} has no summary");
        assert!(
            operation["responses"]["200"]["content"].is_object(),
            "{method} {path} has no answer"
        );
        if path.contains('{') {
            assert!(operation["responses"]["404"].is_object(), "{method} {path} has no 404");
        }
        if method == "put" || method == "post" {
            for status in ["400", "408", "413", "415", "422", "429", "500", "503"] {
                assert!(
                    operation["responses"][status]["content"].is_object(),
                    "{method} {path} has no {status}"
                );
            }
            assert!(operation["requestBody"]["content"]["application/json"].is_object());
        }
    }
}

#[tokio::test]
async fn every_reference_leads_somewhere() {
    fn walk(value: &Value, document: &Value, seen: &mut usize) {
        match value {
            Value::Object(fields) => {
                if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
                    *seen += 1;
                    let pointer = reference.strip_prefix('#').unwrap();
                    assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
                }
                fields.values().for_each(|value| walk(value, document, seen));
            }
            Value::Array(values) => values.iter().for_each(|value| walk(value, document, seen)),
            _ => {}
        }
    }
    let document = document().await;
    let mut seen = 0;
    walk(&document, &document, &mut seen);
    assert!(seen > 10);
    let fields = document
        .pointer("/components/schemas/PutRecordsAnswer/properties")
        .unwrap();
    assert!(
        fields.get("FailedRecordCount").is_some() && fields.get("__type").is_some(),
        "{fields}"
    );
    let fields = document
        .pointer("/components/schemas/PutRecordsRequestRecord/properties")
        .unwrap();
    assert!(fields.get("partition-key").is_some(), "{fields}");
}
