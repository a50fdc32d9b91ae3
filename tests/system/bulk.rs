//! Bulk requests (RFC 7644 §3.7): many writes at once, each of which stands by itself.

use std::time::Instant;

use directory_proto::v1::Scope;
use serde_json::{Value, json};

use crate::support::databases::Database;
use crate::support::scim::{Answer, ENTERPRISE, ERROR, Scim, group, patch, user};
use crate::support::system::{SOURCE, System};

on_every_database! {
    a_thousand_mixed_operations_are_done_and_told_in_order,
    references_are_kept_forward_backward_and_in_circles,
    operations_wait_for_what_they_refer_to_and_the_others_keep_their_order,
    of_a_circle_that_cannot_be_closed_nothing_is_left,
    each_operation_that_fails_says_why_and_the_others_stand,
    versions_guard_operations,
    after_so_many_errors_the_rest_is_left_alone,
    what_is_too_large_is_413_with_its_limit_and_changes_nothing,
    a_bulk_request_needs_a_token_that_writes,
}

const BULK_REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
const BULK_RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";

async fn start(database: Database, slug: &str) -> (System, Scim) {
    let system = System::start(database).await;
    let scim = system.tenant(slug).await.scim;
    (system, scim)
}

fn bulk(operations: &[Value]) -> Value {
    json!({"schemas": [BULK_REQUEST], "Operations": operations})
}

/// The results, after everything that holds for all of them was checked.
async fn run(scim: &Scim, body: &Value) -> Vec<Value> {
    results(&scim.post("/Bulk", body).await.expect(200), body)
}

fn results(answer: &Answer, body: &Value) -> Vec<Value> {
    assert_eq!(answer.header("content-type"), "application/scim+json");
    assert_eq!(answer.body["schemas"], json!([BULK_RESPONSE]));
    let results = answer.body["Operations"].as_array().unwrap().clone();
    let sent = body["Operations"].as_array().unwrap();
    for (result, sent) in results.iter().zip(sent) {
        assert_eq!(result.get("bulkId"), sent.get("bulkId"), "in the order of the request");
        assert_eq!(result.get("method"), sent.get("method"), "in the order of the request");
        let status: u16 = result["status"].as_str().unwrap().parse().unwrap();
        let is_good = (200..300).contains(&status);
        assert_eq!(result.get("response").is_some(), !is_good, "{result}");
        if !is_good {
            assert_eq!(result["response"]["schemas"], json!([ERROR]));
            assert_eq!(result["response"]["status"], result["status"]);
            assert!(!result["response"]["detail"].as_str().unwrap().is_empty());
        }
        assert_eq!(
            result.get("version").is_some(),
            is_good && sent["method"] != "DELETE",
            "{result}"
        );
        let has_location = is_good || sent["method"] != "POST";
        assert_eq!(result.get("location").is_some(), has_location, "{result}");
    }
    results
}

fn statuses(results: &[Value]) -> Vec<&str> {
    results
        .iter()
        .map(|result| result["status"].as_str().unwrap())
        .collect()
}

/// The id at the end of a result's location.
fn id(result: &Value) -> String {
    result["location"]
        .as_str()
        .unwrap()
        .rsplit('/')
        .next()
        .unwrap()
        .to_owned()
}

fn post(endpoint: &str, bulk_id: &str, data: Value) -> Value {
    json!({"method": "POST", "path": endpoint, "bulkId": bulk_id, "data": data})
}

fn managed(name: &str, manager: &str) -> Value {
    let mut body = user(name);
    body[ENTERPRISE]["manager"] = json!({"value": manager});
    body
}

async fn manager_of(scim: &Scim, id: &str) -> Value {
    let shown = scim.get(&format!("/Users/{id}")).await.expect(200).body;
    shown[ENTERPRISE]["manager"]["value"].clone()
}

/// 100 blocks: two new users who manage each other, a third whose manager comes later, a group of the three that comes
/// before them, and changes of all sorts.
async fn a_thousand_mixed_operations_are_done_and_told_in_order(database: Database) {
    let (_system, scim) = start(database, "thousand").await;
    let replace = |value: &str| patch(json!([{"op": "replace", "path": "title", "value": value}]));
    let add = |id: &str| patch(json!([{"op": "add", "path": "members", "value": [{"value": id}]}]));
    let mut operations = Vec::new();
    for block in 0..100 {
        let name = |what: &str| format!("{what}{block}");
        let bulk_id = |what: &str| format!("bulkId:{what}{block}");
        operations.extend([
            post(
                "/Groups",
                &name("g"),
                group(&name("Group "), &[&bulk_id("a"), &bulk_id("b")]),
            ),
            post("/Users", &name("c"), managed(&name("c"), &bulk_id("a"))),
            post("/Users", &name("a"), managed(&name("a"), &bulk_id("b"))),
            post("/Users", &name("b"), managed(&name("b"), &bulk_id("a"))),
            json!({"method": "PATCH", "path": format!("/Users/{}", bulk_id("a")), "data": replace("First")}),
            json!({"method": "PATCH", "path": format!("/Groups/{}", bulk_id("g")), "data": add(&bulk_id("c"))}),
            json!({"method": "PUT", "path": format!("/Users/{}", bulk_id("b")), "data": user(&name("renamed"))}),
            post("/Users", &name("taken"), user(&name("a"))),
            post("/Users", &name("gone"), user(&name("gone"))),
            json!({"method": "DELETE", "path": format!("/Users/{}", bulk_id("gone"))}),
        ]);
    }

    let started = Instant::now();
    let results = run(&scim, &bulk(&operations)).await;
    println!("1,000 operations in {:?}", started.elapsed());

    assert_eq!(results.len(), 1_000);
    for block in results.chunks(10) {
        let expected = ["201", "201", "201", "201", "200", "204", "200", "409", "201", "204"];
        assert_eq!(statuses(block), expected);
        assert_eq!(block[7]["response"]["scimType"], "uniqueness");
    }
    for block in [&results[..10], &results[990..]] {
        let [group, c, a, b] = [0, 1, 2, 3].map(|operation| id(&block[operation]));
        let mut members = vec![a.clone(), b.clone(), c.clone()];
        members.sort();
        assert_eq!(scim.members(&group).await, members);
        assert_eq!(manager_of(&scim, &c).await, json!(a));
        assert_eq!(manager_of(&scim, &a).await, json!(b));
        assert_eq!(manager_of(&scim, &b).await, Value::Null, "the PUT came last");
        let shown = scim.get(&format!("/Users/{a}")).await.expect(200);
        assert_eq!(
            (&shown.body["title"], shown.header("etag")),
            (&json!("First"), block[4]["version"].as_str().unwrap())
        );
        scim.get(&format!("/Users/{}", id(&block[9]))).await.expect(404);
    }
    let total = scim.get("/Users?count=0").await.expect(200).body["totalResults"].clone();
    assert_eq!(total, json!(300));
}

async fn references_are_kept_forward_backward_and_in_circles(database: Database) {
    let (_system, scim) = start(database, "references").await;
    let old = scim.create_user(&user("old")).await;
    let team = scim.create_group("Team", &[&old]).await;
    let manager = format!("{ENTERPRISE}:manager");
    let operations = [
        // Forward, as Entra and as RFC 7644 §3.7.2 spell it, and in the filter of a path.
        json!({"method": "PATCH", "path": format!("/Users/{old}"),
               "data": patch(json!([{"op": "Add", "path": manager, "value": "bulkId:boss"}]))}),
        json!({"method": "PATCH", "path": format!("/Groups/{team}"), "data": patch(json!([
            {"op": "add", "path": "members", "value": [{"value": "bulkId:boss"}, {"value": "bulkId:self"}]},
            {"op": "remove", "path": "members[value eq \"bulkId:boss\"]"}]))}),
        post("/Users", "boss", user("boss")),
        // Backward, with a reference as a URL beside it.
        post("/Users", "below", {
            let mut body = managed("below", "bulkId:boss");
            body[ENTERPRISE]["manager"]["$ref"] = json!("../Users/bulkId:boss");
            body
        }),
        post("/Users", "self", managed("self", "bulkId:self")),
        post("/Users", "1", managed("one", "bulkId:2")),
        post("/Users", "2", managed("two", "bulkId:3")),
        post("/Users", "3", managed("three", "bulkId:1")),
    ];

    let results = run(&scim, &bulk(&operations)).await;

    assert_eq!(
        statuses(&results),
        ["200", "204", "201", "201", "201", "201", "201", "201"]
    );
    let [boss, below, own, one, two, three] = [2, 3, 4, 5, 6, 7].map(|operation| id(&results[operation]));
    for (user, manager) in [
        (&old, &boss),
        (&below, &boss),
        (&own, &own),
        (&one, &two),
        (&two, &three),
        (&three, &one),
    ] {
        assert_eq!(manager_of(&scim, user).await, json!(manager));
    }
    let mut members = vec![old, own];
    members.sort();
    assert_eq!(scim.members(&team).await, members);
    for result in &results[2..] {
        let shown = scim.get(&format!("/Users/{}", id(result))).await.expect(200);
        assert_eq!(
            shown.header("etag"),
            result["version"].as_str().unwrap(),
            "the last version"
        );
    }
}

async fn operations_wait_for_what_they_refer_to_and_the_others_keep_their_order(database: Database) {
    let (_system, scim) = start(database, "order").await;
    let leaver = scim.create_user(&user("ada")).await;
    let stayer = scim.create_user(&user("bob")).await;
    let guest = scim.create_user(&user("guest")).await;
    let manager =
        |value: Value| patch(json!([{"op": "replace", "path": format!("{ENTERPRISE}:manager"), "value": value}]));
    let operations = [
        // The name of the new user is free when the old one is deleted, and not before.
        post("/Groups", "team", group("Team", &["bulkId:new"])),
        json!({"method": "DELETE", "path": format!("/Users/{leaver}")}),
        post("/Users", "new", user("ada")),
        // What comes last on one resource counts.
        json!({"method": "PATCH", "path": format!("/Users/{stayer}"), "data": manager(json!({"value": "bulkId:late"}))}),
        json!({"method": "PATCH", "path": format!("/Users/{stayer}"), "data": manager(Value::Null)}),
        // A user can be a member before it is deleted.
        post("/Groups", "guests", group("Guests", &[&guest, "bulkId:late"])),
        json!({"method": "DELETE", "path": format!("/Users/{guest}")}),
        post("/Users", "late", user("late")),
    ];

    let results = run(&scim, &bulk(&operations)).await;

    assert_eq!(
        statuses(&results),
        ["201", "204", "201", "200", "200", "201", "204", "201"]
    );
    assert_eq!(scim.members(&id(&results[0])).await, [id(&results[2])]);
    assert_eq!(manager_of(&scim, &stayer).await, Value::Null);
    assert_eq!(scim.members(&id(&results[5])).await, [id(&results[7])]);
}

async fn of_a_circle_that_cannot_be_closed_nothing_is_left(database: Database) {
    let (_system, scim) = start(database, "falls").await;
    let standing = scim.create_user(&user("standing")).await;
    let before = scim.get(&format!("/Users/{standing}")).await.expect(200).body;
    let mut wrong = user("wrong");
    wrong["nickName"] = json!({"of": "bulkId:g"});
    let operations = [
        post("/Groups", "g", group("Group", &[&standing, "bulkId:u"])),
        post("/Users", "u", wrong),
        post("/Users", "after", managed("after", "bulkId:u")),
    ];

    let results = run(&scim, &bulk(&operations)).await;

    assert_eq!(statuses(&results), ["409", "400", "409"]);
    let detail = results[0]["response"]["detail"].as_str().unwrap();
    assert!(detail.contains("circle of references with operation 2"), "{detail}");
    assert_eq!(results[1]["response"]["scimType"], "invalidValue");
    assert_eq!(scim.get("/Users?count=0").await.expect(200).body["totalResults"], 1);
    assert_eq!(scim.get("/Groups?count=0").await.expect(200).body["totalResults"], 0);
    let after = scim.get(&format!("/Users/{standing}")).await.expect(200).body;
    assert_eq!(after, before);
}

async fn each_operation_that_fails_says_why_and_the_others_stand(database: Database) {
    let (_system, scim) = start(database, "failures").await;
    let standing = scim.create_user(&user("standing")).await;
    let path = format!("/Users/{standing}");
    let nobody = "/Users/0191f0a0-0000-7000-8000-000000000000";
    let cases = [
        (post("/Users", "a", user("standing")), "409", Some("uniqueness")),
        (
            post("/Users", "b", json!({"displayName": "No name"})),
            "400",
            Some("invalidValue"),
        ),
        (post("/Users", "c", json!("text")), "400", Some("invalidSyntax")),
        (
            post("/Users", "d", managed("d", "bulkId:nowhere")),
            "400",
            Some("invalidValue"),
        ),
        (post("/Users", "e", managed("e", "bulkId:a")), "409", None),
        (post("/Groups", "f", group("Of nobody", &["bulkId:e"])), "409", None),
        (post("/Bulk", "g", bulk(&[])), "404", None),
        (post("/.search", "h", json!({})), "404", None),
        (post("/Users/.search", "i", json!({})), "405", None),
        (
            json!({"method": "POST", "path": "/Users", "data": user("nameless")}),
            "400",
            Some("invalidSyntax"),
        ),
        (json!({"method": "GET", "path": path}), "400", Some("invalidSyntax")),
        (json!({"method": "PUT", "path": path}), "400", Some("invalidSyntax")),
        (json!({"method": "DELETE", "path": nobody}), "404", None),
        (json!({"method": "DELETE", "path": "/Users/nobody%"}), "404", None),
        (json!({"method": "DELETE", "path": "/Users/bulkId:a"}), "409", None),
        (
            json!({"method": "PATCH", "path": path, "data": patch(json!([{"op": "replace", "path": "nope", "value": 1}]))}),
            "400",
            Some("invalidPath"),
        ),
        (
            json!({"method": "PATCH", "path": path, "data": patch(json!([
                {"op": "replace", "path": "title", "value": "Never"},
                {"op": "replace", "path": "id", "value": "x"}]))}),
            "400",
            Some("mutability"),
        ),
        // Groups cannot be members (there are no nested groups here), so this circle cannot be closed, and falls.
        (
            post("/Groups", "j", group("One", &["bulkId:k"])),
            "400",
            Some("invalidValue"),
        ),
        (post("/Groups", "k", group("Other", &["bulkId:j"])), "409", None),
        (post("/Users", "z", user("last")), "201", None),
    ];
    let operations: Vec<Value> = cases.iter().map(|(operation, ..)| operation.clone()).collect();

    let sent = bulk(&operations);
    let answer = scim.post("/Bulk", &sent).await.expect(200);
    let got = answer.body["Operations"].as_array().unwrap();

    assert_eq!(got.len(), cases.len());
    for (result, (operation, status, scim_type)) in got.iter().zip(&cases) {
        assert_eq!(result["status"], *status, "{operation}: {result}");
        assert_eq!(
            result["response"]["scimType"].as_str(),
            *scim_type,
            "{operation}: {result}"
        );
        let is_located = *status == "201" || operation["method"] != "POST";
        assert_eq!(result.get("location").is_some(), is_located, "{operation}: {result}");
    }
    assert_eq!(got[12]["location"], format!("{}{nobody}", scim.base()));
    let detail = got[3]["response"]["detail"].as_str().unwrap();
    assert!(detail.contains("bulkId nowhere"), "{detail}");
    let shown = scim.get(&path).await.expect(200).body;
    assert_eq!(shown["title"], "Engineer", "a PATCH is done as a whole or not at all");
    assert_eq!(scim.get("/Users?count=0").await.expect(200).body["totalResults"], 2);
    assert_eq!(scim.get("/Groups?count=0").await.expect(200).body["totalResults"], 0);
    scim.delete(&path).await.expect(204);
    scim.create_user(&user("standing")).await;
}

async fn versions_guard_operations(database: Database) {
    let (_system, scim) = start(database, "versions").await;
    let id_of_user = scim.create_user(&user("guarded")).await;
    let group_id = scim.create_group("Guarded", &[]).await;
    let (path, group_path) = (format!("/Users/{id_of_user}"), format!("/Groups/{group_id}"));
    let title = |value: &str| patch(json!([{"op": "replace", "path": "title", "value": value}]));
    let name = patch(json!([{"op": "replace", "path": "displayName", "value": "Renamed"}]));
    let operations = [
        json!({"method": "PATCH", "path": path, "version": "W/\"1\"", "data": title("Second")}),
        json!({"method": "PATCH", "path": path, "version": "W/\"1\"", "data": title("Never")}),
        json!({"method": "PUT", "path": path, "version": "W/\"1\"", "data": user("never")}),
        json!({"method": "PUT", "path": group_path, "version": "W/\"7\"", "data": group("Never", &[])}),
        json!({"method": "PATCH", "path": group_path, "version": "no tag\n", "data": name}),
        json!({"method": "DELETE", "path": group_path, "version": "W/\"7\""}),
        json!({"method": "DELETE", "path": path, "version": "W/\"2\""}),
        json!({"method": "DELETE", "path": group_path, "version": "W/\"1\""}),
    ];

    let results = run(&scim, &bulk(&operations)).await;

    assert_eq!(
        statuses(&results),
        ["200", "412", "412", "412", "412", "412", "204", "204"]
    );
    assert_eq!(results[0]["version"], "W/\"2\"");
    assert_eq!(results[1]["location"], format!("{}{path}", scim.base()));
}

async fn after_so_many_errors_the_rest_is_left_alone(database: Database) {
    let (_system, scim) = start(database, "errors").await;
    let delete = json!({"method": "DELETE", "path": "/Users/0191f0a0-0000-7000-8000-000000000000"});
    let operations = [
        post("/Users", "a", user("a")),
        delete.clone(),
        post("/Users", "b", user("b")),
        delete,
        post("/Users", "c", user("c")),
    ];
    let mut body = bulk(&operations);
    body["failOnErrors"] = json!(2);

    let results = run(&scim, &body).await;

    assert_eq!(statuses(&results), ["201", "404", "201", "404"]);
    assert_eq!(scim.get("/Users?count=0").await.expect(200).body["totalResults"], 2);
}

async fn what_is_too_large_is_413_with_its_limit_and_changes_nothing(database: Database) {
    let (_system, scim) = start(database, "limits").await;
    let config = scim.get("/ServiceProviderConfig").await.expect(200).body;
    assert_eq!(
        config["bulk"],
        json!({"supported": true, "maxOperations": 1_000, "maxPayloadSize": 4_194_304})
    );

    let many: Vec<Value> = (0..1_001)
        .map(|number| post("/Users", &number.to_string(), user(&number.to_string())))
        .collect();
    let answer = scim.post("/Bulk", &bulk(&many)).await.expect_error(413, None);
    assert!(answer.text.contains("maxOperations (1000)"), "{}", answer.text);

    let mut large = user("large");
    large["title"] = json!("x".repeat(4 * 1024 * 1024));
    let answer = scim.post("/Bulk", &bulk(&[post("/Users", "a", large)])).await;
    let answer = answer.expect_error(413, None);
    assert!(answer.text.contains("maxPayloadSize (4194304"), "{}", answer.text);

    assert_eq!(scim.get("/Users?count=0").await.expect(200).body["totalResults"], 0);
    scim.get("/Bulk").await.expect_error(405, None);
    scim.post("/Bulk", &json!({}))
        .await
        .expect_error(400, Some("invalidSyntax"));
}

async fn a_bulk_request_needs_a_token_that_writes(database: Database) {
    let (system, scim) = start(database, "rights").await;
    let body = bulk(&[post("/Users", "a", user("a"))]);

    let reader = scim.with_token(&system.issue("rights", &[Scope::Read], "").await);
    reader.post("/Bulk", &body).await.expect_error(403, None);
    let wrong = scim.with_token("rc_wrong");
    wrong.post("/Bulk", &body).await.expect_error(401, None);
    let other = scim.with_token(&system.issue("rights", &[Scope::Provision], "other").await);
    let results = run(&other, &body).await;
    assert_eq!(statuses(&results), ["403"], "only source {SOURCE} may write");

    assert_eq!(scim.get("/Users?count=0").await.expect(200).body["totalResults"], 0);
}
