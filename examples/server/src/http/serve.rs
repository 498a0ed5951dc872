//! The accept loop. HTTP/1 with bounded headers and patience, and an orderly end.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tower::ServiceExt;

/// Most connections at once; further ones wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 25_000;
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
    let (stopping, stopped) = watch::channel(false);
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut stop = pin!(stop);
    loop {
        // The semaphore is never closed, so there is a place sooner or later.
        let place = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => place.ok(),
            () = &mut stop => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let answered = answer(stream, router.clone(), stopped.clone());
                tokio::spawn(async move {
                    answered.await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    drop(stopped);
    stopping.send_replace(true);
    // Every connection holds a receiver; the channel closes when the last one ends.
    if tokio::time::timeout(patience, stopping.closed()).await.is_err() {
        tracing::warn!("connections were cut: they took too long to finish");
    }
}

/// Answers the requests of one connection.
async fn answer(stream: TcpStream, router: Router, mut stopped: watch::Receiver<bool>) {
    // Answers are small and awaited: waiting to fill a packet would only delay them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection stays slow");
    }
    let service = router.map_request(|request: Request<Incoming>| request.map(Body::new));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .max_buf_size(HEAD_MAX_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
        .with_upgrades();
    let mut connection = pin!(connection);
    tokio::select! {
        // Peers hang up in many ways; none of them is ours to report.
        _ = connection.as_mut() => return,
        _ = stopped.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
    }
    drop(connection.await);
}
