//! Users: SCIM resource and `directory.v1.User`, attribute by attribute, and the masks of both.

use std::collections::BTreeSet;
use std::sync::Arc;

use directory_proto::v1;
use directory_proto::v1::activation::Status;
use directory_proto::v1::block::Reason;
use prost_types::FieldMask;
use serde_json::{Map, Value};

use super::extension::{self, has_registered, keep_unknown};
use super::link::BaseUrl;
use super::{
    ActiveView, Attributes, boolean, elements, field, meta, object, resource, snake_case, text, time_text,
    value_from_scim, value_to_scim,
};
use crate::scim::attribute_path::AttributePath;
use crate::scim::patch::Patched;
use crate::scim::resource::Resource;
use crate::scim::schema::{ENTERPRISE_USER, Mutability, ResourceKind, ResourceType, STATUS};

/// Every field that a source may write, except `source_active`, which only counts where a request named it.
const WRITABLE: [&str; 20] = [
    "user_name",
    "external_id",
    "name",
    "display_name",
    "nick_name",
    "profile_url",
    "title",
    "user_type",
    "preferred_language",
    "locale",
    "timezone",
    "emails",
    "phone_numbers",
    "ims",
    "photos",
    "addresses",
    "entitlements",
    "roles",
    "x509_certificates",
    "enterprise",
];

/// What the directory makes, except `groups`, `id` and `version`.
const MADE: [&str; 7] = [
    "create_time",
    "update_time",
    "source_active",
    "blocked",
    "blocks",
    "activation",
    "language",
];

/// Which fields to read: all, or all but `groups`, which cost a query.
pub fn read_mask(resource_type: &ResourceType, groups: bool) -> Option<FieldMask> {
    let extensions = has_registered(resource_type).then_some(&extension::FIELD);
    let paths = WRITABLE.iter().chain(&MADE).chain(extensions);
    (!groups).then(|| FieldMask {
        paths: paths.map(ToString::to_string).collect(),
    })
}

/// What a PUT writes: everything. Only an `active` that the body does not have says nothing.
pub fn replacing(id: String, wanted: &Resource, expected_version: Option<i64>) -> v1::UpdateUserRequest {
    let user = v1::User {
        id,
        ..from_scim(wanted)
    };
    let active = user.source_active.map(|_| "source_active");
    let extensions = has_registered(&wanted.resource_type).then_some(extension::FIELD);
    let paths = WRITABLE.into_iter().chain(active).chain(extensions);
    let paths = paths.map(str::to_owned).collect();
    v1::UpdateUserRequest {
        user: Some(user),
        update_mask: Some(FieldMask { paths }),
        expected_version,
    }
}

/// What a PUT writes where something that is stored stays: `wanted` has it already, except what nobody here knows.
pub fn replacing_stored(stored: v1::User, wanted: &Resource) -> v1::UpdateUserRequest {
    let mut request = replacing(stored.id, wanted, Some(stored.version));
    if let Some(user) = &mut request.user {
        keep_unknown(&mut user.extensions, stored.extensions, &wanted.resource_type);
    }
    request
}

/// What a PATCH of a user writes, in the version that was read.
pub fn patching(stored: v1::User, patched: &Patched) -> v1::UpdateUserRequest {
    let mut user = from_scim(&patched.resource);
    keep_unknown(&mut user.extensions, stored.extensions, &patched.resource.resource_type);
    v1::UpdateUserRequest {
        user: Some(v1::User { id: stored.id, ..user }),
        update_mask: Some(update_mask(&patched.named)),
        expected_version: Some(stored.version),
    }
}

/// What the operations of a PATCH named, of what the directory keeps.
fn update_mask(named: &[AttributePath]) -> FieldMask {
    let paths: BTreeSet<String> = named.iter().filter_map(masked).collect();
    let whole = |path: &String| path.split_once('.').is_none_or(|(parent, _)| !paths.contains(parent));
    let paths = paths.iter().filter(|path| whole(path)).cloned().collect();
    FieldMask { paths }
}

fn masked(path: &AttributePath) -> Option<String> {
    match path.attribute.mutability {
        Mutability::ReadOnly => return None,
        Mutability::ReadWrite | Mutability::Immutable | Mutability::WriteOnly => {}
    }
    if path.is_core("password") {
        return None;
    }
    if path.schema.id == ENTERPRISE_USER.id {
        return Some(format!("enterprise.{}", snake_case(&path.attribute.name)));
    }
    if path.is_extension() {
        return Some(extension::FIELD.to_owned());
    }
    Some(match (path.attribute.name.as_str(), path.part_name()) {
        ("name", Some(part)) => format!("name.{}", snake_case(part)),
        (name, _) => field(name),
    })
}

/// The resource that a caller sees.
pub fn to_scim(user: v1::User, resource_type: &Arc<ResourceType>, view: ActiveView, base: &BaseUrl) -> Resource {
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
    } = user;
    let meta = meta(ResourceKind::User, base.user(&id), version, create_time, update_time);
    let mut user = Attributes::default();
    user.text("id", Some(id));
    user.0.insert("meta".to_owned(), meta);
    user.text("userName", Some(user_name));
    user.text("externalId", external_id);
    user.object("name", name.map(name_to_scim).unwrap_or_default());
    user.text("displayName", display_name);
    user.text("nickName", nick_name);
    user.text("profileUrl", profile_url);
    user.text("title", title);
    user.text("userType", user_type);
    user.text("preferredLanguage", preferred_language);
    user.text("locale", locale);
    user.text("timezone", timezone);
    let active = match view {
        ActiveView::SourceWord => source_active.unwrap_or(true),
        ActiveView::InEffect => !blocked,
    };
    user.boolean("active", Some(active));
    for (name, entries) in [
        ("emails", emails),
        ("phoneNumbers", phone_numbers),
        ("ims", ims),
        ("photos", photos),
        ("entitlements", entitlements),
        ("roles", roles),
        ("x509Certificates", x509_certificates),
    ] {
        user.list(name, entries.into_iter().map(value_to_scim).collect());
    }
    user.list("addresses", addresses.into_iter().map(address_to_scim).collect());
    user.list(
        "groups",
        groups.into_iter().map(|group| group_to_scim(group, base)).collect(),
    );
    user.object(
        &ENTERPRISE_USER.id,
        enterprise
            .map(|work| enterprise_to_scim(work, base))
            .unwrap_or_default(),
    );
    user.object(&STATUS.id, status_to_scim(blocked, &blocks, activation, language));
    extension::to_scim(&mut user, &extensions, resource_type);
    resource(resource_type, user)
}

fn name_to_scim(name: v1::Name) -> Attributes {
    let v1::Name {
        formatted,
        family_name,
        given_name,
        middle_name,
        honorific_prefix,
        honorific_suffix,
    } = name;
    let mut name = Attributes::default();
    name.text("formatted", formatted);
    name.text("familyName", family_name);
    name.text("givenName", given_name);
    name.text("middleName", middle_name);
    name.text("honorificPrefix", honorific_prefix);
    name.text("honorificSuffix", honorific_suffix);
    name
}

fn address_to_scim(address: v1::Address) -> Value {
    let v1::Address {
        formatted,
        street_address,
        locality,
        region,
        postal_code,
        country,
        r#type,
        primary,
    } = address;
    let mut address = Attributes::default();
    address.text("formatted", formatted);
    address.text("streetAddress", street_address);
    address.text("locality", locality);
    address.text("region", region);
    address.text("postalCode", postal_code);
    address.text("country", country);
    address.text("type", r#type);
    address.boolean("primary", primary);
    Value::Object(address.0)
}

fn group_to_scim(group: v1::UserGroup, base: &BaseUrl) -> Value {
    let v1::UserGroup { id, display_name } = group;
    let mut group = Attributes::default();
    group.text("$ref", Some(base.group(&id)));
    group.text("value", Some(id));
    group.text("display", Some(display_name));
    group.text("type", Some("direct".to_owned()));
    Value::Object(group.0)
}

fn enterprise_to_scim(enterprise: v1::EnterpriseUser, base: &BaseUrl) -> Attributes {
    let v1::EnterpriseUser {
        employee_number,
        cost_center,
        organization,
        division,
        department,
        manager,
    } = enterprise;
    let mut enterprise = Attributes::default();
    enterprise.text("employeeNumber", employee_number);
    enterprise.text("costCenter", cost_center);
    enterprise.text("organization", organization);
    enterprise.text("division", division);
    enterprise.text("department", department);
    if let Some(v1::Manager { id, display_name }) = manager {
        // An object, never a text: a text makes Entra fail the user.
        let mut manager = Attributes::default();
        manager.text("$ref", Some(base.user(&id)));
        manager.text("value", Some(id));
        manager.text("displayName", display_name);
        enterprise.object("manager", manager);
    }
    enterprise
}

fn status_to_scim(
    blocked: bool,
    blocks: &[v1::Block],
    activation: Option<v1::Activation>,
    language: String,
) -> Attributes {
    let reasons = blocks.iter().filter_map(|block| match block.reason() {
        Reason::Unspecified => None,
        reason @ (Reason::Provisioning | Reason::GroupDeleted | Reason::Administrator) => {
            Some(Value::from(reason.as_str_name()))
        }
    });
    let mut status = Attributes::default();
    status.boolean("blocked", Some(blocked));
    status.list("blockReasons", reasons.collect());
    status.text("language", Some(language).filter(|language| !language.is_empty()));
    if let Some(activation) = activation {
        let name = match activation.status() {
            Status::Unspecified => None,
            name @ (Status::NotActivated | Status::PendingActivation | Status::Activated) => {
                Some(name.as_str_name().to_owned())
            }
        };
        status.text("activationStatus", name);
        status.text("activationCodeExpires", time_text(activation.code_expire_time));
        status.text("activatedAt", time_text(activation.activate_time));
    }
    status
}

/// The message for a resource that a client sent or a PATCH made. What only the directory makes is left empty.
pub fn from_scim(resource: &Resource) -> v1::User {
    let user = &resource.attributes;
    let values = |name| elements(user, name).map(value_from_scim).collect();
    v1::User {
        user_name: text(user, "userName").unwrap_or_default(),
        external_id: text(user, "externalId"),
        name: object(user, "name").map(name_from_scim),
        display_name: text(user, "displayName"),
        nick_name: text(user, "nickName"),
        profile_url: text(user, "profileUrl"),
        title: text(user, "title"),
        user_type: text(user, "userType"),
        preferred_language: text(user, "preferredLanguage"),
        locale: text(user, "locale"),
        timezone: text(user, "timezone"),
        source_active: boolean(user, "active"),
        emails: values("emails"),
        phone_numbers: values("phoneNumbers"),
        ims: values("ims"),
        photos: values("photos"),
        addresses: elements(user, "addresses").map(address_from_scim).collect(),
        entitlements: values("entitlements"),
        roles: values("roles"),
        x509_certificates: values("x509Certificates"),
        enterprise: object(user, &ENTERPRISE_USER.id).map(enterprise_from_scim),
        id: String::new(),
        version: 0,
        create_time: None,
        update_time: None,
        blocked: false,
        blocks: Vec::new(),
        groups: Vec::new(),
        activation: None,
        language: String::new(),
        extensions: extension::from_scim(resource),
    }
}

fn name_from_scim(name: &Map<String, Value>) -> v1::Name {
    v1::Name {
        formatted: text(name, "formatted"),
        family_name: text(name, "familyName"),
        given_name: text(name, "givenName"),
        middle_name: text(name, "middleName"),
        honorific_prefix: text(name, "honorificPrefix"),
        honorific_suffix: text(name, "honorificSuffix"),
    }
}

fn address_from_scim(address: &Map<String, Value>) -> v1::Address {
    v1::Address {
        formatted: text(address, "formatted"),
        street_address: text(address, "streetAddress"),
        locality: text(address, "locality"),
        region: text(address, "region"),
        postal_code: text(address, "postalCode"),
        country: text(address, "country"),
        r#type: text(address, "type"),
        primary: boolean(address, "primary"),
    }
}

fn enterprise_from_scim(enterprise: &Map<String, Value>) -> v1::EnterpriseUser {
    let manager = object(enterprise, "manager").and_then(|manager| text(manager, "value"));
    let manager = manager.filter(|id| !id.is_empty());
    v1::EnterpriseUser {
        employee_number: text(enterprise, "employeeNumber"),
        cost_center: text(enterprise, "costCenter"),
        organization: text(enterprise, "organization"),
        division: text(enterprise, "division"),
        department: text(enterprise, "department"),
        manager: manager.map(|id| v1::Manager { id, display_name: None }),
    }
}

#[cfg(test)]
mod tests {
    use prost_types::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::scim::schema::{Attribute, Kind, ResourceTypes, USER};

    const ID: &str = "0193a1b2-0000-7000-8000-000000000001";
    const OTHER: &str = "0193a1b2-0000-7000-8000-000000000002";

    fn users() -> &'static Arc<ResourceType> {
        ResourceTypes::standard().get(ResourceKind::User)
    }

    fn base() -> BaseUrl {
        BaseUrl::public("https://scim.example.com")
    }

    /// A value for every attribute of a schema that a client may write.
    fn filled(attributes: &[Arc<Attribute>]) -> Map<String, Value> {
        let writable = attributes
            .iter()
            .filter(|attribute| attribute.mutability != Mutability::ReadOnly);
        writable
            .map(|attribute| (attribute.name.clone(), value_of(attribute)))
            .collect()
    }

    fn value_of(attribute: &Attribute) -> Value {
        let one = match attribute.kind {
            Kind::Boolean => json!(true),
            Kind::Complex if attribute.name == "manager" => {
                json!({"value": OTHER, "$ref": base().user(OTHER)})
            }
            Kind::Complex => Value::Object(filled(&attribute.sub_attributes)),
            _ => json!(format!("the {}", attribute.name)),
        };
        if attribute.multi_valued { json!([one]) } else { one }
    }

    fn full() -> Map<String, Value> {
        let mut user = filled(&USER.attributes);
        user.remove("password");
        user.insert("externalId".to_owned(), json!("the externalId"));
        user.insert(
            ENTERPRISE_USER.id.clone(),
            Value::Object(filled(&ENTERPRISE_USER.attributes)),
        );
        user
    }

    #[test]
    fn every_attribute_of_the_schemas_survives_the_way_to_the_directory_and_back() {
        let sent = Resource {
            resource_type: users().clone(),
            attributes: full(),
        };

        let mut stored = from_scim(&sent);
        stored.id = ID.to_owned();
        let mut seen = to_scim(stored, users(), ActiveView::SourceWord, &base()).attributes;

        for made in ["id", "meta", &STATUS.id] {
            assert!(seen.remove(made).is_some(), "{made}");
        }
        assert_eq!(Value::Object(seen), Value::Object(full()));
    }

    #[test]
    fn what_the_directory_makes_is_shown_to_each_caller_in_its_view() {
        let user = v1::User {
            id: ID.to_owned(),
            version: 7,
            create_time: Some(Timestamp {
                seconds: 0,
                nanos: 250_000_000,
            }),
            update_time: Some(Timestamp { seconds: 60, nanos: 0 }),
            user_name: "ada@example.com".to_owned(),
            source_active: Some(true),
            blocked: true,
            blocks: vec![v1::Block {
                reason: Reason::GroupDeleted.into(),
                ..v1::Block::default()
            }],
            enterprise: Some(v1::EnterpriseUser {
                manager: Some(v1::Manager {
                    id: OTHER.to_owned(),
                    display_name: Some("Boss".to_owned()),
                }),
                ..v1::EnterpriseUser::default()
            }),
            groups: vec![v1::UserGroup {
                id: OTHER.to_owned(),
                display_name: "Sales".to_owned(),
            }],
            activation: Some(v1::Activation {
                status: Status::Activated.into(),
                mail: v1::activation::Mail::Queued.into(),
                code_expire_time: Some(Timestamp { seconds: 120, nanos: 0 }),
                activate_time: Some(Timestamp { seconds: 90, nanos: 0 }),
            }),
            language: "fr-CH".to_owned(),
            ..v1::User::default()
        };

        let source = to_scim(user.clone(), users(), ActiveView::SourceWord, &base()).attributes;
        let reader = to_scim(user, users(), ActiveView::InEffect, &base()).attributes;

        assert_eq!(reader["active"], json!(false));
        assert_eq!(
            Value::Object(source),
            json!({
                "id": ID,
                "userName": "ada@example.com",
                "active": true,
                "groups": [{"value": OTHER, "display": "Sales", "type": "direct",
                            "$ref": format!("https://scim.example.com/scim/v2/Groups/{OTHER}")}],
                ENTERPRISE_USER.id.as_str(): {"manager": {"value": OTHER, "displayName": "Boss",
                                     "$ref": format!("https://scim.example.com/scim/v2/Users/{OTHER}")}},
                STATUS.id.as_str(): {"blocked": true, "blockReasons": ["GROUP_DELETED"], "language": "fr-CH",
                                     "activationStatus": "ACTIVATED", "activatedAt": "1970-01-01T00:01:30Z",
                                     "activationCodeExpires": "1970-01-01T00:02:00Z"},
                "meta": {"resourceType": "User", "created": "1970-01-01T00:00:00.25Z",
                         "lastModified": "1970-01-01T00:01:00Z", "version": "W/\"7\"",
                         "location": format!("https://scim.example.com/scim/v2/Users/{ID}")},
            })
        );
    }

    #[test]
    fn a_manager_with_an_empty_id_is_none() {
        for (id, expected) in [(OTHER, Some(OTHER)), ("", None)] {
            let body = json!({"userName": "ada", ENTERPRISE_USER.id.as_str(): {"manager": id}});

            let user = from_scim(&Resource::parse(users(), body).unwrap());

            let manager = user.enterprise.and_then(|work| work.manager);
            assert_eq!(manager.map(|manager| manager.id).as_deref(), expected);
        }
    }

    #[test]
    fn a_patch_masks_what_it_named_and_a_whole_swallows_its_parts() {
        let mask = |names: &[&str]| {
            let named = names.iter().map(|name| AttributePath::resolve(users(), name).unwrap());
            update_mask(&named.collect::<Vec<_>>()).paths
        };

        assert_eq!(
            mask(&[
                "active",
                "name.givenName",
                "emails.value",
                "manager.value",
                "department",
                "x509Certificates"
            ]),
            [
                "emails",
                "enterprise.department",
                "enterprise.manager",
                "name.given_name",
                "source_active",
                "x509_certificates"
            ]
        );
        assert_eq!(mask(&["name.givenName", "name"]), ["name"]);
        assert!(mask(&["password", "id", "groups", "blocked"]).is_empty());
    }

    #[test]
    fn a_put_masks_everything_but_an_absent_active() {
        let mask = |source_active| {
            let mut body = json!({"userName": "ada"});
            body["active"] = source_active;
            let wanted = Resource::parse(users(), body).unwrap();
            replacing(ID.to_owned(), &wanted, None).update_mask.unwrap().paths
        };

        assert!(!mask(Value::Null).contains(&"source_active".to_owned()));
        assert!(mask(json!(false)).contains(&"source_active".to_owned()));
        assert_eq!(mask(json!(true)).len(), 21);
    }

    #[test]
    fn a_put_keeps_what_younger_schemas_brought() {
        use crate::scim::schema::testing::{ACME, users as registered};
        let text = |text: &str| prost_types::Value {
            kind: Some(prost_types::value::Kind::StringValue(text.to_owned())),
        };
        let values = |name: &str| prost_types::Struct {
            fields: [(name.to_owned(), text("old"))].into(),
        };
        let mut ours = values("new");
        ours.fields.insert("costCode".to_owned(), text("old"));
        let stored = v1::User {
            id: "id".to_owned(),
            version: 7,
            extensions: [(ACME.to_owned(), ours), ("urn:new".to_owned(), values("x"))].into(),
            ..v1::User::default()
        };
        let wanted = Resource::parse(&registered(), json!({"userName": "ada", ACME: {"costCode": "2"}})).unwrap();

        let request = replacing_stored(stored, &wanted);

        let written = request.user.unwrap().extensions;
        assert_eq!(request.expected_version, Some(7));
        assert_eq!(written["urn:new"], values("x"));
        assert_eq!(written[ACME].fields["new"], text("old"));
        assert_ne!(written[ACME].fields["costCode"], text("old"));
    }
}
