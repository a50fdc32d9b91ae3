//! What explains a user to an administrator: the user itself, its activation mail, the refused requests that would have
//! blocked it, and its last changes.

use directory_proto::v1;
use prost_types::Timestamp;
use serde::Serialize;

use crate::mails::Mail;
use crate::output::{Record, rfc3339, to_the_second};

use super::view::{User, by};

/// A user and what explains it.
#[derive(Serialize)]
pub struct Explanation {
    #[serde(flatten)]
    user: User,
    mail: Option<Mail>,
    refused_disables: Vec<RefusedDisable>,
    changes: Vec<Change>,
    administrator_block_yields_to_source: bool,
    wrong_codes: i32,
    codes_paused_until: Option<String>,
}

/// A refused request that held the source's word that the user is not active.
#[derive(Serialize)]
struct RefusedDisable {
    time: Option<String>,
    actor: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor_name: Option<String>,
    request_id: String,
    reason: String,
    attribute: String,
}

/// One change of the user.
#[derive(Serialize)]
struct Change {
    time: Option<String>,
    kind: String,
    version: i64,
    attributes: Vec<String>,
    actor: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor_name: Option<String>,
    source: String,
    request_id: String,
}

impl From<v1::ExplainUserResponse> for Explanation {
    fn from(wire: v1::ExplainUserResponse) -> Self {
        let v1::ExplainUserResponse {
            user,
            mail,
            refused_disables,
            changes,
            administrator_block_yields_to_source,
            wrong_codes,
            codes_paused_until,
            actor_names,
        } = wire;
        let name = |actor: &str| actor_names.get(actor).cloned();
        let mut user = User::from(user.unwrap_or_default());
        user.name_actors(&actor_names);
        let refused_disables = refused_disables.into_iter().map(|refused| RefusedDisable {
            actor_name: name(&refused.actor),
            ..refused.into()
        });
        let changes = changes.into_iter().map(|change| Change {
            actor_name: name(&change.actor),
            ..change.into()
        });
        Self {
            user,
            mail: mail.map(Mail::from),
            refused_disables: refused_disables.collect(),
            changes: changes.collect(),
            administrator_block_yields_to_source,
            wrong_codes,
            codes_paused_until: text(codes_paused_until),
        }
    }
}

impl From<v1::RefusedDisable> for RefusedDisable {
    fn from(wire: v1::RefusedDisable) -> Self {
        let v1::RefusedDisable {
            time,
            actor,
            request_id,
            reason,
            attribute,
        } = wire;
        Self {
            time: text(time),
            actor,
            actor_name: None,
            request_id,
            reason,
            attribute,
        }
    }
}

impl From<v1::UserHistoryEntry> for Change {
    fn from(wire: v1::UserHistoryEntry) -> Self {
        let v1::UserHistoryEntry {
            time,
            kind,
            version,
            attributes,
            actor,
            source,
            request_id,
        } = wire;
        Self {
            time: text(time),
            kind: kind.to_ascii_lowercase(),
            version,
            attributes,
            actor,
            actor_name: None,
            source,
            request_id,
        }
    }
}

fn text(time: Option<Timestamp>) -> Option<String> {
    time.map(|time| rfc3339(time.seconds, time.nanos))
}

fn request(id: &str) -> String {
    if id.is_empty() {
        String::new()
    } else {
        format!(", request {id}")
    }
}

impl RefusedDisable {
    fn line(&self) -> String {
        let mut line = format!("{}, refused with {}", to_the_second(self.time.as_ref()), self.reason);
        if !self.attribute.is_empty() {
            line.push_str(&format!(" for {}", self.attribute));
        }
        line + &by(&self.actor, self.actor_name.as_deref()) + &request(&self.request_id)
    }
}

impl Change {
    fn line(&self) -> String {
        let time = to_the_second(self.time.as_ref());
        let mut line = format!("{time}, {} to version {}", self.kind, self.version);
        if !self.attributes.is_empty() {
            line.push_str(&format!(": {}", self.attributes.join(", ")));
        }
        line.push_str(&by(&self.actor, self.actor_name.as_deref()));
        if !self.source.is_empty() {
            line.push_str(&format!(" of source {}", self.source));
        }
        line + &request(&self.request_id)
    }
}

impl Explanation {
    fn wrong_codes(&self) -> Option<(&'static str, String)> {
        let mut line = format!("{} since the last code was begun", self.wrong_codes);
        if let Some(until) = &self.codes_paused_until {
            line.push_str(&format!(
                "; no code was or is taken until {}",
                to_the_second(Some(until))
            ));
        }
        (self.wrong_codes > 0).then_some(("Wrong codes", line))
    }
}

impl Record for Explanation {
    fn lines(&self) -> Vec<(&'static str, String)> {
        let mut lines = self.user.standing(Some(self.administrator_block_yields_to_source));
        lines.extend(self.wrong_codes());
        lines.extend(self.mail.as_ref().map(|mail| ("Activation mail", mail.line())));
        let refused = self.refused_disables.iter();
        lines.extend(refused.map(|refused| ("Refused disable", refused.line())));
        lines.extend(self.user.attributes());
        lines.extend(self.changes.iter().map(|change| ("Change", change.line())));
        lines
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn explained() -> v1::ExplainUserResponse {
        let time = |seconds| Some(Timestamp { seconds, nanos: 0 });
        v1::ExplainUserResponse {
            user: Some(v1::User {
                id: "u1".to_owned(),
                user_name: "ada@example.com".to_owned(),
                source_active: Some(true),
                ..Default::default()
            }),
            mail: Some(v1::Mail {
                user_id: "u1".to_owned(),
                state: v1::mail::State::Sent.into(),
                attempts: 1,
                ..Default::default()
            }),
            refused_disables: vec![v1::RefusedDisable {
                time: time(60),
                actor: "t1".to_owned(),
                request_id: "r1".to_owned(),
                reason: "INVALID_FIELD".to_owned(),
                attribute: "user.user_name".to_owned(),
            }],
            changes: vec![v1::UserHistoryEntry {
                time: time(0),
                kind: "UPDATED".to_owned(),
                version: 2,
                attributes: vec!["source_active".to_owned(), "title".to_owned()],
                actor: "t1".to_owned(),
                source: "entra".to_owned(),
                request_id: "r0".to_owned(),
            }],
            administrator_block_yields_to_source: false,
            wrong_codes: 5,
            codes_paused_until: time(900),
            actor_names: [("t1".to_owned(), "entra-2027".to_owned())].into(),
        }
    }

    #[test]
    fn the_table_begins_with_the_state_and_ends_with_the_history() {
        let lines = Explanation::from(explained()).lines();

        assert_eq!(lines[0], ("State", "not blocked".to_owned()));
        let of = |wanted: &str| {
            let found = lines.iter().find(|(name, _)| *name == wanted);
            found.unwrap_or_else(|| panic!("no {wanted}")).1.as_str()
        };
        assert_eq!(of("Activation mail"), "sent, 1 attempt");
        assert_eq!(
            of("Wrong codes"),
            "5 since the last code was begun; no code was or is taken until 1970-01-01T00:15:00Z"
        );
        assert_eq!(
            of("Refused disable"),
            "1970-01-01T00:01:00Z, refused with INVALID_FIELD for user.user_name, by token t1 (entra-2027), request r1"
        );
        assert_eq!(
            lines.last().unwrap(),
            &(
                "Change",
                "1970-01-01T00:00:00Z, updated to version 2: source_active, title, by token t1 (entra-2027) of source entra, request r0"
                    .to_owned()
            )
        );
    }

    #[test]
    fn the_json_is_the_user_with_what_explains_it() {
        let shown = serde_json::to_value(Explanation::from(explained())).unwrap();

        assert_eq!(shown["id"], json!("u1"));
        assert_eq!(shown["mail"]["state"], json!("sent"));
        assert_eq!(
            shown["refused_disables"],
            json!([{ "time": "1970-01-01T00:01:00Z", "actor": "t1", "actor_name": "entra-2027", "request_id": "r1", "reason": "INVALID_FIELD",
                     "attribute": "user.user_name" }])
        );
        assert_eq!(
            shown["changes"],
            json!([{ "time": "1970-01-01T00:00:00Z", "kind": "updated", "version": 2,
                     "attributes": ["source_active", "title"], "actor": "t1", "actor_name": "entra-2027", "source": "entra", "request_id": "r0" }])
        );
    }
}
