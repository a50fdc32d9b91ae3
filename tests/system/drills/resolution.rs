//! A gateway finds its directory-services by a name, and follows when the name's addresses change.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, Instant};

use super::fleet::{Fleet, Role};
use super::load::Load;
use crate::support::databases::run_on_postgresql;
use crate::support::eventually;
use crate::support::system::metric;

const NAME: &str = "directory.test";
const CLIENTS: usize = 4;
/// A name is asked for again every 10 s.
const FOLLOWS_IN: Duration = Duration::from_secs(15);

#[test]
fn a_gateway_follows_the_addresses_of_its_directorys_name() {
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    if !is_root {
        // A hosts file of its own takes a mount, and that takes root.
        eprintln!("a_gateway_follows_the_addresses: SKIPPED, only root can give a process a hosts file of its own");
        return;
    }
    run_on_postgresql("a_gateway_follows_the_addresses", async |database| {
        let mut fleet = Fleet::new(database.postgres(), 3, 1, &[("GATEWAY_ALLOW_PLAINTEXT", "true")]);
        fleet.name_directories(NAME, &[0]);
        fleet.start().await;
        let token = fleet.tenant("resolved").await;
        let gateway = fleet.of(Role::Gateway).next().unwrap();
        let admin = gateway.admin;
        let base = format!("http://{}/scim/v2", gateway.listen);
        let load = Load::start(&base, &token, CLIENTS).await;
        load.goes_on(100).await;
        assert_eq!(metric(admin, "gateway_directory_endpoints").await, Some(1.0));
        let before = answered(&fleet).await;
        assert!(before[0] > 100, "{before:?}");
        assert_eq!(before[1..], [0, 0], "nobody names the others yet");

        fleet.name_directories(NAME, &[1, 2]);
        let changed = Instant::now();
        eventually("the gateway has two addresses", async || {
            (metric(admin, "gateway_directory_endpoints").await == Some(2.0)).then_some(())
        })
        .await;
        let followed = changed.elapsed();
        assert!(followed < FOLLOWS_IN, "it took {followed:?}");
        eventually("both answer", async || {
            answered(&fleet).await[1..]
                .iter()
                .all(|answered| *answered > 100)
                .then_some(())
        })
        .await;

        // Nobody needs the first one any more.
        let ended = fleet.places[0].stop().await;
        assert!(ended.success(), "{ended}");
        load.goes_on(100).await;
        let outcome = load.finish().await;
        println!(
            "followed in {followed:?}; {} requests answered, {} users created",
            outcome.answered, outcome.created
        );
        assert_eq!(outcome.failures.len(), 0, "{:?}", outcome.failures);
    });
}

async fn answered(fleet: &Fleet) -> Vec<u64> {
    let mut answered = Vec::new();
    for directory in fleet.of(Role::Directory) {
        answered.push(directory.answered().await);
    }
    answered
}
