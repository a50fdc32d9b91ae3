//! Bodies under a wrong name or in a wrong packing, and callers who take no answer of ours.

use serde_json::json;

use super::Target;
use super::input::{Input, Request, request};
use crate::support::scim::USER;

pub(super) fn inputs(target: &Target) -> Vec<Input> {
    let create = || request(target, "POST", "/Users").json(&json!({"schemas": [USER], "userName": "Ottoline"}));
    let mut inputs = Vec::new();
    for content_type in [
        "text/plain",
        "text/json",
        "text/html; charset=utf-8",
        "application/xml",
        "application/scim+xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/octet-stream",
        "application/json-patch+json",
        "application/merge-patch+json",
        "application/problem+json",
        "application/scim",
        "application/jsonp",
        "application/*",
        "*/*",
        "",
        "json",
        "application/json, text/plain",
        "application/scim+json; charset=utf-16",
        "application/scim+json; charset=iso-8859-1",
        "application/json; charset=\"us-ascii\"",
        "application/json; charset=utf-8; charset=utf-7",
    ] {
        inputs.push(
            create()
                .with("content-type", content_type)
                .is(format!("a body as {content_type}"), 415, None),
        );
    }
    let two = create().and("content-type", "application/json");
    inputs.push(two.is("two content types", 415, None));
    let no_text = create().with("content-type", b"application/json\xff");
    inputs.push(no_text.is("a content type that is no text", 415, None));
    inputs.extend(packed(&create));
    inputs.extend(unreadable(target));
    inputs
}

fn packed(create: &dyn Fn() -> Request) -> Vec<Input> {
    let mut inputs = Vec::new();
    for coding in [
        "br",
        "deflate",
        "compress",
        "zstd",
        "gzip, gzip",
        "identity, br",
        "chunked",
        "pack200",
    ] {
        inputs.push(
            create()
                .with("content-encoding", coding)
                .is(format!("a body in {coding}"), 415, None),
        );
    }
    let syntax = Some("invalidSyntax");
    let gzip = |name: &str, bytes: Vec<u8>, status: u16, scim_type| {
        create()
            .with("content-encoding", "gzip")
            .body(bytes)
            .is(name, status, scim_type)
    };
    inputs.push(
        create()
            .with("content-encoding", "gzip")
            .is("JSON that says it is gzip", 400, syntax),
    );
    inputs.push(gzip(
        "gzip that breaks off",
        GZIP[..GZIP.len() - 9].to_vec(),
        400,
        syntax,
    ));
    let mut wrong = GZIP.to_vec();
    wrong[GZIP.len() - 6] ^= 0xff;
    inputs.push(gzip("gzip with a wrong sum", wrong, 400, syntax));
    inputs.push(gzip("gzip and something more", [GZIP, b"more"].concat(), 400, syntax));
    inputs.push(gzip("empty gzip", Vec::new(), 400, syntax));
    inputs.push(gzip("17 MiB of blanks in 17 KiB", bomb(), 413, None));
    inputs
}

/// `{}`, packed without compression.
const GZIP: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x01\x02\0\xfd\xff{}\x43\xbf\xa6\xa3\x02\0\0\0";

/// The same block of 258 blanks over and over, as deflate's fixed codes write it: one literal, then only repetitions.
fn bomb() -> Vec<u8> {
    let mut bits = Vec::new();
    let mut push = |value: u32, count: u32| bits.extend((0..count).map(|at| value >> at & 1 == 1));
    push(0b011, 3); // the last block, fixed codes
    push(reversed(0x30 + 0x20, 8), 8); // a blank
    for _ in 0..70_000 {
        push(reversed(0b1100_0101, 8), 8); // 258 of what was
        push(0, 5); // one before
    }
    push(0, 7); // the end
    let deflated = bits
        .chunks(8)
        .map(|byte| byte.iter().rev().fold(0_u8, |sum, bit| sum << 1 | u8::from(*bit)));
    let mut gzip = GZIP[..10].to_vec();
    gzip.extend(deflated);
    gzip.extend([0; 8]); // nobody gets as far as the sum
    gzip
}

fn reversed(value: u32, count: u32) -> u32 {
    value.reverse_bits() >> (32 - count)
}

/// Callers who read nothing that is answered here.
fn unreadable(target: &Target) -> Vec<Input> {
    [
        "text/html",
        "application/xml",
        "image/png, image/*;q=0.8",
        "application/scim+json;q=0, application/json;q=0",
        "*/*;q=0",
        "application/*;q=0, text/plain",
        "text/json",
        "application/json-seq",
    ]
    .map(|accept| {
        let read = request(target, "GET", "/Users").with("accept", accept);
        read.is(format!("an answer as {accept}"), 406, None)
    })
    .into()
}
