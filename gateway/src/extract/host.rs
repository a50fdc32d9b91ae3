//! The host that a request was sent to, by its own word and by a proxy's.

use std::fmt;
use std::net::Ipv6Addr;

use http::header::{FORWARDED, HOST};
use http::{HeaderMap, HeaderName, Uri, Version};

use super::header::{parameter, split};
use crate::scim::error::ScimError;

const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// A name or an address, and maybe a port: what may stand between `://` and the path of a link, and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host(String);

impl Host {
    /// Names are letters, digits, dashes, dots and underscores; an internationalised one comes as `xn--…`.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => (name, port),
            _ => (text, ""),
        };
        let is_name = !name.is_empty()
            && name.len() <= 255
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
        let is_address = || {
            let inner = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            inner.is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok())
        };
        if !is_name && !is_address() {
            return None;
        }
        if port.is_empty() {
            return Some(Self(name.to_owned()));
        }
        let is_port = port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
        is_port.then(|| Self(text.to_owned()))
    }

    /// The host that a request names: the target's (absolute, or HTTP/2's `:authority`), or the Host header's
    /// (RFC 9112 §3.2). Only HTTP/1.0 may go without.
    ///
    /// # Errors
    /// 400 if it is missing, doubled, or no host.
    pub fn of_request(version: Version, target: &Uri, headers: &HeaderMap) -> Result<Option<Self>, ScimError> {
        let mut lines = headers.get_all(HOST).iter();
        let named = lines.next();
        if lines.next().is_some() {
            return Err(refused("Send one Host header, not several."));
        }
        let parse = |text: &str| {
            Self::parse(text).ok_or_else(|| refused("The host of this request is not one: send the name or address of this server, and its port if it is not the usual one."))
        };
        let header = named.map(|line| parse(line.to_str().unwrap_or_default())).transpose()?;
        let target = target
            .authority()
            .map(|authority| parse(authority.as_str()))
            .transpose()?;
        let is_missing = match version {
            Version::HTTP_09 | Version::HTTP_10 => false,
            Version::HTTP_11 => header.is_none(),
            _ => header.is_none() && target.is_none(),
        };
        if is_missing {
            return Err(refused("Send a Host header with the name of this server."));
        }
        Ok(target.or(header))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        text.write_str(&self.0)
    }
}

fn refused(detail: &str) -> ScimError {
    ScimError::new(400, detail)
}

/// How a caller reached the proxy in front of us, as far as the proxy says so. What cannot be read says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forwarded {
    /// The host that the caller named.
    pub host: Option<Host>,
    /// `http` or `https`.
    pub scheme: Option<&'static str>,
}

impl Forwarded {
    /// Reads the first element of `Forwarded` (RFC 7239), the one that is nearest to the caller; without that header, the
    /// first values of `X-Forwarded-Host` and `X-Forwarded-Proto`.
    pub fn read(headers: &HeaderMap) -> Self {
        let first = |name| first_element(headers, name);
        if let Some(element) = first(FORWARDED) {
            let mut forwarded = Self::default();
            for (name, value) in split(element, ';').filter_map(parameter) {
                match name.to_ascii_lowercase().as_str() {
                    "host" => forwarded.host = Host::parse(&value),
                    "proto" => forwarded.scheme = scheme(&value),
                    _ => {} // by and for: where the proxy and the caller are
                }
            }
            return forwarded;
        }
        Self {
            host: first(X_FORWARDED_HOST).and_then(Host::parse),
            scheme: first(X_FORWARDED_PROTO).and_then(scheme),
        }
    }
}

fn first_element(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let line = headers.get(name)?.to_str().ok()?;
    split(line, ',').next()
}

fn scheme(text: &str) -> Option<&'static str> {
    ["https", "http"]
        .into_iter()
        .find(|scheme| text.eq_ignore_ascii_case(scheme))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn requested(version: Version, target: &str, lines: &[(&'static str, &'static str)]) -> Result<String, u16> {
        Host::of_request(version, &target.parse().unwrap(), &headers(lines))
            .map(|host| host.map_or_else(String::new, |host| host.to_string()))
            .map_err(|error| error.status)
    }

    #[test]
    fn a_host_is_a_name_or_an_address_and_maybe_a_port() {
        for host in [
            "localhost",
            "scim.example.com:8443",
            "10.0.0.1:80",
            "[::1]",
            "[2001:db8::1]:443",
            "my_gateway",
            "a.",
        ] {
            assert_eq!(Host::parse(host).map(|host| host.to_string()).as_deref(), Some(host));
        }
        assert_eq!(Host::parse("h:").unwrap().to_string(), "h");
        for wrong in [
            "",
            ":80",
            "a b",
            "a\"b",
            "a/b",
            "a@b",
            "user:pw@h",
            "h:80:80",
            "h:65536",
            "h:+1",
            "h:x",
            "::1",
            "[::1",
            "[a]",
            "<h>",
            "h,i",
            "ä",
        ] {
            assert_eq!(Host::parse(wrong), None, "{wrong}");
        }
        assert_eq!(Host::parse(&"a".repeat(256)), None);
    }

    #[test]
    fn the_target_counts_before_the_header() {
        let host = ("host", "h:1");
        assert_eq!(requested(Version::HTTP_11, "/x", &[host]), Ok("h:1".to_owned()));
        assert_eq!(requested(Version::HTTP_11, "http://t/x", &[host]), Ok("t".to_owned()));
        assert_eq!(requested(Version::HTTP_2, "http://t/x", &[]), Ok("t".to_owned()));
        assert_eq!(requested(Version::HTTP_2, "/x", &[host]), Ok("h:1".to_owned()));
        assert_eq!(requested(Version::HTTP_10, "/x", &[]), Ok(String::new()));
    }

    #[test]
    fn a_missing_a_double_and_a_bad_host_are_400() {
        for (version, target, lines) in [
            (Version::HTTP_11, "/x", &[][..]),
            (Version::HTTP_11, "http://t/x", &[]),
            (Version::HTTP_2, "/x", &[]),
            (Version::HTTP_11, "/x", &[("host", "a"), ("host", "a")]),
            (Version::HTTP_10, "/x", &[("host", "a"), ("host", "b")]),
            (Version::HTTP_11, "/x", &[("host", "")]),
            (Version::HTTP_11, "/x", &[("host", "a b")]),
            (Version::HTTP_11, "http://t/x", &[("host", "a/b")]),
            (Version::HTTP_11, "http://user:pw@t/x", &[("host", "t")]),
        ] {
            assert_eq!(requested(version, target, lines), Err(400), "{target} {lines:?}");
        }
    }

    #[test]
    fn a_proxy_says_by_either_header_how_it_was_reached() {
        let read = |lines: &[(&'static str, &'static str)]| {
            let Forwarded { host, scheme } = Forwarded::read(&headers(lines));
            (host.map(|host| host.to_string()), scheme)
        };
        let outside = || Some("scim.example.com".to_owned());

        assert_eq!(
            read(&[(
                "forwarded",
                "for=192.0.2.60;Proto=HTTPS;Host=\"scim.example.com\", for=10.0.0.1;host=inner"
            )]),
            (outside(), Some("https"))
        );
        assert_eq!(
            read(&[
                ("x-forwarded-host", "scim.example.com, inner"),
                ("x-forwarded-proto", "https,http")
            ]),
            (outside(), Some("https"))
        );
        assert_eq!(read(&[("x-forwarded-proto", "http")]), (None, Some("http")));
        assert_eq!(
            read(&[("forwarded", "for=1.2.3.4"), ("x-forwarded-host", "other")]),
            (None, None)
        );
    }

    #[test]
    fn what_a_proxy_says_wrongly_is_as_if_it_said_nothing() {
        for line in [
            ("forwarded", "host=\"a\" b\""),
            ("forwarded", "host=a/b;proto=ftp"),
            ("forwarded", "host=\"evil\\\"><script>\""),
            ("forwarded", ""),
            ("forwarded", "host"),
            ("x-forwarded-host", "a/b"),
            ("x-forwarded-host", "user@h"),
            ("x-forwarded-host", ""),
            ("x-forwarded-proto", "javascript"),
        ] {
            assert_eq!(Forwarded::read(&headers(&[line])), Forwarded::default(), "{line:?}");
        }
    }
}
