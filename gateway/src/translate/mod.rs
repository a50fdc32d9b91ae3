//! The border between SCIM and `directory.v1`, and nothing else: resources and messages, filters, masks, and errors.
//!
//! Names differ by spelling (`familyName`, `family_name`) but for a few that [`field`] and [`attribute`] know.

mod derived;
mod extension;
pub mod filter;
pub mod group;
pub mod link;
pub mod schema;
pub mod search;
pub mod status;
pub mod user;
pub mod version;

use std::sync::Arc;

use directory_proto::v1;
use prost_types::Timestamp;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::scim::resource::Resource;
use crate::scim::schema::{ResourceKind, ResourceType};
use crate::translate::version::etag;

/// What SCIM's `active` means to a caller (both are in the directory, see the status extension).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActiveView {
    /// The source's own last word: it computes its changes from what we answer.
    SourceWord,
    /// Whether the user is let in, for everybody else.
    InEffect,
}

/// `familyName` as `family_name`.
fn snake_case(name: &str) -> String {
    let mut field = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            field.push('_');
        }
        field.push(letter.to_ascii_lowercase());
    }
    field
}

/// `family_name` as `familyName`.
fn camel_case(field: &str) -> String {
    let mut name = String::with_capacity(field.len());
    let mut upper = false;
    for letter in field.chars() {
        match letter {
            '_' => upper = true,
            _ if upper => {
                name.push(letter.to_ascii_uppercase());
                upper = false;
            }
            _ => name.push(letter),
        }
    }
    name
}

/// The field of a top-level attribute.
fn field(attribute: &str) -> String {
    match attribute {
        "active" => "source_active".to_owned(),
        _ => snake_case(attribute),
    }
}

/// The attribute, as a SCIM client writes it, of a field path in a request.
fn attribute(path: &str) -> String {
    let path = path
        .strip_prefix("user.")
        .or_else(|| path.strip_prefix("group."))
        .unwrap_or(path);
    if let Some(name) = path.strip_prefix("extensions.") {
        return name.to_owned(); // the URN, a colon, and the name as it was registered
    }
    if let Some(rest) = path.strip_prefix("enterprise.") {
        return camel_case(rest.strip_suffix(".id").unwrap_or(rest));
    }
    match path {
        "source_active" => "active".to_owned(),
        "skip" => "startIndex".to_owned(),
        "page_size" => "count".to_owned(),
        "order" | "order.attribute" | "users.order_by" | "groups.order_by" => "sortBy".to_owned(),
        "member_ids" => "members".to_owned(),
        _ if path.starts_with("members.") => "members".to_owned(),
        _ => camel_case(path),
    }
}

fn time_text(time: Option<Timestamp>) -> Option<String> {
    let time = time?;
    let nanos = i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos);
    OffsetDateTime::from_unix_timestamp_nanos(nanos)
        .ok()?
        .format(&Rfc3339)
        .ok()
}

fn timestamp(time: OffsetDateTime) -> Timestamp {
    // The nanoseconds count forward also before 1970, as Timestamp wants it.
    let nanos = i32::try_from(time.nanosecond()).unwrap_or_default();
    Timestamp {
        seconds: time.unix_timestamp(),
        nanos,
    }
}

fn meta(
    kind: ResourceKind,
    location: String,
    version: i64,
    created: Option<Timestamp>,
    updated: Option<Timestamp>,
) -> Value {
    let mut meta = Attributes::default();
    meta.text("resourceType", Some(kind.name().to_owned()));
    meta.text("created", time_text(created));
    meta.text("lastModified", time_text(updated));
    meta.text("location", Some(location));
    meta.text("version", Some(etag(version)));
    Value::Object(meta.0)
}

/// A JSON object in the making: what is absent or empty is not in it.
#[derive(Default)]
struct Attributes(Map<String, Value>);

impl Attributes {
    fn text(&mut self, name: &str, value: Option<String>) {
        if let Some(value) = value {
            self.0.insert(name.to_owned(), Value::String(value));
        }
    }

    fn boolean(&mut self, name: &str, value: Option<bool>) {
        if let Some(value) = value {
            self.0.insert(name.to_owned(), Value::Bool(value));
        }
    }

    fn list(&mut self, name: &str, elements: Vec<Value>) {
        if !elements.is_empty() {
            self.0.insert(name.to_owned(), Value::Array(elements));
        }
    }

    fn object(&mut self, name: &str, object: Self) {
        if !object.0.is_empty() {
            self.0.insert(name.to_owned(), Value::Object(object.0));
        }
    }
}

fn value_to_scim(entry: v1::ValueEntry) -> Value {
    let v1::ValueEntry {
        value,
        display,
        r#type,
        primary,
    } = entry;
    let mut element = Attributes::default();
    element.text("value", value);
    element.text("display", display);
    element.text("type", r#type);
    element.boolean("primary", primary);
    Value::Object(element.0)
}

fn value_from_scim(element: &Map<String, Value>) -> v1::ValueEntry {
    v1::ValueEntry {
        value: text(element, "value"),
        display: text(element, "display"),
        r#type: text(element, "type"),
        primary: boolean(element, "primary"),
    }
}

fn text(object: &Map<String, Value>, name: &str) -> Option<String> {
    object.get(name).and_then(Value::as_str).map(str::to_owned)
}

fn boolean(object: &Map<String, Value>, name: &str) -> Option<bool> {
    object.get(name).and_then(Value::as_bool)
}

fn object<'a>(parent: &'a Map<String, Value>, name: &str) -> Option<&'a Map<String, Value>> {
    parent.get(name).and_then(Value::as_object)
}

/// The elements of a complex multi-valued attribute.
fn elements<'a>(parent: &'a Map<String, Value>, name: &str) -> impl Iterator<Item = &'a Map<String, Value>> {
    parent
        .get(name)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_object)
}

fn resource(resource_type: &Arc<ResourceType>, attributes: Attributes) -> Resource {
    Resource {
        resource_type: resource_type.clone(),
        attributes: attributes.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_translated_both_ways() {
        for (scim, proto) in [
            ("userName", "user_name"),
            ("x509Certificates", "x509_certificates"),
            ("profileUrl", "profile_url"),
            ("active", "source_active"),
            ("emails", "emails"),
        ] {
            assert_eq!(field(scim), proto);
            assert_eq!(attribute(&format!("user.{proto}")), scim);
        }
        assert_eq!(attribute("enterprise.manager.id"), "manager");
        assert_eq!(attribute("name.family_name"), "name.familyName");
        assert_eq!(attribute("members.add"), "members");
        assert_eq!(
            attribute("user.extensions.urn:Acme:2.0:User:cost_Code.x"),
            "urn:Acme:2.0:User:cost_Code.x"
        );
    }

    #[test]
    fn times_before_1970_survive() {
        let time = OffsetDateTime::from_unix_timestamp_nanos(-1_500_000_000).unwrap();
        assert_eq!(
            timestamp(time),
            Timestamp {
                seconds: -2,
                nanos: 500_000_000
            }
        );
        assert_eq!(
            time_text(Some(timestamp(time))).as_deref(),
            Some("1969-12-31T23:59:58.5Z")
        );
    }
}
