//! The connections as the server gets them, in the clear or encrypted. One on which nobody has said anything yet, or not
//! finished the handshake, ends after a while, and with the stop: the server waits for its connections, and such a one, a
//! probe's or a scanner's, would hold it back until the end of the grace.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use directory_proto::service::tls::{ServerStream, ServerTls};
use futures_util::{Stream, TryStreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::{Connected, TcpConnectInfo, TcpIncoming};

/// How long a client may take for its handshake and its first byte.
const PATIENCE: Duration = Duration::from_secs(20);

/// Accepts connections.
pub fn connections(
    listener: TcpListener,
    tls: Option<Arc<ServerTls>>,
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
        }
    })
}

/// A connection that reads as ended when the stop, or the end of our patience, comes before its first byte.
pub struct Connection {
    stream: ServerStream<TcpStream>,
    info: TcpConnectInfo,
    /// None from the first byte on.
    silent_until: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
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
        let read = Pin::new(&mut this.stream).poll_read(context, buffer);
        if read.is_ready() {
            this.silent_until = None;
        } else if let Some(stop) = &mut this.silent_until
            && stop.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(Ok(())); // nothing read: the end
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn accept(stop: &CancellationToken) -> (TcpStream, Connection) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut accepted = Box::pin(connections(listener, None, stop.clone()));
        (client, accepted.next().await.unwrap().unwrap())
    }

    #[tokio::test]
    async fn a_silent_connection_ends_with_the_stop() {
        let stop = CancellationToken::new();
        let (_client, mut connection) = accept(&stop).await;

        let (read, ()) = tokio::join!(connection.read_u8(), async { stop.cancel() });

        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn a_connection_that_has_spoken_may_finish_after_the_stop() {
        let stop = CancellationToken::new();
        let (mut client, mut connection) = accept(&stop).await;

        client.write_all(b"a").await.unwrap();
        assert_eq!(connection.read_u8().await.unwrap(), b'a');
        stop.cancel();
        client.write_all(b"b").await.unwrap();

        assert_eq!(connection.read_u8().await.unwrap(), b'b');
    }
}
