//! An administrator's block of a user. The source's own word is never touched here.

use tracing::instrument;

use super::users::{expect_version, save};
use super::{Directory, DirectoryError};
use crate::domain::actor::Actor;
use crate::domain::id::UserId;
use crate::domain::user::User;
use crate::domain::version::Version;
use crate::store;
use crate::store::users::{Intent, Locked};

/// A user whom an administrator blocked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// The user.
    pub user: User,
    /// Whether the source's next word that the user is active lifts the block.
    pub source_may_lift: bool,
}

impl Directory {
    /// Adds an administrator's block; one that is there stays as it is.
    ///
    /// # Errors
    /// [`DirectoryError::UserNotFound`], [`DirectoryError::VersionMismatch`].
    #[instrument(name = "directory.block_user", skip_all, fields(tenant.id = %actor.tenant, user.id = %id))]
    pub async fn block_user(
        &self,
        actor: &Actor,
        id: UserId,
        expected: Option<Version>,
    ) -> Result<Blocked, DirectoryError> {
        let cause = self.cause(actor);
        let cause = &cause;
        let blocked = self
            .db
            .write(|tx| async move {
                let locked = store::users::lock(&tx, actor.tenant, id, Intent::Change).await?;
                let Locked {
                    resource: before,
                    rules,
                } = locked.ok_or(DirectoryError::UserNotFound)?;
                expect_version(expected, before.version)?;
                let mut user = before.clone();
                user.blocks.administrator.get_or_insert_with(|| cause.clone());
                Ok::<_, DirectoryError>(Blocked {
                    user: save(&tx, actor, before, user, None, cause.since_us).await?.user,
                    source_may_lift: rules.administrator_block_yields,
                })
            })
            .await?;
        Ok(Blocked {
            user: self.with_groups(actor.tenant, blocked.user).await?,
            ..blocked
        })
    }

    /// Takes an administrator's block away, and GROUP_DELETED if that is asked for.
    ///
    /// # Errors
    /// [`DirectoryError::UserNotFound`], [`DirectoryError::VersionMismatch`].
    #[instrument(name = "directory.unblock_user", skip_all, fields(tenant.id = %actor.tenant, user.id = %id))]
    pub async fn unblock_user(
        &self,
        actor: &Actor,
        id: UserId,
        expected: Option<Version>,
        group_deleted: bool,
    ) -> Result<User, DirectoryError> {
        let now_us = self.clock.now_us();
        let saved = self
            .db
            .write(|tx| async move {
                let locked = store::users::lock(&tx, actor.tenant, id, Intent::Change).await?;
                let before = locked.ok_or(DirectoryError::UserNotFound)?.resource;
                expect_version(expected, before.version)?;
                let mut user = before.clone();
                user.blocks.administrator = None;
                if group_deleted {
                    user.blocks.group_deleted = None;
                }
                user.queue_mail();
                save(&tx, actor, before, user, None, now_us).await
            })
            .await?;
        self.with_groups(actor.tenant, self.told_of(saved)).await
    }
}

#[cfg(test)]
mod tests;
