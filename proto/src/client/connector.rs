//! New connections to a directory: plain, or TLS with the certificates that the files hold at that moment.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};
use tower::{BoxError, Service as _, ServiceExt as _};

use super::target::{InvalidTarget, MOST_ADDRESSES, Target};
use crate::tls::ClientTls;

/// For each address of a name, and for the handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// A gRPC message without fields: not compressed, of no bytes.
const EMPTY_MESSAGE: &[u8] = &[0; 5];
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Makes connections.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    tls: Option<Encrypted>,
}

#[derive(Clone, Debug)]
struct Encrypted {
    tls: Arc<ClientTls>,
    /// The name that the server's certificate must have. Without one it is the address that is connected to.
    name: Option<ServerName<'static>>,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Connector {
    /// Connects to what `target` names, whose certificate must have the name of `tls`, else the host of the target.
    pub(super) fn new(target: &Target, tls: Option<Arc<ClientTls>>) -> Result<Self, InvalidTarget> {
        let Some(tls) = tls else {
            return Ok(Self { tls: None });
        };
        let name = tls.server_name().or_else(|| target.host().map(str::to_owned));
        let name = name.map(ServerName::try_from).transpose().map_err(|_| InvalidTarget)?;
        Ok(Self {
            tls: Some(Encrypted { tls, name }),
        })
    }

    /// Connects to this address, where somebody must answer; the connection is made anew when it ends.
    pub(super) async fn connect(&self, address: &Arc<str>) -> Result<Channel, BoxError> {
        // What is encrypted is the connector's affair: tonic must not ask for TLS settings of its own.
        let endpoint = Endpoint::from_shared(format!("http://{address}"))?
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .keep_alive_while_idle(true);
        let (connector, address) = (self.clone(), address.clone());
        let connect = tower::service_fn(move |_: Uri| {
            let (connector, address) = (connector.clone(), address.clone());
            async move { connector.open(&address).await.map(TokioIo::new) }
        });
        let channel = endpoint.connect_with_connector(connect).await?;
        answers(channel.clone()).await?;
        Ok(channel)
    }

    async fn open(&self, address: &str) -> io::Result<Box<dyn Stream>> {
        let stream = connect(address).await?;
        stream.set_nodelay(true)?;
        let Some(Encrypted { tls, name }) = &self.tls else {
            return Ok(Box::new(stream));
        };
        let name = match name {
            Some(name) => name.clone(),
            None => ServerName::from(stream.peer_addr()?.ip()),
        };
        let stream = in_time(TlsConnector::from(tls.config()).connect(name, stream)).await?;
        Ok(Box::new(stream))
    }
}

/// Waits for an answer, whatever it is: over TLS 1.3 a server refuses our certificate only after the handshake.
async fn answers(mut channel: Channel) -> Result<(), BoxError> {
    let question = http::Request::post("/grpc.health.v1.Health/Check")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Body::new(Full::new(Bytes::from_static(EMPTY_MESSAGE))))?;
    let answer = async { channel.ready().await?.call(question).await };
    timeout(CONNECT_TIMEOUT, answer).await??;
    Ok(())
}

/// Connects to the first address that answers: one that swallows everything must not hide those behind it.
async fn connect(address: &str) -> io::Result<TcpStream> {
    let mut failed = io::ErrorKind::NotFound.into();
    for address in tokio::net::lookup_host(address).await?.take(MOST_ADDRESSES) {
        match in_time(TcpStream::connect(address)).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

async fn in_time<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let done = timeout(CONNECT_TIMEOUT, work).await;
    done.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
