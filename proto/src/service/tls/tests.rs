use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio_rustls::TlsConnector;

use super::*;
use crate::tls::{ClientTls, ClientTlsFiles, expires_in};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Writes a certificate for this name, that of the authority, and the key.
fn write(folder: &Path, authority: &Authority, name: &str) -> IdentityFiles {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    let files = IdentityFiles {
        certificate: folder.join(format!("{name}.crt")),
        key: folder.join(format!("{name}.key")),
    };
    std::fs::write(&files.certificate, certificate.pem()).unwrap();
    std::fs::write(&files.key, key.serialize_pem()).unwrap();
    std::fs::write(folder.join("ca.crt"), authority.pem()).unwrap();
    files
}

struct Files {
    folder: TempDir,
    authority: Authority,
    server: ServerTlsFiles,
    client: ClientTlsFiles,
}

/// Both sides, each of which wants the other's certificate.
fn files() -> Files {
    let folder = tempfile::tempdir().unwrap();
    let authority = authority();
    let server = write(folder.path(), &authority, "directory");
    let client = write(folder.path(), &authority, "gateway");
    let authorities = folder.path().join("ca.crt");
    Files {
        server: ServerTlsFiles {
            identity: server,
            client_authorities: Some(authorities.clone()),
        },
        client: ClientTlsFiles {
            authorities,
            identity: Some(client),
            server_name: None,
        },
        folder,
        authority,
    }
}

/// Sends four bytes through a new connection and gives what the server read.
async fn talk(server: &ServerTls, client: Arc<ClientConfig>) -> io::Result<[u8; 4]> {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let mut server = server.accept(theirs);
    let name = ServerName::try_from("directory").unwrap();
    let serve = async {
        let mut read = [0; 4];
        server.read_exact(&mut read).await?;
        server.write_all(b"pong").await?;
        server.flush().await?;
        server.shutdown().await?;
        io::Result::Ok(read)
    };
    let ask = async {
        let mut stream = TlsConnector::from(client).connect(name, ours).await?;
        stream.write_all(b"ping").await?;
        stream.flush().await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        assert_eq!(answer, b"pong");
        io::Result::Ok(())
    };
    let (read, asked) = tokio::join!(serve, ask);
    let read = read?;
    asked?; // whole, to the farewell
    Ok(read)
}

#[tokio::test]
async fn both_sides_show_who_they_are() {
    let files = files();
    let server = ServerTls::load(files.server, &[b"h2"]).unwrap();
    let client = ClientTls::load(files.client.clone()).unwrap();
    assert_eq!(talk(&server, client.config()).await.unwrap(), *b"ping");

    let nobody = ClientTlsFiles {
        identity: None,
        ..files.client.clone()
    };
    let refused = talk(&server, ClientTls::load(nobody).unwrap().config()).await;
    assert!(refused.is_err(), "a client without a certificate");

    let elsewhere = tempfile::tempdir().unwrap();
    let stranger = ClientTlsFiles {
        identity: Some(write(elsewhere.path(), &authority(), "gateway")),
        ..files.client
    };
    let refused = talk(&server, ClientTls::load(stranger).unwrap().config()).await;
    assert!(refused.is_err(), "a client with a certificate of another authority");
}

#[tokio::test]
async fn both_versions_of_tls_are_spoken() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let files = files();
        let server = ServerTls::load(
            ServerTlsFiles {
                client_authorities: None,
                ..files.server
            },
            &[b"h2"],
        )
        .unwrap();
        let roots = authorities(&files.client.authorities).unwrap();
        let mut client = ClientConfig::builder_with_protocol_versions(&[version])
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.alpn_protocols = vec![b"h2".to_vec()];

        assert_eq!(talk(&server, Arc::new(client)).await.unwrap(), *b"ping");
    }
}

#[tokio::test]
async fn a_replaced_certificate_is_shown_to_new_connections() {
    let files = files();
    let server = ServerTls::load(files.server, &[b"h2"]).unwrap();
    let client = ClientTls::load(files.client).unwrap();
    let before = server.certificate();

    write(files.folder.path(), &files.authority, "directory");
    assert_eq!(server.certificate(), before, "nobody has looked yet");
    server.0.look();

    assert_ne!(server.certificate(), before);
    assert_eq!(talk(&server, client.config()).await.unwrap(), *b"ping");
}

#[test]
fn a_certificate_that_has_ended_is_refused_and_leaves_the_old_one_in_use() {
    let files = files();
    let server = ServerTls::load(files.server.clone(), &[b"h2"]).unwrap();
    let before = server.certificate();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["directory".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2001, 2, 3);
    let ended = params.signed_by(&key, &files.authority).unwrap();
    std::fs::write(&files.server.identity.certificate, ended.pem()).unwrap();
    std::fs::write(&files.server.identity.key, key.serialize_pem()).unwrap();

    server.0.look();

    assert_eq!(server.certificate(), before);
    let refused = ServerTls::load(files.server, &[b"h2"]).unwrap_err().to_string();
    assert!(refused.contains("has not ended"), "{refused}");
}

#[tokio::test]
async fn a_session_that_shows_no_certificate_is_not_resumed() {
    let files = files();
    let server = ServerTls::load(files.server, &[b"h2"]).unwrap();
    let client = ClientTls::load(files.client).unwrap().config(); // remembers sessions
    for _ in 0..2 {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let mut server = server.accept(theirs);
        let name = ServerName::try_from("directory").unwrap();
        let serve = async {
            server.write_all(b"hello").await.unwrap();
            server.shutdown().await.unwrap();
        };
        let ask = async {
            let mut stream = TlsConnector::from(client.clone()).connect(name, ours).await.unwrap();
            stream.read_to_end(&mut Vec::new()).await.unwrap();
            stream.get_ref().1.handshake_kind()
        };
        let ((), kind) = tokio::join!(serve, ask);
        assert_eq!(kind, Some(rustls::HandshakeKind::Full));
    }
}

#[tokio::test]
async fn half_a_pair_leaves_the_old_one_in_use() {
    let files = files();
    let server = ServerTls::load(files.server.clone(), &[b"h2"]).unwrap();
    let client = ClientTls::load(files.client).unwrap();
    let before = server.certificate();
    let old_key = std::fs::read(&files.server.identity.key).unwrap();

    write(files.folder.path(), &files.authority, "directory");
    let new_key = std::fs::read(&files.server.identity.key).unwrap();
    std::fs::write(&files.server.identity.key, &old_key).unwrap();
    server.0.look();
    assert_eq!(server.certificate(), before);
    assert_eq!(talk(&server, client.config()).await.unwrap(), *b"ping");

    std::fs::write(&files.server.identity.key, &new_key).unwrap();
    server.0.look();
    assert_ne!(server.certificate(), before);
    assert_eq!(talk(&server, client.config()).await.unwrap(), *b"ping");
}

#[test]
fn a_file_that_cannot_be_used_is_named_and_not_shown() {
    let files = files();
    let path = files.server.identity.key.clone();
    for (text, rule) in [
        ("hunter2", "must hold a private key in PEM, without a password"),
        ("-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n", ""),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = ServerTls::load(files.server.clone(), &[b"h2"]).unwrap_err().to_string();
        assert!(
            error.contains(&path.display().to_string()) && error.contains(rule),
            "{error}"
        );
        assert!(!error.contains("hunter2"), "{error}");
    }
    std::fs::remove_file(&files.server.identity.certificate).unwrap();
    let error = ServerTls::load(files.server.clone(), &[b"h2"]).unwrap_err().to_string();
    assert!(error.contains("directory.crt cannot be read"), "{error}");
}

#[test]
fn the_end_of_a_certificate_is_read_from_it() {
    let files = files();
    let server = ServerTls::load(files.server, &[b"h2"]).unwrap();

    let seconds = expires_in(&server.certificate()).unwrap();

    assert!(
        seconds > 365 * 24 * 3_600,
        "rcgen's certificates last for ages: {seconds}"
    );
    assert_eq!(expires_in(&Vec::new().into()), None);
}

#[tokio::test]
async fn who_never_finishes_the_handshake_can_be_hung_up_on() {
    let files = files();
    let server = ServerTls::load(files.server, &[b"h2"]).unwrap();
    let (mut ours, theirs): (DuplexStream, DuplexStream) = tokio::io::duplex(1024);
    let mut stream = server.accept(theirs);
    ours.write_all(&[22, 3, 1]).await.unwrap(); // the beginning of a ClientHello

    stream.shutdown().await.unwrap();

    let mut rest = Vec::new();
    ours.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"");
}
