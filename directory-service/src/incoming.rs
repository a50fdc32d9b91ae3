//! The connections as the server gets them, in the clear or encrypted. One on which nobody has said anything yet, or not
//! finished the handshake, ends after a while, and with the stop: the server waits for its connections, and such a one, a
//! probe's or a scanner's, would hold it back until the end of the grace. One that is told to end, and does not, is cut off.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use directory_proto::service::tls::{ServerStream, ServerTls};
use futures_util::{Stream, TryStreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Sleep, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tonic::transport::server::{Connected, TcpConnectInfo, TcpIncoming};

/// How long a client may take for its handshake and its first byte.
const PATIENCE: Duration = Duration::from_secs(20);

/// Accepts connections, and cuts off those that are older than `longest`.
pub fn connections(
    listener: TcpListener,
    tls: Option<Arc<ServerTls>>,
    longest: Duration,
    stop: CancellationToken,
) -> impl Stream<Item = io::Result<Connection>> {
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    incoming.map_ok(move |stream| {
        let stop = stop.clone();
        Connection {
            info: stream.connect_info(),
            stream: match &tls {
                Some(tls) => tls.accept(stream),
                None => ServerStream::plain(stream),
            },
            silent_until: Some(Box::pin(async move {
                let _ = timeout(PATIENCE, stop.cancelled_owned()).await;
            })),
            end: Box::pin(sleep(longest)),
        }
    })
}

/// A connection that reads as ended when the stop, or the end of our patience, comes before its first byte.
pub struct Connection {
    stream: ServerStream<TcpStream>,
    info: TcpConnectInfo,
    /// None from the first byte on.
    silent_until: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    end: Pin<Box<Sleep>>,
}

impl Connection {
    /// Does `poll`, for as long as the connection may last.
    fn poll_in_time<T>(
        &mut self,
        context: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut ServerStream<TcpStream>>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let polled = poll(Pin::new(&mut self.stream), context);
        if polled.is_ready() {
            return polled;
        }
        let is_silent = self
            .silent_until
            .as_mut()
            .is_some_and(|until| until.as_mut().poll(context).is_ready());
        if is_silent || self.end.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        polled
    }
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.info.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let read = this.poll_in_time(context, |stream, context| stream.poll_read(context, buffer));
        if matches!(read, Poll::Ready(Ok(()))) {
            this.silent_until = None;
        }
        read
    }
}

/// Over TLS the server's first words wait for the client's handshake.
impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut()
            .poll_in_time(context, |stream, context| stream.poll_write(context, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut()
            .poll_in_time(context, |stream, context| stream.poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut()
            .poll_in_time(context, |stream, context| stream.poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use directory_proto::service::tls::ServerTlsFiles;
    use directory_proto::tls::IdentityFiles;
    use futures_util::StreamExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn accept(longest: Duration, stop: &CancellationToken) -> (TcpStream, Connection) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut accepted = Box::pin(connections(listener, None, longest, stop.clone()));
        (client, accepted.next().await.unwrap().unwrap())
    }

    #[tokio::test]
    async fn a_silent_connection_ends_with_the_stop() {
        let stop = CancellationToken::new();
        let (_client, mut connection) = accept(Duration::MAX / 4, &stop).await;

        let (read, ()) = tokio::join!(connection.read_u8(), async { stop.cancel() });

        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_connection_that_has_spoken_may_finish_after_the_stop() {
        let stop = CancellationToken::new();
        let (mut client, mut connection) = accept(Duration::MAX / 4, &stop).await;

        client.write_all(b"a").await.unwrap();
        assert_eq!(connection.read_u8().await.unwrap(), b'a');
        stop.cancel();
        client.write_all(b"b").await.unwrap();

        assert_eq!(connection.read_u8().await.unwrap(), b'b');
    }

    /// The server speaks first, in HTTP/2, and its words wait for a handshake that never comes.
    #[tokio::test]
    async fn a_handshake_that_is_not_finished_ends_with_the_stop() {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["directory".to_owned()]).unwrap();
        let identity = IdentityFiles {
            certificate: folder.path().join("tls.crt"),
            key: folder.path().join("tls.key"),
        };
        std::fs::write(&identity.certificate, made.cert.pem()).unwrap();
        std::fs::write(&identity.key, made.signing_key.serialize_pem()).unwrap();
        let files = ServerTlsFiles {
            identity,
            client_authorities: None,
        };
        let tls = Arc::new(ServerTls::load(files, &[b"h2"]).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let stop = CancellationToken::new();
        let mut accepted = Box::pin(connections(listener, Some(tls), Duration::MAX / 4, stop.clone()));
        let mut connection = accepted.next().await.unwrap().unwrap();

        let (written, ()) = tokio::join!(connection.write_all(b"SETTINGS"), async { stop.cancel() });

        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_connection_that_outlives_its_time_is_cut_off() {
        let stop = CancellationToken::new();
        let (mut client, mut connection) = accept(Duration::from_millis(50), &stop).await;
        client.write_all(b"a").await.unwrap();
        assert_eq!(connection.read_u8().await.unwrap(), b'a');

        assert_eq!(connection.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
