//! Change records: what happened to which resource, without the values.

use std::borrow::Cow;

use super::id::{GroupId, TenantId, UserId};
use super::token::TokenId;
use super::version::Version;

/// The most member ids of one change record.
pub const MAX_MEMBERS: usize = 1_000;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// The resource was created.
    Created,
    /// Attributes changed.
    Updated,
    /// The resource was deleted.
    Deleted,
    /// Users became members of the group.
    MembersAdded,
    /// Users stopped to be members of the group.
    MembersRemoved,
}

impl ChangeKind {
    /// The number that stands in rows; never reused.
    pub const fn number(self) -> i16 {
        match self {
            Self::Created => 1,
            Self::Updated => 2,
            Self::Deleted => 3,
            Self::MembersAdded => 4,
            Self::MembersRemoved => 5,
        }
    }

    /// The kind of a row.
    pub const fn from_number(number: i16) -> Option<Self> {
        match number {
            1 => Some(Self::Created),
            2 => Some(Self::Updated),
            3 => Some(Self::Deleted),
            4 => Some(Self::MembersAdded),
            5 => Some(Self::MembersRemoved),
            _ => None,
        }
    }
}

/// The resource that changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// A user.
    User(UserId),
    /// A group.
    Group(GroupId),
    /// The tenant itself.
    Tenant(TenantId),
    /// A token.
    Token(TokenId),
}

/// A kind of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceKind {
    /// Users.
    User,
    /// Groups.
    Group,
    /// Tenants.
    Tenant,
    /// Tokens.
    Token,
}

impl ResourceKind {
    /// The number that stands in rows; never reused.
    pub const fn number(self) -> i16 {
        match self {
            Self::User => 1,
            Self::Group => 2,
            Self::Tenant => 3,
            Self::Token => 4,
        }
    }
}

impl Resource {
    /// Its kind.
    pub const fn kind(self) -> ResourceKind {
        match self {
            Self::User(_) => ResourceKind::User,
            Self::Group(_) => ResourceKind::Group,
            Self::Tenant(_) => ResourceKind::Tenant,
            Self::Token(_) => ResourceKind::Token,
        }
    }

    /// Its id.
    pub const fn uuid(self) -> uuid::Uuid {
        match self {
            Self::User(id) => id.uuid(),
            Self::Group(id) => id.uuid(),
            Self::Tenant(id) => id.uuid(),
            Self::Token(id) => id.uuid(),
        }
    }
}

/// A change record that was read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedChange {
    /// When: microseconds since 1970, UTC.
    pub at_us: i64,
    /// What happened.
    pub kind: ChangeKind,
    /// The version that the resource had after it.
    pub version: Version,
    /// The paths of the attributes that changed.
    pub attributes: Vec<String>,
    /// Who did it: a token's id, or `system`.
    pub actor: String,
    /// The source that the token spoke for.
    pub source: Option<String>,
    /// The request's id.
    pub request_id: Option<String>,
}

/// One change of one resource. Actor, time and request are those of the transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// To what.
    pub resource: Resource,
    /// The version that the resource has after it.
    pub version: Version,
    /// The paths of the attributes that changed.
    pub attributes: Vec<Cow<'static, str>>,
    /// The members that were added or removed: at most [`MAX_MEMBERS`].
    pub members: Vec<UserId>,
}

impl Change {
    /// A change without members.
    pub const fn of(
        kind: ChangeKind,
        resource: Resource,
        version: Version,
        attributes: Vec<Cow<'static, str>>,
    ) -> Self {
        Self {
            kind,
            resource,
            version,
            attributes,
            members: Vec::new(),
        }
    }

    /// The changes of a group's members, at most [`MAX_MEMBERS`] in each.
    pub fn of_members(
        kind: ChangeKind,
        group: GroupId,
        version: Version,
        members: &[UserId],
    ) -> impl Iterator<Item = Self> {
        members.chunks(MAX_MEMBERS).map(move |members| Self {
            kind,
            resource: Resource::Group(group),
            version,
            attributes: vec![Cow::Borrowed("members")],
            members: members.to_vec(),
        })
    }
}
