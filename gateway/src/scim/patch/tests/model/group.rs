//! A group, whose PATCH is compiled to set operations without the group: the model has the group and does what is asked.

use std::cell::Cell;
use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

use crate::scim::error::ScimType;
use crate::scim::patch::tests::{groups, request};
use crate::scim::patch::{GroupPatch, Mode};
use crate::scim::testing::for_each_of;

const CASES: u32 = 8_192;
const IDS: [&str; 5] = ["a", "b", "c", "d", "e"];

#[derive(Debug, Clone, PartialEq)]
struct Group {
    name: String,
    external_id: Option<String>,
    members: BTreeSet<String>,
}

/// What an operation asks for.
#[derive(Debug, Clone)]
enum Asked {
    Name(&'static str),
    ExternalId(Option<&'static str>),
    Come(Vec<&'static str>),
    Leave(Vec<&'static str>),
    AllLeave,
    Nothing,
    Refused(ScimType),
}

#[test]
fn random_operations_on_a_group_come_down_to_what_the_model_does() {
    let group = (subsequence(&IDS[..], 0..=5), any::<bool>()).prop_map(|(ids, has_external_id)| Group {
        name: "Sales".to_owned(),
        external_id: has_external_id.then(|| "old".to_owned()),
        members: ids.into_iter().map(str::to_owned).collect(),
    });
    let (accepted, refused) = (Cell::new(0), Cell::new(0));
    for_each_of(
        CASES,
        &(group, vec(any_operation(), 1..7), any::<bool>()),
        |(group, operations, is_strict)| {
            let (sent, asked): (Vec<Value>, Vec<Vec<Asked>>) = operations.into_iter().unzip();
            let mode = if is_strict { Mode::Strict } else { Mode::Tolerant };

            let compiled = request(json!(sent)).compile_group(groups(), mode);

            match (compiled, patched(&group, &asked.concat())) {
                (Ok(compiled), Ok(expected)) => {
                    accepted.set(accepted.get() + 1);
                    prop_assert_eq!(applied(&compiled, group), expected, "{}", json!(sent));
                }
                (Err(refusal), Err(expected)) => {
                    refused.set(refused.get() + 1);
                    prop_assert_eq!(refusal.scim_type, Some(expected), "{}", json!(sent));
                }
                (compiled, expected) => {
                    prop_assert!(false, "{compiled:?}, not {expected:?}: {}", json!(sent));
                }
            }
            Ok(())
        },
    );
    let (accepted, refused) = (accepted.get(), refused.get());
    assert!(
        accepted > CASES / 2 && refused > CASES / 8,
        "{accepted} accepted, {refused} refused"
    );
}

fn patched(group: &Group, asked: &[Asked]) -> Result<Group, ScimType> {
    let mut group = group.clone();
    for asked in asked {
        match asked {
            Asked::Name(name) => group.name = (*name).to_owned(),
            Asked::ExternalId(id) => group.external_id = id.map(str::to_owned),
            Asked::Come(ids) => group.members.extend(ids.iter().map(|id| (*id).to_owned())),
            Asked::Leave(ids) => group.members.retain(|id| !ids.contains(&id.as_str())),
            Asked::AllLeave => group.members.clear(),
            Asked::Nothing => {}
            Asked::Refused(scim_type) => return Err(*scim_type),
        }
    }
    Ok(group)
}

/// What the directory does with a compiled PATCH.
fn applied(patch: &GroupPatch, mut group: Group) -> Group {
    if let Some(name) = &patch.display_name {
        group.name.clone_from(name);
    }
    if let Some(id) = &patch.external_id {
        group.external_id.clone_from(id);
    }
    if let Some(members) = &patch.members {
        assert!(members.add.is_sorted() && members.remove.is_sorted(), "{members:?}");
        assert!(!members.add.iter().any(|id| members.remove.contains(id)), "{members:?}");
        if members.remove_all {
            group.members.clear();
        }
        group.members.retain(|id| !members.remove.contains(id));
        group.members.extend(members.add.iter().cloned());
    }
    group
}

/// An operation as it is sent, and all that it asks for.
fn any_operation() -> BoxedStrategy<(Value, Vec<Asked>)> {
    let with_path = |op: &'static str, path: &'static str, value: Value, asked: Asked| {
        let operation = json!({"op": op, "path": path, "value": value});
        (operation, vec![asked])
    };
    let set = select(vec!["add", "Add", "replace", "Replace"]);
    let attribute =
        (set.clone(), any_attribute()).prop_map(move |(op, (name, value, asked))| with_path(op, name, value, asked));
    let keyed = (
        select(vec!["add", "Add"]),
        vec(prop_oneof![any_attribute(), any_added()], 1..4),
    )
        .prop_map(|(op, keys)| {
            let value: serde_json::Map<_, _> = keys
                .iter()
                .map(|(name, value, _)| ((*name).to_owned(), value.clone()))
                .collect();
            // Of a name that stands twice, the last is what is sent; the order is that of the names.
            let last = |name: &String| keys.iter().rev().find(|key| key.0 == name).expect("a key").2.clone();
            let asked = value.keys().map(last).collect();
            (json!({"op": op, "value": value}), asked)
        });
    let added = (select(vec!["add", "Add"]), any_added())
        .prop_map(move |(op, (name, value, asked))| with_path(op, name, value, asked));
    let replaced = (select(vec!["replace", "Replace"]), any_added()).prop_map(|(op, (name, value, asked))| {
        let asked = match asked {
            Asked::Nothing if value == json!([]) => vec![Asked::AllLeave],
            Asked::Come(ids) => vec![Asked::AllLeave, Asked::Come(ids)],
            other => vec![other],
        };
        (json!({"op": op, "path": name, "value": value}), asked)
    });
    let removed = (select(vec!["remove", "Remove"]), any_removal()).prop_map(|(op, (path, value, asked))| {
        let mut operation = json!({"op": op, "path": path});
        if let Some(value) = value {
            operation["value"] = value;
        }
        (operation, vec![asked])
    });
    prop_oneof![
        3 => attribute,
        2 => keyed,
        6 => added,
        2 => replaced,
        8 => removed,
        1 => any_refused().prop_map(|(operation, scim_type)| (operation, vec![Asked::Refused(scim_type)])),
    ]
    .boxed()
}

fn any_attribute() -> impl Strategy<Value = (&'static str, Value, Asked)> {
    select(vec![
        ("displayName", json!("Sales"), Asked::Name("Sales")),
        ("DISPLAYNAME", json!("Ops"), Asked::Name("Ops")),
        ("externalId", json!("new"), Asked::ExternalId(Some("new"))),
        ("externalId", json!(null), Asked::ExternalId(None)),
        (
            "urn:ietf:params:scim:schemas:core:2.0:Group:externalId",
            json!(""),
            Asked::ExternalId(None),
        ),
        ("urn:other:Group:x", json!(1), Asked::Nothing),
    ])
}

/// What an `add` of members asks for.
fn any_added() -> impl Strategy<Value = (&'static str, Value, Asked)> {
    let several = any_ids().prop_map(|ids| (members(&ids), Asked::Come(ids)));
    let one = select(IDS.to_vec()).prop_map(|id| (json!({"value": id, "type": "User"}), Asked::Come(vec![id])));
    let nobody = select(vec![json!([]), json!(null), json!("")]).prop_map(|value| (value, Asked::Nothing));
    let refused = select(vec![
        json!(["a"]),
        json!([{"value": "g", "type": "Group"}]),
        json!([{"$ref": "https://x"}]),
        json!([7]),
    ]);
    let refused = refused.prop_map(|value| (value, Asked::Refused(ScimType::InvalidValue)));
    prop_oneof![8 => several, 3 => one, 1 => nobody, 1 => refused].prop_map(|(value, asked)| ("members", value, asked))
}

/// Path, value, and what a `remove` asks for.
fn any_removal() -> impl Strategy<Value = (String, Option<Value>, Asked)> {
    let whole = || "members".to_owned();
    let listed = any_ids().prop_map(move |ids| (whole(), Some(members(&ids)), Asked::Leave(ids)));
    let bare = any_ids().prop_map(move |ids| (whole(), Some(json!(ids)), Asked::Leave(ids)));
    let filtered = (any_ids(), select(vec!["", ".value"]), any::<bool>()).prop_map(|(ids, part, is_typed)| {
        let filter: Vec<String> = ids.iter().map(|id| format!("value eq \"{id}\"")).collect();
        let filter = filter.join(" or ");
        let filter = if is_typed {
            format!("({filter}) and type eq \"user\"")
        } else {
            filter
        };
        (format!("members[{filter}]{part}"), None, Asked::Leave(ids))
    });
    let fixed = select(vec![
        ("members", None, Asked::AllLeave),
        ("members[type eq \"User\"]", None, Asked::AllLeave),
        ("members[type eq \"Group\"]", None, Asked::Nothing),
        ("members[value eq \"a\" and value eq \"b\"]", None, Asked::Nothing),
        ("members", Some(json!([])), Asked::Nothing),
        ("members", Some(json!(null)), Asked::Nothing),
        ("members", Some(json!([{"type": "User"}, {}, null])), Asked::Nothing),
        (
            "members",
            Some(json!([{"value": "a", "type": "Group"}])),
            Asked::Nothing,
        ),
        ("externalId", None, Asked::ExternalId(None)),
        ("EXTERNALID", Some(json!("another")), Asked::ExternalId(None)),
        ("urn:other:Group", None, Asked::Nothing),
    ])
    .prop_map(|(path, value, asked)| (path.to_owned(), value, asked));
    prop_oneof![3 => listed, 2 => bare, 4 => filtered, 2 => fixed]
}

fn any_refused() -> impl Strategy<Value = (Value, ScimType)> {
    use ScimType::{InvalidFilter, InvalidPath, InvalidValue, Mutability, NoTarget};
    select(vec![
        (json!({"op": "remove", "path": "displayName"}), Mutability),
        (
            json!({"op": "replace", "path": "displayName", "value": ""}),
            InvalidValue,
        ),
        (json!({"op": "add", "value": {"displayName": null}}), InvalidValue),
        (json!({"op": "add", "path": "displayName", "value": 7}), InvalidValue),
        (json!({"op": "add", "path": "displayName"}), InvalidValue),
        (json!({"op": "remove"}), NoTarget),
        (json!({"op": "replace", "path": "id", "value": "x"}), Mutability),
        (json!({"op": "replace", "path": "userName", "value": "x"}), InvalidPath),
        (json!({"op": "remove", "path": "members.value"}), InvalidPath),
        (
            json!({"op": "remove", "path": "members[value sw \"a\"]"}),
            InvalidFilter,
        ),
        (
            json!({"op": "remove", "path": "members[not (value eq \"a\")]"}),
            InvalidFilter,
        ),
        (
            json!({"op": "replace", "path": "members[value eq \"a\"].value", "value": "b"}),
            Mutability,
        ),
    ])
}

fn any_ids() -> impl Strategy<Value = Vec<&'static str>> {
    vec(select(IDS.to_vec()), 1..4)
}

fn members(ids: &[&str]) -> Value {
    ids.iter().map(|id| json!({"value": id, "$ref": null})).collect()
}
