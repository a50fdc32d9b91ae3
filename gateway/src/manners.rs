//! The manners of HTTP that hold for every endpoint, so that no handler has to think of them: which host a request names,
//! which media types its caller reads, which methods are defined, and which spellings of a path are one path.

use axum::body::HttpBody as _;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, VARY};
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, StatusCode, Uri, Version};

use crate::error::SCIM_JSON;
use crate::extract::{Host, MediaType, takes_a_coding};
use crate::scim::error::ScimError;

/// Every method that some endpoint defines.
const EVERY_METHOD: &str = "GET,HEAD,POST,PUT,PATCH,DELETE,OPTIONS";

/// Finds out which host the request names, and refuses it if that cannot be said (RFC 9112 §3.2).
pub async fn host(mut request: Request, next: Next) -> Response {
    match Host::of_request(request.version(), request.uri(), request.headers()) {
        Ok(Some(host)) => {
            request.extensions_mut().insert(host);
        }
        Ok(None) => {}
        Err(refused) => return refused.into_response(),
    }
    next.run(request).await
}

/// Answers in the media type that the caller reads. A caller who reads none of ours, or no coding of ours, is told before
/// anything is done; not so, of the type, one that asks for OPTIONS, whose answer has no body.
pub async fn media_type(request: Request, next: Next) -> Response {
    let accepted = MediaType::accepted(request.headers());
    if accepted.is_none() && request.method() != Method::OPTIONS {
        return ScimError::new(
            406,
            "Answers are application/scim+json or application/json: name one of them in the Accept header, or leave it out.",
        )
        .into_response();
    }
    if !takes_a_coding(request.headers()) {
        return ScimError::new(
            406,
            "Answers are sent in gzip or as they are: the Accept-Encoding header must not refuse both.",
        )
        .into_response();
    }
    let mut response = next.run(request).await;
    if accepted == Some(MediaType::Json) && response.headers().get(CONTENT_TYPE) == Some(&SCIM_JSON) {
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    response.headers_mut().append(VARY, HeaderValue::from_static("accept"));
    response
}

/// What a request asks for that names no endpoint of ours: OPTIONS of the whole server, and CONNECT.
pub async fn whole_server(request: Request, next: Next) -> Response {
    let allow = [(ALLOW, EVERY_METHOD)];
    match *request.method() {
        Method::OPTIONS if request.uri().path() == "*" => (allow, StatusCode::NO_CONTENT).into_response(),
        Method::CONNECT => (allow, other_method(Method::CONNECT).await).into_response(),
        _ => next.run(request).await,
    }
}

/// OPTIONS asks for the methods of an endpoint; any other that is not defined is refused (RFC 9110 §9.3.7, §15.5.6). The
/// router puts them into the Allow header of either.
pub async fn other_method(method: Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    ScimError::new(
        405,
        "This method is not defined here; the Allow header names those that are.",
    )
    .into_response()
}

/// Names OPTIONS among the methods of an endpoint.
pub fn allowing_options(mut response: Response) -> Response {
    let Some(allowed) = response.headers().get(ALLOW).and_then(|allowed| allowed.to_str().ok()) else {
        return response;
    };
    if !allowed.ends_with("OPTIONS")
        && let Ok(allowed) = HeaderValue::try_from(format!("{allowed},OPTIONS"))
    {
        response.headers_mut().insert(ALLOW, allowed);
    }
    response
}

/// Ends the connection after an answer that may leave a body unread, so that HTTP/1 callers stop sending it.
pub async fn unread(request: Request, next: Next) -> Response {
    let is_http1 = request.version() < Version::HTTP_2;
    let has_body = !request.body().is_end_stream();
    let mut response = next.run(request).await;
    let may_leave_body = matches!(
        response.status(),
        StatusCode::REQUEST_TIMEOUT | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::SERVICE_UNAVAILABLE
    );
    if is_http1 && has_body && may_leave_body {
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// A request for the path as our routes spell it: without empty segments, at the end or elsewhere (a tenant URL that ends
/// in a slash makes two of one), and with what needs no percent-encoding written as it is (RFC 3986 §6.2.2.2).
pub fn plain_path<B>(mut request: http::Request<B>) -> http::Request<B> {
    if let Some(uri) = respelled(request.uri()) {
        *request.uri_mut() = uri;
    }
    request
}

fn respelled(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    if !path.starts_with('/') {
        return None;
    }
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let plain = unreserved(&format!("/{}", segments.join("/")));
    if plain == path {
        return None;
    }
    let target = match uri.query() {
        Some(query) => format!("{plain}?{query}"),
        None => plain,
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(target).ok()?);
    Uri::from_parts(parts).ok()
}

/// The text with letters, digits and `-._~` as they are.
fn unreserved(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let byte = rest.get(1..3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte.map(char::from) {
            Some(character) if character.is_ascii_alphanumeric() || "-._~".contains(character) => {
                plain.push(character);
                rest = &rest[3..];
            }
            _ => {
                plain.push('%');
                rest = &rest[1..];
            }
        }
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_path_become_one() {
        for (spelled, plain) in [
            ("/scim/v2/Users", "/scim/v2/Users"),
            ("/scim/v2/Users/", "/scim/v2/Users"),
            ("/scim/v2//Users///1//", "/scim/v2/Users/1"),
            ("//scim/v2/Users?filter=a//b%41/", "/scim/v2/Users?filter=a//b%41/"),
            ("/scim/v2/%55sers/%2e", "/scim/v2/Users/."),
            ("/scim/v2/Users/%2F%25%zz%", "/scim/v2/Users/%2F%25%zz%"),
            ("/scim/v2/Users/%C3%A4", "/scim/v2/Users/%C3%A4"),
            ("http://h/scim/v2/Users/?a", "http://h/scim/v2/Users?a"),
            ("/", "/"),
            ("*", "*"),
        ] {
            let request = http::Request::builder().uri(spelled).body(()).unwrap();
            assert_eq!(plain_path(request).uri().to_string(), plain, "{spelled}");
        }
    }
}
