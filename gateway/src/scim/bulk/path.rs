//! On what an operation works: the path of an endpoint or of one of its resources.

use std::fmt;

use super::reference::PREFIX;
use crate::scim::error::ScimError;

/// The endpoints whose resources a bulk request can write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// `/Users`.
    Users,
    /// `/Groups`.
    Groups,
}

impl Endpoint {
    const ALL: [Self; 2] = [Self::Users, Self::Groups];

    /// The last part of its path.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Users => "Users",
            Self::Groups => "Groups",
        }
    }
}

/// How an operation names a resource.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ResourceName {
    /// By its id; whether that exists is not known yet.
    Id(String),
    /// By the bulkId of the operation that creates it.
    BulkId(String),
}

/// As it stands in data.
impl fmt::Display for ResourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => f.write_str(id),
            Self::BulkId(bulk_id) => write!(f, "{PREFIX}{bulk_id}"),
        }
    }
}

/// `/Users`, `/Users/{id}`, or `/Users/bulkId:{bulkId}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationPath {
    /// Of which type.
    pub endpoint: Endpoint,
    /// Which resource, if it names one.
    pub resource: Option<ResourceName>,
}

impl OperationPath {
    /// Reads a path. The slash in front may be missing, and all of `base_url` may stand before it.
    pub(super) fn parse(path: &str, base_url: &str) -> Result<Self, ScimError> {
        let below = path.strip_prefix(base_url).and_then(|rest| rest.strip_prefix('/'));
        let local = below.unwrap_or_else(|| path.strip_prefix('/').unwrap_or(path));
        let (name, rest) = match local.split_once('/') {
            Some((name, rest)) => (name, rest),
            None => (local, ""),
        };
        let endpoint = Endpoint::ALL.into_iter().find(|endpoint| endpoint.as_str() == name);
        let endpoint = endpoint.ok_or_else(|| {
            ScimError::not_found(
                "There is no such endpoint for a bulk operation: its path is /Users, /Groups, or one resource below them, \
                 without a query.",
            )
        })?;
        let resource = match rest.strip_prefix(PREFIX) {
            // Any character may be part of a bulkId.
            Some(bulk_id) => Some(ResourceName::BulkId(bulk_id.to_owned())),
            None => {
                let id = rest.strip_suffix('/').unwrap_or(rest);
                (!id.is_empty()).then(|| ResourceName::Id(id.to_owned()))
            }
        };
        Ok(Self { endpoint, resource })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(path: &str) -> Result<OperationPath, ScimError> {
        OperationPath::parse(path, "https://h/scim/v2")
    }

    #[test]
    fn a_path_may_lack_its_slash_or_begin_with_the_tenant_url() {
        for path in ["/Users/7", "Users/7", "/Users/7/", "https://h/scim/v2/Users/7"] {
            let expected = OperationPath {
                endpoint: Endpoint::Users,
                resource: Some(ResourceName::Id("7".to_owned())),
            };
            assert_eq!(parse(path), Ok(expected), "{path}");
        }
        for path in ["/Groups", "Groups/", "https://h/scim/v2/Groups"] {
            let expected = OperationPath {
                endpoint: Endpoint::Groups,
                resource: None,
            };
            assert_eq!(parse(path), Ok(expected), "{path}");
        }
    }

    #[test]
    fn a_bulk_id_in_a_path_is_everything_after_its_prefix() {
        let named = parse("/Groups/bulkId:a/b?c").unwrap().resource;
        assert_eq!(named, Some(ResourceName::BulkId("a/b?c".to_owned())));
    }

    #[test]
    fn nothing_but_users_and_groups_can_be_written() {
        for path in [
            "",
            "/",
            "/Bulk",
            "/.search",
            "/Me",
            "/Schemas/x",
            "/users",
            "//Users",
            "/Users?count=1",
            "https://elsewhere/scim/v2/Users",
            "../Users",
            "https://h/scim/v2Users/7",
        ] {
            assert_eq!(parse(path).unwrap_err().status, 404, "{path}");
        }
    }
}
