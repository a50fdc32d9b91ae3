//! The ids of tenants, users and groups: UUIDv7, one type each, so that one cannot be taken for another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Invalid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id, greater than every id that this process made before.
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }

            /// The id that stands in a row.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The id as the database keeps it.
            pub const fn uuid(self) -> Uuid {
                self.0
            }

            /// The id that this text spells exactly, if it is one: ids compare exactly, so `ABC…` is not `abc…`.
            pub fn find(text: &str) -> Option<Self> {
                parse_uuid(text).map(Self)
            }
        }

        impl FromStr for $name {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                Self::find(text).ok_or_else(|| Invalid::new("id", "must be a UUID in lower case with dashes"))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

id! {
    /// The id of a tenant.
    TenantId
}
id! {
    /// The id of a user.
    UserId
}
id! {
    /// The id of a group.
    GroupId
}

/// The UUID that this text spells in its canonical form, lower case with dashes.
pub(crate) fn parse_uuid(text: &str) -> Option<Uuid> {
    let canonical = text.len() == 36 && !text.bytes().any(|byte| byte.is_ascii_uppercase());
    if canonical { Uuid::try_parse(text).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_in_its_canonical_spelling_only() {
        let id = UserId::generate();

        assert_eq!(UserId::find(&id.to_string()), Some(id));
        for other in [
            id.to_string().to_uppercase().as_str(),
            &id.uuid().simple().to_string(),
            &format!("{{{id}}}"),
            "",
            "ada@example.com",
        ] {
            assert_eq!(UserId::find(other), None, "{other}");
        }
    }

    #[test]
    fn later_ids_are_greater() {
        let ids: Vec<_> = (0..1000).map(|_| GroupId::generate()).collect();

        assert!(ids.is_sorted());
    }
}
