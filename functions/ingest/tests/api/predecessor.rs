//! The predecessor's two client calls, exactly as it makes them.

use serde_json::{Value, json};

use crate::support::{Api, Line, Put};

/// A row as the predecessor's database gives it; its clients write it with Python's spacing.
const PIN: &str = r#"{"index": 7528, "unique_id": "fbe53c66-3442-4773-b19e-d3ec6f54dddf", "title": "No Title Data Available", "description": "No description available Story format", "poster_name": "User Info Error", "follower_count": "User Info Error", "tag_list": "N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e", "is_image_or_video": "multi-video(story page format)", "image_src": "Image src error.", "downloaded": 0, "save_location": "Local save in /data/mens-fashion", "category": "mens-fashion"}"#;
const GEO: &str = r#"{"ind": 7528, "timestamp": "2020-08-28 03:52:47", "latitude": -89.9787, "longitude": -173.293, "country": "Albania"}"#;
const USER: &str =
    r#"{"ind": 7528, "first_name": "Abigail", "last_name": "Ali", "age": 20, "date_joined": "2015-10-24 11:23:51"}"#;

#[tokio::test]
async fn batch() {
    let api = Api::start().await;
    for (dataset, row) in [("pin", PIN), ("geo", GEO), ("user", USER)] {
        let path = format!("/dev/topics/0afff2eeb7e3.{dataset}");
        let body = format!(r#"{{"records": [{{"value": {row}}}]}}"#);
        let (status, answer) = api
            .send("POST", &path, "application/vnd.kafka.json.v2+json", body)
            .await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["offsets"][0]["error_code"], Value::Null);
        assert_eq!(answer["offsets"][0]["partition"], 0);
        assert!(answer["offsets"][0]["offset"].as_i64().unwrap() >= 0);
        assert_eq!(answer.as_object().unwrap().len(), 3, "{answer}");
    }
    let expected = [("pin", PIN), ("geo", GEO), ("user", USER)].map(|(dataset, row)| Line {
        stream: format!("pinlake-{dataset}"),
        data: format!("{row}\n").into(),
    });
    assert_eq!(api.far_end.lines(), expected);
}

#[tokio::test]
async fn streaming() {
    let api = Api::start().await;
    for (dataset, row) in [("pin", PIN), ("geo", GEO), ("user", USER)] {
        let stream = format!("streaming-0afff2eeb7e3-{dataset}");
        let body = format!(r#"{{"StreamName": "{stream}", "Data": {row}, "PartitionKey": "partition-1"}}"#);
        let (status, answer) = api
            .send(
                "PUT",
                &format!("/dev/streams/{stream}/record"),
                "application/json",
                body,
            )
            .await;
        assert_eq!(status, 200, "{answer}");
        let expected = json!({
            "SequenceNumber": answer["SequenceNumber"],
            "ShardId": "shardId-000000000003",
        });
        assert_eq!(answer, expected);
    }
    let expected = [("pin", PIN), ("geo", GEO), ("user", USER)].map(|(dataset, row)| Put {
        stream: format!("pinlake-{dataset}"),
        data: row.into(),
        partition_key: "partition-1".into(),
        explicit_hash_key: None,
    });
    assert_eq!(api.far_end.stored(), expected);
}
