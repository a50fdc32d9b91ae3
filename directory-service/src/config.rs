//! Every setting, typed and parsed once, from flags and the environment. What is wrong is told all at once.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use directory_proto::reload::{self, Reloaded, Unusable};
use directory_proto::service::settings::{Problems, SettingsError, given, given_path, path};
use directory_proto::service::tls::{ServerTls, ServerTlsFiles};
use directory_proto::tls::authorities;
use directory_proto::trace::chain;
use secrecy::{ExposeSecret as _, SecretString};

use crate::keyring::Keyring;
use crate::mail::Mailing;

mod mail;

pub use mail::MailArgs;

/// What is spoken inside TLS.
const PROTOCOLS: &[&[u8]] = &[b"h2"];
const DEFAULT_CONNECTIONS: u32 = 20;
const MOST_CONNECTIONS: u32 = 1_000;
const DEFAULT_CONNECTION_AGE: Duration = Duration::from_secs(300);
const MOST_CONNECTION_AGE_SECONDS: u64 = 86_400;
const DEFAULT_DRAIN: Duration = Duration::from_secs(10);
const DEFAULT_GRACE: Duration = Duration::from_secs(40);
const MOST_SHUTDOWN_SECONDS: u64 = 3_600;

/// What to do about the schema when the service starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Migrate {
    /// Bring the schema up to date, one process at a time.
    OnStart,
    /// Change nothing, and refuse to start unless the schema fits.
    Check,
}

impl FromStr for Migrate {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "on-start" => Ok(Self::OnStart),
            "check" => Ok(Self::Check),
            _ => Err("must be on-start or check"),
        }
    }
}

/// The URL of a database, `sqlite:` or `postgres:`, which may hold a password. One that stands in a file is read again when
/// the file changes.
#[derive(Clone, Debug)]
pub struct DatabaseUrl(Arc<Reloaded<SecretString>>);

impl From<SecretString> for DatabaseUrl {
    fn from(url: SecretString) -> Self {
        Self(Arc::new(Reloaded::fixed(url)))
    }
}

impl DatabaseUrl {
    fn of_file(file: PathBuf) -> Result<Self, Unusable> {
        let files = vec![file.clone()];
        let read = move || -> Result<SecretString, Unusable> {
            let text = reload::read(&file).map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
            let url = String::from_utf8(text).unwrap_or_default();
            let url = url.trim_end_matches(['\r', '\n']);
            if is_database_url(url) {
                Ok(url.into())
            } else {
                Err(format!(
                    "{} must hold a URL that begins with sqlite: or postgres:",
                    file.display()
                )
                .into())
            }
        };
        Ok(Self(Arc::new(Reloaded::new(files, read)?)))
    }

    /// The URL at the moment.
    pub fn current(&self) -> SecretString {
        SecretString::clone(&self.0.current())
    }

    /// The URL at this very moment: looks at its file.
    pub fn latest(&self) -> SecretString {
        self.0.look();
        self.current()
    }

    /// Follows the file and tells of every new URL. Never ends.
    pub async fn follow(&self, tell: impl Fn(&SecretString)) {
        let mut changes = self.0.changes();
        let told = async {
            while changes.changed().await.is_ok() {
                tell(&changes.borrow_and_update());
            }
        };
        tokio::join!(self.0.follow(), told);
    }
}

fn is_database_url(url: &str) -> bool {
    ["sqlite:", "postgres:", "postgresql:"]
        .iter()
        .any(|scheme| url.starts_with(scheme))
}

/// Where the data is.
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    /// Where the service reads and writes; a pooler may stand there.
    pub url: DatabaseUrl,
    /// Past the pooler, if there is one: where the schema is changed.
    pub direct_url: Option<DatabaseUrl>,
    /// How many connections one process opens at most.
    pub max_connections: u32,
}

/// What the service needs to run, apart from its listener.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the data is.
    pub database: DatabaseConfig,
    /// What to do about the schema at the start.
    pub migrate: Migrate,
    /// The file with the secret keys.
    pub keyring_file: PathBuf,
    /// How gRPC is encrypted; without it, it is not.
    pub tls: Option<Arc<ServerTls>>,
    /// After so long, more or less, a connection is ended, so that clients spread over new replicas.
    pub max_connection_age: Duration,
    /// How long every call is still taken after SIGTERM, while the probes say no.
    pub shutdown_drain: Duration,
    /// How long calls, and attempts to send mail, may take to finish after that.
    pub shutdown_grace: Duration,
    /// What an operator decides about mail.
    pub mailing: Mailing,
}

impl Config {
    /// The settings that everything else has a default for.
    pub fn new(database_url: SecretString, keyring_file: PathBuf) -> Self {
        Self {
            database: DatabaseConfig {
                url: database_url.into(),
                direct_url: None,
                max_connections: DEFAULT_CONNECTIONS,
            },
            migrate: Migrate::OnStart,
            keyring_file,
            tls: None,
            max_connection_age: DEFAULT_CONNECTION_AGE,
            shutdown_drain: DEFAULT_DRAIN,
            shutdown_grace: DEFAULT_GRACE,
            mailing: Mailing::default(),
        }
    }
}

/// The directory service of Rollcall.
#[derive(Debug, Parser)]
#[command(name = "directory-service", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serves the directory over gRPC until SIGTERM.
    Serve(Box<ServeArgs>),
    /// Brings the database's schema up to date, or looks at it.
    Migrate {
        /// What to do about the schema.
        #[command(subcommand)]
        action: MigrateAction,
    },
    /// Makes the first operator token and prints it, alone, on standard output.
    Init(InitArgs),
}

/// What to do about the schema.
#[derive(Debug, Subcommand)]
pub enum MigrateAction {
    /// Applies what is pending.
    Up(DatabaseArgs),
    /// Prints every migration and whether it is applied.
    Status(DatabaseArgs),
    /// Ends with exit code 1 unless this program can work with the schema.
    Check(DatabaseArgs),
}

/// Where the data is, as given.
#[derive(Args, Debug)]
pub struct DatabaseArgs {
    /// sqlite: or postgres: URL.
    #[arg(long, env = "DIRECTORY_DATABASE_URL", hide_env_values = true)]
    database_url: Option<SecretString>,
    /// A file that holds the URL, in its place; read again when it changes.
    #[arg(long, env = "DIRECTORY_DATABASE_URL_FILE", value_parser = path())]
    database_url_file: Option<PathBuf>,
    /// The URL past a pooler, where the schema is changed [default: the other URL].
    #[arg(long, env = "DIRECTORY_DATABASE_DIRECT_URL", hide_env_values = true)]
    database_direct_url: Option<SecretString>,
    /// A file that holds that URL, in its place.
    #[arg(long, env = "DIRECTORY_DATABASE_DIRECT_URL_FILE", value_parser = path())]
    database_direct_url_file: Option<PathBuf>,
    /// How many database connections this process opens at most [default: 20].
    #[arg(long, env = "DIRECTORY_DATABASE_MAX_CONNECTIONS")]
    database_max_connections: Option<String>,
}

/// The settings of `init`, as given.
#[derive(Args, Debug)]
pub struct InitArgs {
    /// Where the data is.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// on-start or check: whether the schema may be changed [default: on-start].
    #[arg(long, env = "DIRECTORY_DB_MIGRATE")]
    db_migrate: Option<String>,
    /// Revokes the operator tokens that live and makes a new one.
    #[arg(long)]
    pub new_operator_token: bool,
}

/// The settings of `serve`, as given.
#[derive(Args, Debug)]
pub struct ServeArgs {
    /// Where gRPC is served [default: 127.0.0.1:50051].
    #[arg(long, env = "DIRECTORY_GRPC_LISTEN")]
    grpc_listen: Option<String>,
    /// Where probes and metrics are served [default: 127.0.0.1:9090].
    #[arg(long, env = "DIRECTORY_ADMIN_LISTEN")]
    admin_listen: Option<String>,
    /// The certificate of gRPC and those of its authorities, in PEM; read again when it changes.
    #[arg(long, env = "DIRECTORY_TLS_CERT_FILE", value_parser = path())]
    tls_cert_file: Option<PathBuf>,
    /// The key of that certificate, in PEM; read again when it changes.
    #[arg(long, env = "DIRECTORY_TLS_KEY_FILE", value_parser = path())]
    tls_key_file: Option<PathBuf>,
    /// The certificates, in PEM, of the authorities one of which must vouch for every client (mutual TLS).
    #[arg(long, env = "DIRECTORY_TLS_CA_FILE", value_parser = path())]
    tls_ca_file: Option<PathBuf>,
    /// Whether gRPC may be served without encryption off this machine; only where something else encrypts [default: false].
    #[arg(long, env = "DIRECTORY_ALLOW_PLAINTEXT")]
    allow_plaintext: Option<String>,
    /// After how many seconds, more or less, a connection is ended, so that clients spread over new replicas [default: 300].
    #[arg(long, env = "DIRECTORY_MAX_CONNECTION_AGE_SECONDS")]
    max_connection_age_seconds: Option<String>,
    #[command(flatten)]
    database: DatabaseArgs,
    /// on-start or check [default: on-start].
    #[arg(long, env = "DIRECTORY_DB_MIGRATE")]
    db_migrate: Option<String>,
    /// Secret keys, 32 random bytes in base64 a line, the newest first; mode 0600.
    #[arg(long, env = "DIRECTORY_KEYRING_FILE", value_parser = path())]
    keyring_file: Option<PathBuf>,
    /// How long calls are still taken after SIGTERM, while the probes say no and clients move on [default: 10].
    #[arg(long, env = "DIRECTORY_SHUTDOWN_DRAIN_SECONDS")]
    shutdown_drain_seconds: Option<String>,
    /// How long calls may take to finish after that [default: 40].
    #[arg(long, env = "DIRECTORY_SHUTDOWN_GRACE_SECONDS")]
    shutdown_grace_seconds: Option<String>,
    #[command(flatten)]
    mail: MailArgs,
}

/// The settings of `serve`, checked.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// Where gRPC is served.
    pub grpc_listen: SocketAddr,
    /// Where probes and metrics are served.
    pub admin_listen: SocketAddr,
    /// Whether gRPC is served in the clear off this machine, as the settings allow.
    pub in_the_clear: bool,
    /// The rest.
    pub config: Config,
}

impl DatabaseArgs {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`SettingsError`]: every problem at once.
    pub fn check(self) -> Result<DatabaseConfig, SettingsError> {
        let mut problems = Problems::default();
        let database = self.read(&mut problems);
        problems.none_or(database)
    }

    fn read(self, problems: &mut Problems) -> DatabaseConfig {
        let url_of = url;
        let url = url_of(
            problems,
            "DIRECTORY_DATABASE_URL",
            self.database_url,
            self.database_url_file,
        );
        let direct_url = url_of(
            problems,
            "DIRECTORY_DATABASE_DIRECT_URL",
            self.database_direct_url,
            self.database_direct_url_file,
        );
        let url = url.unwrap_or_else(|| {
            problems.add("DIRECTORY_DATABASE_URL (or DIRECTORY_DATABASE_URL_FILE) is required");
            SecretString::default().into()
        });
        check_driver(problems, |name| std::env::var(name).ok());
        let max_connections = problems.number(
            "DIRECTORY_DATABASE_MAX_CONNECTIONS",
            self.database_max_connections,
            1..=MOST_CONNECTIONS,
        );
        DatabaseConfig {
            url,
            direct_url,
            max_connections: max_connections.unwrap_or(DEFAULT_CONNECTIONS),
        }
    }
}

impl InitArgs {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`SettingsError`]: every problem at once.
    pub fn check(self) -> Result<(DatabaseConfig, Migrate), SettingsError> {
        let mut problems = Problems::default();
        let database = self.database.read(&mut problems);
        let migrate = migrate(&mut problems, self.db_migrate);
        problems.none_or((database, migrate))
    }
}

fn migrate(problems: &mut Problems, value: Option<String>) -> Migrate {
    given(value)
        .map_or(Ok(Migrate::OnStart), |text| text.parse())
        .unwrap_or_else(|rule| {
            problems.add(format!("DIRECTORY_DB_MIGRATE {rule}"));
            Migrate::Check
        })
}

/// The standard variables of PostgreSQL's clients that decide who is trusted: our driver ignores what it does not understand,
/// and would go on without encryption.
fn check_driver(problems: &mut Problems, variable: impl Fn(&str) -> Option<String>) {
    let modes = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];
    if given(variable("PGSSLMODE")).is_some_and(|mode| !modes.contains(&mode.as_str())) {
        problems.add(format!("PGSSLMODE must be one of {}", modes.join(", ")));
    }
    if let Some(file) = given(variable("PGSSLROOTCERT")) {
        problems.usable("PGSSLROOTCERT", authorities(Path::new(&file)));
    }
}

impl ServeArgs {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`SettingsError`]: every problem at once.
    pub fn check(self) -> Result<ServeConfig, SettingsError> {
        let mut problems = Problems::default();
        let grpc_listen = problems.address(
            "DIRECTORY_GRPC_LISTEN",
            self.grpc_listen,
            ([127, 0, 0, 1], 50051).into(),
        );
        let admin_listen = problems.address(
            "DIRECTORY_ADMIN_LISTEN",
            self.admin_listen,
            ([127, 0, 0, 1], 9090).into(),
        );
        if grpc_listen == admin_listen && grpc_listen.port() != 0 {
            problems.add("DIRECTORY_GRPC_LISTEN and DIRECTORY_ADMIN_LISTEN must differ");
        }
        let wants_tls = given_path(self.tls_cert_file.clone()).is_some();
        let tls = tls(self.tls_cert_file, self.tls_key_file, self.tls_ca_file, &mut problems);
        let allowed = problems.boolean("DIRECTORY_ALLOW_PLAINTEXT", self.allow_plaintext);
        let in_the_clear = !wants_tls && !grpc_listen.ip().is_loopback();
        if in_the_clear && !allowed {
            problems.add(
                "DIRECTORY_GRPC_LISTEN leads off this machine without encryption: set DIRECTORY_TLS_CERT_FILE, \
                 DIRECTORY_TLS_KEY_FILE and DIRECTORY_TLS_CA_FILE, or DIRECTORY_ALLOW_PLAINTEXT=true where something else \
                 encrypts",
            );
        }
        let age = problems.number(
            "DIRECTORY_MAX_CONNECTION_AGE_SECONDS",
            self.max_connection_age_seconds,
            1..=MOST_CONNECTION_AGE_SECONDS,
        );
        let database = self.database.read(&mut problems);
        let migrate = migrate(&mut problems, self.db_migrate);
        match given_path(self.keyring_file.clone()) {
            None => problems.add("DIRECTORY_KEYRING_FILE is required: a file with 32 random bytes in base64 a line"),
            Some(file) => {
                problems.usable(
                    "DIRECTORY_KEYRING_FILE",
                    Keyring::load(&file).map_err(|error| chain(&error)),
                );
            }
        }
        let mut seconds = |name, text| problems.number(name, text, 0..=MOST_SHUTDOWN_SECONDS);
        let drain = seconds("DIRECTORY_SHUTDOWN_DRAIN_SECONDS", self.shutdown_drain_seconds);
        let grace = seconds("DIRECTORY_SHUTDOWN_GRACE_SECONDS", self.shutdown_grace_seconds);
        let config = Config {
            database,
            migrate,
            keyring_file: self.keyring_file.unwrap_or_default(),
            tls: tls.map(Arc::new),
            max_connection_age: age.map_or(DEFAULT_CONNECTION_AGE, Duration::from_secs),
            shutdown_drain: drain.map_or(DEFAULT_DRAIN, Duration::from_secs),
            shutdown_grace: grace.map_or(DEFAULT_GRACE, Duration::from_secs),
            mailing: self.mail.read(&mut problems),
        };
        problems.none_or(ServeConfig {
            grpc_listen,
            admin_listen,
            in_the_clear,
            config,
        })
    }
}

/// How gRPC is encrypted, if it is.
fn tls(
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    client_authorities: Option<PathBuf>,
    problems: &mut Problems,
) -> Option<ServerTls> {
    let (certificate, key) = (given_path(certificate), given_path(key));
    let client_authorities = given_path(client_authorities);
    if client_authorities.is_some() && certificate.is_none() && key.is_none() {
        problems.add("DIRECTORY_TLS_CA_FILE needs DIRECTORY_TLS_CERT_FILE and DIRECTORY_TLS_KEY_FILE");
    }
    let identity = problems.identity(
        ("DIRECTORY_TLS_CERT_FILE", certificate),
        ("DIRECTORY_TLS_KEY_FILE", key),
    )?;
    let authorities = client_authorities.iter().map(|file| authorities(file));
    for read in authorities {
        problems.usable("DIRECTORY_TLS_CA_FILE", read)?;
    }
    let files = ServerTlsFiles {
        identity,
        client_authorities,
    };
    problems.usable(
        "DIRECTORY_TLS_CERT_FILE, DIRECTORY_TLS_KEY_FILE",
        ServerTls::load(files, PROTOCOLS),
    )
}

/// None: nothing is set. What is set and cannot be used is told, and stood in for by a URL that leads nowhere.
fn url(problems: &mut Problems, name: &str, url: Option<SecretString>, file: Option<PathBuf>) -> Option<DatabaseUrl> {
    let nowhere = || SecretString::default().into();
    let url = url.filter(|url| !url.expose_secret().is_empty());
    match (url, given_path(file)) {
        (None, None) => None,
        (Some(_), Some(_)) => {
            problems.add(format!("{name} and {name}_FILE are both set; keep one"));
            Some(nowhere())
        }
        (Some(url), None) => {
            if !is_database_url(url.expose_secret()) {
                problems.add(format!("{name} must begin with sqlite: or postgres:"));
            }
            Some(url.into())
        }
        (None, Some(file)) => {
            let url = problems.usable(&format!("{name}_FILE"), DatabaseUrl::of_file(file));
            Some(url.unwrap_or_else(nowhere))
        }
    }
}

impl DatabaseConfig {
    /// Whether the data is in an SQLite file.
    pub fn is_sqlite(&self) -> bool {
        self.url.current().expose_secret().starts_with("sqlite:")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A keyring of one key, with the folder that it is in.
    fn keyring() -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keyring");
        Keyring::create_if_absent(&file).unwrap();
        let flag = format!("--keyring-file={}", file.display());
        (folder, flag)
    }

    #[test]
    fn a_driver_that_would_not_check_whom_it_speaks_to_is_not_started() {
        let problems = |name: &'static str, value: &'static str| {
            let mut problems = Problems::default();
            check_driver(&mut problems, |asked| (asked == name).then(|| value.to_owned()));
            problems.none_or(()).err().map(|error| error.0)
        };
        assert_eq!(problems("PGSSLMODE", "verify-full"), None);
        assert_eq!(problems("PGSSLMODE", ""), None);
        assert!(problems("PGSSLMODE", "verify-ful").unwrap()[0].starts_with("PGSSLMODE must be one of disable"));
        let told = problems("PGSSLROOTCERT", "/nowhere/ca.crt").unwrap();
        assert!(
            told[0].starts_with("PGSSLROOTCERT: /nowhere/ca.crt cannot be read"),
            "{told:?}"
        );
    }

    fn serve(arguments: &[&str]) -> ServeArgs {
        let program = ["directory-service", "serve"];
        match Cli::try_parse_from(program.iter().chain(arguments)).unwrap().command {
            Command::Serve(args) => *args,
            Command::Migrate { .. } | Command::Init(_) => unreachable!("serve was asked for"),
        }
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let errors = serve(&[
            "--grpc-listen=here",
            "--database-url=mysql://x",
            "--database-max-connections=0",
            "--db-migrate=yes",
            "--tls-ca-file=/nowhere/ca.crt",
            "--allow-plaintext=maybe",
            "--max-connection-age-seconds=0",
            "--keyring-file=/nowhere/keyring",
            "--shutdown-drain-seconds=3601",
            "--shutdown-grace-seconds=soon",
        ])
        .check()
        .unwrap_err();

        assert_eq!(
            errors.0,
            [
                "DIRECTORY_GRPC_LISTEN must be an address and a port, such as 127.0.0.1:50051",
                "DIRECTORY_TLS_CA_FILE needs DIRECTORY_TLS_CERT_FILE and DIRECTORY_TLS_KEY_FILE",
                "DIRECTORY_ALLOW_PLAINTEXT must be true or false",
                "DIRECTORY_MAX_CONNECTION_AGE_SECONDS must be a whole number from 1 to 86400",
                "DIRECTORY_DATABASE_URL must begin with sqlite: or postgres:",
                "DIRECTORY_DATABASE_MAX_CONNECTIONS must be a whole number from 1 to 1000",
                "DIRECTORY_DB_MIGRATE must be on-start or check",
                "DIRECTORY_KEYRING_FILE: the keyring /nowhere/keyring cannot be used: No such file or directory (os error 2)",
                "DIRECTORY_SHUTDOWN_DRAIN_SECONDS must be a whole number from 0 to 3600",
                "DIRECTORY_SHUTDOWN_GRACE_SECONDS must be a whole number from 0 to 3600",
            ]
        );
    }

    #[test]
    fn a_url_may_come_from_a_file_but_not_from_both() {
        let (folder, keyring) = keyring();
        let file = folder.path().join("uri");
        std::fs::write(&file, "postgres://directory@db/directory\n").unwrap();
        let from_file = format!("--database-url-file={}", file.display());

        let config = serve(&[&from_file, &keyring]).check().unwrap().config;
        let url = &config.database.url;
        assert_eq!(url.current().expose_secret(), "postgres://directory@db/directory");
        assert_eq!(
            (config.database.max_connections, config.migrate),
            (20, Migrate::OnStart)
        );
        std::fs::write(&file, "postgres://directory:new@db/directory\n").unwrap();
        assert_eq!(url.latest().expose_secret(), "postgres://directory:new@db/directory");
        std::fs::write(&file, "nonsense").unwrap();
        assert_eq!(url.latest().expose_secret(), "postgres://directory:new@db/directory");
        assert_eq!(config.shutdown_drain, Duration::from_secs(10));
        assert_eq!(config.shutdown_grace, Duration::from_secs(40));

        let both = serve(&[&from_file, "--database-url=sqlite::memory:", &keyring]).check();
        assert_eq!(
            both.unwrap_err().0,
            ["DIRECTORY_DATABASE_URL and DIRECTORY_DATABASE_URL_FILE are both set; keep one"]
        );
    }

    #[test]
    fn grpc_in_the_clear_off_this_machine_must_be_allowed() {
        let (_folder, keyring) = keyring();
        let open = [
            "--grpc-listen=0.0.0.0:50051",
            "--database-url=sqlite::memory:",
            keyring.as_str(),
        ];
        let refused = serve(&open).check().unwrap_err();
        assert!(refused.0[0].contains("DIRECTORY_ALLOW_PLAINTEXT=true"), "{refused}");

        let allowed = [open.as_slice(), &["--allow-plaintext=true"]].concat();
        assert!(serve(&allowed).check().unwrap().in_the_clear);

        let encrypted = [
            open.as_slice(),
            &["--tls-cert-file=/nowhere/tls.crt", "--tls-key-file=/nowhere/tls.key"],
        ];
        let refused = serve(&encrypted.concat()).check().unwrap_err();
        assert_eq!(refused.0.len(), 1, "{refused}");
        assert!(refused.0[0].contains("/nowhere/tls.crt cannot be read"), "{refused}");
    }

    #[test]
    fn secrets_show_neither_in_debug_output_nor_in_errors() {
        let (_folder, keyring) = keyring();
        let secret = "--database-url=postgres://directory:hunter2@db/directory";
        let arguments = serve(&[secret, &keyring]);
        assert!(!format!("{arguments:?}").contains("hunter2"));
        let config = arguments.check().unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));

        let errors = serve(&["--database-url=mysql://directory:hunter2@db"])
            .check()
            .unwrap_err();
        assert!(!errors.to_string().contains("hunter2"));
    }
}
