use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::json;

use super::testing::{attribute, complex, exact, many, required, schema, schema_of, set, submitted, unique};
use super::*;
use crate::domain::Invalid;
use crate::domain::filter::{InvalidFilter, Literal, Operator};
use AttributeType as T;

const URN: &str = "urn:acme:User";

fn refusal(parts: Vec<AttributeParts>) -> String {
    let urn = SchemaUrn::parse("schema.id", URN).unwrap();
    SchemaDefinition::new(urn, ResourceType::User, "Acme", String::new(), parts)
        .unwrap_err()
        .to_string()
}

#[test]
fn a_schema_has_1_to_100_attributes_with_names_of_their_own() {
    let numbered = |count: usize| {
        (0..count)
            .map(|n| attribute(&format!("a{n}"), T::String))
            .collect::<Vec<_>>()
    };
    let count = "schema.attributes must be 1 to 100 attributes, sub-attributes counted";

    assert_eq!(refusal(Vec::new()), count);
    assert_eq!(refusal(numbered(101)), count);
    assert_eq!(refusal(vec![complex("c", numbered(100))]), count);
    assert_eq!(schema(URN, numbered(100)).attributes().len(), 100);
    schema(URN, vec![complex("c", numbered(99))]);

    for name in ["", &"x".repeat(65)] {
        let rule = "schema.attributes[0].name must have 1 to 64 characters";
        assert_eq!(refusal(vec![attribute(name, T::String)]), rule);
    }
    for name in ["1a", "-a", "a b", "a.b", "a:b", "ä", "a\0", "$ref"] {
        let rule = "schema.attributes[0].name must begin with a letter and may hold letters, digits, - and _ only";
        assert_eq!(refusal(vec![attribute(name, T::String)]), rule, "{name}");
    }
    assert_eq!(
        refusal(vec![attribute("badge", T::String), attribute("BADGE", T::Integer)]),
        "schema.attributes[1].name must be unique without regard to case"
    );
    assert_eq!(
        refusal(vec![complex(
            "c",
            vec![attribute("a", T::String), attribute("A", T::String)]
        )]),
        "schema.attributes[0].sub_attributes[1].name must be unique without regard to case"
    );
}

#[test]
fn sub_attributes_are_simple_single_valued_and_only_in_complex_ones() {
    let mut with_subs = attribute("a", T::String);
    with_subs.sub_attributes = vec![attribute("b", T::String)];
    let subs = "schema.attributes[0].sub_attributes must be 1 or more for COMPLEX, and none for every other type";
    assert_eq!(refusal(vec![with_subs]), subs);
    assert_eq!(refusal(vec![complex("a", Vec::new())]), subs);

    let inside = |part| refusal(vec![complex("a", vec![part])]);
    let place = "schema.attributes[0].sub_attributes[0]";
    let nested = complex("b", vec![attribute("c", T::String)]);
    assert_eq!(
        inside(nested),
        format!("{place}.type must not be COMPLEX in a sub-attribute")
    );
    assert_eq!(
        inside(many(attribute("b", T::String))),
        format!("{place}.multi_valued must be false in a sub-attribute")
    );
    assert_eq!(
        inside(unique(attribute("b", T::String))),
        format!("{place}.uniqueness must not be SERVER in a sub-attribute")
    );
}

#[test]
fn only_one_text_can_be_unique() {
    let rule = "schema.attributes[0].uniqueness can be SERVER for a single-valued STRING or REFERENCE only";
    for kind in [T::Boolean, T::Decimal, T::Integer, T::DateTime, T::Binary] {
        assert_eq!(refusal(vec![unique(attribute("a", kind))]), rule, "{kind:?}");
    }
    assert_eq!(refusal(vec![unique(many(attribute("a", T::String)))]), rule);
    schema(
        URN,
        vec![unique(attribute("a", T::String)), unique(attribute("b", T::Reference))],
    );
}

#[test]
fn texts_of_a_definition_are_bounded() {
    let with = |change: &dyn Fn(&mut AttributeParts)| {
        let mut parts = attribute("a", T::String);
        change(&mut parts);
        refusal(vec![parts])
    };
    assert_eq!(
        with(&|parts| parts.description = "x".repeat(1_025)),
        "schema.attributes[0].description must have at most 1,024 characters"
    );
    assert_eq!(
        with(&|parts| parts.description = "\0".to_owned()),
        "schema.attributes[0].description must not hold the character U+0000, which stands at position 1"
    );
    assert_eq!(
        with(&|parts| parts.canonical_values = vec!["x".to_owned(); 101]),
        "schema.attributes[0].canonical_values must be at most 100"
    );
    assert_eq!(
        with(&|parts| parts.canonical_values = vec!["x".repeat(1_025)]),
        "schema.attributes[0].canonical_values[0] must have 1 to 1,024 bytes"
    );
    assert_eq!(
        with(&|parts| parts.reference_types = vec!["User".to_owned()]),
        "schema.attributes[0].reference_types must be empty for every type but REFERENCE"
    );
    let mut large = vec![attribute("a", T::String), attribute("b", T::String)];
    for parts in &mut large {
        parts.canonical_values = vec!["x".repeat(1_000); 100];
    }
    assert_eq!(refusal(large), "schema must have at most 131,072 bytes as JSON");
}

/// One attribute of each type, two lists, and an object.
fn everything() -> SchemaSet {
    let kinds = [T::Boolean, T::Decimal, T::Integer, T::DateTime, T::Reference, T::Binary];
    let mut parts = vec![attribute("text", T::String), exact(attribute("exact", T::String))];
    parts.extend(kinds.map(|kind| attribute(&format!("{kind:?}"), kind)));
    parts.push(many(attribute("texts", T::String)));
    let subs = || {
        vec![
            required(attribute("value", T::String)),
            attribute("primary", T::Boolean),
        ]
    };
    parts.push(complex("object", subs()));
    parts.push(many(complex("objects", subs())));
    set(vec![
        schema(URN, parts),
        schema(
            "urn:acme:Strict",
            vec![required(attribute("must", T::String)), attribute("may", T::String)],
        ),
        schema_of(
            ResourceType::Group,
            "urn:acme:Group",
            vec![unique(attribute("code", T::String))],
        ),
    ])
}

fn check(values: serde_json::Value) -> Result<Checked, Invalid> {
    everything().check(ResourceType::User, &submitted(values), &Extensions::default())
}

fn wrong(name: &str, value: serde_json::Value) -> String {
    check(json!({ URN: { name: value } })).unwrap_err().to_string()
}

#[test]
fn a_value_that_is_not_of_its_type_is_refused_by_its_path() {
    for (name, wrongs, rule) in [
        (
            "text",
            vec![json!(1), json!(true), json!([]), json!({})],
            "must be text",
        ),
        ("Boolean", vec![json!("true"), json!(1)], "must be true or false"),
        ("Decimal", vec![json!("1.5"), json!(false)], "must be a number"),
        (
            "Integer",
            vec![json!(1.5), json!(9_007_199_254_740_992.0), json!("1")],
            "must be a whole number from -(2^53 - 1) to 2^53 - 1",
        ),
        (
            "DateTime",
            vec![json!("yesterday"), json!("2026-01-31"), json!(0)],
            "must be a time as text, such as 2026-01-31T12:00:00Z",
        ),
        ("Reference", vec![json!(1)], "must be text"),
        ("Binary", vec![json!("!"), json!(1)], "must be text in base64"),
        ("texts", vec![json!("a"), json!({})], "must be a list"),
        ("object", vec![json!("a"), json!([])], "must be an object"),
        ("objects", vec![json!(["a"])], "must be an object"),
    ] {
        for value in wrongs {
            assert_eq!(
                wrong(name, value.clone()),
                format!("extensions.{URN}:{name} {rule}"),
                "{value}"
            );
        }
    }
    assert_eq!(
        wrong("object", json!({"value": 1})),
        format!("extensions.{URN}:object.value must be text")
    );
    assert_eq!(
        wrong("text", json!("a\0")),
        format!("extensions.{URN}:text must not hold the character U+0000, which stands at position 2")
    );
    assert_eq!(
        wrong("text", json!("x".repeat(65_537))),
        format!("extensions.{URN}:text must have at most 65,536 bytes")
    );
}

#[test]
fn unknown_and_repeated_names_are_refused() {
    let unknown = "extensions names a schema that the tenant has not registered for this type of resource";
    for urn in ["urn:acme:Other", "urn:acme:Group", "", URN.trim_end_matches('r')] {
        assert_eq!(check(json!({ urn: {} })).unwrap_err().to_string(), unknown);
    }
    let place = format!("extensions.{URN}");
    assert_eq!(
        wrong("shoeSize", json!(null)),
        format!("{place} names an attribute that its schema does not define")
    );
    assert_eq!(
        wrong("object", json!({"shoeSize": 1})),
        format!("{place}:object names an attribute that its schema does not define")
    );
    assert_eq!(
        check(json!({ URN: {"text": "a", "TEXT": null} }))
            .unwrap_err()
            .to_string(),
        format!("{place} names an attribute twice")
    );
    assert_eq!(
        check(json!({ URN: {}, "URN:ACME:USER": {} })).unwrap_err().to_string(),
        format!("{place} is named twice")
    );
}

#[test]
fn null_and_empty_objects_and_lists_are_unassigned() {
    let empty = json!({
        URN: { "text": null, "texts": [], "object": {}, "objects": [null, {}, {"value": null}] },
        "urn:acme:Strict": {},
    });

    assert_eq!(check(empty).unwrap(), Checked::default());
    assert!(
        !check(json!({ URN: {"text": ""} })).unwrap().values.is_empty(),
        "an empty text is a value"
    );
}

#[test]
fn what_is_required_is_required_beside_other_values_only() {
    let strict = |values: serde_json::Value| check(json!({ "urn:acme:Strict": values }));
    let missing = "extensions.urn:acme:Strict:must is required";

    assert_eq!(strict(json!({})).unwrap(), Checked::default());
    assert_eq!(strict(json!({"may": "a"})).unwrap_err().to_string(), missing);
    assert_eq!(
        strict(json!({"may": "a", "must": null})).unwrap_err().to_string(),
        missing
    );
    assert!(strict(json!({"must": "a"})).is_ok());
    assert_eq!(
        wrong("objects", json!([{"primary": true}])),
        format!("extensions.{URN}:objects.value is required")
    );
}

#[test]
fn a_write_may_take_nothing_required_away_and_need_not_bring_what_was_missing() {
    let subs = |value: AttributeParts| vec![value, attribute("note", T::String)];
    let definition = |must: AttributeParts, value: fn() -> AttributeParts| {
        let (one, list) = (complex("one", subs(value())), many(complex("list", subs(value()))));
        set(vec![schema(URN, vec![must, attribute("may", T::String), one, list])])
    };
    let value = || attribute("value", T::String);
    let lax = definition(attribute("must", T::String), value);
    let strict = definition(required(attribute("must", T::String)), || {
        required(attribute("value", T::String))
    });
    let before = |values: serde_json::Value| {
        let checked = lax.check(ResourceType::User, &submitted(values), &Extensions::default());
        checked.unwrap().values
    };
    let outcome = |had: &Extensions, values: serde_json::Value| {
        let checked = strict.check(ResourceType::User, &submitted(json!({ URN: values })), had);
        checked.map(drop).map_err(|invalid| invalid.to_string())
    };
    let missing = |path: &str| Err(format!("extensions.{URN}:{path} is required"));

    let lacking = before(
        json!({ URN: {"may": "a", "one": {"note": "a"}, "list": [{"note": "a"}, {"value": "b", "note": "b"}]} }),
    );
    for fine in [
        json!({"may": "a", "one": {"note": "a"}, "list": [{"note": "a"}]}),
        json!({"may": "b", "one": {"note": "b"}, "list": [{"value": "c"}, {"note": "a"}]}),
        json!({"may": "b"}),
        json!({"one": {"note": "a"}}),
        json!({"must": "b", "one": {"value": "b"}}),
        json!({}),
    ] {
        assert_eq!(outcome(&lacking, fine.clone()), Ok(()), "{fine}");
    }
    assert_eq!(
        outcome(&lacking, json!({"list": [{"note": "a"}, {"note": "b"}]})),
        missing("list.value"),
        "another element"
    );

    let complete = before(json!({ URN: {"must": "a", "may": "a", "one": {"value": "a", "note": "a"}} }));
    assert_eq!(outcome(&complete, json!({"may": "b"})), missing("must"));
    let one = json!({"must": "a", "one": {"note": "a"}});
    assert_eq!(outcome(&complete, one), missing("one.value"));
    let elsewhere = Extensions::default();
    assert_eq!(outcome(&elsewhere, json!({"may": "b"})), missing("must"));
    let first = json!({"must": "a", "one": {"note": "a"}});
    assert_eq!(outcome(&elsewhere, first), missing("one.value"));
}

#[test]
fn what_is_required_and_read_only_is_not_asked_for() {
    let read_only = |name: &str| AttributeParts {
        mutability: Mutability::ReadOnly,
        ..required(attribute(name, T::String))
    };
    let object = complex("object", vec![read_only("checked"), attribute("note", T::String)]);
    let schemas = set(vec![schema(
        URN,
        vec![read_only("number"), attribute("may", T::String), object],
    )]);
    let values = submitted(json!({ URN: {"may": "a", "object": {"note": "b"}} }));

    let checked = schemas.check(ResourceType::User, &values, &Extensions::default());

    assert!(checked.is_ok(), "{checked:?}");
}

#[test]
fn values_stand_under_the_registered_names_and_keep_their_spelling() {
    let checked = check(json!({ "URN:acme:user": { "TEXT": "Ä", "OBJECT": {"VALUE": "b"}, "integer": 5.0 } })).unwrap();

    assert_eq!(
        serde_json::to_value(&checked.values).unwrap(),
        json!({ URN: { "text": "Ä", "object": {"value": "b"}, "Integer": 5.0 } })
    );
}

#[test]
fn keys_are_texts_and_those_of_the_preferred_element_come_first() {
    let objects = json!([{"value": "B"}, {"value": "A"}, {"value": "C", "primary": true}]);
    let checked =
        check(json!({ URN: { "text": "Ä", "exact": "Ä", "texts": ["B", "a"], "objects": objects } })).unwrap();

    assert_eq!(
        serde_json::Value::Object(checked.keys),
        json!({
            "urn:acme:user:text": "a\u{308}",
            "urn:acme:user:exact": "Ä",
            "urn:acme:user:texts[]": [{"value": "b"}, {"value": "a"}],
            "urn:acme:user:objects[]": [{"value": "c", "primary": "true"}, {"value": "b"}, {"value": "a"}],
        })
    );
}

#[test]
fn a_multi_valued_attribute_and_the_whole_are_bounded() {
    let many = |count: usize| json!({ URN: { "texts": vec!["x"; count] } });
    assert!(check(many(10_000)).is_ok());
    assert_eq!(
        check(many(10_001)).unwrap_err().to_string(),
        format!("extensions.{URN}:texts must have at most 10,000 elements")
    );
    let large = json!({ URN: { "texts": vec!["x".repeat(60_000); 18] } });
    assert_eq!(
        check(large).unwrap_err().to_string(),
        "extensions must have at most 1,048,576 bytes as JSON, numbers written without an exponent"
    );
    let numbers = |number: f64| {
        let parts = (0..30).map(|n| AttributeParts {
            multi_valued: true,
            ..attribute(&format!("n{n}"), T::Decimal)
        });
        let numbers = (0..30).map(|n| (format!("n{n}"), json!(vec![number; 8_000])));
        let values = submitted(json!({ URN: numbers.collect::<serde_json::Map<_, _>>() }));
        let schemas = set(vec![schema(URN, parts.collect())]);
        let checked = schemas.check(ResourceType::User, &values, &Extensions::default());
        checked.unwrap_err().to_string()
    };
    assert_eq!(
        numbers(1e300),
        "extensions must have at most 1,048,576 bytes as JSON, numbers written without an exponent"
    );
    assert_eq!(
        numbers(0.0),
        "extensions hold too many values: what filters find them by must have at most 4,194,304 bytes"
    );
}

#[test]
fn debug_shows_no_value_and_no_key() {
    let checked = check(json!({ URN: {"text": "PERSONAL", "exact": "PERSONAL", "objects": [{"value": "PERSONAL"}]} }));

    let debug = format!("{:?}", checked.unwrap());

    assert!(debug.starts_with("Checked"), "{debug}");
    assert!(!debug.to_lowercase().contains("personal"), "{debug}");
}

#[test]
fn each_attribute_and_sub_attribute_with_a_value_is_used() {
    let objects = json!([{"value": "a"}, {"value": "b", "primary": true}]);
    let values = json!({"TEXT": "a", "exact": null, "texts": ["a", "b"], "Objects": objects, "object": {"value": "c"}});

    let used = check(json!({ "URN:ACME:USER": values })).unwrap().used;

    assert!(used.values().all(Option::is_none));
    let names = [
        "object",
        "object.value",
        "objects",
        "objects.primary",
        "objects.value",
        "text",
        "texts",
    ];
    assert_eq!(
        used.into_keys().collect::<Vec<_>>(),
        names.map(|name| format!("{}:{name}", SchemaUrn::key_of(URN)))
    );
}

#[test]
fn a_unique_value_fits_into_an_index() {
    let group = |code: &str| {
        let values = submitted(json!({ "urn:acme:Group": {"code": code} }));
        everything().check(ResourceType::Group, &values, &Extensions::default())
    };

    let expected = UniqueValue {
        value: "a1".to_owned(),
        path: "urn:acme:Group:code".to_owned(),
    };
    let used = BTreeMap::from([("urn:acme:group:code".to_owned(), Some(expected))]);
    assert_eq!(group("A1").unwrap().used, used);
    assert_eq!(
        group(&"x".repeat(1_025)).unwrap_err().to_string(),
        "extensions.urn:acme:Group:code must have at most 1,024 bytes when folded"
    );
}

#[test]
fn values_survive_being_written_as_json() {
    let checked = check(json!({ URN: {
        "text": "a", "Boolean": false, "Decimal": 1e17, "Integer": -3, "DateTime": "2026-01-31T12:00:00+01:00",
        "Reference": "https://x", "Binary": "QQ==", "texts": ["a", "b"], "objects": [{"value": "c", "primary": true}]
    } }))
    .unwrap();

    let mut json = serde_json::to_value(&checked.values).unwrap();
    assert_eq!(
        serde_json::from_value::<Extensions>(json.clone()).unwrap(),
        checked.values
    );

    // jsonb writes numbers in its own way.
    json[URN]["Decimal"] = json!(100_000_000_000_000_000_u64);
    json[URN]["Integer"] = json!(-3);
    assert_eq!(serde_json::from_value::<Extensions>(json).unwrap(), checked.values);
    let mut shown = String::new();
    write!(shown, "{:?}", checked.values).unwrap();
    assert!(!shown.contains("https://x"), "{shown}");
}

#[test]
fn a_path_names_an_attribute_in_any_case_and_nothing_else() {
    let schemas = everything();
    let user = ResourceType::User;
    let equal = |path: &str, literal: Literal| schemas.comparison(user, path, Operator::Equal, literal);
    let text = || Literal::Text("a".to_owned());

    for path in ["urn:acme:User:text", "URN:ACME:USER:TEXT", "urn:acme:User:object.VALUE"] {
        assert!(equal(path, text()).unwrap().is_some(), "{path}");
    }
    for path in [
        "urn:acme:User",
        "urn:acme:User:",
        "urn:acme:User:shoe",
        "urn:acme:Usertext",
        "urn:acme:User:text.value",
        "urn:acme:User:object",
        "urn:acme:User:texts",
        "urn:acme:User:objects.value",
        "urn:acme:Group:code",
        "urn:",
        "text",
    ] {
        assert_eq!(equal(path, text()).unwrap(), None, "{path}");
    }
    for (path, count) in [
        ("urn:acme:User", 12),
        ("urn:acme:User:object", 2),
        ("urn:acme:User:texts", 1),
    ] {
        assert_eq!(schemas.presence(user, path).map(|any| any.len()), Some(count), "{path}");
    }
    assert_eq!(schemas.presence(user, "urn:acme:User:objects.value"), None);
    for (path, ordered) in [
        ("urn:acme:User:text", true),
        ("urn:acme:User:object", false),
        ("urn:acme:User:object.value", true),
        ("urn:acme:User:texts", true),
        ("urn:acme:User:objects", true),
        ("urn:acme:User:objects.primary", true),
        ("urn:acme:User", false),
    ] {
        assert_eq!(schemas.order(user, path).is_some(), ordered, "{path}");
    }
}

#[test]
fn operators_and_literals_must_fit_the_type() {
    let schemas = everything();
    let test = |name: &str, operator, literal| {
        schemas
            .comparison(ResourceType::User, &format!("{URN}:{name}"), operator, literal)
            .map(|question| question.is_some())
    };
    let text = || Literal::Text("a".to_owned());
    use Operator as O;
    let within = [O::Contains, O::StartsWith, O::EndsWith];
    let ordered = [O::Greater, O::GreaterOrEqual, O::Less, O::LessOrEqual];

    for operator in [O::Equal, O::NotEqual].into_iter().chain(within).chain(ordered) {
        assert_eq!(test("text", operator, text()), Ok(true));
        assert_eq!(test("Reference", operator, text()), Ok(true));
        let is_within = within.contains(&operator);
        let is_ordered = ordered.contains(&operator);
        let unless = |refused: bool| {
            if refused {
                Err(InvalidFilter::Operator)
            } else {
                Ok(true)
            }
        };
        assert_eq!(test("Binary", operator, text()), unless(is_ordered));
        assert_eq!(
            test("Boolean", operator, Literal::Boolean(true)),
            unless(is_within || is_ordered)
        );
        assert_eq!(test("Integer", operator, Literal::Integer(1)), unless(is_within));
        assert_eq!(test("Decimal", operator, Literal::Integer(1)), unless(is_within));
        assert_eq!(test("DateTime", operator, Literal::Time(0)), unless(is_within));
    }
    for (name, literal) in [
        ("text", Literal::Integer(1)),
        ("Boolean", text()),
        ("Integer", text()),
        ("Decimal", Literal::Boolean(true)),
        ("DateTime", text()),
    ] {
        assert_eq!(test(name, O::Equal, literal), Err(InvalidFilter::LiteralType), "{name}");
    }
    assert_eq!(
        test("text", O::Equal, Literal::Text("\0".to_owned())),
        Err(InvalidFilter::Nul)
    );
}

#[test]
fn a_change_loses_values_where_they_would_not_read_compare_or_be_found_as_before() {
    let base = || {
        vec![
            attribute("text", T::String),
            unique(attribute("code", T::String)),
            many(complex(
                "list",
                vec![attribute("value", T::String), attribute("note", T::String)],
            )),
        ]
    };
    let before = schema(URN, base());
    let lost = |urn: &str, change: &dyn Fn(&mut Vec<AttributeParts>)| {
        let mut parts = base();
        change(&mut parts);
        let next = schema(urn, parts);
        let lost = before.lost_in(&next);
        lost.iter()
            .map(|(attribute, sub)| before.path(attribute, *sub))
            .collect::<Vec<_>>()
    };
    let path = |name: &str| vec![format!("{URN}:{name}")];

    assert_eq!(lost(URN, &|_| {}), Vec::<String>::new());
    assert_eq!(lost(URN, &|parts| parts[0].required = true), Vec::<String>::new());
    assert_eq!(
        lost(URN, &|parts| parts.push(attribute("new", T::String))),
        Vec::<String>::new()
    );
    assert_eq!(
        lost(URN, &|parts| parts[1].uniqueness = Uniqueness::None),
        Vec::<String>::new()
    );
    assert_eq!(lost(URN, &|parts| parts.reverse()), Vec::<String>::new());
    assert_eq!(
        lost(URN, &|parts| {
            parts.remove(0);
        }),
        path("text")
    );
    assert_eq!(lost(URN, &|parts| parts[0].name = "TEXT".to_owned()), path("text"));
    assert_eq!(lost(URN, &|parts| parts[0].kind = T::Reference), path("text"));
    assert_eq!(lost(URN, &|parts| parts[0].multi_valued = true), path("text"));
    assert_eq!(lost(URN, &|parts| parts[0].case_exact = true), path("text"));
    assert_eq!(
        lost(URN, &|parts| parts[0].uniqueness = Uniqueness::Server),
        path("text")
    );
    assert_eq!(
        lost(URN, &|parts| {
            parts[2].sub_attributes.remove(1);
        }),
        path("list.note")
    );
    assert_eq!(
        lost("urn:ACME:User", &|_| {}).len(),
        3,
        "values stand under the URN as it was registered"
    );
}
