//! What PATCH bodies come down to on a group.

use serde_json::{Value, json};

use super::{groups, request};
use crate::scim::error::{ScimError, ScimType};
use crate::scim::patch::{GroupPatch, MembersPatch, Mode};
use crate::scim::resource::Resource;

fn compiled(operations: Value) -> Result<GroupPatch, ScimError> {
    request(operations).compile_group(groups(), Mode::Tolerant)
}

fn members(remove_all: bool, remove: &[&str], add: &[&str]) -> Option<MembersPatch> {
    let owned = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
    Some(MembersPatch {
        remove_all,
        remove: owned(remove),
        add: owned(add),
    })
}

#[test]
fn a_group_patch_comes_down_to_set_operations_on_members() {
    for (operations, expected) in [
        (
            json!([{"op": "Add", "path": "members", "value": [{"$ref": null, "value": "a"}]}]),
            members(false, &[], &["a"]),
        ),
        (
            json!([{"op": "add", "path": "members", "value": {"value": "a", "type": "User"}}]),
            members(false, &[], &["a"]),
        ),
        (
            json!([{"op": "add", "value": {"members": [{"value": "b"}, {"value": "a"}, {"value": "b"}]}}]),
            members(false, &[], &["a", "b"]),
        ),
        (
            json!([{"op": "Remove", "path": "members", "value": [{"$ref": null, "value": "a"}]}]),
            members(false, &["a"], &[]),
        ),
        (
            json!([{"op": "Remove", "path": "members", "value": ["a", {"value": "b"}]}]),
            members(false, &["a", "b"], &[]),
        ),
        (
            json!([{"op": "remove", "path": "members[value eq \"a\"]"}]),
            members(false, &["a"], &[]),
        ),
        (
            json!([{"op": "remove", "path": "members[value eq \"a\"].value"}]),
            members(false, &["a"], &[]),
        ),
        (
            json!([{"op": "remove", "path": "members[value eq \"a\" or value eq \"b\"]"}]),
            members(false, &["a", "b"], &[]),
        ),
        (
            json!([{"op": "remove", "path": "members[value eq \"a\" and type eq \"User\"]"}]),
            members(false, &["a"], &[]),
        ),
        (
            json!([{"op": "remove", "path": "members[type eq \"User\"]"}]),
            members(true, &[], &[]),
        ),
        (
            json!([{"op": "remove", "path": "members[type eq \"Group\"]"}]),
            members(false, &[], &[]),
        ),
        (json!([{"op": "remove", "path": "members"}]), members(true, &[], &[])),
        (json!([{"op": "remove", "path": "members", "value": []}]), None),
        (json!([{"op": "remove", "path": "members", "value": null}]), None),
        (json!([{"op": "add", "path": "members", "value": []}]), None),
        (json!([{"op": "add", "path": "members", "value": null}]), None),
        (
            json!([{"op": "replace", "path": "members", "value": []}]),
            members(true, &[], &[]),
        ),
        (
            json!([{"op": "replace", "path": "members", "value": [{"value": "a"}]}]),
            members(true, &[], &["a"]),
        ),
        (
            json!([
                {"op": "Add", "path": "members", "value": [{"value": "a"}, {"value": "b"}]},
                {"op": "Remove", "path": "members", "value": [{"value": "b"}, {"value": "c"}]},
                {"op": "Remove", "path": "members", "value": [{"value": "d"}]},
                {"op": "Add", "path": "members", "value": [{"value": "d"}]},
            ]),
            members(false, &["b", "c"], &["a", "d"]),
        ),
        (
            json!([
                {"op": "remove", "path": "members[value eq \"x\"]"},
                {"op": "remove", "path": "members"},
                {"op": "add", "path": "members", "value": [{"value": "a"}, {"value": "b"}]},
                {"op": "remove", "path": "members[value eq \"b\"]"},
            ]),
            members(true, &[], &["a"]),
        ),
    ] {
        assert_eq!(compiled(operations.clone()).unwrap().members, expected, "{operations}");
    }
}

/// What grew with the square of the number of members would not end here.
#[test]
fn only_an_empty_list_and_a_removal_without_a_value_empty_a_group() {
    for value in [json!(null), json!("")] {
        for operation in [
            json!({"op": "replace", "path": "members", "value": value}),
            json!({"op": "replace", "value": {"members": value}}),
            json!({"op": "remove", "path": "members", "value": value}),
        ] {
            let members = compiled(json!([operation])).unwrap().members;
            assert_eq!(members, None, "{operation}");
        }
    }
    for operation in [
        json!({"op": "replace", "path": "members", "value": []}),
        json!({"op": "remove", "path": "members"}),
    ] {
        let emptied = compiled(json!([operation])).unwrap().members;
        assert_eq!(emptied, members(true, &[], &[]), "{operation}");
    }
    for nobody in [
        json!([{"type": "User"}]),
        json!([{"value": null, "type": "User"}]),
        json!([{"value": "", "$ref": null, "type": "User"}]),
        json!([{"display": "Ada"}]),
        json!([{}]),
    ] {
        let removal = json!([{"op": "Remove", "path": "members", "value": nobody}]);
        assert_eq!(compiled(removal).unwrap().members, None, "{nobody}");
    }
    let by_a_part = compiled(json!([{"op": "remove", "path": "members.value"}])).unwrap_err();
    assert_eq!(by_a_part.scim_type, Some(ScimType::InvalidPath));
}

#[test]
fn a_group_patch_may_name_a_hundred_thousand_members() {
    let ids: Vec<String> = (0..100_000).map(|number| format!("{number:06}")).collect();
    let named: Vec<Value> = ids.iter().map(|id| json!({"value": id})).collect();

    let removed = compiled(json!([{"op": "Remove", "path": "members", "value": named}])).unwrap();

    assert_eq!(removed.members.unwrap().remove, ids);
}

#[test]
fn a_group_patch_renames_too() {
    assert_eq!(
        compiled(json!([
            {"op": "Replace", "value": {"DisplayName": "Sales", "id": "9"}},
            {"op": "Replace", "path": "externalId", "value": "e"},
        ])),
        Ok(GroupPatch {
            display_name: Some("Sales".into()),
            external_id: Some(Some("e".into())),
            members: None,
            extensions: None,
        })
    );
    for operations in [
        json!([{"op": "remove", "path": "externalId"}]),
        json!([{"op": "replace", "path": "externalId", "value": ""}]),
        json!([{"op": "remove", "path": "externalId", "value": "old"}]),
    ] {
        let expected = GroupPatch {
            external_id: Some(None),
            ..GroupPatch::default()
        };
        assert_eq!(compiled(operations), Ok(expected));
    }
    assert_eq!(
        compiled(json!([{"op": "add", "path": "urn:x:y:z", "value": "x"}])),
        Ok(GroupPatch::default())
    );
}

#[test]
fn what_a_group_cannot_do_is_refused() {
    use ScimType as T;
    for (operations, scim_type) in [
        (json!([{"op": "remove", "path": "displayName"}]), T::Mutability),
        (
            json!([{"op": "replace", "path": "displayName", "value": ""}]),
            T::InvalidValue,
        ),
        (
            json!([{"op": "replace", "value": {"displayName": null}}]),
            T::InvalidValue,
        ),
        (
            json!([{"op": "add", "path": "members", "value": [{"value": "g", "type": "Group"}]}]),
            T::InvalidValue,
        ),
        (
            json!([{"op": "add", "path": "members", "value": [{"$ref": "https://x"}]}]),
            T::InvalidValue,
        ),
        (
            json!([{"op": "add", "path": "members", "value": [{"value": ""}]}]),
            T::InvalidValue,
        ),
        (
            json!([{"op": "add", "path": "members", "value": ["a"]}]),
            T::InvalidValue,
        ),
        (
            json!([{"op": "remove", "path": "members[value sw \"a\"]"}]),
            T::InvalidFilter,
        ),
        (
            json!([{"op": "remove", "path": "members[not (value eq \"a\")]"}]),
            T::InvalidFilter,
        ),
        (
            json!([{"op": "remove", "path": "members[display eq \"a\"]"}]),
            T::InvalidFilter,
        ),
        (
            json!([{"op": "replace", "path": "members[value eq \"a\"].value", "value": "b"}]),
            T::Mutability,
        ),
        (
            json!([{"op": "replace", "path": "members[value eq \"a\"]", "value": {"value": "b"}}]),
            T::Mutability,
        ),
        (json!([{"op": "replace", "path": "id", "value": "b"}]), T::Mutability),
        (
            json!([{"op": "replace", "path": "userName", "value": "b"}]),
            T::InvalidPath,
        ),
    ] {
        let error = compiled(operations.clone()).expect_err(&operations.to_string());
        assert_eq!(
            (error.status, error.scim_type),
            (400, Some(scim_type)),
            "{operations}: {error}"
        );
    }
    let nested = compiled(json!([{"op": "add", "path": "members", "value": [{"value": "g1", "type": "group"}]}]));
    assert!(nested.unwrap_err().detail.contains("g1"));
}

#[test]
fn a_group_can_be_patched_in_memory_as_well() {
    let Value::Object(attributes) = json!({"displayName": "G", "members": [{"value": "a"}, {"value": "b"}]}) else {
        unreachable!()
    };
    let group = Resource {
        resource_type: groups().clone(),
        attributes,
    };
    let operations = json!([
        {"op": "Remove", "path": "members", "value": [{"value": "a"}]},
        {"op": "Add", "path": "members", "value": [{"value": "c"}, {"value": "b"}]},
    ]);
    let patched = request(operations).apply(group.clone(), Mode::Tolerant).unwrap();
    assert_eq!(
        Value::Object(patched.resource.attributes),
        json!({"displayName": "G", "members": [{"value": "b"}, {"value": "c"}]})
    );
    let change = json!([{"op": "replace", "path": "members[value eq \"a\"].value", "value": "z"}]);
    assert_eq!(
        request(change).apply(group, Mode::Tolerant).unwrap_err().scim_type,
        Some(ScimType::Mutability)
    );
}
