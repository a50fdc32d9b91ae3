//! What both services owe operations, and nothing that a client needs: one [`Runtime`] a process, its probes and
//! metrics on the admin listener, telemetry, and the stop on a signal.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

pub mod admin;
pub mod telemetry;

/// What a process shares between the services that it runs.
#[derive(Clone)]
pub struct Runtime {
    /// Cancelled when the process shall end. Services stop gracefully.
    pub stop: CancellationToken,
    /// The components' probes.
    pub health: Health,
    /// What `/metrics` shows.
    pub metrics: prometheus::Registry,
}

impl Runtime {
    /// A runtime that nothing has started in yet.
    pub fn new(stop: CancellationToken, metrics: prometheus::Registry) -> Self {
        Self {
            stop,
            health: Health::default(),
            metrics,
        }
    }
}

/// The probes of every component in the process; flags that are set by the components and never asked for.
#[derive(Clone, Default)]
pub struct Health {
    components: Arc<Mutex<BTreeMap<&'static str, Component>>>,
}

impl Health {
    /// Registers a component, which is neither started nor ready at first.
    pub fn component(&self, name: &'static str) -> Component {
        let mut components = self.components.lock().unwrap_or_else(PoisonError::into_inner);
        components.entry(name).or_default().clone()
    }

    fn all(&self, holds: impl Fn(&Component) -> bool) -> bool {
        let components = self.components.lock().unwrap_or_else(PoisonError::into_inner);
        !components.is_empty() && components.values().all(holds)
    }

    /// Whether there is a component and every one has started.
    pub fn started(&self) -> bool {
        self.all(|component| component.started.load(Ordering::Relaxed))
    }

    /// Whether there is a component and every one is ready.
    pub fn ready(&self) -> bool {
        self.started() && self.all(|component| component.ready.load(Ordering::Relaxed))
    }
}

/// One component's probes.
#[derive(Clone, Default)]
pub struct Component {
    started: Arc<AtomicBool>,
    ready: Arc<AtomicBool>,
}

impl Component {
    /// The configuration was read, the listener is bound, and the schema fits.
    pub fn set_started(&self) {
        self.started.store(true, Ordering::Relaxed);
    }

    /// Whether the component can answer.
    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Relaxed);
    }
}

/// Cancels `stop` at the first SIGTERM or Ctrl-C; a second one ends the process at once.
pub fn stop_on_signals(stop: CancellationToken) {
    tokio::spawn(async move {
        signal().await;
        tracing::info!("stopping");
        stop.cancel();
        signal().await;
        std::process::exit(130);
    });
}

#[cfg(unix)]
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await; // signals cannot be listened to here: only SIGKILL ends us
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

#[cfg(not(unix))]
async fn signal() {
    let _ = tokio::signal::ctrl_c().await;
}
