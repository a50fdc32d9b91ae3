//! Groups: SCIM resource and `directory.v1.Group`. Members travel apart: as deltas to the directory, as pages from it.

use std::sync::Arc;

use directory_proto::v1;
use prost_types::FieldMask;
use serde_json::Value;

use super::extension::{self, has_registered, keep_unknown};
use super::link::BaseUrl;
use super::{Attributes, elements, meta, resource, text};
use crate::scim::error::ScimError;
use crate::scim::patch::{ExtensionsPatch, GroupPatch};
use crate::scim::resource::Resource;
use crate::scim::schema::{ResourceKind, ResourceType};

/// The resource without its members.
pub fn to_scim(group: v1::Group, resource_type: &Arc<ResourceType>, base: &BaseUrl) -> Resource {
    let v1::Group {
        id,
        version,
        create_time,
        update_time,
        display_name,
        external_id,
        extensions,
    } = group;
    let meta = meta(ResourceKind::Group, base.group(&id), version, create_time, update_time);
    let mut group = Attributes::default();
    group.text("id", Some(id));
    group.0.insert("meta".to_owned(), meta);
    group.text("displayName", Some(display_name));
    group.text("externalId", external_id);
    extension::to_scim(&mut group, &extensions, resource_type);
    resource(resource_type, group)
}

/// A piece of a group: nothing but some of its members.
pub fn members_to_scim(members: Vec<v1::Member>, resource_type: &Arc<ResourceType>, base: &BaseUrl) -> Resource {
    let mut group = Attributes::default();
    let member = |v1::Member { user_id }| {
        let mut member = Attributes::default();
        member.text("$ref", Some(base.user(&user_id)));
        member.text("value", Some(user_id));
        member.text("type", Some("User".to_owned()));
        Value::Object(member.0)
    };
    group.list("members", members.into_iter().map(member).collect());
    resource(resource_type, group)
}

/// The message for a resource that a client sent, and the ids of its members: parsing saw to it that each has one.
pub fn from_scim(resource: &Resource) -> (v1::Group, Vec<String>) {
    let group = &resource.attributes;
    let members = elements(group, "members").filter_map(|member| text(member, "value"));
    let message = v1::Group {
        display_name: text(group, "displayName").unwrap_or_default(),
        external_id: text(group, "externalId"),
        id: String::new(),
        version: 0,
        create_time: None,
        update_time: None,
        extensions: extension::from_scim(resource),
    };
    (message, members.collect())
}

/// What a PUT writes: every attribute and the whole list of members.
pub fn replacing(id: String, wanted: &Resource, expected_version: Option<i64>) -> v1::UpdateGroupRequest {
    let (group, members) = from_scim(wanted);
    let extensions = has_registered(&wanted.resource_type).then_some(extension::FIELD);
    let paths = ["display_name", "external_id"].into_iter().chain(extensions);
    v1::UpdateGroupRequest {
        group: Some(v1::Group { id, ..group }),
        update_mask: Some(FieldMask {
            paths: paths.map(str::to_owned).collect(),
        }),
        members: Some(v1::MembersChange {
            remove_all: true,
            remove: Vec::new(),
            add: members,
        }),
        expected_version,
    }
}

/// What a PUT writes where something that is stored stays: `wanted` has it already, except what nobody here knows.
pub fn replacing_stored(stored: v1::Group, wanted: &Resource) -> v1::UpdateGroupRequest {
    let mut request = replacing(stored.id, wanted, Some(stored.version));
    if let Some(group) = &mut request.group {
        keep_unknown(&mut group.extensions, stored.extensions, &wanted.resource_type);
    }
    request
}

/// What a PATCH writes that is not about extensions.
pub fn patching(id: String, patch: GroupPatch, expected_version: Option<i64>) -> v1::UpdateGroupRequest {
    let GroupPatch {
        display_name,
        external_id,
        members,
        extensions: _,
    } = patch;
    let display_name_path = display_name.is_some().then_some("display_name");
    let external_id_path = external_id.is_some().then_some("external_id");
    let paths = display_name_path
        .into_iter()
        .chain(external_id_path)
        .map(str::to_owned)
        .collect();
    let group = v1::Group {
        id,
        display_name: display_name.unwrap_or_default(),
        external_id: external_id.flatten(),
        ..v1::Group::default()
    };
    let members = members.map(|members| v1::MembersChange {
        remove_all: members.remove_all,
        remove: members.remove,
        add: members.add,
    });
    v1::UpdateGroupRequest {
        group: Some(group),
        update_mask: Some(FieldMask { paths }),
        members,
        expected_version,
    }
}

/// What a PATCH writes that is about extensions, too: the group was read for that, and is written in that version.
///
/// # Errors
/// As [`ExtensionsPatch::apply`].
pub fn patching_stored(
    stored: v1::Group,
    patch: GroupPatch,
    extensions: &ExtensionsPatch,
    resource_type: &Arc<ResourceType>,
) -> Result<v1::UpdateGroupRequest, ScimError> {
    let mut before = Attributes::default();
    extension::to_scim(&mut before, &stored.extensions, resource_type);
    let patched = extensions.apply(resource(resource_type, before))?;
    let mut extensions = extension::from_scim(&patched);
    keep_unknown(&mut extensions, stored.extensions, resource_type);
    let mut request = patching(stored.id, patch, Some(stored.version));
    if let Some(group) = &mut request.group {
        group.extensions = extensions;
    }
    if let Some(mask) = &mut request.update_mask {
        mask.paths.push(extension::FIELD.to_owned());
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::scim::patch::MembersPatch;
    use crate::scim::schema::ResourceTypes;

    fn groups() -> &'static Arc<ResourceType> {
        ResourceTypes::standard().get(ResourceKind::Group)
    }

    fn group(value: Value) -> Resource {
        let Value::Object(attributes) = value else {
            unreachable!()
        };
        Resource {
            resource_type: groups().clone(),
            attributes,
        }
    }

    #[test]
    fn a_group_goes_to_the_directory_with_its_members_apart() {
        let sent = group(json!({"displayName": "Sales", "externalId": "x",
                                "members": [{"value": "a"}, {"value": "b", "type": "User"}]}));

        let (message, members) = from_scim(&sent);

        assert_eq!(
            (message.display_name.as_str(), message.external_id.as_deref()),
            ("Sales", Some("x"))
        );
        assert_eq!(members, ["a", "b"]);
    }

    #[test]
    fn members_come_back_with_reference_and_type() {
        let base = BaseUrl::public("https://h");
        let members = members_to_scim(
            vec![v1::Member {
                user_id: "a".to_owned(),
            }],
            groups(),
            &base,
        );
        assert_eq!(
            members.attributes["members"],
            json!([{"value": "a", "$ref": "https://h/scim/v2/Users/a", "type": "User"}])
        );
    }

    #[test]
    fn a_patch_masks_only_what_it_sets() {
        let patch = GroupPatch {
            display_name: None,
            external_id: Some(None),
            members: Some(MembersPatch {
                remove_all: false,
                remove: vec!["a".to_owned()],
                add: vec![],
            }),
            extensions: None,
        };

        let request = patching("id".to_owned(), patch, Some(3));

        assert_eq!(request.update_mask.unwrap().paths, ["external_id"]);
        assert_eq!(request.group.unwrap().external_id, None);
        assert_eq!(request.members.unwrap().remove, ["a"]);
        assert_eq!(request.expected_version, Some(3));
    }

    #[test]
    fn a_put_keeps_what_younger_schemas_brought() {
        use crate::scim::schema::testing::{ACME_GROUP, groups as registered};
        let text = |text: &str| prost_types::Value {
            kind: Some(prost_types::value::Kind::StringValue(text.to_owned())),
        };
        let values = |name: &str| prost_types::Struct {
            fields: [(name.to_owned(), text("old"))].into(),
        };
        let mut ours = values("new");
        ours.fields.insert("purpose".to_owned(), text("old"));
        let stored = v1::Group {
            id: "id".to_owned(),
            version: 7,
            extensions: [(ACME_GROUP.to_owned(), ours), ("urn:new".to_owned(), values("x"))].into(),
            ..v1::Group::default()
        };
        let wanted = Resource::parse(&registered(), json!({"displayName": "G", ACME_GROUP: {"purpose": "p"}})).unwrap();

        let request = replacing_stored(stored, &wanted);

        let written = request.group.unwrap().extensions;
        assert_eq!(request.expected_version, Some(7));
        assert_eq!(written["urn:new"], values("x"));
        assert_eq!(written[ACME_GROUP].fields["new"], text("old"));
        assert_ne!(written[ACME_GROUP].fields["purpose"], text("old"));
    }
}
