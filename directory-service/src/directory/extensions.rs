//! What can be done about extension schemas, and how values meet them.

use std::borrow::Cow;

use tracing::instrument;

use super::{Directory, DirectoryError};
use crate::domain::Invalid;
use crate::domain::actor::Actor;
use crate::domain::change::{Change, ChangeKind, Resource};
use crate::domain::extension::{
    Checked, ExtensionSchema, Extensions, Lost, MAX_SCHEMAS, ResourceType, SchemaDefinition, SchemaSet, SchemaUrn,
    Submitted,
};
use crate::domain::id::TenantId;
use crate::domain::tenant::Tenant;
use crate::domain::version::Version;
use crate::store::extensions::Owner;
use crate::store::{self, WriteTransaction};

impl Directory {
    /// The schemas of a tenant, by URN.
    ///
    /// # Errors
    /// [`DirectoryError::Store`].
    #[instrument(name = "directory.list_extension_schemas", skip_all, fields(tenant.id = %tenant))]
    pub async fn list_extension_schemas(&self, tenant: TenantId) -> Result<SchemaSet, DirectoryError> {
        Ok(store::extensions::list(self.db.reader(), tenant).await?)
    }

    /// Registers a schema in the tenant that `actor` acts in, or changes it. Nothing changed is no record.
    ///
    /// # Errors
    /// [`DirectoryError::TenantNotFound`], [`DirectoryError::ExtensionSchemaInUse`], [`DirectoryError::Invalid`]: too many,
    /// or in the way of another one.
    #[instrument(name = "directory.register_extension_schema", skip_all, fields(tenant.id = %actor.tenant))]
    pub async fn register_extension_schema(
        &self,
        actor: &Actor,
        definition: &SchemaDefinition,
    ) -> Result<ExtensionSchema, DirectoryError> {
        let now_us = self.clock.now_us();
        self.db
            .write(|tx| async move {
                let tenant = lock_tenant(&tx, actor).await?;
                let known = store::extensions::list(&*tx, actor.tenant).await?;
                let mut schema = ExtensionSchema {
                    definition: definition.clone(),
                    created_us: now_us,
                    updated_us: now_us,
                };
                match known.find(definition.urn().as_str()) {
                    Some(before) if before.definition.is_same_as(definition) => return Ok(before.clone()),
                    Some(before) => {
                        schema.created_us = before.created_us;
                        replace(&tx, actor.tenant, &before.definition, &schema).await?;
                    }
                    None => {
                        make_room(&known, definition.urn())?;
                        store::extensions::insert(&tx, actor.tenant, &schema).await?;
                    }
                }
                record(&tx, actor, tenant, definition.urn(), now_us).await?;
                Ok(schema)
            })
            .await
    }

    /// Deletes a schema that no resource has a value of.
    ///
    /// # Errors
    /// [`DirectoryError::TenantNotFound`], [`DirectoryError::ExtensionSchemaNotFound`],
    /// [`DirectoryError::ExtensionSchemaInUse`].
    #[instrument(name = "directory.delete_extension_schema", skip_all, fields(tenant.id = %actor.tenant))]
    pub async fn delete_extension_schema(&self, actor: &Actor, urn: &str) -> Result<(), DirectoryError> {
        let now_us = self.clock.now_us();
        self.db
            .write(|tx| async move {
                let tenant = lock_tenant(&tx, actor).await?;
                let known = store::extensions::list(&*tx, actor.tenant).await?;
                let schema = known.find(urn).ok_or(DirectoryError::ExtensionSchemaNotFound)?;
                let urn = schema.definition.urn();
                store::extensions::lock(&tx, actor.tenant, urn).await?;
                let attributes = schema.definition.attributes().iter();
                let keys = attributes.map(|attribute| schema.definition.key(attribute, None));
                let used = store::extensions::find_used(&*tx, actor.tenant, keys.collect()).await?;
                if used.is_some() {
                    return Err(DirectoryError::ExtensionSchemaInUse { attribute: None });
                }
                store::extensions::delete(&tx, actor.tenant, urn).await?;
                record(&tx, actor, tenant, urn, now_us).await
            })
            .await
    }
}

async fn lock_tenant(tx: &WriteTransaction, actor: &Actor) -> Result<Tenant, DirectoryError> {
    let locked = store::tenants::lock(&**tx, actor.tenant).await?;
    locked.ok_or(DirectoryError::TenantNotFound)
}

/// A schema is a setting of its tenant.
async fn record(
    tx: &WriteTransaction,
    actor: &Actor,
    mut tenant: Tenant,
    urn: &SchemaUrn,
    now_us: i64,
) -> Result<(), DirectoryError> {
    tenant.version += 1;
    store::tenants::update(&**tx, &tenant).await?;
    let attribute = Cow::Owned(format!("extension_schemas.{}", urn.as_str()));
    let version = Version::new(tenant.version);
    let change = Change::of(
        ChangeKind::Updated,
        Resource::Tenant(tenant.id),
        version,
        vec![attribute],
    );
    store::changes::append(tx, actor, now_us, &[change]).await?;
    Ok(())
}

fn make_room(known: &SchemaSet, urn: &SchemaUrn) -> Result<(), Invalid> {
    if known.len() >= MAX_SCHEMAS {
        return Err(Invalid::new(
            "schema",
            "would be the 17th of the tenant; delete another one first",
        ));
    }
    if known.iter().any(|other| other.definition.urn().conflicts_with(urn)) {
        let rule = "must be neither the beginning nor the continuation of another schema's URN";
        return Err(Invalid::new("schema.id", rule));
    }
    Ok(())
}

/// Puts a schema in the place of another one, unless a resource has a value that would become unreadable.
async fn replace(
    tx: &WriteTransaction,
    tenant: TenantId,
    before: &SchemaDefinition,
    schema: &ExtensionSchema,
) -> Result<(), DirectoryError> {
    let next = &schema.definition;
    if before.resource_type() != next.resource_type() {
        return Err(Invalid::new("schema.resource_type", "cannot be changed").into());
    }
    store::extensions::lock(tx, tenant, before.urn()).await?;
    let lost = before.lost_in(next);
    let keys = lost.iter().map(|(attribute, sub)| before.key(attribute, *sub));
    let used = store::extensions::find_used(&**tx, tenant, keys.collect()).await?;
    if let Some(used) = used {
        let of_key = |(attribute, sub): &&Lost<'_>| before.key(attribute, *sub) == used;
        let attribute = lost.iter().find(of_key);
        let attribute = attribute.map(|(attribute, sub)| before.path(attribute, *sub));
        return Err(DirectoryError::ExtensionSchemaInUse { attribute });
    }
    store::extensions::update(tx, tenant, schema).await?;
    Ok(())
}

/// Checks what a write says about a resource that had `before`, against schemas that stay as they are until it is committed. A write that names no schema costs
/// no statement.
pub(super) async fn check(
    tx: &WriteTransaction,
    tenant: TenantId,
    resource: ResourceType,
    submitted: &Submitted,
    before: &Extensions,
) -> Result<Checked, DirectoryError> {
    if submitted.is_empty() {
        return Ok(Checked::default());
    }
    let schemas = store::extensions::hold(tx, tenant, submitted.urns()).await?;
    Ok(schemas.check(resource, submitted, before)?)
}

/// Notes what a resource has values of, in place of what it had, and claims those that no other resource may have.
pub(super) async fn claim(
    tx: &WriteTransaction,
    tenant: TenantId,
    owner: Owner,
    had_values: bool,
    checked: &Checked,
) -> Result<(), DirectoryError> {
    match store::extensions::replace_used(tx, tenant, owner, had_values, &checked.used).await? {
        Some(attribute) => Err(DirectoryError::ExtensionValueTaken { attribute }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
