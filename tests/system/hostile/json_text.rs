//! Bodies that are no JSON, or JSON that is no answer to the question.

use super::input::{Input, request};
use super::{PERSONAL, Target};

const SYNTAX: Option<&str> = Some("invalidSyntax");
const OVER_16_MIB: usize = 16 * 1024 * 1024 + 1;

pub(super) fn inputs(target: &Target) -> Vec<Input> {
    let post = |name: &str, body: Vec<u8>| request(target, "POST", "/Users").body(body).is(name, 400, SYNTAX);
    let mut inputs: Vec<Input> = texts()
        .into_iter()
        .map(|(name, text)| post(name, text.into_bytes()))
        .chain(bytes().into_iter().map(|(name, bytes)| post(name, bytes)))
        .collect();
    for (method, path) in [
        ("PUT", format!("/Users/{}", target.user)),
        ("PATCH", format!("/Users/{}", target.user)),
        ("POST", "/Groups".to_owned()),
        ("PUT", format!("/Groups/{}", target.group)),
        ("PATCH", format!("/Groups/{}", target.group)),
        ("POST", "/.search".to_owned()),
        ("POST", "/Users/.search".to_owned()),
    ] {
        let broken = request(target, method, &path).body(format!("{{\"userName\":\"{PERSONAL}\""));
        inputs.push(broken.is(format!("half an object in {method} {}", &path[..6]), 400, SYNTAX));
    }
    let mut large = vec![b' '; OVER_16_MIB];
    large[..2].copy_from_slice(b"{}");
    inputs.push(
        request(target, "POST", "/Users")
            .body(large.clone())
            .is("one byte over 16 MiB", 413, None),
    );
    let put = request(target, "PUT", &format!("/Groups/{}", target.group));
    inputs.push(put.body(large).is("one byte over 16 MiB to a group", 413, None));
    inputs
}

fn texts() -> Vec<(&'static str, String)> {
    let named = |rest: &str| format!("{{\"userName\":\"{PERSONAL}\"{rest}");
    vec![
        ("nothing", String::new()),
        ("a blank", " \r\n\t".to_owned()),
        ("an opening brace", "{".to_owned()),
        ("a closing brace", "}".to_owned()),
        ("a name without a value", "{\"userName\"}".to_owned()),
        ("a text that breaks off", format!("{{\"userName\":\"{PERSONAL}")),
        ("a comma at the end", named(",}")),
        ("no comma between", named(" \"title\":\"x\"}")),
        ("single quotes", format!("{{'userName':'{PERSONAL}'}}")),
        ("a name without quotes", format!("{{userName:\"{PERSONAL}\"}}")),
        ("a comment", named("/* why */}")),
        ("NaN", named(",\"active\":NaN}")),
        ("Infinity", named(",\"active\":-Infinity}")),
        ("a number with a leading zero", named(",\"x\":01}")),
        ("a number out of range", named(",\"x\":1e999}")),
        ("a hexadecimal number", named(",\"x\":0x1F}")),
        ("True as Python writes it", named(",\"active\":True}")),
        ("undefined", named(",\"active\":undefined}")),
        ("two documents", format!("{0}{0}", named("}"))),
        ("something behind the document", named("} x")),
        ("an escape that is none", named(",\"title\":\"\\x41\"}")),
        ("half an escape", named(",\"title\":\"\\u12\"}")),
        ("half a surrogate pair", named(",\"title\":\"\\ud83e\"}")),
        ("a surrogate pair turned round", named(",\"title\":\"\\udd80\\ud83e\"}")),
        ("a line break in a text", named(",\"title\":\"a\nb\"}")),
        ("a control character in a text", named(",\"title\":\"a\u{1}b\"}")),
        ("a form", format!("userName={PERSONAL}&active=true")),
        ("XML", format!("<user name=\"{PERSONAL}\"/>")),
        ("YAML", format!("userName: {PERSONAL}\nactive: true")),
        ("a list", format!("[{}]", named("}"))),
        ("a text", format!("\"{PERSONAL}\"")),
        ("a number", "42".to_owned()),
        ("true", "true".to_owned()),
        ("null", "null".to_owned()),
        ("a name twice", named(",\"userName\":\"b\"}")),
        ("a name twice in two cases", named(",\"USERNAME\":\"b\"}")),
        ("a name twice, once escaped", named(",\"user\\u004eame\":\"b\"}")),
        (
            "a name twice with its URN",
            named(",\"urn:ietf:params:scim:schemas:core:2.0:User:userName\":\"b\"}"),
        ),
        (
            "a name twice in a part",
            named(",\"name\":{\"givenName\":\"a\",\"givenName\":\"b\"}}"),
        ),
        (
            "a name twice in a list",
            named(",\"emails\":[{\"value\":\"a\",\"value\":\"b\"}]}"),
        ),
        ("a name twice in what is unknown", named(",\"x\":{\"y\":1,\"y\":2}}")),
        ("lists 100,000 deep", format!("{{\"x\":{}", "[".repeat(100_000))),
        ("objects 100,000 deep", "{\"x\":".repeat(100_000)),
        (
            "lists 129 deep",
            format!("{{\"x\":{}{}}}", "[".repeat(129), "]".repeat(129)),
        ),
        (
            "objects 129 deep",
            format!("{}1{}", "{\"x\":".repeat(129), "}".repeat(129)),
        ),
    ]
}

fn bytes() -> Vec<(&'static str, Vec<u8>)> {
    let around = |bytes: &[u8]| [&b"{\"userName\":\"Ottoline"[..], bytes, b"\"}"].concat();
    let utf_16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    vec![
        ("a byte that is no UTF-8", around(b"\xff")),
        ("a character cut short", around(b"\xf0\x9f\xa6")),
        ("an overlong character", around(b"\xc0\xaf")),
        ("a surrogate in UTF-8", around(b"\xed\xa0\x80")),
        ("a byte 0 between tokens", b"{\0\"userName\":\"Ottoline\"}".to_vec()),
        ("a byte 0 in a text", around(b"\0")),
        ("UTF-16", utf_16("{\"userName\":\"Ottoline\"}")),
        (
            "two byte order marks",
            [&b"\xef\xbb\xbf\xef\xbb\xbf"[..], b"{\"userName\":\"Ottoline\"}"].concat(),
        ),
        ("CBOR", b"\xa1\x68userName\x68Ottoline".to_vec()),
        (
            "gzip that nobody announced",
            b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xab\xae\x05\0\x43\xbf\xa6\xa3\x02\0\0\0".to_vec(),
        ),
    ]
}
