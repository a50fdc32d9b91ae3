//! What a filter comes down to for the resources of one type, in a list that has resources of several.

use serde_json::Value;

use super::ast::{CompareOp, Filter};
use super::evaluate::satisfies;
use crate::scim::attribute_path::AttributePath;
use crate::scim::schema::ResourceType;

/// What is left of a filter when everything is decided that is the same for all resources of a type.
#[derive(Debug, Clone, PartialEq)]
pub enum Narrowed {
    /// It selects every resource of the type.
    All,
    /// It selects none.
    Nothing,
    /// It depends on the resource.
    Some(Filter),
}

impl Narrowed {
    const fn of(selects: bool) -> Self {
        if selects { Self::All } else { Self::Nothing }
    }
}

impl Filter {
    /// Decides what `meta.resourceType` decides, and what is asked about attributes that the type has not: they have no
    /// value (RFC 7644 §3.4.2.1), so only `ne` is true of them.
    pub fn narrow(self, resource_type: &ResourceType) -> Narrowed {
        match self {
            Self::And(filters) => join(filters, resource_type, &Narrowed::All, Self::and),
            Self::Or(filters) => join(filters, resource_type, &Narrowed::Nothing, Self::or),
            Self::Not(filter) => match filter.narrow(resource_type) {
                Narrowed::All => Narrowed::Nothing,
                Narrowed::Nothing => Narrowed::All,
                Narrowed::Some(filter) => Narrowed::Some(Self::Not(Box::new(filter))),
            },
            Self::Present(path) | Self::Element { attribute: path, .. } if is_foreign(&path, resource_type) => {
                Narrowed::Nothing
            }
            Self::Compare { path, op, .. } if is_foreign(&path, resource_type) => {
                Narrowed::of(op == CompareOp::NotEqual)
            }
            Self::Compare { path, op, value } if is_type(&path) => {
                let name = Value::from(resource_type.kind.name());
                Narrowed::of(satisfies(path.target(), op, &name, &value))
            }
            other @ (Self::Present(_) | Self::Element { .. } | Self::Compare { .. }) => Narrowed::Some(other),
        }
    }
}

/// Joins what is left of `filters`; those that come down to `neutral` change nothing, and the opposite decides.
fn join(
    filters: Vec<Filter>,
    resource_type: &ResourceType,
    neutral: &Narrowed,
    join: fn(Vec<Filter>) -> Filter,
) -> Narrowed {
    let mut left = Vec::with_capacity(filters.len());
    for filter in filters {
        match filter.narrow(resource_type) {
            Narrowed::Some(filter) => left.push(filter),
            decided if decided == *neutral => {}
            decided => return decided,
        }
    }
    if left.is_empty() {
        neutral.clone()
    } else {
        Narrowed::Some(join(left))
    }
}

fn is_foreign(path: &AttributePath, resource_type: &ResourceType) -> bool {
    !resource_type.schemas().any(|schema| *schema == path.schema)
}

fn is_type(path: &AttributePath) -> bool {
    !path.is_extension() && path.attribute.name == "meta" && path.part_name() == Some("resourceType")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scim::error::ScimType;
    use crate::scim::filter::{parse, parse_beside};
    use crate::scim::schema::{ResourceKind, ResourceTypes};

    /// What is left for users and for groups: `all`, `nothing`, or a filter.
    fn left(text: &str) -> [String; 2] {
        let types = ResourceTypes::standard();
        let (users, groups) = (types.get(ResourceKind::User), types.get(ResourceKind::Group));
        [(users, groups), (groups, users)].map(|(of, beside)| {
            match parse_beside(of, beside, text).unwrap().narrow(of) {
                Narrowed::All => "all".to_owned(),
                Narrowed::Nothing => "nothing".to_owned(),
                Narrowed::Some(filter) => {
                    assert_eq!(parse(of, &filter.to_string()).as_ref(), Ok(&filter), "{text}");
                    filter.to_string()
                }
            }
        })
    }

    #[test]
    fn a_filter_comes_down_to_what_each_type_can_answer() {
        for (text, users, groups) in [
            ("displayName eq \"a\"", "displayName eq \"a\"", "displayName eq \"a\""),
            ("userName eq \"a\"", "userName eq \"a\"", "nothing"),
            ("userName ne \"a\"", "userName ne \"a\"", "all"),
            ("userName pr", "userName pr", "nothing"),
            ("not (userName pr)", "not (userName pr)", "all"),
            ("members pr", "nothing", "members pr"),
            ("title eq null", "not (title pr)", "all"),
            (
                "department sw \"R\" or displayName sw \"R\"",
                "",
                "displayName sw \"R\"",
            ),
            (
                "active eq true and displayName pr",
                "active eq true and displayName pr",
                "nothing",
            ),
            (
                "active ne true and displayName pr",
                "active ne true and displayName pr",
                "displayName pr",
            ),
            ("emails[type eq \"work\"]", "emails[type eq \"work\"]", "nothing"),
            ("meta.resourceType eq \"User\"", "all", "nothing"),
            ("meta.resourceType ne \"User\"", "nothing", "all"),
            (
                "meta.resourceType sw \"G\" and displayName pr",
                "nothing",
                "displayName pr",
            ),
            (
                "not (meta.resourceType eq \"Group\" or title pr)",
                "not (title pr)",
                "nothing",
            ),
            (
                "(meta.resourceType eq \"User\") or (meta.resourceType eq \"Group\")",
                "all",
                "all",
            ),
            (
                "urn:ietf:params:scim:schemas:core:2.0:Group:displayName pr",
                "nothing",
                "displayName pr",
            ),
        ] {
            let [of_users, of_groups] = left(text);
            if !users.is_empty() {
                assert_eq!(of_users, users, "{text}");
            }
            assert_eq!(of_groups, groups, "{text}");
        }
    }

    #[test]
    fn what_no_type_has_is_refused_and_types_are_checked_for_both() {
        let types = ResourceTypes::standard();
        let (users, groups) = (types.get(ResourceKind::User), types.get(ResourceKind::Group));
        for text in [
            "shoeSize eq 43",
            "active gt true",
            "password pr",
            "members eq 7",
            "userName",
        ] {
            for (of, beside) in [(users, groups), (groups, users)] {
                let refused = parse_beside(of, beside, text).unwrap_err();
                assert_eq!(refused.scim_type, Some(ScimType::InvalidFilter), "{text}");
            }
        }
        let refused = parse_beside(users, groups, "shoeSize pr").unwrap_err();
        assert!(refused.detail.contains("neither User nor Group"), "{refused}");
    }
}
