//! The routes, and the layers around them.

use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use directory_proto::client::is_request_id;
use directory_proto::trace::continue_trace;
use http::header::{AUTHORIZATION, CACHE_CONTROL};
use http::{HeaderName, HeaderValue};
use tower::ServiceExt as _;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::sensitive_headers::SetSensitiveRequestHeadersLayer;
use tracing::Instrument as _;
use tracing::field::Empty;
use uuid::Uuid;

use crate::config::Limits;
use crate::error::{no_such_path, try_again};
use crate::extract::{AnswerBy, BodyMemory, RequestId};
use crate::scim::error::ScimError;
use crate::translate::link::BASE_PATH;
use crate::upstream::Gateway;
use crate::{manners, metrics, routes};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Every endpoint, with all the layers.
pub(crate) fn router(gateway: Gateway, limits: Limits) -> Router {
    let endpoints = Router::new().nest(BASE_PATH, routes::router());
    layered(endpoints, gateway, limits)
}

/// The endpoints with all their layers; the first one here is the outermost.
pub(super) fn layered(endpoints: Router<Gateway>, gateway: Gateway, limits: Limits) -> Router {
    let memory = BodyMemory::new(limits.body_memory, limits.body_wait);
    let layers = tower::ServiceBuilder::new()
        .layer(SetSensitiveRequestHeadersLayer::new([AUTHORIZATION]))
        .layer(middleware::from_fn(observe))
        .layer(middleware::from_fn(manners::unread))
        .map_response(|response: Response<_>| response.map(axum::body::Body::new))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn(manners::host))
        .layer(middleware::from_fn(manners::media_type))
        .layer(middleware::from_fn(manners::whole_server))
        .layer(CompressionLayer::new())
        .layer(middleware::from_fn_with_state((limits, memory), bounded));
    let routes = endpoints
        .fallback(async || no_such_path())
        .method_not_allowed_fallback(manners::other_method)
        .layer(layers)
        .with_state(gateway);
    // Around all of it: before a route is found, and after the router has named an endpoint's methods.
    let spelled = routes.map_request(manners::plain_path);
    Router::new().fallback_service(spelled.map_response(manners::allowing_options))
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

/// Bounds the time until the answer, and the memory for the body until then.
async fn bounded(State((limits, memory)): State<(Limits, BodyMemory)>, mut request: Request, next: Next) -> Response {
    let answer_by = tokio::time::Instant::now() + limits.answer;
    let room = memory.for_one();
    request.extensions_mut().insert(room.clone());
    request.extensions_mut().insert(limits.body);
    request.extensions_mut().insert(AnswerBy(answer_by));
    let answered = tokio::time::timeout_at(answer_by, next.run(request)).await;
    drop(room); // what was read is gone, too
    answered.unwrap_or_else(|_| {
        tracing::warn!("a request took longer than it may");
        try_again(5, "The request took too long; send it again.").into_response()
    })
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
    use std::io::Read as _;

    use axum::body::{Body, to_bytes};
    use directory_proto::client::DirectoryClient;
    use http::{Method, StatusCode};
    use serde_json::{Value, json};
    use tower::ServiceExt as _;

    use super::*;
    use crate::auth::Callers;
    use crate::translate::link::BaseUrl;

    /// A directory that is not there.
    fn nowhere() -> Gateway {
        Gateway {
            directory: DirectoryClient::new("http://127.0.0.1:9").unwrap(),
            callers: Callers::new(),
            scheme: "http",
            public_base: None,
            trusts_forwarded: false,
        }
    }

    fn alone() -> Router {
        router(nowhere(), Limits::default())
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
            (Request::builder().uri("/").header("host", "h"), 404),
            (get("/Users").method(Method::DELETE), 405),
            (get("/Schemas").method(Method::POST), 405),
            (get("/Users"), 401),
            (get("/Users").header("authorization", "Basic eDp5"), 401),
            (get("/Schemas").header("authorization", "Basic eDp5"), 401),
            (get("/Schemas?filter=id+pr"), 403),
            (get("/Schemas/urn:nobody"), 404),
            (get("/Schemas/%FF"), 404),
            (get("/ResourceTypes/%FF"), 404),
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
        for (path, methods) in [
            ("/Users", "GET,HEAD,POST,OPTIONS"),
            ("/Users/1", "GET,HEAD,PUT,PATCH,DELETE,OPTIONS"),
            ("/Groups/", "GET,HEAD,POST,OPTIONS"),
            ("/Groups/1", "GET,HEAD,PUT,PATCH,DELETE,OPTIONS"),
            ("/ServiceProviderConfig", "GET,HEAD,OPTIONS"),
            ("/ResourceTypes", "GET,HEAD,OPTIONS"),
            ("/ResourceTypes/User", "GET,HEAD,OPTIONS"),
            ("/Schemas", "GET,HEAD,OPTIONS"),
            ("/Schemas/urn:x", "GET,HEAD,OPTIONS"),
        ] {
            for method in ["TRACE", "PROPFIND", "get"] {
                let (response, body) = ask(get(path).method(method), "").await;
                assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
                assert_eq!((header(&response, "allow"), &body["status"]), (methods, &json!("405")));
            }

            let (response, body) = ask(get(path).method(Method::OPTIONS).header("accept", "text/html"), "").await;
            assert_eq!((response.status(), body), (StatusCode::NO_CONTENT, Value::Null));
            assert_eq!(header(&response, "allow"), methods);
            assert!(Uuid::parse_str(header(&response, "x-request-id")).is_ok());
        }
    }

    #[tokio::test]
    async fn what_asks_for_no_endpoint_is_told_every_method() {
        let every = "GET,HEAD,POST,PUT,PATCH,DELETE,OPTIONS";

        let whole = Request::builder().method(Method::OPTIONS).uri("*").header("host", "h");
        let (response, _) = ask(whole, "").await;
        assert_eq!(
            (response.status(), header(&response, "allow")),
            (StatusCode::NO_CONTENT, every)
        );

        let tunnel = Request::builder()
            .method(Method::CONNECT)
            .uri("h:443")
            .header("host", "h");
        let (response, body) = ask(tunnel, "").await;
        assert_eq!((header(&response, "allow"), &body["status"]), (every, &json!("405")));

        let (response, body) = ask(get("/Nothing").method(Method::OPTIONS), "").await;
        assert_eq!((header(&response, "allow"), &body["status"]), ("", &json!("404")));
    }

    #[tokio::test]
    async fn spellings_of_one_path_are_one_endpoint() {
        for path in ["", "/", "/Users/", "//Users", "/%55sers", "/Users?count=1"] {
            let (response, _) = ask(get(path), "").await;
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{path}");
        }
        for path in ["/users", "/Users/../Groups", "/Users/1/2", "/Users%2F1"] {
            let (_, body) = ask(get(path), "").await;
            assert_eq!(body["status"], json!("404"), "{path}");
        }
    }

    #[tokio::test]
    async fn head_is_get_without_its_body() {
        for accept_encoding in ["", "gzip"] {
            for path in ["/ServiceProviderConfig", "/Schemas", "/ResourceTypes/User", "/Nothing"] {
                let request = || {
                    get(path)
                        .header("x-request-id", "1")
                        .header("accept-encoding", accept_encoding)
                };
                let (shown, _) = ask(request(), "").await;
                let response = alone()
                    .oneshot(request().method(Method::HEAD).body(Body::empty()).unwrap())
                    .await
                    .unwrap();

                assert_eq!(response.status(), shown.status(), "{path}");
                let without_length = |headers: &http::HeaderMap| {
                    let mut headers = headers.clone();
                    headers.remove("content-length");
                    headers
                };
                assert_eq!(without_length(response.headers()), without_length(shown.headers()));
            }
        }
    }

    #[tokio::test]
    async fn answers_are_in_the_media_type_that_the_caller_reads() {
        for path in ["/ServiceProviderConfig", "/Nothing"] {
            for (accept, content_type) in [
                ("*/*", "application/scim+json"),
                ("application/json, application/scim+json;q=0.1", "application/scim+json"),
                ("application/json", "application/json"),
            ] {
                let (response, body) = ask(get(path).header("accept", accept), "").await;
                assert_eq!(header(&response, "content-type"), content_type, "{accept}");
                assert!(response.headers().get_all("vary").iter().any(|names| names == "accept"));
                assert!(body["schemas"].is_array());
            }
            let (response, body) = ask(get(path).header("accept", "text/html"), "").await;
            assert_eq!(
                (response.status(), &body["status"]),
                (StatusCode::NOT_ACCEPTABLE, &json!("406"))
            );
            assert_eq!(header(&response, "content-type"), "application/scim+json");
        }
    }

    #[tokio::test]
    async fn answers_are_compressed_for_who_reads_gzip() {
        let request = get("/Schemas").header("accept-encoding", "br, gzip");
        let response = alone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();

        assert_eq!(response.headers()["content-encoding"], "gzip");
        let vary: Vec<_> = response.headers().get_all("vary").iter().collect();
        assert_eq!(vary, ["accept-encoding", "accept"]);
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let mut plain = String::new();
        flate2::read::GzDecoder::new(&body[..])
            .read_to_string(&mut plain)
            .unwrap();
        assert!(plain.starts_with("{\"Resources\":"), "{plain}");
    }

    #[tokio::test]
    async fn a_request_without_a_host_is_refused_before_anything_else() {
        for request in [
            Request::builder().uri("/scim/v2/ServiceProviderConfig"),
            get("/ServiceProviderConfig").header("host", "h"),
            Request::builder()
                .uri("/scim/v2/ServiceProviderConfig")
                .header("host", "a b"),
        ] {
            let (response, body) = ask(request, "").await;
            assert_eq!(
                (response.status(), &body["status"]),
                (StatusCode::BAD_REQUEST, &json!("400"))
            );
        }
        let old = Request::builder()
            .uri("/scim/v2/ServiceProviderConfig")
            .version(http::Version::HTTP_10);
        let (_, config) = ask(old, "").await;
        assert_eq!(config["meta"]["location"], "/scim/v2/ServiceProviderConfig");
    }

    #[tokio::test]
    async fn links_begin_where_the_caller_began() {
        let forwarded = || {
            get("/ServiceProviderConfig")
                .header("forwarded", "host=outside.example.com;proto=https")
                .header("x-forwarded-host", "other.example.com")
        };
        let public = || Some(BaseUrl::public("https://scim.example.com"));
        for (public_base, trusts_forwarded, root) in [
            (None, false, "http://h"),
            (None, true, "https://outside.example.com"),
            (public(), true, "https://scim.example.com"),
            (public(), false, "https://scim.example.com"),
        ] {
            let gateway = Gateway {
                public_base,
                trusts_forwarded,
                ..nowhere()
            };
            let request = forwarded().body(Body::empty()).unwrap();
            let response = router(gateway, Limits::default()).oneshot(request).await.unwrap();
            let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
            let config: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(
                config["meta"]["location"],
                format!("{root}/scim/v2/ServiceProviderConfig")
            );
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
            (&config["patch"]["supported"], &config["bulk"]["maxPayloadSize"]),
            (&json!(true), &json!(4 * 1024 * 1024))
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
