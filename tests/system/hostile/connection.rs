//! What is no HTTP request, or one that breaks off: request lines, framing, and other protocols on our port.

use super::Target;
use super::input::{Input, raw, request, sent_away};

pub(super) fn inputs(target: &Target) -> Vec<Input> {
    let mut inputs = request_lines(target);
    inputs.extend(framing(target));
    inputs.extend(other_protocols());
    inputs
}

fn request_lines(target: &Target) -> Vec<Input> {
    let head = |line: &str| format!("{line}\r\nhost: {}\r\nconnection: close\r\n\r\n", target.host);
    vec![
        raw("no version", head("GET /scim/v2/Users"), 400),
        raw("a version that is none", head("GET /scim/v2/Users HTTP/x.y"), 400),
        raw("version 9.9", head("GET /scim/v2/Users HTTP/9.9"), 400),
        raw("version 1.2", head("GET /scim/v2/Users HTTP/1.2"), 400),
        raw("no path", head("GET  HTTP/1.1"), 400),
        raw("two blanks", head("GET /scim/v2/Users  HTTP/1.1"), 400),
        raw(
            "a blank in the path",
            head("GET /scim/v2/Users ?filter=x HTTP/1.1"),
            400,
        ),
        raw("a method with a bracket", head("G(T /scim/v2/Users HTTP/1.1"), 400),
        raw("a byte 0 in the path", head("GET /scim/v2/Us\0ers HTTP/1.1"), 400),
        raw("a path without a slash", head("GET scim/v2/Users HTTP/1.1"), 400),
        raw(
            "a path of 100,000 bytes",
            head(&format!("GET /scim/v2/{} HTTP/1.1", "x".repeat(100_000))),
            414,
        ),
        raw(
            "an absolute target elsewhere",
            head("GET http://other.example.com/Users HTTP/1.1"),
            404,
        ),
        raw(
            "an absolute target with a password",
            head("GET http://user:pw@127.0.0.1/scim/v2/Users HTTP/1.1"),
            400,
        ),
        raw("an asterisk to GET", head("GET * HTTP/1.1"), 404),
        raw("a tunnel", head("CONNECT other.example.com:443 HTTP/1.1"), 405),
        raw("the root without a token", head("GET /scim/v2 HTTP/1.1"), 401),
    ]
}

fn framing(target: &Target) -> Vec<Input> {
    let post = || request(target, "POST", "/Users");
    let chunked = |name: &str, body: &[u8]| {
        post()
            .with("transfer-encoding", "chunked")
            .body(body)
            .is(name, 400, Some("invalidSyntax"))
    };
    vec![
        chunked("a chunk whose size is no number", b"zz\r\n{}\r\n0\r\n\r\n"),
        chunked("a chunk whose size is negative", b"-2\r\n{}\r\n0\r\n\r\n"),
        chunked("a chunk longer than its size", b"1\r\n{}\r\n0\r\n\r\n"),
        chunked("a chunk beyond 64 bits", b"fffffffffffffffff\r\n{}\r\n0\r\n\r\n"),
        chunked("a chunk without a line end", b"2{}0\r\n\r\n"),
        chunked("an empty chunked body", b"0\r\n\r\n"),
        chunked("a chunked body that is no JSON", b"2\r\n{[\r\n0\r\n\r\n"),
        post()
            .with("content-length", "4")
            .with("transfer-encoding", "chunked")
            .body("0\r\n\r\n")
            .is("a length and chunks at once", 400, Some("invalidSyntax")),
    ]
}

fn other_protocols() -> Vec<Input> {
    vec![
        raw("a line of nothing known", "hello\r\n\r\n", 400),
        raw("TLS", b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00\r\n\r\n".to_vec(), 400),
        raw("SOCKS", b"\x05\x01\x00\r\n\r\n".to_vec(), 400),
        raw("SSH", "SSH-2.0-OpenSSH_9.9\r\n\r\n", 400),
        raw("SMTP", "EHLO example.com\r\n\r\n", 400),
        raw("bytes 0", vec![0; 64], 400),
        raw("a proxy's greeting", "PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n\r\n", 400),
        sent_away(
            "HTTP/2 that goes on in nonsense",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnonsense, nonsense, nonsense",
        ),
    ]
}
