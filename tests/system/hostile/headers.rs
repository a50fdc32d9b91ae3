//! Headers that HTTP or we do not allow, and too much of those that are allowed.

use super::Target;
use super::input::{Input, raw, request};

pub(super) fn inputs(target: &Target) -> Vec<Input> {
    let get = || request(target, "GET", "/Users");
    let mut inputs = vec![
        get().without("host").is("no host", 400, None),
        get().and("host", &target.host).is("the host twice", 400, None),
        get().and("host", "other.example.com").is("two hosts", 400, None),
    ];
    for host in [
        "",
        " ",
        "a b",
        "a/b",
        "a\\b",
        "a@b",
        "user:password@host",
        "host:port",
        "host:99999",
        "host:-1",
        "[::1",
        "::1",
        "a,b",
        "a?b",
        "a#b",
        "<script>alert(1)</script>",
        "\"quoted\"",
        "${jndi:ldap://127.0.0.1}",
    ] {
        inputs.push(get().with("host", host).is(format!("the host {host:?}"), 400, None));
    }
    inputs.push(
        get()
            .with("host", "h".repeat(300))
            .is("a host of 300 characters", 400, None),
    );
    inputs.push(
        get()
            .with("host", "h\u{f6}st".as_bytes())
            .is("a host with an umlaut", 400, None),
    );
    inputs.push(get().with("host", b"h\xff").is("a host that is no text", 400, None));
    let traced = request(target, "GET", "/Users/0190b0b0-0000-7000-8000-00000000dead")
        .and("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        .and("tracestate", format!("vendor={}", "x".repeat(20_000)));
    inputs.push(traced.is("a trace state of 20,000 bytes", 404, None));
    inputs.extend(without_a_request(target));
    inputs
}

/// What HTTP's parser refuses before there is a request.
fn without_a_request(target: &Target) -> Vec<Input> {
    let line = |line: &[u8]| {
        let head = format!("GET /scim/v2/Users HTTP/1.1\r\nhost: {}\r\n", target.host);
        [head.as_bytes(), line, b"\r\nconnection: close\r\n\r\n"].concat()
    };
    let many: String = (0..200).map(|number| format!("x-{number}: y\r\n")).collect();
    vec![
        raw("a byte 0 in a header", line(b"x-test: a\0b"), 400),
        raw("a line feed in a header", line(b"x-test: a\nb"), 400),
        raw("a carriage return in a header", line(b"x-test: a\rb"), 400),
        raw("a control character in a header", line(b"x-test: a\x01b"), 400),
        raw("a blank in a header's name", line(b"x test: a"), 400),
        raw("a blank before the colon", line(b"x-test : a"), 400),
        raw("no name", line(b": a"), 400),
        raw("no colon", line(b"x-test"), 400),
        raw("a name that is no ASCII", line("x-t\u{e4}st: a".as_bytes()), 400),
        raw("a folded header", line(b"x-test: a\r\n b"), 400),
        raw("200 headers", line(many.trim_end().as_bytes()), 431),
        raw(
            "a header of a megabyte",
            line(&[&b"x-test: "[..], &b"y".repeat(1 << 20)].concat()),
            431,
        ),
        raw("a length that is no number", line(b"content-length: many"), 400),
        raw("a negative length", line(b"content-length: -1"), 400),
        raw("a length with a sign", line(b"content-length: +1"), 400),
        raw("two lengths", line(b"content-length: 1\r\ncontent-length: 2"), 400),
        raw(
            "a length beyond 64 bits",
            line(b"content-length: 99999999999999999999999"),
            400,
        ),
        raw("an unknown transfer coding", line(b"transfer-encoding: gzip"), 400),
        raw("chunked, but not last", line(b"transfer-encoding: chunked, gzip"), 400),
    ]
}
