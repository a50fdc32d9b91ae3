//! The groups that users show, as many as a page can hold.

use super::{Directory, DirectoryError};
use crate::domain::id::TenantId;
use crate::domain::page::{PAGE_BYTES, Page, Walk};
use crate::domain::search::Found;
use crate::domain::user::{User, UserGroup};
use crate::store;
use crate::store::memberships::SURELY_SHOWN;

/// An id and what is around it.
const ID_BYTES: usize = 44;

/// What may be a user.
pub(super) trait MaybeUser {
    /// The user that it is.
    fn user(&mut self) -> Option<&mut User>;
}

impl MaybeUser for User {
    fn user(&mut self) -> Option<&mut User> {
        Some(self)
    }
}

impl MaybeUser for Found {
    fn user(&mut self) -> Option<&mut User> {
        match self {
            Self::User(user) => Some(user),
            Self::Group(_) => None,
        }
    }
}

impl Directory {
    /// Reads the groups of a page's users if they are wanted. Usually that is one statement. Users in very many groups
    /// are taken in small parts, until the page is full: it ends there.
    pub(super) async fn show_groups_of_page<T: MaybeUser>(
        &self,
        tenant: TenantId,
        page: &mut Page<T>,
        wanted: bool,
    ) -> Result<(), DirectoryError> {
        if !wanted || self.show_groups_if_few(tenant, &mut page.items).await? {
            return Ok(());
        }
        let walk = page.walk();
        let (mut shown, mut bytes) = (0, 0);
        while shown < page.items.len() && bytes < PAGE_BYTES {
            let part = part_of(&mut page.items, walk, shown);
            self.show_groups_if_few(tenant, part).await?;
            let users = part.iter_mut().filter_map(MaybeUser::user);
            bytes += users.flat_map(|user| &user.groups).map(bytes_of).sum::<usize>();
            shown += part.len();
        }
        page.shorten(shown);
        Ok(())
    }

    /// Reads the groups of users, unless they are too many: whether it did. Those of [`SURELY_SHOWN`] users never are.
    pub(super) async fn show_groups_if_few<T: MaybeUser>(
        &self,
        tenant: TenantId,
        users: &mut [T],
    ) -> Result<bool, DirectoryError> {
        let mut users: Vec<_> = users.iter_mut().filter_map(MaybeUser::user).collect();
        let ids: Vec<_> = users.iter().map(|user| user.id).collect();
        let Some(mut groups) = store::memberships::groups_of_users(self.db.reader(), tenant, &ids).await? else {
            return Ok(false);
        };
        for user in &mut users {
            user.groups = groups.remove(&user.id).unwrap_or_default();
        }
        Ok(true)
    }
}

/// The next few users on a walk that has passed some.
fn part_of<T>(users: &mut [T], walk: Walk, passed: usize) -> &mut [T] {
    let left = users.len() - passed;
    let part = left.min(SURELY_SHOWN);
    match walk {
        Walk::Forward => &mut users[passed..passed + part],
        Walk::Backward => &mut users[left - part..left],
    }
}

fn bytes_of(group: &UserGroup) -> usize {
    ID_BYTES + group.display_name.as_str().len()
}
