//! Processes are replaced one by one, as an operator does and as a broken machine does, while clients go on.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddrV4;
use std::time::{Duration, Instant};

use super::balancer::Balancer;
use super::fleet::{Fleet, Place, Role};
use super::load::Load;
use crate::support::databases::{Database, run_on_postgresql};
use crate::support::eventually;

const DIRECTORIES: u8 = 3;
const GATEWAYS: u8 = 2;
const CLIENTS: usize = 6;
/// How many requests a process answers before it is replaced, and the new one before the next is.
const ENOUGH: u64 = 100;
/// How long it takes at most until all is as before a kill.
const RECOVERY: Duration = Duration::from_secs(10);
/// A request that begins so soon after a kill may have met the end.
const AT_THE_KILL: Duration = Duration::from_millis(500);

const ENVIRONMENT: [(&str, &str); 4] = [
    ("DIRECTORY_SHUTDOWN_DRAIN_SECONDS", "2"),
    ("DIRECTORY_SHUTDOWN_GRACE_SECONDS", "10"),
    ("GATEWAY_SHUTDOWN_DRAIN_SECONDS", "2"),
    ("GATEWAY_SHUTDOWN_GRACE_SECONDS", "10"),
];

#[test]
fn a_rolling_update_fails_no_request_and_loses_no_write() {
    run_on_postgresql("a_rolling_update", async |database| {
        let (mut fleet, balancer, load) = start(database, &[]).await;
        replace(&mut fleet, &load, &[0, 1, 2, 3, 4]).await;
        nothing_failed(&balancer, load).await;
    });
}

#[test]
fn a_rolling_update_fails_no_request_while_connections_end_of_age() {
    run_on_postgresql("a_rolling_update_while_connections_end", async |database| {
        let age = [("DIRECTORY_MAX_CONNECTION_AGE_SECONDS", "1")];
        let (mut fleet, balancer, load) = start(database, &age).await;
        let first = connections_to(&fleet.places[2]);
        replace(&mut fleet, &load, &[0, 3]).await;
        let last = connections_to(&fleet.places[2]); // which was not replaced
        assert!(
            !first.is_empty() && !last.is_empty() && first.is_disjoint(&last),
            "{first:?} {last:?}"
        );
        nothing_failed(&balancer, load).await;
    });
}

/// The ports of those who are connected to a place. Linux only.
fn connections_to(place: &Place) -> BTreeSet<String> {
    let listen: SocketAddrV4 = place.listen.parse().unwrap();
    let remote = format!("{:08X}:{:04X}", u32::from_le_bytes(listen.ip().octets()), listen.port());
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row[2] == remote && row[3] == "01") // established
        .map(|row| row[1].to_owned())
        .collect()
}

/// A fleet under load, through a balancer.
async fn start(database: Database, more: &[(&'static str, &'static str)]) -> (Fleet, Balancer, Load) {
    let environment = [&ENVIRONMENT, more].concat();
    let mut fleet = Fleet::new(database.postgres(), DIRECTORIES, GATEWAYS, &environment);
    fleet.start().await;
    let token = fleet.tenant("rolling").await;
    let balancer = Balancer::start(&fleet).await;
    let load = Load::start(&balancer.base, &token, CLIENTS).await;
    (fleet, balancer, load)
}

/// Replaces processes, one by one.
async fn replace(fleet: &mut Fleet, load: &Load, numbers: &[usize]) {
    for &number in numbers {
        let before = has_answered_enough(fleet, number).await;
        let began = Instant::now();
        let ended = fleet.places[number].stop().await;
        assert!(ended.success(), "{ended}");
        let stopped = began.elapsed();
        fleet.spawn(number);
        fleet.places[number].process().ready().await;
        let after = has_answered_enough(fleet, number).await;
        let role = fleet.places[number].role;
        println!("{role:?} {number}: {before} requests, stopped in {stopped:?}, the new one answered {after}");
        assert_eq!(load.failures().len(), 0, "{:?}", load.failures());
    }
}

async fn nothing_failed(balancer: &Balancer, load: Load) {
    let outcome = load.finish().await;
    println!(
        "{} requests answered, {} users created",
        outcome.answered, outcome.created
    );
    assert_eq!(outcome.failures.len(), 0, "{:?}", outcome.failures);
    assert_eq!(balancer.refused(), 0, "a gateway that was ready took no connection");
}

#[test]
fn a_killed_process_fails_the_requests_that_it_had_and_no_others() {
    run_on_postgresql("a_killed_process", async |database| {
        let (mut fleet, balancer, load) = start(database, &[]).await;

        for number in [0, usize::from(DIRECTORIES)] {
            has_answered_enough(&fleet, number).await;
            let before = load.failures().len();
            fleet.places[number].process().kill();
            let killed = Instant::now();
            fleet.spawn(number);
            fleet.places[number].process().ready().await;
            has_answered_enough(&fleet, number).await;
            let recovered = killed.elapsed();

            let failures = &load.failures()[before..];
            let role = fleet.places[number].role;
            println!(
                "{role:?} {number} killed: {} requests failed, all as before after {recovered:?}",
                failures.len()
            );
            assert!(failures.len() <= CLIENTS, "{failures:?}");
            for failure in failures {
                assert!(failure.began < killed + AT_THE_KILL, "{failure:?}");
                match role {
                    Role::Directory => assert_eq!(failure.status, Some(503), "{failure:?}"),
                    Role::Gateway => assert_eq!(failure.status, Some(502), "{failure:?}"), // the balancer's word
                }
            }
            assert!(recovered < RECOVERY, "it took {recovered:?}");
        }

        let outcome = load.finish().await;
        println!(
            "{} requests answered, {} failed; {} users created, and {} whose create was not answered; {} connections refused",
            outcome.answered,
            outcome.failures.len(),
            outcome.created,
            outcome.created_unanswered,
            balancer.refused()
        );
    });
}

/// Waits until the process at this place has answered so many requests, and says how many.
async fn has_answered_enough(fleet: &Fleet, number: usize) -> u64 {
    let place = &fleet.places[number];
    eventually(
        &format!("{:?} {number} answers {ENOUGH} requests", place.role),
        async || Some(place.answered().await).filter(|answered| *answered >= ENOUGH),
    )
    .await
}
