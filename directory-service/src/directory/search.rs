//! The use case that asks for users and groups together.

use std::collections::HashMap;

use tracing::instrument;

use super::{Directory, DirectoryError};
use crate::domain::group::Group;
use crate::domain::id::{GroupId, TenantId, UserId};
use crate::domain::page::{Page, PageRequest};
use crate::domain::search::{Found, Search};
use crate::domain::user::{User, UserParts};
use crate::store::search::FoundId;
use crate::store::{self, StoreError};

impl Directory {
    /// Reads a page of users and groups in one order, of the users the wanted parts. Who stands on the page and what they
    /// are is read in one snapshot.
    ///
    /// # Errors
    /// [`DirectoryError::Store`].
    #[instrument(name = "directory.search", skip_all, fields(tenant.id = %tenant))]
    pub async fn search(
        &self,
        tenant: TenantId,
        search: &Search,
        request: &PageRequest,
        parts: UserParts,
    ) -> Result<Page<Found>, DirectoryError> {
        let tx = self.db.begin_read().await?;
        let page = store::search::list(&tx, tenant, search, request, parts).await?;
        let (user_ids, group_ids) = split(&page.items);
        let mut found_users = HashMap::new();
        if !user_ids.is_empty() {
            let users = store::users::find_many(&tx, tenant, &user_ids, parts).await?;
            found_users = users
                .into_iter()
                .map(|user| (user.id, user))
                .collect::<HashMap<_, User>>();
        }
        let mut found_groups = HashMap::new();
        if !group_ids.is_empty() {
            let groups = store::groups::find_many(&tx, tenant, &group_ids).await?;
            found_groups = groups
                .into_iter()
                .map(|group| (group.id, group))
                .collect::<HashMap<_, Group>>();
        }
        tx.commit().await.map_err(StoreError::from)?;
        let page = page.map_all(|id| match id {
            FoundId::User(id) => found_users.remove(&id).map(|user| Found::User(Box::new(user))),
            FoundId::Group(id) => found_groups.remove(&id).map(Found::Group),
        });
        let mut page = page.ok_or(StoreError::Unreadable("a resource that its own snapshot does not hold"))?;
        self.show_groups_of_page(tenant, &mut page, parts.groups).await?;
        Ok(page)
    }
}

fn split(found: &[FoundId]) -> (Vec<UserId>, Vec<GroupId>) {
    let (mut users, mut groups) = (Vec::new(), Vec::new());
    for id in found {
        match id {
            FoundId::User(id) => users.push(*id),
            FoundId::Group(id) => groups.push(*id),
        }
    }
    (users, groups)
}

#[cfg(test)]
mod tests;
