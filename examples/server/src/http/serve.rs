//! The accept loop. HTTP/1 with bounded headers and patience, and an orderly end.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tower::ServiceExt;

/// Most connections at once; further ones wait in the kernel's queue.
pub const CONNECTIONS_MAX: usize = 25_000;
/// How long a peer may take to send the head of a request, idle connections included.
const HEAD_PATIENCE: Duration = Duration::from_secs(60);
/// Most bytes of a request's head.
const HEAD_MAX_BYTES: usize = 64 * 1024;
/// Pause after an accept that failed, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Answers connections until `stop` is ready, then lets those under way finish, at most `patience`.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()>,
    patience: Duration,
) {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut stop = std::pin::pin!(stop);
    loop {
        let next = async {
            // The semaphore is never closed, so there is always a place sooner or later.
            let place = Arc::clone(&places).acquire_owned().await.ok();
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            next = next => next,
            () = &mut stop => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let connection = connection(stream, &router);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            // Peers hang up in many ways; none of them is ours to report.
            drop(connection.await);
            drop(place);
        });
    }
    drop(listener);
    if tokio::time::timeout(patience, graceful.shutdown()).await.is_err() {
        tracing::warn!("connections were cut: they took too long to finish");
    }
}

type Connection = http1::UpgradeableConnection<
    TokioIo<TcpStream>,
    TowerToHyperService<
        tower::util::MapRequest<
            tower::util::BoxCloneSyncService<Request<Body>, axum::response::Response, Infallible>,
            fn(Request<Incoming>) -> Request<Body>,
        >,
    >,
>;

fn connection(stream: TcpStream, router: &Router) -> Connection {
    // Answers are small and awaited: waiting to fill a packet would only delay them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection stays slow");
    }
    let service = tower::util::BoxCloneSyncService::new(router.clone());
    let service = service.map_request(into_axum as fn(_) -> _);
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .max_buf_size(HEAD_MAX_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
        .with_upgrades()
}

fn into_axum(request: Request<Incoming>) -> Request<Body> {
    request.map(Body::new)
}
