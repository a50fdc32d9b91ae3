//! Random users, and random operations on them.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use serde_json::{Map, Value, json};

use super::super::{ENT, STATUS};
use super::attributes::{ATTRIBUTES, Access, Attribute, CORE, Kind, Part, Shape, attributes_of};
use super::operation::{Content, Operation, Target, Test, Verb};
use crate::scim::schema::testing::ACME;

/// A user as it is stored: whole values, one primary value of a list at most, and costCode in most extensions that need it.
pub fn any_user() -> impl Strategy<Value = Value> {
    let values: Vec<_> = ATTRIBUTES
        .iter()
        .filter(|attribute| !["schemas", "password", "meta", "id"].contains(&attribute.name))
        .map(|attribute| {
            let probability = if attribute.required || attribute.is_list() {
                0.8
            } else {
                0.5
            };
            option::weighted(probability, any_stored(attribute)).prop_map(move |value| (attribute, value))
        })
        .collect();
    (values, any::<bool>()).prop_map(|(values, is_extended)| {
        let mut user = json!({"id": "1", "userName": "ada", "meta": {"resourceType": "User"}});
        for (attribute, value) in values {
            let Some(value) = value else { continue };
            match attribute.schema {
                CORE => user[attribute.name] = value,
                ACME if !is_extended => {}
                schema => user[schema][attribute.name] = value,
            }
        }
        user
    })
}

fn any_stored(attribute: &'static Attribute) -> BoxedStrategy<Value> {
    match attribute.shape {
        Shape::Simple(kind) => any_simple(kind, attribute.name),
        Shape::SimpleList(kind) => vec(any_simple(kind, attribute.name), 1..4)
            .prop_map(Value::from)
            .boxed(),
        Shape::Complex(parts) if attribute.is_manager() => (any_parts(parts, 1), any_simple(Kind::Text, "value"))
            .prop_map(|(mut manager, id)| {
                manager["value"] = id;
                manager
            })
            .boxed(),
        Shape::Complex(parts) => any_parts(parts, 1).boxed(),
        Shape::ComplexList(parts) => vec(any_parts(parts, 1), 1..4)
            .prop_map(|mut list| {
                let primary = list.iter_mut().filter(|element| element["primary"] == true);
                primary.skip(1).for_each(|element| element["primary"] = json!(false));
                Value::from(list)
            })
            .boxed(),
    }
}

/// Some of the parts, often those that most elements have, so that there are equal ones.
fn some_of(parts: &'static [Part], at_least: usize) -> impl Strategy<Value = Vec<Part>> {
    let usual = parts
        .iter()
        .filter(|part| ["value", "locality", "type", "checked"].contains(&part.name));
    let usual: Vec<Part> = usual.copied().collect();
    let some = subsequence(parts, at_least..=parts.len());
    if usual.is_empty() {
        some.boxed()
    } else {
        prop_oneof![some, Just(usual)].boxed()
    }
}

/// Some of the parts, each with a value.
fn any_parts(parts: &'static [Part], at_least: usize) -> impl Strategy<Value = Value> {
    some_of(parts, at_least).prop_flat_map(|parts| {
        let values: Vec<_> = parts.iter().map(|part| any_simple(part.kind, part.name)).collect();
        let names: Vec<_> = parts.iter().map(|part| part.name.to_owned()).collect();
        values.prop_map(move |values| Value::Object(names.iter().cloned().zip(values).collect()))
    })
}

/// A value as it is stored. There are few, so that they meet again.
fn any_simple(kind: Kind, name: &str) -> BoxedStrategy<Value> {
    let texts: &[&str] = match name {
        "type" => &["work", "home", "Work"],
        "display" | "displayName" => &["A", "\u{416}"],
        "costCode" | "badge" | "asset" => &["7", "b1", "B1"],
        _ => &["a@work", "A@Work", "b@home", "\u{436} x"],
    };
    match kind {
        Kind::Text | Kind::ExactText => select(texts.to_vec()).prop_map(Value::from).boxed(),
        Kind::Flag => any::<bool>().prop_map(Value::from).boxed(),
        Kind::Whole => (1_i64..4).prop_map(Value::from).boxed(),
        Kind::Decimal => select(vec![1.5, 2.0, -0.25]).prop_map(Value::from).boxed(),
        Kind::Time => select(vec![
            "2026-01-31T12:00:00Z",
            "2026-01-31T13:00:00+01:00",
            "2027-01-01T00:00:00.5Z",
        ])
        .prop_map(Value::from)
        .boxed(),
    }
}

/// As Entra sends it: booleans and numbers as text, too.
fn any_sent_simple(kind: Kind, name: &str) -> BoxedStrategy<Value> {
    let stored = any_simple(kind, name);
    let other = match kind {
        Kind::Flag => select(vec![json!("True"), json!("False"), json!("true")]).boxed(),
        Kind::Whole => select(vec![json!("2"), json!(3.0), json!("1.0")]).boxed(),
        Kind::Decimal => select(vec![json!(2), json!("1.5"), json!("-25e-2")]).boxed(),
        Kind::Text | Kind::ExactText | Kind::Time => any_simple(kind, name),
    };
    let cleared = select(vec![json!(null), json!("")]);
    prop_oneof![16 => stored, 4 => other, 1 => cleared].boxed()
}

fn any_sent_parts(parts: &'static [Part]) -> BoxedStrategy<Value> {
    let extra = select(vec![
        ("shoeSize", json!(43)),
        ("$ref", json!("https://x/1")),
        ("Unknown", json!([])),
    ]);
    let sent = some_of(parts, 0).prop_flat_map(|parts| {
        let values: Vec<_> = parts.iter().map(|part| any_sent_simple(part.kind, part.name)).collect();
        let names: Vec<_> = parts.iter().map(|part| any_case(part.name)).collect();
        (names, values).prop_map(|(names, values)| names.into_iter().zip(values).collect::<Map<_, _>>())
    });
    (sent, option::weighted(0.2, extra))
        .prop_map(|(mut sent, extra)| {
            if let Some((name, value)) = extra {
                sent.entry(name).or_insert(value);
            }
            Value::Object(sent)
        })
        .boxed()
}

fn any_sent(attribute: &'static Attribute, part: Option<Part>, has_filter: bool) -> BoxedStrategy<Value> {
    let fitting = match (part, attribute.shape) {
        (Some(part), _) => any_sent_simple(part.kind, part.name),
        (None, Shape::Simple(kind)) => any_sent_simple(kind, attribute.name),
        (None, Shape::SimpleList(kind)) => {
            let one = any_sent_simple(kind, attribute.name);
            prop_oneof![2 => one.clone(), 3 => vec(one, 0..3).prop_map(Value::from)].boxed()
        }
        (None, Shape::Complex(parts)) if attribute.is_manager() => {
            let object = any_sent_parts(parts);
            let id = select(vec![json!("a@work"), json!("b@home")]);
            prop_oneof![2 => id.clone(), 2 => object.clone(), 1 => object.prop_map(|one| json!([one])), 1 => id.prop_map(|id| json!([id]))]
                .boxed()
        }
        (None, Shape::Complex(parts)) => any_sent_parts(parts),
        (None, Shape::ComplexList(parts)) => {
            let one = any_sent_parts(parts);
            let several = if has_filter { 1..2 } else { 0..4 };
            let role = select(vec![
                json!("User"),
                json!("{\"id\":\"1\",\"value\":\"a@work\",\"displayName\":\"A\"}"),
                json!({"value": "{\"value\":\"b@home\",\"primary\":\"True\"}", "type": "work"}),
                json!("[{\"value\":\"x y\"}]"),
                json!("7"),
            ]);
            let role = if attribute.name == "roles" {
                role.boxed()
            } else {
                one.clone()
            };
            let item = prop_oneof![5 => one.clone(), 1 => role.clone(), 1 => Just(json!(null))];
            prop_oneof![2 => one, 1 => role, 3 => vec(item, several).prop_map(Value::from)].boxed()
        }
    };
    let awkward = select(vec![
        json!(null),
        json!(""),
        json!([]),
        json!({}),
        json!(7),
        json!(true),
        json!("x"),
        json!(1.5),
        json!(["x"]),
        json!([7]),
        json!([[]]),
        json!({"value": 7}),
        json!([{"value": true}]),
        json!("a\0b"),
        json!([null]),
        json!("yes"),
        json!(9_007_199_254_740_992_i64),
    ]);
    prop_oneof![24 => fitting, 1 => awkward].boxed()
}

/// What a removal sends along: often what is there.
fn any_old(attribute: &'static Attribute, part: Option<Part>) -> BoxedStrategy<Content> {
    let sent = any_sent(attribute, part, false).prop_map(Content::Value);
    let ids = vec(any_simple(Kind::Text, "value"), 1..3).prop_map(|ids| Content::Value(Value::from(ids)));
    let ids = if attribute.is_list() && part.is_none() {
        ids.boxed()
    } else {
        Just(Content::Absent).boxed()
    };
    prop_oneof![6 => Just(Content::Absent), 3 => sent, 1 => ids].boxed()
}

fn any_test(attribute: &'static Attribute) -> BoxedStrategy<Test> {
    let parts: Vec<Part> = attribute
        .parts()
        .into_iter()
        .filter(|part| part.name != "$ref")
        .collect();
    let equal = select(parts.clone())
        .prop_flat_map(|part| any_simple(part.kind, part.name).prop_map(move |value| Test::Compare(part, "eq", value)));
    let other = select(parts).prop_flat_map(|part| {
        let ops = match part.kind {
            Kind::Flag => vec!["eq", "ne"],
            Kind::Text => vec!["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"],
            // Of these, one is a binary, which has no order.
            Kind::ExactText => vec!["eq", "ne", "co", "sw", "ew"],
            Kind::Whole | Kind::Decimal | Kind::Time => vec!["eq", "ne", "gt", "ge", "lt", "le"],
        };
        let compare = (select(ops), any_simple(part.kind, part.name));
        let compare = compare.prop_map(move |(op, value)| Test::Compare(part, op, value));
        prop_oneof![3 => compare, 1 => Just(Test::Present(part))]
    });
    let equals = vec(equal.clone(), 2..3).prop_map(Test::And);
    let any = prop_oneof![equal.clone(), other].prop_recursive(2, 6, 2, |inner| {
        prop_oneof![
            vec(inner.clone(), 2..3).prop_map(Test::And),
            vec(inner.clone(), 2..3).prop_map(Test::Or),
            inner.prop_map(|test| Test::Not(Box::new(test))),
        ]
    });
    prop_oneof![4 => equal, 2 => equals, 3 => any].boxed()
}

fn any_case(name: &str) -> BoxedStrategy<String> {
    prop_oneof![
        6 => Just(name.to_owned()),
        1 => Just(name.to_uppercase()),
        1 => Just(name.to_lowercase()),
    ]
    .boxed()
}

/// Some attribute; those that only the server writes more rarely.
fn any_attribute() -> impl Strategy<Value = &'static Attribute> {
    let weighted = ATTRIBUTES.iter().flat_map(|attribute| {
        let weight = match (attribute.access, attribute.shape) {
            (Access::ReadOnly, _) => 1,
            (_, Shape::ComplexList(_) | Shape::SimpleList(_)) => 10,
            (_, Shape::Complex(_)) => 8,
            (_, Shape::Simple(_)) => 4,
        };
        std::iter::repeat_n(attribute, weight)
    });
    select(weighted.collect::<Vec<_>>())
}

/// A path to the attribute, and what it names.
fn any_path_to(attribute: &'static Attribute) -> impl Strategy<Value = (String, Target)> {
    let parts = attribute.parts();
    let filter = match (attribute.name, attribute.is_list()) {
        _ if parts.is_empty() => Just(None).boxed(),
        ("schemas", _) => Just(None).boxed(),
        (_, is_list) => option::weighted(if is_list { 0.5 } else { 0.2 }, any_test(attribute)).boxed(),
    };
    let part = match parts.is_empty() {
        true => Just(None).boxed(),
        false => option::weighted(0.5, select(parts)).boxed(),
    };
    let qualified = match attribute.schema {
        CORE => prop_oneof![5 => Just(String::new()), 1 => Just(format!("{CORE}:"))].boxed(),
        schema => prop_oneof![
            3 => Just(format!("{schema}:")),
            2 => Just(String::new()),
            1 => Just(format!("{schema}.")),
        ]
        .boxed(),
    };
    (qualified, any_case(attribute.name), filter, part).prop_map(move |(urn, name, filter, part)| {
        let test = filter
            .as_ref()
            .map(|test| format!("[{}]", test.to_text()))
            .unwrap_or_default();
        let sub = part.map(|part| format!(".{}", part.name)).unwrap_or_default();
        let target = Target::Attribute {
            attribute,
            filter,
            part,
        };
        (format!("{urn}{name}{test}{sub}"), target)
    })
}

fn any_stray() -> impl Strategy<Value = (String, Target)> {
    let of = |target: Target, paths: &[&str]| {
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        select(paths).prop_map(move |path| (path, target.clone()))
    };
    prop_oneof![
        of(
            Target::Unknown,
            &[
                "shoeSize",
                "name.shoeSize",
                "emails[type eq \"work\"].shoeSize",
                "a b",
                "userName[value eq \"x\"]",
                "urn:ietf:params:scim:schemas:core:2.0:User:shoeSize",
                "emails.value[type eq \"work\"]",
                "emails[type eq \"work\"]x"
            ]
        ),
        of(
            Target::BadFilter,
            &[
                "emails[type eq]",
                "emails[shoe eq \"x\"].value",
                "emails[type eq \"x\"",
                "emails[]",
                "emails[primary gt true]"
            ]
        ),
        of(
            Target::Unregistered,
            &["urn:other:User:x", "urn:other:User", "http://x/y", "urn:x:y[z"]
        ),
    ]
}

fn any_content(verb: Verb, target: &Target) -> BoxedStrategy<Content> {
    match target {
        Target::Attribute { attribute, part, .. } if verb == Verb::Remove => any_old(attribute, *part),
        Target::Attribute {
            attribute,
            filter,
            part,
        } => {
            let sent = any_sent(attribute, *part, filter.is_some()).prop_map(Content::Value);
            prop_oneof![60 => sent, 1 => Just(Content::Absent)].boxed()
        }
        Target::Schema(schema) => {
            let whole = select(vec![
                Content::Absent,
                Content::Value(json!(null)),
                Content::Value(json!("x")),
                Content::Value(json!([])),
            ]);
            let attributes: Vec<_> = attributes_of(schema).collect();
            let key = select(attributes).prop_flat_map(move |attribute| {
                let target = Target::Attribute {
                    attribute,
                    filter: None,
                    part: None,
                };
                let content = any_content(Verb::Replace, &target);
                (any_case(attribute.name), Just(target), content)
            });
            let ignored = Just((
                "schemas".to_owned(),
                Target::Unregistered,
                Content::Value(json!(["urn:x"])),
            ));
            let unknown = Just(("shoeSize".to_owned(), Target::Unknown, Content::Value(json!(43))));
            let key = prop_oneof![20 => key, 1 => ignored, 1 => unknown];
            prop_oneof![1 => whole, 5 => vec(key, 0..4).prop_map(keys)].boxed()
        }
        Target::Unregistered | Target::Unknown | Target::BadFilter => select(vec![
            Content::Absent,
            Content::Value(json!("x")),
            Content::Value(json!({"x": 1})),
        ])
        .boxed(),
    }
}

/// Each key once, also in another case: of two that name the same, either might come last.
fn keys(keys: Vec<(String, Target, Content)>) -> Content {
    let mut unique = BTreeMap::new();
    for (name, target, content) in keys {
        if !unique.keys().any(|other: &String| other.eq_ignore_ascii_case(&name)) && !matches!(content, Content::Absent)
        {
            unique.insert(name, (target, content));
        }
    }
    Content::Keys(unique)
}

fn any_path() -> BoxedStrategy<(String, Target)> {
    let schema = select(vec![CORE, ENT, ENT, STATUS, ACME, ACME]);
    let schema = schema.prop_flat_map(|schema| (any_case(schema), Just(Target::Schema(schema))));
    let attribute = any_attribute().prop_flat_map(any_path_to);
    prop_oneof![60 => attribute, 3 => schema, 2 => any_stray()].boxed()
}

fn any_operation() -> BoxedStrategy<Operation> {
    let verb = prop_oneof![4 => Just(Verb::Add), 4 => Just(Verb::Replace), 3 => Just(Verb::Remove)];
    let with_path = (verb.clone(), any_path()).prop_flat_map(|(verb, (path, target))| {
        let content = any_content(verb, &target);
        (Just(verb), Just(Some((path, target))), content)
    });
    let without =
        prop_oneof![8 => Just(Verb::Add), 8 => Just(Verb::Replace), 1 => Just(Verb::Remove)].prop_flat_map(|verb| {
            let key = any_path().prop_flat_map(|(path, target)| {
                let content = any_content(Verb::Replace, &target);
                (Just(path), Just(target), content)
            });
            let odd = select(vec![
                Content::Absent,
                Content::Value(json!("x")),
                Content::Value(json!([])),
                Content::Value(json!(null)),
            ]);
            let content = prop_oneof![12 => vec(key, 0..4).prop_map(keys), 1 => odd];
            (Just(verb), Just(None), content)
        });
    let spelled = any::<Index>();
    (prop_oneof![4 => with_path, 1 => without], spelled)
        .prop_map(|((verb, path, content), spelled)| {
            let op = match verb {
                Verb::Add => spelled.get(&["add", "Add", "ADD"]),
                Verb::Replace => spelled.get(&["replace", "Replace", "REPLACE"]),
                Verb::Remove => spelled.get(&["remove", "Remove", "REMOVE"]),
            };
            Operation {
                verb,
                op: (*op).to_owned(),
                path,
                content,
            }
        })
        .boxed()
}

pub fn any_operations() -> impl Strategy<Value = Vec<Operation>> {
    vec(any_operation(), 1..5)
}
