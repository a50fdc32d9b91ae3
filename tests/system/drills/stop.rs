//! Callers who have connected and have not said all that they must do not hold a process back when it shall end.

use std::io;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::databases::{Database, run_on_postgresql};
use crate::support::scim::user;
use crate::support::system::{Settings, System};

const DRAIN: Duration = Duration::from_secs(1);
const GRACE: Duration = Duration::from_secs(2);

/// What a client of HTTP/2 says first (RFC 9113 §3.4), and its empty SETTINGS.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

/// What callers have said who are not finished; the last is no language of a directory-service.
fn beginnings() -> [Vec<u8>; 6] {
    let head = b"GET /scim/v2/Users HTTP/1.1\r\nhost: localhost\r\n";
    let beginnings: [&[u8]; 5] = [b"", b"P", &PREFACE[..16], PREFACE, head];
    let [silent, begun, half, preface, head] = beginnings.map(<[u8]>::to_vec);
    [silent, begun, half, preface, [PREFACE, SETTINGS].concat(), head]
}

async fn start(database: Database, encrypted: bool) -> System {
    let settings = Settings {
        encrypted,
        environment: vec![
            ("DIRECTORY_SHUTDOWN_DRAIN_SECONDS", "1".to_owned()),
            ("DIRECTORY_SHUTDOWN_GRACE_SECONDS", "2".to_owned()),
            ("GATEWAY_SHUTDOWN_DRAIN_SECONDS", "1".to_owned()),
            ("GATEWAY_SHUTDOWN_GRACE_SECONDS", "2".to_owned()),
        ],
        ..Settings::default()
    };
    System::start_with(database, settings).await
}

#[test]
fn callers_who_are_not_finished_do_not_hold_the_stop_back() {
    run_on_postgresql("callers_who_are_not_finished", async |database| {
        let system = start(database, false).await;
        let mut held = Vec::new();
        for (listener, said) in listeners(&system, &beginnings()) {
            held.push(hold(listener, said).await);
        }

        stops_in_time(system, held).await;
    });
}

#[test]
fn callers_whose_tls_handshake_is_not_finished_do_not_hold_the_stop_back() {
    run_on_postgresql("callers_whose_tls_handshake_is_not_finished", async |database| {
        let system = start(database, true).await;
        let config = trusting(&system);
        let hello = client_hello(&config);
        let hellos = [
            Vec::new(),
            hello[..1].to_vec(),
            hello[..hello.len() / 2].to_vec(),
            hello,
        ];
        let mut held = Vec::new();
        for (listener, said) in listeners(&system, &hellos) {
            held.push(hold(listener, said).await);
        }
        for (listener, said) in listeners(&system, &beginnings()) {
            held.push(hold_encrypted(listener, &config, said).await);
        }

        stops_in_time(system, held).await;
    });
}

/// Every listener of the system with every beginning that it may hear.
fn listeners<'a>(system: &System, beginnings: &'a [Vec<u8>]) -> Vec<(String, &'a Vec<u8>)> {
    let (scim, grpc) = (system.base(0), system.directory());
    let address = |url: &str| url.split('/').nth(2).unwrap().to_owned();
    let of_scim = beginnings.iter().map(|said| (address(&scim), said));
    let of_grpc = beginnings.iter().filter(|said| !said.starts_with(b"GET"));
    of_scim.chain(of_grpc.map(|said| (address(&grpc), said))).collect()
}

async fn hold(listener: String, said: &[u8]) -> TcpStream {
    let mut peer = TcpStream::connect(listener).await.unwrap();
    peer.write_all(said).await.unwrap();
    peer
}

/// Finishes the TLS handshake, and begins to speak.
async fn hold_encrypted(listener: String, config: &Arc<ClientConfig>, said: &[u8]) -> TcpStream {
    let mut peer = TcpStream::connect(listener).await.unwrap().into_std().unwrap();
    let mut tls = connection(config);
    tokio::task::block_in_place(|| {
        peer.set_nonblocking(false).unwrap();
        while tls.is_handshaking() {
            tls.complete_io(&mut peer).unwrap();
        }
        io::Write::write_all(&mut tls.writer(), said).unwrap();
        while tls.wants_write() {
            tls.write_tls(&mut peer).unwrap();
        }
        peer.set_nonblocking(true).unwrap();
    });
    TcpStream::from_std(peer).unwrap()
}

/// Trusts the system's authority and is trusted by it.
fn trusting(system: &System) -> Arc<ClientConfig> {
    let file = |name: &str| system.certificates().path(name);
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(file("ca.crt")).unwrap())
        .unwrap();
    let own = vec![CertificateDer::from_pem_file(file("gateway.crt")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(file("gateway.key")).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots);
    let mut config = config.with_client_auth_cert(own, key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

fn connection(config: &Arc<ClientConfig>) -> ClientConnection {
    ClientConnection::new(config.clone(), ServerName::try_from("127.0.0.1").unwrap()).unwrap()
}

fn client_hello(config: &Arc<ClientConfig>) -> Vec<u8> {
    let mut hello = Vec::new();
    connection(config).write_tls(&mut hello).unwrap();
    hello
}

async fn stops_in_time(mut system: System, held: Vec<TcpStream>) {
    // Whoever came before this request has been let in.
    system.tenant("stopped").await.scim.create_user(&user("ada")).await;
    for peer in &held {
        assert!(is_open(peer), "a connection was closed before the stop");
    }

    let began = Instant::now();
    let ended = system.stop().await;
    let took = began.elapsed();

    println!("with {} connections held, both ended in {took:?}", held.len());
    assert!(ended.iter().all(ExitStatus::success), "{ended:?}");
    assert!(took >= DRAIN, "it drained for {took:?}");
    assert!(took < DRAIN + GRACE + Duration::from_secs(1), "it took {took:?}");
}

/// Whether the server has not hung up; reads what it has said.
fn is_open(peer: &TcpStream) -> bool {
    loop {
        match peer.try_read(&mut [0; 1024]) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
        }
    }
}
