//! Users: people and services whose access a tenant manages.

use std::borrow::Cow;

use super::attribute::{ListAttribute, TextAttribute};
use super::extension::{Extensions, Submitted};
use super::id::{GroupId, UserId};
use super::profile::{Element, Profile};
use super::text::{ExternalId, Text};
use super::user_name::UserName;
use super::version::Version;

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The id.
    pub id: UserId,
    /// Counts the changes.
    pub version: Version,
    /// When the user was created: microseconds since 1970, UTC.
    pub created_us: i64,
    /// When the user last changed.
    pub updated_us: i64,
    /// The name, unique in the tenant.
    pub user_name: UserName,
    /// The source's id.
    pub external_id: Option<ExternalId>,
    /// What else the source said.
    pub profile: Profile,
    /// The manager that the source named.
    pub manager: Option<Manager>,
    /// Why the user is blocked.
    pub blocks: Blocks,
    /// What the source said in the tenant's own schemas.
    pub extensions: Extensions,
    /// The first 1,000 of the user's groups by id.
    pub groups: Vec<UserGroup>,
}

/// The parts of users that a reader wants, beside what always comes. A part that is not wanted is not read, and empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UserParts {
    /// The profile.
    pub profile: bool,
    /// The manager.
    pub manager: bool,
    /// The extension values.
    pub extensions: bool,
    /// The groups.
    pub groups: bool,
}

impl UserParts {
    /// Every part.
    pub const ALL: Self = Self {
        profile: true,
        manager: true,
        extensions: true,
        groups: true,
    };
}

/// A user's manager, as the source named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manager {
    /// The id.
    pub id: UserId,
    /// Whether it is the id of a user of the tenant.
    pub exists: bool,
    /// The manager's display name.
    pub display_name: Option<Text>,
}

impl Manager {
    /// A manager of whom only the id is known yet.
    pub const fn of(id: UserId) -> Self {
        Self {
            id,
            exists: false,
            display_name: None,
        }
    }
}

/// A group that a user is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserGroup {
    /// The group's id.
    pub id: GroupId,
    /// The group's name.
    pub display_name: Text,
}

/// The block reasons that hold. They never mask one another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blocks {
    /// The source's last word on active was false.
    pub provisioning: Option<Cause>,
    /// A group of the user was deleted.
    pub group_deleted: Option<GroupDeleted>,
    /// An administrator blocked the user.
    pub administrator: Option<Cause>,
}

impl Blocks {
    /// Whether any reason holds.
    pub const fn any(&self) -> bool {
        self.provisioning.is_some() || self.group_deleted.is_some() || self.administrator.is_some()
    }

    /// The source's last word on active.
    pub const fn source_active(&self) -> bool {
        self.provisioning.is_none()
    }

    /// The source says whether the user is active. Idempotence is judged on the source's own reason alone.
    pub fn set_source_active(&mut self, active: bool, cause: &Cause) {
        if active {
            self.provisioning = None;
            self.group_deleted = None;
        } else if self.provisioning.is_none() {
            self.provisioning = Some(cause.clone());
        }
    }
}

/// Since when a reason holds, and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Since when: microseconds since 1970, UTC.
    pub since_us: i64,
    /// The id of the token.
    pub actor: String,
}

/// A group of the user was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDeleted {
    /// Since when, and by whom.
    pub cause: Cause,
    /// The group's id.
    pub group_id: GroupId,
    /// The name that it had.
    pub group_name: Text,
}

/// A user to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewUser {
    /// The name.
    pub user_name: UserName,
    /// The source's id.
    pub external_id: Option<ExternalId>,
    /// What else the source said.
    pub profile: Profile,
    /// The manager's id.
    pub manager: Option<UserId>,
    /// The source's word on active.
    pub source_active: bool,
    /// What the source says in the tenant's own schemas, not checked yet.
    pub extensions: Submitted,
}

impl NewUser {
    /// A user of this name, active and with nothing else.
    pub fn named(user_name: UserName) -> Self {
        Self {
            user_name,
            external_id: None,
            profile: Profile::default(),
            manager: None,
            source_active: true,
            extensions: Submitted::default(),
        }
    }

    /// The user that comes to be, without its extension values.
    pub fn create(&self, id: UserId, cause: &Cause) -> User {
        User {
            id,
            version: Version::FIRST,
            created_us: cause.since_us,
            updated_us: cause.since_us,
            user_name: self.user_name.clone(),
            external_id: self.external_id.clone(),
            profile: self.profile.clone(),
            manager: self.manager.map(Manager::of),
            blocks: Blocks {
                provisioning: (!self.source_active).then(|| cause.clone()),
                ..Blocks::default()
            },
            extensions: Extensions::default(),
            groups: Vec::new(),
        }
    }
}

/// One new value of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserChange {
    /// The name.
    UserName(UserName),
    /// The source's id; none takes it away.
    ExternalId(Option<ExternalId>),
    /// A text; none takes it away.
    Text(TextAttribute, Option<Text>),
    /// A multi-valued attribute; no elements take it away.
    List(ListAttribute, Vec<Element>),
    /// The manager; none takes it away.
    Manager(Option<UserId>),
    /// The source's word on active.
    SourceActive(bool),
}

/// A change of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserUpdate {
    /// Which user.
    pub id: UserId,
    /// Only if the user is at this version.
    pub expected: Option<Version>,
    /// The new values.
    pub changes: Vec<UserChange>,
    /// All of the new extension values, not checked yet; none: they stay as they are.
    pub extensions: Option<Submitted>,
}

/// What differs between a user before and after.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// The paths of the attributes.
    pub attributes: Vec<Cow<'static, str>>,
    /// The multi-valued ones among them, whose filter index must be written.
    pub lists: Vec<ListAttribute>,
}

impl User {
    /// Puts a source's new values in. That the source wrote the user and left it active proves that the user is in
    /// scope: GROUP_DELETED goes.
    pub fn apply(&mut self, changes: &[UserChange], cause: &Cause) {
        for change in changes {
            match change.clone() {
                UserChange::UserName(name) => self.user_name = name,
                UserChange::ExternalId(id) => self.external_id = id,
                UserChange::Text(attribute, text) => self.profile.set_text(attribute, text),
                UserChange::List(attribute, elements) => self.profile.set_list(attribute, elements),
                UserChange::Manager(id) => self.set_manager(id),
                UserChange::SourceActive(active) => self.blocks.set_source_active(active, cause),
            }
        }
        if self.blocks.source_active() {
            self.blocks.group_deleted = None;
        }
    }

    fn set_manager(&mut self, id: Option<UserId>) {
        if self.manager.as_ref().map(|manager| manager.id) != id {
            self.manager = id.map(Manager::of);
        }
    }

    /// What differs from the same user before.
    pub fn difference(&self, before: &Self) -> Difference {
        let manager = |user: &Self| user.manager.as_ref().map(|manager| manager.id);
        let singular = [
            ("user_name", self.user_name != before.user_name),
            ("external_id", self.external_id != before.external_id),
            ("enterprise.manager", manager(self) != manager(before)),
            (
                "source_active",
                self.blocks.source_active() != before.blocks.source_active(),
            ),
            ("blocks", self.blocks != before.blocks),
        ];
        let lists = ListAttribute::ALL.iter().copied();
        let lists: Vec<_> = lists
            .filter(|list| self.profile.list(*list) != before.profile.list(*list))
            .collect();
        let texts = TextAttribute::ALL.iter().copied();
        let texts = texts.filter(|text| self.profile.text(*text) != before.profile.text(*text));
        let attributes = singular
            .into_iter()
            .filter_map(|(path, differs)| differs.then_some(path));
        let attributes = attributes.chain(texts.map(TextAttribute::path));
        let attributes = attributes
            .chain(lists.iter().map(|list| list.path()))
            .map(Cow::Borrowed);
        let extensions = self
            .extensions
            .difference(&before.extensions)
            .into_iter()
            .map(Cow::Owned);
        Difference {
            attributes: attributes.chain(extensions).collect(),
            lists,
        }
    }
}

impl Difference {
    /// Whether nothing differs.
    pub const fn is_empty(&self) -> bool {
        self.attributes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(since_us: i64) -> Cause {
        Cause {
            since_us,
            actor: "token".to_owned(),
        }
    }

    fn user() -> User {
        NewUser::named("ada".parse().unwrap()).create(UserId::generate(), &cause(1))
    }

    fn group_deleted() -> GroupDeleted {
        let group_name = Text::from_row("Sales".to_owned());
        GroupDeleted {
            cause: cause(2),
            group_id: GroupId::generate(),
            group_name,
        }
    }

    #[test]
    fn the_source_s_false_adds_its_reason_beside_others_and_only_once() {
        let mut user = user();
        user.blocks.administrator = Some(cause(2));

        user.apply(&[UserChange::SourceActive(false)], &cause(3));
        user.apply(&[UserChange::SourceActive(false)], &cause(4));

        assert_eq!(
            user.blocks,
            Blocks {
                provisioning: Some(cause(3)),
                administrator: Some(cause(2)),
                group_deleted: None
            }
        );
    }

    #[test]
    fn the_source_s_true_takes_its_reason_and_the_deleted_group_away() {
        let mut user = user();
        user.blocks = Blocks {
            provisioning: Some(cause(2)),
            group_deleted: Some(group_deleted()),
            administrator: Some(cause(2)),
        };

        user.apply(&[UserChange::SourceActive(true)], &cause(3));

        assert_eq!(
            user.blocks,
            Blocks {
                administrator: Some(cause(2)),
                ..Blocks::default()
            }
        );
    }

    #[test]
    fn any_write_that_leaves_the_user_active_lifts_a_deleted_group_and_no_other_does() {
        let mut active = user();
        active.blocks.group_deleted = Some(group_deleted());
        let mut inactive = active.clone();
        inactive.blocks.provisioning = Some(cause(2));
        let before = inactive.clone();

        active.apply(&[], &cause(3));
        inactive.apply(&[UserChange::ExternalId(None)], &cause(3));

        assert_eq!(active.blocks, Blocks::default());
        assert_eq!(inactive, before);
    }

    #[test]
    fn a_difference_names_what_differs_and_nothing_else() {
        let before = user();
        let mut after = before.clone();
        let changes = [
            UserChange::UserName("Ada".parse().unwrap()),
            UserChange::Text(TextAttribute::Title, Some(Text::from_row("Dr".to_owned()))),
            UserChange::Text(TextAttribute::Locale, None),
            UserChange::List(ListAttribute::Roles, vec![Element::default()]),
            UserChange::SourceActive(false),
        ];

        after.apply(&changes, &cause(2));

        let difference = after.difference(&before);
        assert_eq!(
            difference.attributes,
            ["user_name", "source_active", "blocks", "title", "roles"]
        );
        assert_eq!(difference.lists, [ListAttribute::Roles]);
        assert!(before.difference(&before).is_empty());
    }
}
