//! A far end that speaks the protocols of Kinesis and Firehose and fails as it is told. Fuzzing uses it too.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_sdk_kinesis::config::{BehaviorVersion, Credentials, Region};
use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use pinlake_dataset::Catalog;
use pinlake_ingest::{App, Bounds, Firehose, Kinesis, Settings, publish::Backoff};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// A record that arrived at Kinesis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Put {
    pub(crate) stream: String,
    pub(crate) data: Vec<u8>,
    pub(crate) partition_key: String,
    pub(crate) explicit_hash_key: Option<String>,
}

/// A record that arrived at Firehose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) stream: String,
    /// With the end of its line.
    pub(crate) data: Vec<u8>,
}

/// How the far end answers one PutRecords or PutRecordBatch request; without a step it stores everything.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Each of these positions fails with the code, the others are stored.
    Some(Vec<(usize, &'static str)>),
    /// The request fails as a whole.
    Whole(u16, &'static str),
    /// No answer, for so long.
    Hang(Duration),
    /// 200, but only so many answers.
    Short(usize),
}

/// The scripted Kinesis and Firehose.
#[derive(Clone, Default)]
pub(crate) struct FarEnd {
    steps: Arc<Mutex<VecDeque<Step>>>,
    always: Arc<Mutex<Option<Step>>>,
    stored: Arc<Mutex<Vec<Put>>>,
    lines: Arc<Mutex<Vec<Line>>>,
    requests: Arc<Mutex<Vec<usize>>>,
}

impl FarEnd {
    /// The next request is answered so.
    pub(crate) fn then(&self, step: Step) -> &Self {
        self.steps.lock().unwrap().push_back(step);
        self
    }

    /// Every request without a step of its own is answered so.
    pub(crate) fn always(&self, step: Step) -> &Self {
        *self.always.lock().unwrap() = Some(step);
        self
    }

    /// Starts anew, with nothing stored.
    pub(crate) fn forget(&self) {
        self.stored.lock().unwrap().clear();
        self.lines.lock().unwrap().clear();
        self.requests.lock().unwrap().clear();
    }

    /// What Kinesis stores, in order.
    pub(crate) fn stored(&self) -> Vec<Put> {
        self.stored.lock().unwrap().clone()
    }

    /// The payloads that Kinesis stores, as text.
    pub(crate) fn payloads(&self) -> Vec<String> {
        self.stored()
            .into_iter()
            .map(|put| String::from_utf8(put.data).unwrap())
            .collect()
    }

    /// What Firehose stores, in order.
    pub(crate) fn lines(&self) -> Vec<Line> {
        self.lines.lock().unwrap().clone()
    }

    /// What Firehose stores, as one text: what will be in the raw objects.
    pub(crate) fn raw(&self) -> String {
        let lines = self
            .lines()
            .into_iter()
            .map(|line| String::from_utf8(line.data).unwrap());
        lines.collect()
    }

    /// How many records each PutRecords or PutRecordBatch request held.
    pub(crate) fn requests(&self) -> Vec<usize> {
        self.requests.lock().unwrap().clone()
    }

    async fn put_records(&self, body: &Value) -> Response {
        let stream = body["StreamName"].as_str().unwrap();
        match self.put(body, |record| self.store(stream, record)).await {
            Ok((failed, entries)) => answer(
                200,
                &json!({"FailedRecordCount": failed, "Records": entries, "EncryptionType": "NONE"}),
            ),
            Err(refused) => refused,
        }
    }

    async fn put_record_batch(&self, body: &Value) -> Response {
        let stream = body["DeliveryStreamName"].as_str().unwrap();
        match self.put(body, |record| self.store_line(stream, record)).await {
            Ok((failed, entries)) => answer(
                200,
                &json!({"FailedPutCount": failed, "RequestResponses": entries, "Encrypted": false}),
            ),
            Err(refused) => refused,
        }
    }

    /// Goes through the records of a request as the script says: how many failed, and an entry each.
    async fn put(&self, body: &Value, store: impl Fn(&Value) -> Value) -> Result<(usize, Vec<Value>), Response> {
        let records = body["Records"].as_array().unwrap();
        self.requests.lock().unwrap().push(records.len());
        let step = self
            .steps
            .lock()
            .unwrap()
            .pop_front()
            .or_else(|| self.always.lock().unwrap().clone());
        let (failing, answers) = match step {
            None => (Vec::new(), records.len()),
            Some(Step::Some(failing)) => (failing, records.len()),
            Some(Step::Short(answers)) => (Vec::new(), answers),
            Some(Step::Whole(status, kind)) => {
                let message = "secret-account-123456789012 said no";
                return Err(answer(status, &json!({"__type": kind, "message": message})));
            }
            Some(Step::Hang(time)) => {
                tokio::time::sleep(time).await;
                (Vec::new(), records.len())
            }
        };
        let entry = |(index, record)| match failing.iter().find(|(position, _)| *position == index) {
            Some((_, code)) => json!({"ErrorCode": code, "ErrorMessage": "secret-account-123456789012"}),
            None => store(record),
        };
        let entries = records.iter().enumerate().take(answers).map(entry).collect();
        Ok((failing.len(), entries))
    }

    fn store(&self, stream: &str, record: &Value) -> Value {
        let mut stored = self.stored.lock().unwrap();
        stored.push(Put {
            stream: stream.to_owned(),
            data: data(record),
            partition_key: record["PartitionKey"].as_str().unwrap().to_owned(),
            explicit_hash_key: record["ExplicitHashKey"].as_str().map(str::to_owned),
        });
        json!({
            "SequenceNumber": format!("4959033827149025660855969253836157{:022}", stored.len()),
            "ShardId": "shardId-000000000003",
        })
    }

    fn store_line(&self, stream: &str, record: &Value) -> Value {
        let mut lines = self.lines.lock().unwrap();
        lines.push(Line {
            stream: stream.to_owned(),
            data: data(record),
        });
        json!({"RecordId": format!("record {}", lines.len())})
    }
}

fn data(record: &Value) -> Vec<u8> {
    base64_simd::STANDARD
        .decode_to_vec(record["Data"].as_str().unwrap())
        .unwrap()
}

fn answer(status: u16, body: &Value) -> Response {
    let headers = [("content-type", "application/x-amz-json-1.1")];
    (StatusCode::from_u16(status).unwrap(), headers, body.to_string()).into_response()
}

async fn serve_aws(State(far_end): State<FarEnd>, headers: HeaderMap, body: Bytes) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap();
    match headers["x-amz-target"].to_str().unwrap() {
        "Kinesis_20131202.PutRecords" => far_end.put_records(&body).await,
        "Kinesis_20131202.DescribeStream" if body["StreamName"] == "pinlake-geo" => answer(
            400,
            &json!({"__type": "ResourceNotFoundException", "message": "secret-account-123456789012"}),
        ),
        "Kinesis_20131202.DescribeStream" => answer(
            200,
            &json!({"StreamDescription": {
                "StreamName": body["StreamName"],
                "StreamARN": "arn:aws:kinesis:us-east-1:123456789012:stream/pinlake-pin",
                "StreamStatus": "ACTIVE",
                "StreamModeDetails": {"StreamMode": "PROVISIONED"},
                "Shards": [
                    {"ShardId": "shardId-000000000000", "HashKeyRange": {"StartingHashKey": "0", "EndingHashKey": "9"},
                     "SequenceNumberRange": {"StartingSequenceNumber": "1", "EndingSequenceNumber": "5"}},
                    {"ShardId": "shardId-000000000001", "ParentShardId": "shardId-000000000000",
                     "HashKeyRange": {"StartingHashKey": "0", "EndingHashKey": "4"},
                     "SequenceNumberRange": {"StartingSequenceNumber": "6"}},
                    {"ShardId": "shardId-000000000002", "ParentShardId": "shardId-000000000000",
                     "HashKeyRange": {"StartingHashKey": "5", "EndingHashKey": "9"},
                     "SequenceNumberRange": {"StartingSequenceNumber": "6"}},
                ],
                "HasMoreShards": false,
                "RetentionPeriodHours": 24,
                "StreamCreationTimestamp": 1.5e9,
                "EnhancedMonitoring": [{"ShardLevelMetrics": []}],
                "EncryptionType": "NONE",
            }}),
        ),
        "Firehose_20150804.PutRecordBatch" => far_end.put_record_batch(&body).await,
        "Firehose_20150804.DescribeDeliveryStream" => describe_delivery_stream(&body),
        _ => answer(400, &json!({"__type": "UnknownOperationException"})),
    }
}

/// There is none for `geo`, and that of `user` is being made.
fn describe_delivery_stream(body: &Value) -> Response {
    let name = body["DeliveryStreamName"].as_str().unwrap();
    let status = match name {
        "pinlake-geo" => {
            let message = "secret-account-123456789012";
            return answer(400, &json!({"__type": "ResourceNotFoundException", "message": message}));
        }
        "pinlake-user" => "CREATING",
        _ => "ACTIVE",
    };
    answer(
        200,
        &json!({"DeliveryStreamDescription": {
            "DeliveryStreamName": name,
            "DeliveryStreamARN": format!("arn:aws:firehose:us-east-1:123456789012:deliverystream/{name}"),
            "DeliveryStreamStatus": status,
            "DeliveryStreamType": "DirectPut",
            "VersionId": "1",
            "Destinations": [],
            "HasMoreDestinations": false,
        }}),
    )
}

/// An SDK client for an endpoint on this machine.
pub(crate) fn sdk(endpoint: &str) -> aws_sdk_kinesis::Client {
    let config = aws_sdk_kinesis::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(endpoint)
        .build();
    aws_sdk_kinesis::Client::from_conf(config)
}

/// A Firehose client for an endpoint on this machine.
pub(crate) fn firehose_sdk(endpoint: &str) -> aws_sdk_firehose::Client {
    let config = aws_sdk_firehose::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(endpoint)
        .build();
    aws_sdk_firehose::Client::from_conf(config)
}

/// The state behind the router, before a scripted far end.
pub(crate) async fn app(settings: Settings) -> (App, FarEnd) {
    let far_end = FarEnd::default();
    let aws = serve(
        Router::new()
            .route("/", post(serve_aws))
            .layer(DefaultBodyLimit::disable())
            .with_state(far_end.clone()),
    )
    .await;
    let backoff = Backoff {
        first: Duration::from_millis(1),
        most: Duration::from_millis(100),
    };
    let kinesis = Kinesis::new(&sdk(&aws), &settings.stream_prefix).with_backoff(backoff);
    let firehose = Firehose::new(&firehose_sdk(&aws), &settings.stream_prefix).with_backoff(backoff);
    (App::new(settings, Catalog::built_in(), kinesis, firehose), far_end)
}

/// Serves on a free port of this machine and answers the base URL.
pub(crate) async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// Limits small enough to be reached by a line of a case file.
pub(crate) fn small_bounds() -> Bounds {
    Bounds {
        body_bytes: 3_000,
        decompressed_bytes: 4_000,
        records: 3,
        batch_records: 4,
        record_bytes: 300,
        ..Bounds::default()
    }
}
