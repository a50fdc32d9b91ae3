//! One file per table. A `Model` never leaves `store`.
#![allow(missing_docs)]

pub(crate) mod change;
pub(crate) mod extension_schema;
pub(crate) mod extension_value;
pub(crate) mod group;
pub(crate) mod mail;
pub(crate) mod membership;
pub(crate) mod refused_disable;
pub(crate) mod tenant;
pub(crate) mod token;
pub(crate) mod tombstone;
pub(crate) mod user;
pub(crate) mod user_value;
