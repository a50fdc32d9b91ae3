//! Random lives: sequences of what a source, an administrator and time do to users and groups, against a small model of the
//! rules. The model and the directory agree after every step.

use std::collections::BTreeSet;

use directory_proto::client::DirectoryClient;
use directory_proto::status::reason_of;
use directory_proto::v1::activation::{Mail, Status as ActivationStatus};
use directory_proto::v1::block::Reason;
use directory_proto::v1::{self, GroupDeletionPolicy as Policy, Scope};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use prost_types::FieldMask;
use serde_json::Value;

use crate::support::databases::Database;
use crate::support::eventually;
use crate::support::mailbox::{Mailbox, Protection, code_in};
use crate::support::system::{SOURCE, Settings, System};

on_every_database! {
    the_directory_agrees_with_a_small_model_of_the_rules,
}

const USERS: usize = 3;
const GROUPS: usize = 2;
const SEQUENCES: usize = 90;
const STEPS: usize = 45;

/// What happens.
#[derive(Clone, Debug)]
enum Event {
    Create {
        user: usize,
        active: bool,
        address: bool,
    },
    /// The source's word, by an update that names it.
    Say {
        user: usize,
        active: bool,
    },
    /// A write of the source that says nothing about it.
    Write {
        user: usize,
    },
    SetAddress {
        user: usize,
        address: Option<u8>,
    },
    Delete {
        user: usize,
    },
    /// Entra's soft delete: disabled, and the name out of the way.
    SoftDelete {
        user: usize,
    },
    /// The name back, and active; refused while somebody else has the name.
    Restore {
        user: usize,
    },
    /// Somebody else gets the name of who was deleted softly.
    TakeName {
        user: usize,
    },
    /// That somebody is deleted.
    FreeName {
        user: usize,
    },
    /// The code of the last mail is redeemed.
    Activate {
        user: usize,
    },
    /// An administrator asks for another code.
    Resend {
        user: usize,
    },
    Block {
        user: usize,
    },
    Unblock {
        user: usize,
        group_deleted: bool,
    },
    CreateGroup {
        group: usize,
        members: Vec<usize>,
    },
    Add {
        group: usize,
        user: usize,
    },
    Remove {
        group: usize,
        user: usize,
    },
    Replace {
        group: usize,
        members: Vec<usize>,
    },
    DeleteGroup {
        group: usize,
    },
    SetPolicy(Policy),
    SetYields(bool),
    SetMails(bool),
}

fn event() -> impl Strategy<Value = Event> {
    let user = || 0..USERS;
    let group = || 0..GROUPS;
    let often = || proptest::bool::weighted(0.7);
    let members = || vec(0..USERS, 0..=USERS);
    let policies = vec![
        Policy::BlockMembersLeftWithoutGroup,
        Policy::BlockAllMembers,
        Policy::KeepMembers,
    ];
    prop_oneof![
        7 => (user(), often(), often())
            .prop_map(|(user, active, address)| Event::Create { user, active, address }),
        5 => (user(), often()).prop_map(|(user, active)| Event::Say { user, active }),
        2 => user().prop_map(|user| Event::Write { user }),
        2 => (user(), proptest::option::of(0_u8..3)).prop_map(|(user, address)| Event::SetAddress { user, address }),
        1 => user().prop_map(|user| Event::Delete { user }),
        2 => user().prop_map(|user| Event::SoftDelete { user }),
        2 => user().prop_map(|user| Event::Restore { user }),
        1 => user().prop_map(|user| Event::Resend { user }),
        2 => user().prop_map(|user| Event::TakeName { user }),
        1 => user().prop_map(|user| Event::FreeName { user }),
        4 => user().prop_map(|user| Event::Activate { user }),
        2 => user().prop_map(|user| Event::Block { user }),
        2 => (user(), any::<bool>()).prop_map(|(user, group_deleted)| Event::Unblock { user, group_deleted }),
        5 => (group(), members()).prop_map(|(group, members)| Event::CreateGroup { group, members }),
        4 => (group(), user()).prop_map(|(group, user)| Event::Add { group, user }),
        2 => (group(), user()).prop_map(|(group, user)| Event::Remove { group, user }),
        1 => (group(), members()).prop_map(|(group, members)| Event::Replace { group, members }),
        5 => group().prop_map(|group| Event::DeleteGroup { group }),
        1 => proptest::sample::select(policies).prop_map(Event::SetPolicy),
        1 => any::<bool>().prop_map(Event::SetYields),
        1 => any::<bool>().prop_map(Event::SetMails),
    ]
}

/// The rules, told as shortly as possible.
#[derive(Clone, Debug, Default)]
struct Model {
    users: [Option<User>; USERS],
    groups: [Option<BTreeSet<usize>>; GROUPS],
    /// Whose names somebody else has.
    taken: [bool; USERS],
    policy: Policy,
    yields: bool,
    mails: bool,
    /// Whether another group deletion policy than the default one ever held.
    had_another_policy: bool,
}

#[derive(Clone, Debug, Default)]
struct User {
    said_inactive: bool,
    group_deleted: bool,
    administrator: bool,
    address: Option<u8>,
    /// NOT_WANTED, DUE, QUEUED.
    mail: Mail,
    /// The source's last word, or its last write if that left the user active.
    active_was_written_last: bool,
    /// Whether its name is out of the way.
    is_soft_deleted: bool,
    activated: bool,
    /// Whether another code was asked for: once a minute, which no sequence takes.
    asked: bool,
}

impl User {
    fn blocked(&self) -> bool {
        self.said_inactive || self.group_deleted || self.administrator
    }

    fn settle(&mut self) {
        if self.mail == Mail::Due && !self.blocked() && self.address.is_some() {
            self.mail = Mail::Queued;
        }
    }

    fn said(&mut self, active: bool, yields: bool) {
        self.said_inactive = !active;
        self.active_was_written_last = active;
        if active {
            self.group_deleted = false;
            self.administrator &= !yields;
        }
    }

    fn written(&mut self) {
        if !self.said_inactive {
            self.group_deleted = false;
            self.active_was_written_last = true;
        }
    }
}

impl Model {
    fn new() -> Self {
        Self {
            policy: Policy::BlockMembersLeftWithoutGroup,
            mails: true,
            ..Self::default()
        }
    }

    fn groups_of(&self, user: usize) -> usize {
        self.groups
            .iter()
            .flatten()
            .filter(|members| members.contains(&user))
            .count()
    }

    fn there(&self, users: &[usize]) -> BTreeSet<usize> {
        users
            .iter()
            .copied()
            .filter(|user| self.users[*user].is_some())
            .collect()
    }

    /// Naming users as members proves that they are in scope.
    fn name(&mut self, members: &BTreeSet<usize>) {
        for member in members {
            if let Some(user) = &mut self.users[*member] {
                user.group_deleted = false;
            }
        }
    }

    /// Whether the event can happen; it did then.
    fn step(&mut self, event: &Event) -> bool {
        match event {
            Event::Create { user, active, address } => {
                if self.users[*user].is_some() || self.taken[*user] {
                    return false;
                }
                self.users[*user] = Some(User {
                    said_inactive: !active,
                    address: address.then_some(0),
                    mail: if self.mails { Mail::Due } else { Mail::NotWanted },
                    active_was_written_last: *active,
                    ..User::default()
                });
            }
            Event::Say { user, active } => {
                let yields = self.yields;
                let Some(user) = &mut self.users[*user] else {
                    return false;
                };
                user.said(*active, yields);
            }
            Event::SoftDelete { user } | Event::Restore { user } => {
                let (yields, active) = (self.yields, matches!(event, Event::Restore { .. }));
                let taken = self.taken[*user];
                let Some(user) = self.users[*user].as_mut().filter(|user| user.is_soft_deleted == active) else {
                    return false;
                };
                if active && taken {
                    return true; // refused: nothing changes
                }
                user.is_soft_deleted = !active;
                user.said(active, yields);
            }
            Event::Resend { user } => {
                let may_ask = |user: &&mut User| !user.asked && !user.activated;
                let Some(user) = self.users[*user].as_mut().filter(may_ask) else {
                    return false;
                };
                user.asked = true;
                user.mail = Mail::Due;
            }
            Event::TakeName { user } => {
                let is_free = self.users[*user].as_ref().is_some_and(|user| user.is_soft_deleted) && !self.taken[*user];
                if !is_free {
                    return false;
                }
                self.taken[*user] = true;
            }
            Event::FreeName { user } => {
                if !std::mem::take(&mut self.taken[*user]) {
                    return false;
                }
            }
            Event::Activate { user } => {
                let has_code = |user: &&mut User| user.mail == Mail::Queued && !user.blocked() && !user.activated;
                let Some(user) = self.users[*user].as_mut().filter(has_code) else {
                    return false;
                };
                user.activated = true;
            }
            Event::Write { user } => {
                let Some(user) = &mut self.users[*user] else {
                    return false;
                };
                user.written();
            }
            Event::SetAddress { user, address } => {
                let Some(user) = &mut self.users[*user] else {
                    return false;
                };
                user.written();
                if user.address != *address && user.mail == Mail::Queued && !user.activated {
                    user.mail = Mail::Due;
                }
                user.address = *address;
            }
            Event::Delete { user } => {
                if self.users[*user].take().is_none() {
                    return false;
                }
                for members in self.groups.iter_mut().flatten() {
                    members.remove(user);
                }
            }
            Event::Block { user } => {
                let Some(user) = &mut self.users[*user] else {
                    return false;
                };
                user.administrator = true;
            }
            Event::Unblock { user, group_deleted } => {
                let Some(user) = &mut self.users[*user] else {
                    return false;
                };
                user.administrator = false;
                user.group_deleted &= !group_deleted;
            }
            Event::CreateGroup { group, members } => {
                if self.groups[*group].is_some() {
                    return false;
                }
                let members = self.there(members);
                self.name(&members);
                self.groups[*group] = Some(members);
            }
            Event::Add { group, user } => {
                if self.groups[*group].is_none() || self.users[*user].is_none() {
                    return false;
                }
                self.name(&BTreeSet::from([*user]));
                self.groups[*group].as_mut().unwrap().insert(*user);
            }
            Event::Remove { group, user } => {
                if self.users[*user].is_none() {
                    return false;
                }
                let Some(members) = &mut self.groups[*group] else {
                    return false;
                };
                members.remove(user);
            }
            Event::Replace { group, members } => {
                if self.groups[*group].is_none() {
                    return false;
                }
                let members = self.there(members);
                self.name(&members);
                self.groups[*group] = Some(members);
            }
            Event::DeleteGroup { group } => {
                let Some(members) = self.groups[*group].take() else {
                    return false;
                };
                for member in members {
                    let hit = match self.policy {
                        Policy::BlockMembersLeftWithoutGroup => self.groups_of(member) == 0,
                        Policy::BlockAllMembers => true,
                        Policy::KeepMembers | Policy::Unspecified => false,
                    };
                    if let Some(user) = self.users[member].as_mut().filter(|_| hit) {
                        user.group_deleted = true;
                        user.active_was_written_last = false;
                    }
                }
            }
            Event::SetPolicy(policy) => {
                self.policy = *policy;
                self.had_another_policy |= *policy != Policy::BlockMembersLeftWithoutGroup;
            }
            Event::SetYields(yields) => self.yields = *yields,
            Event::SetMails(mails) => self.mails = *mails,
        }
        for user in self.users.iter_mut().flatten() {
            user.settle();
        }
        true
    }
}

/// The real service, one tenant of it.
struct Real {
    slug: String,
    source: DirectoryClient,
    administrator: DirectoryClient,
    portal: DirectoryClient,
    users: [Option<String>; USERS],
    /// Who took the names.
    others: [Option<String>; USERS],
    groups: [Option<String>; GROUPS],
}

fn mask(path: &str) -> Option<FieldMask> {
    Some(FieldMask {
        paths: vec![path.to_owned()],
    })
}

fn emails(address: Option<u8>) -> Vec<v1::ValueEntry> {
    let entry = |number: u8| v1::ValueEntry {
        value: Some(format!("address{number}@example.com")),
        ..Default::default()
    };
    address.map(entry).into_iter().collect()
}

impl Real {
    async fn new(system: &System, slug: &str) -> Self {
        let tenant = system.mailing_tenant(slug).await;
        let source = system.issue(&tenant.slug, &[Scope::Provision], SOURCE).await;
        let administrator = system.issue(&tenant.slug, &[Scope::Admin], "").await;
        let portal = system.issue(&tenant.slug, &[Scope::Activate], "").await;
        let client = |token: String| {
            DirectoryClient::new(&system.directory())
                .unwrap()
                .with_token(&token.into())
                .unwrap()
        };
        Self {
            slug: tenant.slug,
            source: client(source),
            administrator: client(administrator),
            portal: client(portal),
            users: Default::default(),
            others: Default::default(),
            groups: Default::default(),
        }
    }

    async fn update(&self, user: usize, path: &str, change: impl FnOnce(&mut v1::User)) {
        let mut wanted = v1::User {
            id: self.users[user].clone().unwrap(),
            ..Default::default()
        };
        change(&mut wanted);
        let request = v1::UpdateUserRequest {
            user: Some(wanted),
            update_mask: mask(path),
            expected_version: None,
        };
        self.source.users().update_user(request).await.unwrap();
    }

    async fn rename(&self, user: usize, name: String, active: bool) -> Result<(), tonic::Status> {
        let wanted = v1::User {
            id: self.users[user].clone().unwrap(),
            user_name: name,
            source_active: Some(active),
            ..Default::default()
        };
        let request = v1::UpdateUserRequest {
            user: Some(wanted),
            update_mask: Some(FieldMask {
                paths: vec!["user_name".to_owned(), "source_active".to_owned()],
            }),
            expected_version: None,
        };
        self.source.users().update_user(request).await.map(|_| ())
    }

    async fn delete(&self, id: String) {
        let request = v1::DeleteUserRequest {
            id,
            expected_version: None,
        };
        self.source.users().delete_user(request).await.unwrap();
    }

    /// Waits for the mail with the code that is good, and redeems it.
    async fn activate(&self, user: usize, mailbox: &Mailbox) {
        let id = self.users[user].clone().unwrap();
        let explained = || v1::ExplainUserRequest {
            user: Some(v1::explain_user_request::User::Id(id.clone())),
        };
        eventually("the mail is accepted", async || {
            let explained = self.administrator.users().explain_user(explained()).await.unwrap();
            let mail = explained.into_inner().mail?;
            (mail.state() == v1::mail::State::Sent).then_some(())
        })
        .await;
        let mails = mailbox.mails().await;
        let mine = format!("<{id}.");
        let is_mine = |mail: &&Value| mail["message-id"].as_str().unwrap().starts_with(&mine);
        let request = v1::RedeemActivationCodeRequest {
            code: code_in(mails.iter().rfind(is_mine).unwrap()),
            user: Some(v1::redeem_activation_code_request::User::UserId(id)),
        };
        self.portal.activations().redeem_activation_code(request).await.unwrap();
    }

    async fn set(&self, path: &str, change: impl FnOnce(&mut v1::Tenant)) {
        let mut tenant = v1::Tenant {
            slug: self.slug.clone(),
            ..Default::default()
        };
        change(&mut tenant);
        let request = v1::UpdateTenantRequest {
            tenant: Some(tenant),
            update_mask: mask(path),
        };
        self.administrator.tenants().update_tenant(request).await.unwrap();
    }

    fn ids(&self, users: &[usize]) -> Vec<String> {
        let ids: BTreeSet<String> = users.iter().filter_map(|user| self.users[*user].clone()).collect();
        ids.into_iter().collect()
    }

    async fn change_members(&self, group: usize, members: v1::MembersChange) {
        let request = v1::UpdateGroupRequest {
            group: Some(v1::Group {
                id: self.groups[group].clone().unwrap(),
                ..Default::default()
            }),
            members: Some(members),
            ..Default::default()
        };
        self.source.groups().update_group(request).await.unwrap();
    }

    async fn step(&mut self, event: &Event, mailbox: &Mailbox) {
        match event {
            Event::Create { user, active, address } => {
                let new = v1::User {
                    user_name: format!("user{user}"),
                    source_active: Some(*active),
                    emails: emails(address.then_some(0)),
                    ..Default::default()
                };
                let request = v1::CreateUserRequest { user: Some(new) };
                let created = self.source.users().create_user(request).await.unwrap().into_inner();
                self.users[*user] = Some(created.id);
            }
            Event::Say { user, active } => {
                self.update(*user, "source_active", |user| user.source_active = Some(*active))
                    .await;
            }
            Event::Write { user } => {
                self.update(*user, "title", |user| user.title = Some("Countess".to_owned()))
                    .await;
            }
            Event::SetAddress { user, address } => {
                self.update(*user, "emails", |user| user.emails = emails(*address))
                    .await;
            }
            Event::Delete { user } => {
                let id = self.users[*user].take().unwrap();
                self.delete(id).await;
            }
            Event::SoftDelete { user } => {
                self.rename(*user, format!("0123456789abcdef0123456789abcdefuser{user}"), false)
                    .await
                    .unwrap();
            }
            Event::Restore { user } => {
                let restored = self.rename(*user, format!("user{user}"), true).await;
                let taken = self.others[*user].as_ref().map(|_| v1::ErrorReason::UserNameTaken);
                assert_eq!(restored.err().and_then(|status| reason_of(&status)), taken);
            }
            Event::TakeName { user } => {
                let new = v1::User {
                    user_name: format!("user{user}"),
                    ..Default::default()
                };
                let request = v1::CreateUserRequest { user: Some(new) };
                let created = self.source.users().create_user(request).await.unwrap().into_inner();
                self.others[*user] = Some(created.id);
            }
            Event::FreeName { user } => {
                let id = self.others[*user].take().unwrap();
                self.delete(id).await;
            }
            Event::Activate { user } => self.activate(*user, mailbox).await,
            Event::Resend { user } => {
                let request = v1::SendActivationRequest {
                    user_id: self.users[*user].clone().unwrap(),
                };
                self.administrator
                    .activations()
                    .send_activation(request.clone())
                    .await
                    .unwrap();
                let again = self.administrator.activations().send_activation(request).await;
                let reason = again.map_err(|status| reason_of(&status)).map(|_| ());
                assert_eq!(reason, Err(Some(v1::ErrorReason::ActivationRateLimited)));
            }
            Event::Block { user } => {
                let request = v1::BlockUserRequest {
                    id: self.users[*user].clone().unwrap(),
                    expected_version: None,
                };
                self.administrator.users().block_user(request).await.unwrap();
            }
            Event::Unblock { user, group_deleted } => {
                let request = v1::UnblockUserRequest {
                    id: self.users[*user].clone().unwrap(),
                    expected_version: None,
                    group_deleted: *group_deleted,
                };
                self.administrator.users().unblock_user(request).await.unwrap();
            }
            Event::CreateGroup { group, members } => {
                let request = v1::CreateGroupRequest {
                    group: Some(v1::Group {
                        display_name: format!("group{group}"),
                        ..Default::default()
                    }),
                    member_ids: self.ids(members),
                };
                let created = self.source.groups().create_group(request).await.unwrap().into_inner();
                self.groups[*group] = Some(created.id);
            }
            Event::Add { group, user } => {
                let change = v1::MembersChange {
                    add: self.ids(&[*user]),
                    ..Default::default()
                };
                self.change_members(*group, change).await;
            }
            Event::Remove { group, user } => {
                let change = v1::MembersChange {
                    remove: self.ids(&[*user]),
                    ..Default::default()
                };
                self.change_members(*group, change).await;
            }
            Event::Replace { group, members } => {
                let change = v1::MembersChange {
                    remove_all: true,
                    add: self.ids(members),
                    ..Default::default()
                };
                self.change_members(*group, change).await;
            }
            Event::DeleteGroup { group } => {
                let request = v1::DeleteGroupRequest {
                    id: self.groups[*group].take().unwrap(),
                    expected_version: None,
                };
                self.source.groups().delete_group(request).await.unwrap();
            }
            Event::SetPolicy(policy) => {
                let policy = i32::from(*policy);
                self.set("on_group_deletion", |tenant| tenant.on_group_deletion = policy)
                    .await;
            }
            Event::SetYields(yields) => {
                let path = "administrator_block_yields_to_source";
                self.set(path, |tenant| tenant.administrator_block_yields_to_source = *yields)
                    .await;
            }
            Event::SetMails(mails) => {
                let mails = Some(*mails);
                self.set("activation_email_on_creation", |tenant| {
                    tenant.activation_email_on_creation = mails
                })
                .await;
            }
        }
    }

    /// Whose mails are in the outbox.
    async fn mailed(&self) -> Vec<String> {
        let request = v1::ListMailsRequest::default();
        let listed = self.administrator.activations().list_mails(request).await.unwrap();
        listed.into_inner().mails.into_iter().map(|mail| mail.user_id).collect()
    }

    async fn read(&self, user: usize) -> Option<v1::User> {
        let request = v1::GetUserRequest {
            id: self.users[user].clone()?,
            read_mask: None,
        };
        Some(self.administrator.users().get_user(request).await.unwrap().into_inner())
    }
}

fn agree(model: &Model, number: usize, real: Option<&v1::User>) {
    let (user, real) = match (&model.users[number], real) {
        (None, None) => return,
        (Some(user), Some(real)) => (user, real),
        (user, real) => panic!("user {number}: {user:?}, but {real:?}"),
    };
    let reasons: BTreeSet<Reason> = real.blocks.iter().map(v1::Block::reason).collect();
    let expected = [
        (user.said_inactive, Reason::Provisioning),
        (user.group_deleted, Reason::GroupDeleted),
        (user.administrator, Reason::Administrator),
    ];
    let expected: BTreeSet<Reason> = expected
        .into_iter()
        .filter_map(|(holds, reason)| holds.then_some(reason))
        .collect();
    assert_eq!(reasons, expected, "the reasons of user {number}");
    assert_eq!(real.blocked, user.blocked());
    assert_eq!(
        real.source_active,
        Some(!user.said_inactive),
        "the source's word on user {number}"
    );
    assert_eq!(
        real.groups.len(),
        model.groups_of(number),
        "the groups of user {number}"
    );
    let activation = real.activation.unwrap();
    let (mail, status) = (activation.mail(), activation.status());
    // The worker may have come before or after the block.
    let withdrawn = user.mail == Mail::Queued && user.blocked() && mail == Mail::Due;
    assert!(
        mail == user.mail || withdrawn,
        "the mail of user {number}: {mail:?}, not {:?}",
        user.mail
    );
    let expected = match mail {
        _ if user.activated => ActivationStatus::Activated,
        Mail::Queued => ActivationStatus::PendingActivation,
        _ => ActivationStatus::NotActivated,
    };
    assert_eq!(status, expected, "the status of user {number}");

    // What no sequence may lead to.
    assert!(
        !user.said_inactive || real.blocked,
        "the source said no last, and the user is let in"
    );
    let only_by_administrator = reasons.iter().all(|reason| *reason == Reason::Administrator);
    let in_scope = !user.said_inactive && model.groups_of(number) > 0;
    assert!(
        model.had_another_policy || !in_scope || only_by_administrator,
        "in a group, and blocked by {reasons:?}"
    );
    assert!(
        !(user.active_was_written_last && reasons.contains(&Reason::GroupDeleted)),
        "blocked by a group after the source wrote the user as active"
    );
}

async fn the_directory_agrees_with_a_small_model_of_the_rules(database: Database) {
    let Some(mailbox) = Mailbox::start(Protection::None).await else {
        return;
    };
    let settings = Settings {
        environment: mailbox.environment(),
        ..Settings::default()
    };
    let system = System::start_with(database, settings).await;
    // The same sequences in every run: a failure can be run again.
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let sequences = vec(event(), STEPS);
    let (mut played, mut blocked_by_groups, mut queued, mut activated) = (0, 0, 0, 0);

    for sequence in 0..SEQUENCES {
        let events = sequences.new_tree(&mut runner).unwrap().current();
        let mut real = Real::new(&system, &format!("life-{sequence}")).await;
        let mut model = Model::new();
        let mut happened = Vec::new();
        for event in events {
            if !model.step(&event) {
                continue;
            }
            real.step(&event, &mailbox).await;
            activated += usize::from(matches!(event, Event::Activate { .. }));
            happened.push(event);
            played += 1;
            let mailed = real.mailed().await;
            let once: BTreeSet<&String> = mailed.iter().collect();
            assert_eq!(once.len(), mailed.len(), "one mail a user, after {happened:#?}");
            for number in 0..USERS {
                let read = real.read(number).await;
                let told = std::panic::catch_unwind(|| agree(&model, number, read.as_ref()));
                assert!(told.is_ok(), "sequence {sequence}, after {happened:#?}");
            }
            let users = || model.users.iter().flatten();
            blocked_by_groups += usize::from(users().any(|user| user.group_deleted));
            queued += usize::from(users().any(|user| user.mail == Mail::Queued));
        }
    }

    assert!(played > SEQUENCES * STEPS / 3, "only {played} events were played");
    assert!(
        blocked_by_groups > SEQUENCES / 2 && queued > SEQUENCES && activated > SEQUENCES / 10,
        "{blocked_by_groups}, {queued}, {activated}"
    );
}
