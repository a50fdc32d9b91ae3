//! Everything that explains the state of a user to an administrator.

use std::collections::{BTreeMap, BTreeSet};

use tracing::instrument;

use super::activations::Whom;
use super::{Directory, DirectoryError};
use crate::domain::actor::Actor;
use crate::domain::change::{RecordedChange, Resource};
use crate::domain::id::{TenantId, UserId};
use crate::domain::mail::Mail;
use crate::domain::refused_disable::{Refusal, RefusedDisable};
use crate::domain::user::{User, UserParts};
use crate::store;
use crate::store::users::Intent;

/// How many changes are shown.
const CHANGES: u64 = 20;

/// What explains a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The user, with its groups.
    pub user: User,
    /// Its activation mail.
    pub mail: Option<Mail>,
    /// The newest refused requests that would have blocked it, the newest first.
    pub refused_disables: Vec<RefusedDisable>,
    /// Its newest changes, the newest first.
    pub changes: Vec<RecordedChange>,
    /// Whether the source's word that the user is active takes an administrator's block away.
    pub administrator_block_yields: bool,
    /// What the tokens that did all this are called, by their ids; none: an operator's.
    pub actor_names: BTreeMap<String, Option<String>>,
}

impl Directory {
    /// Explains a user.
    ///
    /// # Errors
    /// [`DirectoryError::UserNotFound`].
    #[instrument(name = "directory.explain_user", skip_all, fields(tenant.id = %tenant))]
    pub async fn explain_user(&self, tenant: TenantId, whom: &Whom) -> Result<Explanation, DirectoryError> {
        let tx = self.db.begin_read().await?; // the state and its history are of one moment
        let id = match whom {
            Whom::Id(id) => Some(*id),
            Whom::Name(name) => store::users::find_id(&tx, tenant, name).await?,
        };
        let id = id.ok_or(DirectoryError::UserNotFound)?;
        let user = store::users::find(&tx, tenant, id, UserParts::ALL).await?;
        let user = user.ok_or(DirectoryError::UserNotFound)?;
        let mail = store::mails::find(&tx, tenant, id).await?;
        let refused_disables = store::refused_disables::list(&tx, tenant, id).await?;
        let changes = store::changes::of_resource(&tx, tenant, Resource::User(id), CHANGES).await?;
        let actors: BTreeSet<&str> = (user.blocks.causes().map(|cause| cause.actor.as_str()))
            .chain(refused_disables.iter().map(|refused| refused.actor.as_str()))
            .chain(changes.iter().map(|change| change.actor.as_str()))
            .collect();
        let actor_names = store::tokens::names(&tx, tenant, actors).await?;
        let settings = store::tenants::find_by_id(&tx, tenant).await?;
        drop(tx); // the groups come by another connection
        Ok(Explanation {
            user: self.with_groups(tenant, user).await?,
            mail,
            refused_disables,
            changes,
            administrator_block_yields: settings
                .is_some_and(|tenant| tenant.settings.administrator_block_yields_to_source),
            actor_names,
        })
    }

    /// Keeps that a request was refused which held a source's word that a user is not active: also another source's than the
    /// tenant's, as that is how a wrong setting leaves every leaver in.
    ///
    /// # Errors
    /// [`DirectoryError::UserNotFound`].
    #[instrument(name = "directory.keep_refused_disable", skip_all, fields(tenant.id = %actor.tenant, user.id = %id))]
    pub async fn keep_refused_disable(
        &self,
        actor: &Actor,
        id: UserId,
        refusal: &Refusal,
    ) -> Result<(), DirectoryError> {
        let now_us = self.clock.now_us();
        self.db
            .write(|tx| async move {
                let locked = store::users::lock(&tx, actor.tenant, id, Intent::Change).await?;
                locked.ok_or(DirectoryError::UserNotFound)?;
                Ok(store::refused_disables::insert(&tx, actor, id, refusal, now_us).await?)
            })
            .await
    }
}

#[cfg(test)]
mod tests;
