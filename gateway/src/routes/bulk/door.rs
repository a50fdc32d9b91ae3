//! The way from one operation of a bulk request to the handlers of single requests: a request of its own, through the same
//! routes, with the headers of the whole.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::response::Response;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, EXPECT, IF_MATCH, IF_NONE_MATCH,
    TRANSFER_ENCODING,
};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Uri};
use serde_json::Value;
use tower::ServiceExt as _;

use crate::error::SCIM_JSON;
use crate::extract::{Host, RequestId};
use crate::routes;
use crate::routes::refused;
use crate::scim::bulk::{Endpoint, Method};
use crate::scim::error::ScimError;
use crate::upstream::{Gateway, TenantDirectory};

/// What is known of the whole request's body and preconditions, and is not true of an operation's.
const OF_THE_WHOLE: [HeaderName; 9] = [
    ACCEPT,
    ACCEPT_ENCODING,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    EXPECT,
    IF_MATCH,
    IF_NONE_MATCH,
    TRANSFER_ENCODING,
];
/// Answers show nothing but the id, and errors are short.
const ANSWER_BYTES: usize = 1024 * 1024;

/// One operation as a request of its own; every reference is an id already.
pub struct Single {
    pub method: Method,
    pub endpoint: Endpoint,
    pub id: Option<String>,
    pub version: Option<String>,
    pub data: Option<Value>,
}

/// What a single request was answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    pub status: u16,
    /// The resource's id, if the answer shows one.
    pub id: Option<String>,
    /// The resource's entity tag.
    pub version: Option<String>,
    /// The error.
    pub error: Option<Value>,
}

impl Reply {
    pub fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl From<ScimError> for Reply {
    fn from(error: ScimError) -> Self {
        Self {
            status: error.status,
            id: None,
            version: None,
            error: Some(error.to_json()),
        }
    }
}

/// Where operations are sent.
pub trait Door {
    fn send(&self, single: Single) -> impl Future<Output = Reply> + Send;

    /// Tells that an operation which would have disabled this user was refused without being sent.
    fn refused_disable(&self, user: &str, reply: &Reply) -> impl Future<Output = ()> + Send;
}

/// The routes of this gateway, for one caller.
pub struct RouterDoor {
    router: Router,
    directory: TenantDirectory,
    headers: HeaderMap,
    uri: Uri,
    request_id: Option<RequestId>,
    host: Option<Host>,
}

impl RouterDoor {
    /// `whole` is the head of the bulk request.
    pub fn new(gateway: Gateway, directory: TenantDirectory, whole: Parts) -> Self {
        let mut headers = whole.headers;
        for name in OF_THE_WHOLE {
            headers.remove(name);
        }
        headers.insert(CONTENT_TYPE, SCIM_JSON);
        Self {
            router: routes::resources().with_state(gateway),
            directory,
            headers,
            uri: whole.uri,
            request_id: whole.extensions.get().cloned(),
            host: whole.extensions.get().cloned(),
        }
    }

    fn request(&self, single: Single) -> Result<Request<Body>, http::Error> {
        let Single {
            method,
            endpoint,
            id,
            version,
            data,
        } = single;
        let mut uri = self.uri.clone().into_parts();
        uri.path_and_query = Some(PathAndQuery::try_from(path_and_query(method, endpoint, id.as_deref()))?);
        let mut request = Request::new(data.map_or_else(Body::empty, |data| Body::from(data.to_string())));
        *request.method_mut() = http::Method::from_bytes(method.as_str().as_bytes())?;
        *request.uri_mut() = Uri::from_parts(uri)?;
        *request.headers_mut() = self.headers.clone();
        if let Some(version) = version {
            // What is no tag (an empty text, or one that no header can hold) is the tag of nothing.
            let tag = HeaderValue::from_str(&version)
                .ok()
                .filter(|_| !version.trim().is_empty());
            let tag = tag.unwrap_or_else(|| HeaderValue::from_static("invalid"));
            request.headers_mut().insert(IF_MATCH, tag);
        }
        if let Some(request_id) = &self.request_id {
            request.extensions_mut().insert(request_id.clone());
        }
        if let Some(host) = &self.host {
            request.extensions_mut().insert(host.clone());
        }
        Ok(request)
    }
}

/// Only the id is asked for, so that nothing is read for an answer that nobody sees. A PATCH of a group answers with
/// nothing at all if nothing is asked for.
fn path_and_query(method: Method, endpoint: Endpoint, id: Option<&str>) -> String {
    let id = id.map(|id| format!("/{}", encode(id))).unwrap_or_default();
    let query = match (method, endpoint) {
        (Method::Patch, Endpoint::Groups) | (Method::Delete, _) => "",
        (Method::Post | Method::Put | Method::Patch, _) => "?attributes=id",
    };
    format!("/{}{id}{query}", endpoint.as_str())
}

/// An id as one part of a path. Ours need no encoding; others shall not be found, and not break anything either.
pub fn encode(id: &str) -> String {
    let mut encoded = String::with_capacity(id.len());
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_~:".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

impl Door for RouterDoor {
    async fn send(&self, single: Single) -> Reply {
        let Ok(request) = self.request(single) else {
            return ScimError::not_found("There is no resource with this id.").into();
        };
        match self.router.clone().oneshot(request).await {
            Ok(response) => reply(response).await,
        }
    }

    async fn refused_disable(&self, user: &str, reply: &Reply) {
        let scim_type = reply.error.as_ref().and_then(|error| error["scimType"].as_str());
        refused::tell(&self.directory, user, reply.status, scim_type).await;
    }
}

async fn reply(response: Response) -> Reply {
    let (head, body) = response.into_parts();
    let body = to_bytes(body, ANSWER_BYTES).await.unwrap_or_default();
    let mut body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let version = head.headers.get(ETAG).and_then(|tag| tag.to_str().ok());
    if head.status.is_success() {
        let id = match body.get_mut("id").map(Value::take) {
            Some(Value::String(id)) => Some(id),
            _ => None,
        };
        return Reply {
            status: head.status.as_u16(),
            id,
            version: version.map(str::to_owned),
            error: None,
        };
    }
    if body.is_null() {
        tracing::error!(
            status = head.status.as_u16(),
            "a handler refused a bulk operation without saying why"
        );
        return ScimError::new(StatusCode::INTERNAL_SERVER_ERROR.as_u16(), "Internal error.").into();
    }
    Reply {
        status: head.status.as_u16(),
        id: None,
        version: None,
        error: Some(body),
    }
}
