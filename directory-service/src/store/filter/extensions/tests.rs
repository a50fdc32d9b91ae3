use serde_json::{Value, json};

use crate::clock::ManualClock;
use crate::directory::Directory;
use crate::domain::actor::Actor;
use crate::domain::extension::testing::{attribute, complex, exact, many, schema, schema_of, set, submitted};
use crate::domain::extension::{
    AttributeParts, AttributeType as T, ElementTest, ExtensionQuestion, ResourceType, SchemaDefinition, SchemaSet,
};
use crate::domain::filter::{
    Filter, GroupElement, GroupFilter, GroupOrderKey, Literal, Operator, Order, UserElement, UserFilter, UserOrderKey,
};
use crate::domain::fold;
use crate::domain::group::NewGroup;
use crate::domain::membership::MembersChange;
use crate::domain::number::Number;
use crate::domain::page::PageRequest;
use crate::domain::user::NewUser;
use crate::store::testing::{T0, TestDb, WITHOUT_GROUPS, on_every_database, user_named};

use Operator as O;

const URN: &str = "urn:ietf:params:scim:schemas:extension:Acme:2.0:User";

on_every_database! {
    every_operator_means_the_same_for_every_type_wherever_the_value_stands
    an_element_match_is_about_one_element
    a_presence_is_that_of_any_value_within
    an_order_goes_by_the_preferred_element_and_pages_through_all
    groups_are_filtered_and_ordered_too
    what_another_tenant_means_by_a_name_does_not_disturb
}

/// What a value compares by, without a database.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
enum Known {
    Text(String),
    Rank(i64),
}

fn holds(value: &Known, operator: Operator, literal: &Known) -> bool {
    let texts = |test: fn(&str, &str) -> bool| match (value, literal) {
        (Known::Text(value), Known::Text(literal)) => test(value, literal),
        _ => false,
    };
    match operator {
        O::Equal => value == literal,
        O::NotEqual => value != literal,
        O::Contains => texts(|value, literal| value.contains(literal)),
        O::StartsWith => texts(|value, literal| value.starts_with(literal)),
        O::EndsWith => texts(|value, literal| value.ends_with(literal)),
        O::Greater => value > literal,
        O::GreaterOrEqual => value >= literal,
        O::Less => value < literal,
        O::LessOrEqual => value <= literal,
    }
}

const ALL: [Operator; 9] = [
    O::Equal,
    O::NotEqual,
    O::Contains,
    O::StartsWith,
    O::EndsWith,
    O::Greater,
    O::GreaterOrEqual,
    O::Less,
    O::LessOrEqual,
];
const ORDERED: [Operator; 6] = [
    O::Equal,
    O::NotEqual,
    O::Greater,
    O::GreaterOrEqual,
    O::Less,
    O::LessOrEqual,
];
const EQUALITY: [Operator; 2] = [O::Equal, O::NotEqual];

const TEXTS: [&str; 16] = [
    "",
    "a",
    "A",
    "ab",
    "aB%",
    "a_b",
    "\\",
    "%",
    "_",
    "'",
    "\"",
    "Ä",
    "ärger",
    "ß",
    "\u{10ffff}",
    "日本",
];

/// A type: its name in the schema, its values with their meaning as literals, and its operators.
struct Kind {
    name: &'static str,
    parts: AttributeParts,
    values: Vec<(Value, Literal, Known)>,
    operators: Vec<Operator>,
}

fn kinds() -> Vec<Kind> {
    let texts = |folded: bool| -> Vec<_> {
        let known = |text: &str| if folded { fold(text) } else { text.to_owned() };
        TEXTS
            .iter()
            .map(|text| (json!(text), Literal::Text((*text).to_owned()), Known::Text(known(text))))
            .collect()
    };
    let numbers = |numbers: &[f64]| -> Vec<_> {
        let literal = |number: f64| Literal::Decimal(Number::new(number).unwrap());
        let ranked = numbers.iter().enumerate();
        ranked
            .map(|(rank, number)| (json!(number), literal(*number), Known::Rank(rank as i64)))
            .collect()
    };
    let times = [
        ("0001-01-01T00:00:00Z", 0),
        ("2026-01-01T00:00:00+01:00", 1),
        ("2025-12-31T23:00:00Z", 1),
        ("2025-12-31T23:00:00.000000001Z", 2),
        ("2026-01-01T00:00:00", 3),
        ("9999-12-31T23:59:59Z", 4),
    ];
    let nanos = |text: &str| crate::domain::extension::testing::instant(text);
    let times = times.map(|(text, rank)| (json!(text), Literal::Time(nanos(text)), Known::Rank(rank)));
    let booleans = [false, true].map(|truth| (json!(truth), Literal::Boolean(truth), Known::Rank(i64::from(truth))));
    let bytes = ["QQ==", "qq==", "", "-_"];
    let bytes = bytes.map(|text| {
        (
            json!(text),
            Literal::Text(text.to_owned()),
            Known::Text(text.to_owned()),
        )
    });
    let kind = |name, parts, values: Vec<_>, operators: &[Operator]| Kind {
        name,
        parts,
        values,
        operators: operators.to_vec(),
    };
    let large = 9_007_199_254_740_991.0;
    vec![
        kind("text", attribute("text", T::String), texts(true), &ALL),
        kind("exact", exact(attribute("exact", T::String)), texts(false), &ALL),
        kind("reference", attribute("reference", T::Reference), texts(false), &ALL),
        kind(
            "boolean",
            attribute("boolean", T::Boolean),
            booleans.to_vec(),
            &EQUALITY,
        ),
        kind(
            "integer",
            attribute("integer", T::Integer),
            numbers(&[-large, -1.0, 0.0, 2.0, 10.0, large]),
            &ORDERED,
        ),
        kind(
            "decimal",
            attribute("decimal", T::Decimal),
            numbers(&[-1e300, -2.5, -1e-300, 0.0, 5e-324, 0.1, 2.0, 10.5, 1e17, 1e300]),
            &ORDERED,
        ),
        kind("time", attribute("time", T::DateTime), times.to_vec(), &ORDERED),
        kind(
            "binary",
            attribute("binary", T::Binary),
            bytes.to_vec(),
            &[O::Equal, O::NotEqual, O::Contains],
        ),
    ]
}

async fn register(directory: &Directory, actor: &Actor, definitions: Vec<SchemaDefinition>) -> SchemaSet {
    for definition in &definitions {
        directory.register_extension_schema(actor, definition).await.unwrap();
    }
    set(definitions)
}

async fn create(directory: &Directory, actor: &Actor, name: &str, values: Value) {
    let new = NewUser {
        extensions: submitted(json!({ URN: values })),
        ..user_named(name)
    };
    directory.create_user(actor, &new).await.unwrap();
}

async fn names(directory: &Directory, actor: &Actor, filter: &UserFilter) -> Vec<String> {
    let request = PageRequest::first(1_000);
    let page = directory
        .list_users(actor.tenant, Some(filter), Order::default(), &request, WITHOUT_GROUPS)
        .await
        .unwrap();
    page.items
        .iter()
        .map(|user| user.user_name.as_str().to_owned())
        .collect()
}

fn about(question: ExtensionQuestion) -> UserFilter {
    Filter::Element(UserElement::Extension(question))
}

fn not<A, E>(filter: Filter<A, E>) -> Filter<A, E> {
    Filter::Not(Box::new(filter))
}

fn compare(schemas: &SchemaSet, path: &str, operator: Operator, literal: Literal) -> UserFilter {
    let path = format!("{URN}:{path}");
    let question = schemas
        .comparison(ResourceType::User, &path, operator, literal)
        .unwrap();
    about(question.expect("a single-valued attribute"))
}

type Inner = Filter<std::convert::Infallible, ElementTest>;

fn sub(schemas: &SchemaSet, list: &str, name: &str, operator: Operator, literal: Literal) -> Inner {
    let elements = schemas.elements(ResourceType::User, &format!("{URN}:{list}")).unwrap();
    Filter::Element(elements.comparison(name, operator, literal).unwrap().unwrap())
}

fn any_of(schemas: &SchemaSet, list: &str, filter: Inner) -> UserFilter {
    about(
        schemas
            .elements(ResourceType::User, &format!("{URN}:{list}"))
            .unwrap()
            .matching(filter),
    )
}

/// Alone, as a sub-attribute, as an element, as a sub-attribute of an element.
async fn every_operator_means_the_same_for_every_type_wherever_the_value_stands(db: TestDb) {
    let actor = db.tenant("acme").await;
    let directory = db.directory(&ManualClock::at(T0));
    for kind in kinds() {
        let renamed = |name: &str| AttributeParts {
            name: name.to_owned(),
            ..kind.parts.clone()
        };
        let parts = vec![
            renamed("alone"),
            complex("object", vec![renamed("within")]),
            many(renamed("elements")),
            many(complex("objects", vec![renamed("within")])),
        ];
        let schemas = register(&directory, &actor, vec![schema(URN, parts)]).await;
        for (index, (value, ..)) in kind.values.iter().enumerate() {
            let values = json!({
                "alone": value, "object": {"within": value}, "elements": [value], "objects": [{"within": value}]
            });
            create(&directory, &actor, &format!("{}-{index}", kind.name), values).await;
        }
        create(&directory, &actor, &format!("{}-without", kind.name), json!({})).await;
        for operator in &kind.operators {
            for (_, literal, known) in &kind.values {
                for negated in [false, true] {
                    check_everywhere(&directory, &actor, &schemas, &kind, *operator, literal, known, negated).await;
                }
            }
        }
        let request = PageRequest::first(1_000);
        let users = directory
            .list_users(actor.tenant, None, Order::default(), &request, WITHOUT_GROUPS)
            .await
            .unwrap();
        for user in users.items {
            directory.delete_user(&actor, user.id, None).await.unwrap();
        }
        directory.delete_extension_schema(&actor, URN).await.unwrap();
    }
}

#[allow(clippy::too_many_arguments, reason = "one line of a table")]
async fn check_everywhere(
    directory: &Directory,
    actor: &Actor,
    schemas: &SchemaSet,
    kind: &Kind,
    operator: Operator,
    literal: &Literal,
    known: &Known,
    negated: bool,
) {
    let selected: Vec<_> = kind
        .values
        .iter()
        .enumerate()
        .filter(|(_, (_, _, value))| holds(value, operator, known) != negated)
        .map(|(index, _)| format!("{}-{index}", kind.name))
        .collect();
    let mut single = selected.clone();
    if (operator == O::NotEqual) != negated {
        single.push(format!("{}-without", kind.name));
    }
    let context = |place: &str| format!("{} {place} {operator:?} {known:?} negated {negated}", kind.name);
    for path in ["alone", "object.within"] {
        let filter = compare(schemas, path, operator, literal.clone());
        let filter = if negated { not(filter) } else { filter };
        assert_eq!(names(directory, actor, &filter).await, single, "{}", context(path));
    }
    for (list, name) in [("elements", "value"), ("objects", "within")] {
        let inner = sub(schemas, list, name, operator, literal.clone());
        let filter = any_of(schemas, list, if negated { not(inner) } else { inner });
        assert_eq!(names(directory, actor, &filter).await, selected, "{}", context(list));
    }
}

fn text(text: &str) -> Literal {
    Literal::Text(text.to_owned())
}

fn projects() -> Vec<AttributeParts> {
    let subs = vec![
        attribute("value", T::String),
        attribute("role", T::String),
        attribute("primary", T::Boolean),
    ];
    vec![
        many(complex("projects", subs)),
        many(attribute("tags", T::String)),
        complex(
            "office",
            vec![attribute("floor", T::Integer), attribute("room", T::String)],
        ),
        attribute("grade", T::Decimal),
    ]
}

async fn an_element_match_is_about_one_element(db: TestDb) {
    let actor = db.tenant("acme").await;
    let directory = db.directory(&ManualClock::at(T0));
    let schemas = register(&directory, &actor, vec![schema(URN, projects())]).await;
    let project = |value: &str, role: &str| json!({"value": value, "role": role});
    create(&directory, &actor, "one", json!({"projects": [project("A", "lead")]})).await;
    create(
        &directory,
        &actor,
        "mix",
        json!({"projects": [project("A", "tester"), project("B", "lead")]}),
    )
    .await;
    create(&directory, &actor, "half", json!({"projects": [{"value": "A"}]})).await;
    create(&directory, &actor, "none", json!({})).await;
    let value = |operator| sub(&schemas, "projects", "VALUE", operator, text("a"));
    let role = |operator| sub(&schemas, "projects", "role", operator, text("LEAD"));
    let matching = |inner| any_of(&schemas, "projects", inner);

    for (filter, expected) in [
        (
            matching(Filter::And(vec![value(O::Equal), role(O::Equal)])),
            vec!["one"],
        ),
        (
            not(matching(Filter::And(vec![value(O::Equal), role(O::Equal)]))),
            vec!["mix", "half", "none"],
        ),
        (
            matching(Filter::And(vec![value(O::Equal), role(O::NotEqual)])),
            vec!["mix", "half"],
        ),
        (matching(not(role(O::Equal))), vec!["mix", "half"]),
        (not(matching(role(O::Equal))), vec!["half", "none"]),
        (
            matching(Filter::Or(vec![value(O::NotEqual), role(O::Equal)])),
            vec!["one", "mix"],
        ),
    ] {
        assert_eq!(names(&directory, &actor, &filter).await, expected, "{filter:?}");
    }
}

async fn a_presence_is_that_of_any_value_within(db: TestDb) {
    let actor = db.tenant("acme").await;
    let directory = db.directory(&ManualClock::at(T0));
    let schemas = register(&directory, &actor, vec![schema(URN, projects())]).await;
    create(&directory, &actor, "tagged", json!({"tags": [""]})).await;
    create(&directory, &actor, "housed", json!({"office": {"room": "1"}})).await;
    create(&directory, &actor, "graded", json!({"grade": 0})).await;
    create(&directory, &actor, "none", json!({"office": {}, "tags": []})).await;
    let present = |path: &str| {
        let any = schemas.presence(ResourceType::User, path).unwrap();
        Filter::Or(any.into_iter().map(about).collect())
    };

    for (path, expected) in [
        (format!("{URN}:tags"), vec!["tagged"]),
        (format!("{URN}:office"), vec!["housed"]),
        (format!("{URN}:office.room"), vec!["housed"]),
        (format!("{URN}:office.floor"), vec![]),
        (format!("{URN}:grade"), vec!["graded"]),
        (URN.to_owned(), vec!["tagged", "housed", "graded"]),
    ] {
        assert_eq!(names(&directory, &actor, &present(&path)).await, expected, "{path}");
        let others = names(&directory, &actor, &not(present(&path))).await;
        assert_eq!(others.len(), 4 - expected.len(), "not {path}");
    }
}

async fn an_order_goes_by_the_preferred_element_and_pages_through_all(db: TestDb) {
    let actor = db.tenant("acme").await;
    let directory = db.directory(&ManualClock::at(T0));
    let schemas = register(&directory, &actor, vec![schema(URN, projects())]).await;
    let preferred = json!([{"value": "Z"}, {"value": "a", "primary": true}]);
    create(
        &directory,
        &actor,
        "preferred",
        json!({"projects": preferred, "grade": 10, "office": {"floor": -1}}),
    )
    .await;
    create(
        &directory,
        &actor,
        "first",
        json!({"projects": [{"value": "B"}, {"value": "0"}], "grade": 9.5}),
    )
    .await;
    create(&directory, &actor, "none", json!({})).await;
    create(
        &directory,
        &actor,
        "last",
        json!({"projects": [{"value": "c"}], "grade": -1, "office": {"floor": 3}}),
    )
    .await;

    for (path, ascending) in [
        ("projects", ["preferred", "first", "last", "none"]),
        ("projects.value", ["preferred", "first", "last", "none"]),
        ("grade", ["last", "first", "preferred", "none"]),
        ("office.floor", ["preferred", "last", "first", "none"]),
    ] {
        let key = schemas
            .order(ResourceType::User, &format!("{URN}:{path}"))
            .map(UserOrderKey::Extension);
        for descending in [false, true] {
            let order = Order {
                key: key.clone(),
                descending,
            };
            let (mut walked, mut after) = (Vec::new(), None);
            loop {
                let request = PageRequest::first(1).after(after);
                let page = directory
                    .list_users(actor.tenant, None, order.clone(), &request, WITHOUT_GROUPS)
                    .await
                    .unwrap();
                walked.extend(page.items.iter().map(|user| user.user_name.as_str().to_owned()));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            let mut expected = ascending.to_vec();
            if descending {
                expected.reverse();
            }
            assert_eq!(walked, expected, "{path} descending {descending}");
        }
    }
}

async fn groups_are_filtered_and_ordered_too(db: TestDb) {
    const GROUP: &str = "urn:acme:Group";
    let actor = db.tenant("acme").await;
    let directory = db.directory(&ManualClock::at(T0));
    let parts = vec![attribute("code", T::Integer), many(attribute("tags", T::String))];
    let schemas = register(&directory, &actor, vec![schema_of(ResourceType::Group, GROUP, parts)]).await;
    for (name, values) in [
        ("ten", json!({"code": 10, "tags": ["x"]})),
        ("nine", json!({"code": 9})),
        ("none", json!({})),
    ] {
        let new = NewGroup {
            display_name: name.parse().unwrap(),
            external_id: None,
            members: MembersChange::default(),
            extensions: submitted(json!({ GROUP: values })),
        };
        directory.create_group(&actor, &new).await.unwrap();
    }
    let list = async |filter: Option<&GroupFilter>, order: Order<GroupOrderKey>| -> Vec<String> {
        let page = directory
            .list_groups(actor.tenant, filter, order, &PageRequest::first(10), true)
            .await
            .unwrap();
        page.items
            .iter()
            .map(|group| group.display_name.as_str().to_owned())
            .collect()
    };
    let resource = ResourceType::Group;
    let path = format!("{GROUP}:code");
    let above = schemas
        .comparison(resource, &path, O::Greater, Literal::Integer(9))
        .unwrap()
        .unwrap();
    let above = Filter::Element(GroupElement::Extension(above));
    let tagged = schemas.elements(resource, &format!("{GROUP}:tags")).unwrap();
    let tagged = Filter::Element(GroupElement::Extension(tagged.matching(Filter::And(Vec::new()))));
    let key = schemas.order(resource, &path).map(GroupOrderKey::Extension);

    assert_eq!(list(Some(&above), Order::default()).await, ["ten"]);
    assert_eq!(list(Some(&not(above)), Order::default()).await, ["nine", "none"]);
    assert_eq!(list(Some(&tagged), Order::default()).await, ["ten"]);
    assert_eq!(
        list(None, Order { key, descending: false }).await,
        ["nine", "ten", "none"]
    );
}

/// PostgreSQL may evaluate a condition on rows of other tenants, too: none may fail there.
async fn what_another_tenant_means_by_a_name_does_not_disturb(db: TestDb) {
    let (acme, beta) = (db.tenant("acme").await, db.tenant("beta").await);
    let directory = db.directory(&ManualClock::at(T0));
    let own = register(&directory, &acme, vec![schema(URN, vec![attribute("x", T::Integer)])]).await;
    let lists = vec![many(attribute("x", T::String))];
    let other = register(&directory, &beta, vec![schema(URN, lists)]).await;
    create(&directory, &acme, "ada", json!({"x": 5})).await;
    create(&directory, &beta, "bob", json!({"x": ["five"]})).await;

    let five = compare(&own, "x", O::Equal, Literal::Integer(5));
    assert_eq!(names(&directory, &acme, &five).await, ["ada"]);
    assert_eq!(names(&directory, &beta, &five).await, Vec::<String>::new());
    let listed = any_of(&other, "x", sub(&other, "x", "value", O::Equal, text("FIVE")));
    assert_eq!(names(&directory, &beta, &listed).await, ["bob"]);
    assert_eq!(names(&directory, &acme, &listed).await, Vec::<String>::new());
}
