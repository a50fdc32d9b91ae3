//! Requests that the HTTP parser refuses by itself: a raw quote or blank in the target, a target of more than 64 KiB, a
//! header that is none. No layer of ours ever sees them, and the parser's answer has no body. What it writes is recognised
//! on its way out and gets the body and the headers that every other error has.

use uuid::Uuid;

use crate::scim::error::ScimError;

const EMPTY: &str = "content-length: 0\r\n";

/// The answer in the place of `head`, if that is one that the parser made: an error without a body, and without the
/// `x-request-id` that every answer of ours has.
pub fn answer_instead_of(head: &[u8]) -> Option<Vec<u8>> {
    if head.len() > 512 || !head.starts_with(b"HTTP/1.") || !head.ends_with(b"\r\n\r\n") {
        return None;
    }
    let head = std::str::from_utf8(head).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let (before, after) = head.split_once(EMPTY)?;
    if head.contains("x-request-id:") {
        return None;
    }
    let error = ScimError::new(status, detail(status)?);
    tracing::debug!(status, "refused a request that is no HTTP");
    let body = error.to_json().to_string();
    let answer = format!(
        "{before}content-type: application/scim+json\r\ncache-control: no-store\r\nx-request-id: {}\r\ncontent-length: \
         {}\r\n{after}{body}",
        Uuid::now_v7(),
        body.len(),
    );
    Some(answer.into_bytes())
}

fn detail(status: u16) -> Option<&'static str> {
    match status {
        400 => Some(
            "The request is not HTTP/1.1: percent-encode quotes and blanks in the URL, and send each header as name: value.",
        ),
        414 => Some("The URL is longer than the 64 KiB that are read: send the filter to /.search with POST instead."),
        431 => Some("The request has more than 100 headers, or larger ones than are read; send fewer."),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_empty_error_of_the_parser_is_replaced() {
        let made = "HTTP/1.1 414 URI Too Long\r\nconnection: close\r\ncontent-length: 0\r\ndate: now\r\n\r\n";

        let answer = String::from_utf8(answer_instead_of(made.as_bytes()).unwrap()).unwrap();

        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 414 URI Too Long\r\nconnection: close\r\n"));
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{head}");
        assert!(body.contains("\"status\":\"414\""));
        for other in [
            made.replace("414 URI Too Long", "204 No Content"),
            made.replace("date: now", "x-request-id: 1"),
            made.replace("content-length: 0", "content-length: 10"),
            made.replace("\r\n\r\n", "\r\n\r\nmore"),
            made.replace("HTTP/1.1 ", "\"HTTP/1.1 "),
            made.replace("now", &"x".repeat(600)),
        ] {
            assert_eq!(answer_instead_of(other.as_bytes()), None, "{other}");
        }
    }
}
