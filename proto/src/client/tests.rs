use std::collections::VecDeque;
use std::error::Error as StdError;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic::Code;
use tonic::body::Body;
use tower::util::BoxCloneSyncService;

use super::send::{only_reads, send};
use super::*;

#[test]
fn a_request_id_cannot_be_an_address_or_a_token() {
    assert!(is_request_id("7f6d-A0b"));
    assert!(!is_request_id(""));
    assert!(!is_request_id("jo@example.com"));
    assert!(!is_request_id("rc_1_2"));
    assert!(!is_request_id(&"x".repeat(65)));
}

/// What a fake replica does with a call.
#[derive(Clone, Copy)]
enum Deed {
    Answers(Code),
    RefusesByItsOwnWord,
    CannotBeConnected,
    /// As a node that is gone: nobody says no.
    CannotBeConnectedForLong,
    BreaksOff,
    NeverAnswers,
}

type Fake = BoxCloneSyncService<http::Request<Body>, http::Response<Body>, Broken>;

#[derive(Debug, thiserror::Error)]
#[error("the call failed")]
struct Broken(#[source] Box<dyn StdError + Send + Sync>);

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(&'static str, u64)>>>);

impl Log {
    fn addresses(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().iter().map(|(address, _)| *address).collect()
    }

    fn timeouts_ms(&self) -> Vec<u64> {
        self.0.lock().unwrap().iter().map(|(_, timeout)| *timeout).collect()
    }
}

/// A replica that does these deeds in turn, and the last one for ever.
fn replica(address: &'static str, log: &Log, deeds: &[Deed]) -> (&'static str, Fake) {
    let log = log.clone();
    let deeds = Arc::new(Mutex::new(VecDeque::from(deeds.to_vec())));
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let log = log.clone();
        let deed = {
            let mut deeds = deeds.lock().unwrap();
            if deeds.len() > 1 {
                deeds.pop_front().unwrap()
            } else {
                deeds[0]
            }
        };
        async move {
            let timeout = request.headers()["grpc-timeout"].to_str().unwrap();
            let timeout = timeout.strip_suffix('m').unwrap().parse().unwrap();
            log.0.lock().unwrap().push((address, timeout));
            assert_eq!(request.into_body().collect().await.unwrap().to_bytes(), "a message");
            let with_status = |code: Code| {
                let answer = http::Response::builder().header("grpc-status", (code as i32).to_string());
                answer.body(Body::empty()).unwrap()
            };
            match deed {
                Deed::Answers(code) => Ok(with_status(code)),
                Deed::RefusesByItsOwnWord => {
                    let mut answer = with_status(Code::Unavailable);
                    let details = http::HeaderValue::from_static("AAAA");
                    answer.headers_mut().insert("grpc-status-details-bin", details);
                    Ok(answer)
                }
                Deed::CannotBeConnected => Err(Broken(Box::new(tonic::ConnectError("refused".into())))),
                Deed::CannotBeConnectedForLong => {
                    tokio::time::sleep(Duration::from_millis(2_100)).await;
                    Err(Broken(Box::new(tonic::ConnectError("timed out".into()))))
                }
                Deed::BreaksOff => Err(Broken(Box::new(io::Error::from(io::ErrorKind::BrokenPipe)))),
                Deed::NeverAnswers => std::future::pending().await,
            }
        }
    });
    (address, Fake::new(service))
}

fn call(method: &str, deadline: Duration) -> http::Request<Body> {
    let body = Body::new(Full::new(Bytes::from_static(b"a message")));
    let mut request = http::Request::new(body);
    *request.uri_mut() = format!("http://directory/directory.v1.UserService/{method}")
        .parse()
        .unwrap();
    request.extensions_mut().insert(Deadline(Instant::now() + deadline));
    request
}

async fn outcome(replicas: &Replicas<Fake>, method: &str) -> Code {
    match send(replicas, call(method, Duration::from_secs(10))).await {
        Ok(answer) => Code::from_bytes(answer.headers()["grpc-status"].as_bytes()),
        Err(status) => status.code(),
    }
}

#[tokio::test]
async fn a_call_that_reached_no_server_is_sent_again_to_another() {
    let log = Log::default();
    let replicas = Replicas::of([
        replica("dead", &log, &[Deed::CannotBeConnected]),
        replica("alive", &log, &[Deed::Answers(Code::Ok)]),
    ]);

    for _ in 0..50 {
        assert_eq!(outcome(&replicas, "CreateUser").await, Code::Ok);
    }

    let dead = log.addresses().iter().filter(|address| **address == "dead").count();
    assert_eq!(dead, 1, "whoever failed once is asked no more");
    assert_eq!(replicas.count(), 1);
}

#[tokio::test]
async fn a_replica_that_swallows_connections_costs_time_and_no_call() {
    let log = Log::default();
    let replicas = Replicas::of([
        replica("gone", &log, &[Deed::CannotBeConnectedForLong]),
        replica("alive", &log, &[Deed::Answers(Code::Ok)]),
    ]);

    while !log.addresses().contains(&"gone") {
        assert_eq!(outcome(&replicas, "CreateUser").await, Code::Ok);
    }
}

#[tokio::test]
async fn the_only_replica_is_asked_again_until_it_can_be_reached() {
    let log = Log::default();
    let deeds = [
        Deed::CannotBeConnected,
        Deed::CannotBeConnected,
        Deed::Answers(Code::Ok),
    ];
    let replicas = Replicas::of([replica("only", &log, &deeds)]);

    assert_eq!(outcome(&replicas, "CreateUser").await, Code::Ok);

    assert_eq!(log.addresses().len(), 3);
    let timeouts = log.timeouts_ms();
    assert!(timeouts.is_sorted_by(|earlier, later| earlier > later), "{timeouts:?}");
}

#[tokio::test]
async fn a_write_that_may_have_reached_a_server_is_not_sent_again() {
    for deed in [Deed::BreaksOff, Deed::Answers(Code::Unavailable)] {
        let log = Log::default();
        let replicas = Replicas::of([replica("a", &log, &[deed]), replica("b", &log, &[deed])]);

        assert_ne!(outcome(&replicas, "UpdateUser").await, Code::Ok);

        assert_eq!(log.addresses().len(), 1);
    }
}

#[tokio::test]
async fn a_read_is_sent_again_when_its_server_goes_away() {
    for deed in [Deed::BreaksOff, Deed::Answers(Code::Unavailable)] {
        for method in [
            "GetUser",
            "ListMembers",
            "Search",
            "WhoAmI",
            "ExplainUser",
            "CheckMembership",
        ] {
            let log = Log::default();
            let replicas = Replicas::of([replica("a", &log, &[deed, deed, Deed::Answers(Code::Ok)])]);

            assert_eq!(outcome(&replicas, method).await, Code::Ok, "{method}");
        }
    }
    let log = Log::default();
    let replicas = Replicas::of([replica("a", &log, &[Deed::Answers(Code::Unavailable)])]);
    assert_eq!(outcome(&replicas, "GetUser").await, Code::Unavailable);
    assert_eq!(log.addresses().len(), 3, "and not for ever");
}

#[test]
fn every_method_is_known_to_read_or_to_write() {
    let contract = FileDescriptorSet::decode(crate::v1::FILE_DESCRIPTOR_SET).unwrap();
    let services = contract.file.iter().flat_map(|file| &file.service);
    let methods = services.flat_map(|service| &service.method).map(|method| method.name());
    let (reads, writes): (Vec<_>, Vec<_>) = methods.partition(|method| only_reads(method));

    assert!(
        reads.contains(&"BatchGetUsers") && reads.contains(&"WhoAmI"),
        "{reads:?}"
    );
    let changes = [
        "Create", "Update", "Delete", "Issue", "Revoke", "Register", "Block", "Unblock", "Send", "Redeem", "Retry",
        "Report",
    ];
    for method in writes {
        assert!(
            changes.iter().any(|verb| method.starts_with(verb)),
            "decide whether {method} may be sent twice"
        );
    }
    for method in reads {
        assert!(!changes.iter().any(|verb| method.starts_with(verb)), "{method}");
    }
}

#[tokio::test]
async fn what_the_directory_refuses_by_its_own_word_is_not_sent_again() {
    for deed in [Deed::RefusesByItsOwnWord, Deed::Answers(Code::NotFound)] {
        let log = Log::default();
        let replicas = Replicas::of([replica("a", &log, &[deed])]);

        assert_ne!(outcome(&replicas, "GetUser").await, Code::Ok);

        assert_eq!(log.addresses().len(), 1);
        assert_eq!(replicas.count(), 1);
    }
}

#[tokio::test]
async fn a_call_ends_at_its_deadline() {
    let log = Log::default();
    let replicas = Replicas::of([replica("a", &log, &[Deed::NeverAnswers])]);
    let begun = Instant::now();

    let late = send(&replicas, call("GetUser", Duration::from_millis(700)))
        .await
        .unwrap_err();

    assert_eq!(late.code(), Code::DeadlineExceeded);
    assert!(begun.elapsed() >= Duration::from_millis(700));
    let [timeout] = log.timeouts_ms()[..] else {
        panic!("one attempt")
    };
    assert!((500..=701).contains(&timeout), "the server was told {timeout} ms");
}

#[tokio::test]
async fn a_directory_that_is_nowhere_is_waited_for_two_seconds() {
    let replicas = Replicas::<Fake>::of([]);
    let begun = Instant::now();

    assert_eq!(outcome(&replicas, "GetUser").await, Code::Unavailable);

    assert!(begun.elapsed() >= Duration::from_secs(2));
}

#[tokio::test]
async fn a_busy_replica_gets_less() {
    let log = Log::default();
    let replicas = Replicas::of([
        replica("busy", &log, &[Deed::NeverAnswers]),
        replica("idle", &log, &[Deed::Answers(Code::Ok)]),
    ]);
    let calls = (0..200).map(|_| send(&replicas, call("GetUser", Duration::from_secs(1))));

    let answers = futures_util::future::join_all(calls).await;

    let late = answers.iter().filter(|answer| answer.is_err()).count();
    assert!(
        (1..=5).contains(&late),
        "{late} calls went to the replica that never answers"
    );
}

#[test]
fn a_call_has_the_earlier_of_its_own_deadline_and_its_callers() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let client = DirectoryClient::new("http://127.0.0.1:9").unwrap();
        let deadline = |client: DirectoryClient| {
            let request = client.call.clone().call(Request::new(())).unwrap();
            request.extensions().get::<Deadline>().unwrap().0
        };
        let now = Instant::now();
        let soon = now + Duration::from_secs(1);

        assert_eq!(deadline(client.clone().with_deadline(soon)), soon);
        assert!(deadline(client.clone().with_deadline(now + Duration::from_secs(600))) < now + Duration::from_secs(11));
        assert!(deadline(client.with_timeout(Duration::from_secs(45))) > now + Duration::from_secs(44));
    });
}

/// Tells what it was told to tell.
#[derive(Clone)]
struct Told {
    answer: Arc<Mutex<io::Result<Vec<Arc<str>>>>>,
    asked: Arc<AtomicUsize>,
}

impl Told {
    fn new(addresses: Vec<Arc<str>>) -> Self {
        Self {
            answer: Arc::new(Mutex::new(Ok(addresses))),
            asked: Arc::default(),
        }
    }

    fn tell(&self, answer: io::Result<Vec<Arc<str>>>) {
        *self.answer.lock().unwrap() = answer;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Resolve for Told {
    fn resolve(&self) -> BoxFuture<'_, io::Result<Vec<Arc<str>>>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let answer = self.answer.lock().unwrap();
        let answer = answer
            .as_ref()
            .map_or_else(|error| Err(error.kind().into()), |told| Ok(told.clone()));
        Box::pin(async { answer })
    }
}

/// A server that takes connections; one that answers knows no service.
async fn server(answers: bool) -> (Arc<str>, tokio::task::JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string().into();
    let taken = tokio::spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(async move {
                if !answers {
                    std::future::pending::<()>().await;
                }
                let unknown = hyper::service::service_fn(async |_| {
                    let answer = http::Response::builder()
                        .header("grpc-status", "12")
                        .body(Body::empty());
                    Ok::<_, std::convert::Infallible>(answer.unwrap())
                });
                let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(stream), unknown).await;
            });
        }
    });
    (address, taken)
}

/// Calls, which wakes the keeper, until this holds.
async fn eventually(client: &DirectoryClient, holds: impl Fn() -> bool) {
    let limit = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < limit, "waited in vain");
        let hurried = client.clone().with_timeout(Duration::from_millis(20));
        let _ = hurried.tokens().who_am_i(crate::v1::WhoAmIRequest {}).await;
        client.channel.0.replicas.wake();
    }
}

#[tokio::test]
async fn replicas_come_and_go_as_the_resolver_tells() {
    let (first, _first) = server(true).await;
    let (second, second_server) = server(true).await;
    let told = Told::new(vec![first.clone()]);
    let target: Target = "dns:///directory:1".parse().unwrap();
    let client = DirectoryClient::resolved_by(told.clone(), &target, None).unwrap();
    let known = || {
        let mut addresses = client.channel.0.replicas.addresses();
        addresses.sort();
        addresses
    };
    let mut both = [first.clone(), second.clone()];
    both.sort();
    eventually(&client, || known() == [first.clone()]).await;

    told.tell(Ok(both.to_vec()));
    eventually(&client, || known() == both).await;
    assert_eq!(client.replicas(), 2);

    // A name server that fails, or knows nothing, takes nobody away.
    for answer in [Err(io::ErrorKind::TimedOut.into()), Ok(Vec::new())] {
        told.tell(answer);
        let asked = told.asked();
        eventually(&client, || told.asked() > asked + 1).await;
        assert_eq!(known(), both);
    }

    told.tell(Ok(vec![second.clone()]));
    eventually(&client, || known() == [second.clone()]).await;

    second_server.abort();
    eventually(&client, || known().is_empty()).await;
    let count = client.replica_count();
    assert_eq!(count(), Some(0));
    drop(client);
    assert_eq!(count(), None, "whoever counts keeps nobody alive");
}

#[tokio::test]
async fn a_write_to_a_server_that_says_nothing_ends_at_its_deadline() {
    // It answered when the connection was made, and then no more.
    let silent = tower::service_fn(async |_: http::Request<Body>| std::future::pending().await);
    let replicas = Replicas::of([("silent", Fake::new(silent))]);
    let late = send(&replicas, call("DeleteUser", Duration::from_millis(100)))
        .await
        .unwrap_err();
    assert_eq!(late.code(), Code::DeadlineExceeded, "{late:?}");

    let (address, _server) = server(false).await;
    let client = DirectoryClient::new(&format!("http://{address}")).unwrap();
    let hurried = client.with_timeout(Duration::from_millis(100));
    for _ in 0..5 {
        let late = hurried
            .users()
            .delete_user(crate::v1::DeleteUserRequest::default())
            .await
            .unwrap_err();
        assert_eq!(
            late.code(),
            Code::Unavailable,
            "who never answered is no replica: {late:?}"
        );
    }
    assert_eq!(hurried.replicas(), 0);
}

#[tokio::test]
async fn a_write_is_sent_once_a_server_is_there() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener); // nobody listens now
    let client = DirectoryClient::new(&format!("http://{address}")).unwrap();
    let refused = client
        .users()
        .delete_user(crate::v1::DeleteUserRequest::default())
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");

    let call = tokio::spawn(async move {
        let request = crate::v1::DeleteUserRequest::default();
        client
            .with_timeout(Duration::from_secs(30))
            .users()
            .delete_user(request)
            .await
    });
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    let (_stream, _) = listener.accept().await.unwrap(); // it came although nobody was there a moment ago
    call.abort();
}

#[tokio::test]
async fn encryption_is_neither_forgotten_nor_left_out() {
    assert!(DirectoryClient::new("https://127.0.0.1:50051").is_err());
    assert!(DirectoryClient::new("http://127.0.0.1:50051").is_ok());
    let folder = tempfile::tempdir().unwrap();
    let authority = rcgen::generate_simple_self_signed(["directory".to_owned()])
        .unwrap()
        .cert;
    let authorities = folder.path().join("ca.crt");
    std::fs::write(&authorities, authority.pem()).unwrap();
    let files = crate::tls::ClientTlsFiles {
        authorities,
        identity: None,
        server_name: None,
    };
    let tls = Arc::new(ClientTls::load(files).unwrap());
    let at = |address: &str| DirectoryClient::at(&address.parse().unwrap(), Some(tls.clone()));
    assert!(
        at("http://127.0.0.1:50051").is_err(),
        "the address says that it is not encrypted"
    );
    assert!(at("https://127.0.0.1:50051").is_ok());
    assert!(at("dns:///directory:50051").is_ok());
}
