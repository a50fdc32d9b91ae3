//! Use cases of users.

use std::borrow::Cow;
use std::collections::HashMap;

use tracing::instrument;

use super::{Directory, DirectoryError, extensions};
use crate::domain::Invalid;
use crate::domain::activation::{Activation, ActivationMail};
use crate::domain::actor::Actor;
use crate::domain::change::{Change, ChangeKind, Resource};
use crate::domain::extension::{Checked, Extensions, ResourceType};
use crate::domain::filter::{Order, UserFilter, UserOrderKey};
use crate::domain::id::{TenantId, UserId};
use crate::domain::page::{Page, PageRequest};
use crate::domain::tenant::WriteRules;
use crate::domain::user::{Cause, MailStep, NewUser, User, UserParts, UserUpdate};
use crate::domain::version::Version;
use crate::store::extensions::Owner;
use crate::store::users::{Intent, Locked};
use crate::store::{self, StoreError, WriteTransaction};

/// The most users of one batch.
const BATCH: usize = 1_000;

impl Directory {
    /// Creates a user.
    ///
    /// # Errors
    /// [`DirectoryError::UserNameTaken`], [`DirectoryError::SourceConflict`], [`DirectoryError::ExtensionValueTaken`],
    /// [`DirectoryError::Invalid`]: an extension value does not fit its definition.
    #[instrument(name = "directory.create_user", skip_all, fields(tenant.id = %actor.tenant))]
    pub async fn create_user(&self, actor: &Actor, new: &NewUser) -> Result<User, DirectoryError> {
        let cause = self.cause(actor);
        let id = UserId::generate();
        let cause = &cause;
        let user = self
            .db
            .write(|tx| async move {
                let rules = &rules_of(&tx, actor).await?;
                let checked = extensions::check(
                    &tx,
                    actor.tenant,
                    ResourceType::User,
                    &new.extensions,
                    &Extensions::default(),
                )
                .await?;
                let mut user = new.create(id, cause, rules);
                user.extensions = checked.values.clone();
                store::users::insert(&tx, actor.tenant, &mut user, Some(&checked))
                    .await
                    .map_err(user_name_taken)?;
                let nothing = NewUser::named(user.user_name.clone()).create(id, cause, rules);
                let mut difference = user.difference(&nothing);
                difference.attributes.insert(0, Cow::Borrowed("user_name"));
                store::values::insert(&tx, actor.tenant, id, &user.profile, &difference.lists).await?;
                extensions::claim(&tx, actor.tenant, Owner::User(id), false, &checked).await?;
                step_mail(&tx, actor.tenant, &user, None, cause.since_us).await?;
                let change = Change::of(
                    ChangeKind::Created,
                    Resource::User(id),
                    user.version,
                    difference.attributes,
                );
                store::changes::append(&tx, actor, cause.since_us, &[change]).await?;
                Ok::<_, DirectoryError>(user)
            })
            .await?;
        if user.activation.mail == ActivationMail::Queued {
            self.outbox.wake();
        }
        Ok(user)
    }

    /// Reads the wanted parts of a user.
    ///
    /// # Errors
    /// [`DirectoryError::UserNotFound`].
    #[instrument(name = "directory.get_user", skip_all, fields(tenant.id = %tenant, user.id = %id))]
    pub async fn get_user(&self, tenant: TenantId, id: UserId, parts: UserParts) -> Result<User, DirectoryError> {
        let user = store::users::find(self.db.reader(), tenant, id, parts)
            .await?
            .ok_or(DirectoryError::UserNotFound)?;
        let mut users = [user];
        self.show_groups(tenant, &mut users, parts.groups).await?;
        let [user] = users;
        Ok(user)
    }

    /// Reads the wanted parts of those of the users that exist, in the order of `ids`, each once.
    ///
    /// # Errors
    /// [`DirectoryError::Invalid`]: more than 1,000 ids, or users that are together too large for an answer.
    #[instrument(name = "directory.batch_get_users", skip_all, fields(tenant.id = %tenant, ids = ids.len()))]
    pub async fn batch_get_users(
        &self,
        tenant: TenantId,
        ids: &[UserId],
        parts: UserParts,
    ) -> Result<Vec<User>, DirectoryError> {
        if ids.len() > BATCH {
            return Err(Invalid::new("ids", "must be at most 1,000").into());
        }
        let mut page = store::users::find_batch(self.db.reader(), tenant, ids, parts).await?;
        self.show_groups_of_page(tenant, &mut page, parts.groups).await?;
        if page.next.is_some() {
            return Err(DirectoryError::batch_too_large());
        }
        let mut users: HashMap<UserId, User> = page.items.into_iter().map(|user| (user.id, user)).collect();
        Ok(ids.iter().filter_map(|id| users.remove(id)).collect())
    }

    /// Reads the wanted parts of a page of users.
    ///
    /// # Errors
    /// [`DirectoryError::Store`].
    #[instrument(name = "directory.list_users", skip_all, fields(tenant.id = %tenant))]
    pub async fn list_users(
        &self,
        tenant: TenantId,
        filter: Option<&UserFilter>,
        order: Order<UserOrderKey>,
        request: &PageRequest,
        parts: UserParts,
    ) -> Result<Page<User>, DirectoryError> {
        let mut page = store::users::list(self.db.reader(), tenant, filter, order, request, parts).await?;
        self.show_groups_of_page(tenant, &mut page, parts.groups).await?;
        Ok(page)
    }

    /// Changes a user. What changes nothing writes nothing.
    ///
    /// # Errors
    /// [`DirectoryError::UserNotFound`], [`DirectoryError::VersionMismatch`], [`DirectoryError::UserNameTaken`],
    /// [`DirectoryError::SourceConflict`], [`DirectoryError::ExtensionValueTaken`], [`DirectoryError::Invalid`]: an extension
    /// value does not fit its definition.
    #[instrument(name = "directory.update_user", skip_all, fields(tenant.id = %actor.tenant, user.id = %update.id))]
    pub async fn update_user(&self, actor: &Actor, update: &UserUpdate) -> Result<User, DirectoryError> {
        let cause = self.cause(actor);
        let cause = &cause;
        let saved = self
            .db
            .write(|tx| async move {
                let Locked {
                    resource: before,
                    rules,
                } = lock_user(&tx, actor, update.id, update.expected, Intent::Change).await?;
                let mut user = before.clone();
                user.apply(&update.changes, cause, &rules);
                let checked = match &update.extensions {
                    Some(submitted) => {
                        let had = &before.extensions;
                        Some(extensions::check(&tx, actor.tenant, ResourceType::User, submitted, had).await?)
                    }
                    None => None,
                };
                if let Some(checked) = &checked {
                    user.extensions = checked.values.clone();
                }
                save(&tx, actor, before, user, checked, cause.since_us).await
            })
            .await?;
        self.with_groups(actor.tenant, self.told_of(saved)).await
    }

    /// Deletes a user: memberships and every personal value go, the name is free at once.
    ///
    /// # Errors
    /// [`DirectoryError::UserNotFound`], [`DirectoryError::VersionMismatch`], [`DirectoryError::SourceConflict`].
    #[instrument(name = "directory.delete_user", skip_all, fields(tenant.id = %actor.tenant, user.id = %id))]
    pub async fn delete_user(
        &self,
        actor: &Actor,
        id: UserId,
        expected: Option<Version>,
    ) -> Result<(), DirectoryError> {
        let now_us = self.clock.now_us();
        self.db
            .write(|tx| async move { delete(&tx, actor, id, expected, now_us).await })
            .await?;
        self.outbox.erase(id);
        Ok(())
    }

    /// A user that was written, with its groups.
    pub(super) async fn with_groups(&self, tenant: TenantId, user: User) -> Result<User, DirectoryError> {
        let mut users = [user];
        self.show_groups(tenant, &mut users, true).await?;
        let [user] = users;
        Ok(user)
    }

    /// Reads the groups of a user.
    async fn show_groups(&self, tenant: TenantId, user: &mut [User; 1], wanted: bool) -> Result<(), DirectoryError> {
        if wanted {
            self.show_groups_if_few(tenant, user).await?;
        }
        Ok(())
    }

    /// The user that was saved; the mail worker is told if there is a mail for it.
    pub(super) fn told_of(&self, saved: Saved) -> User {
        if saved.mail == MailStep::Queue {
            self.outbox.wake();
        }
        saved.user
    }

    /// What a block that this write sets is caused by.
    pub(super) fn cause(&self, actor: &Actor) -> Cause {
        Cause {
            since_us: self.clock.now_us(),
            actor: actor.agent.to_string(),
        }
    }
}

/// The lock order: the user's groups, the user, then a fresh look at its memberships.
async fn delete(
    tx: &WriteTransaction,
    actor: &Actor,
    id: UserId,
    expected: Option<Version>,
    now_us: i64,
) -> Result<(), DirectoryError> {
    let tenant = actor.tenant;
    let locked = store::groups::lock_of_user(tx, tenant, id).await?;
    let user = lock_user(tx, actor, id, expected, Intent::Delete).await?.resource;
    if store::memberships::count_of_user(tx, tenant, id).await? != locked {
        // The user came into a group after its groups were locked. Nobody can add it now: begin again.
        return Err(StoreError::Stale.into());
    }
    let mut changes = Vec::new();
    if locked > 0 {
        for (group, version) in store::groups::touch_of_user(tx, tenant, id, now_us).await? {
            changes.extend(Change::of_members(ChangeKind::MembersRemoved, group, version, &[id]));
        }
        store::memberships::delete_of_user(tx, tenant, id).await?;
    }
    store::users::delete(tx, tenant, id).await?;
    store::changes::bury(tx, actor, now_us, Resource::User(id)).await?;
    changes.push(Change::of(
        ChangeKind::Deleted,
        Resource::User(id),
        user.version.next(),
        Vec::new(),
    ));
    store::changes::append(tx, actor, now_us, &changes).await?;
    Ok(())
}

/// Writes a changed user that is locked, its indexes, its mail and its change record. What changed nothing writes nothing.
/// Extension values are written if they were `checked`.
pub(super) async fn save(
    tx: &WriteTransaction,
    actor: &Actor,
    before: User,
    mut user: User,
    checked: Option<Checked>,
    now_us: i64,
) -> Result<Saved, DirectoryError> {
    let tenant = actor.tenant;
    let difference = user.difference(&before);
    if difference.is_empty() {
        return Ok(Saved {
            user: before,
            mail: MailStep::Keep,
        });
    }
    user.version = before.version.next();
    user.updated_us = now_us;
    let checked = checked.filter(|checked| checked.values != before.extensions);
    store::users::update(tx, tenant, &mut user, checked.as_ref(), before.version)
        .await
        .map_err(user_name_taken)?;
    if !difference.lists.is_empty() {
        store::values::replace(tx, tenant, user.id, &user.profile, &difference.lists).await?;
    }
    if let Some(checked) = &checked {
        let had_values = !before.extensions.is_empty();
        extensions::claim(tx, tenant, Owner::User(user.id), had_values, checked).await?;
    }
    let mail = step_mail(tx, tenant, &user, Some(&before.activation), now_us).await?;
    let resource = Resource::User(user.id);
    let change = Change::of(ChangeKind::Updated, resource, user.version, difference.attributes);
    store::changes::append(tx, actor, now_us, &[change]).await?;
    Ok(Saved { user, mail })
}

/// A user that was saved, and what that meant for its mail.
pub(super) struct Saved {
    pub user: User,
    pub mail: MailStep,
}

/// Brings the outbox in line with a user that was written.
async fn step_mail(
    tx: &WriteTransaction,
    tenant: TenantId,
    user: &User,
    before: Option<&Activation>,
    now_us: i64,
) -> Result<MailStep, StoreError> {
    let step = user.mail_step(before);
    match step {
        MailStep::Keep => {}
        MailStep::Queue => store::mails::queue(tx, tenant, &[user.id], now_us).await?,
        MailStep::Drop => store::mails::delete(tx, tenant, user.id).await?,
    }
    Ok(step)
}

async fn lock_user(
    tx: &WriteTransaction,
    actor: &Actor,
    id: UserId,
    expected: Option<Version>,
    intent: Intent,
) -> Result<Locked<User>, DirectoryError> {
    let locked = store::users::lock(tx, actor.tenant, id, intent).await?;
    let locked = locked.ok_or(DirectoryError::UserNotFound)?;
    allow(actor, &locked.rules)?;
    expect_version(expected, locked.resource.version)?;
    Ok(locked)
}

/// Only the tenant's own source writes.
pub(super) fn allow(actor: &Actor, rules: &WriteRules) -> Result<(), DirectoryError> {
    if actor.source.as_ref() == Some(&rules.source) {
        return Ok(());
    }
    Err(DirectoryError::SourceConflict {
        tenant_source: rules.source.clone(),
        token_source: actor.source.clone(),
    })
}

/// The rules of the tenant for one who may create in it; read in the transaction that writes.
pub(super) async fn rules_of(tx: &WriteTransaction, actor: &Actor) -> Result<WriteRules, DirectoryError> {
    let rules = store::rules::find(tx, actor.tenant).await?;
    let rules = rules.ok_or(DirectoryError::TenantNotFound)?;
    allow(actor, &rules)?;
    Ok(rules)
}

pub(super) fn expect_version(expected: Option<Version>, version: Version) -> Result<(), DirectoryError> {
    match expected {
        Some(expected) if expected != version => Err(DirectoryError::VersionMismatch),
        Some(_) | None => Ok(()),
    }
}

fn user_name_taken(error: StoreError) -> DirectoryError {
    match error {
        StoreError::Taken => DirectoryError::UserNameTaken,
        other => other.into(),
    }
}

#[cfg(test)]
mod tests;
