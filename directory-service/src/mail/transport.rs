//! How a mail travels: over SMTP, one connection for each, or into a file.
//!
//! A failure is told by what was refused and by the server's reply codes, never by its words: they may repeat the address.

use std::fmt;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use tokio::time::timeout;

use super::message::Letter;

/// How long a server may take to answer the last word.
const QUIT_TIME: Duration = Duration::from_secs(2);

/// How the way to a mail server is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// In the clear at first; nothing is sent before STARTTLS.
    StartTls,
    /// From the first byte.
    Tls,
    /// Not at all.
    None,
}

/// A mail server, and how to log in there.
#[derive(Clone)]
pub struct MailServer {
    host: String,
    port: u16,
    encryption: Encryption,
    tls: TlsParameters,
    /// The user, and the file with the password.
    login: Option<(String, PathBuf)>,
}

/// A file holds no certificate in PEM.
#[derive(Debug, thiserror::Error)]
#[error("holds no certificate in PEM")]
pub struct BadCertificate;

impl MailServer {
    /// A server that has to prove who it is by a certificate of the well-known authorities, or by one of those in `authorities`
    /// (PEM). The file with the password is read for each mail, so that a new one is used at once.
    ///
    /// # Errors
    /// [`BadCertificate`].
    pub fn new(
        host: &str,
        port: u16,
        encryption: Encryption,
        login: Option<(String, PathBuf)>,
        authorities: Option<&[u8]>,
    ) -> Result<Self, BadCertificate> {
        let mut tls = TlsParameters::builder(host.to_owned());
        if let Some(pem) = authorities {
            if !String::from_utf8_lossy(pem).contains("-----BEGIN CERTIFICATE-----") {
                return Err(BadCertificate);
            }
            tls = tls.add_root_certificate(Certificate::from_pem(pem).map_err(|_| BadCertificate)?);
        }
        Ok(Self {
            host: host.to_owned(),
            port,
            encryption,
            tls: tls.build().map_err(|_| BadCertificate)?,
            login,
        })
    }

    /// Sends one mail over a connection of its own.
    pub async fn send(&self, letter: &Letter) -> Result<(), Refused> {
        let mut connection = self.connect().await?;
        let sent = transmit(&mut connection, letter).await;
        // Not waited for: what the mail came to is decided, and a server that never answers QUIT must not change it.
        tokio::spawn(async move { timeout(QUIT_TIME, connection.abort()).await });
        sent
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Refused> {
        let at = |step| move |error: Error| Refused::at(step, &error);
        let hello = ClientId::default();
        let tls = (self.encryption == Encryption::Tls).then(|| self.tls.clone());
        let server = (self.host.as_str(), self.port);
        let connecting = AsyncSmtpConnection::connect_tokio1(server, None, &hello, tls, None);
        let mut connection = connecting.await.map_err(at(Step::Connect))?;
        if self.encryption == Encryption::StartTls {
            let upgraded = connection.starttls(self.tls.clone(), &hello).await;
            upgraded.map_err(at(Step::StartTls))?;
        }
        if let Some((user, file)) = &self.login {
            let password = tokio::fs::read_to_string(file).await;
            let password = password.map_err(|_| Refused::misconfigured("the file with the password cannot be read"))?;
            let password = password.trim_end_matches(['\r', '\n']).to_owned();
            let logged_in = connection
                .auth(DEFAULT_MECHANISMS, &Credentials::new(user.clone(), password))
                .await;
            logged_in.map_err(at(Step::Login))?;
        }
        Ok(connection)
    }
}

impl fmt::Debug for MailServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MailServer({}:{} {:?})", self.host, self.port, self.encryption)
    }
}

/// What [`AsyncSmtpConnection::send`] does, step by step, for the steps mean different things when they fail.
async fn transmit(connection: &mut AsyncSmtpConnection, letter: &Letter) -> Result<(), Refused> {
    let server = connection.server_info();
    let mut parameters = Vec::new();
    let Letter { from, to, bytes } = letter;
    let is_ascii = |address: &Address| AsRef::<str>::as_ref(address).is_ascii();
    if !is_ascii(from) || !is_ascii(to) {
        if !server.supports_feature(Extension::SmtpUtfEight) {
            return Err(Refused::for_good(
                "the mail server takes no address with characters beyond ASCII",
            ));
        }
        parameters.push(MailParameter::SmtpUtfEight);
    }
    if !bytes.is_ascii() {
        parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    let at = |step| move |error: Error| Refused::at(step, &error);
    let sender = Mail::new(Some(from.clone()), parameters);
    connection.command(sender).await.map_err(at(Step::Sender))?;
    let recipient = Rcpt::new(to.clone(), Vec::new());
    connection.command(recipient).await.map_err(at(Step::Recipient))?;
    connection.command(Data).await.map_err(at(Step::Message))?;
    connection.message(bytes).await.map_err(at(Step::Message))?;
    Ok(())
}

/// What was asked of a server when it refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Connect,
    StartTls,
    Login,
    Sender,
    Recipient,
    Message,
}

impl Step {
    const fn refused(self) -> &'static str {
        match self {
            Self::Connect => "the mail server refused the connection",
            Self::StartTls => "the mail server refused STARTTLS",
            Self::Login => "the mail server refused the login",
            Self::Sender => "the mail server refused the sender",
            Self::Recipient => "the mail server refused the recipient",
            Self::Message => "the mail server refused the message",
        }
    }
}

/// A mail was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Why, without personal data.
    pub why: String,
    /// What follows from it.
    pub remedy: Remedy,
}

/// What follows from a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// It may go away by itself.
    Wait,
    /// The operator has to mend a setting; until then everything waits.
    Operator,
    /// Nothing helps but another address.
    Never,
}

impl Refused {
    fn for_good(why: &str) -> Self {
        Self {
            why: why.to_owned(),
            remedy: Remedy::Never,
        }
    }

    /// The operator has to mend something.
    pub(super) fn misconfigured(why: &str) -> Self {
        Self {
            why: why.to_owned(),
            remedy: Remedy::Operator,
        }
    }

    fn for_now(why: &str) -> Self {
        Self {
            why: why.to_owned(),
            remedy: Remedy::Wait,
        }
    }

    fn at(step: Step, error: &Error) -> Self {
        let what = step.refused();
        let Some(code) = error.status().map(u16::from) else {
            return match step {
                _ if is_of_tls(error) => {
                    Self::misconfigured("TLS with the mail server failed, perhaps by its certificate")
                }
                Step::StartTls if error.is_client() => Self::misconfigured("the mail server has no STARTTLS"),
                Step::Login if error.is_client() => Self::misconfigured("the mail server has no login that we know"),
                Step::Connect => Self::for_now("the mail server cannot be reached"),
                Step::StartTls | Step::Login | Step::Sender | Step::Recipient | Step::Message => {
                    Self::for_now("the connection to the mail server broke")
                }
            };
        };
        let remedy = match (step, code) {
            (_, 400..500) => Remedy::Wait,
            (_, 530 | 534 | 535 | 538) => Remedy::Operator, // it wants a login, or another one (RFC 4954 §6)
            (Step::Recipient | Step::Message, _) => Remedy::Never,
            // Before the recipient is named the mail cannot be to blame.
            (Step::Connect | Step::StartTls | Step::Login | Step::Sender, _) => Remedy::Operator,
        };
        Self {
            why: with_codes(what, error),
            remedy,
        }
    }
}

/// Whether the encryption failed: lettre tells it as an I/O error of the connection.
fn is_of_tls(error: &Error) -> bool {
    let mut sources = std::iter::successors(std::error::Error::source(error), |error| error.source());
    sources.any(|source| {
        let inner = source.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        inner.is_some_and(|inner| inner.is::<rustls::Error>())
    })
}

/// The reply code (RFC 5321 §4.2) and the enhanced status code (RFC 2034) of a refusal, behind what was refused.
fn with_codes(what: &str, error: &Error) -> String {
    let Some(code) = error.status() else {
        return what.to_owned();
    };
    let text = std::error::Error::source(error)
        .map(ToString::to_string)
        .unwrap_or_default();
    match text
        .split_ascii_whitespace()
        .next()
        .filter(|word| is_enhanced_code(word))
    {
        Some(enhanced) => format!("{what}: {code} {enhanced}"),
        None => format!("{what}: {code}"),
    }
}

fn is_enhanced_code(word: &str) -> bool {
    let parts: Vec<&str> = word.split('.').collect();
    let is_number = |part: &&str| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    parts.len() == 3 && ["2", "4", "5"].contains(&parts[0]) && parts.iter().all(is_number)
}

/// Writes a mail to a file that is there whole or not at all, and that only its owner can read.
pub async fn write_file(file: PathBuf, letter: Letter) -> Result<(), Refused> {
    let written = tokio::task::spawn_blocking(move || write_whole(&file, &letter.bytes)).await;
    match written {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Refused::misconfigured(&format!(
            "the file cannot be written: {}",
            error.kind()
        ))),
        Err(_) => Err(Refused::misconfigured("the file cannot be written")),
    }
}

fn write_whole(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut folder = DirBuilder::new();
    folder.recursive(true);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    if let Some(parent) = file.parent() {
        folder.create(parent)?;
    }
    let draft = file.with_extension("partial");
    let mut writer = options.open(&draft)?;
    writer.write_all(bytes)?;
    writer.sync_all()?;
    std::fs::rename(&draft, file)
}

#[cfg(test)]
mod tests;
