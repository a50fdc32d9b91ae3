//! Reading the path of a PATCH operation, which may hold a filter (RFC 7644 figure 7).

use std::sync::Arc;

use super::ast::Filter;
use super::parser::{MAX_BYTES, parse_in_brackets, printable_name};
use crate::scim::attribute_path::{AttributePath, Named, PathProblem};
use crate::scim::error::ScimError;
use crate::scim::schema::{Kind, ResourceType, Schema};

/// What a PATCH path names.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::scim) enum PatchTarget {
    /// An attribute, or a part of it.
    Path(PatchPath),
    /// All attributes of a schema.
    Schema(Arc<Schema>),
    /// An attribute of a schema that this server does not have.
    Unregistered,
}

/// A path with its value filter.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::scim) struct PatchPath {
    /// The attribute, and the sub-attribute if there is one.
    pub(in crate::scim) path: AttributePath,
    /// Which elements; for a single-valued attribute, under which condition on the resource.
    pub(in crate::scim) filter: Option<Filter>,
}

/// Reads `attrPath / valuePath [subAttr]`.
pub(in crate::scim) fn parse_patch_path(
    resource_type: &Arc<ResourceType>,
    text: &str,
) -> Result<PatchTarget, ScimError> {
    let text = text.trim();
    if text.len() > MAX_BYTES {
        return Err(ScimError::invalid_path(format!(
            "The path is longer than {MAX_BYTES} bytes; shorten it."
        )));
    }
    let (name, has_filter) = match text.find('[') {
        Some(at) => (text.get(..at).unwrap_or_default(), true),
        None => (text, false),
    };
    let path = match Named::resolve(resource_type, name) {
        Ok(Named::Attribute(path)) => path,
        Ok(Named::Schema(schema)) if !has_filter => return Ok(PatchTarget::Schema(schema)),
        Err(PathProblem::UnknownSchema) => return Ok(PatchTarget::Unregistered),
        Ok(Named::Schema(_)) | Err(PathProblem::Unknown) => return Err(unknown_path(resource_type, name)),
        Err(PathProblem::Syntax) => return Err(malformed_path()),
    };
    if !has_filter {
        return Ok(PatchTarget::Path(PatchPath { path, filter: None }));
    }
    if path.sub_attribute.is_some() || !(path.attribute.multi_valued || path.attribute.kind == Kind::Complex) {
        return Err(ScimError::invalid_path(format!(
            "{path} has no elements that a value filter could select."
        )));
    }
    let (filter, rest) = parse_in_brackets(&path, resource_type, text, name.len() + 1)?;
    let path = match rest.strip_prefix('.') {
        None if rest.is_empty() => path,
        None => return Err(malformed_path()),
        Some(name) => match path.find_part(name) {
            Some(part) => part,
            None => return Err(unknown_path(resource_type, name)),
        },
    };
    Ok(PatchTarget::Path(PatchPath {
        path,
        filter: Some(filter),
    }))
}

fn malformed_path() -> ScimError {
    ScimError::invalid_path(
        "The path is malformed. Send an attribute name such as name.givenName or emails[type eq \"work\"].value.",
    )
}

fn unknown_path(resource_type: &Arc<ResourceType>, name: &str) -> ScimError {
    let name = printable_name(name);
    ScimError::invalid_path(format!(
        "The path{name} names no attribute of {}; see /Schemas.",
        resource_type.kind.name()
    ))
}
