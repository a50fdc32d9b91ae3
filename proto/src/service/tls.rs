//! TLS as a server has it: certificates from files that are read again when they change, and connections whose handshake is
//! part of their first read or write, so that nobody who is slow at it holds up those who come after.

use std::future::Future as _;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use opentelemetry::{KeyValue, global};
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::reload::Reloaded;
use crate::tls::{IdentityFiles, TlsError, authorities, expires_in};

/// The files of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTlsFiles {
    /// What the server shows.
    pub identity: IdentityFiles,
    /// The certificates, in PEM, of the authorities one of which must vouch for every client: mutual TLS. Without them
    /// clients show nothing.
    pub client_authorities: Option<PathBuf>,
}

/// How a server takes connections: TLS 1.2 or 1.3. Those that stand are not touched when a file changes.
#[derive(Debug)]
pub struct ServerTls(Reloaded<Made>);

struct Made {
    config: Arc<ServerConfig>,
    certificate: CertificateDer<'static>,
}

impl ServerTls {
    /// Reads the files for the first time. `protocols` are what is spoken inside, the preferred one first.
    ///
    /// # Errors
    /// [`TlsError`], which names the file.
    pub fn load(files: ServerTlsFiles, protocols: &'static [&'static [u8]]) -> Result<Self, TlsError> {
        let identity = &files.identity;
        let mut paths = vec![identity.certificate.clone(), identity.key.clone()];
        paths.extend(files.client_authorities.clone());
        Ok(Self(Reloaded::new(paths, move || make(&files, protocols))?))
    }

    /// A connection that begins with a handshake.
    pub fn accept<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> ServerStream<S> {
        let acceptor = TlsAcceptor::from(self.0.current().config.clone());
        ServerStream(State::Handshaking(Box::new(acceptor.accept(stream))))
    }

    /// The certificate that is shown at the moment.
    pub fn certificate(&self) -> CertificateDer<'static> {
        self.0.current().certificate.clone()
    }

    /// Follows the files. Never ends.
    pub async fn follow(&self) {
        self.0.follow().await;
    }
}

fn make(files: &ServerTlsFiles, protocols: &[&[u8]]) -> Result<Made, TlsError> {
    let builder = ServerConfig::builder();
    let builder = match &files.client_authorities {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let verifier = WebPkiClientVerifier::builder(Arc::new(authorities(path)?)).build();
            builder.with_client_cert_verifier(verifier.map_err(|_| TlsError::Content {
                path: path.clone(),
                rule: "must hold certificates of authorities in PEM",
            })?)
        }
    };
    let (chain, key) = files.identity.read()?;
    let certificate = chain.first().cloned().expect("a file without a certificate is refused");
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|source| TlsError::Identity {
            files: files.identity.clone(),
            source,
        })?;
    if files.client_authorities.is_some() {
        // A session that goes on would show no certificate again, although the first one has ended meanwhile.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(Made {
        config: Arc::new(config),
        certificate,
    })
}

/// A connection of a server, in the clear or encrypted.
pub struct ServerStream<S>(State<S>);

enum State<S> {
    Plain(S),
    Handshaking(Box<tokio_rustls::Accept<S>>),
    Encrypted(Box<TlsStream<S>>),
    Ended,
}

impl<S: AsyncRead + AsyncWrite + Unpin> ServerStream<S> {
    /// A connection that is not encrypted.
    pub fn plain(stream: S) -> Self {
        Self(State::Plain(stream))
    }

    /// Does `poll` once the handshake is done.
    fn poll_inside<T>(
        &mut self,
        context: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut dyn ReadWrite>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if let State::Handshaking(accept) = &mut self.0 {
            let done = ready!(Pin::new(accept.as_mut()).poll(context));
            self.0 = State::Ended;
            let stream = done.inspect_err(|error| tracing::info!(%error, "a TLS handshake failed"))?;
            self.0 = State::Encrypted(Box::new(stream));
        }
        match &mut self.0 {
            State::Plain(stream) => poll(Pin::new(stream), context),
            State::Encrypted(stream) => poll(Pin::new(stream.as_mut()), context),
            State::Handshaking(_) | State::Ended => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

trait ReadWrite: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> ReadWrite for S {}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for ServerStream<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.get_mut()
            .poll_inside(context, |stream, context| stream.poll_read(context, buffer))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ServerStream<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut()
            .poll_inside(context, |stream, context| stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut()
            .poll_inside(context, |stream, context| stream.poll_write_vectored(context, pieces))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.0 {
            State::Plain(stream) => stream.is_write_vectored(),
            State::Encrypted(stream) => stream.is_write_vectored(),
            State::Handshaking(_) | State::Ended => false,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match this.0 {
            State::Handshaking(_) | State::Ended => Poll::Ready(Ok(())), // nothing was written yet
            _ => this.poll_inside(context, |stream, context| stream.poll_flush(context)),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if matches!(this.0, State::Handshaking(_) | State::Ended) {
            this.0 = State::Ended; // whoever has not finished the handshake is owed no farewell
            return Poll::Ready(Ok(()));
        }
        this.poll_inside(context, |stream, context| stream.poll_shutdown(context))
    }
}

/// What gives a certificate at the moment, if there is one.
pub type Certificate = Box<dyn Fn() -> Option<CertificateDer<'static>> + Send + Sync>;

/// Shows under this name in how many seconds each certificate ends; less than 0 if it has ended.
pub fn show_expiry(metric: &'static str, certificates: Vec<(&'static str, Certificate)>) {
    global::meter("tls")
        .i64_observable_gauge(metric)
        .with_description("In how many seconds the certificate in use ends.")
        .with_callback(move |gauge| {
            for (name, certificate) in &certificates {
                if let Some(seconds) = certificate().as_ref().and_then(expires_in) {
                    gauge.observe(seconds, &[KeyValue::new("certificate", *name)]);
                }
            }
        })
        .build();
}

#[cfg(test)]
mod tests;
