//! What every system test stands on: a running system, a SCIM client that behaves like Entra, the databases, a mail
//! server, certificates, and an OTLP collector.

#[macro_use]
pub mod databases;
pub mod certificates;
pub mod cluster;
pub mod collector;
pub mod mailbox;
pub mod scim;
pub mod system;

use std::time::{Duration, Instant};

/// How long a test waits for something that ought to happen soon, on a machine with much else to do.
pub const SOON: Duration = Duration::from_secs(60);

/// Asks again and again until there is an answer. Nothing in these tests waits for a time to pass.
pub async fn eventually<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + SOON;
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {SOON:?} in vain until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Ten hex digits that no other test uses.
pub fn unique() -> String {
    format!("{:010x}", rand::random::<u64>() & 0xff_ffff_ffff)
}
