//! Activation mails, through a real mail server and through everything that can go wrong on the way to it.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::process::ExitStatus;

use directory_proto::client::DirectoryClient;
use directory_proto::v1::activation::Status as ActivationStatus;
use directory_proto::v1::mail::State;
use directory_proto::v1::redeem_activation_code_request::User;
use directory_proto::v1::{
    DeleteTenantRequest, GetUserRequest, ListMailsRequest, Mail, RedeemActivationCodeRequest, RetryMailRequest, Scope,
    Tenant, UpdateTenantRequest,
};
use futures_util::{StreamExt as _, stream};
use prost_types::FieldMask;
use sea_orm::{ConnectionTrait as _, Statement};
use serde_json::{Value, json};
use tonic::Code;

use crate::support::databases::{Database, run_alone, run_on_postgresql};
use crate::support::eventually;
use crate::support::mailbox::{Mailbox, Protection, code_in};
use crate::support::scim::{Scim, user};
use crate::support::system::{Settings, System};

on_every_database! {
    a_mail_arrives_in_the_language_of_the_user_and_its_code_activates,
    a_server_that_speaks_tls_alone_gets_mail_too,
    a_temporary_refusal_is_tried_again,
    a_permanent_refusal_is_parked_with_its_reason_and_sent_again_when_asked,
    a_corrected_address_is_mailed_another_code,
    a_server_that_stalls_is_left_and_asked_again,
    a_mail_whose_answer_is_lost_is_sent_again_as_the_same_mail,
    a_wrong_password_parks_nothing_and_a_new_one_is_used_at_once,
    an_attempt_that_is_under_way_is_ended_before_the_process,
    no_name_makes_a_header_an_element_or_a_recipient,
}

const SLUG: &str = "mail";
const ADDRESS: &str = "mail.ada@example.com";

/// A running system with a tenant whose mails go to a mailbox.
struct Post {
    system: System,
    mailbox: Mailbox,
    scim: Scim,
}

impl Post {
    /// None: there is no mail server here.
    async fn start(database: Database, protection: Protection, more: &[(&'static str, &str)]) -> Option<Self> {
        let mailbox = Mailbox::start(protection).await?;
        let mut environment = mailbox.environment();
        environment.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let settings = Settings {
            environment,
            ..Settings::default()
        };
        let system = System::start_with(database, settings).await;
        let scim = system.mailing_tenant(SLUG).await.scim;
        Some(Self { system, mailbox, scim })
    }

    async fn set(&self, path: &str, tenant: Tenant) {
        let request = UpdateTenantRequest {
            tenant: Some(Tenant {
                slug: SLUG.to_owned(),
                ..tenant
            }),
            update_mask: Some(FieldMask {
                paths: vec![path.to_owned()],
            }),
        };
        self.system.operator().tenants().update_tenant(request).await.unwrap();
    }

    fn operator(&self) -> DirectoryClient {
        self.system.operator().for_tenant(SLUG).unwrap()
    }

    async fn all_mails(&self) -> Vec<Mail> {
        let listed = self
            .operator()
            .activations()
            .list_mails(ListMailsRequest::default())
            .await;
        listed.unwrap().into_inner().mails
    }

    /// Waits until the mail of this user is in this state.
    async fn until(&self, user: &str, state: State) -> Mail {
        eventually("the mail is in its state", async || {
            let mails = self.all_mails().await;
            mails
                .into_iter()
                .find(|mail| mail.user_id == user && mail.state() == state)
        })
        .await
    }

    /// Redeems a code as the page does on which people type it.
    async fn redeem(&self, user: &str, code: &str) -> Result<(), tonic::Status> {
        let token = self.system.issue(SLUG, &[Scope::Activate], "").await;
        let portal = DirectoryClient::new(&self.system.directory()).unwrap();
        let portal = portal.with_token(&token.into()).unwrap();
        let request = RedeemActivationCodeRequest {
            code: code.to_owned(),
            user: Some(User::UserId(user.to_owned())),
        };
        portal.activations().redeem_activation_code(request).await.map(|_| ())
    }

    async fn activation_status(&self, user: &str) -> ActivationStatus {
        let request = GetUserRequest {
            id: user.to_owned(),
            ..GetUserRequest::default()
        };
        let user = self.operator().users().get_user(request).await.unwrap().into_inner();
        user.activation.unwrap().status()
    }
}

async fn a_mail_arrives_in_the_language_of_the_user_and_its_code_activates(database: Database) {
    let Some(post) = Post::start(database, Protection::StartTls, &[]).await else {
        return;
    };
    let template = "https://login.example.com/activate?u={user_id}#{code}";
    let tenant = Tenant {
        activation_url_template: template.to_owned(),
        ..Tenant::default()
    };
    post.set("activation_url_template", tenant).await;
    let mut french = user("zoe");
    french["preferredLanguage"] = json!("da, fr-CH;q=0.8, en;q=0.1");
    french["displayName"] = json!("Zoë Müller");
    let (zoe, ada) = (
        post.scim.create_user(&french).await,
        post.scim.create_user(&user("ada")).await,
    );

    let [mail] = &post.mailbox.wait_for("mail.zoe@example.com", 1).await[..] else {
        panic!("one mail")
    };
    assert_eq!(mail["envelope_from"], "accounts@directory.example");
    assert_eq!((&mail["encrypted"], &mail["login"]), (&json!(true), &json!("ada")));
    assert_eq!(mail["from"], format!("The tenant {SLUG} <accounts@directory.example>"));
    assert_eq!(mail["to"], "mail.zoe@example.com");
    assert_eq!(mail["subject"], format!("Activez votre compte The tenant {SLUG}"));
    assert_eq!(mail["message-id"], format!("<{zoe}.1@directory.example>"));
    assert_eq!(
        (&mail["content-language"], &mail["auto-submitted"]),
        (&json!("fr"), &json!("auto-generated"))
    );
    assert_eq!(mail["type"], "multipart/alternative");
    assert_eq!(mail["parts"], json!(["text/plain", "text/html"]));
    let (text, html) = (mail["text"].as_str().unwrap(), mail["html"].as_str().unwrap());
    assert!(
        text.starts_with("Bonjour Zoë Müller,") && html.contains("Zoë Müller"),
        "{text}{html}"
    );
    let link = format!("https://login.example.com/activate?u={zoe}#");
    let (_, code) = text.split_once(&link).expect("the link is there");
    let code = &code[..14];
    assert!(text.contains(&format!("\u{a0}: {code}")), "{text}");

    let english = &post.mailbox.wait_for(ADDRESS, 1).await[0];
    assert_eq!(english["content-language"], "en");
    let mail = post.until(&zoe, State::Sent).await;
    assert_eq!((mail.attempts, mail.failure.as_str()), (1, ""));
    assert_eq!(post.activation_status(&zoe).await, ActivationStatus::PendingActivation);
    let refused = post.redeem(&zoe, &code_in(english)).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");
    post.redeem(&zoe, code).await.unwrap();
    post.redeem(&ada, &code_in(english).to_lowercase()).await.unwrap();
    assert_eq!(post.activation_status(&zoe).await, ActivationStatus::Activated);

    for (metric, value) in [
        ("directory_outbox_pending", 0.0),
        ("directory_outbox_attempts_total", 2.0),
    ] {
        eventually("the metrics say so", async || {
            (post.system.metric(metric).await == value).then_some(())
        })
        .await;
    }
    let logs = post.system.logs();
    for secret in ["example.com", "zoe", "Zo\u{eb}", code, "correct horse"] {
        assert!(!logs.contains(secret), "{secret} is in the logs");
    }
}

async fn a_server_that_speaks_tls_alone_gets_mail_too(database: Database) {
    let Some(post) = Post::start(database, Protection::Tls, &[]).await else {
        return;
    };
    post.scim.create_user(&user("ada")).await;

    let mail = &post.mailbox.wait_for(ADDRESS, 1).await[0];

    assert_eq!((&mail["encrypted"], &mail["login"]), (&json!(true), &json!("ada")));
}

async fn a_temporary_refusal_is_tried_again(database: Database) {
    let Some(post) = Post::start(database, Protection::None, &[]).await else {
        return;
    };
    post.mailbox.answer(ADDRESS, &["450", "450"]).await;
    let ada = post.scim.create_user(&user("ada")).await;

    let waiting = eventually("an attempt failed", async || {
        let mails = post.all_mails().await;
        mails.into_iter().find(|mail| !mail.failure.is_empty())
    });
    let waiting = waiting.await;
    assert_eq!(waiting.state(), State::Waiting);
    assert_eq!(waiting.failure, "the mail server refused the recipient: 450 4.2.1");

    let sent = post.until(&ada, State::Sent).await;
    assert_eq!((sent.attempts, sent.failure.as_str()), (3, ""));
    assert_eq!(post.mailbox.mails_to(ADDRESS).await.len(), 1);
}

async fn a_permanent_refusal_is_parked_with_its_reason_and_sent_again_when_asked(database: Database) {
    let Some(post) = Post::start(database, Protection::None, &[]).await else {
        return;
    };
    post.mailbox.answer(ADDRESS, &["550"]).await;
    post.mailbox.answer("mail.eve@example.com", &["554"]).await;
    let (ada, eve) = (
        post.scim.create_user(&user("ada")).await,
        post.scim.create_user(&user("eve")).await,
    );

    for (user, failure) in [
        (&ada, "the mail server refused the recipient: 550 5.1.1"),
        (&eve, "the mail server refused the message: 554 5.7.1"),
    ] {
        let parked = post.until(user, State::Parked).await;
        assert_eq!((parked.attempts, parked.failure.as_str()), (1, failure));
    }
    eventually("the metric says so", async || {
        (post.system.metric("directory_outbox_parked").await == 2.0).then_some(())
    })
    .await;

    let request = RetryMailRequest { user_id: ada.clone() };
    post.operator().activations().retry_mail(request).await.unwrap();
    let mail = &post.mailbox.wait_for(ADDRESS, 1).await[0];
    assert_eq!(
        mail["message-id"],
        format!("<{ada}.1@directory.example>"),
        "it is the same mail"
    );
    assert_eq!(post.until(&ada, State::Sent).await.failure, "");
    post.redeem(&ada, &code_in(mail)).await.unwrap();
}

async fn a_corrected_address_is_mailed_another_code(database: Database) {
    let Some(post) = Post::start(database, Protection::None, &[]).await else {
        return;
    };
    let wrong = "somebody.else@example.com";
    let mut typo = user("ada");
    typo["emails"] = json!([{"type": "work", "primary": true, "value": wrong}]);
    let ada = post.scim.create_user(&typo).await;
    let to_another = code_in(&post.mailbox.wait_for(wrong, 1).await[0]);
    post.until(&ada, State::Sent).await;

    let correct = json!([{"op": "Replace", "path": "emails[type eq \"work\"].value", "value": ADDRESS}]);
    post.scim.patch(&format!("/Users/{ada}"), correct).await.expect(200);

    let mail = &post.mailbox.wait_for(ADDRESS, 1).await[0];
    assert_eq!(mail["message-id"], format!("<{ada}.2@directory.example>"));
    assert!(
        post.redeem(&ada, &to_another).await.is_err(),
        "what somebody else got is void"
    );
    post.redeem(&ada, &code_in(mail)).await.unwrap();
    assert_eq!(post.mailbox.mails().await.len(), 2);
}

async fn a_server_that_stalls_is_left_and_asked_again(database: Database) {
    let timeout = [("DIRECTORY_SMTP_TIMEOUT_SECONDS", "1")];
    let Some(post) = Post::start(database, Protection::None, &timeout).await else {
        return;
    };
    post.mailbox.answer(ADDRESS, &["stall"]).await;
    let (ada, eve) = (
        post.scim.create_user(&user("ada")).await,
        post.scim.create_user(&user("eve")).await,
    );

    let failed = eventually("the attempt ends", async || {
        let mails = post.all_mails().await;
        mails
            .into_iter()
            .find(|mail| mail.user_id == ada && !mail.failure.is_empty())
    });
    assert_eq!(failed.await.failure, "the mail server did not answer in time");

    assert_eq!(post.until(&ada, State::Sent).await.attempts, 2);
    assert_eq!(
        post.until(&eve, State::Sent).await.attempts,
        1,
        "nobody waits for another's mail"
    );
    assert_eq!(post.mailbox.mails_to(ADDRESS).await.len(), 1);
}

async fn a_mail_whose_answer_is_lost_is_sent_again_as_the_same_mail(database: Database) {
    let Some(post) = Post::start(database, Protection::None, &[]).await else {
        return;
    };
    post.mailbox.answer(ADDRESS, &["hang-up"]).await;
    let ada = post.scim.create_user(&user("ada")).await;

    let sent = post.until(&ada, State::Sent).await;

    assert_eq!(sent.attempts, 2);
    let mails = post.mailbox.mails_to(ADDRESS).await;
    let [first, second] = &mails[..] else {
        panic!("{} mails", mails.len())
    };
    assert_eq!(first["message-id"], second["message-id"]);
    assert_eq!(code_in(first), code_in(second));
    post.redeem(&ada, &code_in(first)).await.unwrap();
}

async fn a_wrong_password_parks_nothing_and_a_new_one_is_used_at_once(database: Database) {
    let Some(post) = Post::start(database, Protection::StartTls, &[]).await else {
        return;
    };
    post.mailbox.set_password("wrong");
    let ada = post.scim.create_user(&user("ada")).await;

    let failed = eventually("the login fails", async || {
        let mails = post.all_mails().await;
        mails.into_iter().find(|mail| !mail.failure.is_empty())
    });
    let failed = failed.await;
    assert_eq!(failed.state(), State::Waiting);
    assert_eq!(failed.failure, "the mail server refused the login: 535 5.7.8");
    assert!(
        post.system
            .logs()
            .contains("mail cannot be sent until somebody mends this")
    );

    post.mailbox.set_password("correct horse");
    post.until(&ada, State::Sent).await;
}

async fn an_attempt_that_is_under_way_is_ended_before_the_process(database: Database) {
    let Some(mut post) = Post::start(database, Protection::None, &[]).await else {
        return;
    };
    post.mailbox.answer(ADDRESS, &["slow"]).await;
    let ada = post.scim.create_user(&user("ada")).await;
    eventually("the attempt has begun", async || {
        let mails = post.all_mails().await;
        mails.into_iter().find(|mail| mail.attempts == 1)
    })
    .await;

    let ended = post.system.stop().await;

    assert!(ended.iter().all(ExitStatus::success), "{ended:?}");
    assert_eq!(post.mailbox.mails_to(ADDRESS).await.len(), 1, "the stop waited for it");
    post.system.restart().await;
    assert_eq!(post.until(&ada, State::Sent).await.attempts, 1);
    assert_eq!(post.mailbox.mails_to(ADDRESS).await.len(), 1);
}

async fn no_name_makes_a_header_an_element_or_a_recipient(database: Database) {
    let Some(post) = Post::start(database, Protection::None, &[]).await else {
        return;
    };
    let names = [
        "Ada\r\nBcc: eve@example.com\r\n\r\nHello",
        "\"><script>alert(1)</script><img src=x>",
        "\"Ada\" <eve@example.com>, eve@example.com",
        "\u{202e}moc.elpmaxe \u{1f600} {{ code }} {% if %}",
        "=?utf-8?q?=0D=0ABcc=3A_eve=40example.com?=",
    ];
    for (number, name) in names.iter().enumerate() {
        let mut hostile = user(&format!("user{number}"));
        hostile["displayName"] = json!(name);
        post.scim.create_user(&hostile).await;
        let tenant = Tenant {
            mail_sender_name: name.replace(char::is_control, " "),
            ..Tenant::default()
        };
        post.set("mail_sender_name", tenant).await;
    }
    let mut mails = Vec::new();
    for number in 0..names.len() {
        mails.extend(
            post.mailbox
                .wait_for(&format!("mail.user{number}@example.com"), 1)
                .await,
        );
    }

    for mail in mails {
        let mut headers: Vec<&str> = mail["headers"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        headers.sort_unstable();
        let expected = [
            "auto-submitted",
            "content-language",
            "content-type",
            "date",
            "from",
            "message-id",
            "mime-version",
            "subject",
            "to",
        ];
        assert_eq!(headers, expected, "{mail}");
        assert_eq!(mail["envelope_to"], json!([mail["to"]]), "{mail}");
        let html = mail["html"].as_str().unwrap();
        assert!(
            !html.contains("<script") && !html.contains("<img") && !html.contains("<eve"),
            "{html}"
        );
        assert_eq!(html.matches('<').count(), HTML_TAGS, "{html}");
        assert!(!mail["text"].as_str().unwrap().contains("\nBcc"), "{mail}");
    }
    assert_eq!(post.mailbox.mails_to("eve@example.com").await.len(), 0);
}

/// How many tags the English mail without a link has.
const HTML_TAGS: usize = 31;

const MANY: usize = 1_000;

#[test]
fn two_replicas_send_each_of_a_thousand_mails_once() {
    run_on_postgresql("two_replicas_send_each_of_a_thousand_mails_once", async |database| {
        let Some(mailbox) = Mailbox::start(Protection::None).await else {
            return;
        };
        let settings = Settings {
            more_pairs: 1,
            ..Settings::default()
        };
        let mut system = System::start_with(database, settings).await;
        let scim = system.mailing_tenant(SLUG).await.scim;
        let tenant = Tenant {
            slug: SLUG.to_owned(),
            mails_per_minute: 6_000,
            ..Tenant::default()
        };
        let paths = vec!["mails_per_minute".to_owned()];
        let request = UpdateTenantRequest {
            tenant: Some(tenant),
            update_mask: Some(FieldMask { paths }),
        };
        system.operator().tenants().update_tenant(request).await.unwrap();
        let creates = stream::iter(0..MANY).for_each_concurrent(8, |number| {
            let (scim, body) = (&scim, user(&format!("user{number}")));
            async move {
                scim.create_user(&body).await;
            }
        });
        creates.await;
        let warnings = system.logs().matches("activation mails stay queued").count();
        assert_eq!(warnings, 2, "each process says once that there is no mail server");
        eventually("the metric shows the queue", async || {
            (system.metric("directory_outbox_pending").await == 2.0 * MANY as f64).then_some(())
        })
        .await;
        assert_eq!(system.metric("directory_outbox_parked").await, 0.0);

        system.set_environment(mailbox.environment());
        system.restart().await;

        let sql = system.sql().await;
        let waiting = || Statement::from_string(sql.get_database_backend(), "SELECT 1 FROM mails WHERE state <> 3");
        eventually("every mail is sent", async || {
            sql.query_all_raw(waiting()).await.unwrap().is_empty().then_some(())
        })
        .await;
        sql.close().await.unwrap();
        let mut sent: BTreeMap<String, usize> = BTreeMap::new();
        for mail in mailbox.mails().await {
            *sent.entry(mail["message-id"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        assert_eq!(sent.len(), MANY);
        assert!(sent.values().all(|count| *count == 1), "{sent:?}");
        let by_process = system.metrics("directory_outbox_attempts_total").await;
        println!("mails sent by each replica: {by_process:?}");
        assert!(
            by_process.iter().all(|sent| *sent > 0.0),
            "both took part: {by_process:?}"
        );
    });
}

#[test]
fn up_without_a_mail_server_writes_private_files_and_says_so() {
    run_alone(async || {
        let system = System::start(Database::Sqlite).await;
        let outbox = system.data().canonicalize().unwrap().join("outbox");
        let said = format!(
            "Activation mails are written to {}, as no mail server is set",
            outbox.display()
        );
        assert!(system.printed().contains(&said), "{}", system.printed());
        let scim = system.mailing_tenant(SLUG).await.scim;

        let ada = scim.create_user(&user("ada")).await;

        let file = outbox.join(format!("{ada}-1.eml"));
        let mail = eventually("the file is there", async || std::fs::read_to_string(&file).ok()).await;
        assert!(mail.contains("To: mail.ada@example.com\r\n"), "{mail}");
        let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&outbox), mode(&file)), (0o700, 0o600));
        scim.delete(&format!("/Users/{ada}")).await.expect(204);
        assert_eq!(std::fs::read_dir(&outbox).unwrap().count(), 0);

        let eve = scim.create_user(&user("eve")).await;
        let file = outbox.join(format!("{eve}-1.eml"));
        eventually("the file is there", async || file.exists().then_some(())).await;
        let slug = SLUG.to_owned();
        let everything = DeleteTenantRequest { slug, force: true };
        system.operator().tenants().delete_tenant(everything).await.unwrap();
        eventually("the file went with the tenant", async || (!file.exists()).then_some(())).await;
    });
}
