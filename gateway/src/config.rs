//! The gateway's settings: typed, checked once, and all mistakes reported together.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use directory_proto::client::Target;
use directory_proto::service::settings::{Problems, SettingsError, given, given_path, path};
use directory_proto::service::tls::{ServerTls, ServerTlsFiles};
use directory_proto::tls::{ClientTls, ClientTlsFiles};
use http::Uri;

use crate::extract::BodyTime;

/// The unit of sizes in settings.
const MIB: usize = 1024 * 1024;
const DEFAULT_HTTP: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 8080);
const DEFAULT_ADMIN: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 9091);
const DEFAULT_DRAIN: Duration = Duration::from_secs(10);
const DEFAULT_GRACE: Duration = Duration::from_secs(40);
const MOST_SHUTDOWN_SECONDS: u64 = 3_600;
const DEFAULT_BODY_MEMORY_MIB: usize = 256;
/// What is spoken inside TLS.
const PROTOCOLS: &[&[u8]] = &[b"h2", b"http/1.1"];

/// The flags and environment variables of `gateway serve`. [`ServeArgs::check`] makes settings of them.
#[derive(Args, Clone, Debug)]
pub struct ServeArgs {
    /// Where SCIM is served without encryption, as address:port [default: 127.0.0.1:8080, unless HTTPS is served].
    #[arg(long, env = "GATEWAY_HTTP_LISTEN")]
    http_listen: Option<String>,
    /// Where SCIM is served over HTTPS (TLS 1.2 and 1.3), as address:port; HTTP is then not served.
    #[arg(long, env = "GATEWAY_HTTPS_LISTEN")]
    https_listen: Option<String>,
    /// The certificate of HTTPS and those of its authorities, in PEM; read again when it changes.
    #[arg(long, env = "GATEWAY_TLS_CERT_FILE", value_parser = path())]
    tls_cert_file: Option<PathBuf>,
    /// The key of that certificate, in PEM; read again when it changes.
    #[arg(long, env = "GATEWAY_TLS_KEY_FILE", value_parser = path())]
    tls_key_file: Option<PathBuf>,
    /// Where /startupz, /livez, /readyz and /metrics are served, as address:port [default: 127.0.0.1:9091].
    #[arg(long, env = "GATEWAY_ADMIN_LISTEN")]
    admin_listen: Option<String>,
    /// The directory's gRPC address: http://host:port, dns:///name:port for all addresses of a name, or a list of
    /// address:port with commas between them [default: http://127.0.0.1:50051].
    #[arg(long, env = "GATEWAY_DIRECTORY_ENDPOINT")]
    directory_endpoint: Option<String>,
    /// The certificates, in PEM, of the authorities that vouch for the directory. With them the connection is encrypted.
    #[arg(long, env = "GATEWAY_DIRECTORY_TLS_CA_FILE", value_parser = path())]
    directory_tls_ca_file: Option<PathBuf>,
    /// The certificate that the gateway shows the directory, in PEM; read again when it changes.
    #[arg(long, env = "GATEWAY_DIRECTORY_TLS_CERT_FILE", value_parser = path())]
    directory_tls_cert_file: Option<PathBuf>,
    /// The key of that certificate, in PEM; read again when it changes.
    #[arg(long, env = "GATEWAY_DIRECTORY_TLS_KEY_FILE", value_parser = path())]
    directory_tls_key_file: Option<PathBuf>,
    /// The name in the directory's certificate [default: the host of the endpoint].
    #[arg(long, env = "GATEWAY_DIRECTORY_TLS_SERVER_NAME")]
    directory_tls_server_name: Option<String>,
    /// Whether SCIM may be served, and the directory be asked, without encryption off this machine. Only where something
    /// else encrypts [default: false].
    #[arg(long, env = "GATEWAY_ALLOW_PLAINTEXT")]
    allow_plaintext: Option<String>,
    /// The address by which callers reach this gateway, such as https://scim.example.com. It begins every
    /// `meta.location`; without it the request's Host header does.
    #[arg(long, env = "GATEWAY_PUBLIC_URL")]
    public_url: Option<String>,
    /// Whether the proxy in front says how it was reached: the first host and proto of Forwarded, or X-Forwarded-Host and
    /// X-Forwarded-Proto, then begin every `meta.location`, unless there is a public URL. Only for a proxy that overwrites
    /// what callers send in these headers [default: false].
    #[arg(long, env = "GATEWAY_TRUST_FORWARDED")]
    trust_forwarded: Option<String>,
    /// How long requests are still taken after SIGTERM, while /readyz says no and callers are sent elsewhere [default: 10].
    #[arg(long, env = "GATEWAY_SHUTDOWN_DRAIN_SECONDS")]
    shutdown_drain_seconds: Option<String>,
    /// How long open requests may take to finish after that [default: 40].
    #[arg(long, env = "GATEWAY_SHUTDOWN_GRACE_SECONDS")]
    shutdown_grace_seconds: Option<String>,
    /// How many MiB of memory the bodies of all requests may take at once: a quarter for their texts, the rest for the JSON
    /// values that they become, which are taken for 16 times the text. Bodies up to 64 KiB are not counted. One that finds
    /// no room in 5 s is answered 503 [default: 256].
    #[arg(long, env = "GATEWAY_BODY_MEMORY_MIB")]
    body_memory_mib: Option<String>,
}

/// What a running gateway needs to know.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// How SCIM is encrypted; without it, it is not.
    pub tls: Option<Arc<ServerTls>>,
    /// Where the directory is.
    pub directory: Target,
    /// How the connection to it is encrypted; without it, it is not.
    pub directory_tls: Option<Arc<ClientTls>>,
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
            body_memory: DEFAULT_BODY_MEMORY_MIB * MIB,
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
            tls: None,
            directory,
            directory_tls: None,
            public_url: None,
            trust_forwarded: false,
            shutdown_drain: DEFAULT_DRAIN,
            shutdown_grace: DEFAULT_GRACE,
            limits: Limits::default(),
        }
    }
}

/// A whole `serve`: the settings, and where to listen.
#[derive(Debug)]
pub(crate) struct Serve {
    pub config: Config,
    pub listen: SocketAddr,
    pub admin_listen: SocketAddr,
    /// What others could listen in to, and the settings allow.
    pub in_the_clear: Vec<Clear>,
}

impl ServeArgs {
    /// Checks every setting.
    ///
    /// # Errors
    /// [`SettingsError`] with one line for each setting that cannot be used.
    pub(crate) fn check(mut self) -> Result<Serve, SettingsError> {
        let mut problems = Problems::default();
        let allowed = problems.boolean("GATEWAY_ALLOW_PLAINTEXT", self.allow_plaintext.take());
        let public_url = given(self.public_url.take());
        if public_url.as_deref().is_some_and(|url| !is_base_url(url)) {
            problems.add("GATEWAY_PUBLIC_URL must look like https://scim.example.com");
        }
        let trust_forwarded = problems.boolean("GATEWAY_TRUST_FORWARDED", self.trust_forwarded.take());
        let mut seconds = |name, text| problems.number(name, text, 0..=MOST_SHUTDOWN_SECONDS);
        let drain = seconds("GATEWAY_SHUTDOWN_DRAIN_SECONDS", self.shutdown_drain_seconds.take());
        let grace = seconds("GATEWAY_SHUTDOWN_GRACE_SECONDS", self.shutdown_grace_seconds.take());
        let body_memory = problems.number("GATEWAY_BODY_MEMORY_MIB", self.body_memory_mib.take(), 1..=1_048_576);
        let admin_listen = problems.address("GATEWAY_ADMIN_LISTEN", self.admin_listen.take(), DEFAULT_ADMIN.into());
        let is_served_in_the_clear = given(self.https_listen.clone()).is_none();
        let is_asked_in_the_clear = given_path(self.directory_tls_ca_file.clone()).is_none();
        let directory = directory(self.directory_endpoint.take(), is_asked_in_the_clear, &mut problems);
        let (listen, tls) = self.listener(&mut problems);
        let directory_tls = self.directory_tls(&mut problems);

        let mut in_the_clear = Vec::new();
        if is_served_in_the_clear && !listen.ip().is_loopback() {
            in_the_clear.push(Clear::Served);
        }
        if is_asked_in_the_clear && !directory.is_loopback() {
            in_the_clear.push(Clear::Asked);
        }
        if !allowed {
            for clear in &in_the_clear {
                problems.add(format!(
                    "{} leads off this machine without encryption: set {}, or GATEWAY_ALLOW_PLAINTEXT=true where something \
                     else encrypts",
                    clear.setting(),
                    clear.remedy()
                ));
            }
        }
        problems.none_or(Serve {
            config: Config {
                tls: tls.map(Arc::new),
                directory_tls: directory_tls.map(Arc::new),
                public_url,
                trust_forwarded,
                shutdown_drain: drain.map_or(DEFAULT_DRAIN, Duration::from_secs),
                shutdown_grace: grace.map_or(DEFAULT_GRACE, Duration::from_secs),
                limits: Limits {
                    body_memory: body_memory.unwrap_or(DEFAULT_BODY_MEMORY_MIB) * MIB,
                    ..Limits::default()
                },
                ..Config::new(directory)
            },
            listen,
            admin_listen,
            in_the_clear,
        })
    }

    /// Where SCIM is served, and how it is encrypted.
    fn listener(&mut self, problems: &mut Problems) -> (SocketAddr, Option<ServerTls>) {
        let (http, https) = (given(self.http_listen.take()), given(self.https_listen.take()));
        let (certificate, key) = (
            given_path(self.tls_cert_file.take()),
            given_path(self.tls_key_file.take()),
        );
        let has_files = certificate.is_some() || key.is_some();
        let identity = problems.identity(("GATEWAY_TLS_CERT_FILE", certificate), ("GATEWAY_TLS_KEY_FILE", key));
        let Some(https) = https else {
            if has_files {
                problems.add(
                    "GATEWAY_TLS_CERT_FILE and GATEWAY_TLS_KEY_FILE need GATEWAY_HTTPS_LISTEN, such as 0.0.0.0:8443",
                );
            }
            return (problems.address("GATEWAY_HTTP_LISTEN", http, DEFAULT_HTTP.into()), None);
        };
        if http.is_some() {
            problems.add("GATEWAY_HTTP_LISTEN and GATEWAY_HTTPS_LISTEN are both set; keep one");
        }
        let listen = problems.address("GATEWAY_HTTPS_LISTEN", Some(https), DEFAULT_HTTP.into());
        if !has_files {
            problems.add("GATEWAY_HTTPS_LISTEN needs GATEWAY_TLS_CERT_FILE and GATEWAY_TLS_KEY_FILE");
        }
        let files = identity.map(|identity| ServerTlsFiles {
            identity,
            client_authorities: None,
        });
        let tls = files.and_then(|files| problems.usable("GATEWAY_TLS_…_FILE", ServerTls::load(files, PROTOCOLS)));
        (listen, tls)
    }

    /// How the directory is asked, if encrypted.
    fn directory_tls(&mut self, problems: &mut Problems) -> Option<ClientTls> {
        let identity = problems.identity(
            ("GATEWAY_DIRECTORY_TLS_CERT_FILE", self.directory_tls_cert_file.take()),
            ("GATEWAY_DIRECTORY_TLS_KEY_FILE", self.directory_tls_key_file.take()),
        );
        let server_name = given(self.directory_tls_server_name.take());
        let Some(authorities) = given_path(self.directory_tls_ca_file.take()) else {
            if identity.is_some() || server_name.is_some() {
                problems
                    .add("GATEWAY_DIRECTORY_TLS_… need GATEWAY_DIRECTORY_TLS_CA_FILE: who vouches for the directory");
            }
            return None;
        };
        let files = ClientTlsFiles {
            authorities,
            identity,
            server_name,
        };
        problems.usable("GATEWAY_DIRECTORY_TLS_…_FILE", ClientTls::load(files))
    }
}

fn directory(endpoint: Option<String>, is_asked_in_the_clear: bool, problems: &mut Problems) -> Target {
    let Some(endpoint) = given(endpoint) else {
        return Target::default();
    };
    let directory = problems.usable("GATEWAY_DIRECTORY_ENDPOINT", endpoint.parse::<Target>());
    let directory = directory.unwrap_or_default();
    match directory.encrypted() {
        Some(true) if is_asked_in_the_clear => {
            problems.add("GATEWAY_DIRECTORY_ENDPOINT with https needs GATEWAY_DIRECTORY_TLS_CA_FILE");
        }
        Some(false) if !is_asked_in_the_clear => problems.add(
            "GATEWAY_DIRECTORY_ENDPOINT says http, but GATEWAY_DIRECTORY_TLS_CA_FILE asks for encryption: say https, or take \
             the file away",
        ),
        _ => {}
    }
    directory
}

/// A way on which others could listen in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clear {
    /// SCIM is served.
    Served,
    /// The directory is asked.
    Asked,
}

impl Clear {
    /// The setting that leads there.
    pub const fn setting(self) -> &'static str {
        match self {
            Self::Served => "GATEWAY_HTTP_LISTEN",
            Self::Asked => "GATEWAY_DIRECTORY_ENDPOINT",
        }
    }

    const fn remedy(self) -> &'static str {
        match self {
            Self::Served => "GATEWAY_HTTPS_LISTEN, GATEWAY_TLS_CERT_FILE and GATEWAY_TLS_KEY_FILE",
            Self::Asked => "GATEWAY_DIRECTORY_TLS_CA_FILE",
        }
    }
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
            http_listen: Some("127.0.0.1:0".to_owned()),
            https_listen: None,
            tls_cert_file: None,
            tls_key_file: None,
            admin_listen: Some("[::1]:0".to_owned()),
            directory_endpoint: Some("http://127.0.0.1:50051".to_owned()),
            directory_tls_ca_file: None,
            directory_tls_cert_file: None,
            directory_tls_key_file: None,
            directory_tls_server_name: None,
            allow_plaintext: Some("false".to_owned()),
            public_url: Some(String::new()),
            trust_forwarded: Some("True".to_owned()),
            shutdown_drain_seconds: Some("0".to_owned()),
            shutdown_grace_seconds: Some("7".to_owned()),
            body_memory_mib: Some("64".to_owned()),
        }
    }

    fn problems(args: ServeArgs) -> Vec<String> {
        args.check().unwrap_err().0
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
        assert_eq!(serve.in_the_clear, []);
    }

    #[test]
    fn an_empty_variable_counts_as_none() {
        let serve = clap::Command::new("serve").no_binary_name(true);
        let serve = <ServeArgs as clap::Args>::augment_args(serve);
        let settings: Vec<String> = serve
            .get_arguments()
            .filter_map(|argument| argument.get_long())
            .filter(|long| *long != "help")
            .map(|long| format!("--{long}="))
            .collect();
        assert!(settings.len() > 10);
        let matches = serve.try_get_matches_from(settings).unwrap();
        let empty = <ServeArgs as clap::FromArgMatches>::from_arg_matches(&matches).unwrap();

        let serve = empty.check().unwrap();

        assert_eq!(serve.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(serve.config.shutdown_grace, DEFAULT_GRACE);
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let wrong = ServeArgs {
            http_listen: Some("8080".to_owned()),
            directory_endpoint: Some("directory:50051".to_owned()),
            directory_tls_cert_file: Some("/nowhere/tls.crt".into()),
            allow_plaintext: Some("perhaps".to_owned()),
            public_url: Some("scim.example.com".to_owned()),
            trust_forwarded: Some("yes".to_owned()),
            shutdown_drain_seconds: Some("-1".to_owned()),
            shutdown_grace_seconds: Some("soon".to_owned()),
            body_memory_mib: Some("0".to_owned()),
            ..args()
        };

        let problems = problems(wrong);

        for name in [
            "ALLOW_PLAINTEXT",
            "HTTP_LISTEN",
            "DIRECTORY_TLS_CERT_FILE and GATEWAY_DIRECTORY_TLS_KEY_FILE",
            "DIRECTORY_ENDPOINT",
            "PUBLIC_URL",
            "TRUST_FORWARDED",
            "SHUTDOWN_DRAIN_SECONDS",
            "SHUTDOWN_GRACE_SECONDS",
            "BODY_MEMORY_MIB",
        ] {
            assert!(
                problems.iter().any(|problem| problem.contains(name)),
                "{name}: {problems:?}"
            );
        }
        assert_eq!(problems.len(), 9, "{problems:?}");
    }

    #[test]
    fn what_leads_off_this_machine_in_the_clear_must_be_allowed() {
        let open = ServeArgs {
            http_listen: Some("0.0.0.0:8080".to_owned()),
            directory_endpoint: Some("dns:///directory-service:50051".to_owned()),
            ..args()
        };
        let refused = problems(open.clone());
        assert_eq!(refused.len(), 2, "{refused:?}");
        assert!(refused[0].contains("GATEWAY_HTTP_LISTEN") && refused[0].contains("GATEWAY_HTTPS_LISTEN"));
        assert!(
            refused[1].contains("GATEWAY_DIRECTORY_ENDPOINT") && refused[1].contains("GATEWAY_DIRECTORY_TLS_CA_FILE")
        );

        let allowed = ServeArgs {
            allow_plaintext: Some("true".to_owned()),
            ..open
        };
        let in_the_clear = allowed.check().unwrap().in_the_clear;
        assert_eq!(in_the_clear, [Clear::Served, Clear::Asked]);
    }

    #[test]
    fn encryption_is_whole_or_refused() {
        let some = |path: &str| Some(PathBuf::from(path));
        for (wrong, told) in [
            (
                ServeArgs {
                    https_listen: Some("0.0.0.0:0".to_owned()),
                    tls_cert_file: some("/nowhere/tls.crt"),
                    tls_key_file: some("/nowhere/tls.key"),
                    http_listen: None,
                    ..args()
                },
                "GATEWAY_TLS_…_FILE: /nowhere/tls.crt cannot be read",
            ),
            (
                ServeArgs {
                    https_listen: Some("127.0.0.1:0".to_owned()),
                    http_listen: None,
                    ..args()
                },
                "GATEWAY_HTTPS_LISTEN needs",
            ),
            (
                ServeArgs {
                    tls_cert_file: some("/nowhere/tls.crt"),
                    tls_key_file: some("/nowhere/tls.key"),
                    ..args()
                },
                "need GATEWAY_HTTPS_LISTEN",
            ),
            (
                ServeArgs {
                    directory_endpoint: Some("https://127.0.0.1:50051".to_owned()),
                    ..args()
                },
                "with https needs GATEWAY_DIRECTORY_TLS_CA_FILE",
            ),
            (
                ServeArgs {
                    directory_tls_server_name: Some("directory".to_owned()),
                    ..args()
                },
                "need GATEWAY_DIRECTORY_TLS_CA_FILE",
            ),
            (
                ServeArgs {
                    directory_endpoint: Some("dns:///directory-service:50051".to_owned()),
                    directory_tls_ca_file: some("/nowhere/ca.crt"),
                    ..args()
                },
                "GATEWAY_DIRECTORY_TLS_…_FILE: /nowhere/ca.crt cannot be read",
            ),
        ] {
            let problems = problems(wrong);
            assert!(
                problems.len() == 1 && problems[0].contains(told),
                "{told}: {problems:?}"
            );
        }
        let both = problems(ServeArgs {
            https_listen: Some("127.0.0.1:0".to_owned()),
            ..args()
        });
        assert!(both[0].contains("both set"), "{both:?}");
    }
}
