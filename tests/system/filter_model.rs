//! The same filter asked twice: of the gateway, which asks SQL, and in memory of the resources that the gateway shows.
//! Both have to select the same ones, for every attribute that a schema has, every operator, and text that could trip a
//! database up.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use directory_proto::v1::attribute_definition::Type;
use directory_proto::v1::{AttributeDefinition, ExtensionSchema, RegisterExtensionSchemaRequest, extension_schema};
use gateway::scim::filter::{CompareOp, Filter, evaluate, parse};
use gateway::scim::resource::Resource;
use gateway::scim::schema::{Attribute, COMMON, Kind, ResourceKind, ResourceType, ResourceTypes, Schema};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Map, Value, json};
use tokio::runtime::Handle;

use crate::support::databases::Database;
use crate::support::scim::{ENTERPRISE, GROUP, Scim, USER, encode};
use crate::support::system::System;

on_every_database! {
    a_filter_selects_in_sql_what_it_selects_in_memory,
}

const USERS: usize = 48;
const GROUPS: usize = 12;
const RANDOM_FILTERS: u32 = 600;
/// Fewer comparisons would mean that the generator lost sight of something.
const LEAST_COMPARED: usize = 1_500;

/// Texts that differ where databases, cases, and scripts do.
const TEXTS: [&str; 36] = [
    "a",
    "A",
    "ab",
    "b",
    "aB%",
    "a_b",
    "a%b",
    "%",
    "_",
    "axb",
    "\\",
    "a\\b",
    "'",
    "o'neil",
    "\"",
    "a\"b",
    " ",
    "a b",
    "\u{e4}",
    "\u{c4}",
    "a\u{308}",
    "stra\u{df}e",
    "STRASSE",
    "\u{17f}",
    "s",
    "\u{130}",
    "i\u{307}",
    "\u{3c3}",
    "\u{3c2}",
    "\u{3a3}",
    "\u{212a}",
    "\u{65e5}\u{672c}",
    "\u{1f980}",
    "\u{fb03}",
    "\u{10ffff}",
    "\u{1}",
];

const TIMES: [&str; 4] = [
    "2026-01-31T12:00:00Z",
    "2026-01-31T13:00:00.123456789+01:00",
    "2026-01-31T12:00:00.5Z",
    "1969-12-31T23:59:59.999999Z",
];

/// Bytes in base64 that differ in case alone, too.
const BINARIES: [&str; 4] = ["YQ==", "yq==", "YWI=", "AAAA"];

/// What a resource type has, by the paths that filters use.
#[derive(Clone, Debug)]
struct Leaf {
    path: String,
    kind: Kind,
}

/// Every attribute and sub-attribute of a resource type that a filter may name.
fn leaves(kind: ResourceKind) -> Vec<Leaf> {
    let resource_type = resource_type(kind);
    let core = resource_type.schema.attributes.iter().chain(COMMON.iter());
    let core = core.map(|attribute| (String::new(), attribute));
    let extensions = resource_type.extensions.iter().flat_map(|schema| {
        let prefix = format!("{}:", schema.id);
        schema
            .attributes
            .iter()
            .map(move |attribute| (prefix.clone(), attribute))
    });
    let mut leaves = Vec::new();
    for (prefix, attribute) in core
        .chain(extensions)
        .filter(|(_, attribute)| attribute.name != "password")
    {
        let path = format!("{prefix}{}", attribute.name);
        // A version is opaque: it is only ever equal or not.
        let parts = attribute.sub_attributes.iter().filter(|part| part.name != "version");
        leaves.extend(parts.map(|part| leaf(format!("{path}.{}", part.name), part)));
        leaves.push(leaf(path, attribute));
    }
    leaves
}

/// The schemas of the tenant: everybody's, and one of its own with every kind of attribute.
static TYPES: LazyLock<ResourceTypes> = LazyLock::new(|| {
    let schema = Schema::new(ACME, "Acme", "Every kind of attribute.", attributes_of_acme());
    ResourceTypes::new(vec![Arc::new(schema)], Vec::new())
});

const ACME: &str = "urn:ietf:params:scim:schemas:extension:Acme:2.0:User";

fn attributes_of_acme() -> Vec<Attribute> {
    let of = |kind: Kind| Attribute::new(kind, format!("the{kind:?}"), "");
    let exact = Attribute {
        case_exact: true,
        ..Attribute::new(Kind::String, "exact", "")
    };
    let parts = || KINDS.map(of).map(Arc::new).to_vec();
    let one = Attribute {
        sub_attributes: parts(),
        ..Attribute::new(Kind::Complex, "one", "")
    };
    let many = Attribute {
        multi_valued: true,
        sub_attributes: parts(),
        ..Attribute::new(Kind::Complex, "many", "")
    };
    let lists = KINDS.map(|kind| Attribute {
        multi_valued: true,
        ..Attribute::new(kind, format!("list{kind:?}"), "")
    });
    KINDS
        .map(of)
        .into_iter()
        .chain(lists)
        .chain([exact, one, many])
        .collect()
}

/// Every kind of simple attribute.
const KINDS: [Kind; 7] = [
    Kind::String,
    Kind::Boolean,
    Kind::Decimal,
    Kind::Integer,
    Kind::DateTime,
    Kind::Reference,
    Kind::Binary,
];

/// The same attributes, as they are registered.
fn definition(attribute: &Attribute) -> AttributeDefinition {
    let kind = match attribute.kind {
        Kind::String => Type::String,
        Kind::Boolean => Type::Boolean,
        Kind::Decimal => Type::Decimal,
        Kind::Integer => Type::Integer,
        Kind::DateTime => Type::DateTime,
        Kind::Reference => Type::Reference,
        Kind::Binary => Type::Binary,
        Kind::Complex => Type::Complex,
    };
    AttributeDefinition {
        name: attribute.name.clone(),
        r#type: kind.into(),
        multi_valued: attribute.multi_valued,
        case_exact: attribute.case_exact,
        sub_attributes: attribute.sub_attributes.iter().map(|part| definition(part)).collect(),
        ..AttributeDefinition::default()
    }
}

fn resource_type(kind: ResourceKind) -> Arc<ResourceType> {
    TYPES.get(kind).clone()
}

fn leaf(path: String, attribute: &Attribute) -> Leaf {
    Leaf {
        path,
        kind: attribute.kind,
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// Literals for an attribute of this kind: some of the resources' own, some of nobody's, one of the wrong type.
fn literals(kind: Kind) -> Vec<String> {
    match kind {
        Kind::Boolean => vec![
            "true".to_owned(),
            "false".to_owned(),
            "null".to_owned(),
            "\"True\"".to_owned(),
        ],
        Kind::Integer | Kind::Decimal => ["0", "-1", "7", "7.5", "1e3", "null"].map(str::to_owned).to_vec(),
        Kind::DateTime => TIMES
            .into_iter()
            .chain(["2000-01-01T00:00:00Z", "2999-12-31T23:59:59Z"])
            .map(quoted)
            .chain(["null".to_owned()])
            .collect(),
        Kind::Binary => BINARIES.into_iter().chain(TEXTS).map(quoted).collect(),
        Kind::String | Kind::Reference | Kind::Complex => {
            let mut texts: Vec<String> = TEXTS.iter().map(|text| quoted(text)).collect();
            texts.extend(["\"\"".to_owned(), "null".to_owned(), "true".to_owned(), "5".to_owned()]);
            texts
        }
    }
}

/// One resource of a kind, as a filter sees it.
struct Shown {
    id: String,
    resource: Resource,
}

/// A tenant whose resources hold the texts above in every attribute that can be written.
struct World {
    scim: Scim,
    users: Vec<Shown>,
    groups: Vec<Shown>,
}

impl World {
    async fn fill(scim: Scim, runner: &mut TestRunner) -> Self {
        let mut ids: Vec<String> = Vec::new();
        for number in 0..USERS {
            let manager = any::<Option<Index>>().new_tree(runner).unwrap().current();
            let manager = manager.filter(|_| !ids.is_empty()).map(|index| index.get(&ids).clone());
            let body = user(number, manager, runner);
            ids.push(scim.create_user(&body).await);
        }
        for number in 0..GROUPS {
            let members = vec(any::<Index>(), 0..6).new_tree(runner).unwrap().current();
            let members: BTreeSet<&String> = members.iter().map(|index| index.get(&ids)).collect();
            let members: Vec<Value> = members.into_iter().map(|id| json!({"value": id})).collect();
            let mut body =
                json!({"schemas": [GROUP], "displayName": format!("{}{number}", text(runner)), "members": members});
            if number % 3 > 0 {
                body["externalId"] = json!(text(runner));
            }
            scim.post("/Groups", &body).await.expect(201);
        }
        let users = shown(&scim, ResourceKind::User).await;
        let groups = shown(&scim, ResourceKind::Group).await;
        assert_eq!((users.len(), groups.len()), (USERS, GROUPS));
        Self { scim, users, groups }
    }

    fn of(&self, kind: ResourceKind) -> &[Shown] {
        match kind {
            ResourceKind::User => &self.users,
            ResourceKind::Group => &self.groups,
        }
    }

    /// Asks both, and says whether the filter was one at all.
    async fn agree(&self, kind: ResourceKind, text: &str) -> Result<bool, String> {
        let path = format!("{}?attributes=id&count=1000&filter={}", kind.endpoint(), encode(text));
        let answer = self.scim.get(&path).await;
        let filter: Filter = match parse(&resource_type(kind), text) {
            Ok(filter) => filter,
            Err(_) if answer.status == 400 => return Ok(false),
            Err(error) => {
                return Err(format!(
                    "{text} is answered {} and ought to be refused: {error}",
                    answer.status
                ));
            }
        };
        if answer.status != 200 {
            return Err(format!("{text} is answered {}: {}", answer.status, answer.text));
        }
        let asked: BTreeSet<String> = answer.ids().into_iter().collect();
        let evaluated = self.of(kind).iter().filter(|shown| evaluate(&filter, &shown.resource));
        let evaluated: BTreeSet<String> = evaluated.map(|shown| shown.id.clone()).collect();
        let only = |left: &BTreeSet<String>, right: &BTreeSet<String>| -> Vec<String> {
            let ids: BTreeSet<&String> = left.difference(right).collect();
            let shown = self.of(kind).iter().filter(|shown| ids.contains(&shown.id)).take(2);
            shown
                .map(|shown| Value::Object(shown.resource.attributes.clone()).to_string())
                .collect()
        };
        if asked == evaluated {
            return Ok(true);
        }
        Err(format!(
            "{text}\n only in SQL: {:#?}\n only in memory: {:#?}",
            only(&asked, &evaluated),
            only(&evaluated, &asked)
        ))
    }
}

/// Every resource of a kind, as the gateway shows it.
async fn shown(scim: &Scim, kind: ResourceKind) -> Vec<Shown> {
    let list = scim.get(&format!("{}?count=1000", kind.endpoint())).await.expect(200);
    let resources = list.body["Resources"].as_array().unwrap().clone();
    let shown = resources.into_iter().map(|body| {
        let Value::Object(mut attributes) = body else {
            panic!("a resource is an object")
        };
        attributes.remove("schemas");
        let id = attributes["id"].as_str().unwrap().to_owned();
        Shown {
            id,
            resource: Resource {
                resource_type: resource_type(kind),
                attributes,
            },
        }
    });
    shown.collect()
}

fn text(runner: &mut TestRunner) -> &'static str {
    select(&TEXTS[..]).new_tree(runner).unwrap().current()
}

fn often(runner: &mut TestRunner) -> bool {
    proptest::bool::weighted(0.7).new_tree(runner).unwrap().current()
}

/// A user in which about two thirds of all attributes have a value.
fn user(number: usize, manager: Option<String>, runner: &mut TestRunner) -> Value {
    let resource_type = resource_type(ResourceKind::User);
    let mut user = Map::from_iter([("schemas".to_owned(), json!([USER, ENTERPRISE]))]);
    let name: String = text(runner)
        .chars()
        .filter(|c| !c.is_control() && !c.is_whitespace())
        .collect();
    user.insert("userName".to_owned(), json!(format!("{name}{number}")));
    user.extend(
        filled(&resource_type.schema.attributes, runner)
            .into_iter()
            .filter(|(name, _)| name != "userName"),
    );
    if often(runner) {
        user.insert("externalId".to_owned(), json!(text(runner)));
    }
    for schema in &resource_type.extensions {
        let mut extension = filled(&schema.attributes, runner);
        if extension.contains_key("manager") {
            extension.remove("manager");
            extension.extend(manager.as_ref().map(|id| ("manager".to_owned(), json!({"value": id}))));
        }
        user.insert(schema.id.clone(), Value::Object(extension));
    }
    Value::Object(user)
}

fn filled(attributes: &[Arc<Attribute>], runner: &mut TestRunner) -> Map<String, Value> {
    let mut values = Map::new();
    for attribute in attributes {
        if !often(runner) {
            continue;
        }
        let value = if attribute.multi_valued {
            let count = (1_usize..4).new_tree(runner).unwrap().current();
            (0..count).map(|_| value(attribute, runner)).collect()
        } else {
            value(attribute, runner)
        };
        values.insert(attribute.name.clone(), value);
    }
    values
}

fn value(attribute: &Attribute, runner: &mut TestRunner) -> Value {
    match attribute.kind {
        Kind::Boolean => json!(often(runner)),
        Kind::Integer => json!((-2_i64..9).new_tree(runner).unwrap().current()),
        Kind::Decimal => json!(f64::from((-20_i32..20).new_tree(runner).unwrap().current()) / 4.0),
        Kind::DateTime => json!(select(&TIMES[..]).new_tree(runner).unwrap().current()),
        Kind::Binary if attribute.name != "value" => json!(select(&BINARIES[..]).new_tree(runner).unwrap().current()),
        Kind::Complex => Value::Object(filled(&attribute.sub_attributes, runner)),
        Kind::String if attribute.name == "type" && often(runner) => json!("work"),
        Kind::String | Kind::Reference | Kind::Binary => json!(text(runner)),
    }
}

/// A comparison of one leaf.
fn comparison(leaves: Vec<Leaf>) -> impl Strategy<Value = String> {
    let operators: Vec<&str> = CompareOp::ALL.iter().map(|op| op.as_str()).collect();
    (select(leaves), select(operators), any::<Index>()).prop_map(|(leaf, op, index)| {
        let literals = literals(leaf.kind);
        format!("{} {op} {}", leaf.path, index.get(&literals))
    })
}

/// A question about one element: the sub-attributes of one list, mixed.
fn element() -> impl Strategy<Value = String> {
    let part = (
        select(vec!["value", "type", "display", "primary"]),
        select(vec!["eq", "ne", "co", "sw", "ew", "gt", "le"]),
        select(&TEXTS[..]),
        any::<bool>(),
    )
        .prop_map(|(part, op, text, flag)| match part {
            "primary" => format!("primary eq {flag}"),
            "type" if flag => format!("type {op} \"work\""),
            part => format!("{part} {op} {}", quoted(text)),
        });
    let word = select(vec![" and ", " or ", " and not (type pr) and "]);
    (
        select(vec!["emails", "phoneNumbers", "roles", "x509Certificates"]),
        vec(part, 1..4),
        word,
        any::<bool>(),
    )
        .prop_map(|(list, parts, word, negated)| {
            let inner = format!("{list}[{}]", parts.join(word));
            if negated { format!("not ({inner})") } else { inner }
        })
}

fn tree(kind: ResourceKind) -> BoxedStrategy<String> {
    let leaves = leaves(kind);
    let present = select(
        leaves
            .iter()
            .map(|leaf| format!("{} pr", leaf.path))
            .collect::<Vec<_>>(),
    );
    let leaf = match kind {
        ResourceKind::User => prop_oneof![4 => comparison(leaves), 1 => present, 2 => element()].boxed(),
        ResourceKind::Group => prop_oneof![4 => comparison(leaves), 1 => present].boxed(),
    };
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 2..4).prop_map(|filters| format!("({})", filters.join(" and "))),
            vec(inner.clone(), 2..4).prop_map(|filters| format!("({})", filters.join(" or "))),
            vec(inner.clone(), 2..4).prop_map(|filters| filters.join(" or ")),
            inner.prop_map(|filter| format!("not ({filter})")),
        ]
    })
    .boxed()
}

async fn a_filter_selects_in_sql_what_it_selects_in_memory(database: Database) {
    let system = System::start(database).await;
    let tenant = system.tenant("model").await;
    let schema = ExtensionSchema {
        id: ACME.to_owned(),
        resource_type: extension_schema::ResourceType::User.into(),
        name: "Acme".to_owned(),
        attributes: attributes_of_acme().iter().map(definition).collect(),
        ..ExtensionSchema::default()
    };
    let request = RegisterExtensionSchemaRequest {
        slug: tenant.slug.clone(),
        schema: Some(schema),
    };
    system
        .operator()
        .tenants()
        .register_extension_schema(request)
        .await
        .unwrap();
    // The gateway remembers the schemas of a token that it saw before: this one is new.
    let scim = tenant.scim;
    // The same cases in every run: a failure can be run again.
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let config = Config {
        failure_persistence: None,
        max_shrink_iters: 200,
        ..Config::with_cases(RANDOM_FILTERS)
    };
    let mut runner = TestRunner::new_with_rng(config, rng);
    let world = World::fill(scim, &mut runner).await;
    let mut compared = 0;

    for kind in ResourceKind::ALL {
        for leaf in leaves(kind) {
            compared += usize::from(
                world
                    .agree(kind, &format!("{} pr", leaf.path))
                    .await
                    .unwrap_or_else(fail),
            );
            for op in CompareOp::ALL {
                let literals = literals(leaf.kind);
                // Enough for every literal to meet every operator somewhere, and cheap enough for every attribute.
                let start = compared % literals.len();
                for literal in literals.iter().cycle().skip(start).take(3) {
                    let filter = format!("{} {} {literal}", leaf.path, op.as_str());
                    compared += usize::from(world.agree(kind, &filter).await.unwrap_or_else(fail));
                }
            }
        }
    }
    for kind in ResourceKind::ALL {
        let agreed = Cell::new(0);
        let checked = runner.run(&tree(kind), |filter| {
            let asked = tokio::task::block_in_place(|| Handle::current().block_on(world.agree(kind, &filter)));
            agreed.set(agreed.get() + usize::from(asked.map_err(TestCaseError::fail)?));
            Ok(())
        });
        if let Err(error) = checked {
            panic!("{error}");
        }
        compared += agreed.get();
    }

    assert!(compared >= LEAST_COMPARED, "only {compared} filters were compared");
}

fn fail(why: String) -> bool {
    panic!("{why}")
}
