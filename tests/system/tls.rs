//! Encryption between everybody, and certificates that are replaced while requests are served.

use std::process::Output;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use directory_proto::client::DirectoryClient;
use directory_proto::tls::{ClientTls, ClientTlsFiles};
use directory_proto::v1::WhoAmIRequest;
use futures_util::future::join_all;
use tonic::Code;

use crate::support::databases::run_on_postgresql;
use crate::support::eventually;
use crate::support::scim::{Scim, user};
use crate::support::system::{ENCRYPTED, Settings, System, command};

fn encrypted() -> Settings {
    Settings {
        encrypted: true,
        // Connections end all the time, so that new ones meet what was replaced.
        environment: vec![("DIRECTORY_MAX_CONNECTION_AGE_SECONDS", "1".to_owned())],
        ..Settings::default()
    }
}

#[test]
fn everybody_is_encrypted_and_nobody_without_a_certificate_is_heard() {
    run_on_postgresql("everybody_is_encrypted", async |database| {
        let system = System::start_with(database, encrypted()).await;
        let scim = system.tenant("sealed").await.scim;
        let ada = scim.create_user(&user("ada")).await;
        let location = scim.get(&format!("/Users/{ada}")).await.expect(200).body["meta"]["location"].clone();
        assert_eq!(
            location,
            format!("{}/Users/{ada}", system.base(0)),
            "the scheme is ours"
        );

        // In the clear, or with an authority that nobody knows here, there is no answer at all.
        let plain = Scim::new(&system.base(0).replace("https", "http"), scim.token());
        assert!(plain.try_get("/Users").await.is_err());
        assert!(Scim::new(scim.base(), scim.token()).try_get("/Users").await.is_err());
        let without_certificate = ClientTlsFiles {
            authorities: system.certificates().path("ca.crt"),
            identity: None,
            server_name: None,
        };
        let tls = ClientTls::load(without_certificate).unwrap();
        let target = system.directory().parse().unwrap();
        let refused = DirectoryClient::at(&target, Some(tls.into())).unwrap();
        let refused = refused.tokens().who_am_i(WhoAmIRequest {}).await.unwrap_err();
        assert_ne!(refused.code(), Code::Unauthenticated, "{refused:?}");
        let heard = system.client().tokens().who_am_i(WhoAmIRequest {}).await.unwrap_err();
        assert_eq!(
            heard.code(),
            Code::Unauthenticated,
            "with a certificate the token is what is missing"
        );

        // The operator's command, as through a port that is forwarded: the name is not that of the address.
        let shown = rollcall(
            &system,
            &["user", "show", &ada, "--tls-server-name", "directory-service"],
        );
        assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
        let other = rollcall(&system, &["user", "show", &ada, "--tls-server-name", "elsewhere"]);
        assert!(!other.status.success());
        let told = String::from_utf8_lossy(&other.stderr).into_owned();
        assert!(told.contains("not valid for name"), "the cause is told: {told}");
    });
}

fn rollcall(system: &System, arguments: &[&str]) -> Output {
    let certificates = system.certificates();
    let mut command = command(env!("CARGO_BIN_EXE_rollcall"));
    command
        .env("ROLLCALL_TOKEN", system.operator_token())
        .env("ROLLCALL_TENANT", "sealed")
        .env("ROLLCALL_GRPC_ENDPOINT", system.directory())
        .env("ROLLCALL_TLS_CA_FILE", certificates.path("ca.crt"))
        .env("ROLLCALL_TLS_CERT_FILE", certificates.path("gateway.crt"))
        .env("ROLLCALL_TLS_KEY_FILE", certificates.path("gateway.key"));
    command.args(arguments).output().unwrap()
}

#[test]
fn certificates_are_replaced_while_requests_are_served() {
    run_on_postgresql("certificates_are_replaced", async |database| {
        let system = System::start_with(database, encrypted()).await;
        let scim = system.tenant("rotated").await.scim;
        let (served, done) = (AtomicUsize::new(0), AtomicBool::new(false));
        let clients = (0..4).map(|number| {
            let (system, scim, served, done) = (&system, &scim, &served, &done);
            async move {
                let mut round = 0;
                while !done.load(Ordering::Relaxed) {
                    // Now and then a connection of its own, which must trust what the gateway shows then.
                    let scim = if round % 10 == 0 {
                        system.scim(scim.token())
                    } else {
                        scim.clone()
                    };
                    let id = scim.create_user(&user(&format!("u{number}-{round}"))).await;
                    scim.get(&format!("/Users/{id}")).await.expect(200);
                    served.fetch_add(2, Ordering::Relaxed);
                    round += 1;
                }
            }
        });
        let rotate = async {
            let served_more = async |count: usize| {
                let before = served.load(Ordering::Relaxed);
                eventually("requests are served", async || {
                    (served.load(Ordering::Relaxed) >= before + count).then_some(())
                })
                .await;
            };
            served_more(100).await;
            let before = ends(&system).await;
            assert_eq!(before.len(), ENCRYPTED.len());
            ENCRYPTED
                .iter()
                .for_each(|name| system.certificates().issue(name, 2999));
            eventually("the new certificates are in use", async || {
                let year = 364 * 24 * 3_600;
                ends(&system)
                    .await
                    .iter()
                    .zip(&before)
                    .all(|(new, old)| *new > old + year)
                    .then_some(())
            })
            .await;
            served_more(200).await; // over connections that last a second
            done.store(true, Ordering::Relaxed);
        };
        tokio::join!(join_all(clients), rotate);
        println!("{} requests were served", served.load(Ordering::Relaxed));
    });
}

/// In how many seconds the certificates end that are in use.
async fn ends(system: &System) -> Vec<i64> {
    let scrapes = system.scrape().await.join("\n");
    let lines = scrapes
        .lines()
        .filter(|line| line.contains("_tls_certificate_expires_seconds{"));
    let seconds = lines.filter_map(|line| line.rsplit(' ').next());
    seconds.map(|seconds| seconds.parse().unwrap()).collect()
}
