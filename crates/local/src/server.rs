//! One HTTP/1.1 server for all endpoints: loopback only, stopped by a token, finishing what it has begun.

use std::{io, net::SocketAddr, time::Duration};

use hyper::{body::Incoming, server::conn::http1};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};
use tokio_util::sync::CancellationToken;

/// How long a stopped server waits for the requests that are under way.
const GRACE: Duration = Duration::from_secs(5);

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
    S: hyper::service::Service<hyper::Request<Incoming>, Response = hyper::Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: hyper::body::Body + Send + 'static,
    B::Data: Send,
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
                        connections.spawn(connection(stream, service.clone(), cancel.clone()));
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
        let finished = tokio::time::timeout(GRACE, async { while connections.join_next().await.is_some() {} }).await;
        if finished.is_err() {
            tracing::warn!(%addr, "requests were still running when the server stopped");
        }
    });
    Ok(Server { addr, task })
}

async fn connection<S, B>(stream: TcpStream, service: S, cancel: CancellationToken)
where
    S: hyper::service::Service<hyper::Request<Incoming>, Response = hyper::Response<B>>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: hyper::body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    // Small answers must not wait for the client's delayed acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "could not set TCP_NODELAY");
    }
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
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
    use super::*;

    #[tokio::test]
    async fn only_loopback_is_served() {
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let service = hyper::service::service_fn(|_: hyper::Request<Incoming>| async {
            Ok::<_, std::convert::Infallible>(hyper::Response::new(String::new()))
        });
        let refused = serve(listener, service, CancellationToken::new());
        assert!(matches!(refused, Err(ServeError::NotLoopback { .. })));
    }
}
