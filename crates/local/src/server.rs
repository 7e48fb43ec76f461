//! One HTTP/1.1 server for all endpoints: loopback only, stopped by a token, finishing what it has begun.
//!
//! ```text
//! connection ─► head, in time ─► door: Host and Origin of this machine ─► service, with a body that comes in time
//! ```
//!
//! # Invariants
//! - Foreign names and foreign pages are refused before a service sees the request
//!   (`foreign_hosts_and_origins_are_refused`).
//! - A client that sends slowly is not waited for longer than `Patience` says (`slow_heads_and_bodies_are_given_up`).
//! - A connection on which a body lies unread takes no other request, and says so (`an_unread_body_ends_the_connection`).

mod body;
mod door;

use std::{io, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http_body_util::Either;
use hyper::{
    Request, Response,
    body::Incoming,
    header::{CONNECTION, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};
use tokio_util::sync::CancellationToken;

pub(crate) use self::body::{Patient, Wait};

/// What the head of a request may have: its line and all headers. API Gateway takes 10 KiB of headers, S3 keys of 1
/// KiB.
const HEAD_BYTES: usize = 64 << 10;

/// How long a server waits, and for what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// For the head of a request; also for the next request on a connection.
    pub(crate) head: Duration,
    /// For a request's body.
    pub(crate) body: Wait,
    /// When it is stopped, for the requests that are under way.
    pub(crate) end: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(30),
            body: Wait::default(),
            end: Duration::from_secs(5),
        }
    }
}

/// A running endpoint.
#[derive(Debug)]
pub struct Server {
    /// The loopback address that it listens on.
    pub addr: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    /// The base URL to give to a client.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Waits until the server has stopped, which it does when its token is cancelled.
    pub async fn stopped(self) {
        if let Err(error) = self.task.await {
            tracing::error!(%error, "a server task ended badly");
        }
    }
}

/// Why an endpoint cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// These endpoints check no permissions: they are for this machine alone.
    #[error("{addr} is not a loopback address: the local endpoints are served on loopback only")]
    NotLoopback {
        /// The address that the listener is bound to.
        addr: SocketAddr,
    },
    /// The listener gives no address.
    #[error("could not read the address of a listener")]
    Listener(#[source] io::Error),
}

/// Serves `service` on `listener` until `cancel` is cancelled.
pub(crate) fn serve<S, B>(listener: TcpListener, service: S, cancel: CancellationToken) -> Result<Server, ServeError>
where
    S: hyper::service::Service<Request<Patient>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: hyper::body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    serve_with(Patience::default(), listener, service, cancel)
}

/// The same, with other bounds of patience.
pub(crate) fn serve_with<S, B>(
    patience: Patience,
    listener: TcpListener,
    service: S,
    cancel: CancellationToken,
) -> Result<Server, ServeError>
where
    S: hyper::service::Service<Request<Patient>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: hyper::body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let addr = listener.local_addr().map_err(ServeError::Listener)?;
    if !addr.ip().is_loopback() {
        return Err(ServeError::NotLoopback { addr });
    }
    let task = tokio::spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = cancel.cancelled() => break,
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(connection(stream, service.clone(), patience, cancel.clone()));
                    }
                    Err(error) => {
                        // Out of file descriptors, most likely: a pause lets connections end.
                        tracing::warn!(%error, "could not accept a connection");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                },
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
            }
        }
        drop(listener);
        let finished = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(patience.end, finished).await.is_err() {
            tracing::warn!(%addr, "requests were still running when the server stopped");
        }
    });
    Ok(Server { addr, task })
}

async fn connection<S, B>(stream: TcpStream, service: S, patience: Patience, cancel: CancellationToken)
where
    S: hyper::service::Service<Request<Patient>, Response = Response<B>>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: hyper::body::Body<Data = Bytes> + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    // Small answers must not wait for the client's delayed acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "could not set TCP_NODELAY");
    }
    let guarded = service_fn(|request: Request<Incoming>| {
        let let_in = door::check(&request);
        let (head, body) = request.into_parts();
        let (body, end) = Patient::new(body, patience.body);
        let answer = let_in.map(|()| service.call(Request::from_parts(head, body)));
        async move {
            let mut answer = match answer {
                Ok(answer) => answer.await?.map(Either::Left),
                Err(refused) => {
                    tracing::info!(reason = %refused, "refused a request at the door");
                    refused.response().map(Either::Right)
                }
            };
            if !end.is_reached() {
                // What is left of the body stands where the next request should.
                answer
                    .headers_mut()
                    .insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, S::Error>(answer)
        }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience.head)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), guarded);
    let mut serving = std::pin::pin!(serving);
    let mut asked_to_stop = false;
    loop {
        tokio::select! {
            ended = serving.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended early");
                }
                return;
            }
            () = cancel.cancelled(), if !asked_to_stop => {
                asked_to_stop = true;
                serving.as_mut().graceful_shutdown();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http_body_util::{BodyExt as _, Full};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// Answers how many bytes came, or why they did not.
    async fn measure(request: Request<Patient>) -> Result<Response<Full<Bytes>>, Infallible> {
        let told = match request.into_body().collect().await {
            Ok(body) => format!("{} bytes", body.to_bytes().len()),
            Err(error) => error.to_string(),
        };
        Ok(Response::new(Full::new(told.into())))
    }

    /// A server that waits half a second for a head and a second for a body, with 20 milliseconds more for each byte.
    async fn server(cancel: &CancellationToken) -> Server {
        let patience = Patience {
            head: Duration::from_millis(500),
            body: Wait {
                at_most: Duration::from_secs(1),
                per_byte: Duration::from_millis(20),
            },
            end: Duration::from_millis(500),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        serve_with(patience, listener, service_fn(measure), cancel.clone()).unwrap()
    }

    /// Sends parts with a pause after each, and reads to the end of the connection.
    async fn talk(server: &Server, parts: &[&str], pause: Duration) -> String {
        let mut stream = TcpStream::connect(server.addr).await.unwrap();
        for part in parts {
            // The server may have given up.
            let _ = stream.write_all(part.as_bytes()).await;
            tokio::time::sleep(pause).await;
        }
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    #[tokio::test]
    async fn only_loopback_is_served() {
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let refused = serve(listener, service_fn(measure), CancellationToken::new());
        assert!(matches!(refused, Err(ServeError::NotLoopback { .. })));
    }

    #[tokio::test]
    async fn foreign_hosts_and_origins_are_refused() {
        let cancel = CancellationToken::new();
        let server = server(&cancel).await;
        let asked = async |head: &str| {
            let request = format!("POST / HTTP/1.1\r\n{head}connection: close\r\ncontent-length: 2\r\n\r\nhi");
            talk(&server, &[&request], Duration::ZERO).await
        };
        let port = server.addr.port();
        let ours = asked(&format!(
            "host: localhost:{port}\r\norigin: http://localhost:{port}\r\n"
        ))
        .await;
        assert!(ours.starts_with("HTTP/1.1 200") && ours.ends_with("2 bytes"), "{ours}");
        for (head, status, kind) in [
            ("host: evil.example\r\n", 403, "ForbiddenException"),
            (
                "host: localhost\r\norigin: https://evil.example\r\n",
                403,
                "ForbiddenException",
            ),
            ("host: localhost\r\norigin: null\r\n", 403, "ForbiddenException"),
            ("", 400, "BadRequestException"),
        ] {
            let answer = asked(head).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{head}: {answer}");
            assert!(
                answer.contains(&format!("x-amzn-errortype: {kind}")),
                "{head}: {answer}"
            );
            assert!(answer.contains("{\"message\":\""), "{head}: {answer}");
            assert!(
                !answer.contains("bytes") && !answer.contains("evil"),
                "{head}: {answer}"
            );
        }
        cancel.cancel();
        server.stopped().await;
    }

    #[tokio::test]
    async fn an_unread_body_ends_the_connection() {
        let cancel = CancellationToken::new();
        let server = server(&cancel).await;
        for (request, closes) in [
            (
                "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\nhi",
                false,
            ),
            ("GET / HTTP/1.1\r\nhost: evil.example\r\n\r\n", false),
            (
                "POST / HTTP/1.1\r\nhost: evil.example\r\ncontent-length: 2\r\n\r\nhi",
                true,
            ),
            (
                "POST / HTTP/1.1\r\nhost: evil.example\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n",
                true,
            ),
        ] {
            let answers = talk(&server, &[request, request], Duration::ZERO).await;
            assert_eq!(answers.contains("connection: close"), closes, "{request}: {answers}");
            let answered = if closes { 1 } else { 2 };
            assert_eq!(answers.matches("HTTP/1.1 ").count(), answered, "{request}: {answers}");
        }
        cancel.cancel();
        server.stopped().await;
    }

    #[tokio::test]
    async fn slow_heads_and_bodies_are_given_up() {
        let cancel = CancellationToken::new();
        let server = server(&cancel).await;
        let head = "POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 100\r\n\r\n";
        let pause = Duration::from_millis(100);
        // Each part is in time; all together they are not.
        let letters: Vec<_> = head.split_inclusive('o').collect();
        assert!(letters.len() >= 7, "{letters:?}");
        let answer = talk(&server, &letters, pause).await;
        assert!(!answer.contains("200") && !answer.contains("bytes"), "{answer}");
        let trickle: Vec<_> = [head].into_iter().chain(["x"; 20]).collect();
        let answer = talk(&server, &trickle, pause).await;
        assert!(answer.ends_with("the body did not come in time"), "{answer}");
        // Slower than a second in all, but each part brings its time.
        let (forty, twenty) = ("x".repeat(40), "x".repeat(20));
        let paid = [head, &forty, &forty, &twenty];
        let answer = talk(&server, &paid, Duration::from_millis(400)).await;
        assert!(answer.ends_with("100 bytes"), "{answer}");
        cancel.cancel();
        server.stopped().await;
    }
}
