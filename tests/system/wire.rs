//! The manners of HTTP, on a socket where a client library would put right what is wrong. Whatever is refused changes
//! nothing, and the next request is answered as ever.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use http::{HeaderMap, Method};
use serde_json::{Value, json};

use crate::support::databases::Database;
use crate::support::scim::{Answer, Scim, send_bytes, user};
use crate::support::system::System;

on_every_database! {
    bodies_are_read_in_one_way_or_refused,
    a_body_beyond_the_limit_is_413_however_it_comes,
    preconditions_hold_for_every_operation,
    head_shows_what_get_would,
    http_2_has_the_same_manners,
}

async fn start(database: Database) -> (System, Scim) {
    let system = System::start(database).await;
    let scim = system.tenant("wire").await.scim;
    (system, scim)
}

/// A request by hand, for this endpoint and with this token; the server hangs up after its answer.
async fn send(scim: &Scim, request_line: &str, headers: &str, body: &[u8]) -> Answer {
    let host = scim.base().trim_start_matches("http://").trim_end_matches("/scim/v2");
    let token = scim.token();
    let head = format!(
        "{request_line} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n{headers}\r\n"
    );
    send_bytes(host, &[head.as_bytes(), body].concat()).await
}

async fn post(scim: &Scim, headers: &str, body: &[u8]) -> Answer {
    let headers = format!("{headers}content-length: {}\r\n", body.len());
    send(scim, "POST /scim/v2/Users", &headers, body).await
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

async fn total(scim: &Scim) -> Value {
    scim.get("/Users?count=0").await.expect(200).body["totalResults"].clone()
}

async fn bodies_are_read_in_one_way_or_refused(database: Database) {
    let (_system, scim) = start(database).await;
    let packed = "content-encoding: gzip\r\n";

    let twice = br#"{"userName":"one@example.com","active":true,"active":false}"#;
    post(&scim, "", twice).await.expect_error(400, Some("invalidSyntax"));
    let deep = br#"{"userName":"one@example.com","name":{"givenName":"a","givenName":"b"}}"#;
    post(&scim, "", deep).await.expect_error(400, Some("invalidSyntax"));
    post(&scim, packed, b"{}")
        .await
        .expect_error(400, Some("invalidSyntax"));
    let refused = post(&scim, "content-encoding: br\r\n", b"{}")
        .await
        .expect_error(415, None);
    assert_eq!(refused.header("accept-encoding"), "gzip");
    post(&scim, "content-type: application/json; charset=utf-16\r\n", b"{}")
        .await
        .expect_error(415, None);
    post(
        &scim,
        "content-type: application/json\r\ncontent-type: text/plain\r\n",
        b"{}",
    )
    .await
    .expect_error(415, None);
    post(&scim, "accept: text/html\r\n", user("one").to_string().as_bytes())
        .await
        .expect_error(406, None);
    assert_eq!(total(&scim).await, 0);

    let created = post(&scim, packed, &gzip(user("one").to_string().as_bytes()))
        .await
        .expect(201);
    let marked = [b"\xef\xbb\xbf", user("two").to_string().as_bytes()].concat();
    post(&scim, "content-type: application/json;charset=\"UTF-8\"\r\n", &marked)
        .await
        .expect(201);
    let path = format!("/scim/v2/Users/{}/", created.id());
    let ignored = "content-type: text/plain\r\ncontent-encoding: br\r\ncontent-length: 1\r\n";
    let shown = send(&scim, &format!("GET {path}"), ignored, b"{").await.expect(200);
    assert_eq!(shown.body["userName"], "one@example.com");
    send(&scim, &format!("DELETE {path}"), ignored, b"{").await.expect(204);
    assert_eq!(total(&scim).await, 1);
}

async fn a_body_beyond_the_limit_is_413_however_it_comes(database: Database) {
    const MIB: usize = 1024 * 1024;
    let (_system, scim) = start(database).await;
    let large = json!({"userName": "large@example.com", "title": "x".repeat(17 * MIB)}).to_string();

    // All of it is sent before the answer is read.
    let refused = post(&scim, "", large.as_bytes()).await.expect_error(413, None);
    assert_eq!(refused.header("connection"), "close");
    let chunk = [b"100000\r\n", &vec![b' '; MIB][..], b"\r\n"].concat();
    let chunks = [chunk.repeat(24), b"0\r\n\r\n".to_vec()].concat();
    let chunked = "transfer-encoding: chunked\r\n";
    send(&scim, "POST /scim/v2/Users", chunked, &chunks)
        .await
        .expect_error(413, None);
    let bomb = gzip(&vec![b' '; 64 * MIB]);
    assert!(bomb.len() < MIB);
    post(&scim, "content-encoding: gzip\r\n", &bomb)
        .await
        .expect_error(413, None);
    // None of it is sent.
    let announced = "content-length: 99999999999\r\nexpect: 100-continue\r\n";
    send(&scim, "POST /scim/v2/Users", announced, b"")
        .await
        .expect_error(413, None);
    // Less is announced than sent: what is left over is no request.
    let short = user("short").to_string();
    let lying = format!("content-length: {}\r\n", short.len() - 1);
    send(&scim, "POST /scim/v2/Users", &lying, short.as_bytes())
        .await
        .expect_error(400, Some("invalidSyntax"));

    assert_eq!(total(&scim).await, 0);
    scim.create_user(&user("after")).await;
}

async fn preconditions_hold_for_every_operation(database: Database) {
    let (_system, scim) = start(database).await;
    for endpoint in ["/Users", "/Groups"] {
        let body = match endpoint {
            "/Users" => user("held"),
            _ => json!({"displayName": "held"}),
        };
        let created = scim.post(endpoint, &body).await.expect(201);
        let path = format!("{endpoint}/{}", created.id());
        let tag = created.header("etag").to_owned();
        assert_eq!(tag, created.body["meta"]["version"]);
        let patch = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                           "Operations": [{"op": "replace", "path": "displayName", "value": "new"}]});
        let ask = async |method: Method, name: &'static str, value: &str| {
            let mut headers = scim.headers();
            headers.insert(name, value.parse().unwrap());
            let body = match method {
                Method::PUT => Some(body.to_string()),
                Method::PATCH => Some(patch.to_string()),
                _ => None,
            };
            scim.send(method, &path, headers, body).await
        };

        for method in [Method::GET, Method::PUT, Method::PATCH, Method::DELETE] {
            for other in ["W/\"99\"", "\"x\"", "nonsense"] {
                ask(method.clone(), "if-match", other).await.expect_error(412, None);
            }
            if method != Method::GET {
                for held in ["*", &tag, &format!("\"x\", {tag}")] {
                    ask(method.clone(), "if-none-match", held).await.expect_error(412, None);
                }
            }
        }
        // The groups and the manager that a user shows change without a new version of the user.
        let shown = format!("{path}?attributes=displayName");
        let mut headers = scim.headers();
        headers.insert("if-none-match", tag.parse().unwrap());
        let same = scim.send(Method::GET, &shown, headers, None).await.expect(304);
        assert_eq!((same.header("etag"), same.text.as_str()), (tag.as_str(), ""));

        let patched = ask(Method::PATCH, "if-match", &tag).await;
        assert!([200, 204].contains(&patched.status), "{}", patched.text);
        let read = scim.get(&path).await.expect(200);
        assert_ne!(patched.header("etag"), tag);
        assert_eq!(patched.header("etag"), read.body["meta"]["version"]);
        assert_eq!(patched.header("etag"), read.header("etag"));
        let replaced = ask(Method::PUT, "if-none-match", &tag).await.expect(200);
        assert_eq!(replaced.header("etag"), replaced.body["meta"]["version"]);
        ask(Method::DELETE, "if-match", "*").await.expect(204);
        ask(Method::DELETE, "if-match", "*").await.expect_error(404, None);
    }
}

async fn head_shows_what_get_would(database: Database) {
    let (_system, scim) = start(database).await;
    let member = scim.create_user(&user("member")).await;
    let group = scim.create_group("head", &[&member]).await;
    for path in [
        format!("/Users/{member}"),
        format!("/Groups/{group}"),
        "/Users".to_owned(),
        "/Groups?filter=displayName+pr".to_owned(),
        "/Users/0190f7a0-0000-7000-8000-000000000000".to_owned(),
        "/Nothing".to_owned(),
    ] {
        let names = |answer: &Answer| {
            let mut headers: HeaderMap = answer.headers.clone();
            for name in ["date", "x-request-id", "content-length", "transfer-encoding"] {
                headers.remove(name);
            }
            headers
        };
        let shown = send(&scim, &format!("GET /scim/v2{path}"), "", b"").await;
        let head = send(&scim, &format!("HEAD /scim/v2{path}"), "", b"").await;

        assert_eq!((head.status, head.text.as_str()), (shown.status, ""), "{path}");
        assert_eq!(names(&head), names(&shown), "{path}");
    }
}

async fn http_2_has_the_same_manners(database: Database) {
    let (_system, scim) = start(database).await;
    let http = reqwest::Client::builder()
        .no_proxy()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    let ask = async |method: Method, path: &str, name: &'static str, value: &str, body: Vec<u8>| {
        let url = format!("{}{path}", scim.base());
        let request = http
            .request(method, url)
            .bearer_auth(scim.token())
            .header(name, value)
            .body(body);
        request.send().await.unwrap()
    };
    let packed = gzip(user("two").to_string().as_bytes());

    let created = ask(Method::POST, "/Users", "content-encoding", "gzip", packed).await;
    assert_eq!(
        (created.status().as_u16(), created.version()),
        (201, http::Version::HTTP_2)
    );
    let location = created.headers()["location"].to_str().unwrap().to_owned();
    assert!(location.starts_with(&format!("{}/Users/", scim.base())), "{location}");

    // 7,000 blanks are 21,000 bytes on the wire.
    let long = format!("/Users?filter={}userName+pr", "%20".repeat(7_000));
    let found = ask(Method::GET, &long, "accept", "*/*", Vec::new()).await;
    assert_eq!(found.status().as_u16(), 200);
    let found = ask(Method::GET, "/Users", "accept-encoding", "gzip", Vec::new()).await;
    assert_eq!(found.headers()["content-encoding"], "gzip");
    let mut text = String::new();
    let bytes = found.bytes().await.unwrap();
    GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
    assert!(text.contains("two@example.com"));

    let refused = ask(Method::POST, "/Users", "accept", "*/*", vec![b' '; 17 * 1024 * 1024]).await;
    assert_eq!(refused.status().as_u16(), 413);
    assert!(!refused.headers().contains_key("connection"));
    let options = ask(Method::OPTIONS, "/Users", "accept", "*/*", Vec::new()).await;
    assert_eq!(options.headers()["allow"], "GET,HEAD,POST,OPTIONS");
}
