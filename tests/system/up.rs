//! `rollcall up` and the operator's commands, as a person runs them: real arguments, real output, real files.

mod administrators;

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use regex::Regex;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::databases::{Database, run_alone};
use crate::support::eventually;
use crate::support::scim::{STATUS, Scim, group, user};
use crate::support::system::{Process, command, free_port, local, up_arguments};

on_every_database! {
    the_first_start_prints_a_tenant_url_and_a_secret_token_that_work,
    a_second_start_keeps_everything_and_says_how_to_get_another_token,
    a_public_url_is_in_the_tenant_url_and_begins_every_location,
}

/// `rollcall up` in a folder of its own.
struct Up {
    process: Process,
    ports: [u16; 3],
    options: Vec<String>,
    folder: TempDir,
}

impl Up {
    async fn start() -> Self {
        Self::start_on(&Database::Sqlite, &[]).await
    }

    /// Starts on a database, SQLite being the one that `up` makes itself, with more options.
    async fn start_on(database: &Database, options: &[&str]) -> Self {
        let folder = TempDir::with_prefix("rollcall-up-").unwrap();
        let ports = [free_port(), free_port(), free_port()];
        let mut options: Vec<String> = options.iter().map(ToString::to_string).collect();
        if let Database::Postgres(database) = database {
            options.extend(["--database-url".to_owned(), database.url()]);
        }
        let process = run_up(folder.path(), ports, &options).await;
        let embedded = folder.path().join("data/directory.db").exists();
        assert_eq!(embedded, matches!(database, Database::Sqlite), "the other database");
        Self {
            process,
            ports,
            options,
            folder,
        }
    }

    fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    async fn start_again(&mut self) {
        fs::remove_file(self.folder.path().join("out")).unwrap();
        self.process = run_up(self.folder.path(), self.ports, &self.options).await;
    }

    /// Runs an operator's command against this system.
    fn rollcall(&self, arguments: &[&str]) -> Output {
        let mut command = command(env!("CARGO_BIN_EXE_rollcall"));
        command.args(arguments).current_dir(self.folder.path());
        command.env("ROLLCALL_DATA_DIR", self.data());
        command.env("ROLLCALL_GRPC_ENDPOINT", format!("http://{}", local(self.ports[1])));
        command.output().unwrap()
    }

    /// What a command that succeeds prints on standard output.
    #[track_caller]
    fn says(&self, arguments: &[&str]) -> String {
        let output = self.rollcall(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "rollcall {arguments:?} ended with {}: {errors}",
            output.status
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a command that fails prints on standard error, with nothing on standard output.
    #[track_caller]
    fn refuses(&self, arguments: &[&str]) -> String {
        let output = self.rollcall(arguments);
        assert_eq!(output.status.code(), Some(1), "rollcall {arguments:?}: {output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "");
        String::from_utf8(output.stderr).unwrap()
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        let said = self.says(&[arguments, &["--output", "json"]].concat());
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
    }
}

async fn run_up(folder: &Path, ports: [u16; 3], options: &[String]) -> Process {
    let mut command = command(env!("CARGO_BIN_EXE_rollcall"));
    command.args(up_arguments(&folder.join("data"), ports[0], ports[1], ports[2]));
    command.args(options);
    let mut process = Process::start("rollcall up", command, &folder.join("out"), ports[2]);
    process.ready().await;
    process
}

/// The Tenant URL and the Secret Token in what `up` printed, once it has.
async fn credentials(up: &Up) -> (String, String) {
    let (url, token) = (
        Regex::new(r"Tenant URL:?\s+(http\S+)").unwrap(),
        Regex::new(r"(?s)Secret Token.*?(rc_\w+)").unwrap(),
    );
    eventually("up prints the Tenant URL and the Secret Token", async || {
        let said = up.process.log();
        Some((url.captures(&said)?[1].to_owned(), token.captures(&said)?[1].to_owned()))
    })
    .await
}

async fn the_first_start_prints_a_tenant_url_and_a_secret_token_that_work(database: Database) {
    let up = Up::start_on(&database, &[]).await;
    let (url, token) = credentials(&up).await;
    assert_eq!(url, format!("http://{}/scim/v2", local(up.ports[0])));

    let scim = Scim::new(&url, &token);
    let id = scim.create_user(&user("ada")).await;
    let found = scim
        .filter("/Users", "userName eq \"ADA@example.com\"")
        .await
        .expect(200);

    assert_eq!(found.ids(), [id]);
}

#[test]
fn everything_in_the_data_directory_is_its_owners_alone() {
    run_alone(async || {
        let up = Up::start().await;
        credentials(&up).await;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;

        assert_eq!(mode(&up.data()), 0o700);
        let mut files = 0;
        for entry in fs::read_dir(up.data()).unwrap() {
            let path = entry.unwrap().path();
            assert_eq!(mode(&path), 0o600, "{}", path.display());
            files += 1;
        }
        assert!(
            files >= 3,
            "a database, a keyring and a token, but there are {files} files"
        );
    });
}

async fn a_second_start_keeps_everything_and_says_how_to_get_another_token(database: Database) {
    let mut up = Up::start_on(&database, &[]).await;
    let (url, token) = credentials(&up).await;
    let scim = Scim::new(&url, &token);
    let id = scim.create_user(&user("ada")).await;
    // The mail, which is written to a file here, makes a new version of the user.
    let before = eventually("the activation mail is written", async || {
        let user = scim.get(&format!("/Users/{id}")).await.expect(200).body;
        user[STATUS]["activationCodeExpires"].is_string().then_some(user)
    });
    let before = before.await;
    let operator = fs::read_to_string(up.data().join("operator.token")).unwrap();

    up.process.terminate();
    assert!(up.process.ended().await.success());
    up.start_again().await;

    let said = eventually("up says how to issue a token", async || {
        Some(up.process.log()).filter(|said| said.contains("rollcall token issue"))
    });
    let said = said.await;
    assert!(
        !said.contains(&token) && !Regex::new(r"rc_\w{20,}").unwrap().is_match(&said),
        "no secret again: {said}"
    );
    assert!(said.contains(&url), "the Tenant URL again: {said}");
    assert_eq!(scim.get(&format!("/Users/{id}")).await.expect(200).body, before);
    assert_eq!(fs::read_to_string(up.data().join("operator.token")).unwrap(), operator);
}

async fn a_public_url_is_in_the_tenant_url_and_begins_every_location(database: Database) {
    let up = Up::start_on(&database, &["--public-url", "https://scim.example.com"]).await;
    let (url, token) = credentials(&up).await;
    assert_eq!(url, "https://scim.example.com/scim/v2");
    assert!(!up.process.log().contains("--public-url"), "nobody is told to give one");

    let scim = Scim::new(&format!("http://{}/scim/v2", local(up.ports[0])), &token);
    for (endpoint, body) in [("/Users", user("ada")), ("/Groups", group("Pioneers", &[]))] {
        let created = scim.post(endpoint, &body).await.expect(201);
        let location = format!("{url}{endpoint}/{}", created.id());
        assert_eq!(created.header("location"), location);
        assert_eq!(created.body["meta"]["location"], json!(location));
    }
}

#[test]
fn a_signal_ends_it_at_once_with_exit_code_0() {
    run_alone(async || {
        let mut up = Up::start().await;
        let (url, token) = credentials(&up).await;
        for signal in ["TERM", "INT"] {
            Scim::new(&url, &token).get("/Users").await.expect(200); // a connection that stays open
            let _idle = TcpStream::connect(local(up.ports[0])).unwrap();
            let _idle_too = TcpStream::connect(local(up.ports[1])).unwrap();

            let start = Instant::now();
            up.process.signal(signal);
            let status = up.process.ended().await;

            assert_eq!(status.code(), Some(0), "SIG{signal}: {}", up.process.log());
            let took = start.elapsed();
            assert!(took < Duration::from_secs(5), "SIG{signal} took {took:?}");
            for port in up.ports {
                let open = TcpStream::connect(local(port)).is_ok();
                assert!(!open, "port {port} is still open after SIG{signal}");
            }
            up.start_again().await; // and the data is whole
            Scim::new(&url, &token).get("/Users").await.expect(200);
        }
    });
}

#[test]
fn a_second_up_on_the_same_data_is_refused() {
    run_alone(async || {
        let up = Up::start().await;
        credentials(&up).await;
        let data = up.data();
        let arguments = up_arguments(&data, free_port(), free_port(), free_port());

        let second = command(env!("CARGO_BIN_EXE_rollcall"))
            .args(arguments)
            .output()
            .unwrap();

        assert_eq!(second.status.code(), Some(1), "{second:?}");
        let errors = String::from_utf8(second.stderr).unwrap();
        assert!(
            errors.contains("another `rollcall up` is using the data directory"),
            "{errors}"
        );
    });
}

#[test]
fn a_token_file_that_others_may_read_is_refused() {
    run_alone(async || {
        let up = Up::start().await;
        credentials(&up).await;
        let file = up.data().join("operator.token");

        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let errors = up.refuses(&["tenant", "list"]);
        assert!(errors.contains("chmod 600"), "{errors}");

        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        up.says(&["tenant", "list"]);
    });
}

#[test]
fn a_token_is_printed_alone_works_at_once_and_stops_working_when_revoked() {
    run_alone(async || {
        let up = Up::start().await;
        let (url, _) = credentials(&up).await;

        let said = up.says(&["token", "issue", "--name", "second", "--scope", "provision"]);
        assert!(
            Regex::new(r"\Arc_[0-9A-Za-z]+_[0-9A-Za-z]+\n\z")
                .unwrap()
                .is_match(&said),
            "{said}"
        );
        let scim = Scim::new(&url, said.trim());
        let id = scim.create_user(&user("ada")).await;

        let listed = up.says(&["token", "list"]);
        assert!(listed.contains("second") && listed.contains("provision"), "{listed}");
        assert!(!listed.contains(said.trim()), "a list shows no secret");
        let listed = up.json(&["token", "list"]);
        let listed = listed.as_array().unwrap();
        let second = listed.iter().find(|token| token["name"] == "second").unwrap();
        assert_eq!(second["scopes"], json!(["provision"]));
        assert_eq!(second["source"], json!("entra"));

        up.says(&["token", "revoke", second["id"].as_str().unwrap()]);
        eventually("the revoked token is refused, within ten seconds", async || {
            let answer = scim.get(&format!("/Users/{id}")).await;
            (answer.status == 401).then_some(())
        })
        .await;
    });
}

#[test]
fn users_and_groups_are_shown_as_a_table_and_as_json() {
    run_alone(async || {
        let up = Up::start().await;
        let (url, token) = credentials(&up).await;
        let scim = Scim::new(&url, &token);
        let ada = scim.create_user(&user("ada")).await;
        let mut blocked = user("grace");
        blocked["active"] = json!(false);
        let grace = scim.create_user(&blocked).await;
        let group = scim.create_group("Pioneers", &[&ada, &grace]).await;

        let table = up.says(&["user", "list"]);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 3, "{table}");
        assert!(
            lines[1].contains(&ada) && lines[1].contains("ada@example.com"),
            "{table}"
        );
        assert!(
            lines[2].contains(&grace) && lines[2].to_uppercase().contains("PROVISIONING"),
            "{table}"
        );
        let listed = up.json(&["user", "list"]);
        assert_eq!(listed[0]["id"], json!(ada));
        assert_eq!(listed[0]["blocked"], json!(false));
        assert_eq!(listed[1]["user_name"], json!("grace@example.com"));
        assert_eq!(listed[1]["source_active"], json!(false));
        assert_eq!(listed[1]["blocked"], json!(true));

        for name in [ada.as_str(), "ADA@example.com"] {
            let shown = up.says(&["user", "show", name]);
            assert!(
                shown.contains("mail.ada@example.com") && shown.contains("Pioneers"),
                "{shown}"
            );
            assert_eq!(up.json(&["user", "show", name])["id"], json!(ada));
        }
        up.refuses(&["user", "show", "nobody@example.com"]);

        assert!(up.says(&["group", "list"]).contains("Pioneers"));
        assert_eq!(up.json(&["group", "show", "pioneers"])["id"], json!(group));
        let members = up.says(&["group", "members", "Pioneers"]);
        assert!(
            members.contains("ada@example.com") && members.contains("grace@example.com"),
            "{members}"
        );
        let members = up.json(&["group", "members", &group]);
        assert_eq!(members.as_array().map(Vec::len), Some(2), "{members}");
    });
}

#[test]
fn tenants_are_created_shown_and_deleted_only_on_purpose() {
    run_alone(async || {
        let up = Up::start().await;
        let (url, _) = credentials(&up).await;

        up.says(&["tenant", "create", "acme"]);
        let listed = up.json(&["tenant", "list"]);
        let slugs: Vec<&str> = listed
            .as_array()
            .unwrap()
            .iter()
            .map(|tenant| tenant["slug"].as_str().unwrap())
            .collect();
        assert_eq!(slugs, ["acme", "default"]);
        let token = up.says(&[
            "token",
            "issue",
            "--tenant",
            "acme",
            "--name",
            "entra",
            "--scope",
            "provision",
        ]);
        let scim = Scim::new(&url, token.trim());
        scim.create_user(&user("ada")).await;
        assert_eq!(
            up.json(&["user", "list", "--tenant", "acme"]).as_array().map(Vec::len),
            Some(1)
        );
        assert_eq!(
            up.json(&["user", "list"]).as_array().map(Vec::len),
            Some(0),
            "the other tenant has none"
        );

        let errors = up.refuses(&["tenant", "delete", "acme"]);
        assert!(errors.contains("--force"), "{errors}");
        scim.get("/Users").await.expect(200);
        up.says(&["tenant", "delete", "acme", "--force"]);
        assert_eq!(up.json(&["tenant", "list"]).as_array().map(Vec::len), Some(1));
    });
}

#[test]
fn a_tenants_settings_are_changed_several_at_once_and_shown() {
    run_alone(async || {
        let up = Up::start().await;
        credentials(&up).await;
        up.says(&["tenant", "create", "acme"]);
        let shown = up.says(&["tenant", "show", "acme"]);
        assert!(Regex::new(r"Strict PATCH\s+no").unwrap().is_match(&shown), "{shown}");

        let set = [
            "tenant",
            "set",
            "acme",
            "strict_patch=true",
            "display_name=Acme = Ltd",
            "provisioning_source=okta",
        ];
        let said = up.json(&set);

        assert_eq!(said["strict_patch"], json!(true));
        assert_eq!(said["display_name"], json!("Acme = Ltd"));
        assert_eq!(said["provisioning_source"], json!("okta"));
        assert_eq!(said["version"], json!(2));
        assert_eq!(up.json(&["tenant", "show", "acme"]), said);
        let one = up.json(&["tenant", "set", "acme", "strict_patch=false"]);
        assert_eq!(one["display_name"], json!("Acme = Ltd"), "what is not named stays");
        assert_eq!(one["strict_patch"], json!(false));
    });
}

#[test]
fn a_setting_that_does_not_exist_is_refused_with_the_keys_that_do() {
    run_alone(async || {
        let up = Up::start().await;
        credentials(&up).await;

        for wrong in ["colour=red", "strict_patch"] {
            let output = up.rollcall(&["tenant", "set", "default", "strict_patch=true", wrong]);
            assert_eq!(output.status.code(), Some(2), "{output:?}");
            let errors = String::from_utf8(output.stderr).unwrap();
            assert!(
                errors.contains("display_name, provisioning_source, strict_patch"),
                "{errors}"
            );
        }
        let errors = up.refuses(&[
            "tenant",
            "set",
            "default",
            "strict_patch=true",
            "provisioning_source=A B",
        ]);
        assert!(errors.contains("provisioning_source"), "{errors}");
        assert_eq!(
            up.json(&["tenant", "show", "default"])["version"],
            json!(1),
            "nothing changed"
        );
    });
}
