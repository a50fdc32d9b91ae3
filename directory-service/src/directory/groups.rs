//! Use cases of groups and their members.

use std::borrow::Cow;

use tracing::instrument;

use super::users::{allow, expect_version, rules_of};
use super::{Directory, DirectoryError, extensions};
use crate::domain::Invalid;
use crate::domain::actor::Actor;
use crate::domain::change::{Change, ChangeKind, Resource};
use crate::domain::extension::{Extensions, ResourceType};
use crate::domain::filter::{GroupFilter, GroupOrderKey, Order};
use crate::domain::group::{Group, GroupUpdate, NewGroup};
use crate::domain::id::{GroupId, TenantId, UserId};
use crate::domain::membership::{MAX_IDS, MembersChange};
use crate::domain::page::{Page, PageRequest};
use crate::domain::tenant::{GroupDeletionPolicy, WriteRules};
use crate::domain::text::Text;
use crate::domain::user::{Cause, GroupDeleted};
use crate::domain::version::Version;
use crate::store::extensions::Owner;
use crate::store::users::{Intent, Locked};
use crate::store::{self, StoreError, WriteTransaction};

/// How many ids an error lists.
const LISTED: usize = 20;
/// How much an error shows of what is no id.
const SHOWN_CHARACTERS: usize = 64;

impl Directory {
    /// Creates a group with its first members.
    ///
    /// # Errors
    /// [`DirectoryError::GroupTaken`], [`DirectoryError::MembersNotFound`], [`DirectoryError::MembersAreGroups`],
    /// [`DirectoryError::SourceConflict`], [`DirectoryError::ExtensionValueTaken`], [`DirectoryError::Invalid`]: too many
    /// members, or an extension value that does not fit its definition.
    #[instrument(name = "directory.create_group", skip_all, fields(tenant.id = %actor.tenant))]
    pub async fn create_group(&self, actor: &Actor, new: &NewGroup) -> Result<Group, DirectoryError> {
        let members = bounded(new.members.clone())?;
        let now_us = self.clock.now_us();
        let group = Group {
            id: GroupId::generate(),
            version: Version::FIRST,
            created_us: now_us,
            updated_us: now_us,
            display_name: new.display_name.clone(),
            external_id: new.external_id.clone(),
            extensions: Extensions::default(),
        };
        let (group, members) = (&group, &members);
        self.db
            .write(|tx| async move {
                rules_of(&tx, actor).await?;
                let checked = extensions::check(
                    &tx,
                    actor.tenant,
                    ResourceType::Group,
                    &new.extensions,
                    &Extensions::default(),
                )
                .await?;
                let group = Group {
                    extensions: checked.values.clone(),
                    ..group.clone()
                };
                store::groups::insert(&tx, actor.tenant, &group, Some(&checked))
                    .await
                    .map_err(group_taken)?;
                let outcome = change_members(&tx, actor, group.id, members, now_us).await?;
                extensions::claim(&tx, actor.tenant, Owner::Group(group.id), false, &checked).await?;
                let attributes = ["display_name"]
                    .into_iter()
                    .chain(group.external_id.as_ref().map(|_| "external_id"))
                    .map(Cow::Borrowed);
                let extended = group.extensions.difference(&Extensions::default());
                let attributes = attributes.chain(extended.into_iter().map(Cow::Owned));
                let resource = Resource::Group(group.id);
                let created = Change::of(ChangeKind::Created, resource, group.version, attributes.collect());
                outcome.record(&tx, actor, &group, Some(created), now_us).await?;
                Ok(group)
            })
            .await
    }

    /// Reads a group; its extension values only if they are wanted.
    ///
    /// # Errors
    /// [`DirectoryError::GroupNotFound`].
    #[instrument(name = "directory.get_group", skip_all, fields(tenant.id = %tenant, group.id = %id))]
    pub async fn get_group(&self, tenant: TenantId, id: GroupId, extensions: bool) -> Result<Group, DirectoryError> {
        store::groups::find(self.db.reader(), tenant, id, extensions)
            .await?
            .ok_or(DirectoryError::GroupNotFound)
    }

    /// Reads a page of groups; their extension values only if they are wanted.
    ///
    /// # Errors
    /// [`DirectoryError::Store`].
    #[instrument(name = "directory.list_groups", skip_all, fields(tenant.id = %tenant))]
    pub async fn list_groups(
        &self,
        tenant: TenantId,
        filter: Option<&GroupFilter>,
        order: Order<GroupOrderKey>,
        request: &PageRequest,
        extensions: bool,
    ) -> Result<Page<Group>, DirectoryError> {
        Ok(store::groups::list(self.db.reader(), tenant, filter, order, request, extensions).await?)
    }

    /// Changes a group and its members. What changes nothing writes nothing.
    ///
    /// # Errors
    /// [`DirectoryError::GroupNotFound`], [`DirectoryError::VersionMismatch`], [`DirectoryError::GroupTaken`],
    /// [`DirectoryError::MembersNotFound`], [`DirectoryError::MembersAreGroups`], [`DirectoryError::SourceConflict`],
    /// [`DirectoryError::ExtensionValueTaken`], [`DirectoryError::Invalid`]: too many members, or an extension value that
    /// does not fit its definition.
    #[instrument(name = "directory.update_group", skip_all, fields(tenant.id = %actor.tenant, group.id = %update.id))]
    pub async fn update_group(&self, actor: &Actor, update: &GroupUpdate) -> Result<Group, DirectoryError> {
        let members = bounded(update.members.clone().unwrap_or_default())?;
        let now_us = self.clock.now_us();
        let members = &members;
        self.db
            .write(|tx| async move {
                let before = lock_group(&tx, actor, update.id, update.expected, Intent::Change)
                    .await?
                    .resource;
                let mut group = before.clone();
                let checked = match &update.extensions {
                    Some(submitted) => {
                        let had = &before.extensions;
                        Some(extensions::check(&tx, actor.tenant, ResourceType::Group, submitted, had).await?)
                    }
                    None => None,
                };
                let attributes = group.apply(update, checked.as_ref().map(|checked| &checked.values));
                let checked = checked.filter(|checked| checked.values != before.extensions);
                let outcome = change_members(&tx, actor, group.id, members, now_us).await?;
                if !attributes.is_empty() || outcome.changed() {
                    group.version = before.version.next();
                    group.updated_us = now_us;
                    store::groups::update(&tx, actor.tenant, &group, checked.as_ref(), before.version)
                        .await
                        .map_err(group_taken)?;
                }
                if let Some(checked) = &checked {
                    let had_values = !before.extensions.is_empty();
                    extensions::claim(&tx, actor.tenant, Owner::Group(group.id), had_values, checked).await?;
                }
                let resource = Resource::Group(group.id);
                let updated = (!attributes.is_empty())
                    .then(|| Change::of(ChangeKind::Updated, resource, group.version, attributes));
                outcome.record(&tx, actor, &group, updated, now_us).await?;
                Ok(group)
            })
            .await
    }

    /// Deletes a group and its memberships. Who of its members is blocked by that, the tenant's policy says.
    ///
    /// # Errors
    /// [`DirectoryError::GroupNotFound`], [`DirectoryError::VersionMismatch`], [`DirectoryError::SourceConflict`].
    #[instrument(name = "directory.delete_group", skip_all, fields(tenant.id = %actor.tenant, group.id = %id))]
    pub async fn delete_group(
        &self,
        actor: &Actor,
        id: GroupId,
        expected: Option<Version>,
    ) -> Result<(), DirectoryError> {
        let cause = self.cause(actor);
        let (cause, now_us) = (&cause, cause.since_us);
        self.db
            .write(|tx| async move {
                let tenant = actor.tenant;
                let Locked { resource: group, rules } = lock_group(&tx, actor, id, expected, Intent::Delete).await?;
                store::memberships::lock_of_group(&tx, tenant, id).await?;
                let blocked = block_members(&tx, tenant, &group, &rules, cause).await?;
                store::memberships::delete_of_group(&tx, tenant, id).await?;
                store::groups::delete(&tx, tenant, id).await?;
                let resource = Resource::Group(id);
                store::changes::bury(&tx, actor, now_us, resource).await?;
                let change = Change::of(ChangeKind::Deleted, resource, group.version.next(), Vec::new());
                store::changes::append(&tx, actor, now_us, &[change]).await?;
                if blocked > 0 {
                    store::changes::append_blocked(&tx, actor, now_us, id).await?;
                }
                Ok(())
            })
            .await
    }
}

/// Applies the tenant's policy to the locked members of a group that is being deleted; how many it blocked.
async fn block_members(
    tx: &WriteTransaction,
    tenant: TenantId,
    group: &Group,
    rules: &WriteRules,
    cause: &Cause,
) -> Result<u64, StoreError> {
    let only_left_without_group = match rules.on_group_deletion {
        GroupDeletionPolicy::KeepMembers => return Ok(0),
        GroupDeletionPolicy::BlockAllMembers => false,
        GroupDeletionPolicy::BlockMembersLeftWithoutGroup => true,
    };
    let deleted = GroupDeleted {
        cause: cause.clone(),
        group_id: group.id,
        group_name: Text::from_row(group.display_name.as_str().to_owned()),
    };
    store::users::block_members(tx, tenant, &deleted, only_left_without_group).await
}

/// What a change of members did.
#[derive(Debug, Default)]
struct Outcome {
    added: Vec<UserId>,
    removed: Vec<UserId>,
    /// Users who were named and whom a deleted group blocked.
    blocked: Vec<UserId>,
}

impl Outcome {
    const fn changed(&self) -> bool {
        !self.added.is_empty() || !self.removed.is_empty()
    }

    /// Lifts the blocks of those who were named, and records everything.
    async fn record(
        self,
        tx: &WriteTransaction,
        actor: &Actor,
        group: &Group,
        first: Option<Change>,
        now_us: i64,
    ) -> Result<(), DirectoryError> {
        let Self {
            mut added,
            mut removed,
            blocked,
        } = self;
        added.sort_unstable();
        removed.sort_unstable();
        let mut changes: Vec<_> = first.into_iter().collect();
        let (id, version) = (group.id, group.version);
        changes.extend(Change::of_members(ChangeKind::MembersRemoved, id, version, &removed));
        changes.extend(Change::of_members(ChangeKind::MembersAdded, id, version, &added));
        let lifted = store::users::lift_group_deleted(tx, actor.tenant, &blocked, now_us).await?;
        let mailed = queue_due_mails(tx, actor.tenant, &lifted, now_us).await?;
        for (user, version) in lifted {
            let mut attributes = vec![Cow::Borrowed("blocks")];
            if mailed.binary_search(&user).is_ok() {
                attributes.push(Cow::Borrowed("activation"));
            }
            changes.push(Change::of(
                ChangeKind::Updated,
                Resource::User(user),
                version,
                attributes,
            ));
        }
        store::changes::append(tx, actor, now_us, &changes).await?;
        Ok(())
    }
}

/// Queues the mails that are due of users who were unblocked; who they are, sorted.
async fn queue_due_mails(
    tx: &WriteTransaction,
    tenant: TenantId,
    lifted: &[(UserId, Version)],
    now_us: i64,
) -> Result<Vec<UserId>, StoreError> {
    let lifted: Vec<UserId> = lifted.iter().map(|(user, _)| *user).collect();
    let mut mailed = store::mails::mark_due(tx, tenant, &lifted).await?;
    mailed.sort_unstable();
    store::mails::queue(tx, tenant, &mailed, now_us).await?;
    Ok(mailed)
}

/// Adds and removes members of a locked group. The users to add are locked first, which also tells who exists.
async fn change_members(
    tx: &WriteTransaction,
    actor: &Actor,
    group: GroupId,
    change: &MembersChange,
    now_us: i64,
) -> Result<Outcome, DirectoryError> {
    let tenant = actor.tenant;
    let locked = store::users::lock_members(tx, tenant, &change.add).await?;
    if locked.len() < change.add.len() || !change.unknown.is_empty() {
        let unknown = change
            .add
            .iter()
            .filter(|id| locked.binary_search_by_key(id, |member| &member.id).is_err());
        return Err(refuse_members(tx, tenant, &unknown.copied().collect::<Vec<_>>(), &change.unknown).await?);
    }
    let removed = if change.remove_all {
        store::memberships::delete_others(tx, tenant, group, &change.add).await?
    } else {
        store::memberships::delete(tx, tenant, group, &change.remove).await?
    };
    let added = store::memberships::insert(tx, tenant, group, &change.add, now_us).await?;
    let blocked = locked
        .iter()
        .filter(|member| member.group_deleted)
        .map(|member| member.id)
        .collect();
    Ok(Outcome {
        added,
        removed,
        blocked,
    })
}

/// Says what is wrong with members that are no users.
async fn refuse_members(
    tx: &WriteTransaction,
    tenant: TenantId,
    unknown: &[UserId],
    no_ids: &[String],
) -> Result<DirectoryError, StoreError> {
    let ids: Vec<_> = unknown.iter().map(|id| id.uuid()).collect();
    let groups = store::groups::known(&**tx, tenant, &ids).await?;
    if !groups.is_empty() {
        let ids = groups.iter().take(LISTED).map(ToString::to_string).collect();
        return Ok(DirectoryError::MembersAreGroups {
            count: groups.len(),
            ids,
        });
    }
    let no_ids_shown = no_ids.iter().map(|text| text.chars().take(SHOWN_CHARACTERS).collect());
    let spelled = unknown.iter().map(ToString::to_string).chain(no_ids_shown);
    let count = unknown.len() + no_ids.len();
    Ok(DirectoryError::MembersNotFound {
        count,
        ids: spelled.take(LISTED).collect(),
    })
}

async fn lock_group(
    tx: &WriteTransaction,
    actor: &Actor,
    id: GroupId,
    expected: Option<Version>,
    intent: Intent,
) -> Result<Locked<Group>, DirectoryError> {
    let locked = store::groups::lock(tx, actor.tenant, id, intent).await?;
    let locked = locked.ok_or(DirectoryError::GroupNotFound)?;
    allow(actor, &locked.rules)?;
    expect_version(expected, locked.resource.version)?;
    Ok(locked)
}

fn bounded(change: MembersChange) -> Result<MembersChange, DirectoryError> {
    if change.add.len() + change.remove.len() + change.unknown.len() > MAX_IDS {
        return Err(Invalid::new("members", "must be at most 100,000 ids").into());
    }
    Ok(change.normalized())
}

fn group_taken(error: StoreError) -> DirectoryError {
    match error {
        StoreError::Taken => DirectoryError::GroupTaken,
        other => other.into(),
    }
}

#[cfg(test)]
mod tests;
