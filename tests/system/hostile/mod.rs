//! Hostile inputs: what a careless, broken or malicious caller may send. Each is a row of a table, one file for each group,
//! and each is told exactly what is wrong with it. None is answered 5xx, hangs, or changes anything, and a normal life
//! cycle works afterwards.

mod authorisation;
mod bulk;
mod connection;
mod content_types;
mod etags;
mod filters;
mod headers;
mod input;
mod json_text;
mod life_cycle;
mod methods;
mod paging;
mod patch;
mod paths;
mod types;

use std::collections::{BTreeMap, BTreeSet};

use directory_proto::v1::Scope;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::databases::Database;
use crate::support::scim::{ENTERPRISE, Scim, user};
use crate::support::system::{System, Tenant};

use input::Input;

on_every_database! {
    no_input_is_answered_wrongly_or_leaves_a_trace,
}

/// How many inputs there must be at least, in all and in each group.
const AT_LEAST: usize = 300;
const AT_LEAST_IN_EACH: usize = 15;
/// A part of every personal value that the inputs hold: no answer may repeat it.
const PERSONAL: &str = "Ottoline";

/// What the inputs of a group are about.
#[derive(Clone)]
struct Target {
    /// The host and port of the gateway.
    host: String,
    /// A token that provisions.
    token: String,
    /// Tokens that may do less.
    others: OtherTokens,
    /// A user with every kind of attribute.
    user: String,
    /// A group that the user is in.
    group: String,
    /// A user of another tenant.
    foreign: String,
    /// A cursor of this tenant's users, and one of another tenant's.
    cursor: String,
    foreign_cursor: String,
}

#[derive(Clone)]
struct OtherTokens {
    reads: String,
    administers: String,
    activates: String,
    other_source: String,
    operates: String,
}

impl Target {
    /// One that is not there, for counting.
    fn imagined() -> Self {
        let token = |name: &str| format!("rc_{name}");
        Self {
            host: "127.0.0.1:1".to_owned(),
            token: token("provisions"),
            others: OtherTokens {
                reads: token("reads"),
                administers: token("administers"),
                activates: token("activates"),
                other_source: token("other"),
                operates: token("operates"),
            },
            user: "0190b0b0-0000-7000-8000-000000000001".to_owned(),
            group: "0190b0b0-0000-7000-8000-000000000003".to_owned(),
            foreign: "0190b0b0-0000-7000-8000-000000000004".to_owned(),
            cursor: "1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned(),
            foreign_cursor: "1.BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB".to_owned(),
        }
    }
}

/// A table of inputs.
struct Group {
    name: &'static str,
    inputs: fn(&Target) -> Vec<Input>,
}

const GROUPS: [Group; 13] = [
    Group {
        name: "json",
        inputs: json_text::inputs,
    },
    Group {
        name: "types",
        inputs: types::inputs,
    },
    Group {
        name: "filters",
        inputs: filters::inputs,
    },
    Group {
        name: "paths",
        inputs: paths::inputs,
    },
    Group {
        name: "patch",
        inputs: patch::inputs,
    },
    Group {
        name: "paging",
        inputs: paging::inputs,
    },
    Group {
        name: "etags",
        inputs: etags::inputs,
    },
    Group {
        name: "content-types",
        inputs: content_types::inputs,
    },
    Group {
        name: "headers",
        inputs: headers::inputs,
    },
    Group {
        name: "connection",
        inputs: connection::inputs,
    },
    Group {
        name: "bulk",
        inputs: bulk::inputs,
    },
    Group {
        name: "methods",
        inputs: methods::inputs,
    },
    Group {
        name: "authorisation",
        inputs: authorisation::inputs,
    },
];

#[test]
fn there_are_enough_inputs_and_no_two_are_alike() {
    let target = Target::imagined();
    let mut all = BTreeSet::new();
    let mut counts = BTreeMap::new();
    for group in &GROUPS {
        let inputs = (group.inputs)(&target);
        counts.insert(group.name, inputs.len());
        assert!(
            inputs.len() >= AT_LEAST_IN_EACH,
            "{} has {} inputs only",
            group.name,
            inputs.len()
        );
        for input in inputs {
            let name = input.name.clone();
            assert!(all.insert(input.bytes(&target)), "{}: {name} is sent twice", group.name);
        }
    }
    let sum: usize = counts.values().sum();
    assert_eq!(all.len(), sum);
    assert!(sum >= AT_LEAST, "{sum} inputs only: {counts:?}");
}

async fn no_input_is_answered_wrongly_or_leaves_a_trace(database: Database) {
    let system = System::start(database).await;
    let foreign = system.tenant("foreign").await;
    let foreign = (
        foreign.scim.create_user(&user("stranger")).await,
        first_cursor(&foreign.scim).await,
    );
    let operator = system.issue_operator().await;

    let runs = GROUPS.iter().map(|group| run(&system, group, &foreign, &operator));
    let faults: Vec<String> = join_all(runs).await.into_iter().flatten().collect();

    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// Sends every input of a group to a tenant of its own, and says what was wrong with the answers.
async fn run(system: &System, group: &Group, foreign: &(String, String), operator: &str) -> Vec<String> {
    let tenant = system.tenant(group.name).await;
    let target = populate(system, &tenant, foreign, operator).await;
    let before = everything(&tenant.scim).await;
    let mut faults = Vec::new();
    for input in (group.inputs)(&target) {
        let name = format!("{}: {}", group.name, input.name);
        faults.extend(input.send(&target).await.err().map(|fault| format!("{name}: {fault}")));
    }
    if everything(&tenant.scim).await != before {
        faults.push(format!("{}: the data has changed", group.name));
        return faults;
    }
    life_cycle::works(&tenant.scim).await;
    faults
}

async fn populate(system: &System, tenant: &Tenant, foreign: &(String, String), operator: &str) -> Target {
    let scim = &tenant.scim;
    let boss = scim.create_user(&user("boss")).await;
    let mut body = user("ada");
    body["phoneNumbers"] = json!([{"type": "work", "value": "+1"}, {"type": "home", "value": "+2"}]);
    body["roles"] = json!([{"value": "admin"}]);
    body[ENTERPRISE]["manager"] = json!({"value": boss});
    let user = scim.create_user(&body).await;
    let sales = scim.create_group("Sales", &[&user, &boss]).await;
    let issue = async |scope: Scope, source: &'static str| system.issue(&tenant.slug, &[scope], source).await;
    Target {
        host: scim
            .base()
            .strip_prefix("http://")
            .unwrap()
            .split('/')
            .next()
            .unwrap()
            .to_owned(),
        token: scim.token().to_owned(),
        others: OtherTokens {
            reads: issue(Scope::Read, "").await,
            administers: issue(Scope::Admin, "").await,
            activates: issue(Scope::Activate, "").await,
            other_source: issue(Scope::Provision, "okta").await,
            operates: operator.to_owned(),
        },
        cursor: first_cursor(scim).await,
        user,
        group: sales,
        foreign: foreign.0.clone(),
        foreign_cursor: foreign.1.clone(),
    }
}

/// The cursor of the second of many pages.
async fn first_cursor(scim: &Scim) -> String {
    if scim.get("/Users").await.expect(200).ids().len() < 2 {
        scim.create_user(&user("companion")).await;
    }
    let page = scim.get("/Users?count=1&cursor").await.expect(200);
    page.body["nextCursor"].as_str().unwrap().to_owned()
}

/// Every user and group with all that they show, versions included.
async fn everything(scim: &Scim) -> [Value; 2] {
    let mut found = [Value::Null, Value::Null];
    for (slot, path) in found.iter_mut().zip(["/Users", "/Groups"]) {
        let page = scim.get(&format!("{path}?count=1000&sortBy=id")).await.expect(200);
        *slot = page.body["Resources"].clone();
    }
    found
}
