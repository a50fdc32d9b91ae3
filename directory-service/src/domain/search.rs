//! Questions about users and groups together, and what they find.

use std::mem::{Discriminant, discriminant};

use super::Invalid;
use super::attribute::{Attribute as _, Case, Kind};
use super::extension::{AttributeType, ExtensionOrder};
use super::filter::{GroupFilter, GroupOrderKey, UserFilter, UserOrderKey};
use super::group::Group;
use super::user::User;

/// Which resources of one kind are wanted, and what they are ordered by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection<F, K> {
    /// Which. None: all.
    pub filter: Option<F>,
    /// By what. None: by nothing, as if they had no value.
    pub key: Option<K>,
}

/// A question about users and groups in one order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// Which users. None: none.
    pub users: Option<Selection<UserFilter, UserOrderKey>>,
    /// Which groups. None: none.
    pub groups: Option<Selection<GroupFilter, GroupOrderKey>>,
    /// The largest first.
    pub descending: bool,
}

impl Search {
    /// Checks that the values of both kinds can be compared with each other.
    ///
    /// # Errors
    /// [`Invalid`]: they are of different types.
    pub fn new(
        users: Option<Selection<UserFilter, UserOrderKey>>,
        groups: Option<Selection<GroupFilter, GroupOrderKey>>,
        descending: bool,
    ) -> Result<Self, Invalid> {
        let of_users = users.as_ref().and_then(|users| users.key.as_ref()).map(order_of_users);
        let of_groups = groups
            .as_ref()
            .and_then(|groups| groups.key.as_ref())
            .map(order_of_groups);
        if let (Some(of_users), Some(of_groups)) = (of_users, of_groups)
            && of_users != of_groups
        {
            let rule = "must be an attribute with the same type of value as users.order_by";
            return Err(Invalid::new("groups.order_by", rule));
        }
        Ok(Self {
            users,
            groups,
            descending,
        })
    }
}

/// What has an order together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparable {
    /// Values of one kind.
    Kind(Discriminant<Kind>),
    /// The keys of extension values of one type; texts are like every other text.
    Extension(AttributeType),
}

impl Comparable {
    fn of(kind: Kind) -> Self {
        Self::Kind(discriminant(&kind))
    }

    fn of_extension(order: &ExtensionOrder) -> Self {
        match order.kind() {
            AttributeType::String | AttributeType::Reference | AttributeType::Binary => {
                Self::of(Kind::Text(Case::Folded))
            }
            AttributeType::Decimal | AttributeType::Integer => Self::Extension(AttributeType::Decimal),
            other @ (AttributeType::Boolean | AttributeType::DateTime | AttributeType::Complex) => {
                Self::Extension(other)
            }
        }
    }
}

fn order_of_users(key: &UserOrderKey) -> Comparable {
    match key {
        UserOrderKey::Attribute(attribute) => Comparable::of(attribute.kind()),
        UserOrderKey::List(..) => Comparable::of(Kind::Text(Case::Folded)),
        UserOrderKey::Groups => Comparable::of(Kind::Id),
        UserOrderKey::Extension(order) => Comparable::of_extension(order),
    }
}

fn order_of_groups(key: &GroupOrderKey) -> Comparable {
    match key {
        GroupOrderKey::Attribute(attribute) => Comparable::of(attribute.kind()),
        GroupOrderKey::Members => Comparable::of(Kind::Id),
        GroupOrderKey::Extension(order) => Comparable::of_extension(order),
    }
}

/// What a search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A user.
    User(Box<User>),
    /// A group.
    Group(Group),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::attribute::{GroupAttribute, ListAttribute, SubAttribute, UserAttribute};

    #[test]
    fn only_values_of_one_type_have_an_order() {
        let users = |key| Some(Selection { filter: None, key });
        let groups = |key| Some(Selection { filter: None, key });
        let name = Some(UserOrderKey::Attribute(UserAttribute::UserName));
        let mail = Some(UserOrderKey::List(ListAttribute::Emails, SubAttribute::Value));
        let created = Some(UserOrderKey::Attribute(UserAttribute::CreateTime));
        let extension = |kind| {
            let key = "urn:acme:user:a".to_owned();
            Some(UserOrderKey::Extension(ExtensionOrder::Single { key, kind }))
        };
        let external = Some(GroupOrderKey::Attribute(GroupAttribute::ExternalId));
        let version = Some(GroupOrderKey::Attribute(GroupAttribute::Version));

        for (user, group) in [
            (name.clone(), external.clone()),
            (mail, external.clone()),
            (None, version.clone()),
            (created.clone(), None),
            (None, None),
            (Some(UserOrderKey::Groups), Some(GroupOrderKey::Members)),
            (extension(AttributeType::Reference), external.clone()),
            (extension(AttributeType::Integer), None),
        ] {
            assert!(Search::new(users(user), groups(group), false).is_ok());
        }
        let rule = "must be an attribute with the same type of value as users.order_by";
        let refused = Invalid::new("groups.order_by", rule);
        for (user, group) in [
            (name, version.clone()),
            (created.clone(), version.clone()),
            (created, external.clone()),
            (extension(AttributeType::Integer), version),
            (extension(AttributeType::DateTime), external),
        ] {
            assert_eq!(
                Search::new(users(user), groups(group), true).err(),
                Some(refused.clone())
            );
        }
    }
}
