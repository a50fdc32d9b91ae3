//! A running system: `rollcall up` on SQLite, or directory-service and gateway processes on PostgreSQL. Nothing of it
//! outlives the value: processes are ended and files removed on drop, also while a test panics.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, OnceLock};

use directory_proto::client::DirectoryClient;
use directory_proto::tls::{ClientTls, ClientTlsFiles, IdentityFiles};
use directory_proto::v1::{self, Scope};
use sea_orm::DatabaseConnection;
use secrecy::{ExposeSecret as _, SecretString};
use tempfile::TempDir;

use super::certificates::Certificates;
use super::databases::{Database, PostgresDatabase};
use super::eventually;
use super::scim::Scim;

/// Who has a certificate in a system that encrypts: gRPC, HTTPS, and the gateway as a client.
pub const ENCRYPTED: [&str; 3] = ["directory-service", "scim", "gateway"];

/// The provisioning source that tests write as.
pub const SOURCE: &str = "entra";

/// How a system is started.
#[derive(Clone, Default)]
pub struct Settings {
    /// How many directory-services and gateways; more than one needs PostgreSQL.
    pub more_pairs: usize,
    /// Whether both SCIM and gRPC are encrypted, the latter both ways; needs PostgreSQL, for `up` encrypts nothing.
    pub encrypted: bool,
    /// Environment of every process.
    pub environment: Vec<(&'static str, String)>,
}

/// Both services, running.
pub struct System {
    pairs: Vec<Pair>,
    processes: Vec<Process>,
    settings: Settings,
    operator: SecretString,
    database: Database,
    certificates: Option<Certificates>,
    folder: TempDir, // after the processes: fields are dropped in this order
}

/// The ports of one directory-service and its gateway.
#[derive(Clone, Copy)]
struct Pair {
    grpc: u16,
    http: u16,
    directory_admin: u16,
    gateway_admin: u16,
}

impl System {
    pub async fn start(database: Database) -> Self {
        Self::start_with(database, Settings::default()).await
    }

    pub async fn start_with(database: Database, settings: Settings) -> Self {
        let folder = TempDir::with_prefix("rollcall-system-").unwrap();
        let more = if matches!(database, Database::Sqlite) {
            0
        } else {
            settings.more_pairs
        };
        let certificates = settings.encrypted.then(|| {
            let certificates = Certificates::new(folder.path());
            ENCRYPTED.iter().for_each(|name| certificates.issue(name, 2998));
            certificates
        });
        let pairs: Vec<Pair> = (0..=more).map(|_| Pair::free()).collect();
        let mut system = Self {
            pairs,
            processes: Vec::new(),
            settings,
            operator: String::new().into(),
            database,
            certificates,
            folder,
        };
        if matches!(system.database, Database::Postgres(_)) {
            system.operator = init(system.directory_command());
        }
        system.run().await;
        if matches!(system.database, Database::Sqlite) {
            system.operator = fs::read_to_string(system.data().join("operator.token"))
                .unwrap()
                .trim()
                .to_owned()
                .into();
        }
        system
    }

    /// Starts the processes on the data and the ports that are there already.
    async fn run(&mut self) {
        let started: Vec<Process> = match &self.database {
            Database::Sqlite => vec![self.start_up()],
            Database::Postgres(_) => self.pairs.iter().flat_map(|pair| self.start_pair(pair)).collect(),
        };
        self.processes.extend(started);
        for process in &mut self.processes {
            process.ready().await;
        }
    }

    fn start_up(&self) -> Process {
        let [pair] = self.pairs[..] else {
            panic!("`up` is one pair")
        };
        let mut command = command(env!("CARGO_BIN_EXE_rollcall"));
        command.args(up_arguments(&self.data(), pair.http, pair.grpc, pair.directory_admin));
        self.spawn("rollcall", command, pair.directory_admin)
    }

    fn start_pair(&self, pair: &Pair) -> [Process; 2] {
        let mut directory = self.directory_command();
        directory
            .arg("serve")
            .env("DIRECTORY_GRPC_LISTEN", local(pair.grpc))
            .env("DIRECTORY_ADMIN_LISTEN", local(pair.directory_admin));
        let mut gateway = command(program("gateway"));
        gateway
            .arg("serve")
            .env("GATEWAY_ADMIN_LISTEN", local(pair.gateway_admin))
            .env(
                "GATEWAY_DIRECTORY_ENDPOINT",
                format!("{}://{}", self.scheme(), local(pair.grpc)),
            );
        match &self.certificates {
            None => {
                gateway.env("GATEWAY_HTTP_LISTEN", local(pair.http));
            }
            Some(certificates) => {
                directory
                    .env("DIRECTORY_TLS_CERT_FILE", certificates.path("directory-service.crt"))
                    .env("DIRECTORY_TLS_KEY_FILE", certificates.path("directory-service.key"))
                    .env("DIRECTORY_TLS_CA_FILE", certificates.path("ca.crt"));
                gateway
                    .env("GATEWAY_HTTPS_LISTEN", local(pair.http))
                    .env("GATEWAY_TLS_CERT_FILE", certificates.path("scim.crt"))
                    .env("GATEWAY_TLS_KEY_FILE", certificates.path("scim.key"))
                    .env("GATEWAY_DIRECTORY_TLS_CA_FILE", certificates.path("ca.crt"))
                    .env("GATEWAY_DIRECTORY_TLS_CERT_FILE", certificates.path("gateway.crt"))
                    .env("GATEWAY_DIRECTORY_TLS_KEY_FILE", certificates.path("gateway.key"));
            }
        }
        [
            self.spawn("directory-service", directory, pair.directory_admin),
            self.spawn("gateway", gateway, pair.gateway_admin),
        ]
    }

    fn directory_command(&self) -> Command {
        directory_command(self.database.postgres(), self.folder.path())
    }

    fn spawn(&self, name: &'static str, mut command: Command, admin: u16) -> Process {
        command
            .env("ROLLCALL_LOG_FORMAT", "json")
            .env("DIRECTORY_SHUTDOWN_DRAIN_SECONDS", "0") // no balancer to wait for
            .env("GATEWAY_SHUTDOWN_DRAIN_SECONDS", "0")
            .envs(self.settings.environment.clone());
        let file = |ending| self.folder.path().join(format!("{name}-{admin}.{ending}"));
        Process::start_apart(name, command, &file("out"), &file("log"), admin)
    }

    /// The folder that `up` keeps everything in.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn scheme(&self) -> &'static str {
        if self.certificates.is_some() { "https" } else { "http" }
    }

    /// The authority and the certificates of a system that encrypts.
    pub fn certificates(&self) -> &Certificates {
        self.certificates.as_ref().unwrap()
    }

    /// The tenant URL of a gateway.
    pub fn base(&self, gateway: usize) -> String {
        let scheme = self.scheme();
        format!(
            "{scheme}://{}/scim/v2",
            local(self.pairs[gateway % self.pairs.len()].http)
        )
    }

    /// The gRPC address of the first directory-service.
    pub fn directory(&self) -> String {
        format!("{}://{}", self.scheme(), local(self.pairs[0].grpc))
    }

    /// The directory for whoever shows no token yet; with a certificate where that is asked for.
    pub fn client(&self) -> DirectoryClient {
        let tls = self.certificates.as_ref().map(|certificates| {
            let files = ClientTlsFiles {
                authorities: certificates.path("ca.crt"),
                identity: Some(IdentityFiles {
                    certificate: certificates.path("gateway.crt"),
                    key: certificates.path("gateway.key"),
                }),
                server_name: None,
            };
            Arc::new(ClientTls::load(files).unwrap())
        });
        DirectoryClient::at(&self.directory().parse().unwrap(), tls).unwrap()
    }

    /// SCIM at the first gateway with this token.
    pub fn scim(&self, token: &str) -> Scim {
        let authority = self
            .certificates
            .as_ref()
            .map(|certificates| certificates.path("ca.crt"));
        Scim::trusting(authority.as_deref(), &self.base(0), token)
    }

    /// The directory as an operator sees it.
    pub fn operator(&self) -> DirectoryClient {
        self.client().with_token(&self.operator).unwrap()
    }

    /// Makes a tenant whose source is [`SOURCE`], and a token for it. It mails nobody: a mail that is accepted makes a new
    /// version of its user, at a moment that no test chooses.
    pub async fn tenant(&self, slug: &str) -> Tenant {
        self.make_tenant(slug, false).await
    }

    /// Makes such a tenant that mails new users, which is the default.
    pub async fn mailing_tenant(&self, slug: &str) -> Tenant {
        self.make_tenant(slug, true).await
    }

    async fn make_tenant(&self, slug: &str, mails: bool) -> Tenant {
        let token = make_tenant(&self.operator(), slug, mails).await;
        Tenant {
            slug: slug.to_owned(),
            scim: self.scim(&token),
        }
    }

    /// Issues a token of a tenant and gives its secret.
    pub async fn issue(&self, slug: &str, scopes: &[Scope], source: &str) -> String {
        issue(&self.operator(), slug, scopes, source).await
    }

    /// Issues one more operator token and gives its secret.
    pub async fn issue_operator(&self) -> String {
        let scopes = vec![Scope::Operator.into()];
        let token = v1::Token {
            name: "second operator".to_owned(),
            scopes,
            ..Default::default()
        };
        let request = v1::IssueTokenRequest { token: Some(token) };
        self.operator()
            .tokens()
            .issue_token(request)
            .await
            .unwrap()
            .into_inner()
            .secret
    }

    /// What a metric of the directory is at, all replicas together.
    pub async fn metric(&self, name: &str) -> f64 {
        self.metrics(name).await.iter().sum()
    }

    /// What a metric of the directory is at on each replica, whatever its labels.
    pub async fn metrics(&self, name: &str) -> Vec<f64> {
        let mut of_replicas = Vec::new();
        for pair in &self.pairs {
            let value = metric(pair.directory_admin, name).await;
            of_replicas.push(value.unwrap_or_else(|| panic!("there is no metric {name}")));
        }
        of_replicas
    }

    /// Everything that `/metrics` says, on every process.
    pub async fn scrape(&self) -> Vec<String> {
        let mut scrapes = Vec::new();
        for process in &self.processes {
            let admin = Scim::new(&format!("http://{}", local(process.admin)), "");
            scrapes.push(admin.get("/metrics").await.expect(200).text);
        }
        scrapes
    }

    /// The database beside the services.
    pub async fn sql(&self) -> DatabaseConnection {
        self.database.connect(&self.data().join("directory.db")).await
    }

    /// The operator token that tenants are made with.
    pub fn operator_token(&self) -> &str {
        self.operator.expose_secret()
    }

    /// Everything the processes have printed for a person or a script, which is no log.
    pub fn printed(&self) -> String {
        self.processes.iter().map(Process::printed).collect()
    }

    /// Everything the processes have logged.
    pub fn logs(&self) -> String {
        self.processes.iter().map(Process::log).collect()
    }

    /// How much memory each process holds. Linux only.
    pub fn memory(&self) -> Vec<Memory> {
        self.processes.iter().map(Process::memory).collect()
    }

    /// Lets the peak of each process's memory begin again at what it holds now. Linux only.
    pub fn forget_peak_memory(&self) {
        for process in &self.processes {
            process.forget_peak_memory();
        }
    }

    /// Ends every process as a power cut would.
    pub fn kill(&mut self) {
        for process in &mut self.processes {
            process.kill();
        }
    }

    /// Starts again on the same data and the same ports.
    pub async fn restart(&mut self) {
        self.kill();
        self.processes.clear();
        self.run().await;
    }

    /// Adds to the environment that every process has from the next start on.
    pub fn set_environment(&mut self, environment: Vec<(&'static str, String)>) {
        self.settings.environment.extend(environment);
    }

    /// Ends every process as an operator would, and says how each ended.
    pub async fn stop(&mut self) -> Vec<ExitStatus> {
        self.terminate();
        let mut ended = Vec::new();
        for process in &mut self.processes {
            ended.push(process.ended().await);
        }
        ended
    }

    /// Sends every process SIGTERM.
    pub fn terminate(&self) {
        for process in &self.processes {
            process.terminate();
        }
    }

    /// What the probe at this path says, on every process.
    pub async fn probe(&self, path: &str) -> Vec<u16> {
        let mut statuses = Vec::new();
        for process in &self.processes {
            let probes = Scim::new(&format!("http://{}", local(process.admin)), "");
            statuses.push(probes.get(path).await.status);
        }
        statuses
    }

    /// Ends every process as an operator would. Afterwards whatever they recorded is at their collector.
    pub async fn stop_exported(&mut self) {
        let statuses = self.stop().await;
        assert!(statuses.iter().all(ExitStatus::success), "{statuses:?}");
        let logs = self.logs();
        let lost: Vec<&str> = logs.lines().filter(|line| line.contains("not exported")).collect();
        assert!(lost.is_empty(), "{lost:?}");
    }
}

/// Makes a tenant whose source is [`SOURCE`], and gives the secret of a token for it.
pub async fn make_tenant(operator: &DirectoryClient, slug: &str, mails: bool) -> String {
    let tenant = v1::Tenant {
        slug: slug.to_owned(),
        display_name: format!("The tenant {slug}"),
        provisioning_source: SOURCE.to_owned(),
        activation_email_on_creation: Some(mails),
        ..Default::default()
    };
    let request = v1::CreateTenantRequest { tenant: Some(tenant) };
    operator.tenants().create_tenant(request).await.unwrap();
    issue(operator, slug, &[Scope::Provision], SOURCE).await
}

async fn issue(operator: &DirectoryClient, slug: &str, scopes: &[Scope], source: &str) -> String {
    let token = v1::Token {
        name: format!("test {source}"),
        scopes: scopes.iter().map(|scope| i32::from(*scope)).collect(),
        source: source.to_owned(),
        ..Default::default()
    };
    let request = v1::IssueTokenRequest { token: Some(token) };
    let operator = operator.clone().for_tenant(slug).unwrap();
    let issued = operator.tokens().issue_token(request).await.unwrap();
    issued.into_inner().secret
}

/// What a metric of one process is at, whatever its labels; none if the process does not show it.
pub async fn metric(admin: u16, name: &str) -> Option<f64> {
    let admin = Scim::new(&format!("http://{}", local(admin)), "");
    let metrics = admin.get("/metrics").await.expect(200).text;
    let of_this = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
    let values = metrics
        .lines()
        .filter(of_this)
        .filter_map(|line| line.split(' ').next_back());
    let values: Vec<f64> = values.map(|value| value.parse().unwrap()).collect();
    (!values.is_empty()).then(|| values.iter().sum())
}

/// A tenant of the running system.
pub struct Tenant {
    pub slug: String,
    /// SCIM as its provisioning source.
    pub scim: Scim,
}

/// What a process has in RAM, in bytes.
pub struct Memory {
    /// Which program.
    pub name: &'static str,
    /// What it holds now.
    pub resident: u64,
    /// The most that it held.
    pub peak: u64,
}

/// The arguments of `rollcall up` on these ports.
pub fn up_arguments(data: &Path, http: u16, grpc: u16, admin: u16) -> Vec<OsString> {
    vec![
        "up".into(),
        "--data-dir".into(),
        data.into(),
        "--scim-listen".into(),
        local(http).into(),
        "--grpc-listen".into(),
        local(grpc).into(),
        "--admin-listen".into(),
        local(admin).into(),
    ]
}

/// One key of a keyring; what it protects is thrown away with the test.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// A command without our environment but for what a program needs to run at all: neither the caller's telemetry nor the
/// caller's settings may reach a system under test.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear();
    for name in ["PATH", "HOME", "TMPDIR", "LANG"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// The command of a directory-service on this database, which keeps its keyring in the folder.
pub fn directory_command(database: &PostgresDatabase, folder: &Path) -> Command {
    let keyring = folder.join("keyring");
    if !keyring.exists() {
        let mut file = OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(&keyring)
            .unwrap();
        writeln!(file, "{KEY}").unwrap();
    }
    let mut command = command(program("directory-service"));
    command
        .env("DIRECTORY_DATABASE_URL", database.url())
        .env("DIRECTORY_DATABASE_MAX_CONNECTIONS", "16")
        .env("DIRECTORY_DB_MIGRATE", "on-start")
        .env("DIRECTORY_KEYRING_FILE", keyring);
    command
}

/// Makes the first operator token, which `init` prints alone on standard output.
pub fn init(mut directory: Command) -> SecretString {
    let made = directory.arg("init").output().unwrap();
    let errors = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "directory-service init failed: {errors}");
    String::from_utf8(made.stdout).unwrap().trim().to_owned().into()
}

/// The path of a service's program, built if it is not up to date: cargo builds only this package's own for its tests.
/// Built like the tests, with the features that they turn on, so that it is the build that is there already.
pub fn program(name: &str) -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let folder = BUILT.get_or_init(|| {
        let folder = Path::new(env!("CARGO_BIN_EXE_rollcall")).parent().unwrap();
        let profiles = folder.parent().unwrap();
        // A build for a named target has a folder of its own in the target folder.
        let is_of_target = |triple: &OsString| profiles.ends_with(triple);
        let named = std::env::var_os("CARGO_BUILD_TARGET").filter(is_of_target).is_some();
        let target = if named { profiles.parent().unwrap() } else { profiles };
        let mut build = Command::new(env!("CARGO"));
        build.args([
            "build",
            "--workspace",
            "--bins",
            "--tests",
            "--locked",
            "--quiet",
            "--target-dir",
        ]);
        build.arg(target).current_dir(env!("CARGO_MANIFEST_DIR"));
        if folder.ends_with("release") {
            build.arg("--release");
        }
        // What `cargo test` tells its tests about this package would be a new environment to ring's build script: ring and
        // all that stands on it would be compiled anew, here and again by the next cargo outside.
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
                build.env_remove(&*name);
            }
        }
        assert!(build.status().unwrap().success(), "the services could not be built");
        folder.to_owned()
    });
    folder.join(name)
}

impl Pair {
    fn free() -> Self {
        Self {
            grpc: free_port(),
            http: free_port(),
            directory_admin: free_port(),
            gateway_admin: free_port(),
        }
    }
}

/// A port that nobody listens on and no other test of this process was given. It is below those that the operating
/// system hands out by itself, so that nobody gets it between now and its use.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + u16::try_from(std::process::id() % 100).unwrap() * 100;
    for _ in 0..10_000 {
        let port = 20_000 + (first - 20_000 + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between 20000 and 32000");
}

/// `127.0.0.1` with this port.
pub fn local(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

/// A running program, ended on drop.
pub struct Process {
    name: &'static str,
    child: Child,
    output: PathBuf,
    log: PathBuf,
    admin: u16,
}

impl Process {
    /// Starts a program; what it says goes to the file, after what is in it.
    pub fn start(name: &'static str, command: Command, log: &Path, admin: u16) -> Self {
        Self::start_apart(name, command, log, log, admin)
    }

    /// Starts a program whose standard output and whose log, on standard error, go to a file each.
    pub fn start_apart(name: &'static str, mut command: Command, output: &Path, log: &Path, admin: u16) -> Self {
        let open = |path| -> File { OpenOptions::new().create(true).append(true).open(path).unwrap() };
        command.stdin(Stdio::null()).stdout(open(output)).stderr(open(log));
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{name} did not start: {error}"));
        Self {
            name,
            child,
            output: output.to_owned(),
            log: log.to_owned(),
            admin,
        }
    }

    /// Waits until `/readyz` says yes.
    pub async fn ready(&mut self) {
        let probes = Scim::new(&format!("http://{}", local(self.admin)), "");
        let child = &mut self.child;
        let ready = eventually("the program is ready or gone", async || {
            match probes.try_get("/readyz").await {
                Ok(answer) if answer.status == 200 => Some(true),
                _ => child.try_wait().unwrap().map(|_| false),
            }
        });
        assert!(ready.await, "{} ended while it started:\n{}", self.name, self.log());
    }

    /// What it has written to standard output.
    fn printed(&self) -> String {
        fs::read_to_string(&self.output).unwrap_or_default()
    }

    /// What it has said.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// What Linux says about its memory.
    fn memory(&self) -> Memory {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            let kilobytes: u64 = line.trim().strip_suffix(" kB").unwrap().parse().unwrap();
            kilobytes * 1024
        };
        Memory {
            name: self.name,
            resident: bytes("VmRSS:"),
            peak: bytes("VmHWM:"),
        }
    }

    /// Linux begins `VmHWM` again when it is told 5 (proc_pid_clear_refs(5)).
    fn forget_peak_memory(&self) {
        fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").unwrap();
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("sh")
            .arg("-c")
            .arg(format!("kill -{name} {}", self.child.id()))
            .status()
            .unwrap();
        assert!(sent.success(), "{} could not be sent SIG{name}", self.name);
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for the end and says how it was.
    pub async fn ended(&mut self) -> ExitStatus {
        let child = &mut self.child;
        eventually("the program ended", async || child.try_wait().unwrap()).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let tail = log.len() - log.len().min(4_000);
            let tail = (tail..log.len()).find(|at| log.is_char_boundary(*at)).unwrap_or(tail);
            eprintln!("--- the end of what {} said ---\n{}", self.name, &log[tail..]);
        }
    }
}
