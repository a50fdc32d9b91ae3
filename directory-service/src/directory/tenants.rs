//! What can be done about tenants.

use std::borrow::Cow;

use tracing::instrument;

use super::{Directory, DirectoryError};
use crate::domain::Invalid;
use crate::domain::actor::Actor;
use crate::domain::change::{Change, ChangeKind, Resource};
use crate::domain::id::TenantId;
use crate::domain::tenant::{ActivationUrlTemplate, NewTenant, Setting, Tenant, TenantSlug};
use crate::domain::version::Version;
use crate::store;
use crate::store::StoreError;
use crate::store::tenants::Owned;

/// How many rows one transaction of a tenant's deletion removes at most.
const DELETE_CHUNK: u64 = 1_000;
/// How often a deletion begins again because something was written meanwhile.
const DELETE_ROUNDS: u32 = 5;

impl Directory {
    /// Creates the tenant that `actor` acts in, with a new id.
    ///
    /// # Errors
    /// [`DirectoryError::TenantSlugTaken`], [`DirectoryError::Invalid`]: a link to a host that the operator does not allow.
    #[instrument(name = "directory.create_tenant", skip_all)]
    pub async fn create_tenant(&self, actor: &Actor, new: &NewTenant) -> Result<Tenant, DirectoryError> {
        let NewTenant { slug, settings } = new.clone();
        self.allow_link(settings.activation_url_template.as_ref())?;
        let tenant = Tenant {
            id: actor.tenant,
            slug,
            settings,
            version: Version::FIRST.get(),
            created_us: self.clock.now_us(),
        };
        let tenant = &tenant;
        self.db
            .write(|tx| async move {
                match store::tenants::insert(&*tx, tenant).await {
                    Err(StoreError::Taken) => return Err(DirectoryError::TenantSlugTaken),
                    inserted => inserted?,
                }
                let change = change(tenant, ChangeKind::Created, Vec::new());
                store::changes::append(&tx, actor, tenant.created_us, &[change]).await?;
                Ok(())
            })
            .await?;
        Ok(tenant.clone())
    }

    /// The tenant of this slug.
    ///
    /// # Errors
    /// [`DirectoryError::TenantNotFound`], also for a text that cannot be a slug.
    #[instrument(name = "directory.get_tenant", skip_all)]
    pub async fn get_tenant(&self, slug: &str) -> Result<Tenant, DirectoryError> {
        let slug: TenantSlug = slug.parse().map_err(|_| DirectoryError::TenantNotFound)?;
        store::tenants::find(self.db.reader(), &slug)
            .await?
            .ok_or(DirectoryError::TenantNotFound)
    }

    /// At most `size` tenants by slug, those after `after`, and whether there are more.
    ///
    /// # Errors
    /// Those of the database.
    #[instrument(name = "directory.list_tenants", skip_all)]
    pub async fn list_tenants(&self, after: Option<&str>, size: u32) -> Result<(Vec<Tenant>, bool), DirectoryError> {
        let tenants = store::tenants::list(self.db.reader(), after, u64::from(size) + 1).await?;
        Ok(cut(tenants, size))
    }

    /// Changes the settings of the tenant that `actor` acts in. Nothing changed is no new version and no record.
    ///
    /// # Errors
    /// [`DirectoryError::TenantNotFound`], [`DirectoryError::Invalid`]: a link to a host that the operator does not allow.
    #[instrument(name = "directory.update_tenant", skip_all)]
    pub async fn update_tenant(&self, actor: &Actor, changes: &[Setting]) -> Result<Tenant, DirectoryError> {
        for change in changes {
            if let Setting::ActivationUrlTemplate(template) = change {
                self.allow_link(template.as_ref())?;
            }
        }
        let now_us = self.clock.now_us();
        self.db
            .write(|tx| async move {
                let locked = store::tenants::lock(&*tx, actor.tenant).await?;
                let mut tenant = locked.ok_or(DirectoryError::TenantNotFound)?;
                let changed = tenant.apply(changes);
                if !changed.is_empty() {
                    store::tenants::update(&*tx, &tenant).await?;
                    let change = change(&tenant, ChangeKind::Updated, changed);
                    store::changes::append(&tx, actor, now_us, &[change]).await?;
                }
                Ok(tenant)
            })
            .await
    }

    /// Deletes a tenant for good: its tokens first, so that nobody writes any more, then what it owns in bounded
    /// transactions, then itself. Stopped half-way, it can be called again.
    ///
    /// # Errors
    /// [`DirectoryError::TenantNotFound`]; without `force` [`DirectoryError::TenantNotEmpty`].
    #[instrument(name = "directory.delete_tenant", skip_all)]
    pub async fn delete_tenant(&self, slug: &str, force: bool) -> Result<(), DirectoryError> {
        let tenant = self.get_tenant(slug).await?.id;
        self.close_tenant(tenant, force).await?;
        for _ in 0..DELETE_ROUNDS {
            for owned in Owned::ALL {
                self.delete_owned(tenant, owned).await?;
            }
            match self.delete_empty_tenant(tenant).await {
                Err(DirectoryError::TenantNotEmpty) => {} // a request that was under way wrote something: once more
                Ok(()) => {
                    tracing::info!(tenant.id = %tenant, "a tenant was deleted");
                    // It is deleted: what fails now is no failure of that.
                    if let Err(error) = self.erase_left_mail_files().await {
                        let error = &error as &dyn std::error::Error;
                        tracing::error!(tenant.id = %tenant, error, "files of a deleted tenant's mails may be left");
                    }
                    return Ok(());
                }
                failed => return failed,
            }
        }
        Err(StoreError::Stale.into())
    }

    /// Only the operator says to which hosts mails may lead.
    fn allow_link(&self, template: Option<&ActivationUrlTemplate>) -> Result<(), Invalid> {
        match template {
            Some(template) if !self.link_hosts.contains(&template.host()) => Err(Invalid::new(
                "tenant.activation_url_template",
                "must have a host that the operator allows (DIRECTORY_ACTIVATION_URL_HOSTS)",
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// Revokes every token of a tenant that may be deleted.
    async fn close_tenant(&self, tenant: TenantId, force: bool) -> Result<(), DirectoryError> {
        let now_us = self.clock.now_us();
        self.db
            .write(|tx| async move {
                store::tenants::lock_for_deletion(&*tx, tenant)
                    .await?
                    .ok_or(DirectoryError::TenantNotFound)?;
                if !force && store::tenants::has_resources(&*tx, tenant).await? {
                    return Err(DirectoryError::TenantNotEmpty);
                }
                store::tokens::revoke_all(&*tx, Some(tenant), now_us).await?;
                Ok(())
            })
            .await
    }

    async fn delete_owned(&self, tenant: TenantId, owned: Owned) -> Result<(), DirectoryError> {
        loop {
            let deleted: Result<u64, DirectoryError> = self
                .db
                .write(|tx| async move { Ok(store::tenants::delete_owned(&*tx, tenant, owned, DELETE_CHUNK).await?) })
                .await;
            if deleted? < DELETE_CHUNK {
                return Ok(());
            }
        }
    }

    async fn delete_empty_tenant(&self, tenant: TenantId) -> Result<(), DirectoryError> {
        self.db
            .write(|tx| async move {
                // Locked so, nobody can insert a user or a group any more.
                store::tenants::lock_for_deletion(&*tx, tenant)
                    .await?
                    .ok_or(DirectoryError::TenantNotFound)?;
                if store::tenants::has_resources(&*tx, tenant).await? {
                    return Err(DirectoryError::TenantNotEmpty);
                }
                Ok(store::tenants::delete(&*tx, tenant).await?)
            })
            .await
    }
}

/// The first `size` of `items`, of which one more was read, and whether there are more.
pub(super) fn cut<T>(mut items: Vec<T>, size: u32) -> (Vec<T>, bool) {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let more = items.len() > size;
    items.truncate(size);
    (items, more)
}

fn change(tenant: &Tenant, kind: ChangeKind, attributes: Vec<&'static str>) -> Change {
    let attributes = attributes.into_iter().map(Cow::Borrowed).collect();
    Change::of(
        kind,
        Resource::Tenant(tenant.id),
        Version::new(tenant.version),
        attributes,
    )
}

#[cfg(test)]
mod tests;
