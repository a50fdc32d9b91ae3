use std::collections::VecDeque;
use std::error::Error as StdError;
use std::io;
use std::sync::Mutex;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt as _, Full};
use tonic::Code;
use tonic::body::Body;
use tower::util::BoxCloneSyncService;

use super::send::send;
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
struct Told(Arc<Mutex<io::Result<Vec<Arc<str>>>>>);

impl Told {
    fn tell(&self, answer: io::Result<Vec<Arc<str>>>) {
        *self.0.lock().unwrap() = answer;
    }
}

impl Resolve for Told {
    fn resolve(&self) -> BoxFuture<'_, io::Result<Vec<Arc<str>>>> {
        let told = self.0.lock().unwrap();
        let answer = told
            .as_ref()
            .map_or_else(|error| Err(error.kind().into()), |told| Ok(told.clone()));
        Box::pin(async { answer })
    }
}

/// A port that takes connections and says nothing: enough to be connected to.
async fn server() -> (Arc<str>, tokio::task::JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string().into();
    let taken = tokio::spawn(async move {
        let mut streams = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            streams.push(stream);
        }
    });
    (address, taken)
}

/// Polls until so many replicas can be called.
async fn until_replicas(client: &DirectoryClient, count: usize) {
    let limit = Instant::now() + Duration::from_secs(30);
    while client.replicas() != count {
        assert!(Instant::now() < limit, "{} replicas, not {count}", client.replicas());
        // Whoever calls wakes the keeper, as in life.
        let _ = client
            .clone()
            .with_timeout(Duration::from_millis(20))
            .tokens()
            .who_am_i(crate::v1::WhoAmIRequest {})
            .await;
    }
}

#[tokio::test]
async fn replicas_come_and_go_as_the_resolver_tells() {
    let (first, _first) = server().await;
    let (second, second_server) = server().await;
    let told = Told(Arc::new(Mutex::new(Ok(vec![first.clone()]))));
    let target: Target = "dns:///directory:1".parse().unwrap();
    let client = DirectoryClient::resolved_by(told.clone(), &target, None).unwrap();
    until_replicas(&client, 1).await;

    told.tell(Ok(vec![first.clone(), second.clone()]));
    until_replicas(&client, 2).await;

    // A name server that fails, or knows nothing, takes nobody away.
    let known = || client.channel.0.replicas.addresses();
    for answer in [Err(io::ErrorKind::TimedOut.into()), Ok(Vec::new())] {
        told.tell(answer);
        until_replicas(&client, 2).await;
        assert_eq!(known().len(), 2);
    }

    told.tell(Ok(vec![second.clone()]));
    eventually(|| known() == [second.clone()], &client).await;

    second_server.abort();
    eventually(|| known().is_empty(), &client).await;
}

async fn eventually(holds: impl Fn() -> bool, client: &DirectoryClient) {
    let limit = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < limit);
        let _ = client
            .clone()
            .with_timeout(Duration::from_millis(20))
            .tokens()
            .who_am_i(crate::v1::WhoAmIRequest {})
            .await;
    }
}

#[tokio::test]
async fn encryption_is_neither_forgotten_nor_left_out() {
    assert!(DirectoryClient::new("https://127.0.0.1:50051").is_err());
    assert!(DirectoryClient::new("http://127.0.0.1:50051").is_ok());
}
