//! Bulk requests (RFC 7644 §3.7): what was sent, as typed operations (`path.rs`: on what), which of them refer to which
//! (`reference.rs`, `circle.rs`), in what order they run (`plan.rs`), and the answer (`response.rs`). Running them is not
//! done here.

mod circle;
mod path;
mod plan;
mod reference;
mod response;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fmt;
use std::num::NonZeroUsize;

use serde_json::{Map, Value};

use super::disable;
use super::error::ScimError;

pub use self::path::{Endpoint, OperationPath, ResourceName};
pub use self::plan::{Plan, Step};
pub use self::reference::{ResolvedData, first_part};
pub use self::response::{OperationResult, response};

/// The schema of a bulk request.
pub const BULK_REQUEST_SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
/// How many operations a bulk request may have.
pub const MAX_OPERATIONS: usize = 1_000;
/// How large the body of a bulk request may be.
pub const MAX_PAYLOAD_BYTES: usize = 4 * 1024 * 1024;

/// What an operation does; bulk requests only write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Creates a resource.
    Post,
    /// Replaces a resource.
    Put,
    /// Changes a resource.
    Patch,
    /// Deletes a resource.
    Delete,
}

impl Method {
    const ALL: [Self; 4] = [Self::Post, Self::Put, Self::Patch, Self::Delete];

    /// The spelling on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// A bulk request. An operation that cannot be read fails by itself; the others stand.
#[derive(Debug)]
pub struct BulkRequest {
    /// After how many errors the rest is left alone.
    pub fail_on_errors: Option<NonZeroUsize>,
    /// The operations, as the caller ordered them.
    pub operations: Vec<BulkOperation>,
}

/// One operation, with what its result repeats even if the rest of it could not be read.
#[derive(Debug)]
pub struct BulkOperation {
    /// What it does, if it says so.
    pub method: Option<Method>,
    /// The caller's own name for it, and for the resource that it creates.
    pub bulk_id: Option<String>,
    /// Whether its data says that a user is not active.
    pub disables: bool,
    /// On what it works, if its path says so.
    pub path: Option<OperationPath>,
    /// What it asks for, or why that is not clear.
    pub wanted: Result<Wanted, ScimError>,
}

/// What an operation asks for.
pub enum Wanted {
    /// To create a resource.
    Create {
        /// Of which type.
        endpoint: Endpoint,
        /// The resource.
        data: Value,
    },
    /// To replace, change or delete a resource.
    Change {
        /// Which of the three.
        method: Method,
        /// Of which type.
        endpoint: Endpoint,
        /// Which resource.
        resource: ResourceName,
        /// The entity tag that it must have.
        version: Option<String>,
        /// The resource, or the body of a PATCH; none for a deletion.
        data: Option<Value>,
    },
}

impl BulkRequest {
    /// Reads a bulk request whose paths are relative to `base_url`, or begin with it. Member names may be in any case.
    ///
    /// # Errors
    /// 400 `invalidSyntax` for a body that is no bulk request, 400 `invalidValue` for a useless failOnErrors or a bulkId
    /// that two resources share, 413 for more than [`MAX_OPERATIONS`] operations.
    pub fn parse(body: Value, base_url: &str) -> Result<Self, ScimError> {
        let Value::Object(members) = body else {
            return Err(ScimError::invalid_syntax(
                "The body of a bulk request must be a JSON object.",
            ));
        };
        let [schemas, fail_on_errors, operations] =
            take(members, ["schemas", "failOnErrors", "Operations"], "The bulk request")?;
        check_schemas(schemas.as_ref())?;
        let Some(Value::Array(operations)) = operations.filter(|list| *list != Value::Array(Vec::new())) else {
            return Err(ScimError::invalid_syntax(
                "A bulk request must have Operations: a JSON array of one or more operations.",
            ));
        };
        if operations.len() > MAX_OPERATIONS {
            return Err(ScimError::new(
                413,
                format!("The bulk request has more operations than maxOperations ({MAX_OPERATIONS}); send several."),
            ));
        }
        let numbered = (1..).zip(operations);
        let operations = numbered.map(|(number, operation)| BulkOperation::parse(number, operation, base_url));
        let operations = operations.collect::<Result<Vec<_>, _>>()?;
        check_bulk_ids(&operations)?;
        Ok(Self {
            fail_on_errors: read_fail_on_errors(fail_on_errors)?,
            operations,
        })
    }
}

impl BulkOperation {
    /// `number` counts from 1 and is for messages.
    fn parse(number: usize, operation: Value, base_url: &str) -> Result<Self, ScimError> {
        let Value::Object(members) = operation else {
            return Err(ScimError::invalid_syntax(format!(
                "Operation {number} of the bulk request must be a JSON object."
            )));
        };
        let names = ["method", "bulkId", "version", "path", "data"];
        let [method, bulk_id, version, path, data] = take(members, names, &format!("Operation {number}"))?;
        let method = method.as_ref().and_then(Value::as_str).and_then(read_method);
        let bulk_id = text("bulkId", bulk_id);
        let version = text("version", version);
        let path = text("path", path);
        let disables = data.as_ref().is_some_and(|data| match method {
            Some(Method::Patch) => disable::in_patch(data),
            Some(Method::Put) => disable::in_resource(data),
            Some(Method::Post | Method::Delete) | None => false,
        });
        let path = path.and_then(|path| path.map(|path| OperationPath::parse(&path, base_url)).transpose());
        Ok(Self {
            method,
            disables,
            bulk_id: bulk_id.clone().unwrap_or_default(),
            path: path.clone().unwrap_or_default(),
            wanted: bulk_id.and_then(|bulk_id| want(method, bulk_id.is_some(), version?, path, data)),
        })
    }
}

fn want(
    method: Option<Method>,
    has_bulk_id: bool,
    version: Option<String>,
    path: Result<Option<OperationPath>, ScimError>,
    data: Option<Value>,
) -> Result<Wanted, ScimError> {
    let method = method.ok_or_else(|| {
        ScimError::invalid_syntax("The operation must have method POST, PUT, PATCH, or DELETE; reads are not for bulk.")
    })?;
    let path = path?.ok_or_else(|| {
        ScimError::invalid_syntax("The operation must have a path, such as /Users for POST or /Users/{id} otherwise.")
    })?;
    let data = data.filter(|data| !data.is_null());
    let needed = |data: Option<Value>| {
        let detail = format!(
            "The operation must have data: the body that a single {} has.",
            method.as_str()
        );
        data.ok_or_else(|| ScimError::invalid_syntax(detail))
    };
    match (method, path.resource) {
        (Method::Post, None) if !has_bulk_id => Err(ScimError::invalid_syntax(
            "A POST must have a bulkId, by which its result is known: any text that no other POST of the request has.",
        )),
        (Method::Post, None) => Ok(Wanted::Create {
            endpoint: path.endpoint,
            data: needed(data)?,
        }),
        (Method::Put | Method::Patch | Method::Delete, Some(resource)) => Ok(Wanted::Change {
            method,
            endpoint: path.endpoint,
            resource,
            version,
            data: match method {
                Method::Post | Method::Put | Method::Patch => Some(needed(data)?),
                Method::Delete => None,
            },
        }),
        (Method::Post, Some(_)) => Err(ScimError::new(405, "A POST must name an endpoint: /Users or /Groups.")),
        (Method::Put | Method::Patch | Method::Delete, None) => Err(ScimError::new(
            405,
            "PUT, PATCH, and DELETE must name one resource, such as /Users/{id}.",
        )),
    }
}

/// The members of these names, in any case.
fn take<const N: usize>(
    members: Map<String, Value>,
    names: [&str; N],
    whose: &str,
) -> Result<[Option<Value>; N], ScimError> {
    let mut taken = [const { None }; N];
    for (name, value) in members {
        let Some(index) = names.iter().position(|known| known.eq_ignore_ascii_case(&name)) else {
            continue;
        };
        if taken[index].replace(value).is_some() {
            return Err(ScimError::invalid_syntax(format!(
                "{whose} has {} more than once.",
                names[index]
            )));
        }
    }
    Ok(taken)
}

fn text(name: &str, value: Option<Value>) -> Result<Option<String>, ScimError> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => Err(ScimError::invalid_syntax(
            format!("{name} of an operation must be a JSON string."),
        )),
    }
}

fn read_method(text: &str) -> Option<Method> {
    Method::ALL
        .into_iter()
        .find(|method| method.as_str().eq_ignore_ascii_case(text))
}

fn read_fail_on_errors(value: Option<Value>) -> Result<Option<NonZeroUsize>, ScimError> {
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    let number = value
        .as_u64()
        .map(|number| usize::try_from(number).unwrap_or(usize::MAX));
    match number.and_then(NonZeroUsize::new) {
        Some(number) => Ok(Some(number)),
        None => Err(ScimError::invalid_value(
            "failOnErrors must be a whole JSON number of 1 or more; leave it out to have every operation tried.",
        )),
    }
}

fn check_schemas(schemas: Option<&Value>) -> Result<(), ScimError> {
    let is_bulk = |id: &Value| {
        id.as_str()
            .is_some_and(|id| id.eq_ignore_ascii_case(BULK_REQUEST_SCHEMA))
    };
    let schemas = schemas.and_then(Value::as_array);
    if !schemas.is_some_and(|schemas| schemas.iter().any(is_bulk)) {
        return Err(ScimError::invalid_syntax(format!(
            "schemas of a bulk request must hold {BULK_REQUEST_SCHEMA}."
        )));
    }
    Ok(())
}

/// Two resources of one bulkId would make every reference a guess, so nothing is done at all.
fn check_bulk_ids(operations: &[BulkOperation]) -> Result<(), ScimError> {
    let mut seen = HashSet::new();
    for (number, operation) in (1..).zip(operations) {
        if let (Some(Method::Post), Some(bulk_id)) = (operation.method, &operation.bulk_id)
            && !seen.insert(bulk_id)
        {
            return Err(ScimError::invalid_value(format!(
                "Operation {number} has the bulkId of an earlier POST: each needs its own. Nothing was done."
            )));
        }
    }
    Ok(())
}

/// No data: values are personal.
impl fmt::Debug for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create { endpoint, .. } => f.debug_struct("Create").field("endpoint", endpoint).finish(),
            Self::Change {
                method,
                endpoint,
                resource,
                version,
                ..
            } => f
                .debug_struct("Change")
                .field("method", method)
                .field("endpoint", endpoint)
                .field("resource", resource)
                .field("version", version)
                .finish(),
        }
    }
}
