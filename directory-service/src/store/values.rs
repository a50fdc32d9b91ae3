//! The table `user_values`: the filter index of the multi-valued attributes in a user's document.

use sea_orm::{ActiveValue::Set, ColumnTrait as _, DatabaseTransaction, EntityTrait as _, QueryFilter as _};
use tracing::instrument;

use super::entities::user_value;
use super::error::StoreError;
use crate::domain::attribute::{ListAttribute, SubAttribute};
use crate::domain::id::{TenantId, UserId};
use crate::domain::profile::{Element, Profile};

/// SQLite binds 32,766 values in a statement; a row has 15.
const ROWS: usize = 2_000;

/// The number of a multi-valued attribute in rows; never reused.
pub(super) const fn number(list: ListAttribute) -> i16 {
    match list {
        ListAttribute::Emails => 1,
        ListAttribute::PhoneNumbers => 2,
        ListAttribute::Ims => 3,
        ListAttribute::Photos => 4,
        ListAttribute::Addresses => 5,
        ListAttribute::Entitlements => 6,
        ListAttribute::Roles => 7,
        ListAttribute::X509Certificates => 8,
    }
}

/// Writes the index rows of these attributes of a user.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.values.insert", skip_all, fields(user.id = %user))]
pub async fn insert(
    tx: &DatabaseTransaction,
    tenant: TenantId,
    user: UserId,
    profile: &Profile,
    lists: &[ListAttribute],
) -> Result<(), StoreError> {
    let mut elements: Vec<(ListAttribute, i32, &Element)> = Vec::new();
    for list in lists {
        elements.extend((0..).zip(profile.list(*list)).map(|(at, element)| (*list, at, element)));
    }
    for some in elements.chunks(ROWS) {
        let rows = some
            .iter()
            .map(|(list, position, element)| row(tenant, user, *list, *position, element));
        user_value::Entity::insert_many(rows).exec_without_returning(tx).await?;
    }
    Ok(())
}

/// Writes the index rows of changed attributes anew.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.values.replace", skip_all, fields(user.id = %user))]
pub async fn replace(
    tx: &DatabaseTransaction,
    tenant: TenantId,
    user: UserId,
    profile: &Profile,
    lists: &[ListAttribute],
) -> Result<(), StoreError> {
    user_value::Entity::delete_many()
        .filter(user_value::Column::TenantId.eq(tenant.uuid()))
        .filter(user_value::Column::UserId.eq(user.uuid()))
        .filter(user_value::Column::Attribute.is_in(lists.iter().map(|list| number(*list))))
        .exec(tx)
        .await?;
    insert(tx, tenant, user, profile, lists).await
}

fn row(
    tenant: TenantId,
    user: UserId,
    list: ListAttribute,
    position: i32,
    element: &Element,
) -> user_value::ActiveModel {
    let key = |sub| element.key(list, sub);
    let (email, value) = match list {
        ListAttribute::Emails => (key(SubAttribute::Value), None),
        ListAttribute::PhoneNumbers
        | ListAttribute::Ims
        | ListAttribute::Photos
        | ListAttribute::Addresses
        | ListAttribute::Entitlements
        | ListAttribute::Roles
        | ListAttribute::X509Certificates => (None, key(SubAttribute::Value)),
    };
    user_value::ActiveModel {
        tenant_id: Set(tenant.uuid()),
        user_id: Set(user.uuid()),
        attribute: Set(number(list)),
        position: Set(position),
        value_key: Set(value),
        email_key: Set(email),
        display_key: Set(key(SubAttribute::Display)),
        type_key: Set(key(SubAttribute::Type)),
        is_primary: Set(element.primary),
        formatted_key: Set(key(SubAttribute::Formatted)),
        street_address_key: Set(key(SubAttribute::StreetAddress)),
        locality_key: Set(key(SubAttribute::Locality)),
        region_key: Set(key(SubAttribute::Region)),
        postal_code_key: Set(key(SubAttribute::PostalCode)),
        country_key: Set(key(SubAttribute::Country)),
    }
}
