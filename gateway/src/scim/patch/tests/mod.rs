//! What PATCH bodies do, in literal JSON.

mod entra;
mod extension;
mod group;
mod model;
mod user;

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Mode, PatchRequest};
use crate::scim::error::{ScimError, ScimType};
use crate::scim::resource::Resource;
use crate::scim::schema::{ResourceKind, ResourceType, ResourceTypes};

const ENT: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const STATUS: &str = "urn:rollcall:params:scim:schemas:extension:status:2.0:User";

fn users() -> &'static Arc<ResourceType> {
    ResourceTypes::standard().get(ResourceKind::User)
}

fn groups() -> &'static Arc<ResourceType> {
    ResourceTypes::standard().get(ResourceKind::Group)
}

fn request(operations: Value) -> PatchRequest {
    PatchRequest::parse(json!({"Operations": operations, "schemas": [super::PATCH_OP_SCHEMA]})).unwrap()
}

fn user(attributes: Value) -> Resource {
    let Value::Object(attributes) = attributes else {
        unreachable!()
    };
    Resource {
        resource_type: users().clone(),
        attributes,
    }
}

fn ada() -> Value {
    json!({
        "id": "1", "userName": "ada", "active": true, "name": {"givenName": "Ada", "familyName": "L"},
        "emails": [{"value": "a@work", "type": "work", "primary": true}, {"value": "a@home", "type": "home"}],
        "meta": {"resourceType": "User"},
    })
}

fn patched_from(before: Value, operations: Value, mode: Mode) -> Result<Value, ScimError> {
    request(operations)
        .apply(user(before), mode)
        .map(|patched| Value::Object(patched.resource.attributes))
}

/// Ada with these attributes changed; `null` takes one away.
fn ada_with(changes: Value) -> Value {
    let mut expected = ada();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => expected.as_object_mut().unwrap().remove(name),
            value => expected.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    expected
}

#[track_caller]
fn turns_ada_into(operations: Value, changes: Value) {
    for mode in [Mode::Tolerant, Mode::Strict] {
        assert_eq!(
            patched_from(ada(), operations.clone(), mode),
            Ok(ada_with(changes.clone())),
            "{operations} {mode:?}"
        );
    }
}

#[track_caller]
fn refused(operations: Value, scim_type: ScimType) -> String {
    let error = patched_from(ada(), operations.clone(), Mode::Tolerant).expect_err(&operations.to_string());
    assert_eq!(
        (error.status, error.scim_type),
        (400, Some(scim_type)),
        "{operations}: {error}"
    );
    error.detail
}
