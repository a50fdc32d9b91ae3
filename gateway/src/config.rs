//! The gateway's settings: typed, checked once, and all mistakes reported together.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use http::Uri;

/// The flags and environment variables of `gateway serve`. [`ServeArgs::check`] makes settings of them.
#[derive(Args, Clone, Debug)]
pub struct ServeArgs {
    /// Where SCIM is served, as address:port.
    #[arg(long, env = "GATEWAY_HTTP_LISTEN", default_value = "127.0.0.1:8080")]
    http_listen: String,
    /// Where /startupz, /livez, /readyz and /metrics are served, as address:port.
    #[arg(long, env = "GATEWAY_ADMIN_LISTEN", default_value = "127.0.0.1:9091")]
    admin_listen: String,
    /// The directory's gRPC address.
    #[arg(long, env = "GATEWAY_DIRECTORY_ENDPOINT", default_value = "http://127.0.0.1:50051")]
    directory_endpoint: String,
    /// The address by which callers reach this gateway, such as https://scim.example.com. It begins every
    /// `meta.location`; without it the request's Host header does.
    #[arg(long, env = "GATEWAY_PUBLIC_URL")]
    public_url: Option<String>,
    /// How long open requests may take to finish once the gateway is told to stop.
    #[arg(long, env = "GATEWAY_SHUTDOWN_GRACE_SECONDS", default_value = "40")]
    shutdown_grace_seconds: String,
}

/// What a running gateway needs to know.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The directory's gRPC address, `http://host:port`.
    pub directory_endpoint: String,
    /// The address by which callers reach the gateway; without it the request's Host header tells.
    pub public_url: Option<String>,
    /// How long open requests may take to finish after the stop.
    pub shutdown_grace: Duration,
}

impl Config {
    /// Settings for a gateway in front of this directory; everything else is as by default.
    pub fn new(directory_endpoint: impl Into<String>) -> Self {
        Self {
            directory_endpoint: directory_endpoint.into(),
            public_url: None,
            shutdown_grace: Duration::from_secs(40),
        }
    }
}

/// A whole `serve`: the settings, and where to listen.
pub(crate) struct Serve {
    pub config: Config,
    pub http_listen: SocketAddr,
    pub admin_listen: SocketAddr,
}

/// Settings that cannot be used; names every one of them.
#[derive(Debug, thiserror::Error)]
#[error("{}", .problems.join("\n"))]
pub struct ConfigError {
    problems: Vec<String>,
}

impl ServeArgs {
    /// Checks every setting.
    ///
    /// # Errors
    /// [`ConfigError`] with one line for each setting that cannot be used.
    pub(crate) fn check(self) -> Result<Serve, ConfigError> {
        let mut problems = Vec::new();
        let http_listen = address("GATEWAY_HTTP_LISTEN", &self.http_listen, &mut problems);
        let admin_listen = address("GATEWAY_ADMIN_LISTEN", &self.admin_listen, &mut problems);
        if !is_base_url(&self.directory_endpoint) {
            problems.push("GATEWAY_DIRECTORY_ENDPOINT must look like http://127.0.0.1:50051".to_owned());
        }
        let public_url = self.public_url.filter(|url| !url.is_empty());
        if public_url.as_deref().is_some_and(|url| !is_base_url(url)) {
            problems.push("GATEWAY_PUBLIC_URL must look like https://scim.example.com".to_owned());
        }
        let grace = self
            .shutdown_grace_seconds
            .parse()
            .ok()
            .filter(|seconds| *seconds <= 3600);
        if grace.is_none() {
            problems.push("GATEWAY_SHUTDOWN_GRACE_SECONDS must be a whole number from 0 to 3600".to_owned());
        }
        match (http_listen, admin_listen, grace) {
            (Some(http_listen), Some(admin_listen), Some(grace)) if problems.is_empty() => {
                let shutdown_grace = Duration::from_secs(grace);
                let directory_endpoint = self.directory_endpoint;
                let config = Config {
                    directory_endpoint,
                    public_url,
                    shutdown_grace,
                };
                Ok(Serve {
                    config,
                    http_listen,
                    admin_listen,
                })
            }
            _ => Err(ConfigError { problems }),
        }
    }
}

fn address(name: &str, text: &str, problems: &mut Vec<String>) -> Option<SocketAddr> {
    let address = text.parse().ok();
    if address.is_none() {
        problems.push(format!("{name} must be address:port, such as 0.0.0.0:8080"));
    }
    address
}

/// An `http` or `https` URL with a host and without a query.
fn is_base_url(text: &str) -> bool {
    text.parse::<Uri>().is_ok_and(|url| {
        matches!(url.scheme_str(), Some("http" | "https"))
            && url.host().is_some_and(|host| !host.is_empty())
            && url.query().is_none()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> ServeArgs {
        ServeArgs {
            http_listen: "127.0.0.1:0".to_owned(),
            admin_listen: "[::1]:0".to_owned(),
            directory_endpoint: "http://127.0.0.1:50051".to_owned(),
            public_url: Some(String::new()),
            shutdown_grace_seconds: "7".to_owned(),
        }
    }

    #[test]
    fn good_settings_are_taken_and_an_empty_public_url_is_none() {
        let serve = args().check().unwrap();

        assert_eq!(serve.config.shutdown_grace, Duration::from_secs(7));
        assert_eq!(serve.config.public_url, None);
        assert_eq!(serve.admin_listen.to_string(), "[::1]:0");
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let wrong = ServeArgs {
            http_listen: "8080".to_owned(),
            directory_endpoint: "directory:50051".to_owned(),
            public_url: Some("scim.example.com".to_owned()),
            shutdown_grace_seconds: "soon".to_owned(),
            ..args()
        };

        let message = wrong.check().err().unwrap().to_string();

        for name in [
            "HTTP_LISTEN",
            "DIRECTORY_ENDPOINT",
            "PUBLIC_URL",
            "SHUTDOWN_GRACE_SECONDS",
        ] {
            assert!(message.contains(name), "{name} is not in {message}");
        }
        assert_eq!(message.lines().count(), 4);
    }
}
