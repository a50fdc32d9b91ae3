//! The engine against a model of RFC 7644 §3.5.2 that was written for these tests from the text of the standard and from
//! `gateway/CONFORMANCE.md`: random operations on random users do the same in both.

mod attributes;
mod group;
mod matching;
mod operation;
mod random;
mod reference;
mod step;
mod value;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use self::random::{any_operations, any_user};
use super::request;
use crate::scim::error::ScimType;
use crate::scim::patch::Mode;
use crate::scim::resource::Resource;
use crate::scim::schema::testing::users;
use crate::scim::testing::for_each_of;

const CASES: u32 = 8_192;

#[test]
fn random_operations_do_what_the_model_does() {
    let users = users();
    let (accepted, changed) = (Cell::new(0), Cell::new(0));
    let refused: RefCell<HashMap<ScimType, u32>> = RefCell::default();
    for_each_of(
        CASES,
        &(any_user(), any_operations(), any::<bool>()),
        |(user, operations, is_strict)| {
            let sent: Vec<Value> = operations.iter().map(operation::Operation::to_json).collect();
            let mode = if is_strict { Mode::Strict } else { Mode::Tolerant };
            let stored = Resource {
                resource_type: users.clone(),
                attributes: user.as_object().cloned().expect("a user"),
            };

            let done = request(json!(sent)).apply(stored, mode);

            let shown = || format!("{} {mode:?}\non {user}", json!(sent));
            match (done, reference::patched(&user, &operations, is_strict)) {
                (Ok(done), Ok(expected)) => {
                    let done = Value::Object(done.resource.attributes);
                    accepted.set(accepted.get() + 1);
                    changed.set(changed.get() + u32::from(done != user));
                    prop_assert_eq!(done, expected, "{}", shown());
                }
                (Err(refusal), Err(expected)) => {
                    let scim_type = refusal.scim_type.expect("a scimType");
                    *refused.borrow_mut().entry(scim_type).or_default() += 1;
                    let is_expected = refusal.status == 400 && expected.contains(&scim_type);
                    prop_assert!(is_expected, "{refusal}, not one of {expected:?}: {}", shown());
                }
                (Ok(_), Err(expected)) => prop_assert!(false, "not refused with {expected:?}: {}", shown()),
                (Err(refusal), Ok(_)) => prop_assert!(false, "refused with {refusal}: {}", shown()),
            }
            Ok(())
        },
    );

    let refused = refused.into_inner();
    assert!(
        accepted.get() > CASES / 3 && changed.get() > CASES / 4,
        "{accepted:?} {changed:?}"
    );
    assert!(refused.values().sum::<u32>() > CASES / 5, "{refused:?}");
    for scim_type in [
        ScimType::InvalidPath,
        ScimType::InvalidFilter,
        ScimType::InvalidValue,
        ScimType::Mutability,
        ScimType::NoTarget,
    ] {
        assert!(
            refused.get(&scim_type).is_some_and(|count| *count > CASES / 100),
            "{scim_type:?} in {refused:?}"
        );
    }
}
