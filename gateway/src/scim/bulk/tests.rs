//! Reading bulk requests, their references, and the order that follows.

use std::iter::once;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::scim::error::ScimType;

const BASE: &str = "https://h/scim/v2";
const ENT: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

fn parse(members: Value) -> Result<BulkRequest, ScimError> {
    let mut body = json!({"schemas": [BULK_REQUEST_SCHEMA]});
    for (name, value) in members.as_object().unwrap() {
        body[name] = value.clone();
    }
    BulkRequest::parse(body, BASE)
}

fn operations(operations: Value) -> Vec<BulkOperation> {
    parse(json!({"Operations": operations})).unwrap().operations
}

fn refusal(operation: Value) -> (u16, Option<ScimType>) {
    let error = operations(json!([operation])).remove(0).wanted.unwrap_err();
    (error.status, error.scim_type)
}

fn create(bulk_id: &str, data: Value) -> Value {
    json!({"method": "POST", "path": "/Users", "bulkId": bulk_id, "data": data})
}

#[test]
fn member_names_and_methods_may_be_in_any_case() {
    let body = json!({"SCHEMAS": [BULK_REQUEST_SCHEMA.to_uppercase()], "failonerrors": 2, "operations": [
        {"Method": "delete", "PATH": "/Groups/7", "Version": "W/\"3\"", "BulkID": "x"}]});

    let request = BulkRequest::parse(body, BASE).unwrap();

    assert_eq!(request.fail_on_errors, NonZeroUsize::new(2));
    let operation = &request.operations[0];
    assert_eq!(
        (operation.method, operation.bulk_id.as_deref()),
        (Some(Method::Delete), Some("x"))
    );
    let Ok(Wanted::Change {
        endpoint,
        resource,
        version,
        data,
        ..
    }) = &operation.wanted
    else {
        panic!("{operation:?}")
    };
    assert_eq!(
        (*endpoint, resource, version.as_deref(), data),
        (
            Endpoint::Groups,
            &ResourceName::Id("7".to_owned()),
            Some("W/\"3\""),
            &None
        )
    );
}

#[test]
fn what_is_no_bulk_request_is_refused_as_a_whole() {
    let one = json!([{"method": "DELETE", "path": "/Users/7"}]);
    let syntax = (400, Some(ScimType::InvalidSyntax));
    let value = (400, Some(ScimType::InvalidValue));
    for (body, expected) in [
        (json!([]), syntax),
        (json!({"Operations": one}), syntax),
        (json!({"schemas": ["urn:other"], "Operations": one}), syntax),
        (json!({"schemas": [BULK_REQUEST_SCHEMA]}), syntax),
        (json!({"schemas": [BULK_REQUEST_SCHEMA], "Operations": []}), syntax),
        (json!({"schemas": [BULK_REQUEST_SCHEMA], "Operations": {}}), syntax),
        (json!({"schemas": [BULK_REQUEST_SCHEMA], "Operations": [7]}), syntax),
        (
            json!({"schemas": [BULK_REQUEST_SCHEMA], "Operations": one, "operations": one}),
            syntax,
        ),
        (
            json!({"schemas": [BULK_REQUEST_SCHEMA], "Operations": [{"method": "PUT", "Method": "PUT"}]}),
            syntax,
        ),
        (
            json!({"schemas": [BULK_REQUEST_SCHEMA], "Operations": one, "failOnErrors": 0}),
            value,
        ),
        (
            json!({"schemas": [BULK_REQUEST_SCHEMA], "Operations": one, "failOnErrors": -1}),
            value,
        ),
        (
            json!({"schemas": [BULK_REQUEST_SCHEMA], "Operations": one, "failOnErrors": 1.5}),
            value,
        ),
        (
            json!({"schemas": [BULK_REQUEST_SCHEMA], "Operations": one, "failOnErrors": "1"}),
            value,
        ),
        (
            json!({"schemas": [BULK_REQUEST_SCHEMA], "Operations": [create("x", json!({})), create("x", json!({}))]}),
            value,
        ),
    ] {
        let error = BulkRequest::parse(body.clone(), BASE).unwrap_err();
        assert_eq!((error.status, error.scim_type), expected, "{body}");
    }
}

#[test]
fn the_1001st_operation_is_too_many() {
    let many = |count: usize| json!({"Operations": vec![json!({"method": "DELETE", "path": "/Users/7"}); count]});

    assert_eq!(parse(many(1_000)).unwrap().operations.len(), 1_000);
    let error = parse(many(1_001)).unwrap_err();
    assert_eq!(error.status, 413);
    assert!(error.detail.contains("maxOperations (1000)"), "{}", error.detail);
}

#[test]
fn an_operation_that_cannot_be_read_fails_by_itself() {
    let syntax = (400, Some(ScimType::InvalidSyntax));
    let data = json!({});
    for (operation, expected) in [
        (json!({}), syntax),
        (json!({"method": "GET", "path": "/Users/7"}), syntax),
        (json!({"method": 7, "path": "/Users/7"}), syntax),
        (json!({"method": "DELETE"}), syntax),
        (json!({"method": "DELETE", "path": 7}), syntax),
        (json!({"method": "DELETE", "path": "/Users/7", "version": 7}), syntax),
        (json!({"method": "DELETE", "path": "/Users/7", "bulkId": 7}), syntax),
        (json!({"method": "POST", "path": "/Users", "data": data}), syntax),
        (json!({"method": "POST", "path": "/Users", "bulkId": "x"}), syntax),
        (json!({"method": "PUT", "path": "/Users/7", "data": null}), syntax),
        (json!({"method": "PATCH", "path": "/Users/7"}), syntax),
        (
            json!({"method": "POST", "path": "/Bulk", "bulkId": "x", "data": data}),
            (404, None),
        ),
        (
            json!({"method": "POST", "path": "/Users/7", "bulkId": "x", "data": data}),
            (405, None),
        ),
        (json!({"method": "PUT", "path": "/Users", "data": data}), (405, None)),
        (json!({"method": "DELETE", "path": "/Groups"}), (405, None)),
    ] {
        assert_eq!(refusal(operation.clone()), expected, "{operation}");
    }
}

/// Every reference is replaced by `id-` and the bulkId.
fn resolved(method: Method, data: Value) -> Value {
    let ids: Vec<(String, String)> = ["a", "b", "q\"x"]
        .map(|name| (name.to_owned(), format!("id-{name}")))
        .into();
    let id_of = |name: &str| {
        ids.iter()
            .find_map(|(known, id)| (known == name).then_some(id.as_str()))
    };
    ResolvedData::resolve(method, data, id_of).unwrap().0
}

#[test]
fn references_are_replaced_wherever_an_id_can_stand() {
    for (method, sent, expected) in [
        (
            Method::Post,
            json!({"members": [{"value": "bulkId:a", "$ref": "https://h/scim/v2/Users/bulkId:a"}, {"value": "7"}]}),
            json!({"members": [{"value": "id-a", "$ref": "https://h/scim/v2/Users/id-a"}, {"value": "7"}]}),
        ),
        (
            Method::Put,
            json!({ENT: {"manager": {"value": "bulkId:b"}, "department": "not bulkId:b"}}),
            json!({ENT: {"manager": {"value": "id-b"}, "department": "not bulkId:b"}}),
        ),
        (
            Method::Post,
            json!({ENT: {"manager": "bulkId:b"}}),
            json!({ENT: {"manager": "id-b"}}),
        ),
        (
            Method::Patch,
            json!({"Operations": [
                {"op": "add", "value": {format!("{ENT}:manager"): "bulkId:a"}},
                {"op": "remove", "path": "members[value eq \"bulkId:a\" or value eq \"bulkId:q\\\"x\" or value eq \"7\"]"}]}),
            json!({"Operations": [
                {"op": "add", "value": {format!("{ENT}:manager"): "id-a"}},
                {"op": "remove", "path": "members[value eq \"id-a\" or value eq \"id-q\\\"x\" or value eq \"7\"]"}]}),
        ),
        // Only a PATCH operation has a path with a filter in it, and only a whole text is a reference.
        (
            Method::Post,
            json!({"a": [{"path": "x[y eq \"bulkId:a\"]"}]}),
            json!({"a": [{"path": "x[y eq \"bulkId:a\"]"}]}),
        ),
        (
            Method::Patch,
            json!({"Operations": [{"path": "x[y eq \"bulkId:a"}]}),
            json!({"Operations": [{"path": "x[y eq \"bulkId:a"}]}),
        ),
    ] {
        assert_eq!(resolved(method, sent.clone()), expected, "{sent}");
    }
}

#[test]
fn a_reference_to_nothing_is_named_unless_it_is_no_label() {
    let id_of = |_: &str| None;
    let detail = |text: String| {
        let error = ResolvedData::resolve(Method::Post, json!([text]), id_of).unwrap_err();
        assert_eq!((error.status, error.scim_type), (400, Some(ScimType::InvalidValue)));
        error.detail
    };

    assert!(detail("bulkId:qwerty".to_owned()).contains("bulkId qwerty,"));
    assert!(detail(format!("bulkId:{}", "x".repeat(65))).contains("a bulkId,"));
    assert!(detail("bulkId:a b".to_owned()).contains("a bulkId,"));
}

#[test]
fn a_hundred_thousand_references_and_much_nesting_are_no_trouble() {
    let mut deep = json!("bulkId:a");
    for _ in 0..100 {
        deep = json!([deep]);
    }
    let members = vec![json!({"value": "bulkId:a"}); 100_000];
    let operations = operations(json!([
        create("g", json!({"members": members, "deep": deep})),
        create("a", json!({}))
    ]));

    let plan = Plan::new(&operations);

    assert_eq!(plan.steps(), [Step::Run(1), Step::Run(0)]);
}

#[test]
fn the_first_part_of_a_resource_lacks_what_waits_and_a_group_its_members() {
    let names = HashSet::from(["a"]);
    let data = json!({"userName": "u", "schemas": [ENT],
                      ENT: {"manager": {"value": "bulkId:a"}, "department": "d"},
                      "members": [{"value": "7"}, {"value": "bulkId:a"}], "other": "bulkId:b"});

    assert_eq!(
        first_part(Endpoint::Users, &data, &names),
        json!({"userName": "u", "schemas": [ENT], ENT: {"department": "d"}, "other": "bulkId:b"})
    );
    assert_eq!(
        first_part(
            Endpoint::Users,
            &json!({"userName": "u", ENT: {"manager": "bulkId:a"}}),
            &names
        ),
        json!({"userName": "u"})
    );
    for members in [
        "members",
        "Members",
        "urn:ietf:params:scim:schemas:core:2.0:Group:members",
    ] {
        let group = json!({"displayName": "g", "urn:x": {"to": "bulkId:a"}, members: [{"value": "7"}]});
        assert_eq!(
            first_part(Endpoint::Groups, &group, &names),
            json!({"displayName": "g"})
        );
    }
}

fn referring(names: &[usize]) -> Value {
    Value::from_iter(names.iter().map(|name| format!("bulkId:{name}")))
}

fn steps(references: &[&[usize]]) -> Vec<Step> {
    let numbered = references.iter().enumerate();
    let sent = numbered.map(|(number, names)| create(&number.to_string(), referring(names)));
    Plan::new(&operations(sent.collect())).steps()
}

#[test]
fn operations_keep_their_order_but_wait_for_what_they_refer_to() {
    use Step::{Circle, Run};

    assert_eq!(steps(&[&[], &[], &[0]]), [Run(0), Run(1), Run(2)]);
    assert_eq!(steps(&[&[2], &[], &[], &[]]), [Run(1), Run(2), Run(0), Run(3)]);
    assert_eq!(steps(&[&[2], &[], &[3], &[]]), [Run(1), Run(3), Run(2), Run(0)]);
    assert_eq!(steps(&[&[2], &[3], &[3], &[]]), [Run(3), Run(1), Run(2), Run(0)]);
    assert_eq!(steps(&[&[0], &[]]), [Circle(vec![0]), Run(1)]);
    assert_eq!(
        steps(&[&[2], &[], &[0], &[2], &[]]),
        [Run(1), Circle(vec![0, 2]), Run(3), Run(4)]
    );
    assert_eq!(
        steps(&[&[1], &[0, 3], &[], &[]]),
        [Run(2), Run(3), Circle(vec![0, 1])],
        "a circle waits as well"
    );
    assert_eq!(
        steps(&[&[1], &[0, 2], &[3], &[2]]),
        [Circle(vec![2, 3]), Circle(vec![0, 1])]
    );
}

#[test]
fn what_is_put_off_takes_along_what_depends_on_it() {
    use Step::Run;

    let add = |id: &str| json!({"Operations": [{"op": "add", "path": "members", "value": [{"value": id}, {"value": "bulkId:n"}]}]});
    let operations = operations(json!([
        {"method": "PATCH", "path": "/Users/7", "data": {"manager": "bulkId:n"}},
        {"method": "PATCH", "path": "/Users/7", "data": {"manager": null}},
        {"method": "PATCH", "path": "/Groups/1", "data": add("8")},
        {"method": "PATCH", "path": "/Users/8", "data": {}},
        {"method": "DELETE", "path": "/Users/8"},
        {"method": "DELETE", "path": "/Users/9"},
        create("old", json!({})),
        {"method": "PATCH", "path": "/Groups/2", "data": add("bulkId:old")},
        {"method": "DELETE", "path": "/Users/bulkId:old"},
        create("n", json!({})),
        {"method": "DELETE", "path": "/Groups/3"},
    ]));

    assert_eq!(
        Plan::new(&operations).steps(),
        [3, 5, 6, 9, 0, 1, 2, 4, 7, 8, 10].map(Run)
    );
}

#[test]
fn the_deletion_of_a_group_waits_for_everything_before_it() {
    let operations = operations(json!([
        {"method": "PATCH", "path": "/Users/7", "data": {"manager": "bulkId:n"}},
        {"method": "DELETE", "path": "/Groups/1"},
        create("n", json!({})),
        {"method": "DELETE", "path": "/Users/9"},
    ]));

    assert_eq!(Plan::new(&operations).steps(), [2, 0, 1, 3].map(Step::Run));
}

#[test]
fn only_a_post_gives_its_bulk_id_to_a_resource() {
    let operations = operations(json!([
        {"method": "DELETE", "path": "/Users/bulkId:x", "bulkId": "x"},
        create("y", json!(["bulkId:x"])),
        {"method": "DELETE", "path": "/Users/bulkId:y", "bulkId": "y"},
    ]));

    let plan = Plan::new(&operations);

    assert!(plan.check(0).unwrap_err().detail.contains("bulkId x"));
    assert!(plan.check(1).is_err());
    assert_eq!((plan.check(2), plan.before(2)), (Ok(()), &[1][..]));
}

#[test]
fn a_chain_and_a_circle_of_a_thousand_are_ordered() {
    let ordered = |references: Vec<Vec<usize>>| {
        let borrowed: Vec<&[usize]> = references.iter().map(Vec::as_slice).collect();
        steps(&borrowed)
    };

    let chain = ordered((1..1_000).map(|next| vec![next]).chain(once(Vec::new())).collect());
    assert_eq!(chain, (0..1_000).rev().map(Step::Run).collect::<Vec<_>>());
    let circle = ordered((0..1_000).map(|number| vec![(number + 1) % 1_000]).collect());
    assert_eq!(circle, [Step::Circle((0..1_000).collect())]);
}

impl Step {
    fn operations(&self) -> &[usize] {
        match self {
            Self::Run(operation) => std::slice::from_ref(operation),
            Self::Circle(circle) => circle,
        }
    }
}

/// Who can be reached from whom along the references, by one reference or more.
fn reached(graph: &[Vec<usize>]) -> Vec<Vec<bool>> {
    let mut reached: Vec<Vec<bool>> = graph
        .iter()
        .map(|names| (0..graph.len()).map(|other| names.contains(&other)).collect())
        .collect();
    for by in 0..graph.len() {
        for from in 0..graph.len() {
            for to in 0..graph.len() {
                reached[from][to] |= reached[from][by] && reached[by][to];
            }
        }
    }
    reached
}

proptest! {
    /// Whatever refers to whatever: each operation is in one step, after all that it refers to or in a circle with it, and
    /// a step comes before one that ends earlier in the request only if that one waited for it.
    #[test]
    fn every_graph_of_references_has_an_order(graph in (1..24_usize).prop_flat_map(|count| {
        prop::collection::vec(prop::collection::vec(0..count, 0..3), count)
    })) {
        let sent = graph.iter().enumerate().map(|(number, names)| create(&number.to_string(), referring(names)));
        let plan = Plan::new(&operations(sent.collect()));
        let reached = reached(&graph);

        let steps = plan.steps();
        let mut place = vec![None; graph.len()];
        for (at, step) in steps.iter().enumerate() {
            for &operation in step.operations() {
                prop_assert_eq!(place[operation].replace(at), None, "twice");
                for &other in step.operations() {
                    prop_assert!(matches!(step, Step::Run(_)) || reached[operation][other]);
                }
            }
        }
        for (operation, names) in graph.iter().enumerate() {
            for &name in names {
                prop_assert!(place[name].is_some() && place[name] <= place[operation]);
                prop_assert_eq!(plan.before(operation).contains(&name), place[name] < place[operation]);
                prop_assert!(place[name] < place[operation] || matches!(steps[place[name].unwrap()], Step::Circle(_)));
            }
        }
        for pair in steps.windows(2) {
            let [earlier, later] = pair else { unreachable!() };
            let is_in_order = earlier.operations().last() < later.operations().last();
            let waited = || later.operations().iter().any(|operation| {
                plan.before(*operation).iter().any(|needed| earlier.operations().contains(needed))
            });
            prop_assert!(is_in_order || waited(), "{earlier:?} before {later:?}");
        }
    }
}
