//! Users: people and services whose access a tenant manages.

use std::borrow::Cow;

use super::activation::{Activation, ActivationMail, ActivationStatus};
use super::attribute::{ListAttribute, SubAttribute, TextAttribute};
use super::extension::{Extensions, Submitted};
use super::id::{GroupId, UserId};
use super::language::{self, LanguageTag};
use super::profile::{Element, Profile};
use super::tenant::WriteRules;
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
    /// Whether the person behind the user proved to be that.
    pub activation: Activation,
    /// The language to speak to the user: what the source said first, else the tenant's default.
    pub language: LanguageTag,
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

    /// Since when each reason that holds does, and by whom.
    pub fn causes(&self) -> impl Iterator<Item = &Cause> {
        let group_deleted = self.group_deleted.as_ref().map(|deleted| &deleted.cause);
        let reasons = [self.provisioning.as_ref(), group_deleted, self.administrator.as_ref()];
        reasons.into_iter().flatten()
    }

    /// The source's last word on active.
    pub const fn source_active(&self) -> bool {
        self.provisioning.is_none()
    }

    /// The source says whether the user is active. Idempotence is judged on the source's own reason alone.
    pub fn set_source_active(&mut self, active: bool, cause: &Cause, administrator_yields: bool) {
        if active {
            self.provisioning = None;
            self.group_deleted = None;
            if administrator_yields {
                self.administrator = None;
            }
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
    pub fn create(&self, id: UserId, cause: &Cause, rules: &WriteRules) -> User {
        let mut user = User {
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
            activation: Activation::at_creation(rules.mails_new_users),
            language: language_of(&self.profile, &rules.default_language),
            extensions: Extensions::default(),
            groups: Vec::new(),
        };
        user.queue_mail();
        user
    }
}

/// The language of a user with this profile.
pub(crate) fn language_of(profile: &Profile, default: &LanguageTag) -> LanguageTag {
    let list = profile.text(TextAttribute::PreferredLanguage);
    let preferred = list.and_then(|list| language::preferred(list.as_str()).into_iter().next());
    preferred.unwrap_or_else(|| default.clone())
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

/// What a change of a user means for its mail in the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailStep {
    /// Nothing.
    Keep,
    /// It is queued, in place of one that is there.
    Queue,
    /// It goes.
    Drop,
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
    pub fn apply(&mut self, changes: &[UserChange], cause: &Cause, rules: &WriteRules) {
        let address = self.mail_address().cloned();
        for change in changes {
            match change.clone() {
                UserChange::UserName(name) => self.user_name = name,
                UserChange::ExternalId(id) => self.external_id = id,
                UserChange::Text(attribute, text) => self.profile.set_text(attribute, text),
                UserChange::List(attribute, elements) => self.profile.set_list(attribute, elements),
                UserChange::Manager(id) => self.set_manager(id),
                UserChange::SourceActive(active) => {
                    let yields = rules.administrator_block_yields;
                    self.blocks.set_source_active(active, cause, yields);
                }
            }
        }
        if self.blocks.source_active() {
            self.blocks.group_deleted = None;
        }
        self.language = language_of(&self.profile, &rules.default_language);
        if self.mail_address() != address.as_ref() {
            self.activation.address_changed();
        }
        self.queue_mail();
    }

    /// Where mail for the user goes: to the primary address, else the first one for work, else the first.
    pub fn mail_address(&self) -> Option<&Text> {
        let address = |element: &'_ &Element| {
            element
                .text(SubAttribute::Value)
                .is_some_and(|text| !text.as_str().is_empty())
        };
        let emails = || self.profile.list(ListAttribute::Emails).iter().filter(address);
        let is_work = |element: &&Element| {
            let label = element.text(SubAttribute::Type);
            label.is_some_and(|label| label.as_str().eq_ignore_ascii_case("work"))
        };
        let primary = emails().find(|element| element.primary == Some(true));
        let chosen = primary.or_else(|| emails().find(is_work)).or_else(|| emails().next());
        chosen.and_then(|element| element.text(SubAttribute::Value))
    }

    /// Queues the activation mail if it is due and the user can have it; the last step of every change of a user. Says
    /// whether it was queued.
    pub fn queue_mail(&mut self) -> bool {
        !self.blocks.any() && self.mail_address().is_some() && self.activation.queue()
    }

    /// What a change of this user means for its mail in the outbox.
    pub fn mail_step(&self, before: Option<&Activation>) -> MailStep {
        let is_queued = |activation: &Activation| {
            activation.mail == ActivationMail::Queued && activation.status == ActivationStatus::Pending
        };
        let number = |activation: &Activation| activation.code_number;
        let was = before.filter(|before| is_queued(before)).map(number);
        match (was, is_queued(&self.activation).then(|| number(&self.activation))) {
            (was, Some(now)) if was != Some(now) => MailStep::Queue,
            (Some(_), None) if self.activation.status != ActivationStatus::Activated => MailStep::Drop,
            (_, Some(_) | None) => MailStep::Keep,
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
            ("activation", self.activation != before.activation),
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

    fn rules() -> WriteRules {
        WriteRules::without_mail()
    }

    fn user() -> User {
        NewUser::named("ada".parse().unwrap()).create(UserId::generate(), &cause(1), &rules())
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

        user.apply(&[UserChange::SourceActive(false)], &cause(3), &rules());
        user.apply(&[UserChange::SourceActive(false)], &cause(4), &rules());

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

        user.apply(&[UserChange::SourceActive(true)], &cause(3), &rules());

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

        active.apply(&[], &cause(3), &rules());
        inactive.apply(&[UserChange::ExternalId(None)], &cause(3), &rules());

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

        after.apply(&changes, &cause(2), &rules());

        let difference = after.difference(&before);
        assert_eq!(
            difference.attributes,
            ["user_name", "source_active", "blocks", "title", "roles"]
        );
        assert_eq!(difference.lists, [ListAttribute::Roles]);
        assert!(before.difference(&before).is_empty());
    }

    fn email(value: &str, label: &str, primary: bool) -> Element {
        let mut element = Element::with_primary(Some(primary));
        let mut set = |sub, text: &str| element.set(ListAttribute::Emails, sub, Some(text.to_owned())).unwrap();
        set(SubAttribute::Value, value);
        set(SubAttribute::Type, label);
        element
    }

    #[test]
    fn mail_goes_to_the_primary_address_else_to_work_else_to_the_first() {
        let mut user = user();
        let mut address = |elements: Vec<Element>| {
            user.profile.set_list(ListAttribute::Emails, elements);
            user.mail_address().map(|text| text.as_str().to_owned())
        };
        let (home, work) = (email("h@x.io", "home", false), email("w@x.io", "Work", false));

        assert_eq!(address(vec![]), None);
        assert_eq!(address(vec![Element::default(), email("", "work", true)]), None);
        assert_eq!(address(vec![home.clone()]).as_deref(), Some("h@x.io"));
        assert_eq!(address(vec![home.clone(), work.clone()]).as_deref(), Some("w@x.io"));
        let primary = email("p@x.io", "other", true);
        assert_eq!(address(vec![home, work, primary]).as_deref(), Some("p@x.io"));
    }

    #[test]
    fn a_mail_that_is_due_is_queued_when_the_user_is_unblocked_and_has_an_address() {
        let rules = WriteRules {
            mails_new_users: true,
            ..rules()
        };
        let mut new = NewUser::named("ada".parse().unwrap());
        new.source_active = false;
        let mut user = new.create(UserId::generate(), &cause(1), &rules);
        assert_eq!(user.activation.mail, ActivationMail::Due);
        let emails = |value: &str| UserChange::List(ListAttribute::Emails, vec![email(value, "work", true)]);

        user.apply(&[emails("a@x.io")], &cause(2), &rules);
        assert_eq!(
            (user.activation.mail, user.mail_step(None)),
            (ActivationMail::Due, MailStep::Keep)
        );
        let before = user.activation.clone();
        user.apply(&[UserChange::SourceActive(true)], &cause(3), &rules);
        assert_eq!(user.activation.mail, ActivationMail::Queued);
        assert_eq!(user.mail_step(Some(&before)), MailStep::Queue);

        let before = user.activation.clone();
        user.apply(&[emails("a@x.io")], &cause(4), &rules);
        assert_eq!(
            (&user.activation, user.mail_step(Some(&before))),
            (&before, MailStep::Keep)
        );
        user.apply(&[emails("b@x.io")], &cause(5), &rules);
        assert_eq!(
            (user.activation.code_number, user.mail_step(Some(&before))),
            (before.code_number + 1, MailStep::Queue)
        );
        let before = user.activation.clone();
        user.apply(&[UserChange::List(ListAttribute::Emails, vec![])], &cause(6), &rules);
        assert_eq!(
            (user.activation.mail, user.mail_step(Some(&before))),
            (ActivationMail::Due, MailStep::Drop)
        );
    }

    #[test]
    fn an_administrators_block_yields_to_the_source_only_where_the_tenant_says_so() {
        for yields in [false, true] {
            let rules = WriteRules {
                administrator_block_yields: yields,
                ..rules()
            };
            let mut user = user();
            user.blocks.administrator = Some(cause(2));

            user.apply(&[], &cause(3), &rules);
            assert!(user.blocks.administrator.is_some(), "only the source's word lifts it");
            user.apply(&[UserChange::SourceActive(true)], &cause(3), &rules);

            assert_eq!(user.blocks.administrator.is_none(), yields);
        }
    }
}
