//! What callers can do to a connection, on real sockets and with short limits. Nothing here waits for a time to pass: each
//! test waits until the gateway answers or hangs up.

use std::time::Duration;

use directory_proto::service::Runtime;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::*;
use crate::extract::{BodyTime, ScimJson};

const SHORT: Duration = Duration::from_millis(300);

/// A gateway whose directory is not there; it stops when this is dropped.
struct Running {
    address: SocketAddr,
    _stop: DropGuard,
}

impl Running {
    async fn start(limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let config = Config {
            limits,
            shutdown_grace: Duration::ZERO,
            ..Config::new("http://127.0.0.1:9".parse().unwrap())
        };
        let runtime = Runtime::new(CancellationToken::new(), Default::default());
        let stop = runtime.stop.clone().drop_guard();
        tokio::spawn(async move { run(config, listener, &runtime).await });
        Self { address, _stop: stop }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends this, and reads until the gateway hangs up.
    async fn ask(&self, request: impl AsRef<[u8]>) -> (String, Value) {
        let mut stream = self.connect().await;
        stream.write_all(request.as_ref()).await.unwrap();
        answer(&mut stream).await
    }
}

/// The head and the body of the last answer of a connection.
async fn answer(stream: &mut TcpStream) -> (String, Value) {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_default();
    (head.to_owned(), serde_json::from_str(body).unwrap_or_default())
}

/// Reads one answer of a connection that stays open, up to the end of its head.
async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

fn short_head() -> Limits {
    Limits {
        head: SHORT,
        ..Limits::default()
    }
}

#[tokio::test]
async fn a_caller_who_says_nothing_or_half_a_head_is_cut_off() {
    let gateway = Running::start(short_head()).await;

    for started in [
        "",
        "P",
        "PRI * HTTP/2.0\r\n",
        "GET /scim/v2/Schemas HTTP/1.1\r\n",
        "GET /scim/v2/Schemas HTTP/1.1\r\nhost: h\r\nx: ",
    ] {
        let (head, _) = gateway.ask(started).await;
        assert_eq!(head, "", "{started}");
    }
}

#[tokio::test]
async fn a_connection_that_is_idle_after_an_answer_is_closed() {
    let gateway = Running::start(short_head()).await;
    let mut stream = gateway.connect().await;

    stream
        .write_all(b"HEAD /scim/v2/Schemas HTTP/1.1\r\nhost: h\r\n\r\n")
        .await
        .unwrap();

    assert!(head(&mut stream).await.starts_with("HTTP/1.1 200 OK\r\n"));
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_caller_who_does_not_read_is_cut_off() {
    let limits = Limits {
        unread: SHORT,
        ..Limits::default()
    };
    let gateway = Running::start(limits).await;
    let mut stream = gateway.connect().await;

    let requests = "GET /scim/v2/Schemas HTTP/1.1\r\nhost: h\r\n\r\n".repeat(1_000);
    while stream.write_all(requests.as_bytes()).await.is_ok() {}
}

#[tokio::test]
async fn an_answer_arrives_although_its_caller_is_still_sending() {
    let gateway = Running::start(Limits::default()).await;
    let mut stream = gateway.connect().await;
    let head = "POST /scim/v2/Users HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = [b"100000\r\n", &vec![b'x'; 0x10_0000][..], b"\r\n"].concat();
    for _ in 0..32 {
        stream.write_all(&chunk).await.unwrap();
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();

    let (head, body) = answer(&mut stream).await;

    assert!(head.starts_with("HTTP/1.1 401 "), "{head}");
    assert_eq!(body["status"], "401");
}

#[tokio::test]
async fn a_caller_who_never_hangs_up_is_cut_off_after_the_last_answer() {
    let limits = Limits {
        linger: SHORT,
        connections: 1,
        ..Limits::default()
    };
    let gateway = Running::start(limits).await;
    let mut first = gateway.connect().await;
    let refused = "GET \" HTTP/1.1\r\n\r\n";
    first.write_all(refused.as_bytes()).await.unwrap();

    // There is one place, so this is answered when the first has lost it.
    let (head, _) = gateway.ask(refused).await;

    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
    drop(first);
}

/// The types of the HTTP/2 frames in here.
fn frame_types(mut bytes: &[u8]) -> Vec<u8> {
    let mut types = Vec::new();
    while let [high, middle, low, kind, rest @ ..] = bytes {
        types.push(*kind);
        let length = u32::from_be_bytes([0, *high, *middle, *low]) as usize;
        bytes = rest.get(5 + length..).unwrap_or_default();
    }
    types
}

#[tokio::test]
async fn an_old_connection_is_told_to_end_and_cut_off_with_what_is_unread() {
    let limits = Limits {
        age: SHORT,
        answer: SHORT,
        ..Limits::default()
    };
    let gateway = Running::start(limits).await;
    let mut stream = gateway.connect().await;
    // Settings without a window, so that no answer gets through, and GET http://h/scim/v2/Schemas in one frame of headers.
    let frames = [
        &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..],
        b"\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\0",
        b"\0\0\x17\x01\x05\0\0\0\x01\x82\x86\x44\x10/scim/v2/Schemas\x41\x01h",
    ];
    stream.write_all(&frames.concat()).await.unwrap();

    let mut answer = Vec::new();
    let ended = timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;

    let (headers, data, going_away) = (1, 0, 7);
    let types = frame_types(&answer);
    assert!(ended.is_ok(), "{types:?}");
    assert!(types.contains(&headers) && types.contains(&going_away), "{types:?}");
    assert!(!types.contains(&data), "{types:?}");
}

#[tokio::test]
async fn one_connection_too_many_waits_for_its_place() {
    let limits = Limits {
        connections: 1,
        ..Limits::default()
    };
    let gateway = Running::start(limits).await;
    let request = "GET /scim/v2/Nothing HTTP/1.1\r\nhost: h\r\n\r\n";
    let mut first = gateway.connect().await;
    first.write_all(request.as_bytes()).await.unwrap();
    assert!(head(&mut first).await.starts_with("HTTP/1.1 404 "));

    let mut second = gateway.connect().await;
    second.write_all(request.as_bytes()).await.unwrap();
    let waits = tokio::time::timeout(SHORT, second.read_u8()).await;
    assert!(waits.is_err(), "the second connection has no place yet");
    drop(first);

    assert_eq!(second.read_u8().await.unwrap(), b'H');
}

#[tokio::test]
async fn what_is_no_http_is_refused_with_the_body_of_any_error() {
    let gateway = Running::start(Limits::default()).await;
    let long = format!(
        "GET /scim/v2/Users?filter={} HTTP/1.1\r\nhost: h\r\n\r\n",
        "a".repeat(70_000)
    );
    let many = format!("GET / HTTP/1.1\r\nhost: h\r\n{}\r\n", "x: y\r\n".repeat(200));
    let large = format!("GET / HTTP/1.1\r\nhost: h\r\nx: {}\r\n\r\n", "y".repeat(600_000));
    for (request, status) in [
        (
            "GET /scim/v2/Users?filter=userName+eq+\"a\" HTTP/1.1\r\nhost: h\r\n\r\n",
            "400",
        ),
        (
            "GET /scim/v2/Users?filter=userName eq 1 HTTP/1.1\r\nhost: h\r\n\r\n",
            "400",
        ),
        ("GET /scim/v2/Users HTTP/1.1\r\nhost h\r\n\r\n", "400"),
        ("GET /scim/v2/Users HTTP/1.1\r\nhost: h\r\nx\0: y\r\n\r\n", "400"),
        ("GET /scim/v2/Users HTTP/7.0\r\nhost: h\r\n\r\n", "400"),
        ("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: x\r\n\r\n", "400"),
        (
            "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
            "400",
        ),
        ("G@T / HTTP/1.1\r\nhost: h\r\n\r\n", "400"),
        ("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\r\n\r\n", "400"),
        (&long, "414"),
        (&many, "431"),
        (&large, "431"),
    ] {
        let (head, body) = gateway.ask(request).await;

        let start = &request[..request.len().min(80)];
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{start}: {head}");
        assert!(
            head.contains("\r\ncontent-type: application/scim+json\r\n"),
            "{start}: {head}"
        );
        assert!(head.contains("\r\nx-request-id: "), "{start}: {head}");
        assert!(head.contains("\r\nconnection: close\r\n"), "{start}: {head}");
        assert_eq!(body["schemas"][0], crate::scim::error::ERROR_SCHEMA);
        assert_eq!(body["status"], status, "{start}");
    }
}

#[tokio::test]
async fn a_url_may_be_as_long_as_a_filter_needs() {
    let gateway = Running::start(Limits::default()).await;
    let request = format!(
        "GET /scim/v2/Users?filter={} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n",
        "%22".repeat(21_000)
    );

    let (head, _) = gateway.ask(request).await;

    assert!(head.starts_with("HTTP/1.1 401 "), "{head}");
}

/// Serves one endpoint that reads a body, and a connection to it.
async fn probe(endpoint: axum::routing::MethodRouter<Gateway>, limits: Limits) -> impl AsyncFn() -> TcpStream {
    let nowhere = Gateway {
        directory: DirectoryClient::new("http://127.0.0.1:9").unwrap(),
        callers: Callers::new(),
        scheme: "http",
        public_base: None,
        trusts_forwarded: false,
    };
    let router = router::layered(axum::Router::new().route("/probe", endpoint), nowhere, limits);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    async move || {
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        let served = http_server(limits)
            .serve_connection(
                TokioIo::new(Guarded::new(accepted, limits)),
                TowerToHyperService::new(router.clone()),
            )
            .into_owned();
        tokio::spawn(async move { served.await.is_ok() });
        stream
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_is_408_and_the_end() {
    let limits = Limits {
        body: BodyTime {
            silence: SHORT,
            whole: SHORT,
        },
        ..Limits::default()
    };
    let connect = probe(axum::routing::post(async |_: ScimJson| "read"), limits).await;
    let mut stream = connect().await;
    let head = "POST /probe HTTP/1.1\r\nhost: h\r\ncontent-length: 10\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();

    let (head, body) = answer(&mut stream).await;

    assert!(head.starts_with("HTTP/1.1 408 "), "{head}");
    assert!(head.contains("\r\nconnection: close\r\n"), "{head}");
    assert_eq!(body["status"], "408");
}

#[tokio::test]
async fn a_large_body_has_its_room_until_the_answer_and_another_is_503_meanwhile() {
    let limits = Limits {
        body_memory: 1024 * 1024,
        body_wait: Duration::ZERO,
        ..Limits::default()
    };
    let (read, mut is_read) = tokio::sync::mpsc::channel(1);
    let finish = Arc::new(tokio::sync::Notify::new());
    let finished = finish.clone();
    let work = axum::routing::post(async move |ScimJson(body): ScimJson| {
        if body.is_string() {
            read.send(()).await.unwrap();
            finished.notified().await;
        }
        "read"
    });
    let connect = probe(work, limits).await;
    let ask = async |body: &str, ends: bool| {
        let mut stream = connect().await;
        let head = format!(
            "POST /probe HTTP/1.1\r\nhost: h\r\n{}content-length: {}\r\n\r\n",
            if ends { "connection: close\r\n" } else { "" },
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body.as_bytes()).await.unwrap();
        stream
    };
    let large = format!("\"{}\"", "a".repeat(8 * 1024 * 1024));

    let mut first = ask(&large, true).await;
    is_read.recv().await.unwrap();
    let (refused, body) = answer(&mut ask(&large, false).await).await;
    let (small, _) = answer(&mut ask("{}", true).await).await;
    finish.notify_one();
    let (done, _) = answer(&mut first).await;
    let mut next = ask(&large, true).await;
    is_read.recv().await.unwrap();
    finish.notify_one();
    let (next, _) = answer(&mut next).await;

    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    for header in ["\r\nretry-after: 5\r\n", "\r\nconnection: close\r\n"] {
        assert!(refused.contains(header), "{refused}");
    }
    assert_eq!(body["status"], "503");
    for good in [small, done, next] {
        assert!(good.starts_with("HTTP/1.1 200 "), "{good}");
    }
}
