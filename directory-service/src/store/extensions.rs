//! The tables `extension_schemas` and `extension_values`.

use std::collections::{BTreeMap, HashSet};

use sea_orm::sea_query::{Expr, ExprTrait as _, Func, LockType, OnConflict, Order, Query, SelectStatement};
use sea_orm::{
    ActiveValue::{self, NotSet, Set},
    ColumnTrait as _, ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _, QueryTrait as _,
};
use serde_json::Value;
use tracing::instrument;

use super::entities::{extension_schema, extension_value};
use super::error::StoreError;
use super::paging::document_bytes;
use crate::domain::extension::{
    Checked, ExtensionSchema, Extensions, MAX_SCHEMAS, SchemaDefinition, SchemaSet, SchemaUrn, UniqueValue,
};
use crate::domain::id::{GroupId, TenantId, UserId};

/// Whose values are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A user's.
    User(UserId),
    /// A group's.
    Group(GroupId),
}

/// Every schema of a tenant, by URN.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.extension_schemas.list", skip_all, fields(tenant.id = %tenant))]
pub async fn list<C: ConnectionTrait>(conn: &C, tenant: TenantId) -> Result<SchemaSet, StoreError> {
    let rows = extension_schema::Entity::find()
        .filter(extension_schema::Column::TenantId.eq(tenant.uuid()))
        .order_by_asc(extension_schema::Column::UrnKey)
        .limit(MAX_SCHEMAS as u64)
        .all(conn)
        .await?;
    read_all(rows)
}

/// Those of the named schemas that exist, kept as they are until the transaction ends (PostgreSQL; SQLite has one writer).
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.extension_schemas.hold", skip_all, fields(tenant.id = %tenant))]
pub async fn hold<'a>(
    tx: &DatabaseTransaction,
    tenant: TenantId,
    urns: impl Iterator<Item = &'a str>,
) -> Result<SchemaSet, StoreError> {
    // No URN has a U+0000, with which PostgreSQL could not compare one.
    let urns = urns.filter(|urn| !urn.contains('\0'));
    // More names than there can be schemas: at least one is unknown, whichever they are.
    let keys = urns.map(SchemaUrn::key_of).take(MAX_SCHEMAS + 1);
    let rows = extension_schema::Entity::find()
        .filter(extension_schema::Column::TenantId.eq(tenant.uuid()))
        .filter(extension_schema::Column::UrnKey.is_in(keys))
        .order_by_asc(extension_schema::Column::UrnKey)
        .lock(LockType::Share)
        .all(tx)
        .await?;
    read_all(rows)
}

/// Locks a schema: who has written values of it is done, and nobody else begins.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.extension_schemas.lock", skip_all, fields(tenant.id = %tenant))]
pub async fn lock(tx: &DatabaseTransaction, tenant: TenantId, urn: &SchemaUrn) -> Result<(), StoreError> {
    extension_schema::Entity::find_by_id((tenant.uuid(), urn.key()))
        .select_only()
        .column(extension_schema::Column::UrnKey)
        .lock(LockType::Update)
        .into_tuple::<String>()
        .one(tx)
        .await?;
    Ok(())
}

/// Inserts a schema.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.extension_schemas.insert", skip_all, fields(tenant.id = %tenant))]
pub async fn insert(tx: &DatabaseTransaction, tenant: TenantId, schema: &ExtensionSchema) -> Result<(), StoreError> {
    let row = extension_schema::ActiveModel {
        tenant_id: Set(tenant.uuid()),
        urn_key: Set(schema.definition.urn().key()),
        definition: Set(write(&schema.definition)?),
        created_us: Set(schema.created_us),
        updated_us: Set(schema.updated_us),
    };
    extension_schema::Entity::insert(row).exec_without_returning(tx).await?;
    Ok(())
}

/// Writes a schema that is locked.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.extension_schemas.update", skip_all, fields(tenant.id = %tenant))]
pub async fn update(tx: &DatabaseTransaction, tenant: TenantId, schema: &ExtensionSchema) -> Result<(), StoreError> {
    let done = extension_schema::Entity::update_many()
        .col_expr(
            extension_schema::Column::Definition,
            Expr::value(write(&schema.definition)?),
        )
        .col_expr(extension_schema::Column::UpdatedUs, Expr::value(schema.updated_us))
        .filter(extension_schema::Column::TenantId.eq(tenant.uuid()))
        .filter(extension_schema::Column::UrnKey.eq(schema.definition.urn().key()))
        .exec(tx)
        .await?;
    if done.rows_affected == 1 {
        Ok(())
    } else {
        Err(StoreError::Stale)
    }
}

/// Deletes a schema that is locked and not in use.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.extension_schemas.delete", skip_all, fields(tenant.id = %tenant))]
pub async fn delete(tx: &DatabaseTransaction, tenant: TenantId, urn: &SchemaUrn) -> Result<(), StoreError> {
    extension_schema::Entity::delete_by_id((tenant.uuid(), urn.key()))
        .exec(tx)
        .await?;
    Ok(())
}

/// The key of one of these attributes that a resource of the tenant has a value of, if there is one.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.extension_values.find_used", skip_all, fields(tenant.id = %tenant))]
pub async fn find_used<C: ConnectionTrait>(
    conn: &C,
    tenant: TenantId,
    attributes: Vec<String>,
) -> Result<Option<String>, StoreError> {
    if attributes.is_empty() {
        return Ok(None);
    }
    let row = conn.query_one(&used(tenant, attributes)).await?;
    Ok(row.map(|row| row.try_get_by_index(0)).transpose()?)
}

/// Looks into the index once for each attribute, however many resources have values and whatever PostgreSQL believes about
/// that: the order is the index's.
pub(super) fn used(tenant: TenantId, attributes: Vec<String>) -> SelectStatement {
    let asked = Expr::col(("asked", "column1"));
    let first = Query::select()
        .column(extension_value::Column::ValueKey)
        .from(extension_value::Entity)
        .and_where(extension_value::Column::TenantId.eq(tenant.uuid()))
        .and_where(extension_value::Column::AttributeKey.into_expr().eq(asked.clone()))
        .order_by(extension_value::Column::ValueKey, Order::Asc)
        .limit(1)
        .take();
    Query::select()
        .expr(asked)
        .from_values(attributes, "asked")
        .and_where(Expr::from(first).is_not_null())
        .limit(1)
        .take()
}

/// Makes these the attributes that a resource has values of, in place of others if it `had_values`. `Some` is the path of one
/// whose value another resource has.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.extension_values.replace", skip_all)]
pub async fn replace_used(
    tx: &DatabaseTransaction,
    tenant: TenantId,
    owner: Owner,
    had_values: bool,
    used: &BTreeMap<String, Option<UniqueValue>>,
) -> Result<Option<String>, StoreError> {
    if had_values {
        let of_owner = match owner {
            Owner::User(id) => extension_value::Column::UserId.eq(id.uuid()),
            Owner::Group(id) => extension_value::Column::GroupId.eq(id.uuid()),
        };
        extension_value::Entity::delete_many()
            .filter(extension_value::Column::TenantId.eq(tenant.uuid()))
            .filter(of_owner)
            .exec(tx)
            .await?;
    }
    if used.is_empty() {
        return Ok(None);
    }
    let (user, group) = match owner {
        Owner::User(id) => (Some(id.uuid()), None),
        Owner::Group(id) => (None, Some(id.uuid())),
    };
    let own = user.or(group).unwrap_or_default().to_string();
    // In the order of the attributes, so that two writers do not wait for each other.
    let rows = used.iter().map(|(attribute, unique)| extension_value::ActiveModel {
        tenant_id: Set(tenant.uuid()),
        attribute_key: Set(attribute.clone()),
        // What stays from a time when the attribute was unique is in nobody's way: no id begins with `=`.
        value_key: Set(unique
            .as_ref()
            .map_or_else(|| own.clone(), |unique| format!("={}", unique.value))),
        user_id: Set(user),
        group_id: Set(group),
    });
    // An insert that fails would end the transaction on PostgreSQL before anybody could ask which value it was.
    let mut insert = extension_value::Entity::insert_many(rows).into_query();
    insert
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .returning(Query::returning().column(extension_value::Column::AttributeKey));
    let rows = tx.query_all(&insert).await?;
    let inserted = rows.iter().map(|row| row.try_get_by_index::<String>(0));
    let inserted = inserted.collect::<Result<HashSet<_>, _>>()?;
    let taken = used.iter().filter(|(attribute, _)| !inserted.contains(*attribute));
    Ok(taken
        .filter_map(|(_, unique)| unique.as_ref())
        .map(|unique| unique.path.clone())
        .next())
}

fn write(definition: &SchemaDefinition) -> Result<Value, StoreError> {
    serde_json::to_value(definition).map_err(|_| StoreError::Unreadable("the definition of a schema"))
}

fn read_all(rows: Vec<extension_schema::Model>) -> Result<SchemaSet, StoreError> {
    let schemas = rows.into_iter().map(|row| {
        let definition = serde_json::from_value(row.definition);
        Ok(ExtensionSchema {
            definition: definition.map_err(|_| StoreError::Unreadable("the definition of a schema"))?,
            created_us: row.created_us,
            updated_us: row.updated_us,
        })
    });
    Ok(SchemaSet::new(schemas.collect::<Result<_, StoreError>>()?))
}

/// How many bytes extension values have.
pub(super) fn extension_bytes(column: Expr, backend: DbBackend) -> Expr {
    Func::coalesce([document_bytes(column, backend), Expr::val(0)]).into()
}

/// A column of JSON to write, or to leave as it is.
type JsonColumn = ActiveValue<Option<Value>>;

/// The columns of a resource's extension values, to be set only if values were `checked`.
pub(super) fn extension_columns(checked: Option<&Checked>) -> Result<(JsonColumn, JsonColumn), StoreError> {
    let Some(checked) = checked else {
        return Ok((NotSet, NotSet));
    };
    if checked.values.is_empty() {
        return Ok((Set(None), Set(None)));
    }
    let values = serde_json::to_value(&checked.values).map_err(|_| StoreError::Unreadable("extension values"))?;
    Ok((Set(Some(values)), Set(Some(Value::Object(checked.keys.clone())))))
}

/// The extension values in a row.
pub(super) fn read_values(column: Option<Value>) -> Result<Extensions, StoreError> {
    let values = column.map(serde_json::from_value).transpose();
    Ok(values
        .map_err(|_| StoreError::Unreadable("extension values"))?
        .unwrap_or_default())
}
