//! The HTTP server: its listener, its connections, and the stop.

mod connection;
mod router;
#[cfg(test)]
mod tests;
mod unparsed;

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use directory_proto::client::{DirectoryClient, InvalidTarget};
use directory_proto::service::settings::SettingsError;
use directory_proto::service::tls::{Certificate, ServerStream, show_expiry};
use directory_proto::service::{Runtime, admin, stop_on_signals};
use directory_proto::v1::WhoAmIRequest;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tonic::Code;

use self::connection::Guarded;
pub(crate) use self::router::router;
use crate::auth::Callers;
use crate::config::{Config, Limits, ServeArgs};
use crate::metrics;
use crate::translate::link::BaseUrl;
use crate::upstream::Gateway;

/// How often a silent HTTP/2 connection is asked whether it is still there.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);
/// How many requests one HTTP/2 connection may have open at once.
const STREAMS: u32 = 128;
/// How large the head of an HTTP/2 request may be: a URL as long as HTTP/1 allows, and headers.
const HEAD_BYTES: u32 = 80 * 1024;
/// How long to wait before a directory that is not there yet is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// Why the gateway does not run (any more).
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Settings cannot be used.
    #[error(transparent)]
    Config(#[from] SettingsError),
    /// The directory's address cannot be used.
    #[error("GATEWAY_DIRECTORY_ENDPOINT")]
    Endpoint(#[from] InvalidTarget),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A listener broke.
    #[error("a listener broke")]
    Listener(#[from] io::Error),
}

/// Binds both listeners and serves until a signal: all of `gateway serve`.
///
/// # Errors
/// [`RunError`] if the settings cannot be used or an address is taken.
pub async fn serve(args: ServeArgs, runtime: &Runtime) -> Result<(), RunError> {
    let serve = args.check()?;
    for clear in serve.in_the_clear {
        tracing::warn!(
            setting = clear.setting(),
            "leads off this machine without encryption, as GATEWAY_ALLOW_PLAINTEXT says"
        );
    }
    stop_on_signals(runtime, serve.config.shutdown_drain);
    let probes = bind(serve.admin_listen).await?;
    let scim = bind(serve.listen).await?;
    tokio::select! {
        probed = admin::serve(probes, runtime.clone()) => Ok(probed?),
        ran = run(serve.config, scim, runtime) => ran,
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, RunError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| RunError::Listen { address, source })
}

/// Serves SCIM on `listener` until the runtime stops, then lets open requests finish within the grace. The gateway is
/// ready once its directory has answered, and stays ready when the directory goes away: then it answers 503, as every
/// other replica would.
///
/// # Errors
/// [`RunError`] if the directory's address cannot be used or the listener breaks.
pub async fn run(config: Config, listener: TcpListener, runtime: &Runtime) -> Result<(), RunError> {
    let health = runtime.health.component("gateway");
    let gateway = Gateway {
        directory: DirectoryClient::at(&config.directory, config.directory_tls.clone())?,
        callers: Callers::new(),
        scheme: if config.tls.is_some() { "https" } else { "http" },
        public_base: config.public_url.as_deref().map(BaseUrl::public),
        trusts_forwarded: config.trust_forwarded,
    };
    metrics::register_build();
    metrics::draining(false);
    metrics::register_endpoints(&gateway.directory);
    show_certificates(&config);
    let directory = gateway.directory.clone();
    let limits = config.limits;
    let router = router(gateway, limits);
    tracing::info!(address = %listener.local_addr()?, "serving SCIM 2.0");
    health.set_started();
    let mut background = JoinSet::new();
    let ready = health.clone();
    background.spawn(async move {
        answered_once(&directory).await;
        ready.set_ready(true);
    });
    if let Some(tls) = config.tls.clone() {
        background.spawn(async move { tls.follow().await });
    }
    let draining = runtime.draining.clone();
    background.spawn(async move {
        draining.cancelled().await;
        metrics::draining(true);
    });

    let server = http_server(limits);
    let free = Arc::new(Semaphore::new(limits.connections));
    let closing = CancellationToken::new();
    let mut connections = JoinSet::new();
    loop {
        let (place, stream) = tokio::select! {
            () = runtime.stop.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &free) => accepted,
        };
        let service = TowerToHyperService::new(router.clone());
        let stream = match &config.tls {
            Some(tls) => tls.accept(stream),
            None => ServerStream::plain(stream),
        };
        let stream = TokioIo::new(Guarded::new(stream, limits));
        let connection = server.serve_connection(stream, service).into_owned();
        let served = serve_connection(connection, closing.clone(), limits);
        connections.spawn(async move {
            let _place = place;
            served.await;
        });
    }
    background.shutdown().await;
    health.set_ready(false);
    drop(listener);
    closing.cancel();
    let all_closed = async { while connections.join_next().await.is_some() {} };
    let finished = timeout(config.shutdown_grace, all_closed).await;
    if finished.is_err() {
        let left = connections.len();
        tracing::warn!(connections = left, "cut off the connections that outlived the grace");
    }
    connections.shutdown().await;
    tracing::info!("stopped serving SCIM 2.0");
    Ok(())
}

type Connection = auto::Connection<
    'static,
    TokioIo<Guarded<ServerStream<TcpStream>>>,
    TowerToHyperService<axum::Router>,
    TokioExecutor,
>;

/// Serves a connection until its caller hangs up, or until the gateway closes or the connection is old: then it takes no
/// more requests, and those that are open may finish. An old one that does not end is dropped, with whatever its caller
/// leaves unread: over HTTP/2 a ping now and then, or a stream without a window, would keep it for ever.
async fn serve_connection(connection: Connection, closing: CancellationToken, limits: Limits) {
    let mut connection = pin!(connection);
    let is_old = tokio::select! {
        _ = connection.as_mut() => return,
        () = closing.cancelled() => false,
        () = sleep(limits.age) => true,
    };
    connection.as_mut().graceful_shutdown();
    // How a connection ends is its caller's affair.
    if is_old {
        let _ = timeout(limits.answer, connection).await;
    } else {
        let _ = connection.await;
    }
}

/// HTTP/1.1 and HTTP/2 on one port, which give up on callers who are silent.
fn http_server(limits: Limits) -> auto::Builder<TokioExecutor> {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(limits.head);
    server
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEAD_BYTES);
    server
}

fn show_certificates(config: &Config) {
    let mut certificates: Vec<(_, Certificate)> = Vec::new();
    if let Some(tls) = config.tls.clone() {
        certificates.push(("https", Box::new(move || Some(tls.certificate()))));
    }
    if let Some(tls) = config.directory_tls.clone() {
        certificates.push(("directory", Box::new(move || tls.certificate())));
    }
    show_expiry("gateway_tls_certificate_expires_seconds", certificates);
}

/// Waits until the directory answers anything: that a call without a token is refused is answer enough.
async fn answered_once(directory: &DirectoryClient) {
    while let Err(status) = directory.tokens().who_am_i(WhoAmIRequest {}).await
        && matches!(
            status.code(),
            Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled
        )
    {
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

/// The next connection, as soon as there is a place for it: whoever is one too many waits in the listener's queue. A
/// failure to accept one (it is gone again, or we have too many files open) does not end us.
async fn accept(listener: &TcpListener, free: &Arc<Semaphore>) -> (Option<OwnedSemaphorePermit>, TcpStream) {
    let place = free.clone().acquire_owned().await.ok(); // it is never closed
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Only a matter of latency.
                let _ = stream.set_nodelay(true);
                return (place, stream);
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}
