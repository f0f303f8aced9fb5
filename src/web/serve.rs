//! The accept loop: HTTP/1.1 over TCP, with a bound on everything a stranger could hold.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use openssl::sha::sha256;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service as _;

use crate::app::{App, TurnedAway};
use crate::saml::refusal::Refusal;
use crate::web::router;

/// The most connections at once: below the customary limit of 1024 descriptors, so that the
/// database and deliveries keep theirs.
const MAX_CONNECTIONS: usize = 900;
/// How long the head of a request may take, and how long a connection may idle between two.
const HEAD_TIME: Duration = Duration::from_secs(15);
/// The longest head: a browser's cookies and a message in the query.
const MAX_HEAD: usize = 128 * 1024;
/// How long running requests may take to finish once we are told to stop.
const GRACE: Duration = Duration::from_secs(10);
/// How long to wait when the machine has no descriptor left.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// Serves the application on a bound listener until `shutdown` is cancelled, then lets running
/// requests finish, for at most ten seconds. Returns when no connection is left.
pub async fn serve(listener: TcpListener, app: App, shutdown: CancellationToken) {
    let router = router(app.clone());
    let waiting = app.clone();
    let too_long = move |peer: SocketAddr| {
        app.turn_away(&TurnedAway {
            endpoint: "other",
            source: peer.ip(),
            rule: Refusal::TooLarge.rule(),
            digest: sha256(b""),
            why: &"the head of the request is longer than the limit",
        });
    };
    // Those who wait for the end of a session would outlast the grace.
    let release = async {
        shutdown.cancelled().await;
        waiting.release_waiting();
    };
    let http = http(HEAD_TIME);
    tokio::join!(release, accept(listener, router, &http, too_long, shutdown.clone()));
}

/// `too_long` hears of heads that were refused before there was a request.
async fn accept(
    listener: TcpListener,
    router: Router,
    http: &http1::Builder,
    too_long: impl Fn(SocketAddr) + Clone + Send + 'static,
    shutdown: CancellationToken,
) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let connections = TaskTracker::new();
    while let Some((stream, peer, place)) = next(&listener, &room, &shutdown).await {
        let (http, router, shutdown) = (http.clone(), router.clone(), shutdown.clone());
        let too_long = too_long.clone();
        connections.spawn(async move {
            let ended = connection(&http, router, stream, peer, shutdown).await;
            // Any other break of a connection is the other side's affair.
            if ended.is_err_and(|error| error.is_parse_too_large()) {
                too_long(peer);
            }
            drop(place);
        });
    }
    // From here on connecting is refused, so that a load balancer turns to another node at once.
    drop(listener);
    connections.close();
    connections.wait().await;
}

fn http(head_time: Duration) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(head_time).max_buf_size(MAX_HEAD);
    http
}

/// The next connection, with its place among those allowed; none when it is time to stop.
async fn next(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
    shutdown: &CancellationToken,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = tokio::select! {
        () = shutdown.cancelled() => return None,
        place = Arc::clone(room).acquire_owned() => place.ok()?,
    };
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => return None,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => return Some((stream, peer, place)),
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "no connection could be accepted");
                tokio::time::sleep(EXHAUSTED).await;
            }
        }
    }
}

async fn connection(
    http: &http1::Builder,
    router: Router,
    stream: TcpStream,
    peer: SocketAddr,
    shutdown: CancellationToken,
) -> hyper::Result<()> {
    // An answer is one small write: waiting to fill a packet would only delay it.
    if stream.set_nodelay(true).is_err() {
        return Ok(());
    }
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().call(request)
    });
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = shutdown.cancelled() => {}
    }
    connection.as_mut().graceful_shutdown();
    if tokio::time::timeout(GRACE, connection).await.is_err() {
        tracing::warn!("a connection was cut off at the stop");
    }
    Ok(())
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::Notify;

    struct Served {
        address: SocketAddr,
        shutdown: CancellationToken,
        running: tokio::task::JoinHandle<()>,
        too_long: Arc<AtomicUsize>,
    }

    async fn served(router: Router, head_time: Duration) -> Served {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let tracker = TaskTracker::new();
        let stop = shutdown.clone();
        let too_long = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&too_long);
        let heard = move |_| {
            count.fetch_add(1, Ordering::SeqCst);
        };
        let running =
            tracker.spawn(async move { accept(listener, router, &http(head_time), heard, stop).await });
        Served { address, shutdown, running, too_long }
    }

    async fn asked(address: SocketAddr, octets: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(octets).await.unwrap();
        stream
    }

    async fn answer(mut stream: TcpStream) -> String {
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

    #[tokio::test]
    async fn a_handler_learns_the_address_of_the_peer() {
        let router = Router::new()
            .route("/", get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() }));
        let served = served(router, HEAD_TIME).await;
        let stream = asked(served.address, REQUEST).await;
        let own = stream.local_addr().unwrap().to_string();
        assert!(answer(stream).await.ends_with(&own));
    }

    #[tokio::test]
    async fn a_running_request_is_answered_after_the_stop_and_nothing_new_is_taken() {
        let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (inner_begun, inner_go_on) = (Arc::clone(&begun), Arc::clone(&go_on));
        let slow = move || async move {
            inner_begun.notify_one();
            inner_go_on.notified().await;
            "done"
        };
        let served = served(Router::new().route("/", get(slow)), HEAD_TIME).await;
        let stream = asked(served.address, REQUEST).await;
        begun.notified().await;
        served.shutdown.cancel();
        go_on.notify_one();
        assert!(answer(stream).await.ends_with("done"));
        served.running.await.unwrap();
        assert!(TcpStream::connect(served.address).await.is_err());
    }

    #[tokio::test]
    async fn a_head_that_never_ends_does_not_hold_its_connection() {
        let served = served(Router::new(), Duration::from_millis(20)).await;
        let stream = asked(served.address, b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ").await;
        let answered = answer(stream).await;
        assert!(answered.is_empty() || answered.starts_with("HTTP/1.1 408"), "{answered}");
    }

    #[tokio::test]
    async fn val_01_a_head_that_is_too_long_is_refused_without_a_handler_and_heard_of() {
        let served = served(Router::new().route("/", get(|| async { "handled" })), HEAD_TIME).await;
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        let long = format!("GET / HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "a".repeat(2 * MAX_HEAD));
        // The answer may come, and the connection end, before all is written.
        let _ = stream.write_all(long.as_bytes()).await;
        let mut octets = Vec::new();
        let _ = stream.read_to_end(&mut octets).await;
        assert!(!String::from_utf8_lossy(&octets).contains("handled"));
        served.shutdown.cancel();
        served.running.await.unwrap();
        assert_eq!(served.too_long.load(Ordering::SeqCst), 1);
    }
}
