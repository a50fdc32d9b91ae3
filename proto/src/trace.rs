//! W3C trace context in and out of gRPC and HTTP, so that one trace runs from a SCIM request to its SQL.

use opentelemetry::global;
use opentelemetry::propagation::{Extractor, Injector};
use opentelemetry::trace::TraceContextExt as _;
use tonic::metadata::{MetadataKey, MetadataMap};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// What tracers must pass on of a caller's `tracestate` (W3C Trace Context §3.3.1.5). A longer one is dropped: it would be
/// sent on with every call, and fail it beyond the bound that gRPC has for headers.
const MAX_FIELD_BYTES: usize = 512;

struct FromHeaders<'a>(&'a http::HeaderMap);

impl Extractor for FromHeaders<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        let value = self.0.get(key).and_then(|value| value.to_str().ok());
        value.filter(|text| text.len() <= MAX_FIELD_BYTES)
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

struct IntoMetadata<'a>(&'a mut MetadataMap);

impl Injector for IntoMetadata<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(key), Ok(value)) = (MetadataKey::from_bytes(key.as_bytes()), value.parse()) {
            self.0.insert(key, value);
        }
    }
}

/// Makes `span` a child of the caller's span if the headers name one, and records its field `trace.id`.
pub fn continue_trace(span: &Span, headers: &http::HeaderMap) {
    let context = global::get_text_map_propagator(|propagator| propagator.extract(&FromHeaders(headers)));
    // Refused only where no OpenTelemetry layer is installed: then there is no trace to continue.
    let _ = span.set_parent(context);
    if let Some(id) = trace_id_of(span) {
        span.record("trace.id", id);
    }
}

/// The span of one gRPC request on the server. For `Server::builder().trace_fn`.
pub fn grpc_span(request: &http::Request<()>) -> Span {
    let span = tracing::info_span!(
        "grpc.request",
        otel.name = request.uri().path().trim_start_matches('/'),
        otel.kind = "server",
        rpc.system = "grpc",
        rpc.grpc.status_code = tracing::field::Empty,
        request.id = tracing::field::Empty,
        trace.id = tracing::field::Empty,
        tenant.id = tracing::field::Empty,
    );
    continue_trace(&span, request.headers());
    if let Some(id) = request
        .headers()
        .get(crate::client::REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        && crate::client::is_request_id(id)
    {
        span.record("request.id", id);
    }
    span
}

/// Writes the current span's trace context into outgoing metadata.
pub fn inject(metadata: &mut MetadataMap) {
    let context = Span::current().context();
    global::get_text_map_propagator(|propagator| propagator.inject_context(&context, &mut IntoMetadata(metadata)));
}

/// The trace id of the current span as 32 hex digits, if there is a trace.
pub fn current_trace_id() -> Option<String> {
    trace_id_of(&Span::current())
}

fn trace_id_of(span: &Span) -> Option<String> {
    let context = span.context();
    let span_context = context.span().span_context().clone();
    span_context.is_valid().then(|| span_context.trace_id().to_string())
}

/// An error with everything that caused it, on one line. Logs of JSON would leave the causes out; only errors that hold nothing
/// personal may get there.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Many errors repeat their cause in their own text.
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text.replace('\n', " ")
}
