//! Rate, errors and duration per method, and the last line of defence: a handler that panics becomes INTERNAL.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use directory_proto::v1::FILE_DESCRIPTOR_SET;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt as _;
use opentelemetry::metrics::{Counter, Gauge, Histogram};
use opentelemetry::{KeyValue, global};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::Span;

use crate::clock::Clock;
use crate::directory::OutboxState;
use crate::store::{Database, Pool};

const METER: &str = "directory";
/// The label of every path that is no method of ours, so that callers cannot make labels up.
const OTHER: &str = "other";

/// Says which schema and build this process has.
pub fn record_build(schema_version: u64) {
    let meter = global::meter(METER);
    meter
        .u64_gauge("directory_schema_version")
        .with_description("How many migrations are applied.")
        .build()
        .record(schema_version, &[]);
    meter
        .u64_gauge("directory_build_info")
        .with_description("Always 1; the labels say which build this is.")
        .build()
        .record(1, &[KeyValue::new("version", env!("CARGO_PKG_VERSION"))]);
}

/// Whether the process is about to stop.
pub fn record_draining(is_draining: bool) {
    global::meter(METER)
        .u64_gauge("directory_draining")
        .with_description("1 from the signal to stop on, else 0.")
        .build()
        .record(is_draining.into(), &[]);
}

/// Shows how many connections of the pool there are.
pub fn show_pool(db: Database) {
    global::meter(METER)
        .u64_observable_gauge("directory_db_pool_connections")
        .with_description("Connections to the database: those in use, and those that wait to be used.")
        .with_callback(move |gauge| {
            let Pool { idle, used } = db.pool();
            gauge.observe(idle, &[KeyValue::new("state", "idle")]);
            gauge.observe(used, &[KeyValue::new("state", "used")]);
        })
        .build();
}

/// How long it takes to get a connection of the pool.
#[derive(Debug)]
pub struct AcquireMetric(Histogram<f64>);

impl AcquireMetric {
    /// Measures with the process's global meter.
    pub fn new() -> Self {
        let meter = global::meter(METER);
        Self(
            meter
                .f64_histogram("directory_db_acquire_seconds")
                .with_description("How long a check, which comes every 3 s, waited for a connection of the pool.")
                .build(),
        )
    }

    /// Counts one that took so long.
    pub fn record(&self, took: Duration) {
        self.0.record(took.as_secs_f64(), &[]);
    }
}

/// When the first live token of a provisioning source ends.
#[derive(Debug)]
pub struct TokenExpiry(Arc<AtomicI64>);

/// No token ends.
const NEVER_US: i64 = i64::MAX;

impl TokenExpiry {
    /// Shows it in seconds from now, and nothing while no token ends.
    pub fn show(clock: Clock) -> Self {
        let first_us = Arc::new(AtomicI64::new(NEVER_US));
        let shown = first_us.clone();
        global::meter(METER)
            .f64_observable_gauge("directory_token_expires_seconds")
            .with_description("In how many seconds the first live token with scope provision ends, of all tenants.")
            .with_callback(move |gauge| match shown.load(Ordering::Relaxed) {
                NEVER_US => {}
                first_us => gauge.observe((first_us - clock.now_us()) as f64 / 1e6, &[]),
            })
            .build();
        Self(first_us)
    }

    /// The first one ends at this time, or none does.
    pub fn record(&self, first_us: Option<i64>) {
        self.0.store(first_us.unwrap_or(NEVER_US), Ordering::Relaxed);
    }
}

/// How the outbox of mails is.
#[derive(Debug)]
pub struct OutboxMetrics {
    pending: Gauge<i64>,
    parked: Gauge<i64>,
    oldest: Gauge<f64>,
    attempts: Counter<u64>,
}

impl OutboxMetrics {
    /// Measures with the process's global meter.
    pub fn new() -> Self {
        let meter = global::meter(METER);
        Self {
            pending: meter
                .i64_gauge("directory_outbox_pending")
                .with_description("Mails that wait, of all tenants.")
                .build(),
            parked: meter
                .i64_gauge("directory_outbox_parked")
                .with_description("Mails that cannot be delivered, of all tenants.")
                .build(),
            oldest: meter
                .f64_gauge("directory_outbox_oldest_seconds")
                .with_description("For how long the oldest mail waits; 0 if none does.")
                .build(),
            attempts: meter
                // Exported as directory_outbox_attempts_total.
                .u64_counter("directory_outbox_attempts")
                .with_description("Attempts to send a mail that this process made, by what they came to.")
                .build(),
        }
    }

    /// Shows this state.
    pub fn record(&self, state: &OutboxState, now_us: i64) {
        let waits_us = state
            .oldest_queued_us
            .map_or(0, |since| now_us.saturating_sub(since).max(0));
        self.pending.record(state.waiting, &[]);
        self.parked.record(state.parked, &[]);
        self.oldest
            .record(Duration::from_micros(waits_us.unsigned_abs()).as_secs_f64(), &[]);
    }

    /// Counts an attempt.
    pub fn count(&self, result: &'static str) {
        self.attempts.add(1, &[KeyValue::new("result", result)]);
    }
}

/// Measures every request and catches what panics in one.
#[derive(Clone)]
pub struct ObserveLayer {
    instruments: Arc<Instruments>,
}

struct Instruments {
    methods: HashSet<String>,
    requests: Counter<u64>,
    duration: Histogram<f64>,
}

impl ObserveLayer {
    /// Measures with the process's global meter.
    pub fn new() -> Self {
        let meter = global::meter(METER);
        let instruments = Instruments {
            methods: methods(),
            requests: meter
                // Exported as directory_grpc_requests_total.
                .u64_counter("directory_grpc_requests")
                .with_description("gRPC requests answered.")
                .build(),
            duration: meter
                .f64_histogram("directory_grpc_request_duration_seconds")
                .with_description("Seconds from a request's head to the end of its answer.")
                .build(),
        };
        Self {
            instruments: Arc::new(instruments),
        }
    }
}

/// The paths of the contract, `package.Service/Method`.
fn methods() -> HashSet<String> {
    let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap_or_default();
    let contract = set.file.iter().flat_map(|file| {
        file.service.iter().flat_map(move |service| {
            service
                .method
                .iter()
                .map(move |method| format!("{}.{}/{}", file.package(), service.name(), method.name()))
        })
    });
    contract
        .chain(["grpc.health.v1.Health/Check", "grpc.health.v1.Health/Watch"].map(str::to_owned))
        .collect()
}

impl<S> Layer<S> for ObserveLayer {
    type Service = Observe<S>;

    fn layer(&self, inner: S) -> Observe<S> {
        Observe {
            inner,
            instruments: Arc::clone(&self.instruments),
        }
    }
}

/// See [`ObserveLayer`].
#[derive(Clone)]
pub struct Observe<S> {
    inner: S,
    instruments: Arc<Instruments>,
}

impl<S> Service<Request<Body>> for Observe<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let mut measured = Measured::start(&self.instruments, request.uri().path());
        let answer = std::panic::catch_unwind(AssertUnwindSafe(|| self.inner.call(request)));
        Box::pin(async move {
            let answer = match answer {
                Ok(future) => AssertUnwindSafe(future).catch_unwind().await,
                Err(panic) => Err(panic),
            };
            let response = answer.unwrap_or_else(|_| {
                tracing::error!("a request handler panicked");
                Ok(Status::internal("internal error").into_http())
            })?;
            measured.read(response.headers());
            Ok(response.map(|body| {
                Body::new(body.map_frame(move |frame| {
                    if let Some(trailers) = frame.trailers_ref() {
                        measured.read(trailers);
                    }
                    frame
                }))
            }))
        })
    }
}

/// One request being measured. Counted when it is dropped, with the body or with a future that nobody awaits any more.
struct Measured {
    instruments: Arc<Instruments>,
    method: String,
    start: Instant,
    code: Code,
    span: Span,
}

impl Measured {
    fn start(instruments: &Arc<Instruments>, path: &str) -> Self {
        let method = path
            .strip_prefix('/')
            .filter(|method| instruments.methods.contains(*method))
            .unwrap_or(OTHER);
        Self {
            instruments: Arc::clone(instruments),
            method: method.to_owned(),
            start: Instant::now(),
            code: Code::Cancelled, // until an answer says otherwise
            span: Span::current(),
        }
    }

    fn read(&mut self, headers: &HeaderMap) {
        if let Some(status) = headers.get("grpc-status") {
            self.code = Code::from_bytes(status.as_bytes());
        }
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        self.span.record("rpc.grpc.status_code", self.code as i32);
        let method = KeyValue::new("method", std::mem::take(&mut self.method));
        self.instruments
            .duration
            .record(self.start.elapsed().as_secs_f64(), std::slice::from_ref(&method));
        self.instruments
            .requests
            .add(1, &[method, KeyValue::new("code", code_name(self.code))]);
    }
}

fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use tower::{ServiceExt as _, service_fn};

    use super::*;

    #[test]
    fn only_methods_of_the_contract_become_labels() {
        let instruments = ObserveLayer::new().instruments;
        let label = |path| Measured::start(&instruments, path).method.clone();

        assert_eq!(
            label("/directory.v1.TokenService/WhoAmI"),
            "directory.v1.TokenService/WhoAmI"
        );
        assert_eq!(label("/directory.v1.TokenService/WhoAmI2"), OTHER);
        assert_eq!(label(""), OTHER);
    }

    #[tokio::test]
    async fn a_panic_answers_internal() {
        let panicking = service_fn(|_: Request<Body>| async { panic!("on purpose") });
        let observed = ObserveLayer::new().layer(panicking);

        let answer: Result<Response<Body>, std::convert::Infallible> =
            observed.oneshot(Request::new(Body::empty())).await;

        assert_eq!(
            Code::from_bytes(answer.unwrap().headers()["grpc-status"].as_bytes()),
            Code::Internal
        );
    }
}
