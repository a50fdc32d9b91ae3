//! Logs, traces and metrics of one process: JSON or human lines on standard error, OTLP when the standard `OTEL_*`
//! variables say so, and the Prometheus registry behind `/metrics`.

use std::io::IsTerminal as _;

use opentelemetry::global;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{MetricExporter, SpanExporter};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{Aggregation, Instrument, InstrumentKind, SdkMeterProvider, Stream};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

/// The upper bounds, in seconds, of every histogram whose name ends in `_seconds`.
const SECONDS: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Crates whose spans are about the export itself or say nothing about a request.
const QUIET: [&str; 6] = ["h2", "hyper", "hyper_util", "tonic", "tower", "opentelemetry_sdk"];

/// Telemetry could not be started; the message names the variable to mend.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// A variable holds something that this build cannot do.
    #[error("{variable} is {value:?}, but must be {expected}")]
    Setting {
        /// The environment variable.
        variable: &'static str,
        /// What it holds.
        value: String,
        /// What it may hold.
        expected: &'static str,
    },
    /// The OTLP exporter could not be made from `OTEL_EXPORTER_OTLP_*`.
    #[error("the OTLP exporter could not be made, see OTEL_EXPORTER_OTLP_ENDPOINT: {0}")]
    Exporter(String),
    /// Telemetry was already started in this process.
    #[error("telemetry was started twice in one process")]
    Twice,
}

/// Running telemetry. Flush it at exit, or the last spans are lost.
pub struct Telemetry {
    traces: SdkTracerProvider,
    meters: SdkMeterProvider,
    registry: prometheus::Registry,
}

impl Telemetry {
    /// The registry behind `/metrics`, fed by every OpenTelemetry instrument of the process.
    pub fn metrics(&self) -> prometheus::Registry {
        self.registry.clone()
    }

    /// Sends what is still queued and stops. Blocks for as long as the exporter does, so call it last.
    pub fn flush(self) {
        if let Err(error) = self.traces.shutdown() {
            tracing::warn!(%error, "the last spans were not exported");
        }
        if let Err(error) = self.meters.shutdown() {
            tracing::warn!(%error, "the last metrics were not exported");
        }
    }
}

/// Starts logs, traces and metrics. Call once in a process, inside a Tokio runtime.
///
/// # Errors
/// [`TelemetryError`] if a variable holds something that this build cannot do.
pub fn start(service_name: &'static str) -> Result<Telemetry, TelemetryError> {
    let json = wants_json()?;
    let resource = resource(service_name);
    let traces = traces(resource.clone())?;
    let (meters, registry) = meters(resource)?;
    global::set_text_map_propagator(TraceContextPropagator::new());
    global::set_tracer_provider(traces.clone());
    global::set_meter_provider(meters.clone());

    let exported = tracing_opentelemetry::layer()
        .with_tracer(traces.tracer("rollcall"))
        .with_filter(
            Targets::new()
                .with_default(LevelFilter::INFO)
                .with_targets(QUIET.map(|name| (name, LevelFilter::WARN))),
        );
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,sea_orm=warn,sqlx=warn"));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = if json {
        lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(true)
            .boxed()
    } else {
        lines
            .with_ansi(std::io::stderr().is_terminal())
            .with_target(false)
            .boxed()
    };
    tracing_subscriber::registry()
        .with(exported)
        .with(lines.with_filter(filter))
        .try_init()
        .map_err(|_| TelemetryError::Twice)?;
    Ok(Telemetry {
        traces,
        meters,
        registry,
    })
}

fn wants_json() -> Result<bool, TelemetryError> {
    match std::env::var("ROLLCALL_LOG_FORMAT").ok().as_deref() {
        None | Some("") => Ok(!std::io::stderr().is_terminal()),
        Some("json") => Ok(true),
        Some("human") => Ok(false),
        Some(other) => Err(TelemetryError::Setting {
            variable: "ROLLCALL_LOG_FORMAT",
            value: other.to_owned(),
            expected: "json or human",
        }),
    }
}

fn resource(service_name: &'static str) -> Resource {
    let builder = Resource::builder();
    if std::env::var_os("OTEL_SERVICE_NAME").is_some() {
        builder.build()
    } else {
        builder.with_service_name(service_name).build()
    }
}

/// Whether the standard variables ask for OTLP export of one signal.
fn exports(signal: &str) -> Result<bool, TelemetryError> {
    let read = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    if read("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
        || read(&format!("OTEL_{signal}_EXPORTER")).is_some_and(|value| value.eq_ignore_ascii_case("none"))
    {
        return Ok(false);
    }
    let specific = format!("OTEL_EXPORTER_OTLP_{signal}_ENDPOINT");
    if read("OTEL_EXPORTER_OTLP_ENDPOINT")
        .or_else(|| read(&specific))
        .is_none()
    {
        return Ok(false);
    }
    match read("OTEL_EXPORTER_OTLP_PROTOCOL") {
        Some(other) if other != "grpc" => Err(TelemetryError::Setting {
            variable: "OTEL_EXPORTER_OTLP_PROTOCOL",
            value: other,
            expected: "grpc (HTTP is not built in)",
        }),
        _ => Ok(true),
    }
}

fn traces(resource: Resource) -> Result<SdkTracerProvider, TelemetryError> {
    let mut builder = SdkTracerProvider::builder().with_resource(resource);
    if exports("TRACES")? {
        let exporter = SpanExporter::builder().with_tonic().build();
        builder = builder.with_batch_exporter(exporter.map_err(|error| TelemetryError::Exporter(error.to_string()))?);
    }
    Ok(builder.build())
}

fn meters(resource: Resource) -> Result<(SdkMeterProvider, prometheus::Registry), TelemetryError> {
    let registry = prometheus::Registry::new();
    let failed = |error: &dyn std::error::Error| TelemetryError::Exporter(error.to_string());
    let reader = opentelemetry_prometheus::exporter()
        .with_registry(registry.clone())
        .without_target_info()
        .scope_info_enabled(false)
        .build()
        .map_err(|error| failed(&error))?;
    let mut builder = SdkMeterProvider::builder()
        .with_resource(resource)
        .with_reader(reader)
        .with_view(in_seconds);
    if exports("METRICS")? {
        let exporter = MetricExporter::builder()
            .with_tonic()
            .build()
            .map_err(|error| failed(&error))?;
        builder = builder.with_periodic_exporter(exporter);
    }
    Ok((builder.build(), registry))
}

/// OpenTelemetry's own bounds are made for milliseconds; ours are seconds.
fn in_seconds(instrument: &Instrument) -> Option<Stream> {
    if instrument.kind() != InstrumentKind::Histogram || !instrument.name().ends_with("_seconds") {
        return None;
    }
    let aggregation = Aggregation::ExplicitBucketHistogram {
        boundaries: SECONDS.to_vec(),
        record_min_max: false,
    };
    Stream::builder().with_aggregation(aggregation).build().ok()
}
