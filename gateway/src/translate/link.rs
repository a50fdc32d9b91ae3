//! The URLs of our resources, as the caller sees them.

use std::fmt;

/// Where the SCIM endpoints are, below the host.
pub const BASE_PATH: &str = "/scim/v2";

/// The URL of our SCIM root: what `meta.location` and `$ref` begin with.
#[derive(Clone, Debug)]
pub struct BaseUrl(String);

impl BaseUrl {
    /// The SCIM root below a public URL, which may name the root itself.
    pub fn public(url: &str) -> Self {
        let url = url.trim_end_matches('/');
        Self(format!("{}{BASE_PATH}", url.strip_suffix(BASE_PATH).unwrap_or(url)))
    }

    /// The SCIM root of a host; without one, links begin at the root of whichever it is.
    pub fn of_host(scheme: &str, host: Option<impl fmt::Display>) -> Self {
        match host {
            Some(host) => Self(format!("{scheme}://{host}{BASE_PATH}")),
            None => Self(BASE_PATH.to_owned()),
        }
    }

    /// The URL itself, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The URL of a user.
    pub fn user(&self, id: &str) -> String {
        format!("{}/Users/{id}", self.0)
    }

    /// The URL of a group.
    pub fn group(&self, id: &str) -> String {
        format!("{}/Groups/{id}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_begin_with_the_public_url_or_the_requested_host() {
        assert_eq!(
            BaseUrl::public("https://scim.example.com/").user("1"),
            "https://scim.example.com/scim/v2/Users/1"
        );
        assert_eq!(
            BaseUrl::public("https://example.com/a/scim/v2").as_str(),
            "https://example.com/a/scim/v2"
        );
        assert_eq!(
            BaseUrl::of_host("http", Some("localhost:8080")).as_str(),
            "http://localhost:8080/scim/v2"
        );
        assert_eq!(BaseUrl::of_host("https", None::<&str>).as_str(), "/scim/v2");
    }
}
