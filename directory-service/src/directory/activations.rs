//! Codes that prove whose a user is: asking for one, redeeming it, and its end.

use tracing::instrument;

use super::users::save;
use super::{Directory, DirectoryError};
use crate::activation_code::ActivationCodes;
use crate::domain::activation::Refused;
use crate::domain::actor::Actor;
use crate::domain::id::{TenantId, UserId};
use crate::domain::user::User;
use crate::domain::user_name::UserName;
use crate::store;
use crate::store::users::Intent;

/// How many codes one transaction-by-transaction sweep ends at most.
pub const EXPIRED_AT_ONCE: usize = 200;

/// Whom a request means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// The user of this id.
    Id(UserId),
    /// The user of this name.
    Name(UserName),
}

/// A user was activated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redeemed {
    /// Who.
    pub user: UserId,
    /// When: microseconds since 1970, UTC.
    pub at_us: i64,
}

/// What became of a code that somebody typed.
enum Tried {
    Redeemed(Redeemed),
    Refused,
}

impl Directory {
    /// Mails a user a new code, which voids the one before.
    ///
    /// # Errors
    /// [`DirectoryError::UserNotFound`], [`DirectoryError::AlreadyActivated`], [`DirectoryError::ActivationRateLimited`].
    #[instrument(name = "directory.send_activation", skip_all, fields(tenant.id = %actor.tenant, user.id = %id))]
    pub async fn send_activation(&self, actor: &Actor, id: UserId) -> Result<User, DirectoryError> {
        let now_us = self.clock.now_us();
        let saved = self
            .db
            .write(|tx| async move {
                let locked = store::users::lock(&tx, actor.tenant, id, Intent::Change).await?;
                let before = locked.ok_or(DirectoryError::UserNotFound)?.resource;
                let mut user = before.clone();
                user.activation.ask_for_mail(now_us)?;
                user.queue_mail();
                save(&tx, actor, before, user, None, now_us).await
            })
            .await?;
        self.with_groups(actor.tenant, self.told_of(saved)).await
    }

    /// Activates a user if `typed` is the code that is good for it now. Every failure has the same answer; wrong codes are
    /// counted.
    ///
    /// # Errors
    /// [`DirectoryError::ActivationCodeInvalid`].
    #[instrument(name = "directory.redeem_activation_code", skip_all, fields(tenant.id = %actor.tenant))]
    pub async fn redeem_activation_code(
        &self,
        actor: &Actor,
        whom: &Whom,
        typed: &str,
        codes: &ActivationCodes,
    ) -> Result<Redeemed, DirectoryError> {
        let id = match whom {
            Whom::Id(id) => Some(*id),
            Whom::Name(name) => store::users::find_id(self.db.reader(), actor.tenant, name).await?,
        };
        // Who does not exist is compared with, too: the answer takes as long.
        let id = id.unwrap_or_else(UserId::generate);
        let now_us = self.clock.now_us();
        let tried = self
            .db
            .write(|tx| async move {
                let locked = store::users::lock(&tx, actor.tenant, id, Intent::Change).await?;
                let before = locked.map(|locked| locked.resource);
                let number = before.as_ref().map_or(0, |user| user.activation.code_number);
                let matches = codes.matches(actor.tenant, id, number, typed);
                let Some(before) = before.filter(|user| user.activation.takes_codes(now_us)) else {
                    return Ok(Tried::Refused);
                };
                let mut user = before.clone();
                match (matches, before.blocks.any()) {
                    (true, true) => return Ok(Tried::Refused), // the code survives
                    (true, false) => user.activation.redeem(now_us),
                    (false, _) => user.activation.wrong_code(now_us),
                }
                if user.activation.status == before.activation.status {
                    // A try alone is no change of the user: whoever guesses must not fill its history.
                    store::users::count_wrong_code(&tx, actor.tenant, id, &user.activation).await?;
                    return Ok(Tried::Refused);
                }
                save(&tx, actor, before, user, None, now_us).await?;
                Ok::<_, DirectoryError>(if matches {
                    Tried::Redeemed(Redeemed {
                        user: id,
                        at_us: now_us,
                    })
                } else {
                    Tried::Refused
                })
            })
            .await?;
        match tried {
            Tried::Redeemed(redeemed) => Ok(redeemed),
            Tried::Refused => Err(DirectoryError::ActivationCodeInvalid),
        }
    }

    /// Ends codes whose time is over, of all tenants, at most [`EXPIRED_AT_ONCE`]. Says how many.
    ///
    /// # Errors
    /// Those of the database.
    #[instrument(name = "directory.end_expired_codes", skip_all)]
    pub async fn end_expired_codes(&self) -> Result<usize, DirectoryError> {
        let now_us = self.clock.now_us();
        let expired = store::jobs::expired_codes(self.db.reader(), now_us, EXPIRED_AT_ONCE as u64).await?;
        let mut ended = 0_usize;
        for (tenant, id) in &expired {
            match self.end_expired_code(*tenant, *id, now_us).await {
                Ok(()) => ended += 1,
                // One user who cannot be written must not hold up everybody.
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(tenant.id = %tenant, user.id = %id, error, "an expired code was not ended");
                }
            }
        }
        Ok(ended)
    }

    async fn end_expired_code(&self, tenant: TenantId, id: UserId, now_us: i64) -> Result<(), DirectoryError> {
        let actor = Actor::system(tenant);
        let actor = &actor;
        self.db
            .write(|tx| async move {
                let Some(locked) = store::users::lock(&tx, tenant, id, Intent::Change).await? else {
                    return Ok(()); // deleted meanwhile
                };
                let before = locked.resource;
                let mut user = before.clone();
                if user.activation.expires_us.is_some_and(|until| until <= now_us) {
                    user.activation.end();
                }
                save(&tx, actor, before, user, None, now_us).await?;
                Ok(())
            })
            .await
    }
}

impl From<Refused> for DirectoryError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Activated => Self::AlreadyActivated,
            Refused::TooSoon { wait_us } => Self::ActivationRateLimited { wait_us },
        }
    }
}

#[cfg(test)]
mod tests;
