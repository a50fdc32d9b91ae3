//! Directory-services and gateways that end and begin one by one, on addresses that stay, over one PostgreSQL database.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::sync::Arc;

use directory_proto::client::DirectoryClient;
use secrecy::{ExposeSecret as _, SecretString};
use tempfile::TempDir;

use crate::support::databases::PostgresDatabase;
use crate::support::scim::Scim;
use crate::support::system::{
    Process, command, directory_command, free_port, init, local, make_tenant, metric, program,
};

/// Which program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    Directory,
    Gateway,
}

/// Processes and the places that they have.
pub struct Fleet {
    pub places: Vec<Place>,
    environment: Vec<(&'static str, String)>,
    /// The name by which gateways find the directory-services, instead of their addresses.
    name: Option<&'static str>,
    operator: SecretString,
    database: Arc<PostgresDatabase>,
    folder: TempDir, // after the processes: fields are dropped in this order
}

/// An address, and the process that has it now.
pub struct Place {
    pub role: Role,
    /// Where it serves: gRPC or SCIM.
    pub listen: String,
    pub admin: u16,
    process: Option<Process>,
}

impl Fleet {
    /// So many of each; none is started yet. Directory-services have one port, on addresses of their own.
    pub fn new(
        database: &Arc<PostgresDatabase>,
        directories: u8,
        gateways: u8,
        environment: &[(&'static str, &str)],
    ) -> Self {
        let grpc = free_port();
        let place = |role, listen| Place {
            role,
            listen,
            admin: free_port(),
            process: None,
        };
        let directories =
            (0..directories).map(|number| place(Role::Directory, format!("127.0.0.{}:{grpc}", number + 2)));
        let gateways = (0..gateways).map(|_| place(Role::Gateway, local(free_port())));
        Self {
            places: directories.chain(gateways).collect(),
            environment: environment
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned()))
                .collect(),
            name: None,
            operator: String::new().into(),
            database: database.clone(),
            folder: TempDir::with_prefix("rollcall-fleet-").unwrap(),
        }
    }

    /// Starts every process at the same moment and waits until all are ready.
    pub async fn start(&mut self) {
        for number in 0..self.places.len() {
            self.spawn(number);
        }
        self.ready().await;
    }

    /// Waits until every process is ready.
    pub async fn ready(&mut self) {
        for place in &mut self.places {
            place.process().ready().await;
        }
    }

    /// Starts a process at its place.
    pub fn spawn(&mut self, number: usize) {
        let place = &self.places[number];
        let (name, mut command) = match place.role {
            Role::Directory => {
                let mut command = directory_command(&self.database, self.folder.path());
                command
                    .env("DIRECTORY_GRPC_LISTEN", &place.listen)
                    .env("DIRECTORY_ADMIN_LISTEN", local(place.admin));
                ("directory-service", command)
            }
            Role::Gateway => {
                let mut command = self.gateway_command();
                command
                    .env("GATEWAY_HTTP_LISTEN", &place.listen)
                    .env("GATEWAY_ADMIN_LISTEN", local(place.admin))
                    .env("GATEWAY_DIRECTORY_ENDPOINT", self.endpoint());
                ("gateway", command)
            }
        };
        command
            .arg("serve")
            .env("ROLLCALL_LOG_FORMAT", "json")
            .envs(self.environment.clone());
        let log = self.log(number);
        let (output, admin) = (log.with_extension("out"), place.admin);
        self.places[number].process = Some(Process::start_apart(name, command, &output, &log, admin));
    }

    fn log(&self, number: usize) -> PathBuf {
        let place = &self.places[number];
        self.folder.path().join(format!("{:?}-{}.log", place.role, place.admin))
    }

    /// A program that sees the fleet's own hosts file if there is one.
    fn gateway_command(&self) -> Command {
        if self.name.is_none() {
            return command(program("gateway"));
        }
        let mut command = command("unshare");
        let mount = r#"mount --bind "$0" /etc/hosts && exec "$@""#;
        command
            .args(["--mount", "--", "sh", "-c", mount])
            .arg(self.hosts())
            .arg(program("gateway"));
        command
    }

    fn hosts(&self) -> PathBuf {
        self.folder.path().join("hosts")
    }

    /// Lets a name mean these directory-services, for gateways that are started from now on; they see it change.
    pub fn name_directories(&mut self, name: &'static str, numbers: &[usize]) {
        self.name = Some(name);
        let lines = numbers.iter().map(|number| {
            let (address, _) = self.places[*number].listen.split_once(':').unwrap();
            format!("{address} {name}\n")
        });
        fs::write(self.hosts(), lines.collect::<String>()).unwrap();
    }

    /// All directory-services, as a gateway is told of them.
    fn endpoint(&self) -> String {
        if let Some(name) = self.name {
            let (_, port) = self.places[0].listen.split_once(':').unwrap();
            return format!("dns:///{name}:{port}");
        }
        let mut listen = self.of(Role::Directory).map(|place| place.listen.as_str());
        match (listen.next(), listen.next()) {
            (Some(only), None) => format!("http://{only}"),
            _ => self
                .of(Role::Directory)
                .map(|place| place.listen.as_str())
                .collect::<Vec<_>>()
                .join(","),
        }
    }

    /// The places of one program.
    pub fn of(&self, role: Role) -> impl Iterator<Item = &Place> {
        self.places.iter().filter(move |place| place.role == role)
    }

    /// Makes a tenant that mails nobody, and gives a token that may write there.
    pub async fn tenant(&mut self, slug: &str) -> String {
        self.make_tenant(slug, false).await
    }

    /// Makes such a tenant that mails new users.
    pub async fn mailing_tenant(&mut self, slug: &str) -> String {
        self.make_tenant(slug, true).await
    }

    async fn make_tenant(&mut self, slug: &str, mails: bool) -> String {
        if self.operator.expose_secret().is_empty() {
            self.operator = init(directory_command(&self.database, self.folder.path()));
        }
        let directory = self.of(Role::Directory).next().unwrap();
        let operator = DirectoryClient::new(&format!("http://{}", directory.listen)).unwrap();
        make_tenant(&operator.with_token(&self.operator).unwrap(), slug, mails).await
    }

    /// Whether no process has ended.
    pub fn all_run(&mut self) -> bool {
        self.places.iter_mut().all(|place| place.process().is_running())
    }
}

impl Place {
    /// The process that has this place.
    pub fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("a process was started here")
    }

    /// What the probe at this path says; none if nobody answers.
    pub async fn probe(&self, path: &str) -> Option<u16> {
        let probes = Scim::new(&format!("http://{}", local(self.admin)), "");
        probes.try_get(path).await.ok().map(|answer| answer.status)
    }

    /// How many requests the process has answered.
    pub async fn answered(&self) -> u64 {
        let name = match self.role {
            Role::Directory => "directory_grpc_requests_total",
            Role::Gateway => "gateway_http_requests_total",
        };
        metric(self.admin, name).await.unwrap_or_default() as u64
    }

    /// Ends the process as an operator would, and says how it ended.
    pub async fn stop(&mut self) -> ExitStatus {
        self.process().terminate();
        self.process().ended().await
    }
}
