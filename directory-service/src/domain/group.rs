//! Groups: named sets of users.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use super::extension::{Extensions, Submitted};
use super::id::GroupId;
use super::membership::MembersChange;
use super::text::{ExternalId, check_key, check_no_nul};
use super::version::Version;
use super::{Invalid, fold};

const FIELD: &str = "display_name";
const MAX_CHARACTERS: usize = 256;

/// A group's name: 1 to 256 characters. Not unique alone: Entra allows two groups of one name.
#[derive(Clone, PartialEq, Eq)]
pub struct GroupName {
    spelling: String,
    key: String,
}

impl GroupName {
    /// The name as the source spelled it.
    pub fn as_str(&self) -> &str {
        &self.spelling
    }

    /// The folded name, for comparing.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// A name that the store wrote, so it was checked before.
    pub(crate) fn from_row(spelling: String, key: String) -> Self {
        Self { spelling, key }
    }
}

impl FromStr for GroupName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.is_empty() {
            return Err(Invalid::new(FIELD, "is required"));
        }
        if text.chars().count() > MAX_CHARACTERS {
            return Err(Invalid::new(FIELD, "must have at most 256 characters"));
        }
        check_no_nul(FIELD, text)?;
        let key = fold(text);
        check_key(FIELD, &key)?;
        Ok(Self {
            spelling: text.to_owned(),
            key,
        })
    }
}

impl fmt::Debug for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GroupName(<redacted>)")
    }
}

/// A group, without its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its id.
    pub id: GroupId,
    /// Counts the changes of the group and of its members.
    pub version: Version,
    /// When it was created: microseconds since 1970, UTC.
    pub created_us: i64,
    /// When it or its members last changed.
    pub updated_us: i64,
    /// Its name.
    pub display_name: GroupName,
    /// The source's id of it.
    pub external_id: Option<ExternalId>,
    /// What the source said in the tenant's own schemas.
    pub extensions: Extensions,
}

/// A group to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewGroup {
    /// Its name.
    pub display_name: GroupName,
    /// The source's id of it.
    pub external_id: Option<ExternalId>,
    /// Its first members.
    pub members: MembersChange,
    /// What the source says in the tenant's own schemas, not checked yet.
    pub extensions: Submitted,
}

/// A change of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupUpdate {
    /// Which group.
    pub id: GroupId,
    /// Only if it is at this version.
    pub expected: Option<Version>,
    /// The new name, if it changes.
    pub display_name: Option<GroupName>,
    /// The new external id, if it changes; `Some(None)` takes it away.
    pub external_id: Option<Option<ExternalId>>,
    /// How the members change, if they do.
    pub members: Option<MembersChange>,
    /// All of the new extension values, not checked yet; none: they stay as they are.
    pub extensions: Option<Submitted>,
}

impl GroupUpdate {
    /// A change of nothing yet.
    pub const fn of(id: GroupId) -> Self {
        Self {
            id,
            expected: None,
            display_name: None,
            external_id: None,
            members: None,
            extensions: None,
        }
    }
}

impl Group {
    /// Puts the new attributes in, and the extension values that were checked; the paths of those that differ from before.
    pub fn apply(&mut self, update: &GroupUpdate, extensions: Option<&Extensions>) -> Vec<Cow<'static, str>> {
        let mut changed = Vec::new();
        if let Some(name) = update.display_name.as_ref().filter(|name| **name != self.display_name) {
            self.display_name = name.clone();
            changed.push(Cow::Borrowed("display_name"));
        }
        if let Some(external_id) = update.external_id.as_ref().filter(|id| **id != self.external_id) {
            self.external_id = external_id.clone();
            changed.push(Cow::Borrowed("external_id"));
        }
        if let Some(extensions) = extensions {
            changed.extend(extensions.difference(&self.extensions).into_iter().map(Cow::Owned));
            self.extensions = extensions.clone();
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_name_may_be_anything_of_1_to_256_characters() {
        for name in [" ", "Sales & Marketing", "a\tb", "Ä\\\"'%_"] {
            assert_eq!(name.parse::<GroupName>().unwrap().as_str(), name);
        }
        let refusal = |text: &str| text.parse::<GroupName>().unwrap_err().rule().to_owned();
        assert_eq!(refusal(""), "is required");
        assert_eq!(refusal(&"x".repeat(257)), "must have at most 256 characters");
        assert_eq!(
            refusal("a\0"),
            "must not hold the character U+0000, which stands at position 2"
        );
    }
}
