//! Attribute names in standard notation (RFC 7644 §3.10), resolved against the schemas.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::schema::{Attribute, COMMON, ResourceType, Schema};

/// An attribute or sub-attribute that exists.
///
/// The common attributes (`id`, `externalId`, `meta`, `schemas`) count as the core schema's.
#[derive(Clone)]
pub struct AttributePath {
    /// The schema that the attribute belongs to.
    pub schema: Arc<Schema>,
    /// The attribute.
    pub attribute: Arc<Attribute>,
    /// The part of it, if the path goes on. For a simple multi-valued attribute this may be `value`: the element
    /// itself (RFC 7643 §2.4).
    pub sub_attribute: Option<Arc<Attribute>>,
}

/// Why a path names nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathProblem {
    /// The schema is known, and has no such attribute.
    Unknown,
    /// The path begins with a URN that is no schema of this kind of resource.
    UnknownSchema,
    /// This is no attribute name.
    Syntax,
}

/// What a name can stand for in a PATCH and in a projection, where a schema may be named as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Named {
    Attribute(AttributePath),
    Schema(Arc<Schema>),
}

impl AttributePath {
    /// Resolves a name: in any case, with or without the core URN, `ENT:manager.value` and `ENT.manager` for an
    /// extension. A bare name that is no core attribute is looked up in the extensions: Entra leaves URNs out.
    ///
    /// # Errors
    /// [`PathProblem`]; what that means (ignore, `invalidPath`, `invalidFilter`) depends on where the name stood.
    pub fn resolve(resource_type: &ResourceType, name: &str) -> Result<Self, PathProblem> {
        match Named::resolve(resource_type, name)? {
            Named::Attribute(path) => Ok(path),
            Named::Schema(_) => Err(PathProblem::Unknown),
        }
    }

    /// The path of a whole attribute.
    pub fn whole(schema: &Arc<Schema>, attribute: &Arc<Attribute>) -> Self {
        Self {
            schema: schema.clone(),
            attribute: attribute.clone(),
            sub_attribute: None,
        }
    }

    /// The same path without its sub-attribute.
    pub fn without_sub_attribute(&self) -> Self {
        Self::whole(&self.schema, &self.attribute)
    }

    /// This path, one level down.
    pub fn with(&self, sub_attribute: &Arc<Attribute>) -> Self {
        Self {
            sub_attribute: Some(sub_attribute.clone()),
            ..self.without_sub_attribute()
        }
    }

    /// The attribute that the path ends in.
    pub fn target(&self) -> &Arc<Attribute> {
        self.sub_attribute.as_ref().unwrap_or(&self.attribute)
    }

    /// The name of the sub-attribute, if the path has one.
    pub fn part_name(&self) -> Option<&str> {
        self.sub_attribute.as_ref().map(|part| part.name.as_str())
    }

    /// Whether the attribute belongs to an extension, under whose URN resources nest it.
    pub fn is_extension(&self) -> bool {
        !self.schema.is_core()
    }

    /// Whether this is the core or common attribute of this name, or a part of it.
    pub fn is_core(&self, name: &str) -> bool {
        self.attribute.name == name && !self.is_extension()
    }

    /// Whether no client ever sees it, nor may ask about it.
    pub fn is_hidden(&self) -> bool {
        self.attribute.is_hidden() || self.target().is_hidden()
    }

    /// The path of the sub-attribute of this name, or of `value` of a simple multi-valued attribute.
    pub fn find_part(&self, name: &str) -> Option<Self> {
        if let Some(part) = self.attribute.sub_attribute(name) {
            return Some(self.with(part));
        }
        let element = self.attribute.element()?;
        element
            .name
            .eq_ignore_ascii_case(name)
            .then(|| self.with(&Arc::new(element)))
    }

    fn names(&self) -> (&str, &str, Option<&str>) {
        (&self.schema.id, &self.attribute.name, self.part_name())
    }
}

impl Named {
    pub(super) fn resolve(resource_type: &ResourceType, name: &str) -> Result<Self, PathProblem> {
        if !name.contains(':') {
            return in_any_schema(resource_type, name).map(Self::Attribute);
        }
        // One URN may go on where another one ends: the longest is meant.
        let schema = resource_type
            .schemas()
            .filter_map(|schema| Some((schema, local_name(name, schema)?)))
            .min_by_key(|(_, local)| local.len());
        match schema {
            None if is_foreign_urn(name) => Err(PathProblem::UnknownSchema),
            None => Err(PathProblem::Unknown),
            Some((schema, "")) => Ok(Self::Schema(schema.clone())),
            Some((schema, local)) => in_schema(schema, &local[1..]).map(Self::Attribute),
        }
    }
}

/// Whether the name can be one of an extension that is registered nowhere here. A misspelt core schema is none: what it names
/// is to be refused, not ignored.
fn is_foreign_urn(name: &str) -> bool {
    let begins = |prefix| strip_prefix_ignoring_case(name, prefix).is_some();
    (begins("urn:") || name.contains("://")) && !begins("urn:ietf:params:scim:schemas:core:")
}

/// What stands behind the schema's URN, with the separator in front.
fn local_name<'a>(name: &'a str, schema: &Schema) -> Option<&'a str> {
    strip_prefix_ignoring_case(name, &schema.id).filter(|rest| rest.is_empty() || rest.starts_with([':', '.']))
}

fn in_any_schema(resource_type: &ResourceType, name: &str) -> Result<AttributePath, PathProblem> {
    let core = in_schema(&resource_type.schema, name);
    if core != Err(PathProblem::Unknown) {
        return core;
    }
    resource_type
        .extensions
        .iter()
        .find_map(|schema| in_schema(schema, name).ok())
        .ok_or(PathProblem::Unknown)
}

fn in_schema(schema: &Arc<Schema>, local: &str) -> Result<AttributePath, PathProblem> {
    let (name, sub_name) = match local.split_once('.') {
        Some((name, sub_name)) => (name, Some(sub_name)),
        None => (local, None),
    };
    if !is_name(name) || sub_name.is_some_and(|name| !is_name(name)) {
        return Err(PathProblem::Syntax);
    }
    let common = || {
        COMMON
            .iter()
            .find(|attribute| attribute.name.eq_ignore_ascii_case(name))
            .filter(|_| schema.is_core())
    };
    let attribute = schema.attribute(name).or_else(common).ok_or(PathProblem::Unknown)?;
    let whole = AttributePath::whole(schema, attribute);
    match sub_name {
        None => Ok(whole),
        Some(sub_name) => whole.find_part(sub_name).ok_or(PathProblem::Unknown),
    }
}

/// `ATTRNAME` of RFC 7644 §3.4.2.2, and `$ref`.
fn is_name(text: &str) -> bool {
    let rest = text.strip_prefix('$').unwrap_or(text);
    rest.starts_with(|first: char| first.is_ascii_alphabetic())
        && rest
            .chars()
            .all(|next| next.is_ascii_alphanumeric() || next == '-' || next == '_')
}

pub(super) fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

impl PartialEq for AttributePath {
    fn eq(&self, other: &Self) -> bool {
        self.names() == other.names()
    }
}

impl Eq for AttributePath {}

impl Hash for AttributePath {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.names().hash(state);
    }
}

/// The canonical spelling: an extension's attributes with their URN.
impl fmt::Display for AttributePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_extension() {
            write!(f, "{}:", self.schema.id)?;
        }
        f.write_str(&self.attribute.name)?;
        match self.part_name() {
            Some(name) => write!(f, ".{name}"),
            None => Ok(()),
        }
    }
}

/// The spelling: the schema behind it is a page long.
impl fmt::Debug for AttributePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::Arc;

    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::{AttributePath, Named, PathProblem};
    use crate::scim::schema::testing::{self, ACME};
    use crate::scim::schema::{Attribute, COMMON, Kind, ResourceKind, ResourceTypes, Schema};
    use crate::scim::testing::for_each_of;

    const ENT: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    const STATUS: &str = "urn:rollcall:params:scim:schemas:extension:status:2.0:User";

    fn resolve(kind: ResourceKind, name: &str) -> Result<AttributePath, PathProblem> {
        AttributePath::resolve(ResourceTypes::standard().get(kind), name)
    }

    #[test]
    fn names_resolve_in_any_case_with_and_without_their_urn() {
        for (name, canonical) in [
            ("userName", "userName".to_owned()),
            ("USERNAME", "userName".to_owned()),
            ("Name.GivenName", "name.givenName".to_owned()),
            (
                "urn:ietf:params:scim:schemas:core:2.0:User:name.familyName",
                "name.familyName".to_owned(),
            ),
            (
                "URN:IETF:params:scim:schemas:core:2.0:user:externalid",
                "externalId".to_owned(),
            ),
            ("meta.lastmodified", "meta.lastModified".to_owned()),
            ("emails.primary", "emails.primary".to_owned()),
            ("addresses.primary", "addresses.primary".to_owned()),
            ("groups.$ref", "groups.$ref".to_owned()),
            ("manager", format!("{ENT}:manager")),
            ("manager.value", format!("{ENT}:manager.value")),
            ("department", format!("{ENT}:department")),
            (&format!("{ENT}:department"), format!("{ENT}:department")),
            (&format!("{ENT}.manager"), format!("{ENT}:manager")),
            (
                &format!("{ENT}:manager.displayname"),
                format!("{ENT}:manager.displayName"),
            ),
            ("blockReasons", format!("{STATUS}:blockReasons")),
            ("blockReasons.value", format!("{STATUS}:blockReasons.value")),
            ("schemas", "schemas".to_owned()),
        ] {
            let path = resolve(ResourceKind::User, name);
            assert_eq!(path.map(|path| path.to_string()), Ok(canonical), "{name}");
        }
    }

    #[test]
    fn what_names_nothing_says_why() {
        for (name, problem) in [
            ("shoeSize", PathProblem::Unknown),
            ("name.shoeSize", PathProblem::Unknown),
            ("userName.value", PathProblem::Unknown),
            (ENT, PathProblem::Unknown),
            (
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:shoeSize",
                PathProblem::Unknown,
            ),
            (
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:id",
                PathProblem::Unknown,
            ),
            (
                "urn:ietf:params:scim:schemas:extension:Acme:2.0:User:costCode",
                PathProblem::UnknownSchema,
            ),
            (
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0User:department",
                PathProblem::UnknownSchema,
            ),
            (
                "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group:x",
                PathProblem::UnknownSchema,
            ),
            (
                "urn:ietf:params:scim:schemas:core:2.0:Users:userName",
                PathProblem::Unknown,
            ),
            ("active:", PathProblem::Unknown),
            ("enterprise:department", PathProblem::Unknown),
            ("", PathProblem::Syntax),
            ("name.", PathProblem::Syntax),
            (".name", PathProblem::Syntax),
            ("name.given.name", PathProblem::Syntax),
            ("1name", PathProblem::Syntax),
            ("user name", PathProblem::Syntax),
            ("\u{fc}ser", PathProblem::Syntax),
        ] {
            assert_eq!(resolve(ResourceKind::User, name), Err(problem), "{name}");
        }
        assert_eq!(resolve(ResourceKind::Group, "userName"), Err(PathProblem::Unknown));
        assert_eq!(resolve(ResourceKind::Group, "manager"), Err(PathProblem::Unknown));
    }

    #[test]
    fn registered_names_resolve_in_any_case_to_the_registered_spelling() {
        let users = testing::users();
        for (name, canonical) in [
            (format!("{ACME}:COSTcode"), format!("{ACME}:costCode")),
            (
                format!("{}:Desk.Room", ACME.to_uppercase()),
                format!("{ACME}:desk.room"),
            ),
            ("tags.Value".to_owned(), format!("{ACME}:tags.value")),
            ("costcode".to_owned(), format!("{ACME}:costCode")),
        ] {
            let path = AttributePath::resolve(&users, &name);
            assert_eq!(path.map(|path| path.to_string()), Ok(canonical), "{name}");
        }
        assert_eq!(resolve(ResourceKind::User, ACME), Err(PathProblem::UnknownSchema));
        assert_eq!(
            AttributePath::resolve(&testing::groups(), ACME),
            Err(PathProblem::UnknownSchema)
        );
    }

    #[test]
    fn where_one_urn_goes_on_from_another_the_longer_one_is_meant() {
        let schema = |id: &str| {
            let attributes = [Attribute::new(Kind::String, "a", "")];
            Arc::new(Schema::new(id, "", "", attributes))
        };
        let types = ResourceTypes::new(vec![schema("urn:x"), schema("urn:x.v2"), schema("urn:xy")], Vec::new());
        for name in ["urn:x:a", "urn:x.v2:a", "urn:xy:a"] {
            let path = AttributePath::resolve(types.get(ResourceKind::User), name);
            assert_eq!(path.map(|path| path.to_string()).as_deref(), Ok(name));
        }
    }

    #[test]
    fn the_name_of_every_attribute_leads_to_it_in_any_case() {
        let types = testing::types();
        let mut count = 0;
        for resource_type in ResourceKind::ALL.map(|kind| types.get(kind)) {
            let core = COMMON.iter().map(|attribute| (&resource_type.schema, attribute));
            let listed = resource_type
                .schemas()
                .flat_map(|schema| schema.attributes.iter().map(move |attribute| (schema, attribute)));
            for (schema, attribute) in core.chain(listed) {
                let whole = AttributePath::whole(schema, attribute);
                let parts = attribute.sub_attributes.iter().map(|part| whole.with(part));
                for path in parts.chain([whole.clone()]).chain(whole.find_part("value")) {
                    let printed = path.to_string();
                    let local = printed.strip_prefix(&format!("{}:", schema.id)).unwrap_or(&printed);
                    for name in [
                        printed.clone(),
                        format!("{}:{local}", schema.id),
                        format!("{}.{local}", schema.id),
                    ] {
                        for name in [name.to_uppercase(), name.to_lowercase(), name] {
                            let resolved = AttributePath::resolve(resource_type, &name);
                            assert_eq!(resolved.as_ref(), Ok(&path), "{name}");
                            assert_eq!(resolved.map(|path| path.to_string()), Ok(printed.clone()));
                            count += 1;
                        }
                    }
                }
            }
        }
        assert!(count > 1_000, "{count}");
    }

    #[test]
    fn no_name_makes_the_resolver_panic_and_what_it_finds_is_printed_as_a_name_of_it() {
        let types = testing::types();
        let found = Cell::new(0);
        let resolves_or_not = |name: &str| {
            for kind in ResourceKind::ALL {
                if let Ok(Named::Attribute(path)) = Named::resolve(types.get(kind), name) {
                    found.set(found.get() + 1);
                    let printed = path.to_string();
                    prop_assert_eq!(AttributePath::resolve(types.get(kind), &printed), Ok(path), "{}", name);
                }
            }
            Ok(())
        };
        let pieces = select(vec![
            "urn:",
            "URN:ietf:params:scim:schemas:",
            "core:2.0:User",
            "core:2.0:Group",
            "extension:enterprise:2.0:User",
            ACME,
            ":",
            ".",
            ".",
            "userName",
            "name",
            "givenName",
            "emails",
            "value",
            "$ref",
            "groups",
            "manager",
            "members",
            "meta",
            "tags",
            "\u{130}",
            "\u{e9}",
            "\u{1f600}",
            " ",
            "\0",
            "$",
            "-",
            "[",
            "http://x/",
            "",
        ]);
        for_each_of(8_192, &vec(pieces, 0..6), |pieces| resolves_or_not(&pieces.concat()));
        for_each_of(4_096, &any::<String>(), |name| resolves_or_not(&name));
        assert!(found.get() > 300, "only {} were names", found.get());
    }
}
