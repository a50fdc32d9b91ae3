//! Reading bulk requests, their references, and the order that follows.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::reference::without;
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
fn the_first_part_of_a_resource_lacks_only_the_attributes_that_wait() {
    let names = HashSet::from(["a".to_owned()]);
    let data = json!({"userName": "u", "schemas": [ENT],
                      ENT: {"manager": {"value": "bulkId:a"}, "department": "d"},
                      "members": [{"value": "7"}, {"value": "bulkId:a"}], "other": "bulkId:b"});

    assert_eq!(
        without(&data, &names),
        json!({"userName": "u", "schemas": [ENT], ENT: {"department": "d"}, "other": "bulkId:b"})
    );
    assert_eq!(
        without(&json!({"userName": "u", ENT: {"manager": "bulkId:a"}}), &names),
        json!({"userName": "u"})
    );
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
fn operations_keep_their_order_but_for_what_they_need() {
    use Step::{Complete, Run};

    assert_eq!(steps(&[&[], &[], &[0]]), [Run(0), Run(1), Run(2)]);
    assert_eq!(steps(&[&[2], &[], &[3], &[]]), [Run(3), Run(2), Run(0), Run(1)]);
    assert_eq!(steps(&[&[0]]), [Run(0), Complete(0)]);
    assert_eq!(steps(&[&[1], &[0]]), [Run(1), Run(0), Complete(1)]);
    assert_eq!(steps(&[&[1], &[2], &[0, 1]]), [Run(2), Run(1), Run(0), Complete(2)]);
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
    let chain: Vec<Vec<usize>> = (0..1_000).map(|number| vec![(number + 1) % 1_000]).collect();
    let borrowed: Vec<&[usize]> = chain.iter().map(Vec::as_slice).collect();

    let circle = steps(&borrowed);

    assert_eq!(circle.len(), 1_001);
    assert_eq!(
        (circle[0], circle[999], circle[1_000]),
        (Step::Run(999), Step::Run(0), Step::Complete(999))
    );
}

proptest! {
    /// Whatever refers to whatever: each operation runs once and after all it needs, but for the references that are
    /// left for its completion, and that comes once after those have run.
    #[test]
    fn every_graph_of_references_has_an_order(graph in (1..40_usize).prop_flat_map(|count| {
        prop::collection::vec(prop::collection::vec(0..count, 0..6), count)
    })) {
        let sent = graph.iter().enumerate().map(|(number, names)| create(&number.to_string(), referring(names)));
        let plan = Plan::new(&operations(sent.collect()));

        let steps = plan.steps();
        let at = |step: Step| {
            let places: Vec<usize> = (0..steps.len()).filter(|place| steps[*place] == step).collect();
            assert!(places.len() <= 1, "{step:?} twice");
            places.first().copied()
        };
        for (operation, names) in graph.iter().enumerate() {
            let run = at(Step::Run(operation)).expect("every operation runs");
            let complete = at(Step::Complete(operation));
            prop_assert_eq!(complete.is_some(), !plan.after(operation).is_empty());
            for name in names {
                let needed = at(Step::Run(*name)).expect("every operation runs");
                if plan.before(operation).contains(name) {
                    prop_assert!(needed < run);
                } else {
                    prop_assert!(plan.after(operation).contains(name));
                    prop_assert!(complete.is_some_and(|complete| complete > needed.max(run)));
                }
            }
        }
    }
}
