//! Use cases that ask who is in which group.

use tracing::instrument;

use super::{Directory, DirectoryError};
use crate::domain::group::Group;
use crate::domain::id::{GroupId, TenantId, UserId};
use crate::domain::membership::MembershipCheck;
use crate::domain::page::{Page, PageRequest};
use crate::domain::user::UserParts;
use crate::store;

impl Directory {
    /// Reads a page of the direct members of a group, by user id.
    ///
    /// # Errors
    /// [`DirectoryError::GroupNotFound`].
    #[instrument(name = "directory.list_members", skip_all, fields(tenant.id = %tenant, group.id = %group))]
    pub async fn list_members(
        &self,
        tenant: TenantId,
        group: GroupId,
        request: &PageRequest,
    ) -> Result<Page<UserId>, DirectoryError> {
        let page = store::memberships::list(self.db.reader(), tenant, group, request).await?;
        if page.items.is_empty() {
            self.get_group(tenant, group, false).await?;
        }
        Ok(page)
    }

    /// Reads a page of the groups of a user, by group id.
    ///
    /// # Errors
    /// [`DirectoryError::UserNotFound`].
    #[instrument(name = "directory.list_user_groups", skip_all, fields(tenant.id = %tenant, user.id = %user))]
    pub async fn list_user_groups(
        &self,
        tenant: TenantId,
        user: UserId,
        request: &PageRequest,
    ) -> Result<Page<Group>, DirectoryError> {
        let page = store::groups::list_of_user(self.db.reader(), tenant, user, request).await?;
        if page.items.is_empty() {
            self.get_user(tenant, user, UserParts::default()).await?;
        }
        Ok(page)
    }

    /// Says whether a user is a direct member of a group, and whether it is blocked.
    ///
    /// # Errors
    /// [`DirectoryError::GroupNotFound`], [`DirectoryError::UserNotFound`].
    #[instrument(
        name = "directory.check_membership",
        skip_all,
        fields(tenant.id = %tenant, group.id = %group, user.id = %user)
    )]
    pub async fn check_membership(
        &self,
        tenant: TenantId,
        group: GroupId,
        user: UserId,
    ) -> Result<MembershipCheck, DirectoryError> {
        let check = store::memberships::check(self.db.reader(), tenant, group, user).await?;
        check
            .ok_or(DirectoryError::GroupNotFound)?
            .ok_or(DirectoryError::UserNotFound)
    }
}
