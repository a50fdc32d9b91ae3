//! What a caller can read (RFC 9110 §12.5.1 and §12.5.3).

use http::HeaderMap;
use http::header::{ACCEPT, ACCEPT_ENCODING};

use super::header::{parameter, split};

/// The media types that we can answer with (RFC 7644 §8.1), which name the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaType {
    /// `application/scim+json`: ours, wherever the caller takes it.
    ScimJson,
    /// `application/json`: for a caller who takes only that.
    Json,
}

impl MediaType {
    /// The one to answer with; `None` if the caller takes neither. A part of `Accept` that nobody can read is ignored,
    /// and so is a header that has no other parts: a caller that names nothing in particular gets what all get.
    pub fn accepted(headers: &HeaderMap) -> Option<Self> {
        let ranges: Vec<Range> = headers
            .get_all(ACCEPT)
            .iter()
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| split(line, ','))
            .filter_map(Range::parse)
            .collect();
        if ranges.is_empty() || takes(&ranges, "scim+json") {
            Some(Self::ScimJson)
        } else if takes(&ranges, "json") {
            Some(Self::Json)
        } else {
            None
        }
    }
}

/// One part of an `Accept` header. Parameters other than `q` change nothing: our JSON is always UTF-8.
struct Range {
    kind: String,
    subtype: String,
    is_refused: bool,
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = split(text, ';');
        // Old Java sends a lone asterisk.
        let (kind, subtype) = match parts.next()? {
            "*" => ("*", "*"),
            essence => essence.split_once('/')?,
        };
        let quality = parts
            .filter_map(parameter)
            .find(|(name, _)| name.eq_ignore_ascii_case("q"));
        let is_refused = quality.is_some_and(|(_, value)| value.parse::<f32>().is_ok_and(|quality| quality <= 0.0));
        Some(Self {
            kind: kind.to_ascii_lowercase(),
            subtype: subtype.to_ascii_lowercase(),
            is_refused,
        })
    }
}

/// Whether the most specific range that covers `application/<subtype>` takes it.
fn takes(ranges: &[Range], subtype: &str) -> bool {
    let of = |kind: &str, subtype: &str| {
        let mut covering = ranges
            .iter()
            .filter(|range| range.kind == kind && range.subtype == subtype)
            .peekable();
        covering.peek()?;
        Some(covering.any(|range| !range.is_refused))
    };
    of("application", subtype)
        .or_else(|| of("application", "*"))
        .or_else(|| of("*", "*"))
        .unwrap_or(false)
}

/// Whether the caller takes an answer as we can send it: in gzip, or as it is, which is taken unless it is refused by name or
/// by `*`.
pub fn takes_a_coding(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(ACCEPT_ENCODING).iter();
    let lines: Vec<&str> = lines.filter_map(|line| line.to_str().ok()).collect();
    let of = |name: &str| {
        let mut parts = lines
            .iter()
            .flat_map(|line| split(line, ','))
            .map(|item| split(item, ';'));
        parts.find_map(|mut parts| {
            let is_it = parts.next()?.eq_ignore_ascii_case(name);
            let quality = parts
                .filter_map(parameter)
                .find(|(name, _)| name.eq_ignore_ascii_case("q"));
            let is_refused = quality.is_some_and(|(_, value)| value.parse::<f32>().is_ok_and(|quality| quality <= 0.0));
            is_it.then_some(!is_refused)
        })
    };
    let any = of("*");
    of("gzip").or(any).unwrap_or(false) || of("identity").or(any).unwrap_or(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(lines: &[&str]) -> Option<MediaType> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(ACCEPT, line.parse().unwrap());
        }
        MediaType::accepted(&headers)
    }

    #[test]
    fn scim_json_is_the_answer_wherever_it_is_accepted() {
        for lines in [
            &[][..],
            &["application/scim+json"],
            &["Application/SCIM+JSON; charset=utf-8; q=0.1, application/json"],
            &["*/*"],
            &["application/*;q=0.5"],
            &["application/json, text/plain, */*"],
            &["text/html", "application/scim+json"],
            &["application/json;q=0, */*;q=0.1"],
            &["text/html;p=\"a,b\", *; q=.2"],
        ] {
            assert_eq!(accepted(lines), Some(MediaType::ScimJson), "{lines:?}");
        }
    }

    #[test]
    fn plain_json_is_the_answer_for_who_takes_nothing_else() {
        for line in [
            "application/json",
            "text/html, application/json; q=0.001",
            "*/*, application/scim+json;q=0",
            "application/*, application/scim+json;q=0.000",
        ] {
            assert_eq!(accepted(&[line]), Some(MediaType::Json), "{line}");
        }
    }

    #[test]
    fn who_takes_neither_gets_neither() {
        for line in [
            "text/html",
            "application/xml, text/*",
            "*/*;q=0",
            "application/*;q=0, */*",
            "application/json;q=0, application/scim+json;q=0.0, */*",
            "application/json-patch+json",
        ] {
            assert_eq!(accepted(&[line]), None, "{line}");
        }
    }

    #[test]
    fn what_nobody_can_read_is_ignored() {
        for line in ["", "json", "application", ",,;q=1", "application/scim+json;q=lots"] {
            assert_eq!(accepted(&[line]), Some(MediaType::ScimJson), "{line}");
        }
        assert_eq!(accepted(&["json, text/html"]), None);
    }

    #[test]
    fn a_caller_takes_gzip_or_the_answer_as_it_is_unless_it_refuses_both() {
        for (line, taken) in [
            ("", true),
            ("gzip", true),
            ("br", true),
            ("br, *;q=0.5", true),
            ("identity;q=0, gzip", true),
            ("*;q=0, GZIP;q=0.1", true),
            ("*;q=0, identity", true),
            ("identity;q=0", false),
            ("br;q=1, *;q=0", false),
            ("identity;q=0, gzip;q=0.0", false),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, line.parse().unwrap())]);
            assert_eq!(takes_a_coding(&headers), taken, "{line}");
        }
        assert!(takes_a_coding(&HeaderMap::new()));
    }
}
