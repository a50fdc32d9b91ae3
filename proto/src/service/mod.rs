//! What both services owe operations, and nothing that a client needs: one [`Runtime`] a process, its probes and
//! metrics on the admin listener, telemetry, and the stop on a signal.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

pub mod admin;
pub mod settings;
pub mod telemetry;
pub mod tls;
pub mod variables;

/// What a process shares between the services that it runs.
#[derive(Clone)]
pub struct Runtime {
    /// Cancelled some time before `stop`, or with it: the probes say no, and nothing is begun that nobody waits for, but every
    /// request is still taken, until callers have noticed.
    pub draining: CancellationToken,
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
            draining: stop.child_token(),
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

/// Ends the process on signals: SIGTERM lets the runtime drain for so long before the stop, Ctrl-C does not. A second
/// signal cuts the drain short, and one after the stop ends the process at once.
pub fn stop_on_signals(runtime: &Runtime, drain: Duration) {
    let (draining, stop) = (runtime.draining.clone(), runtime.stop.clone());
    tokio::spawn(async move {
        let Some(mut signals) = Signals::listen() else {
            return; // signals cannot be listened to here: only SIGKILL ends us
        };
        if signals.next().await == Signal::Terminate && !drain.is_zero() {
            tracing::info!(drain_seconds = drain.as_secs(), "draining");
            draining.cancel();
            tokio::select! {
                () = tokio::time::sleep(drain) => {}
                _ = signals.next() => {}
            }
        }
        tracing::info!("stopping");
        stop.cancel();
        signals.next().await;
        std::process::exit(130);
    });
}

#[derive(PartialEq, Eq)]
enum Signal {
    Terminate,
    Interrupt,
}

#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> Option<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Some(Self {
            terminate: signal(SignalKind::terminate()).ok()?,
            interrupt: signal(SignalKind::interrupt()).ok()?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Terminate,
            _ = self.interrupt.recv() => Signal::Interrupt,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> Option<Self> {
        Some(Self)
    }

    async fn next(&mut self) -> Signal {
        let _ = tokio::signal::ctrl_c().await;
        Signal::Interrupt
    }
}
