//! The tables `extension_schemas` and `unique_values`, and whether schemas are in use.

use sea_orm::sea_query::{Expr, ExprTrait as _, Func, LockType, OnConflict, Query};
use sea_orm::{
    ActiveValue::{self, NotSet, Set},
    ColumnTrait as _, ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _, QueryTrait as _,
};
use serde_json::Value;
use tracing::instrument;

use super::entities::{extension_schema, group, unique_value, user};
use super::error::StoreError;
use super::filter;
use super::paging::document_bytes;
use crate::domain::extension::{
    Checked, ExtensionQuestion, ExtensionSchema, Extensions, MAX_SCHEMAS, ResourceType, SchemaDefinition, SchemaSet,
    SchemaUrn, UniqueValue,
};
use crate::domain::filter::{Filter, GroupElement, UserElement};
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

/// The extension values of a resource of which one of these questions is true, if there is one. Looks at every resource of
/// the tenant: schemas change rarely.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.extension_schemas.find_value", skip_all, fields(tenant.id = %tenant))]
pub async fn find_value<C: ConnectionTrait>(
    conn: &C,
    tenant: TenantId,
    resource: ResourceType,
    questions: Vec<ExtensionQuestion>,
) -> Result<Option<Extensions>, StoreError> {
    let backend = conn.get_database_backend();
    let mut select = Query::select();
    match resource {
        ResourceType::User => {
            let any = questions
                .into_iter()
                .map(|question| Filter::Element(UserElement::Extension(question)));
            select
                .expr(filter::user_column(user::Column::Extensions))
                .from(user::Entity)
                .and_where(filter::user_column(user::Column::TenantId).eq(tenant.uuid()))
                .cond_where(filter::users(&Filter::Or(any.collect()), tenant, backend));
        }
        ResourceType::Group => {
            let any = questions
                .into_iter()
                .map(|question| Filter::Element(GroupElement::Extension(question)));
            select
                .expr(filter::group_column(group::Column::Extensions))
                .from(group::Entity)
                .and_where(filter::group_column(group::Column::TenantId).eq(tenant.uuid()))
                .cond_where(filter::groups(&Filter::Or(any.collect()), tenant, backend));
        }
    }
    let Some(row) = conn.query_one(select.limit(1)).await? else {
        return Ok(None);
    };
    read_values(row.try_get_by_index(0)?).map(Some)
}

/// Makes these the unique values of a resource, in place of others if it `had_values`; what another resource has is `Some`.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.unique_values.replace", skip_all)]
pub async fn replace_unique(
    tx: &DatabaseTransaction,
    tenant: TenantId,
    owner: Owner,
    had_values: bool,
    values: &[UniqueValue],
) -> Result<Option<UniqueValue>, StoreError> {
    if had_values {
        let of_owner = match owner {
            Owner::User(id) => unique_value::Column::UserId.eq(id.uuid()),
            Owner::Group(id) => unique_value::Column::GroupId.eq(id.uuid()),
        };
        unique_value::Entity::delete_many()
            .filter(unique_value::Column::TenantId.eq(tenant.uuid()))
            .filter(of_owner)
            .exec(tx)
            .await?;
    }
    if values.is_empty() {
        return Ok(None);
    }
    let (user, group) = match owner {
        Owner::User(id) => (Some(id.uuid()), None),
        Owner::Group(id) => (None, Some(id.uuid())),
    };
    let rows = values.iter().map(|value| unique_value::ActiveModel {
        tenant_id: Set(tenant.uuid()),
        attribute_key: Set(value.attribute.clone()),
        value_key: Set(value.value.clone()),
        user_id: Set(user),
        group_id: Set(group),
    });
    // An insert that fails would end the transaction on PostgreSQL before anybody could ask which value it was.
    let mut insert = unique_value::Entity::insert_many(rows).into_query();
    insert
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .returning(Query::returning().column(unique_value::Column::AttributeKey));
    let rows = tx.query_all(&insert).await?;
    let inserted = rows.iter().map(|row| row.try_get_by_index::<String>(0));
    let inserted = inserted.collect::<Result<Vec<_>, _>>()?;
    Ok(values
        .iter()
        .find(|value| !inserted.contains(&value.attribute))
        .cloned())
}

/// Lets values of these attributes stand more than once.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.unique_values.forget", skip_all, fields(tenant.id = %tenant))]
pub async fn forget_unique(
    tx: &DatabaseTransaction,
    tenant: TenantId,
    attributes: Vec<String>,
) -> Result<(), StoreError> {
    unique_value::Entity::delete_many()
        .filter(unique_value::Column::TenantId.eq(tenant.uuid()))
        .filter(unique_value::Column::AttributeKey.is_in(attributes))
        .exec(tx)
        .await?;
    Ok(())
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
