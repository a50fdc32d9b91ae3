//! A user as it is printed: in a list, with everything, or with what decides whether it is let in. Its complex attributes
//! are in `parts`.

mod parts;

use std::collections::HashMap;

use directory_proto::v1::{self, activation, block};
use serde::Serialize;

use crate::extensions::Extensions;
use crate::output::{Record, Row, rfc3339, to_the_second};

use self::parts::{Address, Enterprise, Name, UserGroup, ValueEntry, entries, labelled};

/// A user as a list prints it.
#[derive(Serialize)]
pub struct UserSummary {
    id: String,
    user_name: String,
    external_id: Option<String>,
    display_name: Option<String>,
    source_active: Option<bool>,
    blocked: bool,
    blocks: Vec<Block>,
    version: i64,
    update_time: Option<String>,
}

/// A user with everything.
#[derive(Serialize)]
pub struct User {
    #[serde(flatten)]
    summary: UserSummary,
    activation: Option<Activation>,
    language: String,
    create_time: Option<String>,
    name: Option<Name>,
    nick_name: Option<String>,
    profile_url: Option<String>,
    title: Option<String>,
    user_type: Option<String>,
    preferred_language: Option<String>,
    locale: Option<String>,
    timezone: Option<String>,
    emails: Vec<ValueEntry>,
    phone_numbers: Vec<ValueEntry>,
    ims: Vec<ValueEntry>,
    photos: Vec<ValueEntry>,
    addresses: Vec<Address>,
    entitlements: Vec<ValueEntry>,
    roles: Vec<ValueEntry>,
    x509_certificates: Vec<ValueEntry>,
    enterprise: Option<Enterprise>,
    groups: Vec<UserGroup>,
    extensions: Extensions,
}

/// Whether a user is let in, and how far the activation is: what an administrator's command answers.
#[derive(Serialize)]
pub struct Standing {
    #[serde(flatten)]
    summary: UserSummary,
    activation: Option<Activation>,
    /// Whether the source's word that the user is active lifts an administrator's block, where that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    source_may_lift: Option<bool>,
}

/// How far the activation of a user is.
#[derive(Serialize)]
struct Activation {
    status: &'static str,
    mail: &'static str,
    code_expire_time: Option<String>,
    activate_time: Option<String>,
}

/// Why a user is blocked.
#[derive(Serialize)]
struct Block {
    reason: String,
    since: Option<String>,
    actor: String,
    /// What the actor's token is called, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    actor_name: Option<String>,
    group_id: Option<String>,
    group_name: Option<String>,
}

impl From<v1::User> for UserSummary {
    fn from(wire: v1::User) -> Self {
        Self {
            id: wire.id,
            user_name: wire.user_name,
            external_id: wire.external_id,
            display_name: wire.display_name,
            source_active: wire.source_active,
            blocked: wire.blocked,
            blocks: wire.blocks.into_iter().map(Block::from).collect(),
            version: wire.version,
            update_time: wire.update_time.map(|time| rfc3339(time.seconds, time.nanos)),
        }
    }
}

impl From<v1::User> for User {
    fn from(wire: v1::User) -> Self {
        let v1::User {
            id,
            version,
            create_time,
            update_time,
            user_name,
            external_id,
            name,
            display_name,
            nick_name,
            profile_url,
            title,
            user_type,
            preferred_language,
            locale,
            timezone,
            source_active,
            blocked,
            blocks,
            emails,
            phone_numbers,
            ims,
            photos,
            addresses,
            entitlements,
            roles,
            x509_certificates,
            enterprise,
            groups,
            extensions,
            activation,
            language,
        } = wire;
        Self {
            summary: UserSummary {
                id,
                user_name,
                external_id,
                display_name,
                source_active,
                blocked,
                blocks: blocks.into_iter().map(Block::from).collect(),
                version,
                update_time: update_time.map(|time| rfc3339(time.seconds, time.nanos)),
            },
            activation: activation.map(Activation::from),
            language,
            create_time: create_time.map(|time| rfc3339(time.seconds, time.nanos)),
            name: name.map(Name::from),
            nick_name,
            profile_url,
            title,
            user_type,
            preferred_language,
            locale,
            timezone,
            emails: entries(emails),
            phone_numbers: entries(phone_numbers),
            ims: entries(ims),
            photos: entries(photos),
            addresses: addresses.into_iter().map(Address::from).collect(),
            entitlements: entries(entitlements),
            roles: entries(roles),
            x509_certificates: entries(x509_certificates),
            enterprise: enterprise.map(Enterprise::from),
            groups: groups.into_iter().map(UserGroup::from).collect(),
            extensions: extensions.into(),
        }
    }
}

impl From<v1::User> for Standing {
    fn from(mut wire: v1::User) -> Self {
        Self {
            activation: wire.activation.take().map(Activation::from),
            summary: wire.into(),
            source_may_lift: None,
        }
    }
}

impl From<v1::BlockUserResponse> for Standing {
    fn from(wire: v1::BlockUserResponse) -> Self {
        let v1::BlockUserResponse { user, source_may_lift } = wire;
        Self {
            source_may_lift: Some(source_may_lift),
            ..user.unwrap_or_default().into()
        }
    }
}

impl From<v1::Activation> for Activation {
    fn from(wire: v1::Activation) -> Self {
        use activation::{Mail, Status};
        let status = match wire.status() {
            Status::Unspecified => "unknown",
            Status::NotActivated => "not_activated",
            Status::PendingActivation => "pending_activation",
            Status::Activated => "activated",
        };
        let mail = match wire.mail() {
            Mail::Unspecified => "unknown",
            Mail::NotWanted => "not_wanted",
            Mail::Due => "due",
            Mail::Queued => "queued",
        };
        Self {
            status,
            mail,
            code_expire_time: wire.code_expire_time.map(|time| rfc3339(time.seconds, time.nanos)),
            activate_time: wire.activate_time.map(|time| rfc3339(time.seconds, time.nanos)),
        }
    }
}

impl From<v1::Block> for Block {
    fn from(wire: v1::Block) -> Self {
        let reason = match wire.reason() {
            block::Reason::Unspecified => "unknown",
            block::Reason::Provisioning => "provisioning",
            block::Reason::GroupDeleted => "group_deleted",
            block::Reason::Administrator => "administrator",
        };
        let v1::Block {
            reason: _,
            since,
            actor,
            group_id,
            group_name,
        } = wire;
        let since = since.map(|time| rfc3339(time.seconds, time.nanos));
        Self {
            reason: reason.to_owned(),
            since,
            actor,
            actor_name: None,
            group_id,
            group_name,
        }
    }
}

impl UserSummary {
    fn state(&self) -> String {
        if !self.blocked {
            return "not blocked".to_owned();
        }
        let reasons: Vec<_> = self.blocks.iter().map(|block| block.reason.as_str()).collect();
        format!("blocked ({})", reasons.join(", "))
    }
}

impl UserSummary {
    /// Whether the user is let in, each reason why not with who can take it away, and the source's own word.
    fn standing(&self, source_may_lift: Option<bool>) -> Vec<(&'static str, String)> {
        let mut lines = vec![("State", self.state())];
        for block in &self.blocks {
            lines.extend([
                ("Blocked by", block.line()),
                ("", block.way_out(source_may_lift).to_owned()),
            ]);
        }
        let source = match self.source_active {
            Some(true) => "active",
            Some(false) => "not active",
            None => "",
        };
        lines.push(("Source says", source.to_owned()));
        lines
    }
}

impl Record for Standing {
    fn lines(&self) -> Vec<(&'static str, String)> {
        let mut lines = self.summary.standing(self.source_may_lift);
        lines.push(("User name", self.summary.user_name.clone()));
        lines.push(("ID", self.summary.id.clone()));
        if let Some(may) = self.source_may_lift {
            let said = if may {
                "yes: its next word that the user is active unblocks (administrator_block_yields_to_source is true)"
            } else {
                "no: only `rollcall user unblock` does (administrator_block_yields_to_source is false)"
            };
            lines.push(("May the source lift it", said.to_owned()));
        }
        let activation = self.activation.as_ref();
        lines.extend(activation.map(|activation| ("Activation", activation.line())));
        lines
    }
}

/// Who did something, as change records name it.
pub fn by(actor: &str, name: Option<&str>) -> String {
    match actor {
        "system" => ", by the directory itself".to_owned(),
        "" => String::new(),
        token => name.map_or_else(
            || format!(", by token {token}"),
            |name| format!(", by token {token} ({name})"),
        ),
    }
}

impl Activation {
    fn line(&self) -> String {
        let expires = to_the_second(self.code_expire_time.as_ref());
        match (self.status, self.mail) {
            ("activated", _) => format!("activated {}", to_the_second(self.activate_time.as_ref())),
            ("pending_activation", _) if expires.is_empty() => {
                "pending; no mail server has accepted the mail with the code yet".to_owned()
            }
            ("pending_activation", _) => format!("pending; the code that was mailed is good until {expires}"),
            (_, "due") => {
                "not activated; a code is mailed as soon as the user is not blocked and has a mail address".to_owned()
            }
            (_, "queued") => {
                "not activated; the code that was mailed is not good any more (`rollcall user send-activation` \
                              mails a new one)"
                    .to_owned()
            }
            _ => "not activated; no mail was wanted (`rollcall user send-activation` sends one)".to_owned(),
        }
    }
}

impl Row for UserSummary {
    const COLUMNS: &[&str] = &["ID", "USER NAME", "DISPLAY NAME", "STATE", "UPDATED"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            self.user_name.clone(),
            self.display_name.clone().unwrap_or_default(),
            self.state(),
            to_the_second(self.update_time.as_ref()),
        ]
    }
}

impl Block {
    /// Who can take it away; whether the source may lift an administrator's block, if that is known.
    fn way_out(&self, source_may_lift: Option<bool>) -> &'static str {
        match self.reason.as_str() {
            "provisioning" => "goes when the source says that the user is active; nobody else can lift it",
            "group_deleted" => {
                "goes when the source writes the user again or adds it to a group, or by `rollcall user unblock \
                 --group-deleted`"
            }
            "administrator" if source_may_lift == Some(true) => {
                "goes by `rollcall user unblock`, or when the source says again that the user is active"
            }
            "administrator" => "goes by `rollcall user unblock`",
            _ => "",
        }
    }

    fn line(&self) -> String {
        let mut line = self.reason.clone();
        if let Some(since) = &self.since {
            line.push_str(&format!(", since {}", to_the_second(Some(since))));
        }
        line.push_str(&by(&self.actor, self.actor_name.as_deref()));
        match (&self.group_name, &self.group_id) {
            (Some(name), Some(id)) => line.push_str(&format!(", group {name} ({id})")),
            (None, Some(id)) => line.push_str(&format!(", group {id}")),
            (Some(name), None) => line.push_str(&format!(", group {name}")),
            (None, None) => {}
        }
        line
    }
}

impl Record for User {
    fn lines(&self) -> Vec<(&'static str, String)> {
        let mut lines = self.standing(None);
        lines.extend(self.attributes());
        lines
    }
}

/// The parts of the table. Lines without a value are left out where they are printed.
impl User {
    /// Tells who set each block.
    pub fn name_actors(&mut self, names: &HashMap<String, String>) {
        for block in &mut self.summary.blocks {
            block.actor_name = names.get(&block.actor).cloned();
        }
    }

    /// Whether the user is let in and why not, and how far the activation is.
    pub fn standing(&self, source_may_lift: Option<bool>) -> Vec<(&'static str, String)> {
        let mut lines = self.summary.standing(source_may_lift);
        let activation = self.activation.as_ref();
        lines.extend(activation.map(|activation| ("Activation", activation.line())));
        lines
    }

    /// Everything else.
    pub fn attributes(&self) -> Vec<(&'static str, String)> {
        let mut lines = self.identity();
        lines.extend(self.profile());
        lines.extend(self.values());
        lines.extend(self.extensions.lines());
        let group = |group: &UserGroup| ("Group", format!("{} ({})", group.display_name, group.id));
        lines.extend(self.groups.iter().map(group));
        lines
    }

    fn identity(&self) -> Vec<(&'static str, String)> {
        vec![
            ("ID", self.summary.id.clone()),
            ("User name", self.summary.user_name.clone()),
            ("External ID", self.summary.external_id.clone().unwrap_or_default()),
            ("Version", self.summary.version.to_string()),
            ("Created", to_the_second(self.create_time.as_ref())),
            ("Updated", to_the_second(self.summary.update_time.as_ref())),
        ]
    }

    fn profile(&self) -> Vec<(&'static str, String)> {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let mut lines = vec![("Display name", text(&self.summary.display_name))];
        if let Some(name) = &self.name {
            lines.extend([
                ("Formatted name", text(&name.formatted)),
                ("Given name", text(&name.given_name)),
                ("Middle name", text(&name.middle_name)),
                ("Family name", text(&name.family_name)),
                ("Prefix", text(&name.honorific_prefix)),
                ("Suffix", text(&name.honorific_suffix)),
            ]);
        }
        lines.extend([
            ("Nick name", text(&self.nick_name)),
            ("Profile URL", text(&self.profile_url)),
            ("Title", text(&self.title)),
            ("User type", text(&self.user_type)),
            ("Language", self.language.clone()),
            ("Preferred language", text(&self.preferred_language)),
            ("Locale", text(&self.locale)),
            ("Time zone", text(&self.timezone)),
        ]);
        if let Some(enterprise) = &self.enterprise {
            let manager = enterprise.manager.as_ref();
            let manager = manager.map(|manager| labelled(&manager.id, manager.display_name.as_deref(), None));
            lines.extend([
                ("Employee number", text(&enterprise.employee_number)),
                ("Cost centre", text(&enterprise.cost_center)),
                ("Organisation", text(&enterprise.organization)),
                ("Division", text(&enterprise.division)),
                ("Department", text(&enterprise.department)),
                ("Manager", manager.unwrap_or_default()),
            ]);
        }
        lines
    }

    fn values(&self) -> Vec<(&'static str, String)> {
        let named = [
            ("E-mail", &self.emails),
            ("Phone", &self.phone_numbers),
            ("Instant messaging", &self.ims),
            ("Photo", &self.photos),
            ("Entitlement", &self.entitlements),
            ("Role", &self.roles),
            ("Certificate", &self.x509_certificates),
        ];
        let values = named
            .into_iter()
            .flat_map(|(name, entries)| entries.iter().map(move |entry| (name, entry.line())));
        values
            .chain(self.addresses.iter().map(|address| ("Address", address.line())))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn blocked_user() -> v1::User {
        let mut block = v1::Block {
            actor: "t1".to_owned(),
            ..Default::default()
        };
        block.set_reason(block::Reason::GroupDeleted);
        block.since.get_or_insert_default().seconds = 1_700_000_000;
        block.group_id = Some("g1".to_owned());
        block.group_name = Some("Staff".to_owned());
        v1::User {
            id: "u1".to_owned(),
            version: 3,
            user_name: "ada@example.com".to_owned(),
            source_active: Some(true),
            blocked: true,
            blocks: vec![block],
            emails: vec![v1::ValueEntry {
                value: Some("ada@example.com".to_owned()),
                r#type: Some("work".to_owned()),
                primary: Some(true),
                ..Default::default()
            }],
            groups: vec![v1::UserGroup {
                id: "g2".to_owned(),
                display_name: "Sales".to_owned(),
            }],
            activation: Some(v1::Activation {
                status: activation::Status::NotActivated.into(),
                mail: activation::Mail::Due.into(),
                ..Default::default()
            }),
            language: "en".to_owned(),
            ..Default::default()
        }
    }

    #[test]
    fn the_table_of_a_user_shows_the_state_in_effect_and_each_reason() {
        let lines = User::from(blocked_user()).lines();
        let shown: Vec<_> = lines.iter().filter(|(_, value)| !value.is_empty()).collect();

        let expected = [
            ("State", "blocked (group_deleted)"),
            (
                "Blocked by",
                "group_deleted, since 2023-11-14T22:13:20Z, by token t1, group Staff (g1)",
            ),
            (
                "",
                "goes when the source writes the user again or adds it to a group, or by `rollcall user unblock \
                 --group-deleted`",
            ),
            ("Source says", "active"),
            (
                "Activation",
                "not activated; a code is mailed as soon as the user is not blocked and has a mail address",
            ),
            ("ID", "u1"),
            ("User name", "ada@example.com"),
            ("Version", "3"),
            ("Language", "en"),
            ("E-mail", "ada@example.com (work, primary)"),
            ("Group", "Sales (g2)"),
        ];
        assert_eq!(
            shown
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect::<Vec<_>>(),
            expected
        );
    }

    #[test]
    fn an_administrators_answer_says_who_can_lift_what_blocks() {
        let mut wire = blocked_user();
        wire.blocks.push(v1::Block {
            reason: block::Reason::Administrator.into(),
            ..Default::default()
        });

        let standing = Standing::from(v1::BlockUserResponse {
            user: Some(wire),
            source_may_lift: false,
        });

        let lines = standing.lines();
        assert_eq!(lines[0], ("State", "blocked (group_deleted, administrator)".to_owned()));
        assert_eq!(lines[4], ("", "goes by `rollcall user unblock`".to_owned()));
        let (_, lift) = lines
            .iter()
            .find(|(name, _)| *name == "May the source lift it")
            .unwrap();
        assert!(lift.starts_with("no: only `rollcall user unblock`"), "{lift}");
        assert_eq!(
            serde_json::to_value(&standing).unwrap()["source_may_lift"],
            json!(false)
        );
        let unblocked = Standing::from(v1::User::default());
        assert_eq!(unblocked.lines()[0], ("State", "not blocked".to_owned()));
        assert_eq!(serde_json::to_value(&unblocked).unwrap().get("source_may_lift"), None);
    }

    #[test]
    fn each_state_of_the_activation_has_its_words() {
        use activation::{Mail, Status};
        let line = |status: Status, mail: Mail, expires: Option<i64>| {
            let time = |seconds| prost_types::Timestamp { seconds, nanos: 0 };
            let wire = v1::Activation {
                status: status.into(),
                mail: mail.into(),
                code_expire_time: expires.map(time),
                activate_time: (status == Status::Activated).then(|| time(60)),
            };
            Activation::from(wire).line()
        };

        assert_eq!(
            line(Status::Activated, Mail::Queued, None),
            "activated 1970-01-01T00:01:00Z"
        );
        assert_eq!(
            line(Status::PendingActivation, Mail::Queued, Some(0)),
            "pending; the code that was mailed is good until 1970-01-01T00:00:00Z"
        );
        assert!(line(Status::PendingActivation, Mail::Queued, None).contains("no mail server has accepted"));
        assert!(line(Status::NotActivated, Mail::Queued, None).contains("not good any more"));
        assert!(line(Status::NotActivated, Mail::NotWanted, None).contains("no mail was wanted"));
    }

    #[test]
    fn the_json_of_a_listed_user_has_stable_names() {
        assert_eq!(
            serde_json::to_value(UserSummary::from(blocked_user())).unwrap(),
            json!({
                "id": "u1", "user_name": "ada@example.com", "external_id": null, "display_name": null,
                "source_active": true, "blocked": true, "version": 3, "update_time": null,
                "blocks": [{
                    "reason": "group_deleted", "since": "2023-11-14T22:13:20Z", "actor": "t1", "group_id": "g1",
                    "group_name": "Staff"
                }]
            })
        );
    }

    #[test]
    fn the_json_of_a_shown_user_holds_all_that_a_list_has_and_every_attribute() {
        let shown = serde_json::to_value(User::from(blocked_user())).unwrap();
        let listed = serde_json::to_value(UserSummary::from(blocked_user())).unwrap();

        for (name, value) in listed.as_object().unwrap() {
            assert_eq!(&shown[name], value, "{name}");
        }
        assert_eq!(
            shown["emails"],
            json!([{ "value": "ada@example.com", "display": null, "type": "work", "primary": true }])
        );
        assert_eq!(shown["groups"], json!([{ "id": "g2", "display_name": "Sales" }]));
        assert_eq!(shown["enterprise"], json!(null));
        assert_eq!(shown["extensions"], json!({}));
        assert_eq!(shown["language"], json!("en"));
        assert_eq!(
            shown["activation"],
            json!({ "status": "not_activated", "mail": "due", "code_expire_time": null, "activate_time": null })
        );
        assert_eq!(shown.as_object().unwrap().len(), 31);
    }
}
