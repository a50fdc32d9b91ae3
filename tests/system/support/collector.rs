//! An OTLP collector inside the test: what the services export arrives here over real gRPC, and is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use tokio::net::TcpListener;
use tonic::transport::server::{Server, TcpIncoming};

use super::unique;

/// One exported span.
#[derive(Clone, Debug)]
pub struct Span {
    pub trace_id: String,
    pub id: String,
    /// Empty for a span without a parent.
    pub parent: String,
    pub name: String,
    /// 1 internal, 2 server, 3 client, as OTLP numbers them.
    pub kind: i32,
    pub service: String,
    pub attributes: BTreeMap<String, String>,
    /// Everything in the span, for a search.
    pub text: String,
}

/// A running collector; it ends with its last owner.
pub struct Collector {
    endpoint: String,
    kept: Arc<Mutex<Vec<Span>>>,
    server: tokio::task::JoinHandle<()>,
}

impl Collector {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let kept = Arc::<Mutex<Vec<Span>>>::default();
        let service = TraceServiceServer::new(Receiver(kept.clone())).max_decoding_message_size(64 * 1024 * 1024);
        let serve = Server::builder()
            .add_service(service)
            .serve_with_incoming(TcpIncoming::from(listener));
        let server = tokio::spawn(async { serve.await.unwrap() });
        Self { endpoint, kept, server }
    }

    /// The environment of a service that exports to here: only traces that its caller sampled, at once.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("OTEL_EXPORTER_OTLP_ENDPOINT", self.endpoint.clone()),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc".to_owned()),
            ("OTEL_METRICS_EXPORTER", "none".to_owned()),
            ("OTEL_TRACES_SAMPLER", "parentbased_always_off".to_owned()),
            ("OTEL_BSP_SCHEDULE_DELAY", "50".to_owned()),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "65536".to_owned()),
        ]
    }

    /// Everything that has arrived. What a process still holds comes when it ends, so stop the system before: see
    /// [`super::system::System::stop_exported`].
    pub fn spans(&self) -> Vec<Span> {
        self.kept.lock().unwrap().clone()
    }

    /// All spans of one trace of a system that has been stopped: every parent is there but the caller's own.
    #[track_caller]
    pub fn trace(&self, trace_id: &str) -> Vec<Span> {
        let mut spans = self.spans();
        spans.retain(|span| span.trace_id == trace_id);
        let ids: BTreeSet<&str> = spans.iter().map(|span| span.id.as_str()).collect();
        let roots = spans.iter().filter(|span| !ids.contains(span.parent.as_str())).count();
        let names = || spans.iter().map(|span| span.name.as_str()).collect::<Vec<_>>();
        assert_eq!(roots, 1, "trace {trace_id} is not complete: {:?}", names());
        spans
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.server.abort();
    }
}

struct Receiver(Arc<Mutex<Vec<Span>>>);

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, tonic::Status> {
        let mut kept = self.0.lock().unwrap();
        for resource in request.into_inner().resource_spans {
            let of_resource = attributes(resource.resource.map(|found| found.attributes).unwrap_or_default());
            let service = of_resource.get("service.name").cloned().unwrap_or_default();
            for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                let text = format!("{span:?}");
                let span = Span {
                    trace_id: hex(&span.trace_id),
                    id: hex(&span.span_id),
                    parent: hex(&span.parent_span_id),
                    name: span.name,
                    kind: span.kind,
                    service: service.clone(),
                    attributes: attributes(span.attributes),
                    text,
                };
                kept.push(span);
            }
        }
        Ok(tonic::Response::new(ExportTraceServiceResponse::default()))
    }
}

fn attributes(pairs: Vec<KeyValue>) -> BTreeMap<String, String> {
    pairs
        .into_iter()
        .map(|pair| (pair.key, pair.value.map(text).unwrap_or_default()))
        .collect()
}

fn text(value: AnyValue) -> String {
    match value.value {
        Some(Value::StringValue(text)) => text,
        Some(Value::BoolValue(flag)) => flag.to_string(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A new trace id, for [`super::scim::Scim::traced`].
pub fn new_trace_id() -> String {
    format!("{}{}{}ab", unique(), unique(), unique())
}
