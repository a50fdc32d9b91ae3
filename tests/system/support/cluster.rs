//! A PostgreSQL server of a test's own, for tests that would disturb every other one: it restarts, and it stops answering.

use std::fs::{self, Permissions};
use std::future::Future;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use tempfile::TempDir;

use super::databases::{REQUIRE, run_alone};
use super::system::{command, free_port};

const PROGRAMS: &str = "ROLLCALL_TEST_POSTGRES_BIN";
/// A crash of the machine is not played, so nothing is forced to the disk; what was committed is in the log all the same.
const OPTIONS: &str = "-c listen_addresses=127.0.0.1 -c fsync=off -c shared_preload_libraries=";
/// Stops a server and its processes for a while. It does not end with the test, so that they never stay as they are.
const PAUSE: &str = r#"trap "" INT TERM HUP
kill -STOP "$1"
stopped="$1 $(cat "/proc/$1/task/$1/children")"
kill -STOP $stopped
sleep "$2"
kill -CONT $stopped"#;

/// A running server, stopped and removed on drop.
pub struct Cluster {
    programs: PathBuf,
    port: u16,
    owner: Option<(u32, u32)>,
    pausing: Option<Child>,
    folder: TempDir,
}

/// Runs a test with a server of its own; without PostgreSQL's programs it says so and does nothing, unless it must not.
pub fn run_with_cluster<F: Future<Output = ()>>(name: &str, test: impl FnOnce(Cluster) -> F) {
    match std::env::var_os(PROGRAMS) {
        Some(programs) => run_alone(|| test(Cluster::start(programs.into()))),
        None if std::env::var(REQUIRE).is_ok_and(|value| value == "1") => {
            panic!("{REQUIRE} is 1, but {PROGRAMS} is not set")
        }
        None => {
            let line = format!("{name}: PostgreSQL was skipped; tests/run finds its programs, or set {PROGRAMS}\n");
            let _ = std::io::stderr().write_all(line.as_bytes());
        }
    }
}

impl Cluster {
    fn start(programs: PathBuf) -> Self {
        let folder = TempDir::with_prefix("rollcall-cluster-").unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o711)).unwrap();
        let owner = owner(folder.path());
        let home = folder.path().join("postgres");
        fs::create_dir(&home).unwrap();
        if let Some((user, group)) = owner {
            chown(&home, Some(user), Some(group)).unwrap();
        }
        let cluster = Self {
            programs,
            port: free_port(),
            owner,
            pausing: None,
            folder,
        };
        let data = cluster.data();
        let data = data.to_str().unwrap();
        cluster.run(
            "initdb",
            &[
                "--pgdata",
                data,
                "--username",
                "postgres",
                "--auth",
                "trust",
                "--no-sync",
                "--no-locale",
            ],
        );
        let options = format!("-p {} -k {} {OPTIONS}", cluster.port, home.display());
        cluster.control(&["--options", &options, "start"]);
        cluster
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("postgres/data")
    }

    /// The URL of its first database, as a role that may create others.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Asks this role for a password from now on; all others are trusted.
    pub fn demand_password_of(&self, role: &str) {
        let rules = format!("host all {role} 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n");
        fs::write(self.data().join("pg_hba.conf"), rules).unwrap();
        self.run("pg_ctl", &["--pgdata", self.data().to_str().unwrap(), "reload"]);
    }

    /// Ends the server and starts it again. `fast` cuts every connection off, `immediate` is a crash.
    pub fn restart(&self, mode: &str) {
        self.control(&["--mode", mode, "restart"]);
    }

    /// Stops every process of the server for so long: it accepts connections, and says nothing on any.
    pub fn pause(&mut self, seconds: u32) {
        let server = fs::read_to_string(self.data().join("postmaster.pid")).unwrap();
        let server = server.lines().next().unwrap();
        let mut pause = Command::new("sh");
        pause.args(["-c", PAUSE, "sh", server, &seconds.to_string()]);
        self.pausing = Some(pause.spawn().unwrap());
    }

    /// Whether the server's processes are stopped.
    pub fn is_paused(&mut self) -> bool {
        self.pausing
            .as_mut()
            .is_some_and(|pausing| pausing.try_wait().unwrap().is_none())
    }

    fn control(&self, arguments: &[&str]) {
        let (data, log) = (self.data(), self.folder.path().join("postgres/log"));
        let mut all = vec![
            "--pgdata",
            data.to_str().unwrap(),
            "--log",
            log.to_str().unwrap(),
            "--wait",
        ];
        all.extend(arguments);
        self.run("pg_ctl", &all);
    }

    /// Runs a program of PostgreSQL's, which do not run as root.
    fn run(&self, program: &str, arguments: &[&str]) {
        let status = self.try_run(program, arguments);
        assert!(status.success(), "{program} {arguments:?} failed: {status}");
    }

    fn try_run(&self, program: &str, arguments: &[&str]) -> ExitStatus {
        let mut command = command(self.programs.join(program));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        if let Some((user, group)) = self.owner {
            command.uid(user).gid(group);
        }
        // It takes a while; the runtime's other tasks go on.
        tokio::task::block_in_place(|| command.status().unwrap())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(pausing) = &mut self.pausing {
            let _ = pausing.wait();
        }
        let data = self.data();
        let stop = [
            "--pgdata",
            data.to_str().unwrap(),
            "--mode",
            "immediate",
            "--wait",
            "stop",
        ];
        let stopped = self.try_run("pg_ctl", &stop);
        assert!(
            stopped.success() || std::thread::panicking(),
            "the server did not stop: {stopped}"
        );
    }
}

/// Who runs the server if we are root: `postgres`, else `nobody`.
fn owner(ours: &Path) -> Option<(u32, u32)> {
    if fs::metadata(ours).unwrap().uid() != 0 {
        return None;
    }
    let id = |what: &str, user: &str| {
        let asked = Command::new("id")
            .args([what, user])
            .stderr(Stdio::null())
            .output()
            .unwrap();
        String::from_utf8(asked.stdout).unwrap().trim().parse().ok()
    };
    let of = |user: &str| Some((id("-u", user)?, id("-g", user)?));
    of("postgres").or_else(|| of("nobody"))
}
