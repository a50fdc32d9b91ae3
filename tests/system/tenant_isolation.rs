//! A tenant's data is unreachable without that tenant's token, whatever is asked.

use std::cell::RefCell;
use std::collections::BTreeSet;

use directory_proto::v1::Scope;
use http::Method;
use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::support::databases::Database;
use crate::support::scim::{Answer, Scim, group, user};
use crate::support::system::System;
use crate::support::unique;

on_every_database! {
    a_request_without_a_known_token_is_401,
    another_tenants_ids_are_not_found,
    an_operator_token_is_refused_by_the_gateway,
    whatever_one_tenant_does_another_never_sees_it,
}

async fn a_request_without_a_known_token_is_401(database: Database) {
    let system = System::start(database).await;
    let tenant = system.tenant("known").await;
    let scim = &tenant.scim;
    let id = scim.create_user(&user("ada")).await;
    let token = scim.token().to_owned();
    let flipped = if token.ends_with('a') { "b" } else { "a" };
    let damaged = format!("{}{flipped}", &token[..token.len() - 1]);

    for authorization in [
        None,
        Some(String::new()),
        Some("Bearer".to_owned()),
        Some("Bearer unknown".to_owned()),
        Some(format!("Bearer {damaged}")),
        Some(format!("Basic {token}")),
        Some(token.clone()),
    ] {
        for (method, path, body) in [
            (Method::GET, "/Users".to_owned(), None),
            (Method::GET, format!("/Users/{id}"), None),
            (Method::POST, "/Users".to_owned(), Some(user("grace").to_string())),
            (Method::DELETE, format!("/Users/{id}"), None),
            (Method::GET, "/Groups".to_owned(), None),
        ] {
            let mut headers = scim.headers();
            headers.remove("authorization");
            if let Some(authorization) = &authorization {
                headers.insert("authorization", authorization.parse().unwrap());
            }
            let answer = scim.send(method, &path, headers, body).await.expect_error(401, None);
            let challenge = answer.header("www-authenticate");
            assert!(challenge.starts_with("Bearer"), "{path}: {challenge}");
            assert!(
                !answer.text.contains(&token[..12]),
                "an answer never repeats a token: {}",
                answer.text
            );
        }
    }
    assert_eq!(
        scim.get("/Users").await.expect(200).ids(),
        [id],
        "nothing was written or deleted"
    );
}

async fn another_tenants_ids_are_not_found(database: Database) {
    let system = System::start(database).await;
    let (mine, theirs) = (system.tenant("mine").await.scim, system.tenant("theirs").await.scim);
    let my_user = mine.create_user(&user("ada")).await;
    let my_group = mine.create_group("Group", &[&my_user]).await;
    let their_user = theirs.create_user(&user("ada")).await;
    let their_group = theirs.create_group("Group", &[&their_user]).await;
    let before = everything(&theirs).await;
    let title = json!([{"op": "replace", "path": "title", "value": "Chief"}]);
    let rename = json!([{"op": "replace", "path": "displayName", "value": "Chiefs"}]);
    let (user_path, group_path) = (format!("/Users/{their_user}"), format!("/Groups/{their_group}"));

    for answer in [
        mine.get(&user_path).await,
        mine.patch(&user_path, title).await,
        mine.put(&user_path, &user("ada")).await,
        mine.delete(&user_path).await,
        mine.get(&group_path).await,
        mine.patch(&group_path, rename).await,
        mine.put(&group_path, &group("Group", &[])).await,
        mine.delete(&group_path).await,
        mine.add_members(&their_group, &[&my_user]).await,
    ] {
        answer.expect_error(404, None);
    }
    mine.add_members(&my_group, &[&their_user])
        .await
        .expect_error(400, Some("invalidValue"));
    let posted = json!({"displayName": "Another", "members": [{"value": their_user}]});
    mine.post("/Groups", &posted)
        .await
        .expect_error(400, Some("invalidValue"));
    for filter in [
        format!("id eq \"{their_user}\""),
        format!("groups.value eq \"{their_group}\""),
    ] {
        let found = mine.filter("/Users", &filter).await;
        assert!(
            found.status == 400 || found.ids().is_empty(),
            "{filter}: {}",
            found.text
        );
    }
    let found = mine
        .filter("/Groups", &format!("members.value eq \"{their_user}\""))
        .await
        .expect(200);
    assert_eq!(found.ids(), Vec::<String>::new());

    // A manager of another tenant is a reference to nobody: stored as sent or not, it shows nothing of them.
    let manager = json!([{"op": "add", "path": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager",
        "value": their_user}]);
    mine.patch(&format!("/Users/{my_user}"), manager).await;
    let shown = mine.get(&format!("/Users/{my_user}")).await.expect(200);
    assert!(!shown.text.contains(&their_user), "{}", shown.text);
    assert_eq!(everything(&theirs).await, before);
}

async fn an_operator_token_is_refused_by_the_gateway(database: Database) {
    let system = System::start(database).await;
    let tenant = system.tenant("operators").await;
    let id = tenant.scim.create_user(&user("ada")).await;
    let operator = tenant.scim.with_token(&system.issue_operator().await);

    operator.get(&format!("/Users/{id}")).await.expect_error(403, None);
    operator.post("/Users", &user("grace")).await.expect_error(403, None);

    // An administrator of the tenant reads, and writes nothing that the source owns.
    let administrator = tenant
        .scim
        .with_token(&system.issue(&tenant.slug, &[Scope::Admin], "").await);
    administrator.get(&format!("/Users/{id}")).await.expect(200);
    administrator
        .delete(&format!("/Users/{id}"))
        .await
        .expect_error(403, None);
}

/// One call of one tenant; numbers pick among the things that exist, and `theirs` picks among the other tenant's.
#[derive(Clone, Debug)]
enum Call {
    CreateUser { name: usize },
    CreateGroup { name: usize, member: Pick },
    GetUser { user: Pick },
    GetGroup { group: Pick },
    RenameUser { user: Pick, name: usize },
    RenameGroup { group: Pick, name: usize },
    PutUser { user: Pick, name: usize },
    PutGroup { group: Pick, name: usize, member: Pick },
    AddMember { group: Pick, user: Pick },
    RemoveAllMembers { group: Pick },
    DeleteUser { user: Pick },
    DeleteGroup { group: Pick },
    FindUser { name: usize },
    FindGroupsOf { user: Pick },
}

#[derive(Clone, Copy, Debug)]
struct Pick {
    at: usize,
    theirs: bool,
}

fn call() -> impl Strategy<Value = (bool, Call)> {
    let name = || 0..6_usize;
    let pick = || (0..6_usize, any::<bool>()).prop_map(|(at, theirs)| Pick { at, theirs });
    let call = prop_oneof![
        3 => name().prop_map(|name| Call::CreateUser { name }),
        2 => (name(), pick()).prop_map(|(name, member)| Call::CreateGroup { name, member }),
        1 => pick().prop_map(|user| Call::GetUser { user }),
        1 => pick().prop_map(|group| Call::GetGroup { group }),
        2 => (pick(), name()).prop_map(|(user, name)| Call::RenameUser { user, name }),
        1 => (pick(), name()).prop_map(|(group, name)| Call::RenameGroup { group, name }),
        2 => (pick(), name()).prop_map(|(user, name)| Call::PutUser { user, name }),
        2 => (pick(), name(), pick()).prop_map(|(group, name, member)| Call::PutGroup { group, name, member }),
        3 => (pick(), pick()).prop_map(|(group, user)| Call::AddMember { group, user }),
        1 => pick().prop_map(|group| Call::RemoveAllMembers { group }),
        1 => pick().prop_map(|user| Call::DeleteUser { user }),
        1 => pick().prop_map(|group| Call::DeleteGroup { group }),
        1 => name().prop_map(|name| Call::FindUser { name }),
        2 => pick().prop_map(|user| Call::FindGroupsOf { user }),
    ];
    (any::<bool>(), call)
}

async fn whatever_one_tenant_does_another_never_sees_it(database: Database) {
    let system = System::start(database).await;
    tokio::task::block_in_place(|| {
        let config = Config {
            cases: 24,
            max_shrink_iters: 60,
            failure_persistence: None,
            ..Config::default()
        };
        let outcome = TestRunner::new(config).run(&vec(call(), 10..25), |calls| {
            tokio::runtime::Handle::current().block_on(play(&system, &calls));
            Ok(())
        });
        outcome.unwrap_or_else(|failure| panic!("{failure}"));
    });
}

async fn play(system: &System, calls: &[(bool, Call)]) {
    let run = unique();
    let tenants = [
        system.tenant(&format!("first-{run}")).await.scim,
        system.tenant(&format!("second-{run}")).await.scim,
    ];
    let mut held = [Vec::new(), Vec::new()];
    for (scim, held) in tenants.iter().zip(&mut held) {
        let member = scim.create_user(&user("standing")).await;
        scim.create_group("Standing", &[&member]).await;
        *held = everything(scim).await;
    }
    for (who, call) in calls {
        let (me, them) = (usize::from(*who), usize::from(!*who));
        let (mine, theirs) = (ids(&held[me]), ids(&held[them]));

        let (answer, named) = make(call, &tenants[me], &mine, &theirs).await;

        let Answer { status, text, .. } = &answer;
        assert!(*status < 500, "{call:?} was answered {status}: {text}");
        if !named.is_empty() {
            // 409: the name is taken in its own tenant, which may be found first.
            let own_name_first = matches!(call, Call::CreateGroup { .. } | Call::PutGroup { .. }) && *status == 409;
            let nothing = [400, 404].contains(status) || answer.body["totalResults"] == 0 || own_name_first;
            assert!(nothing, "{call:?} reached across: {status} {text}");
        }
        held[me] = everything(&tenants[me]).await;
        let seen = Value::from(held[me].clone()).to_string();
        for id in theirs.users.iter().chain(&theirs.groups) {
            let told = text.contains(id.as_str()) && !named.contains(id);
            assert!(!told, "{call:?} was told {id} of the other tenant: {text}");
            assert!(!seen.contains(id.as_str()), "{call:?} shows {id} of the other tenant");
        }
        assert_eq!(
            everything(&tenants[them]).await,
            held[them],
            "{call:?} changed the other tenant"
        );
    }
}

/// The id of nothing, for a call that has nothing left to pick from.
const NOBODY: &str = "0191f0a0-0000-7000-8000-00000000dead";

struct Ids {
    users: Vec<String>,
    groups: Vec<String>,
}

fn ids(resources: &[Value]) -> Ids {
    let of = |kind: &str| {
        let of_kind = resources
            .iter()
            .filter(|resource| resource["meta"]["resourceType"] == kind);
        of_kind
            .map(|resource| resource["id"].as_str().unwrap().to_owned())
            .collect()
    };
    Ids {
        users: of("User"),
        groups: of("Group"),
    }
}

/// Every user and group of a tenant, members included.
async fn everything(scim: &Scim) -> Vec<Value> {
    let mut resources = Vec::new();
    for endpoint in ["/Users?count=1000", "/Groups?count=1000"] {
        let list = scim.get(endpoint).await.expect(200);
        resources.extend(list.body["Resources"].as_array().cloned().unwrap_or_default());
    }
    let mut seen = BTreeSet::new();
    resources.retain(|resource| seen.insert(resource["id"].to_string()));
    resources.sort_by_key(|resource| resource["id"].to_string());
    resources
}

/// Makes the call and says which ids of the other tenant it named.
async fn make(call: &Call, me: &Scim, mine: &Ids, theirs: &Ids) -> (Answer, Vec<String>) {
    let named = RefCell::new(Vec::new());
    let id_of = |pick: Pick, kind: fn(&Ids) -> &Vec<String>| {
        let from = kind(if pick.theirs { theirs } else { mine });
        let id = from.get(pick.at % from.len().max(1)).map_or(NOBODY, String::as_str);
        if pick.theirs {
            named.borrow_mut().push(id.to_owned());
        }
        id.to_owned()
    };
    let user_id = |pick: Pick| id_of(pick, |ids| &ids.users);
    let group_id = |pick: Pick| id_of(pick, |ids| &ids.groups);
    let user_path = |pick: Pick| format!("/Users/{}", user_id(pick));
    let group_path = |pick: Pick| format!("/Groups/{}", group_id(pick));
    let rename = |path: &str, name: String| json!([{"op": "replace", "path": path, "value": name}]);
    let named_user = |name: usize| user(&format!("name{name}"));
    let named_group = |name: usize, member: Pick| group(&format!("group{name}"), &[&user_id(member)]);
    let answer = match *call {
        Call::CreateUser { name } => me.post("/Users", &named_user(name)).await,
        Call::CreateGroup { name, member } => me.post("/Groups", &named_group(name, member)).await,
        Call::GetUser { user } => me.get(&user_path(user)).await,
        Call::GetGroup { group } => me.get(&group_path(group)).await,
        Call::RenameUser { user, name } => {
            let operations = rename("userName", format!("name{name}@example.com"));
            me.patch(&user_path(user), operations).await
        }
        Call::RenameGroup { group, name } => {
            let operations = rename("displayName", format!("group{name}"));
            me.patch(&group_path(group), operations).await
        }
        Call::PutUser { user, name } => me.put(&user_path(user), &named_user(name)).await,
        Call::PutGroup { group, name, member } => me.put(&group_path(group), &named_group(name, member)).await,
        Call::AddMember { group, user } => me.add_members(&group_id(group), &[&user_id(user)]).await,
        Call::RemoveAllMembers { group } => {
            let operations = json!([{"op": "remove", "path": "members"}]);
            me.patch(&group_path(group), operations).await
        }
        Call::DeleteUser { user } => me.delete(&user_path(user)).await,
        Call::DeleteGroup { group } => me.delete(&group_path(group)).await,
        Call::FindUser { name } => {
            let filter = format!("userName eq \"name{name}@example.com\"");
            me.filter("/Users", &filter).await.expect(200)
        }
        Call::FindGroupsOf { user } => {
            let filter = format!("members.value eq \"{}\"", user_id(user));
            me.filter("/Groups", &filter).await.expect(200)
        }
    };
    (answer, named.into_inner())
}
