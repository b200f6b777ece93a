//! Connections: bounds on heads and headers, and an end that lets replies under way finish. Knows no route.

use std::{io, time::Duration};

use axum::Router;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Longest time a request's head may take to arrive, and a kept connection may be silent.
const HEAD_TIME: Duration = Duration::from_secs(30);
/// What a connection of HTTP/2 begins with.
const HTTP_2: &[u8] = b"PRI * HTTP/2.0";
/// Bytes of a request's head: line and headers.
const HEAD_BYTES: usize = 64 * 1024;
/// Headers of a request.
const HEADERS: usize = 100;
/// Requests at the same time over one HTTP/2 connection.
const STREAMS: u32 = 250;
/// Pause after a failed `accept`, which says that we are out of file handles.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `router` until `stop`, then lets each connection finish what it has begun.
///
/// Returns once all connections are closed; the caller bounds how long that may take.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let connections = TaskTracker::new();
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, _)) => {
                connections.spawn(connection(stream, router.clone(), stop.clone()));
            }
            Err(error) => pause(&error).await,
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn pause(error: &io::Error) {
    tracing::error!(%error, "no connection could be accepted");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

async fn connection(stream: TcpStream, router: Router, stop: CancellationToken) {
    // Events are small and wanted at once.
    let _ = stream.set_nodelay(true);
    let Some(Some(builder)) = stop.run_until_cancelled(builder_for(&stream)).await else { return };
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // Clients that go away are everyday life.
        tracing::debug!(error, "connection ended early");
    }
}

/// `None` for a connection that says nothing.
///
/// What reads the first bytes to tell HTTP/1 from HTTP/2 goes on with a buffer of twice the size for as long as the
/// connection lasts. So they are looked at here, and where they say that it is HTTP/1, nobody else has to.
async fn builder_for(stream: &TcpStream) -> Option<auto::Builder<TokioExecutor>> {
    let mut first = [0; HTTP_2.len()];
    let looked = tokio::time::timeout(HEAD_TIME, stream.peek(&mut first)).await.ok()?;
    let seen = looked.ok().and_then(|count| first.get(..count)).filter(|seen| !seen.is_empty())?;
    Some(if HTTP_2.starts_with(seen) { builder() } else { builder().http1_only() })
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    let mut http1 = builder.http1();
    http1.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(HEAD_BYTES).max_headers(HEADERS);
    let mut http2 = builder.http2();
    http2.timer(TokioTimer::new()).max_header_list_size(HEAD_BYTES as u32).max_concurrent_streams(STREAMS);
    builder
}

#[cfg(test)]
mod tests {
    use axum::routing::any;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    struct Server {
        address: std::net::SocketAddr,
        stop: CancellationToken,
        task: tokio::task::JoinHandle<()>,
    }

    impl Server {
        async fn start() -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let (address, stop) = (listener.local_addr().expect("an address"), CancellationToken::new());
            let task = tokio::spawn(serve(listener, Router::new().route("/", any(|| async { "well" })), stop.clone()));
            Self { address, stop, task }
        }

        /// A client that has sent pieces, one after the other.
        async fn client(&self, pieces: &[&[u8]]) -> TcpStream {
            let mut client = TcpStream::connect(self.address).await.expect("a connection");
            client.set_nodelay(true).expect("no delay");
            for piece in pieces {
                client.write_all(piece).await.expect("sent");
                // Each arrives by itself.
                tokio::task::yield_now().await;
            }
            client
        }

        async fn end(self) {
            self.stop.cancel();
            self.task.await.expect("it ends");
        }
    }

    #[tokio::test]
    async fn http_1_is_known_however_its_first_bytes_come() {
        let server = Server::start().await;
        for pieces in [
            &[b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".as_slice()] as &[&[u8]],
            &[b"P", b"O", b"ST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"],
            &[b"PR", b"OPFIND / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"],
            &[b"GET / HT", b"TP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"],
        ] {
            let mut said = String::new();
            server.client(pieces).await.read_to_string(&mut said).await.expect("an answer");
            assert!(said.starts_with("HTTP/1.1 200 OK\r\n") && said.ends_with("well"), "{said}");
        }
        server.end().await;
    }

    #[tokio::test]
    async fn http_2_is_spoken_to_who_begins_with_it() {
        let server = Server::start().await;
        // The preface and empty settings.
        let mut client = server.client(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[0, 0, 0, 4, 0, 0, 0, 0, 0]]).await;
        let mut head = [0; 9];
        client.read_exact(&mut head).await.expect("a frame");
        assert_eq!(head[3], 4, "the server's settings: {head:?}");
        drop(client);
        server.end().await;
    }

    #[tokio::test]
    async fn who_says_nothing_holds_nobody_up() {
        let server = Server::start().await;
        let mut silent = server.client(&[]).await;
        drop(server.client(&[]).await);
        server.end().await;
        assert_eq!(silent.read(&mut [0; 1]).await.expect("the end"), 0);
    }
}
