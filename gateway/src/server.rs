//! The HTTP server: the layers around the routes, and the stop.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use directory_proto::client::{DirectoryClient, InvalidEndpoint, is_request_id};
use directory_proto::service::{Runtime, admin};
use directory_proto::trace::continue_trace;
use directory_proto::v1::WhoAmIRequest;
use http::header::{AUTHORIZATION, CACHE_CONTROL};
use http::{HeaderName, HeaderValue};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tonic::Code;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::sensitive_headers::SetSensitiveRequestHeadersLayer;
use tracing::Instrument as _;
use tracing::field::Empty;
use uuid::Uuid;

use crate::auth::Callers;
use crate::config::{Config, ConfigError, ServeArgs};
use crate::error::{no_such_path, try_again};
use crate::extract::RequestId;
use crate::scim::error::ScimError;
use crate::translate::link::{BASE_PATH, BaseUrl};
use crate::upstream::Gateway;
use crate::{metrics, routes};

/// The largest body of a request: a group with 100,000 members fits.
const BODY_BYTES: usize = 16 * 1024 * 1024;
/// How long an answer may take to begin. Longer than any call to the directory.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// How long the head of a request may take to arrive.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How often a silent HTTP/2 connection is asked whether it is still there.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);
/// How long to wait before a directory that is not there yet is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(500);
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Why the gateway does not run (any more).
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Settings cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The directory's address cannot be used.
    #[error("GATEWAY_DIRECTORY_ENDPOINT")]
    Endpoint(#[from] InvalidEndpoint),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A listener broke.
    #[error("a listener broke")]
    Listener(#[from] io::Error),
}

/// Binds both listeners and serves until the runtime stops: all of `gateway serve`.
///
/// # Errors
/// [`RunError`] if the settings cannot be used or an address is taken.
pub async fn serve(args: ServeArgs, runtime: &Runtime) -> Result<(), RunError> {
    let serve = args.check()?;
    let probes = bind(serve.admin_listen).await?;
    let scim = bind(serve.http_listen).await?;
    tokio::select! {
        probed = admin::serve(probes, runtime.clone()) => Ok(probed?),
        ran = run(serve.config, scim, runtime) => ran,
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, RunError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| RunError::Listen { address, source })
}

/// Serves SCIM on `listener` until the runtime stops, then lets open requests finish within the grace. The gateway is
/// ready once its directory has answered, and stays ready when the directory goes away: then it answers 503, as every
/// other replica would.
///
/// # Errors
/// [`RunError`] if the directory's address cannot be used or the listener breaks.
pub async fn run(config: Config, listener: TcpListener, runtime: &Runtime) -> Result<(), RunError> {
    let health = runtime.health.component("gateway");
    let gateway = Gateway {
        directory: DirectoryClient::new(&config.directory_endpoint)?,
        callers: Callers::new(),
        public_base: config.public_url.as_deref().map(BaseUrl::public),
    };
    metrics::register_build();
    let directory = gateway.directory.clone();
    let router = router(gateway);
    tracing::info!(address = %listener.local_addr()?, "serving SCIM 2.0");
    health.set_started();
    let mut background = JoinSet::new();
    let ready = health.clone();
    background.spawn(async move {
        answered_once(&directory).await;
        ready.set_ready(true);
    });

    let server = http_server();
    let open = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            () = runtime.stop.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            stream = accept(&listener) => stream,
        };
        let service = TowerToHyperService::new(router.clone());
        let connection = server.serve_connection(TokioIo::new(stream), service).into_owned();
        connections.spawn(open.watch(connection));
    }
    background.shutdown().await;
    health.set_ready(false);
    drop(listener);
    let finished = tokio::time::timeout(config.shutdown_grace, open.shutdown()).await;
    if finished.is_err() {
        let left = connections.len();
        tracing::warn!(connections = left, "cut off the connections that outlived the grace");
    }
    connections.shutdown().await;
    tracing::info!("stopped serving SCIM 2.0");
    Ok(())
}

/// HTTP/1.1 and HTTP/2 on one port, which give up on callers who are silent.
fn http_server() -> auto::Builder<TokioExecutor> {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT);
    server
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE_INTERVAL);
    server
}

/// Waits until the directory answers anything: that a call without a token is refused is answer enough.
async fn answered_once(directory: &DirectoryClient) {
    while let Err(status) = directory.tokens().who_am_i(WhoAmIRequest {}).await
        && matches!(
            status.code(),
            Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled
        )
    {
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

/// The next connection. A failure to accept one (it is gone again, or we have too many files open) does not end us.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Only a matter of latency.
                let _ = stream.set_nodelay(true);
                return stream;
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// The routes with all their layers; the first one here is the outermost.
pub(crate) fn router(gateway: Gateway) -> Router {
    let layers = tower::ServiceBuilder::new()
        .layer(SetSensitiveRequestHeadersLayer::new([AUTHORIZATION]))
        .layer(middleware::from_fn(observe))
        .map_response(|response: Response<_>| response.map(axum::body::Body::new))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(CompressionLayer::new())
        .layer(middleware::from_fn(in_time))
        .layer(DefaultBodyLimit::max(BODY_BYTES));
    Router::new()
        .nest(BASE_PATH, routes::router())
        .fallback(async || no_such_path())
        .method_not_allowed_fallback(async || {
            ScimError::new(
                405,
                "This method is not defined here; the Allow header names those that are.",
            )
        })
        .layer(layers)
        .with_state(gateway)
}

/// Gives the request its id and its span, and the answer the headers that every answer has; counts it.
async fn observe(mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("unmatched", MatchedPath::as_str)
        .to_owned();
    let id = request_id(&request);
    let span = tracing::info_span!(
        "scim.request",
        otel.name = %format_args!("{} {route}", method.as_str()),
        otel.kind = "server",
        http.request.method = method.as_str(),
        http.route = route,
        http.response.status_code = Empty,
        request.id = id,
        trace.id = Empty,
        tenant.id = Empty,
    );
    continue_trace(&span, request.headers());
    let header = HeaderValue::from_str(&id).unwrap_or_else(|_| HeaderValue::from_static("invalid"));
    request.extensions_mut().insert(RequestId(id));

    let mut response = next.run(request).instrument(span.clone()).await;

    let status = response.status();
    span.record("http.response.status_code", status.as_u16());
    metrics::answered(&method, &route, status, started.elapsed());
    span.in_scope(|| tracing::debug!(status = status.as_u16(), "answered"));
    response.headers_mut().insert(REQUEST_ID, header);
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The caller's own id if it can be one, else a new one.
fn request_id(request: &Request) -> String {
    let sent = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok());
    sent.filter(|id| is_request_id(id))
        .map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}

async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(ANSWER_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            tracing::warn!("a request took longer than it may");
            try_again(5, "The request took too long; send it again.").into_response()
        }
    }
}

fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    tracing::error!("a handler panicked; the panic itself is on standard error");
    ScimError::new(
        500,
        "Internal error; the x-request-id header of this answer finds it in the logs.",
    )
    .into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use http::{Method, StatusCode};
    use serde_json::{Value, json};
    use tower::ServiceExt as _;

    use super::*;

    /// A gateway whose directory is not there.
    fn alone() -> Router {
        let directory = DirectoryClient::new("http://127.0.0.1:9").unwrap();
        router(Gateway {
            directory,
            callers: Callers::new(),
            public_base: None,
        })
    }

    async fn ask(request: http::request::Builder, body: impl Into<Body>) -> (Response<()>, Value) {
        let response = alone().oneshot(request.body(body.into()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        (
            Response::from_parts(parts, ()),
            serde_json::from_slice(&bytes).unwrap_or_default(),
        )
    }

    fn get(path: &str) -> http::request::Builder {
        Request::builder().uri(format!("/scim/v2{path}")).header("host", "h")
    }

    fn header<'a>(response: &'a Response<()>, name: &str) -> &'a str {
        response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[tokio::test]
    async fn every_error_is_a_scim_error_with_the_headers_of_every_answer() {
        for (request, status) in [
            (get("/Nobody"), 404),
            (Request::builder().uri("/"), 404),
            (get("/Users").method(Method::DELETE), 405),
            (get("/Schemas").method(Method::POST), 405),
            (get("/Users"), 401),
            (get("/Users").header("authorization", "Basic eDp5"), 401),
            (get("/Schemas").header("authorization", "Basic eDp5"), 401),
            (get("/Schemas?filter=id+pr"), 403),
            (get("/Schemas/urn:nobody"), 404),
            (get("/Me"), 501),
        ] {
            let (response, body) = ask(request, "").await;
            assert_eq!(response.status().as_u16(), status);
            assert_eq!(body["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:Error"]));
            assert_eq!(body["status"], json!(status.to_string()));
            assert_eq!(header(&response, "content-type"), "application/scim+json");
            assert_eq!(header(&response, "cache-control"), "no-store");
            assert!(Uuid::parse_str(header(&response, "x-request-id")).is_ok());
            assert_eq!(
                header(&response, "www-authenticate"),
                if status == 401 { "Bearer" } else { "" }
            );
        }
    }

    #[tokio::test]
    async fn a_method_that_is_not_defined_names_those_that_are() {
        let (response, _) = ask(get("/Users/1").method(Method::POST), "").await;

        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE"] {
            assert!(header(&response, "allow").contains(method), "{method}");
        }
    }

    #[tokio::test]
    async fn a_sane_request_id_is_kept() {
        let (response, _) = ask(get("/Schemas").header("x-request-id", "7f6d-A0b"), "").await;
        assert_eq!(header(&response, "x-request-id"), "7f6d-A0b");

        let (response, _) = ask(get("/Schemas").header("x-request-id", "jo@example.com"), "").await;
        assert!(Uuid::parse_str(header(&response, "x-request-id")).is_ok());
    }

    #[tokio::test]
    async fn discovery_answers_without_a_token() {
        let (response, config) = ask(get("/ServiceProviderConfig"), "").await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(config["meta"]["location"], "http://h/scim/v2/ServiceProviderConfig");
        assert_eq!(
            (&config["patch"]["supported"], &config["bulk"]["supported"]),
            (&json!(true), &json!(false))
        );

        let (_, types) = ask(get("/ResourceTypes?count=1"), "").await;
        assert_eq!((&types["totalResults"], &types["itemsPerPage"]), (&json!(2), &json!(2)));
        let (_, user) = ask(get("/ResourceTypes/User"), "").await;
        assert_eq!(user["endpoint"], "/Users");
        let (_, schema) = ask(get("/Schemas/urn:ietf:params:scim:schemas:core:2.0:Group"), "").await;
        assert_eq!(schema["name"], "Group");
    }

    #[tokio::test]
    async fn without_its_directory_the_gateway_says_try_again() {
        let (response, body) = ask(get("/Users").header("authorization", "Bearer rc_x"), "").await;

        assert_eq!(
            (response.status(), &body["status"]),
            (StatusCode::SERVICE_UNAVAILABLE, &json!("503"))
        );
        assert_eq!(header(&response, "retry-after"), "5");
    }

    #[tokio::test]
    async fn a_panic_is_500_and_keeps_its_message_to_itself() {
        let response = panicked(Box::new("a secret"));

        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        assert!(!String::from_utf8_lossy(&body).contains("secret"));
    }
}
