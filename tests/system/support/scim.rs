//! A SCIM client that sends what Entra ID sends: its headers, no `User-Agent`, one request at a time as given.

use std::fs;
use std::path::Path;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use reqwest::Certificate;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

pub const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
pub const STATUS: &str = "urn:rollcall:params:scim:schemas:extension:status:2.0:User";
pub const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
pub const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
pub const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// One tenant's SCIM endpoint, called with one token.
#[derive(Clone)]
pub struct Scim {
    http: reqwest::Client,
    base: String,
    token: String,
    traceparent: Option<String>,
}

impl Scim {
    pub fn new(base: &str, token: &str) -> Self {
        Self::trusting(None, base, token)
    }

    /// An endpoint for which nobody vouches but the authorities of this file.
    pub fn trusting(authorities: Option<&Path>, base: &str, token: &str) -> Self {
        // Plain HTTP needs no TLS, but the client is built with it and wants to know whose.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let authorities = authorities.map(|file| Certificate::from_pem(&fs::read(file).unwrap()).unwrap());
        let http = reqwest::Client::builder()
            .tls_certs_only(authorities)
            .no_proxy()
            .read_timeout(Duration::from_secs(60)) // a large answer may take longer, but not without a byte
            .pool_max_idle_per_host(256)
            .build()
            .unwrap();
        Self {
            http,
            base: base.to_owned(),
            token: token.to_owned(),
            traceparent: None,
        }
    }

    /// The tenant URL, `http://.../scim/v2`.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The bearer token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The same endpoint with another token.
    pub fn with_token(&self, token: &str) -> Self {
        Self {
            token: token.to_owned(),
            ..self.clone()
        }
    }

    /// The same endpoint at another gateway.
    pub fn at(&self, base: &str) -> Self {
        Self {
            base: base.to_owned(),
            ..self.clone()
        }
    }

    /// The same endpoint, whose requests continue this sampled trace.
    pub fn traced(&self, trace_id: &str) -> Self {
        let traceparent = Some(format!("00-{trace_id}-00f067aa0ba902b7-01"));
        Self {
            traceparent,
            ..self.clone()
        }
    }

    /// The headers that Entra sends.
    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let bearer = format!("Bearer {}", self.token);
        headers.insert("authorization", HeaderValue::from_str(&bearer).unwrap());
        headers.insert("accept", HeaderValue::from_static("application/scim+json"));
        headers.insert(
            "content-type",
            HeaderValue::from_static("application/scim+json; charset=utf-8"),
        );
        if let Some(traceparent) = &self.traceparent {
            headers.insert("traceparent", HeaderValue::from_str(traceparent).unwrap());
        }
        headers
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, self.headers(), None).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, self.headers(), Some(body.to_string()))
            .await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PUT, path, self.headers(), Some(body.to_string()))
            .await
    }

    /// PATCH with these operations.
    pub async fn patch(&self, path: &str, operations: Value) -> Answer {
        self.send(Method::PATCH, path, self.headers(), Some(patch(operations).to_string()))
            .await
    }

    /// PATCH with these operations and one more header.
    pub async fn patch_with(&self, path: &str, operations: Value, header: (&'static str, &str)) -> Answer {
        let mut headers = self.headers();
        headers.insert(header.0, HeaderValue::from_str(header.1).unwrap());
        self.send(Method::PATCH, path, headers, Some(patch(operations).to_string()))
            .await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, self.headers(), None).await
    }

    /// Finds what a filter matches; the filter is encoded here, as a form is: a blank becomes `+`.
    pub async fn filter(&self, endpoint: &str, filter: &str) -> Answer {
        self.get(&format!("{endpoint}?filter={}", form_encode(filter))).await
    }

    /// Creates a user and gives its id.
    pub async fn create_user(&self, body: &Value) -> String {
        self.post("/Users", body).await.expect(201).id()
    }

    /// Creates a group with these members and gives its id.
    pub async fn create_group(&self, name: &str, members: &[&str]) -> String {
        self.post("/Groups", &group(name, members)).await.expect(201).id()
    }

    /// Adds members as Entra does.
    pub async fn add_members(&self, group: &str, members: &[&str]) -> Answer {
        let members: Vec<Value> = members.iter().map(|id| json!({"$ref": null, "value": id})).collect();
        self.patch(
            &format!("/Groups/{group}"),
            json!([{"op": "Add", "path": "members", "value": members}]),
        )
        .await
    }

    /// The ids of a group's members, sorted.
    pub async fn members(&self, group: &str) -> Vec<String> {
        let answer = self.get(&format!("/Groups/{group}")).await.expect(200);
        let members = answer.body["members"].as_array().cloned().unwrap_or_default();
        let mut ids: Vec<String> = members
            .iter()
            .map(|member| member["value"].as_str().unwrap().to_owned())
            .collect();
        ids.sort();
        ids
    }

    /// Sends one request. `headers` are all there are; only a missing `Accept` takes a plain socket, as the HTTP
    /// client would put `*/*` there.
    pub async fn send(&self, method: Method, path: &str, headers: HeaderMap, body: Option<String>) -> Answer {
        if !headers.contains_key("accept") {
            return send_bare(&method, &format!("{}{path}", self.base), &headers, body.as_deref()).await;
        }
        let sent = self.try_send(method.clone(), path, headers, body).await;
        sent.unwrap_or_else(|error| panic!("{method} {path}: {error:?}"))
    }

    /// GET that gives an error back instead of failing, for a server that may not be there.
    pub async fn try_get(&self, path: &str) -> Result<Answer, reqwest::Error> {
        self.try_send(Method::GET, path, self.headers(), None).await
    }

    /// GET whose answer has begun and is not read on. The window is small: what is not read stays with the server.
    pub async fn get_unread(&self, path: &str) -> Unread {
        let (host, request) = bare(&Method::GET, &format!("{}{path}", self.base), &self.headers(), None);
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(64 * 1024).unwrap();
        let mut stream = socket.connect(host.parse().unwrap()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.peek(&mut [0]).await.unwrap();
        Unread { stream, request }
    }

    /// POST that gives an error back instead of failing, for tests that end the server meanwhile.
    pub async fn try_post(&self, path: &str, body: &Value) -> Result<Answer, reqwest::Error> {
        self.try_send(Method::POST, path, self.headers(), Some(body.to_string()))
            .await
    }

    /// PATCH that gives an error back instead of failing.
    pub async fn try_patch(&self, path: &str, operations: Value) -> Result<Answer, reqwest::Error> {
        self.try_send(Method::PATCH, path, self.headers(), Some(patch(operations).to_string()))
            .await
    }

    async fn try_send(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Option<String>,
    ) -> Result<Answer, reqwest::Error> {
        let mut request = self
            .http
            .request(method.clone(), format!("{}{path}", self.base))
            .headers(headers);
        if let Some(body) = body {
            request = request.body(body);
        }
        let answer = request.send().await?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Ok(Answer::new(
            format!("{method} {path}"),
            status,
            headers,
            answer.text().await?,
        ))
    }
}

/// An answer that waits for its reader.
pub struct Unread {
    stream: TcpStream,
    request: String,
}

impl Unread {
    /// Reads it to its end.
    pub async fn read(self) -> Answer {
        received(self.stream, self.request.as_bytes()).await
    }
}

/// HTTP/1.1 by hand, on a connection of its own.
async fn send_bare(method: &Method, url: &str, headers: &HeaderMap, body: Option<&str>) -> Answer {
    let (host, request) = bare(method, url, headers, body);
    send_bytes(&host, request.as_bytes()).await
}

/// The host of a URL, and the text of a request that is the last one of its connection.
fn bare(method: &Method, url: &str, headers: &HeaderMap, body: Option<&str>) -> (String, String) {
    let rest = url.strip_prefix("http://").expect("plain HTTP");
    let (host, path) = rest.split_at(rest.find('/').unwrap());
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    for (name, value) in headers {
        request += &format!("{name}: {}\r\n", value.to_str().unwrap());
    }
    let body = body.unwrap_or_default();
    request += &format!("content-length: {}\r\n\r\n{body}", body.len());
    (host.to_owned(), request)
}

/// Sends these bytes on a connection of their own, and reads until the server hangs up.
pub async fn send_bytes(host: &str, request: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(host).await.unwrap();
    stream.write_all(request).await.unwrap();
    received(stream, request).await
}

/// The answer to a request, read until the server hangs up.
async fn received(mut stream: TcpStream, request: &[u8]) -> Answer {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();

    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").expect("a complete answer");
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        headers.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_str(value).unwrap(),
        );
    }
    let chunked = headers.get("transfer-encoding").is_some_and(|value| value == "chunked");
    let body = if chunked { unchunked(body) } else { body.to_owned() };
    let line: Vec<u8> = request.iter().copied().take_while(|byte| *byte != b'\r').collect();
    Answer::new(String::from_utf8_lossy(&line).into_owned(), status, headers, body)
}

fn unchunked(mut rest: &str) -> String {
    let mut text = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        text += &after[..size];
        rest = after[size..].trim_start_matches("\r\n");
    }
    text
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    request: String,
    pub status: u16,
    pub headers: HeaderMap,
    /// The JSON body; null if there is none.
    pub body: Value,
    pub text: String,
}

impl Answer {
    fn new(request: String, status: u16, headers: HeaderMap, text: String) -> Self {
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Self {
            request,
            status,
            headers,
            body,
            text,
        }
    }

    /// The answer, if it has this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(
            self.status, status,
            "{} was answered {}: {}",
            self.request, self.status, self.text
        );
        self
    }

    /// The answer, if it is a complete SCIM error (RFC 7644 §3.12) with this status and `scimType`.
    #[track_caller]
    pub fn expect_error(self, status: u16, scim_type: Option<&str>) -> Self {
        let answer = self.expect(status);
        let Self {
            request,
            body,
            headers,
            text,
            ..
        } = &answer;
        assert_eq!(body["schemas"], json!([ERROR]), "{request}: {text}");
        assert_eq!(body["status"], json!(status.to_string()), "{request}: {text}");
        assert_eq!(
            body.get("scimType").and_then(Value::as_str),
            scim_type,
            "{request}: {text}"
        );
        assert!(
            body["detail"].as_str().is_some_and(|detail| !detail.is_empty()),
            "{request}: {text}"
        );
        let content_type = headers
            .get("content-type")
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        assert!(
            content_type.starts_with("application/scim+json"),
            "{request}: {content_type}"
        );
        answer
    }

    /// The resource's id.
    #[track_caller]
    pub fn id(&self) -> String {
        self.body["id"]
            .as_str()
            .unwrap_or_else(|| panic!("{}: no id in {}", self.request, self.text))
            .to_owned()
    }

    /// The ids of a list's resources, sorted.
    #[track_caller]
    pub fn ids(&self) -> Vec<String> {
        let resources = self.body["Resources"].as_array().cloned().unwrap_or_default();
        let mut ids: Vec<String> = resources
            .iter()
            .map(|found| found["id"].as_str().unwrap().to_owned())
            .collect();
        ids.sort();
        ids
    }

    /// A header's text, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

/// A user as Entra's default mapping creates one; `name` is the part before the `@`.
pub fn user(name: &str) -> Value {
    json!({
        "schemas": [USER, ENTERPRISE],
        "externalId": format!("external-{name}"),
        "userName": format!("{name}@example.com"),
        "active": true,
        "displayName": format!("Display {name}"),
        "emails": [{"primary": true, "type": "work", "value": format!("mail.{name}@example.com")}],
        "meta": {"resourceType": "User"},
        "name": {"formatted": format!("Given {name} Family"), "givenName": "Given", "familyName": "Family"},
        "title": "Engineer",
        ENTERPRISE: {"department": "Research", "employeeNumber": "4711"},
    })
}

/// A group as Entra creates one.
pub fn group(name: &str, members: &[&str]) -> Value {
    let members: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
    json!({
        "schemas": [GROUP],
        "externalId": format!("external-{name}"),
        "displayName": name,
        "members": members,
        "meta": {"resourceType": "Group"},
    })
}

/// The body of a PATCH.
pub fn patch(operations: Value) -> Value {
    json!({"schemas": [PATCH_OP], "Operations": operations})
}

/// Percent-encodes as a form does.
pub fn form_encode(text: &str) -> String {
    encode(text).replace("%20", "+")
}

/// Percent-encodes everything but letters, digits and `-._~`.
pub fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded += &format!("%{byte:02X}");
        }
    }
    encoded
}

#[test]
fn chunks_are_put_together() {
    assert_eq!(unchunked("4\r\nWiki\r\n6\r\npedia \r\n0\r\n\r\n"), "Wikipedia ");
}
