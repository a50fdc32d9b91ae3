//! The gateway's settings: typed, checked once, and all mistakes reported together.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use directory_proto::client::Target;
use http::Uri;

use crate::extract::BodyTime;

/// The unit of sizes in settings.
const MIB: usize = 1024 * 1024;

/// The flags and environment variables of `gateway serve`. [`ServeArgs::check`] makes settings of them.
#[derive(Args, Clone, Debug)]
pub struct ServeArgs {
    /// Where SCIM is served, as address:port.
    #[arg(long, env = "GATEWAY_HTTP_LISTEN", default_value = "127.0.0.1:8080")]
    http_listen: String,
    /// Where /startupz, /livez, /readyz and /metrics are served, as address:port.
    #[arg(long, env = "GATEWAY_ADMIN_LISTEN", default_value = "127.0.0.1:9091")]
    admin_listen: String,
    /// The directory's gRPC address: http://host:port, dns:///name:port for all addresses of a name, or a list of
    /// address:port with commas between them.
    #[arg(long, env = "GATEWAY_DIRECTORY_ENDPOINT", default_value = "http://127.0.0.1:50051")]
    directory_endpoint: String,
    /// The address by which callers reach this gateway, such as https://scim.example.com. It begins every
    /// `meta.location`; without it the request's Host header does.
    #[arg(long, env = "GATEWAY_PUBLIC_URL")]
    public_url: Option<String>,
    /// Whether the proxy in front says how it was reached: the first host and proto of Forwarded, or X-Forwarded-Host and
    /// X-Forwarded-Proto, then begin every `meta.location`, unless there is a public URL. Only for a proxy that overwrites
    /// what callers send in these headers.
    #[arg(long, env = "GATEWAY_TRUST_FORWARDED", default_value = "false")]
    trust_forwarded: String,
    /// How long requests are still taken after SIGTERM, while /readyz says no and callers are sent elsewhere.
    #[arg(long, env = "GATEWAY_SHUTDOWN_DRAIN_SECONDS", default_value = "10")]
    shutdown_drain_seconds: String,
    /// How long open requests may take to finish after that.
    #[arg(long, env = "GATEWAY_SHUTDOWN_GRACE_SECONDS", default_value = "40")]
    shutdown_grace_seconds: String,
    /// How many MiB of memory the bodies of all requests may take at once: a quarter for their texts, the rest for the JSON
    /// values that they become, which are taken for 16 times the text. Bodies up to 64 KiB are not counted. One that finds
    /// no room in 5 s is answered 503.
    #[arg(long, env = "GATEWAY_BODY_MEMORY_MIB", default_value = "256")]
    body_memory_mib: String,
}

/// What a running gateway needs to know.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Where the directory is.
    pub directory: Target,
    /// The address by which callers reach the gateway; without it the request's Host header tells.
    pub public_url: Option<String>,
    /// Whether a proxy's word about the host that it was reached at is believed.
    pub trust_forwarded: bool,
    /// How long requests are still taken after SIGTERM, while the probes say no.
    pub shutdown_drain: Duration,
    /// How long open requests may take to finish after that.
    pub shutdown_grace: Duration,
    /// What callers may not exceed.
    pub(crate) limits: Limits,
}

/// How long callers may take, how much memory, and how many there may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// For the head of a request, and between two requests.
    pub head: Duration,
    /// For the body of a request.
    pub body: BodyTime,
    /// For the bodies of all requests together, in bytes of memory.
    pub body_memory: usize,
    /// To wait for room there.
    pub body_wait: Duration,
    /// From the head of a request to the head of its answer: longer than any call to the directory.
    pub answer: Duration,
    /// To take any of what is written.
    pub unread: Duration,
    /// To hang up after the last answer of a connection.
    pub linger: Duration,
    /// Of a connection, after which its open requests may finish within `answer`: a caller without a token must not keep its
    /// place for ever.
    pub age: Duration,
    /// Connections at once.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(30),
            body: BodyTime::default(),
            body_memory: 256 * MIB,
            body_wait: Duration::from_secs(5),
            answer: Duration::from_secs(60),
            unread: Duration::from_secs(60),
            linger: Duration::from_secs(5),
            age: Duration::from_secs(600),
            connections: 10_000,
        }
    }
}

impl Config {
    /// Settings for a gateway in front of this directory; everything else is as by default.
    pub fn new(directory: Target) -> Self {
        Self {
            directory,
            public_url: None,
            trust_forwarded: false,
            shutdown_drain: Duration::from_secs(10),
            shutdown_grace: Duration::from_secs(40),
            limits: Limits::default(),
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
        let directory = self.directory_endpoint.parse::<Target>();
        let directory = directory.map_err(|error| problems.push(format!("GATEWAY_DIRECTORY_ENDPOINT: {error}")));
        let public_url = self.public_url.filter(|url| !url.is_empty());
        if public_url.as_deref().is_some_and(|url| !is_base_url(url)) {
            problems.push("GATEWAY_PUBLIC_URL must look like https://scim.example.com".to_owned());
        }
        let trust_forwarded = boolean("GATEWAY_TRUST_FORWARDED", &self.trust_forwarded, &mut problems);
        let drain = seconds(
            "GATEWAY_SHUTDOWN_DRAIN_SECONDS",
            &self.shutdown_drain_seconds,
            &mut problems,
        );
        let grace = seconds(
            "GATEWAY_SHUTDOWN_GRACE_SECONDS",
            &self.shutdown_grace_seconds,
            &mut problems,
        );
        let body_memory = self.body_memory_mib.parse().ok();
        let body_memory = body_memory.filter(|mib| (1..=1_048_576_usize).contains(mib));
        if body_memory.is_none() {
            problems.push("GATEWAY_BODY_MEMORY_MIB must be a whole number from 1 to 1048576".to_owned());
        }
        match (
            http_listen,
            admin_listen,
            trust_forwarded,
            drain.zip(grace),
            body_memory.zip(directory.ok()),
        ) {
            (
                Some(http_listen),
                Some(admin_listen),
                Some(trust_forwarded),
                Some((drain, grace)),
                Some((body_memory, directory)),
            ) if problems.is_empty() => {
                let limits = Limits {
                    body_memory: body_memory * MIB,
                    ..Limits::default()
                };
                let config = Config {
                    public_url,
                    trust_forwarded,
                    shutdown_drain: drain,
                    shutdown_grace: grace,
                    limits,
                    ..Config::new(directory)
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

fn boolean(name: &str, text: &str, problems: &mut Vec<String>) -> Option<bool> {
    let value = text.to_ascii_lowercase().parse().ok();
    if value.is_none() {
        problems.push(format!("{name} must be true or false"));
    }
    value
}

fn seconds(name: &str, text: &str, problems: &mut Vec<String>) -> Option<Duration> {
    let seconds = text.parse().ok().filter(|seconds| *seconds <= 3600);
    if seconds.is_none() {
        problems.push(format!("{name} must be a whole number from 0 to 3600"));
    }
    seconds.map(Duration::from_secs)
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
            trust_forwarded: "True".to_owned(),
            shutdown_drain_seconds: "0".to_owned(),
            shutdown_grace_seconds: "7".to_owned(),
            body_memory_mib: "64".to_owned(),
        }
    }

    #[test]
    fn good_settings_are_taken_and_an_empty_public_url_is_none() {
        let serve = args().check().unwrap();

        assert_eq!(serve.config.shutdown_drain, Duration::ZERO);
        assert_eq!(serve.config.shutdown_grace, Duration::from_secs(7));
        assert_eq!(serve.config.limits.body_memory, 67_108_864);
        assert_eq!(serve.config.public_url, None);
        assert!(serve.config.trust_forwarded);
        assert_eq!(serve.admin_listen.to_string(), "[::1]:0");
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let wrong = ServeArgs {
            http_listen: "8080".to_owned(),
            directory_endpoint: "directory:50051".to_owned(),
            public_url: Some("scim.example.com".to_owned()),
            trust_forwarded: "yes".to_owned(),
            shutdown_drain_seconds: "-1".to_owned(),
            shutdown_grace_seconds: "soon".to_owned(),
            body_memory_mib: "0".to_owned(),
            ..args()
        };

        let message = wrong.check().err().unwrap().to_string();

        for name in [
            "HTTP_LISTEN",
            "DIRECTORY_ENDPOINT",
            "PUBLIC_URL",
            "TRUST_FORWARDED",
            "SHUTDOWN_DRAIN_SECONDS",
            "SHUTDOWN_GRACE_SECONDS",
            "BODY_MEMORY_MIB",
        ] {
            assert!(message.contains(name), "{name} is not in {message}");
        }
        assert_eq!(message.lines().count(), 7);
    }
}
