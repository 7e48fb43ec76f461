//! What is posted to the API, and what it answers.

use axum::{
    Router,
    body::Body,
    http::{Request, header::CONTENT_TYPE},
};
use http_body_util::BodyExt as _;
use rand::{RngExt as _, rngs::StdRng};
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// A record that the API said it has taken.
#[derive(Debug, Clone)]
pub(crate) struct Acknowledged {
    pub(crate) payload: String,
    pub(crate) place: Place,
}

/// Where it is by what the API said.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// In this shard, under this number.
    Stream { shard: String, number: String },
    /// On the way into a raw object.
    Raw,
}

/// Whether the definition of `user` takes a payload; known here because they are made here.
pub(crate) fn is_good(payload: &str) -> bool {
    payload.contains("\"good\"")
}

/// A user, or something that is none.
pub(crate) fn payload(number: u64, dice: &mut StdRng) -> Value {
    let name = format!("n{number}");
    match dice.random_range(0..9) {
        0 => json!({"ind": format!("no number {number}"), "first_name": name, "age": 20}),
        1 => json!({"first_name": name, "age": 20}),
        2 => json!({"ind": 3_000_000_000_u64 + number, "first_name": name}),
        _ => json!({"ind": number, "first_name": name, "last_name": "good", "age": number % 90,
                    "date_joined": "2016-02-24 12:13:37"}),
    }
}

/// Posts some payloads by one of the API's ways, and gives back what it has taken.
pub(crate) async fn post(api: &Router, payloads: Vec<Value>, dice: &mut StdRng) -> Vec<Acknowledged> {
    let way = dice.random_range(0..10);
    let texts: Vec<String> = payloads.iter().map(Value::to_string).collect();
    let (method, path, body) = match way {
        0..6 => {
            let records = payloads.into_iter().map(|data| json!({"data": data}));
            (
                "PUT",
                "/streams/user/records",
                json!({"records": records.collect::<Vec<_>>()}),
            )
        }
        6 if payloads.len() == 1 => (
            "PUT",
            "/streams/user/record",
            json!({"Data": payloads[0], "PartitionKey": "p"}),
        ),
        _ => {
            let records = payloads.into_iter().map(|value| json!({"value": value}));
            ("POST", "/topics/user", json!({"records": records.collect::<Vec<_>>()}))
        }
    };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(CONTENT_TYPE, "application/json");
    let response = api
        .clone()
        .oneshot(request.body(Body::from(body.to_string())).unwrap())
        .await
        .unwrap();
    let status = response.status().as_u16();
    let answer = response.into_body().collect().await.unwrap().to_bytes();
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    match (status, path) {
        (200, "/streams/user/record") => acknowledged(&texts, std::slice::from_ref(&answer), stored),
        (200, "/streams/user/records") => acknowledged(&texts, answer["Records"].as_array().unwrap(), stored),
        (200, _) => acknowledged(&texts, answer["offsets"].as_array().unwrap(), filed),
        // Nothing is taken. Overload and faults have these two answers, and nothing was wrong with the request.
        (429 | 503, _) => Vec::new(),
        _ => panic!("{status} for {method} {path}: {answer}"),
    }
}

fn acknowledged(texts: &[String], answers: &[Value], place: impl Fn(&Value) -> Option<Place>) -> Vec<Acknowledged> {
    assert_eq!(texts.len(), answers.len());
    let taken = texts.iter().zip(answers).filter_map(|(payload, answer)| {
        let place = place(answer)?;
        Some(Acknowledged {
            payload: payload.clone(),
            place,
        })
    });
    taken.collect()
}

fn stored(answer: &Value) -> Option<Place> {
    let text = |field: &str| answer[field].as_str().map(str::to_owned);
    Some(Place::Stream {
        shard: text("ShardId")?,
        number: text("SequenceNumber")?,
    })
}

fn filed(answer: &Value) -> Option<Place> {
    answer["error_code"].is_null().then_some(Place::Raw)
}
