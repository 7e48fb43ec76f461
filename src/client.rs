//! Posting rows to Pinlake over HTTP, as a careful producer does: in batches, looking into every answer, sending again
//! what may yet succeed and only that.

mod caller;
mod retry;

use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result, bail};
use clap::ValueEnum;
use reqwest::{Method, Response, StatusCode, header};
use serde::Deserialize;
use serde_json::value::RawValue;
use url::Url;

pub use caller::{ApiKey, Caller, Signer};
pub use retry::Retry;

/// Which of the two APIs to post to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Via {
    /// `PUT /streams/{name}/records`, the Kinesis proxy API.
    Streams,
    /// `POST /topics/{name}`, the Kafka REST Proxy API.
    Topics,
}

/// What became of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was stored; it will reach the table or the quarantine.
    Accepted,
    /// It was refused for what it is; sending it again would not help.
    Rejected(String),
    /// It did not get through, however often it was tried.
    Failed(String),
}

/// What became of the rows of one call.
#[derive(Debug)]
pub struct Sent {
    /// One per row, in order.
    pub outcomes: Vec<Outcome>,
    /// How long each request took, from its first byte to the last of its answer; the repeats are among them.
    pub latencies: Vec<Duration>,
    /// How many of the requests were repeats.
    pub repeats: usize,
    /// Why sending more would be in vain: nobody answers at the address, the name is unknown, a request was refused whole.
    pub fault: Option<Error>,
}

/// A connection to one Pinlake.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    caller: Caller,
    retry: Retry,
}

/// Rows per request: what Kinesis takes at once.
pub const ROWS_PER_REQUEST: usize = 500;
/// Bytes of rows per request: in base64 and framed as JSON below the 4.5 MB of a body that reach a deployed `ingest`, for
/// API Gateway hands it over in base64 once more, and Lambda takes 6 MiB.
pub const BYTES_PER_REQUEST: usize = 3 << 20;

impl Client {
    /// A client for `http://host:port[/stage]`.
    pub fn new(base: &str) -> Result<Self> {
        // What stands before an `@` may be a password.
        let shown = base
            .rsplit_once('@')
            .map_or_else(|| base.to_owned(), |(_, host)| format!("…@{host}"));
        let mut base = Url::parse(base).with_context(|| format!("`{shown}` is no URL"))?;
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            bail!("`{shown}` is no http or https URL");
        }
        if !base.username().is_empty() || base.password().is_some() {
            bail!("the URL of Pinlake holds a name or a password, which it has no use for");
        }
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(35))
            .connect_timeout(Duration::from_secs(5))
            .build()
            .context("could not set up the HTTP client")?;
        Ok(Self {
            http,
            base,
            caller: Caller::default(),
            retry: Retry::default(),
        })
    }

    /// The same client, calling as somebody.
    #[must_use]
    pub fn with_caller(self, caller: Caller) -> Self {
        Self { caller, ..self }
    }

    /// The same client, with other bounds for sending again.
    #[must_use]
    pub fn with_retry(self, retry: Retry) -> Self {
        Self { retry, ..self }
    }

    /// Posts rows to a topic or stream and tells what became of each, in order; the short form of [`Client::send`].
    ///
    /// An error is returned only when sending more would be in vain: an unknown address, an unknown name, a request
    /// refused whole.
    pub async fn post(&self, via: Via, name: &str, rows: &[Vec<u8>]) -> Result<Vec<Outcome>> {
        let sent = self.send(via, name, rows).await;
        sent.fault.map_or(Ok(sent.outcomes), Err)
    }

    /// Posts rows to a topic or stream and tells what became of each.
    ///
    /// What the service could not take for the moment is sent again with growing, jittered pauses, and only that.
    pub async fn send(&self, via: Via, name: &str, rows: &[Vec<u8>]) -> Sent {
        let started = Instant::now();
        let mut sent = Sent {
            outcomes: vec![Outcome::Failed("not sent".into()); rows.len()],
            latencies: Vec::new(),
            repeats: 0,
            fault: None,
        };
        let mut open: Vec<usize> = (0..rows.len()).collect();
        for attempt in 0.. {
            let mut again = Vec::new();
            let (mut asked, mut broken) = (None, None);
            for (request, members) in requests(via, rows, &open) {
                let begun = Instant::now();
                let answer = self.request(via, name, request, members.len()).await;
                sent.latencies.push(begun.elapsed());
                sent.repeats += usize::from(attempt > 0);
                let answers = match answer {
                    Ok(Answer::Judged(answers)) => answers,
                    Ok(Answer::Busy { reason, retry_after }) => {
                        asked = asked.max(retry_after);
                        vec![(Outcome::Failed(reason), true); members.len()]
                    }
                    // A broken connection is worth another try. A row whose answer was lost may so be stored twice:
                    // delivery is at least once, and readers who want one row per key take the latest.
                    Err(error) if error.downcast_ref::<reqwest::Error>().is_some() => {
                        let reason = format!("{error:#}");
                        broken = Some(error);
                        vec![(Outcome::Failed(reason), true); members.len()]
                    }
                    Err(error) => {
                        sent.fault = Some(error);
                        return sent;
                    }
                };
                for (&row, (outcome, retry)) in members.iter().zip(answers) {
                    sent.outcomes[row] = outcome;
                    if retry {
                        again.push(row);
                    }
                }
            }
            if again.is_empty() {
                break;
            }
            open = again;
            let Some(pause) = self.retry.pause(attempt, asked, started.elapsed()) else {
                let tries = attempt + 1;
                for &row in &open {
                    if let Outcome::Failed(reason) = &mut sent.outcomes[row] {
                        *reason = format!("{reason} (given up after {tries} tries)");
                    }
                }
                sent.fault = broken.map(|error| error.context(format!("given up after {tries} tries")));
                break;
            };
            tokio::time::sleep(pause).await;
        }
        sent
    }

    async fn request(&self, via: Via, name: &str, request: Request, rows: usize) -> Result<Answer> {
        let (method, segments) = match via {
            Via::Streams => (Method::PUT, vec!["streams", name, "records"]),
            Via::Topics => (Method::POST, vec!["topics", name]),
        };
        let url = below(&self.base, &segments)?;
        let mut request = self
            .http
            .request(method, url.clone())
            .header(header::CONTENT_TYPE, request.content_type)
            .body(request.body)
            .build()?;
        // Of each try anew: a signature is good for five minutes.
        self.caller.introduce(&mut request).await?;
        let response = self.http.execute(request).await?;
        read_answer(via, &url, response, rows).await
    }
}

/// A path of these segments below an address. A name stays one segment, whatever is in it.
fn below(base: &Url, segments: &[&str]) -> Result<Url> {
    let mut url = base.clone();
    url.set_query(None);
    url.set_fragment(None);
    match url.path_segments_mut() {
        Ok(mut path) => path.pop_if_empty().extend(segments),
        Err(()) => bail!("`{base}` has no path"),
    };
    Ok(url)
}

/// One HTTP request's body.
struct Request {
    content_type: &'static str,
    body: Vec<u8>,
}

/// What an answer says.
enum Answer {
    /// An outcome per row, and whether it is worth sending again.
    Judged(Vec<(Outcome, bool)>),
    /// Nothing was taken; all may be sent again.
    Busy {
        reason: String,
        retry_after: Option<Duration>,
    },
}

/// Cuts rows into requests. `/topics` takes JSON values and base64 in different requests, so rows that are no JSON go
/// apart there; `/streams` takes every row as a line.
fn requests(via: Via, rows: &[Vec<u8>], open: &[usize]) -> Vec<(Request, Vec<usize>)> {
    let is_json = |&row: &usize| serde_json::from_slice::<&RawValue>(&rows[row]).is_ok();
    let groups: Vec<(Vec<usize>, Encoding)> = match via {
        Via::Streams => vec![(open.to_vec(), Encoding::Lines)],
        Via::Topics => {
            let (json, other) = open.iter().partition(|row| is_json(row));
            vec![(json, Encoding::Json), (other, Encoding::Binary)]
        }
    };
    let mut requests = Vec::new();
    for (members, encoding) in groups {
        let mut members = members.as_slice();
        while !members.is_empty() {
            let mut bytes = 0;
            let fits = members.iter().take(ROWS_PER_REQUEST).take_while(|&&row| {
                bytes += rows[row].len();
                bytes <= BYTES_PER_REQUEST
            });
            // A row that is too large on its own is sent alone: the service says so better than we could.
            let (head, tail) = members.split_at(fits.count().max(1));
            requests.push((
                encoding.request(head.iter().map(|&row| rows[row].as_slice())),
                head.to_vec(),
            ));
            members = tail;
        }
    }
    requests
}

#[derive(Clone, Copy)]
enum Encoding {
    Lines,
    Json,
    Binary,
}

impl Encoding {
    fn request<'a>(self, rows: impl Iterator<Item = &'a [u8]>) -> Request {
        let records = |records: Vec<Vec<u8>>| [b"{\"records\":[", records.join(&b","[..]).as_slice(), b"]}"].concat();
        match self {
            Encoding::Lines => Request {
                content_type: "application/x-ndjson",
                body: rows.flat_map(|row| [row, b"\n"]).collect::<Vec<_>>().concat(),
            },
            Encoding::Json => Request {
                content_type: "application/vnd.kafka.json.v2+json",
                body: records(rows.map(|row| [b"{\"value\":", row, b"}"].concat()).collect()),
            },
            Encoding::Binary => Request {
                content_type: "application/vnd.kafka.binary.v2+json",
                body: records(
                    rows.map(|row| {
                        format!("{{\"value\":\"{}\"}}", base64_simd::STANDARD.encode_to_string(row)).into_bytes()
                    })
                    .collect(),
                ),
            },
        }
    }
}

/// The parts of both APIs' answers that tell a row's outcome.
#[derive(Deserialize)]
struct Body {
    #[serde(rename = "Records")]
    records: Option<Vec<StreamRecord>>,
    offsets: Option<Vec<TopicOffset>>,
    message: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StreamRecord {
    error_code: Option<String>,
    error_message: Option<String>,
}

#[derive(Deserialize)]
struct TopicOffset {
    error_code: Option<i64>,
    error: Option<String>,
}

/// The Kafka REST Proxy's code for "try again".
const RETRIABLE_KAFKA_ERROR: i64 = 50003;

async fn read_answer(via: Via, url: &Url, response: Response, rows: usize) -> Result<Answer> {
    let status = response.status();
    let retry_after = response
        .headers()
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .map(Duration::from_secs);
    let bytes = response.bytes().await?;
    let body: Option<Body> = serde_json::from_slice(&bytes).ok();
    let message = body
        .as_ref()
        .and_then(|body| body.message.clone())
        .unwrap_or_else(|| status.to_string());
    if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
        return Ok(Answer::Busy {
            reason: message,
            retry_after,
        });
    }
    let told = body.and_then(|body| match via {
        Via::Streams => Some(
            body.records?
                .into_iter()
                .enumerate()
                .map(stream_outcome)
                .collect::<Vec<_>>(),
        ),
        Via::Topics => Some(body.offsets?.into_iter().map(topic_outcome).collect()),
    });
    match told {
        Some(outcomes) if outcomes.len() == rows => Ok(Answer::Judged(outcomes)),
        // A request of one row that is refused whole tells about that row.
        _ if rows == 1 && matches!(status, StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY) => {
            Ok(Answer::Judged(vec![(Outcome::Rejected(message), false)]))
        }
        Some(outcomes) => bail!("{url} answered {} outcomes for {rows} rows", outcomes.len()),
        None => bail!("{url} answered {}: {message}", status.as_u16()),
    }
}

fn stream_outcome((index, record): (usize, StreamRecord)) -> (Outcome, bool) {
    let Some(code) = record.error_code else {
        return (Outcome::Accepted, false);
    };
    let mut reason = record.error_message.unwrap_or_else(|| code.clone());
    // A line of the request, which is none of the rows' file.
    if let Some(rest) = reason.strip_prefix(&format!("line {}: ", index + 1)) {
        reason = rest.to_owned();
    }
    match code.as_str() {
        "ProvisionedThroughputExceededException" | "InternalFailure" | "ServiceUnavailable" => {
            (Outcome::Failed(reason), true)
        }
        _ => (Outcome::Rejected(reason), false),
    }
}

fn topic_outcome(offset: TopicOffset) -> (Outcome, bool) {
    let Some(code) = offset.error_code else {
        return (Outcome::Accepted, false);
    };
    let reason = offset.error.unwrap_or_else(|| format!("error {code}"));
    if code == RETRIABLE_KAFKA_ERROR {
        (Outcome::Failed(reason), true)
    } else {
        (Outcome::Rejected(reason), false)
    }
}

/// A row's text for people: one line, cut to a width in characters.
pub fn abridge(row: &[u8], width: usize) -> String {
    let line = String::from_utf8_lossy(row).replace(['\n', '\r', '\t'], " ");
    if line.chars().count() <= width {
        return line;
    }
    line.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_hold_every_open_row_once_within_the_limits() {
        let mut rows: Vec<_> = (0..1201).map(|row| format!("{{\"ind\":{row}}}").into_bytes()).collect();
        rows[7] = b"no JSON".to_vec();
        rows[8] = vec![b'x'; BYTES_PER_REQUEST + 1];
        rows[9] = vec![b'y'; BYTES_PER_REQUEST];
        let open: Vec<_> = (1..rows.len()).collect();
        for via in [Via::Streams, Via::Topics] {
            let requests = requests(via, &rows, &open);
            let mut sent: Vec<_> = requests.iter().flat_map(|(_, members)| members.clone()).collect();
            sent.sort_unstable();
            assert_eq!(sent, open, "{via:?}");
            for (_, members) in &requests {
                let bytes: usize = members.iter().map(|&row| rows[row].len()).sum();
                assert!(members.len() <= ROWS_PER_REQUEST, "{via:?}: {} rows", members.len());
                assert!(
                    bytes <= BYTES_PER_REQUEST || members.len() == 1,
                    "{via:?}: {bytes} bytes"
                );
            }
        }
    }

    #[test]
    fn rows_that_are_no_json_go_to_topics_as_base64() {
        let rows = [b"{\"ind\":1}".to_vec(), b"no JSON".to_vec()];
        let bodies: Vec<_> = requests(Via::Topics, &rows, &[0, 1])
            .into_iter()
            .map(|(request, _)| (request.content_type, String::from_utf8(request.body).unwrap()))
            .collect();
        assert_eq!(
            bodies,
            [
                (
                    "application/vnd.kafka.json.v2+json",
                    r#"{"records":[{"value":{"ind":1}}]}"#.to_owned()
                ),
                (
                    "application/vnd.kafka.binary.v2+json",
                    r#"{"records":[{"value":"bm8gSlNPTg=="}]}"#.to_owned()
                ),
            ]
        );
    }

    #[test]
    fn a_url_with_a_password_is_refused_and_not_repeated() {
        for base in [
            "http://jo:hunter2@host/dev",
            "http://hunter2@host/dev",
            "http://jo:hunter2@host:99999/dev",
            "http://jo:hunter2@",
            "ftp://jo:hunter2@host",
        ] {
            let error = format!("{:#}", Client::new(base).unwrap_err());
            assert!(!error.contains("hunter2"), "{base}: {error}");
        }
    }

    #[test]
    fn a_name_stays_one_segment_of_the_path() {
        let base = Url::parse("http://host/dev/?a=1#b").unwrap();
        for (name, path) in [
            ("shop-pin", "/dev/topics/shop-pin"),
            ("../../admin", "/dev/topics/..%2F..%2Fadmin"),
            ("/etc/passwd", "/dev/topics/%2Fetc%2Fpasswd"),
            ("a?b#c", "/dev/topics/a%3Fb%23c"),
            ("a b%2f", "/dev/topics/a%20b%252f"),
            // These two are no segments at all.
            ("..", "/dev/topics"),
            (".", "/dev/topics"),
        ] {
            let url = below(&base, &["topics", name]).unwrap();
            assert_eq!(url.as_str(), format!("http://host{path}"), "{name}");
        }
    }

    #[test]
    fn text_for_people_is_cut_between_characters() {
        assert_eq!(abridge("a\nb".as_bytes(), 10), "a b");
        assert_eq!(abridge("ééééé".as_bytes(), 3), "éé…");
        assert_eq!(abridge(b"\xff", 3), "\u{fffd}");
    }
}
