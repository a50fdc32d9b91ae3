//! Whole lives of users, as Entra, administrators and the users themselves make them, in both dialects of PATCH: after each
//! event the reasons that block a user, the source's word, the activation, the mails so far and the change records.

use std::collections::BTreeMap;

use directory_proto::client::DirectoryClient;
use directory_proto::v1::activation::Status::{self, PendingActivation};
use directory_proto::v1::block::Reason;
use directory_proto::v1::redeem_activation_code_request::User as Redeemer;
use directory_proto::v1::{
    BlockUserRequest, ExplainUserRequest, ExplainUserResponse, RedeemActivationCodeRequest, Scope,
    SendActivationRequest, Tenant, UnblockUserRequest, UpdateTenantRequest, UserHistoryEntry, explain_user_request,
    mail,
};
use futures_util::{StreamExt as _, stream};
use prost_types::FieldMask;
use sea_orm::{ConnectionTrait as _, DatabaseConnection, Statement};
use serde_json::{Value, json};
use tonic::Code;

use self::dialect::Dialect;
use self::table::{ADA, lives};
use crate::support::databases::Database;
use crate::support::eventually;
use crate::support::mailbox::{Mailbox, Protection, code_in};
use crate::support::scim::{Answer, STATUS, Scim, user};
use crate::support::system::{Settings, System};

mod dialect;
mod table;

on_every_database! {
    every_life_goes_as_the_rules_say_in_both_dialects,
}

/// How many lives are lived at a time.
const AT_ONCE: usize = 4;

/// What happens to a user.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// Entra creates the user of this name; `""` is no address and no language.
    Join {
        name: &'static str,
        active: bool,
        mail: &'static str,
        language: &'static str,
    },
    /// The source writes attributes.
    Write(&'static [(&'static str, &'static str)]),
    /// The source writes the work address.
    Address(&'static str),
    Disable,
    Enable,
    /// Entra's soft delete: disabled, and the name out of the way.
    SoftDelete,
    Restore,
    /// The name was taken meanwhile.
    RestoreInVain,
    Purge,
    /// A group is assigned: created empty, then filled.
    Assign(&'static str),
    /// It is not assigned any more, or deleted.
    Unassign(&'static str),
    Add(&'static str),
    Remove(&'static str),
    Block,
    Unblock,
    UnblockGroupDeleted,
    SendActivation,
    /// The user types the code of the mail of this number, the first is 0.
    Redeem(usize),
    RedeemInVain(usize),
    /// From now on the mail server refuses mails to this address for a while (450): they wait.
    HoldMails(&'static str),
    Setting(&'static str, fn(&mut Tenant)),
}

/// How a user stands.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stand {
    blocks: &'static [Reason],
    source_says: bool,
    activation: Status,
    /// Every mail so far to the users of the tenant: to whom, and in which language.
    mails: &'static [(&'static str, &'static str)],
}

impl Stand {
    const fn blocked(self, blocks: &'static [Reason]) -> Self {
        Self { blocks, ..self }
    }

    const fn said_inactive(self) -> Self {
        Self {
            source_says: false,
            ..self
        }
    }

    const fn mails(self, mails: &'static [(&'static str, &'static str)]) -> Self {
        Self { mails, ..self }
    }
}

/// One row of the table: to whom what happens, how the user stands then (none: the user is gone), and what was recorded of
/// the user: who did it, and which attributes changed.
type Row = (usize, Event, Option<Stand>, &'static [&'static str]);

/// One life in a tenant of its own.
struct Life<'a> {
    name: String,
    dialect: Dialect,
    mailbox: &'a Mailbox,
    sql: &'a DatabaseConnection,
    scim: Scim,
    administrator: DirectoryClient,
    portal: DirectoryClient,
    /// Who stands in change records under which token.
    actors: BTreeMap<String, &'static str>,
    slug: String,
    people: [Person; 2],
    groups: BTreeMap<&'static str, String>,
}

#[derive(Default)]
struct Person {
    id: String,
    name: String,
    is_there: bool,
    /// How many change records were looked at.
    recorded: usize,
}

impl<'a> Life<'a> {
    async fn begin(
        system: &System,
        mailbox: &'a Mailbox,
        sql: &'a DatabaseConnection,
        (number, name): (usize, &str),
        dialect: Dialect,
    ) -> Self {
        let slug = format!("life-{number}-{dialect:?}").to_lowercase();
        let tenant = system.mailing_tenant(&slug).await;
        let client = |token: &str| {
            let client = DirectoryClient::new(&system.directory()).unwrap();
            client.with_token(&token.to_owned().into()).unwrap()
        };
        let administrator = system.issue(&slug, &[Scope::Admin], "").await;
        let portal = system.issue(&slug, &[Scope::Activate], "").await;
        let id = |token: &str| token.split('_').nth(1).unwrap().to_owned();
        let actors = [
            (tenant.scim.token(), "entra"),
            (&administrator, "administrator"),
            (&portal, "user"),
        ];
        let mut actors: BTreeMap<String, _> = actors.map(|(token, who)| (id(token), who)).into();
        actors.insert("system".to_owned(), "system");
        Self {
            name: format!("a user {name}, {dialect:?}"),
            dialect,
            mailbox,
            sql,
            scim: tenant.scim,
            administrator: client(&administrator),
            portal: client(&portal),
            actors,
            slug,
            people: Default::default(),
            groups: BTreeMap::new(),
        }
    }

    /// No two lives share a mailbox.
    fn address(&self, local: &str) -> String {
        format!("{local}@{}.example.com", self.slug)
    }

    async fn patch(&self, who: usize, attributes: &[(&str, &str)]) -> Answer {
        let path = format!("/Users/{}", self.people[who].id);
        self.scim.patch(&path, self.dialect.set(attributes)).await
    }

    async fn patch_group(&self, name: &str, operations: Value) {
        let path = format!("/Groups/{}", self.groups[name]);
        self.scim.patch(&path, operations).await.expect(204);
    }

    async fn happen(&mut self, who: usize, event: Event) {
        let id = self.people[who].id.clone();
        let name = self.people[who].name.clone();
        match event {
            Event::Join {
                name,
                active,
                mail,
                language,
            } => self.join(who, name, active, mail, language).await,
            Event::Write(attributes) => _ = self.patch(who, attributes).await.expect(200),
            Event::Address(local) => {
                let address = self.address(local);
                let attribute = ("emails[type eq \"work\"].value", address.as_str());
                self.patch(who, &[attribute]).await.expect(200);
            }
            Event::Disable => _ = self.patch(who, &[("active", "false")]).await.expect(200),
            Event::Enable => _ = self.patch(who, &[("active", "true")]).await.expect(200),
            Event::SoftDelete => {
                let away = format!("0123456789abcdef0123456789abcdef{name}");
                let attributes = [("active", "false"), ("userName", away.as_str())];
                self.patch(who, &attributes).await.expect(200);
            }
            Event::Restore => {
                _ = self
                    .patch(who, &[("userName", &name), ("active", "true")])
                    .await
                    .expect(200)
            }
            Event::RestoreInVain => {
                let refused = self.patch(who, &[("userName", &name), ("active", "true")]).await;
                refused.expect_error(409, Some("uniqueness"));
            }
            Event::Purge => {
                self.scim.delete(&format!("/Users/{id}")).await.expect(204);
                self.people[who].is_there = false;
            }
            Event::Assign(name) => {
                let created = self.scim.create_group(name, &[]).await;
                self.groups.insert(name, created);
                self.patch_group(name, self.dialect.add_member(&id)).await;
            }
            Event::Unassign(name) => {
                let group = self.groups.remove(name).unwrap();
                self.scim.delete(&format!("/Groups/{group}")).await.expect(204);
            }
            Event::Add(name) => self.patch_group(name, self.dialect.add_member(&id)).await,
            Event::Remove(name) => self.patch_group(name, self.dialect.remove_member(&id)).await,
            Event::Block => {
                let request = BlockUserRequest {
                    id,
                    expected_version: None,
                };
                let answer = self.administrator.users().block_user(request).await.unwrap();
                assert!(answer.into_inner().user.unwrap().blocked);
            }
            Event::Unblock => self.unblock(id, false).await,
            Event::UnblockGroupDeleted => self.unblock(id, true).await,
            Event::SendActivation => {
                let request = SendActivationRequest { user_id: id };
                self.administrator.activations().send_activation(request).await.unwrap();
            }
            Event::Redeem(number) => self.redeem(&id, number).await.unwrap(),
            Event::RedeemInVain(number) => {
                let refused = self.redeem(&id, number).await.unwrap_err();
                assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");
            }
            Event::HoldMails(local) => self.mailbox.answer(&self.address(local), &["450"; 1_000]).await,
            Event::Setting(path, change) => self.set(path, change).await,
        }
    }

    async fn join(&mut self, who: usize, name: &str, active: bool, mail: &str, language: &str) {
        let mut body = user(name);
        body["userName"] = json!(self.address(name));
        body["active"] = json!(active);
        body["emails"] = json!([]);
        if !mail.is_empty() {
            body["emails"] = json!([{"primary": true, "type": "work", "value": self.address(mail)}]);
        }
        if !language.is_empty() {
            body["preferredLanguage"] = json!(language);
        }
        self.people[who] = Person {
            id: self.scim.create_user(&body).await,
            name: self.address(name),
            is_there: true,
            recorded: 0,
        };
    }

    async fn unblock(&self, id: String, group_deleted: bool) {
        let request = UnblockUserRequest {
            id,
            expected_version: None,
            group_deleted,
        };
        self.administrator.users().unblock_user(request).await.unwrap();
    }

    async fn redeem(&self, id: &str, mail: usize) -> Result<(), tonic::Status> {
        let request = RedeemActivationCodeRequest {
            user: Some(Redeemer::UserId(id.to_owned())),
            code: code_in(&self.mails().await[mail]),
        };
        self.portal
            .activations()
            .redeem_activation_code(request)
            .await
            .map(|_| ())
    }

    async fn set(&self, path: &str, change: fn(&mut Tenant)) {
        let mut tenant = Tenant {
            slug: self.slug.clone(),
            ..Tenant::default()
        };
        change(&mut tenant);
        let request = UpdateTenantRequest {
            tenant: Some(tenant),
            update_mask: Some(FieldMask {
                paths: vec![path.to_owned()],
            }),
        };
        self.administrator.tenants().update_tenant(request).await.unwrap();
    }

    /// Every mail so far to a user of this life.
    async fn mails(&self) -> Vec<Value> {
        let domain = format!("@{}.example.com", self.slug);
        let mut mails = self.mailbox.mails().await;
        mails.retain(|mail| mail["envelope_to"][0].as_str().unwrap().ends_with(&domain));
        mails
    }

    async fn explain(&self, who: usize) -> Result<ExplainUserResponse, tonic::Status> {
        let id = self.people[who].id.clone();
        let request = ExplainUserRequest {
            user: Some(explain_user_request::User::Id(id)),
        };
        Ok(self.administrator.users().explain_user(request).await?.into_inner())
    }

    /// Waits for the mails, and compares everything.
    async fn stands(&mut self, who: usize, stand: Option<Stand>, records: &[&str], after: &str) {
        let Some(stand) = stand else {
            return self.is_gone(who).await;
        };
        let is_held = stand.activation == PendingActivation && stand.mails.is_empty();
        let explained = eventually("the mails of the row are accepted", async || {
            let explained = self.explain(who).await.unwrap();
            let was_sent = |mail: &directory_proto::v1::Mail| mail.state() == mail::State::Sent;
            let is_settled = is_held || explained.mail.as_ref().is_none_or(was_sent);
            (is_settled && self.mails().await.len() >= stand.mails.len()).then_some(explained)
        })
        .await;
        self.compare_mails(stand.mails, after).await;
        let user = explained.user.unwrap();
        let blocks: Vec<Reason> = user.blocks.iter().map(directory_proto::v1::Block::reason).collect();
        assert_eq!(blocks, stand.blocks, "{after}");
        assert_eq!(
            (user.blocked, user.source_active),
            (!blocks.is_empty(), Some(stand.source_says)),
            "{after}"
        );
        assert_eq!(user.activation.unwrap().status(), stand.activation, "{after}");
        self.compare_scim(who, stand, after).await;
        let recorded: Vec<String> = explained.changes.iter().rev().map(|change| self.told(change)).collect();
        let new = &recorded[self.people[who].recorded..];
        assert_eq!(new, records, "{after}");
        self.people[who].recorded = recorded.len();
    }

    /// `who kind attributes`.
    fn told(&self, change: &UserHistoryEntry) -> String {
        let who = self.actors.get(&change.actor).copied().unwrap_or("somebody");
        assert_eq!(change.source == "entra", who == "entra", "{change:?}");
        let mut told = format!("{who} {}", change.kind.to_lowercase());
        if told.ends_with("updated") {
            told = format!("{told} {}", change.attributes.join(" "));
        }
        told
    }

    /// What Entra is shown: its own word, and beside it what is in effect.
    async fn compare_scim(&self, who: usize, stand: Stand, after: &str) {
        let shown = self
            .scim
            .get(&format!("/Users/{}", self.people[who].id))
            .await
            .expect(200)
            .body;
        assert_eq!(shown["active"], json!(stand.source_says), "{after}");
        let status = &shown[STATUS];
        let reasons: Vec<&str> = stand.blocks.iter().map(Reason::as_str_name).collect();
        let shown: Vec<&str> = status["blockReasons"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        assert_eq!(
            (shown, &status["blocked"]),
            (reasons.clone(), &json!(!reasons.is_empty())),
            "{after}"
        );
        assert_eq!(
            status["activationStatus"],
            json!(stand.activation.as_str_name()),
            "{after}"
        );
    }

    async fn compare_mails(&self, expected: &[(&str, &str)], after: &str) {
        let mails = self.mails().await;
        let told = |mail: &Value| {
            let text = |key: &str| mail[key].as_str().unwrap().to_owned();
            (mail["envelope_to"].clone(), text("content-language"), text("subject"))
        };
        let expected: Vec<_> = expected
            .iter()
            .map(|(to, language)| {
                let tenant = format!("The tenant {}", self.slug);
                let subject = match *language {
                    "fr" => format!("Activez votre compte {tenant}"),
                    "de" => format!("Aktivieren Sie Ihr Konto bei {tenant}"),
                    _ => format!("Activate your account at {tenant}"),
                };
                (json!([self.address(to)]), (*language).to_owned(), subject)
            })
            .collect();
        assert_eq!(mails.iter().map(told).collect::<Vec<_>>(), expected, "{after}");
    }

    /// The user, once it was there, is nowhere any more; what stays says that it was deleted.
    async fn is_gone(&self, who: usize) {
        let Person { id, name, .. } = &self.people[who];
        if id.is_empty() {
            return;
        }
        self.scim.get(&format!("/Users/{id}")).await.expect_error(404, None);
        assert_eq!(self.explain(who).await.unwrap_err().code(), Code::NotFound);
        let found = self
            .scim
            .filter("/Users", &format!("userName eq \"{name}\""))
            .await
            .expect(200);
        assert_eq!(found.ids(), [""; 0]);
        let uuid = id.replace('-', "");
        for (table, column) in [
            ("mails", "user_id"),
            ("memberships", "user_id"),
            ("user_values", "user_id"),
        ] {
            assert_eq!(self.count(table, column, &uuid, "").await, 0, "{table}");
        }
        assert_eq!(self.count("changes", "resource_id", &uuid, "AND kind = 3").await, 1);
    }

    async fn count(&self, table: &str, column: &str, uuid: &str, and: &str) -> i64 {
        let backend = self.sql.get_database_backend();
        let value = match backend {
            sea_orm::DbBackend::Sqlite => format!("X'{uuid}'"),
            _ => format!("'{uuid}'::uuid"),
        };
        let select = format!("SELECT CAST(COUNT(*) AS BIGINT) AS n FROM {table} WHERE {column} = {value} {and}");
        let row = self
            .sql
            .query_one_raw(Statement::from_string(backend, select))
            .await
            .unwrap();
        row.unwrap().try_get("", "n").unwrap()
    }

    /// What was mailed is good for what it says.
    async fn the_last_code_works(&self, who: usize, stand: Stand) {
        if stand.activation == PendingActivation && stand.blocks.is_empty() && self.people[who].is_there {
            let last = self.mails().await.len() - 1;
            self.redeem(&self.people[who].id, last).await.unwrap();
        }
    }
}

async fn every_life_goes_as_the_rules_say_in_both_dialects(database: Database) {
    let Some(mailbox) = Mailbox::start(Protection::None).await else {
        return;
    };
    let settings = Settings {
        environment: mailbox.environment(),
        ..Settings::default()
    };
    let system = System::start_with(database, settings).await;
    let sql = system.sql().await;
    let lives = lives();
    let both = [Dialect::Default, Dialect::Flag];
    let all = lives
        .iter()
        .enumerate()
        .flat_map(|(number, life)| both.map(|dialect| (number, life, dialect)));

    let lived = stream::iter(all).map(async |(number, (name, rows), dialect)| {
        let mut life = Life::begin(&system, &mailbox, &sql, (number, name), dialect).await;
        let mut last = (ADA, None);
        for (row, (who, event, stand, records)) in rows.iter().enumerate() {
            life.happen(*who, *event).await;
            let after = format!("{}: after event {row}, {event:?}", life.name);
            life.stands(*who, *stand, records, &after).await;
            last = stand.map_or(last, |stand| (*who, Some(stand)));
        }
        (life, last)
    });
    let lived: Vec<(Life, _)> = lived.buffer_unordered(AT_ONCE).collect().await;

    eventually("no mail waits", async || {
        (system.metric("directory_outbox_pending").await == 0.0).then_some(())
    })
    .await;
    assert_eq!(lived.len(), lives.len() * both.len());
    for (life, (who, stand)) in &lived {
        let stand = stand.expect("somebody lived");
        life.compare_mails(stand.mails, &life.name).await;
        life.the_last_code_works(*who, stand).await;
    }
}
