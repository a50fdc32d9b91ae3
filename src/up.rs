//! `rollcall up`: the gateway and the directory in one process, on an embedded database, ready for Entra.
//!
//! The order of a start: bind every listener, take the data directory, write the operator token, register it, serve;
//! then, as a client like any other, make the tenant and its first token. A start that is cut off anywhere is
//! completed by the next one.

mod announcement;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use clap::Args;
use directory_proto::client::{InvalidTarget, Target};
use directory_proto::service::{Runtime, admin, stop_on_signals, telemetry};
use directory_proto::status::reason_of;
use directory_proto::trace::chain;
use directory_proto::v1::{self, CreateTenantRequest, ErrorReason, GetTenantRequest};
use directory_service::config::MailArgs;
use directory_service::keyring::Keyring;
use directory_service::mail::{Delivery, Mailing};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::net::TcpListener;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tonic::transport::Uri;
use tonic::{Code, Status};

use crate::connection::{Connection, DEFAULT_DATA_DIR, DEFAULT_TENANT};
use crate::data_dir::{DataDir, OperatorToken};
use crate::failure::Failure;
use crate::tokens::{self, DEFAULT_SOURCE};

use self::announcement::{Addresses, Announcement};

/// Where SCIM is served below the gateway's address.
const SCIM_PATH: &str = "/scim/v2";
/// How long open requests may take to finish once we are told to stop.
const GRACE: Duration = Duration::from_secs(10);
/// How long the directory may take to answer its first call.
const FIRST_ANSWER: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(200);

/// The flags of `rollcall up`.
#[derive(Args, Debug)]
pub struct UpArgs {
    /// Where the database, the keyring and the operator token are; made with mode 0700 if it is not there.
    #[arg(long, env = "ROLLCALL_DATA_DIR", value_name = "DIR", default_value = DEFAULT_DATA_DIR)]
    data_dir: PathBuf,
    /// Another database, sqlite: or postgres: [default: SQLite in <data-dir>/directory.db].
    #[arg(long, env = "ROLLCALL_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    database_url: Option<SecretString>,
    /// Where SCIM is served.
    #[arg(
        long,
        env = "ROLLCALL_SCIM_LISTEN",
        value_name = "ADDRESS",
        value_parser = address,
        default_value = "127.0.0.1:8080"
    )]
    scim_listen: SocketAddr,
    /// Where the gRPC API is served.
    #[arg(
        long,
        env = "ROLLCALL_GRPC_LISTEN",
        value_name = "ADDRESS",
        value_parser = address,
        default_value = "127.0.0.1:50051"
    )]
    grpc_listen: SocketAddr,
    /// Where /startupz, /livez, /readyz and /metrics are served.
    #[arg(
        long,
        env = "ROLLCALL_ADMIN_LISTEN",
        value_name = "ADDRESS",
        value_parser = address,
        default_value = "127.0.0.1:9090"
    )]
    admin_listen: SocketAddr,
    /// The address by which Entra reaches the SCIM listener, such as https://scim.example.com.
    #[arg(long, env = "ROLLCALL_PUBLIC_URL", value_name = "URL", value_parser = public_url)]
    public_url: Option<PublicUrl>,
    #[command(flatten)]
    mail: MailArgs,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "must be an IP address and a port, such as 127.0.0.1:8080".to_owned())
}

/// The address by which the world reaches the gateway, without the path of SCIM; empty if the variable was.
#[derive(Clone, Debug, PartialEq, Eq)]
struct PublicUrl(String);

fn public_url(text: &str) -> Result<PublicUrl, String> {
    let wrong = || "must look like https://scim.example.com".to_owned();
    if text.is_empty() {
        return Ok(PublicUrl(String::new()));
    }
    let uri: Uri = text.parse().map_err(|_| wrong())?;
    let http = matches!(uri.scheme_str(), Some("http" | "https"));
    if !http || uri.host().is_none_or(str::is_empty) || uri.query().is_some() || text.contains(['@', '#']) {
        return Err(wrong());
    }
    // Whoever gives the Tenant URL means the same.
    let base = text.trim_end_matches('/');
    Ok(PublicUrl(base.strip_suffix(SCIM_PATH).unwrap_or(base).to_owned()))
}

/// Runs both services until a signal, or until one of them fails.
pub async fn run(args: UpArgs) -> Result<(), Failure> {
    check_database_url(&args)?;
    let mailing = args.mail.clone().check();
    let mailing = mailing.map_err(|error| Failure::Usage(error.to_string()))?;
    let listeners = Listeners::bind(&args).await?;
    let data_dir = DataDir::open(&args.data_dir)?;
    let telemetry = telemetry::start("rollcall").map_err(|error| Failure::new(chain(&error)))?;
    let runtime = Runtime::new(CancellationToken::new(), telemetry.metrics());
    stop_on_signals(&runtime, Duration::ZERO); // nobody balances requests between us and others
    let done = serve(args, mailing, listeners, &data_dir, &runtime).await;
    telemetry.flush();
    done
}

struct Listeners {
    scim: TcpListener,
    grpc: TcpListener,
    admin: TcpListener,
}

impl Listeners {
    async fn bind(args: &UpArgs) -> Result<Self, Failure> {
        Ok(Self {
            scim: bind("--scim-listen", args.scim_listen).await?,
            grpc: bind("--grpc-listen", args.grpc_listen).await?,
            admin: bind("--admin-listen", args.admin_listen).await?,
        })
    }

    fn addresses(&self) -> io::Result<Addresses> {
        Ok(Addresses {
            scim: reachable(self.scim.local_addr()?),
            grpc: reachable(self.grpc.local_addr()?),
            admin: reachable(self.admin.local_addr()?),
        })
    }
}

async fn bind(flag: &str, address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        let advice = match error.kind() {
            io::ErrorKind::AddrInUse => "stop the program that uses it, or name another address",
            io::ErrorKind::PermissionDenied => "ports below 1024 need a privilege; name another address",
            _ => "name an address of this machine",
        };
        Failure::new(format!("cannot listen on {address} ({flag}): {error}: {advice}"))
    })
}

/// A listener on every address is reached on the loopback one.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

async fn serve(
    args: UpArgs,
    mailing: Mailing,
    listeners: Listeners,
    data_dir: &DataDir,
    runtime: &Runtime,
) -> Result<(), Failure> {
    let addresses = listeners
        .addresses()
        .map_err(|error| Failure::new(format!("cannot listen: {error}")))?;
    let config = directory_config(&args, mailing, data_dir)?;
    let outbox = config.mailing.folder().map(Path::to_owned);
    let Some(operator) = runtime
        .stop
        .run_until_cancelled(register_operator(data_dir, &config))
        .await
    else {
        return Ok(());
    };
    let operator = operator?;
    let public_url = args.public_url.map(|PublicUrl(url)| url).filter(|url| !url.is_empty());
    // Everything is registered before the probes answer, so that none of them says yes too early.
    let started = ["directory", "gateway", "up"].map(|name| runtime.health.component(name))[2].clone();
    let probes = admin::serve(listeners.admin, runtime.clone());
    let endpoint = format!("http://{}", addresses.grpc);
    let mut gateway_config = gateway::Config::new(target(&endpoint)?);
    gateway_config.public_url.clone_from(&public_url);
    gateway_config.shutdown_grace = GRACE;
    let services = start(config, listeners.grpc, gateway_config, listeners.scim, runtime);
    let announce = async {
        let connection = Connection::of_operator(&endpoint, &operator.secret, &operator.file)?;
        let secret = first_tenant(&connection).await?;
        let announcement = Announcement {
            addresses,
            public_url,
            data_dir: &args.data_dir,
            outbox,
            secret,
        };
        announcement.print()?;
        started.set_started();
        started.set_ready(true);
        Ok(())
    };
    supervise(services, probes, announce, &runtime.stop).await
}

/// Checked here and not by clap, which would repeat a URL that may hold a password.
fn check_database_url(args: &UpArgs) -> Result<(), Failure> {
    let url = args.database_url.as_ref().map_or("", |url| url.expose_secret());
    if url.is_empty()
        || ["sqlite:", "postgres:", "postgresql:"]
            .iter()
            .any(|scheme| url.starts_with(scheme))
    {
        return Ok(());
    }
    Err(Failure::Usage(
        "--database-url must begin with sqlite: or postgres:".to_owned(),
    ))
}

fn directory_config(
    args: &UpArgs,
    mut mailing: Mailing,
    data_dir: &DataDir,
) -> Result<directory_service::Config, Failure> {
    let given = args.database_url.clone().filter(|url| !url.expose_secret().is_empty());
    let database_url = given.map_or_else(|| data_dir.database_url(), Ok)?;
    let keyring = data_dir.file("directory.keyring");
    Keyring::create_if_absent(&keyring).map_err(|error| Failure::new(chain(&error)))?;
    Keyring::load(&keyring).map_err(|error| Failure::new(chain(&error)))?; // before anything is served
    let mut config = directory_service::Config::new(database_url, keyring);
    config.shutdown_grace = GRACE;
    if matches!(mailing.delivery, Delivery::Nowhere) {
        mailing.delivery = Delivery::Files(data_dir.file("outbox"));
    }
    mailing.left_files = Some(data_dir.file("outbox"));
    config.mailing = mailing;
    Ok(config)
}

/// Makes the data directory's token the operator's, unless it is already.
async fn register_operator(data_dir: &DataDir, config: &directory_service::Config) -> Result<OperatorToken, Failure> {
    let operator = data_dir.operator_token(directory_service::new_token)?;
    match directory_service::ensure_operator_token(config, &operator.secret).await {
        Ok(true) => Ok(operator),
        Ok(false) => {
            if operator.new {
                // Nobody knows it, and the next start must not take it for the right one.
                let _ = std::fs::remove_file(&operator.file);
            }
            let url = config.database.url.current();
            let database = match url.expose_secret() {
                url if url.starts_with("sqlite:") => url, // holds no password
                _ => "postgres://...",
            };
            Err(Failure::new(format!(
                "the database has an operator token, and it is not the one in {file}: put it there (mode 0600), or \
                 revoke it and make a new one:\n  (umask 077; DIRECTORY_DATABASE_URL='{database}' cargo run -p \
                 directory-service -- init --new-operator-token > '{file}')",
                file = operator.file.display()
            )))
        }
        Err(error) => Err(Failure::new(chain(&error))),
    }
}

/// Starts both services. The gateway stops first, so that what it has begun can still reach the directory.
fn start(
    directory: directory_service::Config,
    grpc: TcpListener,
    gateway: gateway::Config,
    scim: TcpListener,
    runtime: &Runtime,
) -> JoinSet<Result<(), Failure>> {
    let mut services = JoinSet::new();
    let directory_stop = CancellationToken::new();
    let directory_runtime = Runtime {
        draining: directory_stop.clone(),
        stop: directory_stop.clone(),
        ..runtime.clone()
    };
    let stop = runtime.stop.clone();
    services.spawn(async move {
        let ran = directory_service::run(directory, grpc, &directory_runtime).await;
        ended(
            "the directory",
            ran.map_err(|error| chain(&error)),
            &directory_runtime.stop,
            &stop,
        )
    });
    let runtime = runtime.clone();
    services.spawn(async move {
        let _stops_the_directory = directory_stop.drop_guard();
        let ran = gateway::run(gateway, scim, &runtime).await;
        ended(
            "the gateway",
            ran.map_err(|error| chain(&error)),
            &runtime.stop,
            &runtime.stop,
        )
    });
    services
}

/// What the end of a service means, and the end of the whole process with it.
fn ended(
    name: &str,
    ran: Result<(), String>,
    told_to: &CancellationToken,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    let told = told_to.is_cancelled();
    stop.cancel();
    match ran {
        Ok(()) if told => Ok(()),
        Ok(()) => Err(Failure::new(format!("{name} ended by itself: see the log"))),
        Err(error) => Err(Failure::new(format!("{name} failed: {error}"))),
    }
}

/// Waits for the services to end. The first failure is told; whatever failed after it did so because of it.
async fn supervise(
    mut services: JoinSet<Result<(), Failure>>,
    probes: impl Future<Output = io::Result<()>>,
    announce: impl Future<Output = Result<(), Failure>>,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    let (mut probes, mut announce) = (pin!(probes), pin!(announce));
    let (mut probing, mut announcing) = (true, true);
    let mut outcome = Ok(());
    loop {
        let failure = tokio::select! {
            service = services.join_next() => match service {
                Some(ended) => ended.unwrap_or_else(|error| Err(panicked(&error))),
                None => return outcome,
            },
            served = &mut probes, if probing => {
                probing = false;
                served.map_err(|error| Failure::new(format!("the admin listener broke: {error}")))
            }
            announced = &mut announce, if announcing => {
                announcing = false;
                // Told to stop in the middle of it: of course it failed.
                if stop.is_cancelled() { Ok(()) } else { announced }
            }
        };
        if failure.is_err() {
            stop.cancel();
            outcome = outcome.and(failure);
        }
    }
}

fn panicked(error: &JoinError) -> Failure {
    Failure::new(format!("a service broke: {error}"))
}

/// Makes the first tenant and its token for Entra, unless the tenant is there: a later start issues nothing, for whoever
/// revoked every token meant it.
async fn first_tenant(operator: &Connection) -> Result<Option<SecretString>, Failure> {
    let created = match wait_for_tenant(operator).await {
        Ok(()) => false,
        Err(status) if reason_of(&status) == Some(ErrorReason::TenantNotFound) => create_tenant(operator).await?,
        Err(status) => return Err(operator.explain(&status)),
    };
    if !created {
        return Ok(None);
    }
    let operator = operator.for_tenant(DEFAULT_TENANT)?;
    let mut token = v1::Token {
        name: DEFAULT_SOURCE.to_owned(),
        source: DEFAULT_SOURCE.to_owned(),
        ..Default::default()
    };
    token.push_scopes(v1::Scope::Provision);
    let issued = tokens::issue(&operator, token).await?;
    Ok(Some(issued.secret.into()))
}

fn target(endpoint: &str) -> Result<Target, Failure> {
    endpoint
        .parse()
        .map_err(|error: InvalidTarget| Failure::new(error.to_string()))
}

/// Asks for the tenant until the directory answers.
async fn wait_for_tenant(operator: &Connection) -> Result<(), Status> {
    let begin = Instant::now();
    loop {
        let request = GetTenantRequest {
            slug: DEFAULT_TENANT.to_owned(),
        };
        match operator.client().tenants().get_tenant(request).await {
            Ok(_) => return Ok(()),
            Err(status) if is_not_there_yet(&status) && begin.elapsed() < FIRST_ANSWER => sleep(PAUSE).await,
            Err(status) => return Err(status),
        }
    }
}

fn is_not_there_yet(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled
    )
}

async fn create_tenant(operator: &Connection) -> Result<bool, Failure> {
    let tenant = v1::Tenant {
        slug: DEFAULT_TENANT.to_owned(),
        display_name: "Default".to_owned(),
        provisioning_source: DEFAULT_SOURCE.to_owned(),
        ..Default::default()
    };
    match operator
        .client()
        .tenants()
        .create_tenant(CreateTenantRequest { tenant: Some(tenant) })
        .await
    {
        Ok(_) => Ok(true),
        // On a shared database somebody else was quicker.
        Err(status) if reason_of(&status) == Some(ErrorReason::TenantSlugTaken) => Ok(false),
        Err(status) => Err(operator.explain(&status)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_is_kept_without_the_path_of_scim() {
        for text in [
            "https://scim.example.com",
            "https://scim.example.com/",
            "https://scim.example.com/scim/v2/",
        ] {
            assert_eq!(
                public_url(text),
                Ok(PublicUrl("https://scim.example.com".to_owned())),
                "{text}"
            );
        }
        assert_eq!(public_url(""), Ok(PublicUrl(String::new())));
        for text in [
            "scim.example.com",
            "ftp://a",
            "https://",
            "https://a/?b=c",
            "https://user@a",
            "https://a#b",
        ] {
            assert_eq!(
                public_url(text),
                Err("must look like https://scim.example.com".to_owned()),
                "{text}"
            );
        }
    }

    #[test]
    fn a_listener_on_every_address_is_reached_on_loopback() {
        let reached = |text: &str| reachable(text.parse().unwrap()).to_string();

        assert_eq!(reached("0.0.0.0:80"), "127.0.0.1:80");
        assert_eq!(reached("[::]:80"), "[::1]:80");
        assert_eq!(reached("192.0.2.1:80"), "192.0.2.1:80");
    }

    #[tokio::test]
    async fn an_address_in_use_is_told_with_its_flag() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap();

        let failure = bind("--grpc-listen", address).await.unwrap_err().to_string();

        assert!(
            failure.starts_with(&format!("cannot listen on {address} (--grpc-listen): ")),
            "{failure}"
        );
        assert!(
            failure.ends_with(": stop the program that uses it, or name another address"),
            "{failure}"
        );
    }

    #[tokio::test]
    async fn the_failure_of_one_service_stops_the_other_and_is_told() {
        let stop = CancellationToken::new();
        let mut services = JoinSet::new();
        let waiting = stop.clone();
        services.spawn(async move {
            waiting.cancelled().await;
            Ok(())
        });
        services.spawn(async { Err(Failure::new("the disk is full")) });

        let outcome = supervise(services, std::future::pending(), std::future::pending(), &stop).await;

        assert_eq!(outcome.unwrap_err().to_string(), "the disk is full");
    }

    #[tokio::test]
    async fn an_announcement_that_a_stop_cut_off_is_no_failure() {
        let stop = CancellationToken::new();
        stop.cancel();
        let mut services = JoinSet::new();
        services.spawn(async {
            tokio::task::yield_now().await;
            Ok(())
        });

        let announce = async { Err(Failure::new("cut off")) };
        let outcome = supervise(services, std::future::pending(), announce, &stop).await;

        assert!(outcome.is_ok());
    }
}
