//! What an administrator can ask and do about one user, and about the tenant's settings.

use std::os::unix::fs::OpenOptionsExt as _;

use regex::Regex;
use serde_json::{Value, json};

use super::{Up, credentials};
use crate::support::databases::Database;
use crate::support::eventually;
use crate::support::scim::{Scim, user};

on_every_database! {
    one_command_answers_why_somebody_is_locked_out,
    a_block_says_whether_the_source_may_lift_it_and_an_unblock_what_is_left,
    a_token_that_may_only_read_shows_a_user_and_blocks_nobody,
    a_code_is_mailed_again_at_most_once_a_minute,
    the_mails_of_a_tenant_are_listed_and_only_parked_ones_sent_again,
    every_setting_of_a_tenant_is_set_and_shown,
}

/// A mail server that is not there: mails wait.
const NO_MAIL: [&str; 4] = [
    "--smtp-host=127.0.0.1",
    "--smtp-port=1",
    "--smtp-tls=none",
    "--mail-from=accounts@directory.example",
];

/// Waits until the first attempt to send the tenant's one mail failed: the next one is a minute away.
async fn first_attempt_failed(up: &Up) {
    eventually("the first attempt fails", async || {
        let listed = up.json(&["mail", "list"]);
        let failure = listed[0]["failure"].as_str();
        failure.is_some_and(|failure| !failure.is_empty()).then_some(())
    })
    .await;
}

#[track_caller]
fn assert_has(said: &str, pattern: &str) {
    assert!(
        Regex::new(pattern).unwrap().is_match(said),
        "{pattern} is not in\n{said}"
    );
}

async fn one_command_answers_why_somebody_is_locked_out(database: Database) {
    let up = Up::start_on(&database, &NO_MAIL).await;
    let (url, token) = credentials(&up).await;
    let scim = Scim::new(&url, &token);
    let ada = scim.create_user(&user("ada")).await;
    first_attempt_failed(&up).await;
    let group = scim.create_group("Pioneers", &[&ada]).await;
    scim.delete(&format!("/Groups/{group}")).await.expect(204);
    up.says(&["user", "block", "ada@example.com"]);
    let refused =
        json!([{"op": "Replace", "path": "active", "value": "False"}, {"op": "Add", "path": "x y", "value": 1}]);
    scim.patch(&format!("/Users/{ada}"), refused)
        .await
        .expect_error(400, Some("invalidPath"));

    let said = up.says(&["user", "show", "ADA@example.com"]);

    assert_has(&said, r"\AState +blocked \(group_deleted, administrator\)\n");
    assert_has(
        &said,
        &format!(r"Blocked by +group_deleted, since 20\S+Z, by token \w+ \(entra\), group Pioneers \({group}\)\n"),
    );
    assert_has(
        &said,
        r"\n +goes when the source writes the user again .*--group-deleted`\n",
    );
    assert_has(
        &said,
        r"Blocked by +administrator, since 20\S+Z, by token \w+ \(an operator's token\)\n",
    );
    assert_has(&said, r"Source says +active\n");
    assert_has(&said, r"Activation +\w+");
    assert_has(&said, r"Activation mail +waiting, queued 20\S+Z");
    assert_has(
        &said,
        r"Refused disable +20\S+Z, refused with invalidPath, by token \w+ \(entra\), request \S+\n",
    );
    assert_has(
        &said,
        r"Change +20\S+Z, created to version 1: user_name, .*of source entra",
    );
    let shown = up.json(&["user", "show", &ada]);
    assert_eq!(shown["blocked"], json!(true));
    let of = |reason: &str| {
        let blocks = shown["blocks"].as_array().unwrap();
        blocks.iter().find(|block| block["reason"] == reason).unwrap().clone()
    };
    assert_eq!(of("group_deleted")["group_id"], json!(group));
    assert_eq!(of("group_deleted")["group_name"], json!("Pioneers"));
    assert!(of("administrator")["since"].is_string() && of("administrator")["actor"].is_string());
    assert_eq!(shown["source_active"], json!(true));
    assert_eq!(shown["mail"]["state"], json!("waiting"));
    assert_eq!(shown["refused_disables"][0]["reason"], json!("invalidPath"));
    assert_eq!(shown["refused_disables"].as_array().map(Vec::len), Some(1));
    let kinds: Vec<&Value> = shown["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| &change["kind"])
        .collect();
    assert_eq!(kinds, ["updated", "updated", "created"], "{shown:#}");
}

async fn a_block_says_whether_the_source_may_lift_it_and_an_unblock_what_is_left(database: Database) {
    let up = Up::start_on(&database, &[]).await;
    let (url, token) = credentials(&up).await;
    let scim = Scim::new(&url, &token);
    let ada = scim.create_user(&user("ada")).await;

    let said = up.says(&["user", "block", &ada]);
    assert_has(&said, r"\AState +blocked \(administrator\)\n");
    assert_has(&said, "May the source lift it +no: only `rollcall user unblock`");
    up.says(&["tenant", "set", "default", "administrator_block_yields_to_source=true"]);
    assert_eq!(up.json(&["user", "block", &ada])["source_may_lift"], json!(true));

    let group = scim.create_group("Pioneers", &[&ada]).await;
    scim.delete(&format!("/Groups/{group}")).await.expect(204);
    let said = up.says(&["user", "unblock", "ada@example.com"]);
    assert_has(&said, r"\AState +blocked \(group_deleted\)\n");
    assert_has(&said, r"goes when the source writes the user again .*--group-deleted`");
    let said = up.says(&["user", "unblock", "ada@example.com", "--group-deleted"]);
    assert_has(&said, r"\AState +not blocked\n");

    let disable = json!([{"op": "Replace", "path": "active", "value": "False"}]);
    scim.patch(&format!("/Users/{ada}"), disable).await.expect(200);
    let said = up.says(&["user", "unblock", &ada, "--group-deleted"]);
    assert_has(&said, r"\AState +blocked \(provisioning\)\n");
    assert_has(&said, "nobody else can lift it");
    up.refuses(&["user", "unblock", "nobody@example.com"]);
}

async fn a_token_that_may_only_read_shows_a_user_and_blocks_nobody(database: Database) {
    let up = Up::start_on(&database, &[]).await;
    let (url, token) = credentials(&up).await;
    let ada = Scim::new(&url, &token).create_user(&user("ada")).await;
    let token = up.says(&["token", "issue", "--name", "reader", "--scope", "read"]);
    let file = up.folder.path().join("reader.token");
    let mut options = std::fs::OpenOptions::new();
    let mut file_of_owner = options.create_new(true).write(true).mode(0o600).open(&file).unwrap();
    std::io::Write::write_all(&mut file_of_owner, token.as_bytes()).unwrap();
    let file = file.to_str().unwrap();

    for name in [ada.as_str(), "Ada@example.com"] {
        let shown = up.json(&["user", "show", name, "--token-file", file]);
        assert_eq!(shown["id"], json!(ada));
        assert_eq!(shown.get("changes"), None, "what is not known is not shown as nothing");
    }
    let errors = up.refuses(&["user", "show", "nobody@example.com", "--token-file", file]);
    assert!(errors.contains("rollcall user list"), "{errors}");
    let errors = up.refuses(&["user", "block", &ada, "--token-file", file]);
    assert!(errors.contains("scope `admin`"), "{errors}");
    assert_eq!(up.json(&["user", "show", &ada])["blocked"], json!(false));
}

async fn a_code_is_mailed_again_at_most_once_a_minute(database: Database) {
    let up = Up::start_on(&database, &[]).await;
    let (url, token) = credentials(&up).await;
    let scim = Scim::new(&url, &token);
    up.says(&["tenant", "set", "default", "activation_email_on_creation=false"]);
    let ada = scim.create_user(&user("ada")).await;
    assert_has(
        &up.says(&["user", "show", &ada]),
        "Activation +not activated; no mail was wanted",
    );

    let said = up.says(&["user", "send-activation", "ada@example.com"]);
    assert_has(&said, "Activation +pending");
    let errors = up.refuses(&["user", "send-activation", &ada]);
    assert_has(&errors, r"less than a minute ago: try again in \d+ s");
    assert_eq!(
        up.json(&["user", "show", &ada])["activation"]["status"],
        json!("pending_activation")
    );
}

async fn the_mails_of_a_tenant_are_listed_and_only_parked_ones_sent_again(database: Database) {
    let up = Up::start_on(&database, &NO_MAIL).await;
    let (url, token) = credentials(&up).await;
    let ada = Scim::new(&url, &token).create_user(&user("ada")).await;
    first_attempt_failed(&up).await;

    let listed = up.json(&["mail", "list"]);
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");
    assert_eq!(
        (&listed[0]["user_id"], &listed[0]["state"]),
        (&json!(ada), &json!("waiting"))
    );
    assert_eq!(up.json(&["mail", "list", "--state", "waiting"]), listed);
    for state in ["parked", "sent"] {
        assert_eq!(up.json(&["mail", "list", "--state", state]), json!([]));
    }
    let table = up.says(&["mail", "list"]);
    assert!(table.contains(&ada) && !table.contains("example.com"), "{table}");
    let errors = up.refuses(&["mail", "retry", "ada@example.com"]);
    assert!(errors.contains("has no parked mail"), "{errors}");
}

async fn every_setting_of_a_tenant_is_set_and_shown(database: Database) {
    let up = Up::start_on(&database, &[]).await;
    credentials(&up).await;

    let said = up.json(&[
        "tenant",
        "set",
        "default",
        "activation_email_on_creation=false",
        "default_language=fr-CH",
        "on_group_deletion=keep-members",
        "administrator_block_yields_to_source=true",
        "activation_validity_days=7",
        "mail_sender_name=Acme IT",
        "mails_per_minute=60",
    ]);

    for (key, value) in [
        ("activation_email_on_creation", json!(false)),
        ("default_language", json!("fr-CH")),
        ("on_group_deletion", json!("keep_members")),
        ("administrator_block_yields_to_source", json!(true)),
        ("activation_validity_days", json!(7)),
        ("mail_sender_name", json!("Acme IT")),
        ("mails_per_minute", json!(60)),
        ("activation_url_template", json!("")),
    ] {
        assert_eq!(said[key], value, "{key}");
    }
    assert_eq!(up.json(&["tenant", "show", "default"]), said);
    assert_eq!(up.json(&["tenant", "list"])[0], said);
    assert_has(
        &up.says(&["tenant", "show", "default"]),
        r"On group deletion +keep_members\n",
    );
    assert_has(&up.says(&["tenant", "list"]), "keep_members");
    let errors = up.refuses(&["tenant", "set", "default", "activation_validity_days=366"]);
    assert!(errors.contains("activation_validity_days"), "{errors}");
    let errors = up.refuses(&[
        "tenant",
        "set",
        "default",
        "activation_url_template=https://evil.example/{code}",
    ]);
    assert!(errors.contains("DIRECTORY_ACTIVATION_URL_HOSTS"), "{errors}");
}
