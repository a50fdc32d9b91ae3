//! Kinds of resource, and what a caller's resources of each kind are made of (RFC 7643 §3.2 and §3.3).

use std::sync::{Arc, LazyLock};

use super::{ENTERPRISE_USER, GROUP, STATUS, Schema, USER};

/// The kinds of resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResourceKind {
    /// A user.
    User,
    /// A group.
    Group,
}

impl ResourceKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::User, Self::Group];

    /// The core schema.
    pub fn schema(self) -> &'static Arc<Schema> {
        match self {
            Self::User => &USER,
            Self::Group => &GROUP,
        }
    }

    /// The extensions that resources have in every tenant.
    fn extensions(self) -> Vec<Arc<Schema>> {
        match self {
            Self::User => vec![ENTERPRISE_USER.clone(), STATUS.clone()],
            Self::Group => Vec::new(),
        }
    }

    /// The path below the base URL.
    pub const fn endpoint(self) -> &'static str {
        match self {
            Self::User => "/Users",
            Self::Group => "/Groups",
        }
    }

    /// The name, which is also `meta.resourceType`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
        }
    }
}

/// A kind of resource with the schemas that it has in one tenant.
#[derive(Debug, PartialEq, Eq)]
pub struct ResourceType {
    /// The kind.
    pub kind: ResourceKind,
    /// The core schema.
    pub schema: Arc<Schema>,
    /// The extensions, in the order in which bare names are looked up: those of every tenant first.
    pub extensions: Vec<Arc<Schema>>,
}

impl ResourceType {
    fn new(kind: ResourceKind, extensions: Vec<Arc<Schema>>) -> Self {
        Self {
            kind,
            schema: kind.schema().clone(),
            extensions: kind.extensions().into_iter().chain(extensions).collect(),
        }
    }

    /// The core schema and the extensions.
    pub fn schemas(&self) -> impl Iterator<Item = &Arc<Schema>> {
        std::iter::once(&self.schema).chain(&self.extensions)
    }
}

/// The resource types of one tenant.
#[derive(Debug, PartialEq, Eq)]
pub struct ResourceTypes {
    users: Arc<ResourceType>,
    groups: Arc<ResourceType>,
}

impl ResourceTypes {
    /// Resource types with a tenant's own extensions of users and of groups.
    pub fn new(of_users: Vec<Arc<Schema>>, of_groups: Vec<Arc<Schema>>) -> Self {
        Self {
            users: Arc::new(ResourceType::new(ResourceKind::User, of_users)),
            groups: Arc::new(ResourceType::new(ResourceKind::Group, of_groups)),
        }
    }

    /// What every tenant has.
    pub fn standard() -> &'static Arc<Self> {
        static STANDARD: LazyLock<Arc<ResourceTypes>> =
            LazyLock::new(|| Arc::new(ResourceTypes::new(Vec::new(), Vec::new())));
        &STANDARD
    }

    /// The resource type of this kind.
    pub const fn get(&self, kind: ResourceKind) -> &Arc<ResourceType> {
        match kind {
            ResourceKind::User => &self.users,
            ResourceKind::Group => &self.groups,
        }
    }

    /// Every resource type.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<ResourceType>> {
        ResourceKind::ALL.into_iter().map(|kind| self.get(kind))
    }
}
