//! A real mail server, `tests/smtp/server.py`, that a test steers and whose mails it reads. It ends with the value.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;

use regex::Regex;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Mutex;

use super::certificates::Certificates;
use super::eventually;

/// The interpreter with the packages of `tests/smtp/requirements.txt`; `tests/run` sets it.
const PYTHON: &str = "ROLLCALL_TEST_PYTHON";
const REQUIRE: &str = "ROLLCALL_TEST_REQUIRE_POSTGRES";

/// How the way to the server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    None,
    /// With a login.
    StartTls,
    /// With a login.
    Tls,
}

impl Protection {
    const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::StartTls => "starttls",
            Self::Tls => "tls",
        }
    }
}

/// A running mail server.
pub struct Mailbox {
    pipes: Mutex<(ChildStdin, Lines<BufReader<ChildStdout>>)>,
    port: u16,
    protection: Protection,
    folder: TempDir,
    _process: Child, // killed on drop
}

impl Mailbox {
    /// Starts a server; none, and says so, if there is no Python for it.
    pub async fn start(protection: Protection) -> Option<Self> {
        let Some(python) = std::env::var_os(PYTHON).filter(|python| !python.is_empty()) else {
            let required = std::env::var(REQUIRE).is_ok_and(|value| value == "1");
            assert!(!required, "{REQUIRE} is 1, but {PYTHON} is not set; tests/run does");
            // Not eprintln!: the harness would swallow it, and a half-run must be seen.
            let line = format!("a test with a mail server was skipped; tests/run has one, or set {PYTHON}\n");
            let _ = std::io::stderr().write_all(line.as_bytes());
            return None;
        };
        let folder = TempDir::with_prefix("rollcall-mailbox-").unwrap();
        let file = |name: &str| folder.path().join(name);
        Certificates::new(folder.path()).issue("server", 2999);
        fs::write(file("password"), "correct horse\n").unwrap();
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/smtp/server.py");
        let mut command = Command::new(python);
        command
            .arg(script)
            .args(["--mode", protection.name()])
            .arg("--certificate")
            .arg(file("server.crt"))
            .arg("--key")
            .arg(file("server.key"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        if protection != Protection::None {
            // The server's own copy of the password, which stays as it is.
            fs::write(file("expected"), "correct horse\n").unwrap();
            command
                .args(["--username", "ada", "--password-file"])
                .arg(file("expected"));
        }
        let mut process = command.spawn().unwrap();
        let (input, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let mut lines = BufReader::new(output).lines();
        let first = lines.next_line().await.unwrap().expect("the mail server starts");
        let first: Value = serde_json::from_str(&first).unwrap();
        Some(Self {
            pipes: Mutex::new((input, lines)),
            port: u16::try_from(first["port"].as_u64().unwrap()).unwrap(),
            protection,
            folder,
            _process: process,
        })
    }

    /// The settings by which the services find it, and try again quickly.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let file = |name: &str| self.folder.path().join(name).to_str().unwrap().to_owned();
        let mut environment = vec![
            ("DIRECTORY_SMTP_HOST", "localhost".to_owned()),
            ("DIRECTORY_SMTP_PORT", self.port.to_string()),
            ("DIRECTORY_SMTP_TLS", self.protection.name().to_owned()),
            ("DIRECTORY_MAIL_FROM", "accounts@directory.example".to_owned()),
            ("DIRECTORY_MAIL_RETRY_SECONDS", "1".to_owned()),
            ("DIRECTORY_ACTIVATION_URL_HOSTS", "login.example.com".to_owned()),
        ];
        if self.protection != Protection::None {
            environment.extend([
                ("DIRECTORY_SMTP_CA_FILE", file("ca.crt")),
                ("DIRECTORY_SMTP_USERNAME", "ada".to_owned()),
                ("DIRECTORY_SMTP_PASSWORD_FILE", file("password")),
            ]);
        }
        environment
    }

    /// Writes another password into the file that the services read.
    pub fn set_password(&self, password: &str) {
        fs::write(self.folder.path().join("password"), password).unwrap();
    }

    /// Says what happens to the next mails to this address; see `tests/smtp/server.py`.
    pub async fn answer(&self, address: &str, with: &[&str]) {
        self.ask(&json!({"answer": address, "with": with})).await;
    }

    /// Every mail that was stored, in order.
    pub async fn mails(&self) -> Vec<Value> {
        let answer = self.ask(&json!({"mails": true})).await;
        answer["mails"].as_array().unwrap().clone()
    }

    /// The mails to this address.
    pub async fn mails_to(&self, address: &str) -> Vec<Value> {
        let mut mails = self.mails().await;
        mails.retain(|mail| mail["envelope_to"] == json!([address]));
        mails
    }

    /// Waits until so many mails to this address are stored.
    pub async fn wait_for(&self, address: &str, count: usize) -> Vec<Value> {
        eventually("the mails arrive", async || {
            let mails = self.mails_to(address).await;
            (mails.len() >= count).then_some(mails)
        })
        .await
    }

    async fn ask(&self, command: &Value) -> Value {
        let (input, output) = &mut *self.pipes.lock().await;
        input.write_all(format!("{command}\n").as_bytes()).await.unwrap();
        let line = output.next_line().await.unwrap().expect("the mail server answers");
        serde_json::from_str(&line).unwrap()
    }
}

/// The settings of a mail server that is not there: every mail waits.
pub fn nobody() -> Vec<(&'static str, String)> {
    vec![
        ("DIRECTORY_SMTP_HOST", "127.0.0.1".to_owned()),
        ("DIRECTORY_SMTP_PORT", "1".to_owned()),
        ("DIRECTORY_SMTP_TLS", "none".to_owned()),
        ("DIRECTORY_MAIL_FROM", "accounts@directory.example".to_owned()),
    ]
}

/// The code that a mail tells.
pub fn code_in(mail: &Value) -> String {
    let text = mail["text"].as_str().unwrap();
    let code = Regex::new(r"\b[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}\b")
        .unwrap()
        .find(text);
    code.unwrap_or_else(|| panic!("no code in {text}")).as_str().to_owned()
}
