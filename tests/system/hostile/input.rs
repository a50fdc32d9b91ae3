//! One input: the bytes that are sent, on a connection of their own, and the only right answer to them.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{PERSONAL, Target};
use crate::support::scim::ERROR;

/// How long an answer may take; on a machine with much else to do.
const DEADLINE: Duration = Duration::from_secs(60);

/// What is sent, and what must come back.
pub(super) struct Input {
    pub(super) name: String,
    sent: Sent,
    expected: Expected,
}

enum Sent {
    /// A request in good HTTP, with the usual headers changed as it says.
    Request(Request),
    /// Bytes as they are.
    Raw(Vec<u8>),
}

/// A request of HTTP/1.1.
pub(super) struct Request {
    method: String,
    path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Option<Vec<u8>>,
}

enum Expected {
    /// A SCIM error.
    Error(u16, Option<&'static str>),
    /// A bulk answer, whose one operation failed so.
    Operation(u16, Option<&'static str>),
    /// HTTP/2's farewell: what came began as HTTP/2, so nothing else would be understood.
    GoAway,
}

/// A request with the usual headers and no body.
pub(super) fn request(target: &Target, method: &str, path: &str) -> Request {
    let header = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
    Request {
        method: method.to_owned(),
        path: format!("/scim/v2{path}"),
        headers: vec![
            header("host", &target.host),
            header("authorization", &format!("Bearer {}", target.token)),
            header("accept", "application/scim+json"),
            header("content-type", "application/scim+json; charset=utf-8"),
        ],
        body: None,
    }
}

impl Request {
    pub(super) fn json(self, body: &Value) -> Self {
        self.body(body.to_string())
    }

    pub(super) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Sets a header.
    pub(super) fn with(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.without(name).and(name, value)
    }

    /// Adds a header beside those of the same name.
    pub(super) fn and(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Takes a header away.
    pub(super) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(found, _)| found != name);
        self
    }

    /// Another request target than the path below `/scim/v2`.
    pub(super) fn target(mut self, target: &str) -> Self {
        self.path = target.to_owned();
        self
    }

    /// The answer is this error.
    pub(super) fn is(self, name: impl Into<String>, status: u16, scim_type: Option<&'static str>) -> Input {
        Input {
            name: name.into(),
            sent: Sent::Request(self),
            expected: Expected::Error(status, scim_type),
        }
    }

    /// The answer is a bulk answer whose one operation has this error.
    pub(super) fn fails_in_bulk(self, name: impl Into<String>, status: u16, scim_type: Option<&'static str>) -> Input {
        Input {
            name: name.into(),
            sent: Sent::Request(self),
            expected: Expected::Operation(status, scim_type),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.path).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        let frames = |name: &String| name == "content-length" || name == "transfer-encoding";
        let is_framed = self.headers.iter().any(|(name, _)| frames(name));
        if let (Some(body), false) = (&self.body, is_framed) {
            bytes.extend_from_slice(format!("content-length: {}\r\n", body.len()).as_bytes());
        }
        bytes.extend_from_slice(b"connection: close\r\n\r\n");
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        bytes
    }
}

/// Bytes as they are, answered by a SCIM error.
pub(super) fn raw(name: &str, bytes: impl Into<Vec<u8>>, status: u16) -> Input {
    Input {
        name: name.to_owned(),
        sent: Sent::Raw(bytes.into()),
        expected: Expected::Error(status, None),
    }
}

/// Bytes that begin as HTTP/2, answered in HTTP/2 that the connection ends.
pub(super) fn sent_away(name: &str, bytes: impl Into<Vec<u8>>) -> Input {
    Input {
        name: name.to_owned(),
        sent: Sent::Raw(bytes.into()),
        expected: Expected::GoAway,
    }
}

impl Input {
    /// What goes over the wire.
    pub(super) fn bytes(&self, _: &Target) -> Vec<u8> {
        match &self.sent {
            Sent::Request(request) => request.bytes(),
            Sent::Raw(bytes) => bytes.clone(),
        }
    }

    /// Sends it, and says what is wrong with the answer.
    pub(super) async fn send(&self, target: &Target) -> Result<(), String> {
        let exchange = exchange(&target.host, self.bytes(target));
        let answer = tokio::time::timeout(DEADLINE, exchange)
            .await
            .map_err(|_| format!("no answer within {DEADLINE:?}"))??;
        let is_right = self.check(&answer);
        is_right.map_err(|fault| format!("{fault}: {}", shown(&answer)))
    }

    fn check(&self, answer: &[u8]) -> Result<(), String> {
        if let Expected::GoAway = self.expected {
            return ensure(last_frame(answer) == Some(GO_AWAY), "no farewell of HTTP/2");
        }
        let answer = Answer::parse(answer)?;
        match self.expected {
            Expected::Error(status, scim_type) => {
                answer.has_status(status)?;
                answer.is_scim()?;
                is_error(&answer.body, status, scim_type)
            }
            Expected::Operation(status, scim_type) => {
                answer.has_status(200)?;
                answer.is_scim()?;
                let operation = &answer.body["Operations"][0];
                ensure(
                    operation["status"] == json!(status.to_string()),
                    "the operation has another status",
                )?;
                is_error(&operation["response"], status, scim_type)
            }
            Expected::GoAway => Ok(()),
        }
    }
}

fn ensure(holds: bool, fault: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(fault.to_owned()) }
}

/// Whether a body is a whole SCIM error that repeats nothing personal.
fn is_error(body: &Value, status: u16, scim_type: Option<&str>) -> Result<(), String> {
    ensure(body["schemas"] == json!([ERROR]), "not a SCIM error")?;
    ensure(
        body["status"] == json!(status.to_string()),
        "another status in the body, or not as text",
    )?;
    let found = body.get("scimType").map(|found| found.as_str().unwrap_or("(not text)"));
    ensure(found == scim_type, &format!("scimType is {found:?}, not {scim_type:?}"))?;
    let detail = body["detail"].as_str().unwrap_or_default();
    ensure(detail.len() > 10, "no detail")
}

/// Sends bytes and reads until the server ends the connection.
async fn exchange(host: &str, bytes: Vec<u8>) -> Result<Vec<u8>, String> {
    let stream = TcpStream::connect(host).await.map_err(|error| error.to_string())?;
    let (mut reading, mut writing) = stream.into_split();
    // A server that refuses a request before it has read all of it may stop reading.
    let sending = async move {
        let _ = writing.write_all(&bytes).await;
        writing
    };
    let receiving = async move {
        let mut answer = Vec::new();
        // A reset after the answer is no fault: what was not read of the request makes the system send one.
        let ended = reading.read_to_end(&mut answer).await;
        (answer, ended)
    };
    let (_open, (answer, ended)) = tokio::join!(sending, receiving);
    match ended {
        Err(error) if answer.is_empty() => Err(format!("the connection was dropped: {error}")),
        _ => Ok(answer),
    }
}

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    text: String,
    body: Value,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "the answer is not UTF-8")?;
        let (head, body) = text.split_once("\r\n\r\n").ok_or("no complete answer")?;
        let mut lines = head.split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok());
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        Ok(Self {
            status: status.ok_or("no status")?,
            headers,
            text: body.to_owned(),
            body: serde_json::from_str(body).unwrap_or_default(),
        })
    }

    fn header(&self, name: &str) -> &str {
        let mut lines = self.headers.iter().filter(|(found, _)| found == name);
        lines.next().map_or("", |(_, value)| value)
    }

    fn has_status(&self, status: u16) -> Result<(), String> {
        ensure(
            self.status == status,
            &format!("answered {}, not {status}", self.status),
        )
    }

    /// What every answer of ours has.
    fn is_scim(&self) -> Result<(), String> {
        ensure(
            self.header("content-type") == "application/scim+json",
            "not SCIM's media type",
        )?;
        ensure(self.header("cache-control") == "no-store", "may be kept by caches")?;
        ensure(!self.header("x-request-id").is_empty(), "no x-request-id")?;
        let challenge = self.header("www-authenticate");
        ensure(
            (self.status == 401) == challenge.starts_with("Bearer"),
            "a 401 and its challenge belong together",
        )?;
        ensure(
            (self.status == 405) != self.header("allow").is_empty(),
            "a 405 and its Allow belong together",
        )?;
        ensure(
            !self.text.to_lowercase().contains(&PERSONAL.to_lowercase()),
            "repeats a value of the request",
        )?;
        ensure(
            !self.headers.iter().any(|(_, value)| value.contains(PERSONAL)),
            "repeats a value in a header",
        )
    }
}

/// The type of HTTP/2's farewell (RFC 9113 §6.8).
const GO_AWAY: u8 = 7;

/// The type of the last of the frames that an answer is made of, if it is made of frames of HTTP/2 (RFC 9113 §4.1).
fn last_frame(mut answer: &[u8]) -> Option<u8> {
    let mut last = None;
    while let [high, middle, low, kind, _, _, _, _, _, rest @ ..] = answer {
        last = Some(*kind);
        answer = rest.get(usize::from(*high) << 16 | usize::from(*middle) << 8 | usize::from(*low)..)?;
    }
    last.filter(|_| answer.is_empty())
}

/// The beginning of an answer, for a message.
fn shown(answer: &[u8]) -> String {
    String::from_utf8_lossy(&answer[..answer.len().min(600)]).into_owned()
}
