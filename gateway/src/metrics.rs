//! The gateway's metrics: rate, errors and duration of every route. Labels are bounded: the pattern of a route, never
//! a path.

use std::sync::LazyLock;
use std::time::Duration;

use directory_proto::client::DirectoryClient;
use http::{Method, StatusCode};
use opentelemetry::metrics::{Counter, Histogram};
use opentelemetry::{KeyValue, global};

struct Instruments {
    requests: Counter<u64>,
    duration: Histogram<f64>,
}

static INSTRUMENTS: LazyLock<Instruments> = LazyLock::new(|| {
    let meter = global::meter("gateway");
    Instruments {
        requests: meter
            .u64_counter("gateway_http_requests") // the exporter adds `_total`
            .with_description("SCIM requests that were answered.")
            .build(),
        duration: meter
            .f64_histogram("gateway_http_request_duration_seconds")
            .with_description("Time from a request's head to its answer's head.")
            .build(),
    }
});

/// Says once which build runs.
pub fn register_build() {
    let info = global::meter("gateway")
        .u64_gauge("gateway_build_info")
        .with_description("1, with the version of the build.")
        .build();
    info.record(1, &[KeyValue::new("version", env!("CARGO_PKG_VERSION"))]);
}

/// Shows how many replicas of the directory answer.
pub fn register_endpoints(directory: &DirectoryClient) {
    let count = directory.replica_count();
    global::meter("gateway")
        .u64_observable_gauge("gateway_directory_endpoints")
        .with_description("How many replicas of the directory calls can go to.")
        .with_callback(move |gauge| {
            if let Some(count) = count() {
                gauge.observe(count as u64, &[]);
            }
        })
        .build();
}

/// Whether the process is about to stop.
pub fn draining(is_draining: bool) {
    let draining = global::meter("gateway")
        .u64_gauge("gateway_draining")
        .with_description("1 from the signal to stop on, else 0.")
        .build();
    draining.record(is_draining.into(), &[]);
}

/// Counts one answered request.
pub fn answered(method: &Method, route: &str, status: StatusCode, duration: Duration) {
    let method = KeyValue::new("method", method_label(method));
    let route = KeyValue::new("route", route.to_owned());
    let code = KeyValue::new("code", i64::from(status.as_u16()));
    INSTRUMENTS
        .duration
        .record(duration.as_secs_f64(), &[method.clone(), route.clone()]);
    INSTRUMENTS.requests.add(1, &[method, route, code]);
}

/// Callers can invent methods; a label's values must stay few.
fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}
