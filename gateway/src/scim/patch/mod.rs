//! PATCH (RFC 7644 §3.5.2): `entra.rs` turns what was sent into well-formed operations, `apply.rs` applies those to a
//! resource, `group.rs` compiles them for a group whose members nobody wants to read.

mod apply;
mod budget;
mod entra;
mod group;
mod operation;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use self::budget::Budget;
use self::group::GroupCompiler;
use self::operation::{Operation, SentOperation};
use super::attribute_path::AttributePath;
use super::error::ScimError;
use super::resource::Resource;
use super::schema::ResourceType;
use super::value::required;

pub use self::group::{ExtensionsPatch, GroupPatch, MembersPatch};

/// The schema of a PATCH body.
pub const PATCH_OP_SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
/// How many operations a PATCH may have, as they are sent and as they are carried out: each attribute that an operation
/// without a path or on a whole extension names is one.
pub const MAX_OPERATIONS: usize = 1_000;

/// What happens when a value filter selects nothing that could be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A filter that describes an element creates it: Entra relies on that.
    Tolerant,
    /// `noTarget`, as RFC 7644 §3.5.2.3 says.
    Strict,
}

/// A PATCH body whose operations have the right shape; whether they fit a resource, [`PatchRequest::apply`] finds out.
#[derive(Clone)]
pub struct PatchRequest {
    operations: Vec<SentOperation>,
}

/// A patched resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Patched {
    /// The resource with every operation applied.
    pub resource: Resource,
    /// What the operations were about, each once: whole attributes, except that a sub-attribute of `name` is named by
    /// itself unless all of `name` was removed.
    pub named: Vec<AttributePath>,
}

impl PatchRequest {
    /// Reads a PATCH body. Member names may be in any case; `schemas` may come last, or be missing.
    ///
    /// # Errors
    /// 400 `invalidSyntax` for a body that is no PATCH, 400 `invalidPath` for a path that is no text, 413 for more than
    /// [`MAX_OPERATIONS`] operations.
    pub fn parse(body: Value) -> Result<Self, ScimError> {
        let Value::Object(members) = body else {
            return Err(ScimError::invalid_syntax("The body of a PATCH must be a JSON object."));
        };
        let mut operations = None;
        for (name, value) in members {
            if name.eq_ignore_ascii_case("schemas") {
                check_schemas(&value)?;
            } else if name.eq_ignore_ascii_case("Operations") && operations.replace(value).is_some() {
                return Err(ScimError::invalid_syntax(
                    "The body of a PATCH has Operations more than once.",
                ));
            }
        }
        let Some(Value::Array(operations)) = operations.filter(|list| *list != Value::Array(Vec::new())) else {
            return Err(ScimError::invalid_syntax(
                "The body of a PATCH must have Operations: a JSON array of one or more operations.",
            ));
        };
        if operations.len() > MAX_OPERATIONS {
            return Err(too_many_operations());
        }
        let numbered = (1..).zip(&operations);
        let operations = numbered.map(|(number, operation)| SentOperation::parse(number, operation));
        Ok(Self {
            operations: operations.collect::<Result<_, _>>()?,
        })
    }

    /// Applies all operations in order, or none: on an error the resource is given up, and the stored one is as it was.
    ///
    /// # Errors
    /// 400 with `invalidPath`, `invalidFilter`, `invalidValue`, `noTarget`, or `mutability`, as RFC 7644 §3.5.2 says; 413 for
    /// more than [`MAX_OPERATIONS`] operations, or more work than a PATCH may be.
    pub fn apply(&self, resource: Resource, mode: Mode) -> Result<Patched, ScimError> {
        let resource_type = resource.resource_type.clone();
        let mut patch = Patching::new(resource);
        self.each_operation(&resource_type, mode, |operation| patch.apply(operation))?;
        patch.finish()
    }

    /// What the operations come down to on a group, without reading the group.
    ///
    /// # Errors
    /// As [`PatchRequest::apply`]; 400 `invalidFilter` for a filter on `members` that does not say whose ids.
    pub fn compile_group(&self, groups: &Arc<ResourceType>, mode: Mode) -> Result<GroupPatch, ScimError> {
        let mut compiler = GroupCompiler::default();
        self.each_operation(groups, mode, |operation| compiler.take(operation))?;
        Ok(compiler.finish())
    }

    fn each_operation(
        &self,
        resource_type: &Arc<ResourceType>,
        mode: Mode,
        mut take: impl FnMut(Operation) -> Result<(), ScimError>,
    ) -> Result<(), ScimError> {
        let mut count = 0;
        for sent in &self.operations {
            let operations = entra::normalise(resource_type, mode, sent)?;
            count += operations.len();
            if count > MAX_OPERATIONS {
                return Err(too_many_operations());
            }
            operations.into_iter().try_for_each(&mut take)?;
        }
        Ok(())
    }
}

/// A resource between two operations.
struct Patching {
    resource: Resource,
    named: Vec<AttributePath>,
    seen: HashSet<AttributePath>,
    /// What the extensions require and had before.
    required: HashSet<AttributePath>,
    budget: Budget,
    /// The extensions that had values before.
    extended: HashSet<String>,
}

impl Patching {
    fn new(resource: Resource) -> Self {
        Self {
            required: resource.required_in_extensions().collect(),
            extended: resource.schemas().into_iter().map(str::to_owned).collect(),
            resource,
            named: Vec::new(),
            seen: HashSet::new(),
            budget: Budget::new(),
        }
    }

    fn apply(&mut self, operation: Operation) -> Result<(), ScimError> {
        for path in apply::apply(operation, &mut self.resource, &mut self.budget)? {
            if self.seen.insert(path.clone()) {
                self.named.push(path);
            }
        }
        Ok(())
    }

    /// Nothing that an extension requires may have been removed, nor may it be missing where the operations brought the
    /// extension. Where the extension lacked it before, it may go on lacking it.
    fn finish(self) -> Result<Patched, ScimError> {
        for missing in self.resource.missing_in_extensions() {
            if self.required.contains(&missing) {
                return Err(cannot_be_removed(&missing));
            }
            if !self.extended.contains(&missing.schema.id) {
                return Err(required(&missing));
            }
        }
        Ok(Patched {
            resource: self.resource,
            named: self.named,
        })
    }
}

/// RFC 7644 §3.5.2.2: what is required and was removed.
fn cannot_be_removed(path: &AttributePath) -> ScimError {
    ScimError::mutability(format!("{path} is required and cannot be removed; replace it instead."))
}

fn too_many_operations() -> ScimError {
    ScimError::new(
        413,
        format!(
            "A PATCH may have {MAX_OPERATIONS} operations at most, and each attribute that one without a path names is \
             one; send several."
        ),
    )
}

fn check_schemas(schemas: &Value) -> Result<(), ScimError> {
    let is_patch = |id: &Value| id.as_str().is_some_and(|id| id.eq_ignore_ascii_case(PATCH_OP_SCHEMA));
    let has_patch = schemas.as_array().is_some_and(|schemas| schemas.iter().any(is_patch));
    if !has_patch {
        return Err(ScimError::invalid_syntax(format!(
            "schemas of a PATCH must hold {PATCH_OP_SCHEMA}."
        )));
    }
    Ok(())
}

/// A count only: values are personal.
impl fmt::Debug for PatchRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PatchRequest")
            .field("operations", &self.operations.len())
            .finish()
    }
}
