//! Running bulk requests against a small directory in memory, which knows users by name and what they refer to.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::door::{Door, Reply, Single};
use super::run::{Run, Times};
use crate::scim::bulk::{BULK_REQUEST_SCHEMA, BulkRequest, Method, OperationResult};
use crate::scim::error::ScimError;
use crate::translate::link::BaseUrl;

/// Longer than anything here takes, but for what never ends.
fn times() -> Times {
    let end = Instant::now() + Duration::from_secs(1);
    Times { begin_until: end, end }
}

/// What each id holds. Names that begin with `bad` are refused, those that begin with `late` when they are replaced, and
/// `slow` is never answered. What has members cannot be deleted.
#[derive(Default)]
struct Memory {
    users: Mutex<BTreeMap<String, Value>>,
    created: Mutex<usize>,
    /// Whether nothing can be deleted.
    keeps: bool,
    /// What was sent, as far as it was answered.
    sent: Mutex<Vec<(Method, String)>>,
    /// Whose disables were told to be refused, and the status of each.
    refused: Mutex<Vec<(String, u16)>>,
}

impl Memory {
    fn users(&self) -> MutexGuard<'_, BTreeMap<String, Value>> {
        self.users.lock().unwrap()
    }

    /// Names, and the names of those that each refers to.
    fn references(&self) -> BTreeMap<String, Vec<String>> {
        let users = self.users();
        let name = |id: &Value| users.get(id.as_str()?).map(name_of);
        let both = |user: &Value| {
            let refers = user["refers"].as_array().into_iter().flatten();
            (
                name_of(user),
                refers.map(|id| name(id).unwrap_or("nobody".to_owned())).collect(),
            )
        };
        users.values().map(both).collect()
    }

    fn answer(&self, single: Single) -> Reply {
        let status = |status: u16| Reply {
            status,
            id: None,
            version: None,
            error: (status >= 300).then(|| json!({"status": status.to_string()})),
        };
        let mut users = self.users();
        let id = single.id.as_deref();
        let name = single.data.as_ref().or(id.and_then(|id| users.get(id))).map(name_of);
        self.sent
            .lock()
            .unwrap()
            .push((single.method, name.unwrap_or_default()));
        match (single.method, id, single.data) {
            (Method::Delete, Some(_), _) if self.keeps => status(503),
            (Method::Delete, Some(id), _) if users.get(id).is_some_and(|group| group["members"].is_array()) => {
                status(500)
            }
            (Method::Delete, Some(id), _) => status(if users.remove(id).is_some() { 204 } else { 404 }),
            (Method::Patch, Some(id), Some(data)) if data["Operations"][0]["path"] == "members" => {
                users.get_mut(id).unwrap().as_object_mut().unwrap().remove("members");
                status(204)
            }
            (Method::Put, _, Some(data)) if name_of(&data).starts_with("late") => {
                ScimError::invalid_value("late").into()
            }
            (_, _, Some(data)) if name_of(&data).starts_with("bad") => ScimError::invalid_value("bad").into(),
            (_, _, Some(data)) if data.to_string().contains("bulkId:") => status(500),
            (Method::Post, None, Some(data)) => {
                let mut created = self.created.lock().unwrap();
                *created += 1;
                let id = format!("id{created}");
                users.insert(id.clone(), data);
                Reply {
                    id: Some(id),
                    version: Some("W/\"1\"".to_owned()),
                    ..status(201)
                }
            }
            (Method::Put, Some(id), Some(data)) if users.contains_key(id) => {
                users.insert(id.to_owned(), data);
                Reply {
                    version: Some("W/\"2\"".to_owned()),
                    ..status(200)
                }
            }
            _ => status(404),
        }
    }
}

fn name_of(user: &Value) -> String {
    user["name"].as_str().unwrap_or_default().to_owned()
}

impl Door for Memory {
    async fn send(&self, single: Single) -> Reply {
        if single.data.as_ref().is_some_and(|data| name_of(data) == "slow") {
            std::future::pending::<()>().await;
        }
        self.answer(single)
    }

    async fn refused_disable(&self, user: &str, reply: &Reply) {
        self.refused.lock().unwrap().push((user.to_owned(), reply.status));
    }
}

/// A POST of a user whose bulkId is its name.
fn create(name: &str, refers: &[&str]) -> Value {
    let refers: Vec<String> = refers.iter().map(|name| format!("bulkId:{name}")).collect();
    json!({"method": "POST", "path": "/Users", "bulkId": name, "data": {"name": name, "refers": refers}})
}

async fn run(memory: &Memory, body: Value) -> Vec<OperationResult> {
    let base = BaseUrl::public("https://h");
    let request = BulkRequest::parse(body, base.as_str()).unwrap();
    Run::new(memory, &base, request, times()).finish().await
}

async fn run_all(memory: &Memory, operations: Value) -> Vec<OperationResult> {
    run(
        memory,
        json!({"schemas": [BULK_REQUEST_SCHEMA], "Operations": operations}),
    )
    .await
}

fn statuses(results: &[OperationResult]) -> Vec<u16> {
    results.iter().map(|result| result.status).collect()
}

fn detail(result: &OperationResult) -> &str {
    result.response.as_ref().unwrap()["detail"].as_str().unwrap()
}

#[tokio::test]
async fn a_circle_is_created_and_then_closed() {
    let memory = Memory::default();

    let results = run_all(
        &memory,
        json!([create("c", &["a"]), create("a", &["b"]), create("b", &["a"])]),
    )
    .await;

    assert_eq!(statuses(&results), [201, 201, 201]);
    let versions = results.iter().map(|result| result.version.as_deref());
    assert!(
        versions.eq([Some("W/\"1\""), Some("W/\"2\""), Some("W/\"1\"")]),
        "{results:?}"
    );
    let location = results[0].location.as_deref();
    assert_eq!(location, Some("https://h/scim/v2/Users/id3"), "c waited for the circle");
    let refers = |to: &str| vec![to.to_owned()];
    let expected = [("a", refers("b")), ("b", refers("a")), ("c", refers("a"))];
    assert!(
        memory
            .references()
            .into_iter()
            .eq(expected.map(|(name, refers)| (name.to_owned(), refers)))
    );
}

#[tokio::test]
async fn of_a_circle_that_cannot_be_closed_nothing_is_left() {
    let memory = Memory::default();
    let circle = json!([
        create("a", &["b"]),
        create("bad", &["a"]),
        create("b", &["bad"]),
        create("apart", &[]),
        create("after", &["b"]),
    ]);

    let results = run_all(&memory, circle).await;

    assert_eq!(statuses(&results), [409, 400, 409, 201, 409]);
    for number in [0, 2] {
        let detail = detail(&results[number]);
        assert!(detail.contains("circle") && detail.contains("operation 2 "), "{detail}");
        assert_eq!(results[number].location, None);
    }
    assert!(detail(&results[4]).contains("operation 3 "), "{}", detail(&results[4]));
    assert!(memory.references().keys().eq(["apart"]));
}

#[tokio::test]
async fn what_a_circle_refers_to_is_there_before_any_of_it_is_created() {
    let memory = Memory::default();

    let results = run_all(
        &memory,
        json!([create("a", &["b"]), create("b", &["a", "bad"]), create("bad", &[])]),
    )
    .await;

    assert_eq!(statuses(&results), [409, 409, 400]);
    assert!(detail(&results[1]).contains("operation 3 "), "{}", detail(&results[1]));
    assert_eq!(*memory.sent.lock().unwrap(), [(Method::Post, "bad".to_owned())]);
}

#[tokio::test]
async fn groups_of_a_circle_that_falls_give_up_their_members_before_they_are_deleted() {
    let memory = Memory::default();
    let group = |name: &str, other: &str| {
        let members = json!([{"value": "someone"}, {"value": format!("bulkId:{other}")}]);
        json!({"method": "POST", "path": "/Groups", "bulkId": name, "data": {"name": name, "members": members}})
    };

    let results = run_all(&memory, json!([group("good", "late"), group("late", "good")])).await;

    assert_eq!(statuses(&results), [409, 400]);
    assert!(memory.users().is_empty());
    let sent = memory.sent.lock().unwrap();
    let to_good = sent
        .iter()
        .filter(|(_, name)| name == "good")
        .map(|(method, _)| *method);
    assert!(to_good.eq([Method::Post, Method::Put, Method::Delete]), "{sent:?}");
    assert_eq!(sent.iter().filter(|(method, _)| *method == Method::Patch).count(), 2);
}

#[tokio::test]
async fn what_cannot_be_taken_back_is_located() {
    let memory = Memory {
        keeps: true,
        ..Memory::default()
    };

    let results = run_all(&memory, json!([create("a", &["bad"]), create("bad", &["a"])])).await;

    assert_eq!(statuses(&results), [503, 400]);
    assert_eq!(results[0].location.as_deref(), Some("https://h/scim/v2/Users/id1"));
    assert!(detail(&results[0]).contains("delete it"));
}

#[tokio::test]
async fn after_so_many_errors_the_rest_is_left_alone() {
    let memory = Memory::default();
    let operations = json!([
        create("a", &[]),
        create("bad1", &[]),
        {"method": "DELETE", "path": "/Users/nobody"},
        create("b", &[]),
    ]);

    let results = run(
        &memory,
        json!({"schemas": [BULK_REQUEST_SCHEMA], "failOnErrors": 2, "Operations": operations}),
    )
    .await;

    assert_eq!(statuses(&results), [201, 400, 404]);
    assert_eq!(results[2].location.as_deref(), Some("https://h/scim/v2/Users/nobody"));
    assert!(memory.references().keys().eq(["a"]));
}

#[tokio::test]
async fn a_circle_that_is_left_alone_is_not_begun_and_one_that_falls_counts_each_of_its_errors() {
    let memory = Memory::default();
    let left_alone = json!([create("a", &["b"]), create("bad", &[]), create("b", &["a"])]);
    let falls = json!([create("a", &["bad"]), create("bad", &["a"]), create("b", &[])]);
    for (operations, errors, expected) in [(left_alone, 1, vec![400]), (falls, 2, vec![409, 400])] {
        let body = json!({"schemas": [BULK_REQUEST_SCHEMA], "failOnErrors": errors, "Operations": operations});

        assert_eq!(statuses(&run(&memory, body).await), expected);
        assert!(memory.users().is_empty());
    }
}

#[tokio::test]
async fn what_is_not_begun_in_time_is_503_and_what_was_done_is_told() {
    let memory = Memory::default();
    let operations: Value = ["a", "slow", "b"].iter().map(|name| create(name, &[])).collect();

    let results = run_all(&memory, operations).await;

    assert_eq!(statuses(&results), [201, 503, 503]);
    assert!(detail(&results[1]).contains("may have been done or not"));
    assert!(detail(&results[2]).contains("was not begun"));
    assert!(memory.references().keys().eq(["a"]));
}

#[tokio::test]
async fn a_disable_that_is_refused_before_it_is_sent_is_told() {
    let memory = Memory::default();
    let disable = |id: &str, manager: &str| {
        let manager = json!({"op": "add", "path": "manager", "value": manager});
        let active = json!({"op": "replace", "path": "active", "value": "False"});
        json!({"method": "PATCH", "path": format!("/Users/{id}"), "data": {"Operations": [manager, active]}})
    };
    let group = json!({"method": "PUT", "path": "/Groups/g", "data": {"active": false, "m": "bulkId:bad"}});
    let enable = json!({"method": "PUT", "path": "/Users/u2", "data": {"active": true, "m": "bulkId:bad"}});
    let sent = json!([
        create("bad", &[]),
        disable("u1", "bulkId:bad"),
        group,
        enable,
        disable("u3", "u4")
    ]);

    let results = run_all(&memory, sent).await;

    assert_eq!(statuses(&results), [400, 409, 409, 409, 404]);
    assert_eq!(*memory.refused.lock().unwrap(), [("u1".to_owned(), 409)]);
}

#[tokio::test]
async fn an_id_that_is_no_id_is_encoded_in_its_location() {
    let memory = Memory::default();

    let results = run_all(&memory, json!([{"method": "DELETE", "path": "/Users/../\u{e9} \"x"}])).await;

    assert_eq!(statuses(&results), [404]);
    let location = results[0].location.as_deref();
    assert_eq!(location, Some("https://h/scim/v2/Users/%2E%2E%2F%C3%A9%20%22x"));
}

#[tokio::test]
async fn every_operation_but_a_post_that_failed_has_a_location() {
    let memory = Memory::default();
    let url = |path: &str| Some(format!("https://h/scim/v2{path}"));
    let cases = [
        (create("a", &[]), 201, url("/Users/id1")),
        (create("bad", &[]), 400, None),
        (
            json!({"method": "POST", "path": "/Users/7", "bulkId": "x", "data": {}}),
            405,
            None,
        ),
        (json!({"method": "PUT", "path": "/Users/7"}), 400, url("/Users/7")),
        (
            json!({"method": "PATCH", "path": "/Groups/7", "bulkId": 1}),
            400,
            url("/Groups/7"),
        ),
        (
            json!({"method": "DELETE", "path": "/Groups/7", "version": 1}),
            400,
            url("/Groups/7"),
        ),
        (json!({"method": "GET", "path": "/Users/7"}), 400, url("/Users/7")),
        (json!({"method": "DELETE", "path": "/Users"}), 405, url("/Users")),
        (
            json!({"method": "PUT", "path": "/Users/bulkId:a"}),
            400,
            url("/Users/id1"),
        ),
        (
            json!({"method": "DELETE", "path": "/Users/bulkId:bad"}),
            409,
            url("/Users/bulkId:bad"),
        ),
        (
            json!({"method": "DELETE", "path": "/Users/bulkId:no one"}),
            400,
            url("/Users/bulkId:no%20one"),
        ),
        (json!({"method": "DELETE", "path": "/Robots/7"}), 404, None),
    ];

    let results = run_all(&memory, cases.iter().map(|(operation, ..)| operation.clone()).collect()).await;

    for (result, (operation, status, location)) in results.iter().zip(cases) {
        assert_eq!((result.status, &result.location), (status, &location), "{operation}");
    }
}

proptest! {
    /// Each operation refers to any others; `bad` ones fail. An operation succeeds if and only if nothing that it needs,
    /// directly or not, is bad; the results are in the order of the request, and every reference was kept.
    #[test]
    fn what_can_be_resolved_is_resolved(graph in (1..24_usize).prop_flat_map(|count| {
        let one = (prop::bool::weighted(0.1), prop::collection::btree_set(0..count, 0..3));
        prop::collection::vec(one, count)
    })) {
        let name = |number: usize| format!("{}{number}", if graph[number].0 { "bad" } else { "u" });
        let sent = graph.iter().enumerate().map(|(number, (_, refers))| {
            let refers: Vec<String> = refers.iter().map(|number| name(*number)).collect();
            create(&name(number), &refers.iter().map(String::as_str).collect::<Vec<_>>())
        });
        let memory = Memory::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();

        let results = runtime.block_on(run_all(&memory, sent.collect()));

        let mut fails: Vec<bool> = graph.iter().map(|(bad, _)| *bad).collect();
        for _ in 0..graph.len() {
            for (number, (_, refers)) in graph.iter().enumerate() {
                fails[number] |= refers.iter().any(|needed| fails[*needed]);
            }
        }
        let held = memory.references();
        prop_assert_eq!(results.len(), graph.len());
        for (number, result) in results.iter().enumerate() {
            prop_assert_eq!(result.bulk_id.as_deref(), Some(&*name(number)));
            let (bad, fails) = (graph[number].0, fails[number]);
            let expected = [(400, bad), (409, fails), (201, !fails)]; // a bad one is not tried if it needs another
            prop_assert!(expected.contains(&(result.status, true)), "{} for {number}", result.status);
            let refers: Vec<String> = graph[number].1.iter().map(|number| name(*number)).collect();
            prop_assert_eq!(held.get(&name(number)), (!fails).then_some(&refers));
        }
    }
}
